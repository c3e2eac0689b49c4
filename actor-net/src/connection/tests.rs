//! What a codec can say that [`Lines`](crate::Lines) never does, over real sockets.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::System;
use actor_core::prelude::*;
use bytes::{Bytes, BytesMut};

use super::{CloseReason, Conn, Connection};
use crate::{Codec, Decoded, Listener, Options, Server};

/// How long to wait before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A byte a frame, but for these: `?` the codec answers by itself, `-` it ignores, `;` is the end,
/// and `!` makes no sense.
struct Talkative {
    replies: Vec<u8>,
}

#[derive(Debug)]
struct Nonsense;

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this makes no sense")
    }
}

impl std::error::Error for Nonsense {}

impl Codec for Talkative {
    type Frame<'a> = u8;
    type Output<'a> = u8;
    type Error = Nonsense;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], _eof: bool) -> Decoded<u8, Nonsense> {
        match input.first_mut() {
            None => Decoded::Need,
            Some(b'-') => Decoded::Used(1),
            Some(b'?') => {
                self.replies.extend([b'='; 100]);
                Decoded::Used(1)
            }
            Some(b';') => Decoded::End,
            Some(b'!') => {
                self.replies.push(b'#');
                Decoded::Fatal(Nonsense)
            }
            Some(byte) => {
                byte.make_ascii_uppercase();
                Decoded::Frame { frame: *byte, used: 1 }
            }
        }
    }

    fn encode(&self, byte: u8, out: &mut BytesMut) -> Result<(), Nonsense> {
        out.extend_from_slice(&[byte]);
        Ok(())
    }

    fn replies(&mut self) -> Option<Bytes> {
        (!self.replies.is_empty()).then(|| std::mem::take(&mut self.replies).into())
    }
}

#[derive(Actor)]
struct Session {
    conn: Conn,
    ends: Sender<CloseReason>,
}

#[messages]
impl Session {
    /// Answers a frame that was left for later.
    #[message]
    async fn later(&mut self, ctx: &mut Context<Self>) {
        ctx.system().sleep(Duration::from_millis(1)).await;
        self.conn.write("(later)");
        self.conn.resume();
    }

    #[message]
    fn go_on_writing(&mut self, ctx: &mut Context<Self>) {
        self.conn.write("x");
        ctx.after_keyed("write", Duration::from_millis(1), SessionGoOnWriting);
    }
}

impl Connection for Session {
    type Codec = Talkative;

    fn codec(&self) -> Talkative {
        Talkative { replies: b"<".to_vec() }
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.conn.write(">");
    }

    fn frame(&mut self, byte: u8, ctx: &mut Context<Self>) {
        self.conn.write(vec![byte]);
        match byte {
            b'L' => {
                self.conn.pause();
                ctx.me().later().tell().expect("room for a message");
            }
            b'Z' => {
                self.conn.pause();
                ctx.me().go_on_writing().tell().expect("room for a message");
            }
            _ => {}
        }
    }

    fn refused(&mut self, _error: &Nonsense, _ctx: &mut Context<Self>) {
        self.conn.write("refused");
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.ends.send(why.clone());
    }
}

fn serve() -> (System, Server, Receiver<CloseReason>) {
    let system = crate::builder().workers(1).build().expect("a system");
    let (ends, ended) = channel();
    let server = Listener::bind("127.0.0.1:0")
        .expect("a port")
        .options(Options::new().cap(64 << 10))
        .spawn(&system, move |conn| Session { conn, ends: ends.clone() })
        .expect("a server");
    (system, server, ended)
}

/// What the server says to all of `input`, and why the connection ends.
fn answer(input: &str) -> (String, CloseReason) {
    let (_system, server, ended) = serve();
    let mut client = TcpStream::connect(server.local_addr()).expect("a connection");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client.write_all(input.as_bytes()).expect("the server reads");
    client.shutdown(Shutdown::Write).expect("the server is there");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer and an end");
    (answer, ended.recv_timeout(PATIENCE).expect("an end"))
}

#[test]
fn what_the_codec_says_comes_in_its_place() {
    let pong = "=".repeat(100);
    let (text, why) = answer("a-?b?!c");
    assert_eq!(text, format!("<>A{pong}B{pong}#refused"));
    assert_eq!(why, CloseReason::Protocol(Nonsense.to_string()));
}

#[test]
fn a_codec_can_end_the_conversation() {
    let (text, why) = answer("a;b");
    assert_eq!(text, "<>A");
    assert_eq!(why, CloseReason::Eof);
}

#[test]
fn who_makes_the_codec_answer_and_does_not_read_is_a_slow_consumer() {
    let (_system, server, ended) = serve();
    let client = TcpStream::connect(server.local_addr()).expect("a connection");
    client.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    // The kernel takes some megabytes first; 100 bytes are answered to each of these.
    let flood = vec![b'?'; 1 << 20];
    let mut sent = 0;
    while (&client).write_all(&flood).is_ok() {
        sent += 1;
        assert!(sent < 64, "the cap does not hold");
    }
    match ended.recv_timeout(PATIENCE).expect("an end") {
        CloseReason::SlowConsumer { queued, cap } => assert!(queued <= cap && cap == 64 << 10),
        why => panic!("closed for another reason: {why}"),
    }
    let _ = client.shutdown(Shutdown::Both);
}

#[test]
fn a_frame_that_is_answered_later_keeps_the_next_waiting() {
    let (text, why) = answer("albll!c");
    assert_eq!(text, "<>AL(later)BL(later)L(later)#refused");
    assert_eq!(why, CloseReason::Protocol(Nonsense.to_string()));
    let (text, why) = answer("al");
    assert_eq!(text, "<>AL(later)");
    assert_eq!(why, CloseReason::Eof);
}

#[test]
fn a_peer_that_goes_while_nothing_is_read_is_missed_when_it_is_written_to() {
    let (_system, server, ended) = serve();
    let mut client = TcpStream::connect(server.local_addr()).expect("a connection");
    client.write_all(b"z").expect("the server reads");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"<>Zxx");
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(client);
    assert_eq!(ended.recv_timeout(PATIENCE).expect("an end"), CloseReason::Reset);
}
