//! A response, as it has come; and what its head says of it.

use std::fmt;
use std::mem::MaybeUninit;

use bytes::Bytes;
use httparse::Status;
use memchr::memchr;

use super::super::error::Error;
use super::super::fields::Headers;
use super::super::head::Known;
use super::super::limits::{Limits, MOST_HEADERS};

/// A whole response, with its body. Cloning it copies no bytes.
#[derive(Clone)]
pub struct ClientResponse {
    status: u16,
    persistent: bool,
    /// The headers, each with its line break.
    headers: Bytes,
    body: Bytes,
}

impl ClientResponse {
    pub(super) fn new(head: Head, bytes: &[u8], body: &[u8]) -> ClientResponse {
        let headers = Bytes::copy_from_slice(&bytes[head.headers..]);
        let body = Bytes::copy_from_slice(body);
        ClientResponse { status: head.status, persistent: head.persistent, headers, body }
    }

    /// The status, 200 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of the first header of this name, in any case, if there is one and it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)
    }

    /// All headers, in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.headers)
    }

    /// The body; empty if there is none. Chunks are put together, and their trailers dropped.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether it is the last of its connection: the server has said so, or the end of the stream was that of
    /// the body.
    #[must_use]
    pub fn is_last(&self) -> bool {
        !self.persistent
    }
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse")
            .field("status", &self.status)
            .field("headers", &self.headers())
            .field("body", &self.body.len())
            .finish()
    }
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes behind the head.
    Length(usize),
    /// In chunks.
    Chunked,
    /// All that comes until the server closes.
    UntilEnd,
}

/// What is known of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// How many bytes it has.
    pub(super) len: usize,
    /// Where the headers begin.
    headers: usize,
    status: u16,
    /// The connection may be used for another request.
    pub(super) persistent: bool,
    pub(super) body: Body,
}

impl Head {
    /// Parses a whole head; `to_head` says that it answers a HEAD.
    pub(super) fn parse(input: &[u8], to_head: bool, limits: &Limits) -> Result<Head, Error> {
        let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        match parser.parse_response_with_uninit_headers(&mut response, input, &mut fields) {
            Ok(Status::Complete(len)) if len == input.len() => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Error::TooManyHeaders { limit: MOST_HEADERS });
            }
            Err(httparse::Error::Version) => return Err(Error::Version),
            _ => return Err(Error::Malformed("this is no response")),
        }
        let (Some(minor), Some(status)) = (response.version, response.code) else {
            return Err(Error::Malformed("the response has no status"));
        };
        if status == 101 {
            return Err(Error::Malformed("it switches protocols, which nobody has asked it to"));
        }
        let mut known = Known::default();
        for field in &*response.headers {
            known.read(field.name, field.value)?;
        }
        let body = match known.response_body(minor, limits)? {
            // RFC 9112 section 6.3: whatever the headers say.
            _ if to_head || status < 200 || status == 204 || status == 304 => Body::Length(0),
            body => body,
        };
        let persistent = body != Body::UntilEnd && !known.close && (minor == 1 || known.keep_alive);
        let headers = memchr(b'\n', input).map_or(input.len(), |end| end + 1);
        Ok(Head { len: input.len(), headers, status, persistent, body })
    }

    /// Another response follows, to the same request.
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200
    }
}

impl Known {
    fn response_body(&self, minor: u8, limits: &Limits) -> Result<Body, Error> {
        use super::super::head;

        if !self.coded && self.length.is_none() {
            return Ok(Body::UntilEnd);
        }
        Ok(match self.body(minor, limits)? {
            head::Body::Length(length) => Body::Length(length),
            head::Body::Chunked => Body::Chunked,
        })
    }
}
