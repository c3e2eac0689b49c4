//! Browsers: the page, and people who come by WebSocket and are in the same rooms as those who come by
//! TCP.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chat::Options;

use crate::chat_support::{Client, PATIENCE, eventually, options, start};

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends a request over a connection of its own, and gives the whole response.
pub(crate) fn request(addr: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = connect(addr);
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).expect("the server reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response and an end");
    response
}

pub(crate) fn get(addr: SocketAddr, path: &str) -> String {
    request(addr, "GET", path, "")
}

/// What asks for a WebSocket at a path, without the end of the head.
fn upgrade(addr: SocketAddr, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

/// What the server says to this upgrade, up to the end of the head.
fn response(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
    String::from_utf8(head).expect("text")
}

/// Somebody at the other end of a WebSocket, over any stream.
pub(crate) struct Browser<S> {
    stream: S,
    lines: VecDeque<String>,
    /// The code that the server has closed with.
    closed: Option<u16>,
}

impl Browser<TcpStream> {
    fn connect(addr: SocketAddr) -> Browser<TcpStream> {
        Browser::open(connect(addr), addr, &format!("http://{addr}"))
    }
}

impl<S: Read + Write> Browser<S> {
    /// Opens the WebSocket, as the page at `origin` would.
    pub(crate) fn open(mut stream: S, addr: SocketAddr, origin: &str) -> Browser<S> {
        let head = format!("{}Origin: {origin}\r\n\r\n", upgrade(addr, "/ws"));
        stream.write_all(head.as_bytes()).expect("the server reads");
        let head = response(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        Browser { stream, lines: VecDeque::new(), closed: None }
    }

    /// Sends a frame, masked with nothing.
    fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(short @ 0..126) => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).expect("not so long").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).expect("the server reads");
        self.stream.flush().expect("the server reads");
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.frame(1, text.as_bytes());
    }

    pub(crate) fn enter(&mut self, nick: &str, room: &str) {
        self.send(&format!("/nick {nick}\n/join {room}"));
        self.until(|line| line.starts_with(&format!("* you are in {room} ")));
    }

    /// The next line; `None` when the server has closed.
    fn line(&mut self) -> Option<String> {
        while self.lines.is_empty() {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).expect("a frame, before the end a Close");
            let mut len = usize::from(head[1]);
            if len == 126 {
                let mut long = [0; 2];
                self.stream.read_exact(&mut long).expect("a length");
                len = usize::from(u16::from_be_bytes(long));
            }
            let mut payload = vec![0; len];
            self.stream.read_exact(&mut payload).expect("a whole frame");
            match head[0] {
                0x81 => {
                    let text = String::from_utf8(payload).expect("text");
                    assert!(text.ends_with('\n'), "{text:?} has no whole lines");
                    self.lines.extend(text.lines().map(str::to_owned));
                }
                0x88 => {
                    self.closed = Some(u16::from_be_bytes([payload[0], payload[1]]));
                    return None;
                }
                other => panic!("a frame that begins with {other:#x}"),
            }
        }
        self.lines.pop_front()
    }

    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        while let Some(line) = self.line() {
            if wanted(&line) {
                return line;
            }
            passed.push(line);
        }
        panic!("closed with {:?} after {passed:#?}", self.closed);
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        self.until(|found| found == line);
    }

    /// The last line before the Close, and the code of that; nothing may follow.
    pub(crate) fn end(&mut self) -> (Option<String>, Option<u16>) {
        let last = std::iter::from_fn(|| self.line()).last();
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end");
        assert_eq!(rest, b"");
        (last, self.closed)
    }
}

#[test]
fn the_page_is_served_with_its_parts() {
    let server = start(options());
    let addr = server.web_addr();
    let page = get(addr, "/");
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/chat.css", "text/css; charset=utf-8"),
        ("/chat.js", "text/javascript; charset=utf-8"),
    ] {
        let file = get(addr, path);
        let (head, body) = file.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for header in [
            &format!("Content-Type: {kind}"),
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-cache",
            "Referrer-Policy: no-referrer",
            &format!("Content-Length: {}", body.len()),
        ] {
            assert!(head.lines().any(|line| line == header), "no {header} in {head}");
        }
        let policy = "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; ";
        assert!(head.contains(policy), "{head}");
        assert!(path == "/" || page.contains(&format!("\"{path}\"")), "the page does not use {path}");
        let head = request(addr, "HEAD", path, "");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("onclick"), "{page}");
    assert!(get(addr, "/else").starts_with("HTTP/1.1 404 "));
    assert!(get(addr, "/ws").starts_with("HTTP/1.1 404 "));
    let post = request(addr, "POST", "/", "Content-Length: 0\r\n");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"), "{post}");
    eventually("all have gone", || server.connections() == 0);
}

