//! The client's end.

use super::*;
use crate::codec::Codec;
use crate::websocket::{Client, ClientFrame, ClientRequest};

fn request() -> ClientRequest {
    ClientRequest::new("example.com:8080", "/chat?room=1").expect("a request")
}

/// Feeds a client with a response, in which `KEY` stands for the right answer, and frames.
fn connect(
    request: &ClientRequest,
    response: &str,
    frames: &[u8],
    sizes: &[usize],
) -> Fed<Found<Said, Error>> {
    let mut client = Client::new(request, MAX).max_fragments(9);
    let sent = client.replies().expect("a request");
    let sent = String::from_utf8(sent.to_vec()).expect("text");
    let (_, key) = sent.split_once("Sec-WebSocket-Key: ").expect("a key");
    let accept = super::super::handshake::accept(key.trim_end().as_bytes());
    let response = response.replace("KEY", std::str::from_utf8(&accept).expect("text"));
    feed::feed(&mut client, &[response.as_bytes(), frames].concat(), sizes, |found| match found {
        Found::Frame(ClientFrame::Open { protocol, .. }) => {
            Found::Frame(Said::Open(protocol.map(str::to_owned)))
        }
        Found::Frame(ClientFrame::Message(message)) => Found::Frame(Said::of(message)),
        Found::Refused(error) => Found::Refused(error),
        Found::Fatal(error) => Found::Fatal(error),
        Found::End => Found::End,
    })
}

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nconnection: upgrade\r\n\
    Sec-WebSocket-Accept: KEY\r\n";

#[test]
fn the_request_is_one_that_a_server_accepts() {
    let request = request().header("Origin", "http://example.com:8080").unwrap();
    let request = request.protocol("chat").unwrap().protocol("old").unwrap();
    let mut client = Client::new(&request, MAX);
    let sent = client.replies().unwrap();
    assert!(client.replies().is_none());
    let fed = serve(server(), &sent, &[], &["old"]);
    assert_eq!(fed.found, [Found::Frame(Said::Upgrade(vec!["chat".into(), "old".into()]))]);
    let heard = feed::feed(&mut client, &fed.replies, &[1; 300], |found| match found {
        Found::Frame(ClientFrame::Open { protocol, .. }) => protocol.map(str::to_owned),
        other => panic!("{other:?}"),
    });
    assert_eq!(heard.found, [Some("old".to_owned())]);
    // Each has a key of its own.
    assert_ne!(Client::new(&request, MAX).replies(), Client::new(&request, MAX).replies());
}

#[test]
fn what_the_server_says_is_heard() {
    let hello = Message::Text("hello").to_bytes().unwrap();
    let frames = [&hello[..], b"\x89\x01?", b"\x01\x01a\x80\x01b", &closes(1001, "bye")].concat();
    let response = format!("{RESPONSE}\r\n");
    for sizes in [vec![], vec![1; 400]] {
        let fed = connect(&request(), &response, &frames, &sizes);
        let close = Found::Frame(Said::Close(Some((1001, "bye".into()))));
        let open = Found::Frame(Said::Open(None));
        assert_eq!(fed.found, [open, Said::text("hello"), Said::text("ab"), close, Found::End]);
        // Masked, both of them.
        assert!(fed.replies[..2] == [0x8A, 0x81] && fed.replies[7..9] == [0x88, 0x85], "{:?}", fed.replies);
    }
}

#[test]
fn a_server_that_does_not_want_to_is_heard() {
    let found = connect(&request(), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"", &[]).found;
    assert_eq!(found, [Found::Fatal(Error::Declined { status: 403 })]);
    assert!(Error::Declined { status: 403 }.to_string().contains("403"));
}

#[test]
fn a_handshake_that_is_not_what_was_asked_for_is_refused() {
    for (response, wanted) in [
        (RESPONSE.replace("KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), request()),
        (RESPONSE.replace("Sec-WebSocket-Accept: KEY\r\n", ""), request()),
        (format!("{RESPONSE}Sec-WebSocket-Accept: KEY\r\n"), request()),
        (RESPONSE.replace("WebSocket\r\n", "h2c\r\n"), request()),
        (RESPONSE.replace("connection: upgrade\r\n", ""), request()),
        (format!("{RESPONSE}Sec-WebSocket-Protocol: chat\r\n"), request()),
        (format!("{RESPONSE}Sec-WebSocket-Protocol: a, b\r\n"), request().protocol("a").unwrap()),
        (format!("{RESPONSE}Sec-WebSocket-Extensions: permessage-deflate\r\n"), request()),
    ] {
        let found = connect(&wanted, &format!("{response}\r\n"), b"", &[]).found;
        assert!(matches!(found[..], [Found::Fatal(Error::Handshake(_))]), "{response}: {found:?}");
    }
    for response in ["rubbish\r\n\r\n", "HTTP/1.1 1\r\n\r\n", "\0", "HTTP/1.1 101 x\n\r\n"] {
        let found = connect(&request(), response, b"", &[]).found;
        assert!(matches!(found[..], [Found::Fatal(Error::Http(_))]), "{response}: {found:?}");
    }
    let endless = format!("{RESPONSE}{}", "A: b\r\n".repeat(10_000));
    assert!(matches!(connect(&request(), &endless, b"", &[]).found[..], [Found::Fatal(Error::Http(_))]));
    assert_eq!(connect(&request(), RESPONSE, b"", &[]).found, [Found::Fatal(Error::Truncated)]);
}

#[test]
fn a_server_that_masks_is_refused() {
    let fed = connect(&request(), &format!("{RESPONSE}\r\n"), &frame(LAST | TEXT, b"hi"), &[]);
    assert!(matches!(fed.found[1], Found::Fatal(Error::Protocol(_))));
    assert_eq!(fed.replies[0], 0x88);
}

#[test]
fn what_would_break_the_request_is_not_taken() {
    for (host, target) in
        [("", "/"), ("a b", "/"), ("a\r\nB: c", "/"), ("h", ""), ("h", "x"), ("h", "/ x"), ("h", "/\r\n")]
    {
        assert!(matches!(ClientRequest::new(host, target), Err(Error::Unsendable(_))), "{host:?} {target:?}");
    }
    for (name, value) in [("", "b"), ("A b", "c"), ("A", "b\r\nC: d"), ("A\r\n", "b")] {
        assert!(matches!(request().header(name, value), Err(Error::Unsendable(_))));
    }
    for name in ["", "a b", "a,b"] {
        assert!(matches!(request().protocol(name), Err(Error::Unsendable(_))));
    }
}
