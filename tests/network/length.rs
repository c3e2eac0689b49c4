//! Frames with their length in front, over real sockets.

use std::sync::mpsc::{Sender, channel};

use actor_core::prelude::*;
use actor_net::{BytesMut, CloseReason, Codec, Conn, Connection, LengthDelimited, LengthError, Listener};

use crate::setup::{Client, PATIENCE, eventually};

/// Frames of at most 1,000 bytes, whose length counts itself.
const CODEC: LengthDelimited = LengthDelimited::new(1000).adjustment(-4);

/// Sends every frame back.
#[derive(Actor)]
struct Echo {
    conn: Conn,
    ends: Sender<CloseReason>,
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = LengthDelimited;

    fn codec(&self) -> LengthDelimited {
        CODEC
    }

    fn frame(&mut self, frame: &[u8], _ctx: &mut Context<Self>) {
        let mut out = BytesMut::new();
        CODEC.encode(frame, &mut out).expect("what was decoded");
        self.conn.write(out);
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.ends.send(why.clone());
    }
}

#[test]
fn impossible_lengths_are_refused_and_nobody_else_notices() {
    let system = actor_net::builder().workers(2).build().unwrap();
    let (ends, ended) = channel();
    let make = move |conn| Echo { conn, ends: ends.clone() };
    let server = Listener::bind("127.0.0.1:0").unwrap().spawn(&system, make).unwrap();
    let mut other = Client::connect(server.local_addr());
    let limit = 1000;
    for (bytes, error) in [
        (b"\xFF\xFF\xFF\xFF", LengthError::TooLong { length: 0xFFFF_FFFF - 4, limit }),
        (b"\x00\x00\x03\xED", LengthError::TooLong { length: 1001, limit }),
        (b"\x00\x00\x00\x03", LengthError::Impossible { length: 3, adjustment: -4 }),
    ] {
        let mut client = Client::connect(server.local_addr());
        client.send(bytes);
        client.is_over();
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), CloseReason::Protocol(error.to_string()));
        other.send(b"\0\0\0\x09hello\0\0\0\x04");
        let mut answer = [0; 13];
        other.read_exact(&mut answer);
        assert_eq!(&answer, b"\0\0\0\x09hello\0\0\0\x04");
    }
    assert_eq!(server.ends().protocol, 3);
    eventually("only the other is connected", || server.connections() == 1);
}
