//! HTTP over real sockets: what must be refused is, with the right status, and nobody else notices.

use std::io::Write;

use actor_net::CloseReason;

use crate::setup::eventually;
use crate::site::{MAX, Served, is_served, serve};

/// Sends what must be refused, while another is connected.
fn refuses(served: &Served, status: u16, request: impl AsRef<[u8]>) {
    let request = request.as_ref();
    let mut client = served.connect();
    let stream = client.stream().try_clone().unwrap();
    // The server stops listening at some point, and says so; not all of it need be taken.
    let _ = (&stream).write_all(request);
    let answer = client.rest();
    let shown = request[..request.len().min(80)].escape_ascii();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{shown}: {answer}");
    let why = served.closed();
    assert!(matches!(why, CloseReason::Protocol(_)), "{shown}: {why}");
}

#[test]
fn bad_requests_are_refused_and_nobody_else_notices() {
    let served = serve();
    let mut other = served.connect();
    let post = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let bad = [
        (400, post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        (400, post("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd"),
        (400, "GET / HTTP/1.1\nHost: h\n\n".to_owned()),
        (400, post("A: b\r\n c\r\n")),
        (400, post("A: b\0\r\n")),
        (400, post("A : b\r\n")),
        (400, post("Transfer-Encoding: chunked\r\n") + "xyz\r\n"),
        (400, post("Transfer-Encoding: chunked\r\n") + "3\r\nabcd\r\n"),
        (501, post("Transfer-Encoding: gzip, chunked\r\n")),
        (417, post("Expect: more\r\n")),
        (413, post(&format!("Content-Length: {}\r\n", MAX + 1))),
        (414, format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(8 << 10))),
        (505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned()),
        (431, post(&"A: b\r\n".repeat(10_000))),
    ];
    let count = bad.len() as u64;
    for (status, request) in bad {
        refuses(&served, status, request);
        is_served(&mut other);
    }
    assert!(served.none_closed());
    assert_eq!(served.server.ends().protocol, count);
    eventually("only the other is connected", || served.server.connections() == 1);
}

#[test]
fn a_head_of_the_largest_size_is_taken_and_one_byte_more_is_not() {
    let served = serve();
    let head = |len: usize| {
        let empty = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nA: \r\n\r\n";
        empty.replace("A: ", &format!("A: {}", "x".repeat(len - empty.len())))
    };
    let mut client = served.connect();
    client.send(head(16 << 10));
    assert!(client.rest().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(served.closed(), CloseReason::Local);
    refuses(&served, 431, head((16 << 10) + 1));
}

#[test]
fn a_thousand_requests_one_behind_the_other_are_answered_in_their_order() {
    let served = serve();
    let mut client = served.connect();
    let requests: String = (0..1000).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    client.send(requests.clone() + "GET /last HTTP/1.0\r\n\r\n");
    let answers = client.rest();
    let bodies: Vec<&str> = answers
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .filter_map(|one| one.split_once("\r\n\r\n"))
        .map(|(_, body)| body)
        .collect();
    let expected: Vec<String> = (0..1000).map(|n| format!("/{n}")).chain(["/last".to_owned()]).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn another_protocol_is_told_apart_by_its_first_byte() {
    let served = serve();
    // The beginning of a ClientHello.
    refuses(&served, 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03");
}
