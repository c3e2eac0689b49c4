//! Responses as they go out.

use bytes::BytesMut;

use super::super::{Error, Response};
use super::*;
use crate::codec::Codec;

/// The response to a request, without its date.
fn encoded(request: &str, response: &Response) -> String {
    let answer = looked(request, |request| request.answer());
    let mut out = BytesMut::new();
    server().encode((answer, response), &mut out).expect("a response");
    let text = String::from_utf8(out.to_vec()).expect("text");
    let (before, rest) = text.split_once("Date: ").expect("a date");
    let (date, after) = rest.split_once("\r\n").expect("a line");
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    format!("{before}{after}")
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_response_is_framed_by_its_length() {
    let response = Response::new(200).header("Content-Type", "text/plain").body("hello");
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(encoded(GET, &response), text);
    let empty = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(encoded(GET, &Response::new(404)), empty);
    // One that has no name has the space all the same.
    assert!(encoded(GET, &Response::new(299)).starts_with("HTTP/1.1 299 \r\n"));
    let long = Response::new(200).body(vec![b'x'; 100_000]);
    assert!(encoded(GET, &long).ends_with(&"x".repeat(100_000)));
}

#[test]
fn where_no_body_may_be_there_is_none() {
    let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    let body = |status| Response::new(status).body("hello");
    assert_eq!(encoded(head, &body(200)), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(encoded(GET, &body(204)), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(encoded(GET, &body(304)), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_eq!(encoded(GET, &body(205)), "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn who_answers_head_need_not_have_the_body() {
    let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    let long = || Response::new(200).length(500_000);
    assert_eq!(encoded(head, &long()), "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n");
    assert_eq!(encoded(GET, &long().body("all")), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall");
}

#[test]
fn whether_the_connection_goes_on_is_said() {
    let says = |request: &str, response: Response| {
        let text = encoded(request, &response);
        let line = text.lines().find_map(|line| line.strip_prefix("Connection: "));
        line.unwrap_or_default().to_owned()
    };
    let ok = || Response::new(200);
    assert_eq!(says(GET, ok()), "");
    assert_eq!(says(GET, ok().close()), "close");
    assert_eq!(says("GET / HTTP/1.0\r\n\r\n", ok()), "close");
    assert_eq!(says("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ok()), "keep-alive");
    assert_eq!(says("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", ok()), "close");
}

#[test]
fn what_would_break_the_framing_is_not_sent() {
    let answer = looked(GET, |request| request.answer());
    let ok = || Response::new(200);
    let mut out = BytesMut::from(&b"before"[..]);
    for response in [
        ok().header("A", "b\r\nC: d"),
        ok().header("A", "b\0"),
        ok().header("A\r\nB", "c"),
        ok().header("", "c"),
        ok().header("A b", "c"),
        ok().header("content-length", "3"),
        ok().header("Transfer-Encoding", "chunked"),
        ok().header("Connection", "close"),
        ok().header("Date", "now"),
        ok().header("Upgrade", "x"),
        Response::new(100),
        Response::new(600),
    ] {
        let error = answer.encode(&response, &mut out).unwrap_err();
        assert!(matches!(error, Error::Unsendable(_)), "{error}");
        assert_eq!(error.status(), 500);
    }
    assert_eq!(out, b"before"[..]);
}

#[test]
fn every_error_has_a_status_and_says_its_limit() {
    let limit = 4711;
    for (error, status) in [
        (Error::TargetTooLong { limit }, 414),
        (Error::HeadTooLong { limit }, 431),
        (Error::TooManyHeaders { limit }, 431),
        (Error::BodyTooLong { limit }, 413),
    ] {
        assert_eq!(error.status(), status);
        assert!(error.to_string().contains("4711"), "{error}");
    }
}
