//! A connection whose actor fails: it is closed with the protocol's word for that, or goes on with the next incarnation,
//! without the loss of a byte.

use std::sync::mpsc::{Receiver, Sender, channel};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{CloseReason, Conn, Connection, Lines, Listener, Server, http};

use crate::setup::{Client, PATIENCE, eventually};
use crate::support::{Gate, ON_PURPOSE, quiet_panics};

// ---- a WebSocket's word for it ------------------------------------------------------------------------

/// Fails, or does not return, when it is told to.
#[derive(Actor)]
#[actor(stall = "100ms")]
struct Site {
    conn: Conn,
    gate: Gate,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(0), 1024)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Upgrade(upgrade) => {
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Message(Message::Text("fail")) => {
                self.conn.write(Message::Text("I am about to").to_bytes().expect("a text"));
                panic!("{ON_PURPOSE}")
            }
            ServerFrame::Message(Message::Text("stall")) => self.gate.pass(),
            _ => {}
        }
    }
}

fn site() -> (System, Server, Gate) {
    quiet_panics();
    let (system, gate) = (actor_net::builder().workers(2).build().expect("a system"), Gate::default());
    let inside = gate.clone();
    let make = move |conn| Site { conn, gate: inside.clone() };
    let server = Listener::bind("127.0.0.1:0").expect("a port").spawn(&system, make).expect("a server");
    (system, server, gate)
}

/// A text from a client, under a mask of zeros.
fn text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    frame
}

fn upgraded(server: &Server) -> Client {
    let mut client = Client::connect(server.local_addr());
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    while client.line().expect("a head") != "\r" {}
    client
}

/// What comes ends with a Close with this code.
#[track_caller]
fn ends_with(client: &mut Client, code: u16, words: &str) -> Vec<u8> {
    let mut rest = client.rest_bytes();
    let close = [&[0x88, 2 + words.len() as u8][..], &code.to_be_bytes(), words.as_bytes()].concat();
    assert!(rest.ends_with(&close), "{rest:?}");
    rest.truncate(rest.len() - close.len());
    rest
}

#[test]
fn a_websocket_whose_actor_panics_is_closed_with_1011() {
    let (_system, server, _) = site();
    let mut client = upgraded(&server);
    // What comes behind it is not read, and the last words are not lost to a reset for that.
    client.send([text("fail"), text("more")].concat());
    let before = ends_with(&mut client, 1011, "internal error");
    assert_eq!(before[2..], *b"I am about to");
    eventually("it is counted", || server.ends().actor_failed == 1);
}

#[test]
fn a_websocket_whose_handler_stalls_is_closed_with_1011() {
    let (system, server, gate) = site();
    let mut client = upgraded(&server);
    client.send(text("stall"));
    assert!(ends_with(&mut client, 1011, "internal error").is_empty());
    assert_eq!(system.snapshot().condemned_threads, 1, "its handler has not returned");
    gate.open();
    eventually("the server has let go of it", || server.connections() == 0);
    assert_eq!(server.ends().actor_failed, 1);
}

// ---- the next incarnation ---------------------------------------------------------------------------------

/// Answers each line with it and its own number, but for `fail`, `pause` and `big`.
#[derive(Actor)]
struct Session {
    conn: Conn,
    incarnation: u64,
    events: Sender<Event>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Opened,
    Resumed(u64),
    Closed(CloseReason),
}

#[messages]
impl Session {
    #[started]
    fn note(&mut self, ctx: &mut Context<Self>) {
        self.incarnation = ctx.incarnation();
    }
}

impl Connection for Session {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Opened);
    }

    fn resumed(&mut self, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Resumed(self.incarnation));
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        match line {
            "fail" => panic!("{ON_PURPOSE}"),
            "pause and fail" => {
                self.conn.pause();
                panic!("{ON_PURPOSE}")
            }
            "big" => {
                self.conn.write(vec![b'x'; 20_000_000]);
            }
            line => {
                self.conn.write(format!("{line} {}\n", self.incarnation));
            }
        }
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Closed(why.clone()));
    }
}

