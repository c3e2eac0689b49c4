//! What peers can do wrong, one thing after the other, each several times: each is answered as its protocol says and counted, who
//! was there before goes on being served, and then as much memory is in use as before.
//!
//! A binary of its own: the allocator is the process's. What each of the protocols refuses in detail is tested in `network`.
mod counted;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::tls::rustls::pki_types::PrivateKeyDer;
use actor_net::tls::{self, Certificates, Identity};
use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{
    Bytes, BytesMut, Codec, Conn, Connection, Ends, LengthDelimited, Lines, Listener, Options, Server, http,
};

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long peers are given for what is their part.
const SHORT: Duration = Duration::from_millis(150);
/// How often each is done in a round.
const TIMES: usize = 12;
/// The most rounds.
const ROUNDS: usize = 6;
/// How many bytes may be in use that were not before: less than one for each time of whatever a connection has.
const SLACK: i64 = 2048;
const MAX: usize = 16 << 10;
const LENGTHS: LengthDelimited = LengthDelimited::new(1000).adjustment(-4);

// ---- servers ---------------------------------------------------------------------------------------

#[derive(Actor)]
struct Line(Conn);

#[messages]
impl Line {}

impl Connection for Line {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        self.0.write(format!("{line}\n"));
    }
}

#[derive(Actor)]
struct Length(Conn);

#[messages]
impl Length {}

impl Connection for Length {
    type Codec = LengthDelimited;

    fn codec(&self) -> LengthDelimited {
        LENGTHS
    }

    fn frame(&mut self, frame: &[u8], _ctx: &mut Context<Self>) {
        let mut out = BytesMut::new();
        LENGTHS.encode(frame, &mut out).expect("what was decoded");
        self.0.write(out);
    }
}

#[derive(Actor)]
struct Site(Conn);

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(MAX), MAX).deflate(websocket::Deflate::new())
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Request(request) => {
                request.answer().send(http::Response::new(200), &mut self.0);
            }
            ServerFrame::Upgrade(upgrade) => {
                self.0.write(upgrade.accept());
            }
            ServerFrame::Message(message @ Message::Text(_)) => {
                self.0.write(message.to_bytes().expect("it came so"));
            }
            ServerFrame::Message(_) => {}
        }
    }
}

// ---- peers -----------------------------------------------------------------------------------------

