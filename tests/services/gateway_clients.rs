//! What clients of the gateway see: routes, what is passed on, limits, health.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use crate::gateway_support::{Backend, Gateway, LISTEN, Talk, pool};

#[test]
fn routes_lead_to_their_pools() {
    let (one, two, three) = (Backend::http(), Backend::http(), Backend::http());
    let config = format!(
        "{LISTEN}{}{}{}\n\
         [[route]]\npath = \"/\"\npool = \"one\"\n\
         [[route]]\npath = \"/two\"\npool = \"two\"\n\
         [[route]]\nhost = \"three.example\"\npath = \"/two\"\npool = \"three\"\n",
        pool("one", "http", &[one.address]),
        pool("two", "http", &[two.address]),
        pool("three", "http", &[three.address]),
    );
    let gateway = Gateway::start(&config);
    let mut client = gateway.http();
    let mut who = |host: &str, path: &str| {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}"), "");
        let reply = client.reply(false).expect("a response");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body.lines().next().and_then(|pid| pid.parse::<u32>().ok()).expect("a number")
    };
    assert_eq!(who("a.example", "/"), one.pid());
    assert_eq!(who("a.example", "/twofold"), one.pid());
    assert_eq!(who("a.example", "/two?x"), two.pid());
    assert_eq!(who("a.example", "/two/x"), two.pid());
    assert_eq!(who("three.example:80", "/two/x"), three.pid());
    assert_eq!(who("three.example", "/"), one.pid());
}

#[test]
fn a_request_is_passed_on_and_what_is_for_one_connection_is_not() {
    let (gateway, site, _store) = Gateway::with_both("");
    let mut client = gateway.http();
    let head = "POST /api/x?y=z HTTP/1.1\r\nHost: a.example\r\nConnection: X-Mine\r\nX-Mine: 1";
    client.send(head, "the body");
    let reply = client.reply(false).expect("a response");
    assert_eq!((reply.status, reply.header("X-Backend")), (200, Some("b")));
    let expected = format!(
        "{}\nPOST /api/x?y=z\nHost: a.example\nX-Forwarded-For: 127.0.0.1\n\
         X-Forwarded-Proto: http\nVia: 1.1 gateway\nthe body",
        site.pid()
    );
    assert_eq!(reply.body, expected);
}

#[test]
fn an_answer_to_head_has_the_length_of_the_body() {
    let (gateway, _site, _store) = Gateway::with_both("");
    let mut client = gateway.http();
    let body = client.get("/api").body;
    client.send("HEAD /api HTTP/1.1\r\nHost: a.example", "");
    let reply = client.reply(true).expect("a response");
    // The word is one longer.
    assert_eq!(reply.header("Content-Length"), Some(&*(body.len() + 1).to_string()));
    assert_eq!(client.get("/api").status, 200, "the connection is as it was");
}

#[test]
fn requests_in_one_go_are_answered_in_their_order() {
    let (gateway, _site, _store) = Gateway::with_both("");
    let mut client = gateway.http();
    let requests: String =
        (0..50).map(|n| format!("GET /api/{n} HTTP/1.1\r\nHost: a.example\r\n\r\n")).collect();
    client.0.send(requests);
    for n in 0..50 {
        let reply = client.reply(false).expect("a response");
        assert!(reply.body.contains(&format!("GET /api/{n}\n")), "{n}: {reply:?}");
    }
}

#[test]
fn what_goes_nowhere_is_told_so() {
    let (site, store) = (Backend::http(), Backend::lines());
    let gateway = Gateway::start(&format!(
        "{LISTEN}{}{}\n[[route]]\npath = \"/api\"\npool = \"site\"\n\
         [[route]]\npath = \"/socket\"\nwebsocket = true\npool = \"store\"\n",
        pool("site", "http", &[site.address]),
        pool("store", "lines", &[store.address]),
    ));
    let mut client = gateway.http();
    for (path, status) in [("/", 404), ("/apis", 404), ("/api/%2e%2e/x", 400), ("/socket", 426), ("*", 400)] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
}

#[test]
fn messages_of_a_websocket_are_lines() {
    let (gateway, _site, _store) = Gateway::with_both("");
    let mut socket = gateway.http().websocket();
    // With a key of zeros a text is masked by itself.
    let message = |text: &str| [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0][..], text.as_bytes()].concat();
    socket.send(message("one"));
    socket.send(message("two"));
    for text in ["answer to one", "answer to two"] {
        let head = socket.bytes(2);
        assert_eq!(head, [0x81, text.len() as u8]);
        assert_eq!(socket.bytes(text.len()), text.as_bytes());
    }
    socket.send(message("no\nline"));
    let close = socket.rest();
    assert_eq!(close[..4], [0x88, close.len() as u8 - 2, 0x03, 0xF0], "code 1008: {close:?}");
}

#[test]
fn lines_are_answered_in_their_order() {
    let (gateway, _site, _store) = Gateway::with_both("");
    let mut client = gateway.lines();
    let lines: String = (0..200).map(|n| format!("get {n}\n")).collect();
    client.send(lines);
    client.end();
    for n in 0..200 {
        assert_eq!(client.line(), Some(format!("answer to get {n}")));
    }
    assert_eq!(client.line(), None);
}

#[test]
fn a_client_that_is_too_fast_is_told_when_to_come_back() {
    let (gateway, _site, _store) = Gateway::with_both("[limits]\nrequests_per_second = 2\nburst = 4\n");
    let mut client = gateway.http();
    for _ in 0..4 {
        assert_eq!(client.get("/api").status, 200);
    }
    let reply = client.get("/api");
    assert_eq!((reply.status, reply.header("Retry-After")), (429, Some("1")));
    assert!(gateway.lines().ask("get").starts_with("! 429 too many lines; wait for "));
    assert_eq!(client.get("/healthz").status, 200, "health is asked by those who must know");
    let asked = Instant::now();
    while client.get("/api").status == 429 {
        assert!(asked.elapsed() < Duration::from_secs(30), "no token comes back");
    }
}

#[test]
fn health_and_readiness() {
    let (gateway, mut site, store) = Gateway::with_both("");
    let reply = gateway.http().get("/healthz");
    assert_eq!((reply.status, reply.body.as_str()), (200, "alive\n"));
    let reply = gateway.becomes(200);
    let line = |pool, address, breaker| format!("{pool} {address} breaker {breaker}, 0 on their way\n");
    let (of_site, of_store) = (line("site", site.address, "closed"), line("store", store.address, "closed"));
    assert_eq!(reply.body, format!("ready\n{of_site}{of_store}"));
    site.kill();
    let mut client = gateway.http();
    while client.get("/api").status == 502 {}
    let reply = gateway.becomes(503);
    assert!(reply.body.starts_with("not ready\n") && reply.body.contains(&of_store), "{}", reply.body);
    assert_eq!(gateway.http().get("/healthz").status, 200, "a gateway without backends is well");
    site.revive();
    gateway.becomes(200);
}

#[test]
fn a_foreign_page_opens_no_websocket() {
    let (gateway, _site, _store) = Gateway::with_both("");
    let mut client: Talk = gateway.http().0;
    client.send(
        "GET /socket HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Origin: http://evil.example\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.line().as_deref(), Some("HTTP/1.1 403 Forbidden"));
}
