//! Tests of both codecs as a whole: streams in, messages and replies out.

mod broken;
mod client;
#[cfg(feature = "deflate")]
mod deflate;
mod handshake;
mod talk;

use super::{Close, Error, Message, Server, ServerFrame};
use crate::codec::feed::{self, Fed, Found};
use crate::http;

/// What comes, with nothing borrowed.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Request(String),
    Upgrade(Vec<String>),
    Open(Option<String>),
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Said {
    fn of(message: Message<'_>) -> Said {
        match message {
            Message::Text(text) => Said::Text(text.to_owned()),
            Message::Binary(bytes) => Said::Binary(bytes.to_vec()),
            Message::Ping(_) => panic!("pings are the codec's"),
            Message::Pong(bytes) => Said::Pong(bytes.to_vec()),
            Message::Close(close) => {
                Said::Close(close.map(|Close { code, reason }| (code, reason.to_owned())))
            }
        }
    }

    fn text(text: &str) -> Found<Said, Error> {
        Found::Frame(Said::Text(text.to_owned()))
    }
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h:80\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The longest message of the tests' codecs.
const MAX: usize = 1000;

fn server() -> Server {
    Server::new(http::Server::new(10), MAX).max_fragments(9)
}

/// Feeds a server; upgrades are accepted, as `accept` says, and the response goes to the replies.
fn serve(mut server: Server, stream: &[u8], sizes: &[usize], spoken: &[&str]) -> Fed<Found<Said, Error>> {
    let mut accepted = Vec::new();
    let mut fed = feed::feed(&mut server, stream, sizes, |found| match found {
        Found::Frame(ServerFrame::Request(request)) => {
            Found::Frame(Said::Request(request.target().to_owned()))
        }
        Found::Frame(ServerFrame::Upgrade(mut upgrade)) => {
            let offered = upgrade.protocols().map(str::to_owned).collect();
            upgrade.choose(spoken);
            accepted.extend_from_slice(&upgrade.accept());
            Found::Frame(Said::Upgrade(offered))
        }
        Found::Frame(ServerFrame::Message(message)) => Found::Frame(Said::of(message)),
        Found::Refused(error) => Found::Refused(error),
        Found::Fatal(error) => Found::Fatal(error),
        Found::End => Found::End,
    });
    fed.replies.splice(0..0, accepted);
    fed
}

/// What a server makes of these frames, behind a handshake, and what it says to the client.
fn talk(frames: &[u8], sizes: &[usize]) -> Fed<Found<Said, Error>> {
    let handshake = format!("{UPGRADE}\r\n");
    let sizes: Vec<usize> = std::iter::once(handshake.len()).chain(sizes.iter().copied()).collect();
    let mut fed = serve(server(), &[handshake.as_bytes(), frames].concat(), &sizes, &[]);
    assert_eq!(fed.found.remove(0), Found::Frame(Said::Upgrade(Vec::new())));
    let head = fed.replies.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    fed.replies.drain(..head + 4);
    fed
}

/// A client's frame with any first byte, masked with a key that is not nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x12, 0xF4, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        medium => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(medium).expect("a short payload").to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const LAST: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// The bytes of a server's Close.
fn closes(code: u16, reason: &str) -> Vec<u8> {
    Message::Close(Some(Close { code, reason })).to_bytes().expect("a close").to_vec()
}
