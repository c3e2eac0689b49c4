//! The codec of a server.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::Error;
use super::handshake::{self, ACCEPT, Origins};
use super::inflate::Inflate;
use super::message::Message;
use super::messages::{self, Limits, Messages};
use crate::codec::{self, Codec, Decoded};
use crate::connection::CloseReason;
use crate::http::{self, Request};

/// WebSocket as a server speaks it (RFC 6455), from the first request on.
///
/// | what comes | what becomes of it |
/// |---|---|
/// | a request that does not ask for WebSocket | [`ServerFrame::Request`]; answer it, and more may come |
/// | one that does | [`ServerFrame::Upgrade`]; accept it, or answer as any other |
/// | one that does, without a key, for another version, or from a page of a foreign [origin](Origins) | refused by the codec: 400, 426, 403 |
/// | messages, in one piece or in fragments | [`ServerFrame::Message`] |
/// | a Ping | the codec answers |
/// | a Close | the codec agrees; after it was handed out, the connection is closed |
/// | nothing for too long; a message that does not end; a shutdown; an actor that fails | the codec sends a Close with 1001, 1008, 1001, 1011, and the connection is closed |
/// | frames that break the rules, texts that are not UTF-8, messages over the maximum | [`Error`]; the codec sends a Close with its [code](Error::code), and the connection is closed |
///
/// A text that is not UTF-8 is refused at the first byte that cannot be right, not when all of it is there.
#[derive(Debug)]
pub struct Server {
    stage: Stage,
    /// Set by the actor, by way of an [`Upgrade`].
    accepted: bool,
    origins: Origins,
    limits: Limits,
    #[cfg(feature = "deflate")]
    deflate: Option<super::Deflate>,
    /// What was agreed on with the upgrade.
    #[cfg(feature = "deflate")]
    agreed: Option<super::Terms>,
    /// Why an upgrade is refused.
    refusal: BytesMut,
}

#[derive(Debug)]
enum Stage {
    Http(http::Server),
    Messages(Messages),
}

/// What comes from the client of a [`Server`].
#[derive(Debug)]
pub enum ServerFrame<'a> {
    /// A request that is for HTTP, such as for the page that opens the WebSocket.
    Request(Request<'a>),
    /// A request to go on with WebSocket. What is right or wrong about that by the standard is
    /// checked already.
    Upgrade(Upgrade<'a>),
    /// A message.
    Message(Message<'a>),
}

impl Server {
    /// Speaks HTTP as `http` does, and after that WebSocket, with messages of at most `max_message`
    /// bytes, in at most 4096 fragments.
    ///
    /// There is no default: it is what a peer can make the process keep in memory for it.
    #[must_use]
    pub fn new(http: http::Server, max_message: usize) -> Server {
        Server {
            stage: Stage::Http(http),
            accepted: false,
            origins: Origins::Same,
            limits: Limits::new(max_message),
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "deflate")]
            agreed: None,
            refusal: BytesMut::new(),
        }
    }

    /// The most fragments that a message may come in.
    #[must_use]
    pub fn max_fragments(mut self, fragments: usize) -> Server {
        self.limits.fragments = fragments;
        self
    }

    /// Agrees to compression with clients that offer it (RFC 7692). The maximum of a message holds for what it is when it is
    /// inflated, and no more than that is.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: super::Deflate) -> Server {
        self.deflate = Some(deflate);
        self
    }

    #[cfg(feature = "deflate")]
    fn inflate(&self) -> Option<Box<Inflate>> {
        self.agreed.map(super::Terms::inflate)
    }

    #[cfg(not(feature = "deflate"))]
    fn inflate(&self) -> Option<Box<Inflate>> {
        None
    }

    /// Whose pages may open a WebSocket; only those from here, unless this says otherwise.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Server {
        self.origins = origins;
        self
    }
}

