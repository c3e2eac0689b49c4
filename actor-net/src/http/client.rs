//! The codec of a client: requests out, responses in.

mod request;
mod response;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;

use super::chunks::Chunks;
use super::error::Error;
use super::head::Scan;
use super::limits::{self, Limits, MOST_HEADERS};
use crate::codec::{Codec, Decoded};

pub use request::ClientRequest;
pub use response::ClientResponse;
use response::{Body, Head};

/// HTTP/1.1 as a client speaks it (RFC 9112). Frames are whole responses, in the order of the requests;
/// interim ones (100, 103) are left out.
///
/// How a response ends depends on what was asked, so the codec must have seen the request: what
/// [`encode`](Codec::encode) encodes, the codec and all its clones await the response to. An actor keeps
/// one clone to encode with, and gives the other to its connection:
///
/// ```
/// use actor_core::prelude::*;
/// use actor_net::http::{self, ClientRequest, ClientResponse};
/// use actor_net::{BytesMut, Codec, Conn, Connection};
///
/// #[derive(Actor)]
/// struct Fetch {
///     conn: Conn,
///     http: http::Client,
/// }
///
/// #[messages]
/// impl Fetch {}
///
/// impl Connection for Fetch {
///     type Codec = http::Client;
///
///     fn codec(&self) -> http::Client {
///         self.http.clone()
///     }
///
///     fn opened(&mut self, _ctx: &mut Context<Self>) {
///         let mut out = BytesMut::new();
///         let request = ClientRequest::new("GET", "example.org", "/");
///         self.http.encode(&request, &mut out).expect("a request that can be sent");
///         self.conn.write(out);
///     }
///
///     fn frame(&mut self, response: ClientResponse, _ctx: &mut Context<Self>) {
///         println!("{} and {} bytes", response.status(), response.body().len());
///         self.conn.close();
///     }
/// }
/// ```
///
/// Each connection needs one of its own, made with [`new`](Self::new). What has two readings is refused, as
/// it is by a [`Server`](super::Server), and the connection closed: a response that is taken for two by
/// somebody on the way is somebody else's.
#[derive(Clone, Debug)]
pub struct Client {
    limits: Limits,
    stage: Stage,
    asked: Arc<Mutex<VecDeque<Asked>>>,
}

/// What of a request its response depends on.
#[derive(Clone, Copy, Debug)]
struct Asked {
    head: bool,
}

/// What is expected next.
#[derive(Clone, Debug)]
enum Stage {
    /// A head.
    Head(Scan),
    /// The rest of a body, which stays in the input with its head: so long, or up to the end of the stream.
    Body(Head),
    /// More chunks.
    Chunks(Box<Gathered>),
    /// Nothing: the server has said that it was the last response.
    Last,
}

/// A response whose body comes in chunks.
#[derive(Clone, Debug)]
struct Gathered {
    head: Head,
    bytes: Vec<u8>,
    body: Vec<u8>,
    chunks: Chunks,
}

impl Client {
    /// Responses with bodies of at most `max_body` bytes.
    ///
    /// There is no default: it is what a server can make the process keep in memory for it, with the
    /// head. That has at most 16 KiB, and at most 100 headers, unless these are set.
    #[must_use]
    pub fn new(max_body: usize) -> Client {
        Client { limits: Limits::new(max_body), stage: Stage::Head(Scan::new()), asked: Arc::default() }
    }

    /// The most bytes a head may have, its line breaks included; and as many of the extensions and
    /// trailers of chunks.
    #[must_use]
    pub fn max_head(mut self, bytes: usize) -> Client {
        self.limits.head = limits::narrow(bytes);
        self
    }

    /// The most headers there may be; more than 128 are never allowed.
    #[must_use]
    pub fn max_headers(mut self, headers: usize) -> Client {
        self.limits.headers = limits::narrow(headers.min(MOST_HEADERS));
        self
    }

