//! What the tests of protocols share: a server that answers each request with its path and each message
//! with itself, and what happened to its connections.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{System, SystemHandle};
use actor_net::http::{self, Response};
use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{CloseReason, Conn, Connection, Listener, Options, Server};

use crate::setup::{Client, PATIENCE};

/// The longest body and the longest message.
pub const MAX: usize = 64 << 10;

/// A connection to the site.
#[derive(Actor)]
pub struct Site {
    conn: Conn,
    ends: Sender<CloseReason>,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(MAX), MAX)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Request(request) => {
                let response = Response::new(200).body(request.path().to_owned());
                request.answer().send(response, &mut self.conn);
            }
            ServerFrame::Upgrade(upgrade) => {
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Message(message @ (Message::Text(_) | Message::Binary(_))) => {
                self.conn.write(message.to_bytes().expect("these can always be sent"));
            }
            ServerFrame::Message(_) => {}
        }
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.ends.send(why.clone());
    }
}

/// A site under test.
pub struct Served {
    pub server: Server,
    ends: Receiver<CloseReason>,
    system: System,
}

pub fn serve() -> Served {
    serve_at(Listener::bind("127.0.0.1:0").expect("a port"))
}

pub fn serve_at(listener: Listener) -> Served {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let (ends, ended) = channel();
    let server = listener
        .options(Options::new().cap(256 << 10))
        .spawn(&system, move |conn| Site { conn, ends: ends.clone() })
        .expect("a server");
    Served { server, ends: ended, system }
}

impl Served {
    pub fn system(&self) -> &SystemHandle {
        &self.system
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.server.local_addr())
    }

    /// A client that speaks WebSocket.
    pub fn upgraded(&self) -> Client {
        let mut client = self.connect();
        client.send(format!("{UPGRADE}\r\n"));
        while !client.line().expect("a response").trim_end().is_empty() {}
        client
    }

    /// Why the next connection ends.
    pub fn closed(&self) -> CloseReason {
        self.ends.recv_timeout(PATIENCE).expect("an end")
    }

    /// Whether none has ended that is not told of yet.
    pub fn none_closed(&self) -> bool {
        self.ends.recv_timeout(Duration::ZERO).is_err()
    }
}

pub const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request over a connection that is kept, and sees that it is answered.
pub fn is_served(client: &mut Client) {
    client.send("GET /still HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut length = false;
    while let line = client.line().expect("a response")
        && line != "\r"
    {
        length |= line == "Content-Length: 6\r";
    }
    assert!(length, "the response is not the one that was asked for");
    let mut body = [0; 6];
    client.read_exact(&mut body);
    assert_eq!(&body, b"/still");
}