impl Codec for Server {
    type Frame<'a> = ServerFrame<'a>;
    type Output<'a> = Message<'a>;
    type Error = Error;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<ServerFrame<'a>, Error> {
        // The actor may have accepted since.
        if std::mem::take(&mut self.accepted) {
            self.stage = Stage::Messages(Messages::new(false, self.limits, self.inflate()));
        }
        let http = match &mut self.stage {
            Stage::Messages(messages) => {
                return messages.decode(input, eof).map(ServerFrame::Message, |error| error);
            }
            Stage::Http(http) => http,
        };
        match http.decode(input, eof) {
            Decoded::Frame { frame: request, used } if request.wants_websocket() => {
                match handshake::check(&request, &self.origins) {
                    Ok(accept) => {
                        let upgrade = Upgrade {
                            #[cfg(feature = "deflate")]
                            terms: self.deflate.and_then(|deflate| deflate.choose(&request)),
                            request,
                            accept,
                            protocol: None,
                            accepted: &mut self.accepted,
                            #[cfg(feature = "deflate")]
                            agreed: &mut self.agreed,
                        };
                        Decoded::Frame { frame: ServerFrame::Upgrade(upgrade), used }
                    }
                    Err(error) => {
                        http::refusal(&error, false, &mut self.refusal);
                        Decoded::Fatal(Error::Http(error))
                    }
                }
            }
            other => other.map(ServerFrame::Request, Error::Http),
        }
    }

    fn encode(&self, message: Message<'_>, out: &mut BytesMut) -> Result<(), Error> {
        message.encode(false, out)
    }

    fn replies(&mut self) -> Option<Bytes> {
        if !self.refusal.is_empty() {
            return Some(std::mem::take(&mut self.refusal).freeze());
        }
        match &mut self.stage {
            Stage::Http(http) => http.replies(),
            Stage::Messages(messages) => messages.replies(),
        }
    }

    fn ping(&mut self) -> Option<Bytes> {
        match &self.stage {
            Stage::Http(_) => None,
            Stage::Messages(messages) => messages.ping(),
        }
    }

    fn stage(&self) -> codec::Stage {
        match &self.stage {
            Stage::Http(http) => http.stage(),
            Stage::Messages(messages) => messages.stage(),
        }
    }

    fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        match &self.stage {
            Stage::Messages(messages) => messages.farewell(why),
            Stage::Http(_) if self.accepted => messages::farewell(false, why),
            Stage::Http(http) => http.farewell(why),
        }
    }
}

/// A request to go on with WebSocket, to be accepted or answered in the method that gets it. Who must
/// ask others first whether to, accepts, and closes with code 1008 if the answer is no.
#[derive(Debug)]
#[must_use = "accept it, or answer the request"]
pub struct Upgrade<'a> {
    request: Request<'a>,
    accept: [u8; ACCEPT],
    protocol: Option<&'a str>,
    accepted: &'a mut bool,
    #[cfg(feature = "deflate")]
    terms: Option<super::Terms>,
    #[cfg(feature = "deflate")]
    agreed: &'a mut Option<super::Terms>,
}

impl<'a> Upgrade<'a> {
    /// The request. To refuse the upgrade [answer](Request::answer) it as any other.
    #[must_use]
    pub fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// The protocols that the client would like to speak, the dearest first.
    pub fn protocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let lists = self.request.headers().all("sec-websocket-protocol");
        lists.flat_map(http::list).filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Agrees on the first of the client's protocols that is among those spoken here, and says which.
    pub fn choose(&mut self, spoken: &[&str]) -> Option<&'a str> {
        self.protocol = self.protocols().find(|protocol| spoken.contains(protocol));
        self.protocol
    }

    /// How messages may be compressed once this is accepted, if the client offers that and the
    /// [server](Server::deflate) agrees. Those of the client are inflated without more ado; for one's own there is
    /// [`Terms::deflater`](super::Terms::deflater).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<super::Terms> {
        self.terms
    }

    /// Accepts. What follows from the client is WebSocket; the bytes are the response, and must be
    /// written before anything else.
    #[must_use = "the client waits for these bytes"]
    pub fn accept(self) -> Bytes {
        *self.accepted = true;
        let mut out = BytesMut::with_capacity(192);
        out.put_slice(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
        out.put_slice(b"Sec-WebSocket-Accept: ");
        out.put_slice(&self.accept);
        if let Some(protocol) = self.protocol {
            out.put_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.put_slice(protocol.as_bytes());
        }
        #[cfg(feature = "deflate")]
        if let Some(terms) = self.terms {
            *self.agreed = Some(terms);
            out.put_slice(b"\r\nSec-WebSocket-Extensions: ");
            out.put_slice(terms.response().as_bytes());
        }
        out.put_slice(b"\r\n\r\n");
        out.freeze()
    }
}
