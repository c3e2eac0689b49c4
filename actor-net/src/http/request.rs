//! A request, as it lies in the bytes that have come.

use std::fmt;

use super::fields::Headers;
use super::head::Head;
use super::response::Answer;

/// A whole request, with its body. Borrows from what was read; copy what is to be kept.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    head: Head,
    bytes: &'a [u8],
    body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn new(head: Head, bytes: &'a [u8], body: &'a [u8]) -> Request<'a> {
        Request { head, bytes, body }
    }

    /// A piece of the head that is known to be ASCII.
    fn text(&self, start: usize, len: u32) -> &'a str {
        let bytes = self.bytes.get(start..start + len as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The method: `GET`, `POST` and so on, in the case it was sent in.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.text(0, self.head.method)
    }

    /// The target as it was sent: a path with its query, or `*`, or a URL, which is how one talks to
    /// a proxy. At least a byte.
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.text(self.head.method as usize + 1, self.head.target)
    }

    /// The path, without the query and as it was sent: nothing is decoded and no `..` resolved.
    #[must_use]
    pub fn path(&self) -> &'a str {
        let (_, rest) = self.split();
        let path = rest.split_once('?').map_or(rest, |(path, _)| path);
        if path.is_empty() { "/" } else { path }
    }

    /// What comes behind the first `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        let (_, rest) = self.split();
        rest.split_once('?').map(|(_, query)| query)
    }

    /// The host, with a port if there is one: from a URL as the target, or else from `Host`.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        let (host, _) = self.split();
        host.or_else(|| self.header("host"))
    }

    /// The host in the target, if it is a URL, and the rest of it.
    fn split(&self) -> (Option<&'a str>, &'a str) {
        let target = self.target();
        if target.starts_with('/') {
            return (None, target);
        }
        let Some((_, rest)) = target.split_once("://") else {
            return (None, target);
        };
        match rest.find(['/', '?']) {
            Some(at) => (Some(&rest[..at]), &rest[at..]),
            None => (Some(rest), "/"),
        }
    }

    /// The value of the first header of this name, in any case, if there is one and it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().get(name)
    }

    /// All headers, in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.bytes.get(self.head.fields()..).unwrap_or_default())
    }

    /// The body; empty if there is none. Chunks are put together, and their trailers dropped.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// How this request wants to be answered. Keep it to answer later, from another handler.
    pub fn answer(&self) -> Answer {
        Answer::new(self.head.minor, self.method() == "HEAD", !self.head.persistent)
    }

    /// Whether the client would like to go on with WebSocket. A request that would not be one by the
    /// rules of HTTP (without `Connection: upgrade`, or not a `GET` of version 1.1) does not count.
    #[must_use]
    pub fn wants_websocket(&self) -> bool {
        self.head.websocket
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("headers", &self.headers())
            .field("body", &self.body.len())
            .finish()
    }
}
