//! The codec of a client.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use httparse::Status;

use super::error::Error;
use super::handshake::{self, ACCEPT};
use super::inflate::Inflate;
use super::message::Message;
use super::messages::{Limits, Messages};
use super::random;
use crate::codec::{self, Codec, Decoded};
use crate::connection::CloseReason;
use crate::http::{self, HeadScan, Headers, is_token, is_value};

/// What a client asks a server for. The same for all its connections.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The head, but for the key and the last line break.
    head: String,
    protocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Option<super::Deflate>,
}

impl ClientRequest {
    /// A WebSocket at `target`, such as `/chat?room=1`, of a host, with its port if that is not the
    /// usual one.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if one of them could not be in a request.
    pub fn new(host: &str, target: &str) -> Result<ClientRequest, Error> {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain(host) {
            return Err(Error::Unsendable("a host with spaces or other than ASCII in it"));
        }
        if !target.starts_with('/') || !is_plain(target) {
            return Err(Error::Unsendable("a target that does not begin with a slash, or has spaces in it"));
        }
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n"
        );
        Ok(ClientRequest {
            head,
            protocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
        })
    }

    /// Offers compression (RFC 7692). [`ClientFrame::Open`] says whether the server agrees.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: super::Deflate) -> ClientRequest {
        self.head.extend(["Sec-WebSocket-Extensions: ", deflate.offer(), "\r\n"]);
        self.deflate = Some(deflate);
        self
    }

    /// Adds a header, such as `Origin` or `Authorization`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if it breaks the grammar.
    pub fn header(mut self, name: &str, value: &str) -> Result<ClientRequest, Error> {
        if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_value) {
            return Err(Error::Unsendable("a header that breaks the grammar"));
        }
        self.head.extend([name, ": ", value, "\r\n"]);
        Ok(self)
    }

    /// Offers a protocol; those offered first are preferred.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if it is not a token.
    pub fn protocol(mut self, name: &str) -> Result<ClientRequest, Error> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Error::Unsendable("a protocol that is not a token"));
        }
        self.head.extend(["Sec-WebSocket-Protocol: ", name, "\r\n"]);
        self.protocols.push(name.to_owned());
        Ok(self)
    }
}

/// WebSocket as a client speaks it (RFC 6455). The codec sends the request when the connection opens;
/// nothing may be written before [`ClientFrame::Open`] has come.
///
/// What is refused, and how it is told, is as with a [`Server`](super::Server).
#[derive(Debug)]
pub struct Client {
    stage: Stage,
    limits: Limits,
}

#[derive(Debug)]
enum Stage {
    Handshake(Box<Handshake>),
    Messages(Messages),
}

#[derive(Debug)]
struct Handshake {
    /// The request, until it is sent.
    request: BytesMut,
    accept: [u8; ACCEPT],
    protocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Option<super::Deflate>,
    scan: HeadScan,
}

/// What comes from the server of a [`Client`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// The server has accepted.
    Open {
        /// Which of the protocols that were offered it has chosen.
        protocol: Option<&'a str>,
        /// How messages may be compressed, if that was offered and the server agrees.
        #[cfg(feature = "deflate")]
        deflate: Option<super::Terms>,
    },
    /// A message.
    Message(Message<'a>),
}

impl ClientFrame<'_> {
    #[cfg(feature = "deflate")]
    fn inflate(&self) -> Option<Box<Inflate>> {
        match self {
            ClientFrame::Open { deflate, .. } => deflate.map(super::Terms::inflate),
            ClientFrame::Message(_) => None,
        }
    }

    #[cfg(not(feature = "deflate"))]
    fn inflate(&self) -> Option<Box<Inflate>> {
        None
    }
}

impl Client {
    /// A client with messages of at most `max_message` bytes, in at most 4096 fragments, for one
    /// connection.
    #[must_use]
    pub fn new(request: &ClientRequest, max_message: usize) -> Client {
        let key = handshake::key(random::nonce());
        let accept = handshake::accept(key.as_bytes());
        let mut head = BytesMut::from(request.head.as_bytes());
        head.extend_from_slice(format!("Sec-WebSocket-Key: {key}\r\n\r\n").as_bytes());
        let protocols = request.protocols.clone();
        let handshake = Handshake {
            request: head,
            accept,
            protocols,
            #[cfg(feature = "deflate")]
            deflate: request.deflate,
            scan: HeadScan::new(),
        };
        Client { stage: Stage::Handshake(Box::new(handshake)), limits: Limits::new(max_message) }
    }

