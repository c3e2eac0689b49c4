//! Transports: how a session's lines come and go.
//!
//! Over TCP a line ends with a line break. Over a WebSocket a text has one line or several, both ways.
//! A session has one codec for either, so there is one kind of session, and one room for all.

use std::fmt;

use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{Bytes, BytesMut, CloseReason, Codec, Decoded, LineError, Lines, Stage, http};

/// How a session's peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Lines over TCP.
    Tcp,
    /// HTTP so far: somebody who fetches the page, and may open a WebSocket yet.
    Http,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// The codec for a new connection, with lines of at most `max_line` bytes.
    #[must_use]
    pub fn codec(self, max_line: usize) -> Wire {
        match self {
            Transport::Tcp => Wire::Lines(Lines::new(max_line)),
            Transport::Http | Transport::WebSocket => {
                Wire::Web(Box::new(websocket::Server::new(http::Server::new(0), max_line)))
            }
        }
    }

    /// The bytes to send for whole lines. None for somebody who is only there for the page.
    #[must_use]
    pub fn encode(self, lines: Bytes) -> Bytes {
        match self {
            Transport::Tcp => lines,
            Transport::Http => Bytes::new(),
            Transport::WebSocket => {
                let text = std::str::from_utf8(&lines).expect("lines are made of strings");
                Message::Text(text).to_bytes().expect("a text can always be sent")
            }
        }
    }
}

/// The codec of a session.
#[derive(Debug)]
pub enum Wire {
    /// Of one that came by TCP.
    Lines(Lines),
    /// Of one that came by HTTP.
    Web(Box<websocket::Server>),
}

/// What a session hears.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A line over TCP.
    Line(&'a str),
    /// A request, an upgrade or a message.
    Web(ServerFrame<'a>),
}

/// Why a session cannot make sense of what has come.
#[derive(Debug)]
pub enum WireError {
    /// Over TCP. The session has to say so.
    Line(LineError),
    /// Over HTTP or a WebSocket. The codec says so.
    Web(websocket::Error),
}

impl Codec for Wire {
    type Frame<'a> = Heard<'a>;
    type Output<'a> = &'a str;
    type Error = WireError;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<Heard<'a>, WireError> {
        match self {
            Wire::Lines(lines) => lines.decode(input, eof).map(Heard::Line, WireError::Line),
            Wire::Web(web) => web.decode(input, eof).map(Heard::Web, WireError::Web),
        }
    }

    fn encode(&self, line: &str, out: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Wire::Lines(lines) => lines.encode(line, out).map_err(WireError::Line),
            Wire::Web(web) => web.encode(Message::Text(line), out).map_err(WireError::Web),
        }
    }

    fn replies(&mut self) -> Option<Bytes> {
        match self {
            Wire::Lines(lines) => lines.replies(),
            Wire::Web(web) => web.replies(),
        }
    }

    fn ping(&mut self) -> Option<Bytes> {
        match self {
            Wire::Lines(lines) => lines.ping(),
            Wire::Web(web) => web.ping(),
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Wire::Lines(lines) => lines.stage(),
            Wire::Web(web) => web.stage(),
        }
    }

    fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        match self {
            Wire::Lines(lines) => lines.farewell(why),
            Wire::Web(web) => web.farewell(why),
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Line(error) => error.fmt(f),
            WireError::Web(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WireError {}
