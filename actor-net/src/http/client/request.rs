//! A request, as its maker sees it.

use bytes::{BufMut, Bytes, BytesMut};

use super::super::error::Error;
use super::super::fields::{is_token, put_header};
use super::super::response::put_decimal;

/// A request to a server: method, target, headers and a body. What frames it in the stream (`Host`,
/// `Content-Length`, `Connection`) the encoder adds.
///
/// ```
/// use actor_net::http::ClientRequest;
///
/// let request = ClientRequest::new("POST", "example.org", "/orders?urgent=1")
///     .header("Content-Type", "text/plain")
///     .body("a pound of flesh");
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct ClientRequest {
    method: String,
    target: String,
    host: String,
    /// As they go out, each with its line break.
    headers: Vec<u8>,
    body: Bytes,
    close: bool,
    wrong: Option<&'static str>,
}

impl ClientRequest {
    /// A request with this method, for a target such as `/path?query` of a host, with its port if that is
    /// not the usual one. One that breaks the grammar makes a request that cannot be encoded.
    pub fn new(method: &str, host: &str, target: &str) -> ClientRequest {
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut wrong = None;
        if method.is_empty() || !method.bytes().all(is_token) || method == "CONNECT" {
            wrong = Some("the method is none that can be sent");
        } else if !is_plain(host) {
            wrong = Some("the host is empty, or has spaces or other than ASCII in it");
        } else if !is_plain(target) || !(target.starts_with('/') || target == "*") {
            wrong = Some("the target does not begin with a slash, or has spaces or other than ASCII in it");
        }
        ClientRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            close: false,
            wrong,
        }
    }

    /// Adds a header.
    ///
    /// One that breaks the grammar, such as a value with a line break in it, and one that is the encoder's
    /// own (`Connection`, `Content-Length`, `Expect`, `Host`, `Transfer-Encoding`, `Upgrade`) makes a request that
    /// cannot be encoded.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> ClientRequest {
        const OURS: [&str; 6] =
            ["connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"];
        if let Err(why) = put_header(&mut self.headers, name, value.as_ref(), &OURS) {
            self.wrong = Some(why);
        }
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Bytes>) -> ClientRequest {
        self.body = body.into();
        self
    }

    /// Asks the server to close the connection behind its response.
    pub fn close(mut self) -> ClientRequest {
        self.close = true;
        self
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), Error> {
        if let Some(wrong) = self.wrong {
            return Err(Error::Unsendable(wrong));
        }
        out.reserve(
            self.method.len()
                + self.target.len()
                + self.host.len()
                + self.headers.len()
                + self.body.len()
                + 90,
        );
        for piece in [&*self.method, " ", &*self.target, " HTTP/1.1\r\nHost: ", &*self.host, "\r\n"] {
            out.put_slice(piece.as_bytes());
        }
        out.put_slice(&self.headers);
        // RFC 9110 section 8.6: methods that have a body as a rule say that it is empty.
        if !self.body.is_empty() || matches!(&*self.method, "POST" | "PUT" | "PATCH") {
            out.put_slice(b"Content-Length: ");
            put_decimal(out, self.body.len());
            out.put_slice(b"\r\n");
        }
        if self.close {
            out.put_slice(b"Connection: close\r\n");
        }
        out.put_slice(b"\r\n");
        out.put_slice(&self.body);
        Ok(())
    }
}
