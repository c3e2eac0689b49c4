//! Responses, and what a request asks of the one that answers it.

use actor_core::port::say;
use bytes::{BufMut, Bytes, BytesMut};
use tracing::Level;

use super::body::Body;
use super::date;
use super::error::Error;
use super::fields::put_header;
use super::status;
use crate::connection::{Conn, Pressure};

/// Bodies from here on are written as they are, not copied behind their head.
pub(super) const COPIED: usize = 4 << 10;

/// A response as its maker sees it: a status, headers and a body. What frames it in the stream,
/// `Content-Length`, `Connection` and `Date`, the encoder adds.
///
/// ```
/// use actor_net::http::Response;
///
/// let response = Response::new(200).header("Content-Type", "text/plain").body("hello");
/// # let _ = response;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a response does nothing until it is sent"]
pub struct Response {
    status: u16,
    /// As they go out, each with its line break.
    headers: Vec<u8>,
    body: Bytes,
    /// What the body would have, where there is none because the request is `HEAD`.
    length: Option<usize>,
    close: bool,
    wrong: Option<&'static str>,
}

impl Response {
    /// A response with this status, 200 to 599, and nothing else.
    pub fn new(status: u16) -> Response {
        let wrong = (!(200..600).contains(&status)).then_some("its status is not 200 to 599");
        Response { status, headers: Vec::new(), body: Bytes::new(), length: None, close: false, wrong }
    }

    /// Adds a header.
    ///
    /// One that breaks the grammar, such as a value with a line break in it, and one that is the
    /// encoder's own (`Connection`, `Content-Length`, `Date`, `Transfer-Encoding`, `Upgrade`) makes
    /// the response one that cannot be sent; [`Answer::send`] tells what happens then.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Response {
        const OURS: [&str; 5] = ["connection", "content-length", "date", "transfer-encoding", "upgrade"];
        if let Err(why) = put_header(&mut self.headers, name, value.as_ref(), &OURS) {
            self.wrong = Some(why);
        }
        self
    }

    /// The body. Where there must be none it is not sent: in answer to `HEAD`, and with the statuses
    /// 204, 205 and 304.
    pub fn body(mut self, body: impl Into<Bytes>) -> Response {
        self.body = body.into();
        self
    }

    /// How many bytes the body would have, for who answers `HEAD` and does not have it at hand. Says nothing
    /// in answer to another method.
    pub fn length(mut self, bytes: usize) -> Response {
        self.length = Some(bytes);
        self
    }

    /// Makes it the last of its connection.
    pub fn close(mut self) -> Response {
        self.close = true;
        self
    }
}

/// What a request asks of its response: whether it may have a body, and whether the connection goes
/// on. Small and independent of the request, to be kept until the response is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "each request is to be answered, in the order they came in"]
pub struct Answer {
    minor: u8,
    head: bool,
    last: bool,
}

impl Answer {
    pub(super) fn new(minor: u8, head: bool, last: bool) -> Answer {
        Answer { minor, head, last }
    }

