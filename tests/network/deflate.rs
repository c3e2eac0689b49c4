//! Compressed messages over real sockets: both ways between our ends, and a bomb that does not go off.

use std::io::Write;
use std::sync::mpsc::{Sender, channel};

use actor_core::prelude::*;
use actor_net::http;
use actor_net::websocket::{
    self, ClientFrame, ClientRequest, Close, Deflate, Deflater, Message, ServerFrame, Terms,
};
use actor_net::{Bytes, Client, CloseReason, Conn, Connection, Listener};

use crate::setup::{Client as Raw, PATIENCE};

/// The longest message.
const MAX: usize = 1 << 20;

/// A server's end: says what it hears, compressed.
#[derive(Actor)]
struct Echo {
    conn: Conn,
    deflate: Deflate,
    deflater: Option<Deflater>,
    ends: Sender<CloseReason>,
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(0), MAX).deflate(self.deflate)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Upgrade(upgrade) => {
                self.deflater = upgrade.deflate().map(Terms::deflater);
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Message(message @ (Message::Text(_) | Message::Binary(_))) => {
                let deflater = self.deflater.as_mut().expect("both ends compress");
                self.conn.write(deflater.encode(message).expect("a message"));
            }
            _ => {}
        }
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.ends.send(why.clone());
    }
}

/// A client's end: says a text again and again, and tells how much it has heard when it is over.
#[derive(Actor)]
struct Visitor {
    conn: Conn,
    deflate: Deflate,
    deflater: Option<Deflater>,
    heard: usize,
    report: Sender<usize>,
}

const TIMES: usize = 20;

fn text() -> String {
    "all of this is said many times over, and more than once in each message. ".repeat(200)
}

#[messages]
impl Visitor {}

impl Visitor {
    fn say(&mut self, message: Message<'_>) -> Bytes {
        self.deflater.as_mut().expect("both ends compress").encode(message).expect("a message")
    }
}

impl Connection for Visitor {
    type Codec = websocket::Client;

    fn codec(&self) -> websocket::Client {
        let request = ClientRequest::new("localhost", "/").expect("a request").deflate(self.deflate);
        websocket::Client::new(&request, MAX)
    }

    fn frame(&mut self, frame: ClientFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ClientFrame::Open { deflate, .. } => {
                self.deflater = deflate.map(Terms::deflater);
                for _ in 0..TIMES {
                    let said = self.say(Message::Text(&text()));
                    assert!(said.len() < text().len() / 10, "{} bytes", said.len());
                    self.conn.write(said);
                }
            }
            ClientFrame::Message(Message::Text(heard)) => {
                assert_eq!(heard, text());
                self.heard += 1;
                if self.heard == TIMES {
                    let close = self.say(Message::Close(Some(Close { code: 1000, reason: "" })));
                    self.conn.write(close);
                    self.conn.close();
                }
            }
            ClientFrame::Message(_) => {}
        }
    }

    fn closed(&mut self, _why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.report.send(self.heard);
    }
}

fn talk(system: &actor_core::System, server: &actor_net::Server, deflate: Deflate) {
    let (report, reported) = channel();
    Client::connect(server.local_addr())
        .spawn(system, move |conn| Visitor { conn, deflate, deflater: None, heard: 0, report })
        .unwrap();
    assert_eq!(reported.recv_timeout(PATIENCE).unwrap(), TIMES);
}

#[test]
fn what_is_compressed_comes_back_and_a_bomb_harms_nobody() {
    for deflate in [Deflate::new(), Deflate::new().contexts(true)] {
        let system = actor_net::builder().workers(2).build().unwrap();
        let (ends, ended) = channel();
        let server = Listener::bind("127.0.0.1:0")
            .unwrap()
            .spawn(&system, move |conn| Echo { conn, deflate, deflater: None, ends: ends.clone() })
            .unwrap();
        talk(&system, &server, deflate);
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), CloseReason::Eof);

        let mut bomber = Raw::connect(server.local_addr());
        bomber.send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        );
        while bomber.line().is_some_and(|line| line != "\r") {}
        // A gigabyte of nothing: a block whose codes make each byte stand for four times 258.
        let mut zeros = vec![0x82 | 0x40, 0xFF];
        zeros.extend((1_u64 << 20).to_be_bytes());
        zeros.extend([0; 4]);
        zeros.extend(*b"\xEC\xC1\x31\x01\0\0\0\xC2\xA0\xF5\x4F\x6D\x0C\x1F\xA0");
        zeros.resize(14 + (1 << 20), 0);
        // The server stops listening at some point.
        let _ = bomber.stream().write_all(&zeros);
        let answer = bomber.rest_bytes();
        assert_eq!(&answer[..1], [0x88], "{answer:?}");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), 1009);
        assert!(matches!(ended.recv_timeout(PATIENCE).unwrap(), CloseReason::Protocol(_)));
        talk(&system, &server, deflate);
    }
}