#[test]
fn people_hear_each_other_over_both_transports() {
    let server = start(options());
    let mut tcp = Client::enter(server.local_addr(), "tcp", "lobby");
    let mut web = Browser::connect(server.web_addr());
    web.expect("* /help lists all there is.");
    web.send("/nick TCP");
    web.expect("! somebody else is called TCP; choose another name");
    web.enter("web", "lobby");
    tcp.expect("* web has joined");
    web.send("one\r\ntwo");
    tcp.expect("<web> one");
    tcp.expect("<web> two");
    web.expect("<web> two");
    tcp.send("three\n/msg web four\n");
    web.expect("<tcp> three");
    web.expect("(tcp to you) four");
    // What would be a line of somebody else's over TCP.
    web.send("no\rfive");
    web.expect("! character 3 of the line is a control character; the line was not sent");
    web.send("/who");
    let who = web.until(|line| line.starts_with("* in lobby: "));
    assert!(who.contains("tcp") && who.contains("web"), "{who}");
    web.send("/quit");
    tcp.expect("* web quit");
    assert_eq!(web.end(), (Some("* goodbye".to_owned()), Some(1000)));
    drop(web);
    eventually("only one is connected", || server.connections() == 1);
}

#[test]
fn a_websocket_that_closes_or_breaks_off_leaves_the_room() {
    let server = start(options());
    let mut tcp = Client::enter(server.local_addr(), "tcp", "lobby");
    let mut web = Browser::connect(server.web_addr());
    web.enter("closes", "lobby");
    // With its last words, though nobody waits for an answer.
    web.send("bye");
    web.frame(8, &1000u16.to_be_bytes());
    tcp.expect("<closes> bye");
    tcp.expect("* closes was disconnected");
    assert_eq!(web.end().1, Some(1000));
    let mut web = Browser::connect(server.web_addr());
    web.enter("breaks", "lobby");
    drop(web);
    tcp.until(|line| line == "* breaks hung up" || line == "* breaks was disconnected");
}

#[test]
fn pages_from_elsewhere_may_not_chat() {
    let server = start(options());
    let addr = server.web_addr();
    for (path, origin, status) in [
        ("/ws", "https://elsewhere.example".to_owned(), 403),
        ("/ws", "null".to_owned(), 403),
        ("/ws", format!("http://{addr}.elsewhere.example"), 403),
        ("/else", format!("http://{addr}"), 404),
    ] {
        let mut stream = connect(addr);
        let head = format!("{}Origin: {origin}\r\n\r\n", upgrade(addr, path));
        stream.write_all(head.as_bytes()).expect("the server reads");
        let head = response(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{origin}: {head}");
    }
}

#[test]
fn what_is_no_line_closes_the_websocket_with_the_reason() {
    let server = start(Options { max_line: 64, ..options() });
    let mut other = Browser::connect(server.web_addr());
    other.enter("other", "lobby");
    for (code, opcode, payload) in
        [(1009, 1, vec![b'x'; 65]), (1009, 1, vec![b'x'; 60_000]), (1007, 1, vec![0xFF]), (1003, 2, vec![1])]
    {
        let mut web = Browser::connect(server.web_addr());
        web.enter("web", "lobby");
        web.send(&"x".repeat(64));
        web.expect(&format!("<web> {}", "x".repeat(64)));
        web.frame(opcode, &payload);
        assert_eq!(web.end().1, Some(code));
        other.expect("* web was disconnected");
    }
}

#[test]
fn who_takes_no_name_or_opens_no_websocket_is_let_go() {
    let server = start(Options { login_timeout: Duration::from_millis(200), ..options() });
    let mut idle = connect(server.web_addr());
    let mut nameless = Browser::connect(server.web_addr());
    let last = "* goodbye".to_owned();
    nameless.expect("! you have not taken a name within 200ms");
    assert_eq!(nameless.end(), (Some(last), Some(1000)));
    let mut all = Vec::new();
    idle.read_to_end(&mut all).expect("an end");
    assert_eq!(all, b"", "there was no request to answer");
}

#[test]
fn the_end_of_the_server_is_told_as_one_to_come_back_from() {
    let server = start(options());
    let mut web = Browser::connect(server.web_addr());
    web.enter("web", "lobby");
    let mut tcp = Client::enter(server.local_addr(), "tcp", "lobby");
    std::thread::scope(|scope| {
        let ends = scope.spawn(|| server.shutdown());
        let words = "* the server is shutting down; goodbye".to_owned();
        assert_eq!(web.end(), (Some(words.clone()), Some(1001)));
        assert_eq!(tcp.rest().last(), Some(&words));
        drop((web, tcp));
        let report = ends.join().expect("no panic");
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.connections, 2);
    });
}