    /// Whether the connection ends after the response, since the client has said so.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.last
    }

    /// Appends the response to `out`. Does nothing else: whether the connection is to be closed
    /// behind it, [`is_last`](Self::is_last) and the response know.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the response breaks the grammar; `out` is as it was.
    pub fn encode(self, response: &Response, out: &mut BytesMut) -> Result<(), Error> {
        let body = self.encode_head(response, out)?;
        out.put_slice(body);
        Ok(())
    }

    /// Writes the response, and closes the connection behind it if it is the last, as it is when the server
    /// [drains](crate::Server::drain). Says what
    /// [`Conn::write`] does.
    ///
    /// A response that cannot be sent is a bug of who made it: the client gets a bare 500 instead,
    /// and the log an error that says what is wrong.
    pub fn send(mut self, response: Response, conn: &mut Conn) -> Pressure {
        self.last |= conn.is_last();
        let mut out = BytesMut::new();
        let sent = self.encode_head(&response, &mut out).cloned();
        let (mut body, close) = (Bytes::new(), self.last || response.close);
        match sent {
            Ok(sent) => body = sent,
            Err(error) => {
                say(Level::ERROR, || {
                    let (peer, error) = (conn.peer_addr(), error.to_string());
                    move || tracing::error!(%peer, error, "answered with 500 instead")
                });
                let bare = Response { close: response.close, ..Response::new(500) };
                if self.encode_head(&bare, &mut out).is_err() {
                    conn.abort();
                }
            }
        }
        if body.len() < COPIED {
            out.put_slice(&body);
            body = Bytes::new();
        }
        conn.write(out);
        let pressure = conn.write(body);
        if close {
            conn.close();
        }
        pressure
    }

    /// Begins a response whose body is written piece by piece, over as many turns as it takes; its length need
    /// not be known. A body that `response` has comes first. The connection is [paused](Conn::pause) until
    /// the body has ended, so that no other request is answered in between.
    ///
    /// A response that cannot be sent is answered with a bare 500, and what is written then goes nowhere.
    pub fn stream(mut self, response: Response, conn: &mut Conn) -> Body {
        self.last |= conn.is_last() || response.close;
        let mut framing = match (self.minor, response.status) {
            (_, 204 | 205 | 304) => Framing::Length,
            (0, _) => Framing::End,
            _ => Framing::Chunks,
        };
        self.last |= framing == Framing::End;
        let mut out = BytesMut::new();
        if let Err(error) = self.encode_head_with(framing, &response, &mut out) {
            say(Level::ERROR, || {
                let (peer, error) = (conn.peer_addr(), error.to_string());
                move || tracing::error!(%peer, error, "answered with 500 instead")
            });
            framing = Framing::Length;
            if self.encode_head(&Response::new(500), &mut out).is_err() {
                conn.abort();
            }
        }
        conn.write(out);
        conn.pause();
        let mut body = Body::new(conn.again(), framing, self.head, self.last);
        body.write(response.body);
        body
    }

    /// Appends all but the body, and gives that of it which is to follow.
    fn encode_head<'a>(self, response: &'a Response, out: &mut BytesMut) -> Result<&'a Bytes, Error> {
        self.encode_head_with(Framing::Length, response, out)
    }

    fn encode_head_with<'a>(
        self,
        framing: Framing,
        response: &'a Response,
        out: &mut BytesMut,
    ) -> Result<&'a Bytes, Error> {
        static NOTHING: Bytes = Bytes::new();
        if let Some(wrong) = response.wrong {
            return Err(Error::Unsendable(wrong));
        }
        let status = response.status;
        let body = if let 204 | 205 | 304 = status { &NOTHING } else { &response.body };
        let copied = if body.len() < COPIED { body.len() } else { 0 };
        out.reserve(160 + response.headers.len() + copied);
        put_status(out, status);
        out.put_slice(b"Date: ");
        out.put_slice(&date::now());
        out.put_slice(b"\r\n");
        out.put_slice(&response.headers);
        // These two never have a body, and must not say that it has a length.
        match framing {
            _ if matches!(status, 204 | 304) => {}
            Framing::Chunks => out.put_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::End => {}
            Framing::Length => {
                out.put_slice(b"Content-Length: ");
                let length = response.length.filter(|_| self.head).unwrap_or(body.len());
                put_decimal(out, length);
                out.put_slice(b"\r\n");
            }
        }
        if self.last || response.close {
            out.put_slice(b"Connection: close\r\n");
        } else if self.minor == 0 {
            out.put_slice(b"Connection: keep-alive\r\n");
        }
        out.put_slice(b"\r\n");
        Ok(if self.head { &NOTHING } else { body })
    }
}

/// What says where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Its length, in the head.
    Length,
    /// Its last chunk.
    Chunks,
    /// The end of the stream.
    End,
}

fn put_status(out: &mut BytesMut, status: u16) {
    out.put_slice(b"HTTP/1.1 ");
    put_decimal(out, usize::from(status));
    out.put_u8(b' ');
    out.put_slice(status::reason(status).as_bytes());
    out.put_slice(b"\r\n");
}

pub(super) fn put_decimal(out: &mut BytesMut, mut n: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

/// Appends the response that tells of an error and ends the connection.
pub(crate) fn refusal(error: &Error, to_head: bool, out: &mut BytesMut) {
    let mut response = Response::new(error.status()).close();
    if let Error::UpgradeVersion = error {
        response = response.header("Sec-WebSocket-Version", "13");
    }
    response = response.header("Content-Type", "text/plain").body(format!("{error}\n"));
    let answer = Answer::new(1, to_head, true);
    // It has been made of nothing but what is known here.
    let encoded = answer.encode(&response, out);
    debug_assert_eq!(encoded, Ok(()));
}
