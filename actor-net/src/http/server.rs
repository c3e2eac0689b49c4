//! The codec of a server: requests in, responses out.

use bytes::{Bytes, BytesMut};

use super::chunks::Chunks;
use super::error::Error;
use super::head::{Body, Head, Scan};
use super::limits::{self, Limits, MOST_HEADERS};
use super::request::Request;
use super::response::{self, Answer, Response};
use crate::codec::{self, Codec, Decoded};
use crate::connection::{CloseReason, Deadline};

/// HTTP/1.1 as a server speaks it (RFC 9112), and HTTP/1.0 for those who still do. Frames are whole
/// requests; see the [module](crate::http) for how to answer them.
///
/// | in the stream | what becomes of it |
/// |---|---|
/// | requests one behind the other | one frame after the other; answer them in their order |
/// | the last request: `Connection: close`, or HTTP/1.0 without `keep-alive` | what follows it is ignored, and [`Answer`] closes the connection |
/// | `Expect: 100-continue` | the codec says to go on, if the body is allowed and not there yet |
/// | a request that does not come, or not all of it, in [time](crate::Options::frame_within) | 408, and the connection is closed |
/// | anything that breaks the grammar, has two readings or exceeds a limit | [`Error`]; the codec sends a response with its [status](Error::status), and the connection is closed |
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    stage: Stage,
    replies: BytesMut,
}

/// What is expected next.
#[derive(Debug)]
enum Stage {
    /// A head.
    Head(Scan),
    /// The rest of a body whose length is known, which stays in the input.
    Body(Head),
    /// More chunks.
    Chunks(Box<Gathered>),
    /// Nothing: the client has said that it has no more requests.
    Last,
}

/// A request whose body comes in chunks, as it would be without them.
#[derive(Debug)]
struct Gathered {
    head: Head,
    bytes: Vec<u8>,
    chunks: Chunks,
}

impl Server {
    /// Requests with bodies of at most `max_body` bytes.
    ///
    /// There is no default: it is what a peer can make the process keep in memory for it, with the
    /// head. That has at most 16 KiB, its target 8 KiB, and there are at most 100 headers, unless
    /// these are set.
    #[must_use]
    pub fn new(max_body: usize) -> Server {
        let stage = Stage::Head(Scan::new());
        Server { limits: Limits::new(max_body), stage, replies: BytesMut::new() }
    }

    /// The most bytes a head may have, its line breaks included; and as many of the extensions and
    /// trailers of chunks.
    #[must_use]
    pub fn max_head(mut self, bytes: usize) -> Server {
        self.limits.head = limits::narrow(bytes);
        self
    }

    /// The most bytes a target may have.
    #[must_use]
    pub fn max_target(mut self, bytes: usize) -> Server {
        self.limits.target = limits::narrow(bytes);
        self
    }

    /// The most headers there may be; more than 128 are never allowed.
    #[must_use]
    pub fn max_headers(mut self, headers: usize) -> Server {
        self.limits.headers = limits::narrow(headers.min(MOST_HEADERS));
        self
    }

    /// Queues the response that says why a request is refused.
    fn refuse(&mut self, error: &Error, to_head: bool) {
        response::refusal(error, to_head, &mut self.replies);
        self.stage = Stage::Last;
    }

    /// Looks for the end of a head, and at what it says.
    fn head(&mut self, input: &[u8]) -> Result<Option<Head>, Error> {
        let Stage::Head(scan) = &mut self.stage else { return Ok(None) };
        let Some(len) = scan.advance(input, &self.limits)? else { return Ok(None) };
        let head = Head::parse(&input[..len], &self.limits)?;
        // One that has sent some of its body does not wait.
        if head.expects && head.body != Body::Length(0) && input.len() == len {
            self.replies.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        Ok(Some(head))
    }

    fn after(head: &Head) -> Stage {
        if head.persistent { Stage::Head(Scan::new()) } else { Stage::Last }
    }
}

impl Gathered {
    fn begin(head: Head, bytes: &[u8]) -> Box<Gathered> {
        Box::new(Gathered { head, bytes: bytes.to_vec(), chunks: Chunks::new() })
    }

    fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<usize, Error> {
        let room = limits.body as usize - (self.bytes.len() - self.head.len);
        self.chunks.advance(input, &mut self.bytes, room, limits)
    }

    fn request(&self) -> Request<'_> {
        let (head, body) = self.bytes.split_at(self.head.len);
        Request::new(self.head, head, body)
    }
}

impl Codec for Server {
    type Frame<'a> = Request<'a>;
    type Output<'a> = (Answer, &'a Response);
    type Error = Error;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<Request<'a>, Error> {
        let input: &'a [u8] = input;
        if let Stage::Chunks(gathered) = &self.stage
            && gathered.chunks.is_over()
        {
            self.stage = Server::after(&gathered.head);
        }
        if let Stage::Head(scan) = &self.stage
            && scan.is_fresh()
        {
            // RFC 9112 section 2.2: old clients send a line break too many behind a body.
            match input {
                [b'\r', b'\n', ..] => return Decoded::Used(2),
                [] | [b'\r'] => return Decoded::Need,
                _ => {}
            }
        }
        match self.head(input) {
            Ok(Some(head)) if head.body == Body::Chunked => {
                self.stage = Stage::Chunks(Gathered::begin(head, &input[..head.len]));
                return Decoded::Used(head.len);
            }
            Ok(Some(head)) => self.stage = Stage::Body(head),
            Ok(None) => {}
            Err(error) => {
                self.refuse(&error, input.starts_with(b"HEAD "));
                return Decoded::Fatal(error);
            }
        }
        if let Stage::Body(head) = self.stage
            && let Body::Length(length) = head.body
            && let Some(body) = input[head.len..].get(..length)
        {
            self.stage = Server::after(&head);
            let request = Request::new(head, &input[..head.len], body);
            return Decoded::Frame { frame: request, used: head.len + length };
        }
        if let Stage::Last = self.stage {
            return if input.is_empty() { Decoded::Need } else { Decoded::Used(input.len()) };
        }
        self.go_on(input, eof)
    }

    fn encode(&self, (answer, response): (Answer, &Response), out: &mut BytesMut) -> Result<(), Error> {
        answer.encode(response, out)
    }

    fn replies(&mut self) -> Option<Bytes> {
        (!self.replies.is_empty()).then(|| std::mem::take(&mut self.replies).freeze())
    }

    fn stage(&self) -> codec::Stage {
        match &self.stage {
            Stage::Head(scan) if !scan.is_fresh() => codec::Stage::Handshake,
            Stage::Body(_) => codec::Stage::Frame,
            Stage::Chunks(gathered) if !gathered.chunks.is_over() => codec::Stage::Frame,
            _ => codec::Stage::Between,
        }
    }

    fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        match why {
            CloseReason::Expired(Deadline::FirstByte | Deadline::Handshake | Deadline::Frame) => {
                let mut words = BytesMut::new();
                response::refusal(&Error::Late, false, &mut words);
                Some(words.freeze())
            }
            _ => None,
        }
    }
}

impl Server {
    /// With a request that is not whole, unless its last chunk has come.
    fn go_on<'a>(&'a mut self, input: &'a [u8], eof: bool) -> Decoded<Request<'a>, Error> {
        let mut to_head = input.starts_with(b"HEAD ");
        let mut wrong = eof.then_some(Error::Truncated);
        if let Stage::Chunks(gathered) = &mut self.stage
            && !input.is_empty()
        {
            match gathered.advance(input, &self.limits) {
                Ok(used) if !gathered.chunks.is_over() => return Decoded::Used(used),
                Ok(used) => {
                    let Stage::Chunks(gathered) = &self.stage else { return Decoded::Used(used) };
                    return Decoded::Frame { frame: gathered.request(), used };
                }
                Err(error) => {
                    to_head = gathered.bytes.starts_with(b"HEAD ");
                    wrong = Some(error);
                }
            }
        }
        let Some(error) = wrong else { return Decoded::Need };
        self.refuse(&error, to_head);
        Decoded::Fatal(error)
    }
}