fn serve(restarts: u32) -> (System, Server, Receiver<Event>) {
    quiet_panics();
    let system = actor_net::builder().workers(2).build().expect("a system");
    let (to_test, events) = channel();
    let make = move |conn| Session { conn, incarnation: 0, events: to_test.clone() };
    let options = actor_net::Options::new().cap(64 << 20);
    let listener = Listener::bind("127.0.0.1:0").expect("a port").options(options).keep_socket(restarts);
    let server = listener.spawn(&system, make).expect("a server");
    (system, server, events)
}

#[track_caller]
fn event(events: &Receiver<Event>) -> Event {
    events.recv_timeout(PATIENCE).expect("an event")
}

#[test]
fn a_restart_in_the_middle_of_a_frame_loses_nothing() {
    let (_system, server, events) = serve(10);
    let mut client = Client::connect(server.local_addr());
    // All in one read: whole lines behind the one that fails, and the beginning of one.
    client.send("first\nfail\nsecond\nthi");
    assert_eq!(client.line().as_deref(), Some("first 1"));
    assert_eq!(client.line().as_deref(), Some("second 2"));
    client.send("rd\nfail\n");
    assert_eq!(client.line().as_deref(), Some("third 2"));
    // A partial line is in the inbox when it fails.
    client.send("fou");
    client.send("rth\nfail\nfif");
    assert_eq!(client.line().as_deref(), Some("fourth 3"));
    client.send("th\n");
    assert_eq!(client.line().as_deref(), Some("fifth 4"));
    let seen: Vec<_> = (0..4).map(|_| event(&events)).collect();
    assert_eq!(seen, [Event::Opened, Event::Resumed(2), Event::Resumed(3), Event::Resumed(4)]);
    assert_eq!((server.connections(), server.accepted()), (1, 1));
    drop(client);
    assert_eq!(event(&events), Event::Closed(CloseReason::Eof));
    eventually("it has ended", || server.connections() == 0);
}

#[test]
fn what_is_queued_is_sent_by_the_next() {
    let (_system, server, _events) = serve(1);
    let mut client = Client::connect(server.local_addr());
    client.send("big\nfail\nafter\n");
    let mut big = vec![0; 20_000_000];
    client.read_exact(&mut big);
    assert!(big.iter().all(|byte| *byte == b'x'));
    assert_eq!(client.line().as_deref(), Some("after 2"));
}

#[test]
fn one_that_has_paused_and_failed_is_read_again() {
    let (_system, server, _events) = serve(1);
    let mut client = Client::connect(server.local_addr());
    client.send("pause and fail\nafter\n");
    assert_eq!(client.line().as_deref(), Some("after 2"));
}

#[test]
fn one_that_fails_too_often_is_closed() {
    let (_system, server, events) = serve(2);
    let mut other = Client::connect(server.local_addr());
    assert_eq!(other.ask("other"), "other 1");
    assert_eq!(event(&events), Event::Opened);
    let mut client = Client::connect(server.local_addr());
    client.send("fail\nfail\nlast\n");
    assert_eq!(client.line().as_deref(), Some("last 3"));
    client.send("fail\n");
    client.is_over();
    let seen: Vec<_> = (0..4).map(|_| event(&events)).collect();
    let end = Event::Closed(CloseReason::ActorFailed);
    assert_eq!(seen, [Event::Opened, Event::Resumed(2), Event::Resumed(3), end]);
    eventually("it has ended", || server.connections() == 1);
    assert_eq!(server.ends().actor_failed, 1);
    assert_eq!(other.ask("still served"), "still served 1");
}

#[test]
fn many_that_fail_do_not_end_the_server() {
    let (_system, server, _events) = serve(1);
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect(server.local_addr())).collect();
    for client in &clients {
        client.send("fail\nfine\n");
    }
    for client in &mut clients {
        assert_eq!(client.line().as_deref(), Some("fine 2"));
    }
}
