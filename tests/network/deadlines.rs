//! Peers that take too long for what is their part: each is told so in the way of its protocol, counted, and cut off, and
//! the others are served.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use std::io::Write;
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::websocket::{self, ServerFrame};
use actor_net::{Bytes, CloseReason, Conn, Connection, Deadline, Listener, Options, Server, http};

use crate::setup::{Client, PATIENCE, Served, Setup, eventually};

/// Long enough for who does its part, even on a busy machine.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(100);
/// Between two bytes of a trickle.
const DROP: Duration = Duration::from_millis(10);

fn serve(options: Options) -> Served {
    Setup { options, ..Setup::default() }.serve()
}

/// The connection has ended for this and been counted, and another is served.
#[track_caller]
fn is_expired(served: &Served, deadline: Deadline, count: impl Fn(actor_net::Ends) -> u64) {
    assert_eq!(served.events.closed(), CloseReason::Expired(deadline));
    assert_eq!(count(served.server.ends()), 1);
    assert_eq!(served.connect().ask("still served"), "still served");
}

/// Sends a byte now and then until that fails; how long that was possible.
fn trickle(client: &Client, byte: &[u8]) -> Duration {
    let start = Instant::now();
    while client.stream().write_all(byte).is_ok() {
        assert!(start.elapsed() < PATIENCE, "a trickle goes on for ever");
        // Not to wait for something: the peer is one that does this.
        std::thread::sleep(DROP);
    }
    start.elapsed()
}

#[test]
fn silence_after_connect() {
    let served = serve(Options::new().first_byte_within(SHORT));
    let mut client = served.connect();
    assert_eq!(client.rest(), "");
    is_expired(&served, Deadline::FirstByte, |ends| ends.first_byte);
}

#[test]
fn a_first_byte_ends_the_wait_for_it() {
    let served = serve(Options::new().first_byte_within(SHORT));
    let mut client = served.connect();
    assert_eq!(client.ask("first"), "first");
    std::thread::sleep(3 * SHORT);
    assert_eq!(client.ask("second"), "second");
}

#[test]
fn a_line_without_end() {
    let served = serve(Options::new().frame_within(SHORT).first_byte_within(LONG));
    let mut client = served.connect();
    client.send("whole\nhalf");
    assert_eq!(client.rest(), "whole\n");
    is_expired(&served, Deadline::Frame, |ends| ends.frame);
}

#[test]
fn bytes_that_trickle_in_do_not_extend_the_time_of_a_line() {
    let served = serve(Options::new().frame_within(SHORT).idle_within(LONG));
    let client = served.connect();
    trickle(&client, b"x");
    is_expired(&served, Deadline::Frame, |ends| ends.frame);
}

#[test]
fn whole_lines_that_come_slowly_are_not_late() {
    let served = serve(Options::new().frame_within(3 * SHORT));
    let mut client = served.connect();
    // Each read ends in the middle of a line.
    client.send("0");
    for n in 0..40 {
        std::thread::sleep(DROP);
        client.send(format!("\n{}", n + 1));
        assert_eq!(client.line(), Some(n.to_string()));
    }
}

#[test]
fn nothing_in_either_direction() {
    let served = serve(Options::new().idle_within(3 * SHORT));
    let (mut client, session) = served.connect_with_ref();
    let start = Instant::now();
    while start.elapsed() < 6 * SHORT {
        // What it is told counts as well.
        session.deliver(Bytes::from_static(b"news\n")).tell().unwrap();
        assert_eq!(client.line().as_deref(), Some("news"));
        std::thread::sleep(DROP);
    }
    assert_eq!(client.rest(), "");
    is_expired(&served, Deadline::Idle, |ends| ends.idle);
}

#[test]
fn a_peer_that_reads_nothing_of_what_waits() {
    let served = serve(Options::new().write_within(2 * SHORT).cap(64 << 20));
    let mut client = served.connect();
    client.send("big 30000000\n");
    assert_eq!(served.events.closed(), CloseReason::Expired(Deadline::Write));
    client.is_over();
    assert_eq!(served.server.ends().write, 1);
    assert_eq!(served.connect().ask("still served"), "still served");
}

