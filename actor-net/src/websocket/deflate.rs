//! Compressed messages: what both ends agree on, and how one's own are made (RFC 7692).

use std::cell::Cell;
use std::fmt::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, FlushCompress};

use super::error::Error;
use super::inflate::{Inflate, TAIL};
use super::message::Message;
use super::random;
use super::wire::{self, COMPRESSED, Opcode};
use crate::http::{self, Headers, Request};

/// The largest window, and the one that is used unless a smaller one was agreed on.
const WINDOW: u8 = 15;

/// The smallest that can be used here. The standard has one of 8 as well, which nobody offers and zlib cannot.
const SMALLEST: u8 = 9;

/// A message below this is sent as it is: it would not become shorter.
const SHORTEST: usize = 32;

/// Whether and how to compress: what a [server](super::Server::deflate) agrees to and a
/// [client](super::ClientRequest::deflate) offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflate {
    contexts: bool,
}

impl Deflate {
    /// Each message is compressed by itself, in either direction. Between messages a connection needs no memory for that.
    #[must_use]
    pub const fn new() -> Deflate {
        Deflate { contexts: false }
    }

    /// Whether messages may refer to those before them, which makes short ones much shorter. It costs
    /// a connection some 40 KiB for what it hears, and some 260 KiB for what it says, for as long as it lives. Off, unless this
    /// says otherwise.
    #[must_use]
    pub const fn contexts(mut self, on: bool) -> Deflate {
        self.contexts = on;
        self
    }

    /// The first of a client's offers that can be met.
    pub(super) fn choose(self, request: &Request<'_>) -> Option<Terms> {
        let offers = request.headers().all("sec-websocket-extensions").flat_map(http::list);
        offers.filter_map(|offer| Parameters::parse(offer, true).ok()?).find_map(|offer| {
            let window = offer.server_window.unwrap_or(WINDOW);
            (window >= SMALLEST).then_some(Terms {
                client: false,
                own_context: self.contexts && !offer.server_forgets,
                peer_context: self.contexts && !offer.client_forgets,
                window,
                window_said: offer.server_window.is_some(),
            })
        })
    }

    pub(super) fn offer(self) -> &'static str {
        if self.contexts {
            "permessage-deflate; client_max_window_bits"
        } else {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
        }
    }

    /// What a server has agreed to.
    pub(super) fn agreed(offered: Option<Deflate>, headers: Headers<'_>) -> Result<Option<Terms>, Error> {
        let mut all = headers.all("sec-websocket-extensions").flat_map(http::list);
        let Some(extension) = all.next() else { return Ok(None) };
        let Some(offered) = offered else {
            return Err(Error::Handshake("it agrees to an extension that was not offered"));
        };
        let answer = Parameters::parse(extension, false);
        let (Ok(Some(answer)), None) = (answer, all.next()) else {
            return Err(Error::Handshake("it agrees to other extensions than were offered"));
        };
        let window = answer.client_window.unwrap_or(WINDOW);
        if window < SMALLEST || (!offered.contexts && !answer.server_forgets) {
            return Err(Error::Handshake("it agrees to other compression than was offered"));
        }
        Ok(Some(Terms {
            client: true,
            own_context: offered.contexts && !answer.client_forgets,
            peer_context: !answer.server_forgets,
            window,
            window_said: false,
        }))
    }
}

/// The parameters of one offer, or of the answer.
#[derive(Default)]
struct Parameters {
    server_forgets: bool,
    client_forgets: bool,
    server_window: Option<u8>,
    client_window: Option<u8>,
}

impl Parameters {
    /// `None` for another extension; an error for what must be declined.
    fn parse(extension: &[u8], offer: bool) -> Result<Option<Parameters>, ()> {
        let extension = std::str::from_utf8(extension).map_err(drop)?;
        let mut parts = extension.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return Ok(None);
        }
        let (mut found, mut seen) = (Parameters::default(), Vec::new());
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(window(value.trim())?)),
                None => (part, None),
            };
            if seen.contains(&name) {
                return Err(());
            }
            seen.push(name);
            match (name, value) {
                ("server_no_context_takeover", None) => found.server_forgets = true,
                ("client_no_context_takeover", None) => found.client_forgets = true,
                ("server_max_window_bits", Some(bits)) => found.server_window = Some(bits),
                ("client_max_window_bits", Some(bits)) => found.client_window = Some(bits),
                // The client has no preference, and can be told one.
                ("client_max_window_bits", None) if offer => {}
                _ => return Err(()),
            }
        }
        Ok(Some(found))
    }
}

