//! WebSocket over real sockets: our client against our server, and what must be refused.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use std::io::Write;
use std::sync::mpsc::{Sender, channel};

use actor_core::prelude::*;
use actor_net::websocket::{self, ClientFrame, ClientRequest, Close, Message};
use actor_net::{BytesMut, Client, CloseReason, Conn, Connection};
use proptest::prelude::*;

use crate::setup::{Client as Raw, PATIENCE, eventually};
use crate::site::{MAX, Served, UPGRADE, is_served, serve};

#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Text(String),
    Binary(Vec<u8>),
}

impl Said {
    fn message(&self) -> Message<'_> {
        match self {
            Said::Text(text) => Message::Text(text),
            Said::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

/// Says all it has to say when it is let in, closes when all of it has come back, and reports what did.
#[derive(Actor)]
struct Visitor {
    conn: Conn,
    says: Vec<Said>,
    heard: Vec<Said>,
    report: Sender<(Vec<Said>, CloseReason)>,
}

#[messages]
impl Visitor {}

impl Visitor {
    fn say(&mut self, message: Message<'_>) {
        let mut out = BytesMut::new();
        message.encode(true, &mut out).expect("what can be sent");
        self.conn.write(out);
    }

    fn hear(&mut self, said: Said) {
        self.heard.push(said);
        if self.heard.len() == self.says.len() {
            self.say(Message::Close(Some(Close { code: 1000, reason: "all said" })));
            self.conn.close();
        }
    }
}

impl Connection for Visitor {
    type Codec = websocket::Client;

    fn codec(&self) -> websocket::Client {
        let request = ClientRequest::new("localhost", "/chat").expect("a request");
        websocket::Client::new(&request, MAX)
    }

    fn frame(&mut self, frame: ClientFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ClientFrame::Open { .. } => {
                for said in self.says.clone() {
                    self.say(said.message());
                    self.say(Message::Ping(b"between"));
                }
            }
            ClientFrame::Message(Message::Text(text)) => self.hear(Said::Text(text.to_owned())),
            ClientFrame::Message(Message::Binary(bytes)) => self.hear(Said::Binary(bytes.to_owned())),
            ClientFrame::Message(_) => {}
        }
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.report.send((std::mem::take(&mut self.heard), why.clone()));
    }
}

pub fn said() -> impl Strategy<Value = Said> {
    let length = prop_oneof![8 => 0usize..200, 1 => 65_000usize..MAX];
    prop_oneof![
        "\\PC{0,100}".prop_map(Said::Text),
        (length, any::<u8>()).prop_map(|(length, byte)| Said::Binary(vec![byte; length])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_a_client_says_comes_back(says in prop::collection::vec(said(), 1..20)) {
        let served = serve();
        talk(&served, Client::connect(served.server.local_addr()), says);
    }
}

/// Says all this to the server and hears it from there.
pub fn talk(served: &Served, client: Client, says: Vec<Said>) {
    let (report, reported) = channel();
    let what = says.clone();
    client
        .spawn(served.system(), move |conn| Visitor { conn, says: what, heard: Vec::new(), report })
        .unwrap();
    let (heard, why) = reported.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard, says);
    assert_eq!(why, CloseReason::Local);
    // The server has heard that this is the end.
    assert_eq!(served.closed(), CloseReason::Eof);
}

/// A client's frame, masked with nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        medium @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Sends frames that must be refused, and sees that they are, with this code.
fn refuses(served: &Served, code: u16, frames: &[u8]) {
    let mut client: Raw = served.upgraded();
    let _ = client.stream().write_all(frames);
    let answer = client.rest_bytes();
    let shown = frames[..frames.len().min(40)].escape_ascii();
    let close = answer.len().checked_sub(usize::from(answer.get(1).copied().unwrap_or(0)) + 2);
    assert_eq!((close, answer[0]), (Some(0), 0x88), "{shown}: {answer:?}");
    assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{shown}");
    let why = served.closed();
    assert!(matches!(why, CloseReason::Protocol(_)), "{shown}: {why}");
}

#[test]
fn bad_frames_are_refused_and_nobody_else_notices() {
    let served = serve();
    let mut other = served.connect();
    let endless = [frame(1, b""), frame(0, b"").repeat(5000)].concat();
    let bad = [
        (1002, b"\x81\x02hi".to_vec()),
        (1002, frame(0xC1, b"reserved bit")),
        (1002, frame(0x83, b"reserved opcode")),
        (1002, frame(0x09, b"fragmented ping")),
        (1002, frame(0x89, &[b'x'; 126])),
        (1002, frame(0x80, b"continues nothing")),
        (1002, frame(0x88, b"\x03\xEE")),
        (1007, frame(0x81, b"\xC3\x28")),
        (1007, [frame(0x01, b"\xE2\x82"), frame(0x80, b"\x28")].concat()),
        (1008, endless),
        (1009, frame(0x82, &vec![0; MAX + 1])[..14].to_vec()),
        (1009, [frame(0x02, &vec![0; MAX / 2]), frame(0x00, &vec![0; MAX])].concat()),
    ];
    let count = bad.len() as u64;
    for (code, frames) in bad {
        refuses(&served, code, &frames);
        is_served(&mut other);
    }
    assert!(served.none_closed());
    assert_eq!(served.server.ends().protocol, count);
    eventually("only the other is connected", || served.server.connections() == 1);
}

#[test]
fn bad_upgrades_are_refused() {
    let served = serve();
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (status, head) in [
        (400, UPGRADE.replace(key, "")),
        (426, UPGRADE.replace("Version: 13", "Version: 8")),
        (403, format!("{UPGRADE}Origin: https://elsewhere.example\r\n")),
    ] {
        let mut client = served.connect();
        client.send(format!("{head}\r\n"));
        let answer = client.rest();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), status == 426);
        assert!(matches!(served.closed(), CloseReason::Protocol(_)));
    }
    assert_eq!(served.server.ends().protocol, 3);
}

#[test]
fn who_floods_with_pings_and_does_not_read_is_cut_off() {
    let served = serve();
    let mut other = served.connect();
    let client = served.upgraded();
    let pings = frame(0x89, &[b'x'; 125]).repeat(1000);
    let mut sent = 0;
    // The kernel takes some megabytes first.
    while client.stream().write_all(&pings).is_ok() {
        sent += pings.len();
        assert!(sent < 100 << 20, "the cap does not hold");
    }
    let why = served.closed();
    assert!(matches!(why, CloseReason::SlowConsumer { queued, cap } if queued <= cap), "{why}");
    assert_eq!(served.server.ends().slow_consumer, 1);
    is_served(&mut other);
}

#[test]
fn the_page_and_the_websocket_share_a_port_and_a_connection() {
    let served = serve();
    let mut client = served.connect();
    is_served(&mut client);
    client.send(format!("{UPGRADE}\r\n"));
    while !client.line().expect("a response").trim_end().is_empty() {}
    client.send([frame(0x81, b"hello"), frame(0x88, b"")].concat());
    assert_eq!(client.rest_bytes(), b"\x81\x05hello\x88\x00");
    assert_eq!(served.closed(), CloseReason::Eof);
}
