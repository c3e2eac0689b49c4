//! HTTP responses that are written piece by piece, over several turns.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::http::{self, Body, Request, Response};
use actor_net::{CloseReason, Conn, Connection, Listener, Options, Pressure, Server};

use crate::setup::{Client, PATIENCE};

const HIGH: usize = 64 << 10;
/// A piece that is copied behind its size, and one that is not.
const SMALL: usize = 100;
const LARGE: usize = 8 << 10;

/// Answers `/N/SIZE` with so many pieces, `/torn` with the beginning of a body, and all else at once.
#[derive(Actor)]
struct Site {
    conn: Conn,
    left: Range<usize>,
    size: usize,
    body: Option<Body>,
    most: usize,
    ends: Sender<End>,
}

/// The most that has waited, and why the connection has ended.
#[derive(Debug)]
struct End {
    most: usize,
    why: CloseReason,
}

#[messages]
impl Site {
    #[message]
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        let Some(body) = &mut self.body else { return };
        // A few a turn.
        for _ in 0..8 {
            let Some(n) = self.left.next() else {
                self.body.take().expect("it is there").end();
                return;
            };
            let piece = vec![b'a' + (n % 26) as u8; self.size];
            let pressure = body.write(piece);
            self.most = self.most.max(self.conn.queued());
            if pressure != Pressure::Low {
                return; // `writable` goes on.
            }
        }
        ctx.me().go_on().tell().expect("room for a message");
    }
}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(0)
    }

    fn frame(&mut self, request: Request<'_>, ctx: &mut Context<Self>) {
        let path = request.path().trim_start_matches('/');
        if let Some((n, size)) = path.split_once('/') {
            self.left = 0..n.parse().expect("a number");
            self.size = size.parse().expect("a number");
            self.body = Some(request.answer().stream(Response::new(200).body("begin"), &mut self.conn));
            self.go_on(ctx);
        } else if path == "torn" {
            let mut body = request.answer().stream(Response::new(200), &mut self.conn);
            body.write("a part");
        } else {
            request.answer().send(Response::new(200).body("at once"), &mut self.conn);
        }
    }

    fn writable(&mut self, ctx: &mut Context<Self>) {
        self.go_on(ctx);
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.ends.send(End { most: self.most, why: why.clone() });
    }
}

fn serve() -> (System, Server, Receiver<End>) {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let (ends, end) = channel();
    let make = move |conn| Site { conn, left: 0..0, size: 0, body: None, most: 0, ends: ends.clone() };
    let options = Options::new().watermarks(HIGH / 4, HIGH).cap(4 * HIGH);
    let listener = Listener::bind("127.0.0.1:0").expect("a port").options(options);
    let server = listener.spawn(&system, make).expect("a server");
    (system, server, end)
}

fn get(path: &str, version: &str, more: &str) -> String {
    format!("GET {path} HTTP/{version}\r\nHost: a\r\n{more}\r\n")
}

/// What the pieces are together.
fn body(n: usize, size: usize) -> Vec<u8> {
    let pieces = (0..n).flat_map(|n| vec![b'a' + (n % 26) as u8; size]);
    b"begin".iter().copied().chain(pieces).collect()
}

/// The lines of a head.
fn head(client: &mut Client) -> Vec<String> {
    let lines = std::iter::from_fn(|| client.line()).take_while(|line| line != "\r");
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// A body in chunks, put together, and how many there were.
fn chunks(client: &mut Client) -> (Vec<u8>, usize) {
    let (mut body, mut count) = (Vec::new(), 0);
    loop {
        let size = client.line().expect("a size");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        client.read_exact(&mut chunk);
        assert!(chunk.ends_with(b"\r\n"));
        if size == 0 {
            return (body, count);
        }
        body.extend_from_slice(&chunk[..size]);
        count += 1;
    }
}

#[test]
fn in_chunks_and_then_the_next_request() {
    let (_system, server, _ends) = serve();
    let mut client = Client::connect(server.local_addr());
    for size in [SMALL, LARGE] {
        // The second waits until the first has its end.
        client.send([get(&format!("/30/{size}"), "1.1", ""), get("/", "1.1", "")].concat());
        let lines = head(&mut client);
        assert!(lines.contains(&"Transfer-Encoding: chunked".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("Content-Length")), "{lines:?}");
        assert_eq!(chunks(&mut client), (body(30, size), 31));
        assert!(head(&mut client).contains(&"Content-Length: 7".to_owned()));
        let mut rest = [0; 7];
        client.read_exact(&mut rest);
        assert_eq!(&rest, b"at once");
    }
}

#[test]
fn no_faster_than_the_client_reads() {
    const N: usize = 4000;
    let (_system, server, ends) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send(get(&format!("/{N}/{LARGE}"), "1.1", "Connection: close\r\n"));
    assert!(head(&mut client).contains(&"Connection: close".to_owned()));
    let (got, _) = chunks(&mut client);
    assert!(got == body(N, LARGE));
    assert_eq!(client.rest(), "");
    let end = ends.recv_timeout(PATIENCE).expect("an end");
    assert_eq!(end.why, CloseReason::Local);
    assert!(end.most <= HIGH + LARGE + 32, "{} bytes waited", end.most);
}

#[test]
fn up_to_the_end_of_the_connection_for_old_clients() {
    let (_system, server, _ends) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send(get("/30/100", "1.0", "Connection: keep-alive\r\n"));
    let lines = head(&mut client);
    assert!(!lines.iter().any(|line| line.contains("chunked") || line.starts_with("Content-Length")));
    assert!(lines.contains(&"Connection: close".to_owned()));
    assert_eq!(client.rest_bytes(), body(30, SMALL));
}

#[test]
fn nothing_of_it_in_answer_to_head() {
    let (_system, server, _ends) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send("HEAD /30/100 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(get("/", "1.1", "Connection: close\r\n"));
    assert!(head(&mut client).contains(&"Transfer-Encoding: chunked".to_owned()));
    assert!(client.rest().ends_with("\r\n\r\nat once"));
}

#[test]
fn one_that_is_dropped_is_no_whole() {
    let (_system, server, ends) = serve();
    let mut client = Client::connect(server.local_addr());
    client.send(get("/torn", "1.1", ""));
    client.is_over();
    assert_eq!(ends.recv_timeout(PATIENCE).expect("an end").why, CloseReason::Aborted);
}