/// The size of a window, as its number of bits, which may be quoted.
fn window(value: &str) -> Result<u8, ()> {
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    match value.as_bytes() {
        [b'8' | b'9'] | [b'1', b'0'..=b'5'] => value.parse().map_err(drop),
        _ => Err(()),
    }
}

/// What both ends have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    client: bool,
    own_context: bool,
    peer_context: bool,
    /// Of what this side sends.
    window: u8,
    window_said: bool,
}

impl Terms {
    /// What compresses messages for this peer.
    #[must_use]
    pub fn deflater(self) -> Deflater {
        Deflater { terms: self, state: None }
    }

    pub(super) fn inflate(self) -> Box<Inflate> {
        Box::new(Inflate::new(self.peer_context))
    }

    /// A server's answer to the offer.
    pub(super) fn response(self) -> String {
        let mut response = "permessage-deflate".to_owned();
        if !self.own_context {
            response.push_str("; server_no_context_takeover");
        }
        if !self.peer_context {
            response.push_str("; client_no_context_takeover");
        }
        if self.window_said {
            let _ = write!(response, "; server_max_window_bits={}", self.window);
        }
        response
    }
}

thread_local! {
    /// For whoever on this thread compresses a message by itself next.
    static KEPT: Cell<Option<Compress>> = const { Cell::new(None) };
}

/// Compresses messages for one peer, in the order in which they are sent: with contexts each must be written, and in this
/// order. Without, what it makes is for any peer with the same terms.
pub struct Deflater {
    terms: Terms,
    /// What was said before, if that may be referred to.
    state: Option<Compress>,
}

impl Deflater {
    /// The bytes of a message. Only texts and binary messages are compressed, and not if they are shorter as they are.
    ///
    /// # Errors
    ///
    /// As [`Message::encode`].
    pub fn encode(&mut self, message: Message<'_>) -> Result<Bytes, Error> {
        let mut out = BytesMut::new();
        let (opcode, payload) = match message {
            Message::Text(text) if text.len() >= SHORTEST => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) if bytes.len() >= SHORTEST => (Opcode::Binary, bytes),
            _ => {
                message.encode(self.terms.client, &mut out)?;
                return Ok(out.freeze());
            }
        };
        let deflated = self.deflate(payload);
        if deflated.len() < payload.len() || self.terms.own_context {
            let key = self.terms.client.then(random::key);
            wire::put_first(0x80 | COMPRESSED | opcode as u8, &deflated, key, &mut out);
        } else {
            message.encode(self.terms.client, &mut out)?;
        }
        Ok(out.freeze())
    }

    fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let shared = !self.terms.own_context && self.terms.window == WINDOW;
        let kept = if shared { KEPT.take() } else { self.state.take() };
        let mut state = kept
            .unwrap_or_else(|| Compress::new_with_window_bits(Compression::fast(), false, self.terms.window));
        let deflated = deflate(&mut state, payload);
        if !self.terms.own_context {
            state.reset();
        }
        if shared {
            KEPT.set(Some(state));
        } else if self.terms.own_context {
            self.state = Some(state);
        }
        deflated
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("terms", &self.terms).finish_non_exhaustive()
    }
}

fn deflate(state: &mut Compress, payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() / 2 + 64);
    let begun = state.total_in();
    loop {
        let used = (state.total_in() - begun) as usize;
        let status = state.compress_vec(&payload[used..], &mut deflated, FlushCompress::Sync);
        debug_assert!(status.is_ok(), "raw deflate takes any bytes");
        // All is out when there was room to spare.
        if deflated.len() < deflated.capacity() {
            break;
        }
        deflated.reserve(payload.len() / 4 + 64);
    }
    debug_assert!(deflated.ends_with(&TAIL));
    deflated.truncate(deflated.len() - TAIL.len());
    deflated
}