fn connect(at: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(at).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Sends it, as far as the server reads, and hears what comes until the end.
fn hears(at: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = connect(at);
    let _ = socket.write_all(bytes);
    rest(&mut socket)
}

fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// Sends a byte now and then until that fails.
fn trickles(at: SocketAddr, byte: u8) {
    let (mut socket, end) = (connect(at), Instant::now() + PATIENCE);
    while socket.write_all(&[byte]).is_ok() {
        assert!(Instant::now() < end, "a trickle goes on for ever");
        sleep(SHORT / 10);
    }
}

fn refused(at: SocketAddr, status: u16, request: &str) {
    let answer = hears(at, request.as_bytes());
    let expected = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(expected.as_bytes()), "{}", answer.escape_ascii());
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn upgraded(at: SocketAddr, more: &str) -> TcpStream {
    let mut socket = connect(at);
    socket.write_all(format!("{UPGRADE}{more}\r\n").as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    socket
}

/// A client's frame, masked with nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).expect("no longer") {
        short @ 0..126 => frame.push(0x80 | short as u8),
        longer => {
            frame.push(0x80 | 126);
            frame.extend(longer.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The frames are refused with a Close that has this code.
fn is_close(mut socket: TcpStream, code: u16, frames: &[u8]) {
    let _ = socket.write_all(frames);
    let answer = rest(&mut socket);
    assert!(answer.len() >= 4 && answer[0] == 0x88, "{}", answer.escape_ascii());
    assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code);
}

/// A message of 16 MiB of nothing, compressed.
fn bomb() -> Vec<u8> {
    // A stored block of no bytes ends the fixed block before it; what repeats is one byte, 258 at a time.
    let mut bits = Bits::default();
    bits.put(0b010, 3);
    bits.code(0b0011_0000, 8);
    for _ in 0..(16 << 20) / 258 {
        // Length 258, distance 1.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    bits.put(0, 3);
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for n in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("one") |= ((value >> n & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes begin with their highest bit.
    fn code(&mut self, value: u32, count: u32) {
        self.put(value.reverse_bits() >> (32 - count), count);
    }
}

fn reset(socket: TcpStream) {
    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("an option");
}

// ---- the table -------------------------------------------------------------------------------------

struct Servers {
    lines: Server,
    lengths: Server,
    site: Server,
    tls: Server,
}

/// One thing that a peer can do wrong.
struct Bad<'a> {
    what: &'static str,
    server: &'a Server,
    /// What counts it. What is no fault counts as an end like others.
    count: fn(Ends) -> u64,
    act: Box<dyn Fn(SocketAddr)>,
}

impl<'a> Bad<'a> {
    fn new(
        what: &'static str,
        server: &'a Server,
        count: fn(Ends) -> u64,
        act: impl Fn(SocketAddr) + 'static,
    ) -> Self {
        Bad { what, server, count, act: Box::new(act) }
    }

    /// A request that is answered with this status.
    fn request(server: &'a Server, what: &'static str, status: u16, request: String) -> Self {
        Bad::new(what, server, |ends| ends.protocol, move |at| refused(at, status, &request))
    }

    /// Frames of a WebSocket that are answered with this code.
    fn frames(server: &'a Server, what: &'static str, code: u16, frames: Vec<u8>) -> Self {
        Bad::new(what, server, |ends| ends.protocol, move |at| is_close(upgraded(at, ""), code, &frames))
    }
}

impl Bad<'_> {
    /// Does it again and again, and sees that it is counted and that others are served. Says how many bytes are in use then that were
    /// not before: what the runtime keeps for what comes next it has after some rounds, so the least counts.
    fn leaves(&self, bystanders: &mut [Bystander]) -> i64 {
        let Bad { what, server, count, act } = self;
        let (at, there) = (server.local_addr(), server.connections());
        let mut least = i64::MAX;
        for _ in 0..ROUNDS {
            let (counted, before) = (count(server.ends()), counted::bytes_in_use());
            for _ in 0..TIMES {
                act(at);
                bystanders.iter_mut().for_each(Bystander::is_served);
            }
            eventually(what, || server.connections() == there);
            assert_eq!(count(server.ends()) - counted, TIMES as u64, "{what}");
            least = least.min(counted::bytes_in_use() - before);
            if least < SLACK {
                return least;
            }
        }
        panic!("{what} leaves {least} bytes each {TIMES} times");
    }
}

fn bad_lines(server: &Server) -> Vec<Bad<'_>> {
    vec![
        Bad::new(
            "silence after connect",
            server,
            |ends| ends.first_byte,
            |at| {
                assert!(hears(at, b"").is_empty());
            },
        ),
        Bad::new("a byte now and then", server, |ends| ends.frame, |at| trickles(at, b'x')),
        Bad::new("a line without newline", server, |ends| ends.protocol, |at| drop(hears(at, &[b'x'; 5000]))),
        Bad::new(
            "a reset in the middle of a write",
            server,
            |ends| ends.broken,
            |at| {
                let mut socket = connect(at);
                socket.write_all("many lines\n".repeat(1000).as_bytes()).expect("the server reads");
                socket.read_exact(&mut [0]).expect("an answer");
                reset(socket);
            },
        ),
        Bad::new(
            "a half-close with writes pending",
            server,
            |ends| ends.eof,
            |at| {
                let mut socket = connect(at);
                socket.write_all("many lines\n".repeat(1000).as_bytes()).expect("the server reads");
                socket.shutdown(Shutdown::Write).expect("a connection");
                assert_eq!(rest(&mut socket).len(), 11_000);
            },
        ),
    ]
}

fn bad_lengths(server: &Server) -> Vec<Bad<'_>> {
    let bad = |what, length: [u8; 4]| {
        let act = move |at| assert!(hears(at, &length).is_empty());
        Bad::new(what, server, |ends| ends.protocol, act)
    };
    vec![bad("length 0xFFFFFFFF", [0xFF; 4]), bad("an overflowing adjustment", [0, 0, 0, 3])]
}

fn bad_requests(server: &Server) -> Vec<Bad<'_>> {
    let post = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let bad = |what, status, request| Bad::request(server, what, status, request);
    vec![
        bad("a header over the cap", 431, post(&format!("A: {}\r\n", "x".repeat(17 << 10)))),
        bad("10,000 headers", 431, post(&"A: b\r\n".repeat(10_000))),
        bad("a length and chunks", 400, post(&format!("Content-Length: 3\r\n{chunked}")) + "0\r\n\r\n"),
        bad("two lengths", 400, post("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd"),
        bad("bare LF", 400, "GET / HTTP/1.1\nHost: h\n\n".to_owned()),
        bad("a folded line", 400, post("A: b\r\n c\r\n")),
        bad("NUL", 400, post("A: b\0\r\n")),
        bad("a bad chunk size", 400, post(chunked) + "xyz\r\n"),
        bad("an upgrade without key", 400, UPGRADE.replace(key, "") + "\r\n"),
        bad("an upgrade to another version", 426, UPGRADE.replace("Version: 13", "Version: 8") + "\r\n"),
        bad("an upgrade from elsewhere", 403, format!("{UPGRADE}Origin: https://elsewhere.example\r\n\r\n")),
        Bad::new(
            "1,000 pipelined requests",
            server,
            |ends| ends.eof,
            |at| {
                let mut socket = connect(at);
                let requests = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
                socket.write_all(requests.as_bytes()).expect("the server reads");
                socket.shutdown(Shutdown::Write).expect("a connection");
                let answers = String::from_utf8(rest(&mut socket)).expect("text");
                assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 1000);
            },
        ),
    ]
}

fn bad_frames(server: &Server) -> Vec<Bad<'_>> {
    let bad = |what, code, frames| Bad::frames(server, what, code, frames);
    let bomb = bomb();
    vec![
        bad("an unmasked frame", 1002, b"\x81\x02hi".to_vec()),
        bad("a reserved bit", 1002, frame(0xA1, b"x")),
        bad("a reserved opcode", 1002, frame(0x83, b"x")),
        bad("a fragmented control frame", 1002, frame(0x09, b"x")),
        bad("a control frame too long", 1002, frame(0x89, &[b'x'; 126])),
        bad("continuations without end", 1008, [frame(1, b""), frame(0, b"").repeat(5000)].concat()),
        bad("UTF-8 cut in two", 1007, [frame(0x01, b"\xE2\x82"), frame(0x80, b"\x28")].concat()),
        bad("illegal UTF-8", 1007, frame(0x81, b"\xC3\x28")),
        Bad::new(
            "a deflate bomb",
            server,
            |ends| ends.protocol,
            move |at| {
                let socket = upgraded(at, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
                let first = |n| if n == 0 { 0x41 } else { 0 };
                let pieces = bomb.chunks(60_000).enumerate().map(|(n, piece)| frame(first(n), piece));
                is_close(socket, 1009, &pieces.collect::<Vec<_>>().concat());
            },
        ),
        Bad::new(
            "a ping flood from one who does not read",
            server,
            |ends| ends.slow_consumer,
            |at| {
                let (mut socket, pings) = (upgraded(at, ""), frame(0x89, &[b'x'; 125]).repeat(1000));
                let end = Instant::now() + PATIENCE;
                while socket.write_all(&pings).is_ok() {
                    assert!(Instant::now() < end, "the cap does not hold");
                }
            },
        ),
    ]
}

fn bad_tls(server: &Server) -> Vec<Bad<'_>> {
    vec![
        Bad::new(
            "TLS garbage",
            server,
            |ends| ends.tls,
            |at| assert!(hears(at, &[0; 5000]).starts_with(&[21])),
        ),
        Bad::new(
            "half a ClientHello",
            server,
            |ends| ends.tls,
            |at| {
                assert!(hears(at, &[22, 3, 1, 2, 0, 1]).is_empty());
            },
        ),
    ]
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// One who was there before, and what it asks and hears again and again.
struct Bystander {
    socket: TcpStream,
    asks: Bytes,
    hears: Bytes,
}

impl Bystander {
    fn is_served(&mut self) {
        self.socket.write_all(&self.asks).expect("the server reads");
        let mut answer = vec![0; self.hears.len()];
        self.socket.read_exact(&mut answer).expect("an answer");
        assert!(answer == self.hears);
    }
}

fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let identity = Identity::from_der(vec![made.cert.der().clone()], key).expect("an identity");
    let certificates = Certificates::new([identity]).expect("a certificate");
    let tls = tls::Server::new(&certificates).handshake_within(SHORT);

    let system = actor_net::builder().workers(2).build().expect("a system");
    let options =
        Options::new().first_byte_within(SHORT).frame_within(SHORT).cap(64 << 10).send_buffer(16 << 10);
    let listen = || Listener::bind("127.0.0.1:0").expect("a port");
    let servers = Servers {
        lines: listen().options(options).spawn(&system, Line).expect("a server"),
        lengths: listen().spawn(&system, Length).expect("a server"),
        site: listen()
            .options(Options::new().cap(256 << 10).send_buffer(16 << 10))
            .spawn(&system, Site)
            .expect("a server"),
        tls: listen().tls(&tls).spawn(&system, Line).expect("a server"),
    };
    let mut bystanders = [
        (&servers.lines, &b"still here\n"[..], &b"still here\n"[..]),
        (&servers.lengths, b"\0\0\0\x09hello", b"\0\0\0\x09hello"),
    ]
    .map(|(server, asks, hears)| Bystander {
        socket: connect(server.local_addr()),
        asks: Bytes::from_static(asks),
        hears: Bytes::from_static(hears),
    });
    let mut member = upgraded(servers.site.local_addr(), "");
    bystanders.iter_mut().for_each(Bystander::is_served);

    let Servers { lines, lengths, site, tls } = &servers;
    let all = [bad_lines(lines), bad_lengths(lengths), bad_requests(site), bad_frames(site), bad_tls(tls)];
    for bad in all.into_iter().flatten() {
        let kept = bad.leaves(&mut bystanders);
        println!("{}: {kept} bytes", bad.what);
    }
    // The WebSocket that was there all the time.
    member.write_all(&frame(0x81, b"hello")).expect("the server reads");
    let mut answer = [0; 7];
    member.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"\x81\x05hello");
}