    /// The most fragments that a message may come in.
    #[must_use]
    pub fn max_fragments(mut self, fragments: usize) -> Client {
        self.limits.fragments = fragments;
        self
    }
}

impl Codec for Client {
    type Frame<'a> = ClientFrame<'a>;
    type Output<'a> = Message<'a>;
    type Error = Error;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<ClientFrame<'a>, Error> {
        if let Stage::Handshake(handshake) = &mut self.stage {
            let found = handshake.decode(input, eof);
            if let Decoded::Frame { frame, .. } = &found {
                self.stage = Stage::Messages(Messages::new(true, self.limits, frame.inflate()));
            }
            return found;
        }
        match &mut self.stage {
            Stage::Messages(messages) => messages.decode(input, eof).map(ClientFrame::Message, |error| error),
            Stage::Handshake(_) => Decoded::Need,
        }
    }

    fn encode(&self, message: Message<'_>, out: &mut BytesMut) -> Result<(), Error> {
        message.encode(true, out)
    }

    fn replies(&mut self) -> Option<Bytes> {
        match &mut self.stage {
            Stage::Handshake(handshake) if handshake.request.is_empty() => None,
            Stage::Handshake(handshake) => Some(std::mem::take(&mut handshake.request).freeze()),
            Stage::Messages(messages) => messages.replies(),
        }
    }

    fn ping(&mut self) -> Option<Bytes> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Messages(messages) => messages.ping(),
        }
    }

    fn stage(&self) -> codec::Stage {
        match &self.stage {
            Stage::Handshake(_) => codec::Stage::Handshake,
            Stage::Messages(messages) => messages.stage(),
        }
    }

    fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Messages(messages) => messages.farewell(why),
        }
    }
}

impl Handshake {
    fn decode<'a>(&mut self, input: &'a [u8], eof: bool) -> Decoded<ClientFrame<'a>, Error> {
        match self.scan.advance(input, &http::Limits::new(0)) {
            Ok(Some(used)) => match self.check(&input[..used]) {
                Ok(frame) => Decoded::Frame { frame, used },
                Err(error) => Decoded::Fatal(error),
            },
            Ok(None) if eof && !input.is_empty() => Decoded::Fatal(Error::Truncated),
            Ok(None) => Decoded::Need,
            Err(error) => Decoded::Fatal(Error::Http(error)),
        }
    }

    /// Whether the server has said yes, to what it was asked for.
    fn check<'a>(&self, head: &'a [u8]) -> Result<ClientFrame<'a>, Error> {
        let mut fields = [const { MaybeUninit::uninit() }; http::MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        match parser.parse_response_with_uninit_headers(&mut response, head, &mut fields) {
            Ok(Status::Complete(len)) if len == head.len() => {}
            _ => return Err(Error::Http(http::Error::Malformed("this is no response"))),
        }
        match (response.version, response.code) {
            (Some(1), Some(101)) => {}
            (_, Some(status)) => return Err(Error::Declined { status }),
            _ => return Err(Error::Http(http::Error::Malformed("the response has no status"))),
        }
        let line = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |end| end + 1);
        let headers = Headers::new(&head[line..]);
        if !headers.lists("upgrade", "websocket") || !headers.lists("connection", "upgrade") {
            return Err(Error::Handshake("it switches to something else"));
        }
        let mut accepts = headers.all("sec-websocket-accept");
        if accepts.next() != Some(&self.accept[..]) || accepts.next().is_some() {
            return Err(Error::Handshake("the answer to the key is not the right one"));
        }
        #[cfg(feature = "deflate")]
        let deflate = super::Deflate::agreed(self.deflate, headers)?;
        #[cfg(not(feature = "deflate"))]
        if headers.get("sec-websocket-extensions").is_some() {
            return Err(Error::Handshake("it agrees to an extension that was not offered"));
        }
        let protocol = self.protocol(headers)?;
        Ok(ClientFrame::Open {
            protocol,
            #[cfg(feature = "deflate")]
            deflate,
        })
    }

    fn protocol<'a>(&self, headers: Headers<'a>) -> Result<Option<&'a str>, Error> {
        let mut protocols = headers.all("sec-websocket-protocol");
        let protocol = match (protocols.next(), protocols.next()) {
            (None, _) => return Ok(None),
            (Some(protocol), None) => std::str::from_utf8(protocol).ok(),
            _ => None,
        };
        let offered = protocol.filter(|protocol| self.protocols.iter().any(|offered| offered == protocol));
        offered.map(Some).ok_or(Error::Handshake("it agrees to a protocol that was not offered"))
    }
}