    fn asked(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        // Nothing in here panics half-way through a change.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response is whole: what comes after it.
    fn done(&mut self, head: &Head) {
        self.asked().pop_front();
        self.stage = if head.persistent { Stage::Head(Scan::new()) } else { Stage::Last };
    }

    /// Looks for the end of a head, and at what it says.
    fn head(&mut self, input: &[u8]) -> Result<Option<Head>, Error> {
        let Stage::Head(scan) = &mut self.stage else { return Ok(None) };
        if input.is_empty() {
            return Ok(None);
        }
        let Some(asked) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).front().copied() else {
            return Err(Error::Malformed("a response that nobody has asked for"));
        };
        let Some(len) = scan.advance(input, &self.limits)? else { return Ok(None) };
        Head::parse(&input[..len], asked.head, &self.limits).map(Some)
    }

    /// What is in the input of a response whose body stays there.
    fn whole(&mut self, head: Head, input: &[u8], eof: bool) -> Decoded<ClientResponse, Error> {
        let body = &input[head.len..];
        let length = match head.body {
            Body::Length(length) if length <= body.len() => length,
            Body::UntilEnd if body.len() > self.limits.body as usize => {
                return Decoded::Fatal(Error::BodyTooLong { limit: self.limits.body as usize });
            }
            Body::UntilEnd if eof => body.len(),
            _ if eof => return Decoded::Fatal(Error::Truncated),
            _ => return Decoded::Need,
        };
        self.done(&head);
        let frame = ClientResponse::new(head, &input[..head.len], &body[..length]);
        Decoded::Frame { frame, used: head.len + length }
    }

    fn chunks(&mut self, input: &[u8], eof: bool) -> Decoded<ClientResponse, Error> {
        let Stage::Chunks(gathered) = &mut self.stage else { return Decoded::Need };
        if input.is_empty() {
            return if eof { Decoded::Fatal(Error::Truncated) } else { Decoded::Need };
        }
        let room = self.limits.body as usize - gathered.body.len();
        let used = match gathered.chunks.advance(input, &mut gathered.body, room, &self.limits) {
            Ok(used) => used,
            Err(error) => return Decoded::Fatal(error),
        };
        if !gathered.chunks.is_over() {
            return Decoded::Used(used);
        }
        let head = gathered.head;
        let frame = ClientResponse::new(head, &gathered.bytes, &gathered.body);
        self.done(&head);
        Decoded::Frame { frame, used }
    }
}

impl Codec for Client {
    type Frame<'a> = ClientResponse;
    type Output<'a> = &'a ClientRequest;
    type Error = Error;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<ClientResponse, Error> {
        match self.head(input) {
            Ok(Some(head)) if head.is_interim() => {
                self.stage = Stage::Head(Scan::new());
                return Decoded::Used(head.len);
            }
            Ok(Some(head)) if head.body == Body::Chunked => {
                let (bytes, body) = (input[..head.len].to_vec(), Vec::new());
                self.stage = Stage::Chunks(Box::new(Gathered { head, bytes, body, chunks: Chunks::new() }));
                return Decoded::Used(head.len);
            }
            Ok(Some(head)) => self.stage = Stage::Body(head),
            Ok(None) => {}
            Err(error) => return Decoded::Fatal(error),
        }
        match &self.stage {
            Stage::Head(_) if eof && !input.is_empty() => Decoded::Fatal(Error::Truncated),
            Stage::Head(_) => Decoded::Need,
            Stage::Body(head) => {
                let head = *head;
                self.whole(head, input, eof)
            }
            Stage::Chunks(_) => self.chunks(input, eof),
            Stage::Last if input.is_empty() => Decoded::Need,
            Stage::Last => Decoded::Used(input.len()),
        }
    }

    /// Appends a request, and awaits its response from now on: it is to be sent.
    fn encode(&self, request: &ClientRequest, out: &mut BytesMut) -> Result<(), Error> {
        request.encode(out)?;
        self.asked().push_back(Asked { head: request.is_head() });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