#[test]
fn a_peer_that_reads_slowly_is_not_late() {
    let served = serve(Options::new().write_within(5 * SHORT).cap(64 << 20));
    let mut client = served.connect();
    client.send("big 10000000\n");
    let mut left = 10_000_000;
    let mut some = vec![0; 1_000_000];
    while left > 0 {
        std::thread::sleep(SHORT);
        client.read_exact(&mut some);
        left -= some.len();
    }
    assert_eq!(client.ask("still here"), "still here");
}

// ---- what the protocols say ------------------------------------------------------------------------

#[derive(Actor)]
struct Site {
    conn: Conn,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(64 << 10), 64 << 10)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Request(request) => {
                request.answer().send(http::Response::new(200).body("here"), &mut self.conn);
            }
            ServerFrame::Upgrade(upgrade) => {
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Message(_) => {}
        }
    }
}

pub fn site(options: Options) -> (System, Server) {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let listener = Listener::bind("127.0.0.1:0").expect("a port").options(options);
    let server = listener.spawn(&system, |conn| Site { conn }).expect("a server");
    (system, server)
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket.
pub fn upgraded(server: &Server) -> Client {
    let mut client = Client::connect(server.local_addr());
    client.send(UPGRADE);
    while client.line().expect("a head") != "\r" {}
    client
}

/// The code of the only frame that is left, a Close.
#[track_caller]
pub fn close_code(client: &mut Client) -> u16 {
    let rest = client.rest_bytes();
    assert!(rest[0] == 0x88 && usize::from(rest[1]) + 2 == rest.len(), "not a Close: {rest:?}");
    u16::from_be_bytes([rest[2], rest[3]])
}

#[test]
fn half_a_request_is_answered_with_408() {
    let within = Options::new().handshake_within(SHORT).frame_within(SHORT).first_byte_within(SHORT);
    let (_system, server) = site(within);
    for (n, half) in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    ]
    .iter()
    .enumerate()
    {
        let mut client = Client::connect(server.local_addr());
        client.send(half);
        let answer = client.rest();
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{n}: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{n}: {answer}");
    }
    eventually("they are counted", || {
        let ends = server.ends();
        (ends.first_byte, ends.handshake, ends.frame) == (1, 1, 2)
    });
    eventually("nothing is left of them", || server.connections() == 0);
}

#[test]
fn a_head_that_trickles_in_is_late() {
    let (_system, server) = site(Options::new().handshake_within(SHORT));
    let mut client = Client::connect(server.local_addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    trickle(&client, b"x");
    client.is_over();
    eventually("it is counted", || server.ends().handshake == 1);
}

#[test]
fn between_two_requests_there_is_time() {
    let (_system, server) = site(Options::new().handshake_within(SHORT).frame_within(SHORT));
    let mut client = Client::connect(server.local_addr());
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while client.line().expect("a head") != "\r" {}
        let mut body = [0; 4];
        client.read_exact(&mut body);
        assert_eq!(&body, b"here");
        std::thread::sleep(3 * SHORT);
    }
}

#[test]
fn a_websocket_is_closed_with_a_code() {
    let (_system, server) = site(Options::new().frame_within(SHORT));
    // Half a frame; a fragment that is not the last; and that, with pings in between.
    let mut half = upgraded(&server);
    half.send([0x81, 0x85, 0, 0, 0, 0, b'h']);
    assert_eq!(close_code(&mut half), 1008);
    let mut fragment = upgraded(&server);
    fragment.send([0x01, 0x81, 0, 0, 0, 0, b'h']);
    assert_eq!(close_code(&mut fragment), 1008);
    let pings = upgraded(&server);
    pings.send([0x01, 0x81, 0, 0, 0, 0, b'h']);
    trickle(&pings, &[0x89, 0x80, 0, 0, 0, 0]);
    eventually("they are counted", || server.ends().frame == 3);
}

#[test]
fn a_websocket_that_is_idle_is_told_so() {
    let (_system, server) = site(Options::new().idle_within(SHORT));
    assert_eq!(close_code(&mut upgraded(&server)), 1001);
    eventually("it is counted", || server.ends().idle == 1);
}

#[test]
fn a_server_that_shuts_down_says_so() {
    let (_system, server) = site(Options::new());
    let mut client = upgraded(&server);
    server.stop();
    assert_eq!(close_code(&mut client), 1001);
    eventually("it is counted", || server.ends().shutdown == 1);
}
