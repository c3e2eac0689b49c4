//! From frames to messages, at either end.

use bytes::{Bytes, BytesMut};

use super::error::Error;
use super::inflate::Inflate;
use super::message::{Close, Message};
use super::wire::{self, Header, Opcode};
use crate::codec::{Decoded, Stage};
use crate::connection::{CloseReason, Deadline};

/// The most fragments of a message, if nobody says how many.
const FRAGMENTS: usize = 4096;

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of a message.
    pub(super) message: usize,
    pub(super) fragments: usize,
}

impl Limits {
    /// Messages of at most `max_message` bytes, with the usual number of fragments.
    pub(super) fn new(max_message: usize) -> Limits {
        Limits { message: max_message.min(isize::MAX as usize), fragments: FRAGMENTS }
    }
}

/// The stream of a peer, once it speaks WebSocket.
///
/// A message in one frame stays where it is read, is unmasked there and handed out from there. The
/// payload of fragments is moved here as it comes.
#[derive(Debug)]
pub(super) struct Messages {
    /// This is the client: it masks, and its peer does not.
    client: bool,
    limits: Limits,
    /// How much of the payload of the frame at the start of the input is unmasked.
    unmasked: usize,
    /// How much of it is known to be UTF-8.
    valid: usize,
    /// A message in fragments, or one that was compressed.
    gathered: Option<Box<Gathered>>,
    /// Messages may be compressed.
    inflate: Option<Box<Inflate>>,
    /// A Close has come, and was handed out.
    closed: bool,
    replies: BytesMut,
}

#[derive(Debug)]
struct Gathered {
    text: bool,
    compressed: bool,
    bytes: Vec<u8>,
    /// How much of it is known to be UTF-8.
    valid: usize,
    fragments: usize,
    /// The fragment that is not all there.
    current: Option<Current>,
    /// The last fragment was there, and the message was handed out.
    whole: bool,
}

#[derive(Debug)]
struct Current {
    last: bool,
    key: Option<[u8; 4]>,
    /// How much of its payload has come, and how much has not.
    at: usize,
    left: usize,
}

impl Messages {
    pub(super) fn new(client: bool, limits: Limits, inflate: Option<Box<Inflate>>) -> Messages {
        Messages {
            client,
            limits,
            inflate,
            unmasked: 0,
            valid: 0,
            gathered: None,
            closed: false,
            replies: BytesMut::new(),
        }
    }

    pub(super) fn replies(&mut self) -> Option<Bytes> {
        (!self.replies.is_empty()).then(|| std::mem::take(&mut self.replies).freeze())
    }

    pub(super) fn stage(&self) -> Stage {
        match &self.gathered {
            Some(gathered) if !gathered.whole => Stage::Frame,
            _ => Stage::Between,
        }
    }

    /// A Ping, unless the conversation is over.
    pub(super) fn ping(&self) -> Option<Bytes> {
        let mut words = BytesMut::new();
        let encoded = Message::Ping(&[]).encode(self.client, &mut words);
        debug_assert_eq!(encoded, Ok(()), "an empty Ping can be sent");
        (!self.closed).then(|| words.freeze())
    }

    /// The Close that tells the peer why this side ends, unless one has gone out already.
    pub(super) fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        if self.closed { None } else { farewell(self.client, why) }
    }

    pub(super) fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<Message<'a>, Error> {
        if self.closed {
            return Decoded::End;
        }
        self.gathered.take_if(|gathered| gathered.whole);
        if self.gathered.as_ref().is_some_and(|gathered| gathered.current.is_some()) {
            return self.gather(input, 0);
        }
        let header = Header::parse(input, !self.client, self.inflate.is_some()).and_then(|header| {
            header.map_or(Ok(()), |header| self.check(&header))?;
            Ok(header)
        });
        let header = match header {
            Ok(Some(header)) => header,
            Ok(None) => return self.wait(input, eof),
            Err(error) => return self.fail(error),
        };
        // A length that was checked fits, and so does that of a control frame.
        let payload = header.payload as usize;
        if header.opcode.is_control() {
            let used = header.len + payload;
            if input.len() < used {
                return self.wait(input, eof);
            }
            return self.control(&header, &mut input[header.len..used]);
        }
        if header.last && header.opcode != Opcode::Continuation && !header.compressed {
            return self.whole(&header, input, eof);
        }
        let gathered = self.gathered.get_or_insert_with(|| Gathered::new(&header));
        gathered.fragments += 1;
        gathered.current = Some(Current { last: header.last, key: header.key, at: 0, left: payload });
        self.gather(input, header.len)
    }

    /// Nothing can be done before more has come.
    fn wait<'a>(&mut self, input: &[u8], eof: bool) -> Decoded<Message<'a>, Error> {
        if eof && !input.is_empty() {
            return Decoded::Refused { error: Error::Truncated, used: input.len() };
        }
        Decoded::Need
    }

    /// Tells the peer what it has done wrong.
    fn fail<'a>(&mut self, error: Error) -> Decoded<Message<'a>, Error> {
        let reason = error.to_string();
        if let Some(code) = error.code() {
            let close = Message::Close(Some(Close { code, reason: &reason }));
            let encoded = close.encode(self.client, &mut self.replies);
            debug_assert_eq!(encoded, Ok(()), "our own reasons are short");
        }
        Decoded::Fatal(error)
    }

    /// Whether this frame may come here.
    fn check(&self, header: &Header) -> Result<(), Error> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let (begun, fragments, compressed) = match &self.gathered {
            Some(gathered) => (gathered.bytes.len(), gathered.fragments, gathered.compressed),
            None => (0, 0, header.compressed),
        };
        match (header.opcode == Opcode::Continuation, self.gathered.is_some()) {
            (true, false) => return Err(Error::Protocol("a continuation of nothing")),
            (false, true) => return Err(Error::Protocol("a message in the middle of another")),
            _ => {}
        }
        // Neither is more than half of what the type holds. What is compressed is measured as it is inflated.
        if !compressed && header.payload + begun as u64 > self.limits.message as u64 {
            return Err(Error::TooLong { limit: self.limits.message });
        }
        if fragments == self.limits.fragments && self.gathered.is_some() {
            return Err(Error::TooManyFragments { limit: self.limits.fragments });
        }
        Ok(())
    }

    fn control<'a>(&mut self, header: &Header, payload: &'a mut [u8]) -> Decoded<Message<'a>, Error> {
        let used = header.len + payload.len();
        if let Some(key) = header.key {
            wire::mask_with(payload, key, 0);
        }
        let payload: &'a [u8] = payload;
        let reply = match header.opcode {
            Opcode::Ping => Message::Pong(payload),
            Opcode::Pong => return Decoded::Frame { frame: Message::Pong(payload), used },
            _ => match Close::parse(payload) {
                Ok(close) => Message::Close(close),
                Err(error) => return self.fail(error),
            },
        };
        let encoded = reply.encode(self.client, &mut self.replies);
        debug_assert_eq!(encoded, Ok(()), "what came can be sent back");
        match reply {
            Message::Close(_) => {
                self.closed = true;
                Decoded::Frame { frame: reply, used }
            }
            _ => Decoded::Used(used),
        }
    }

    /// A message in one frame, as far as it has come.
    fn whole<'a>(&mut self, header: &Header, input: &'a mut [u8], eof: bool) -> Decoded<Message<'a>, Error> {
        let here = input.len().min(header.len + header.payload as usize);
        let complete = here - header.len == header.payload as usize;
        let payload = &mut input[header.len..here];
        if let Some(key) = header.key {
            wire::mask_with(&mut payload[self.unmasked..], key, self.unmasked);
            self.unmasked = payload.len();
        }
        let text = header.opcode == Opcode::Text;
        // One that comes in one piece is looked at once, below.
        if text
            && !(complete && self.valid == 0)
            && let Err(error) = advance(payload, &mut self.valid)
        {
            return self.fail(error);
        }
        if !complete {
            return self.wait(input, eof);
        }
        (self.unmasked, self.valid) = (0, 0);
        let payload: &'a [u8] = &input[header.len..here];
        let frame = match text.then(|| std::str::from_utf8(payload)) {
            Some(Ok(text)) => Message::Text(text),
            Some(Err(_)) => return self.fail(Error::InvalidUtf8),
            None => Message::Binary(payload),
        };
        Decoded::Frame { frame, used: here }
    }

    /// More of a fragment, which begins behind `header` bytes of the input.
    fn gather<'a>(&'a mut self, input: &mut [u8], header: usize) -> Decoded<Message<'a>, Error> {
        let Some(gathered) = &mut self.gathered else { return Decoded::Need };
        let n = match gathered.take(&mut input[header..], self.inflate.as_deref_mut(), self.limits.message) {
            Ok(n) => n,
            Err(error) => return self.fail(error),
        };
        let used = header + n;
        if !gathered.whole {
            return if used > 0 { Decoded::Used(used) } else { Decoded::Need };
        }
        if gathered.text && gathered.valid < gathered.bytes.len() {
            return self.fail(Error::InvalidUtf8);
        }
        let Some(gathered) = &self.gathered else { return Decoded::Need };
        let frame = if gathered.text {
            match std::str::from_utf8(&gathered.bytes) {
                Ok(text) => Message::Text(text),
                Err(_) => return Decoded::Fatal(Error::InvalidUtf8),
            }
        } else {
            Message::Binary(&gathered.bytes)
        };
        Decoded::Frame { frame, used }
    }
}

/// The Close that tells a peer why this side ends.
pub(super) fn farewell(client: bool, why: &CloseReason) -> Option<Bytes> {
    let (code, reason) = match why {
        CloseReason::Shutdown => (1001, "the server shuts down"),
        CloseReason::Evicted(_) => (1013, "there is no room; try again later"),
        CloseReason::Expired(Deadline::Idle) => (1001, "nothing has come for too long"),
        CloseReason::Expired(Deadline::Heartbeat) => (1001, "a Ping was not answered"),
        CloseReason::Expired(_) => (1008, "a message did not come in time"),
        CloseReason::ActorFailed => (1011, "internal error"),
        _ => return None,
    };
    let mut words = BytesMut::new();
    let encoded = Message::Close(Some(Close { code, reason })).encode(client, &mut words);
    debug_assert_eq!(encoded, Ok(()), "our own reasons are short");
    Some(words.freeze())
}

impl Gathered {
    fn new(header: &Header) -> Box<Gathered> {
        Box::new(Gathered {
            text: header.opcode == Opcode::Text,
            compressed: header.compressed,
            bytes: Vec::new(),
            valid: 0,
            fragments: 0,
            current: None,
            whole: false,
        })
    }

    /// Takes what belongs to the current fragment, and says how much that was. What is compressed becomes at most `most` bytes.
    fn take(&mut self, input: &mut [u8], inflate: Option<&mut Inflate>, most: usize) -> Result<usize, Error> {
        let Some(current) = &mut self.current else { return Ok(0) };
        let n = input.len().min(current.left);
        if let Some(key) = current.key {
            wire::mask_with(&mut input[..n], key, current.at);
        }
        let inflated = match inflate.filter(|_| self.compressed) {
            None => {
                self.bytes.extend_from_slice(&input[..n]);
                Ok(())
            }
            Some(inflate) => {
                let ends = current.last && n == current.left;
                inflate.push(&input[..n], ends, &mut self.bytes, most)
            }
        };
        current.at += n;
        current.left -= n;
        if current.left == 0 {
            self.whole = current.last;
            self.current = None;
        }
        // The first mistake is the one that counts, however the bytes were cut.
        if self.text {
            advance(&self.bytes, &mut self.valid)?;
        }
        inflated.map(|()| n)
    }
}

/// Goes on looking whether this is UTF-8, from where it was known to be. A character that is not all
/// there may be right yet; the first byte that cannot be is an error, whatever comes.
fn advance(bytes: &[u8], valid: &mut usize) -> Result<(), Error> {
    match std::str::from_utf8(&bytes[*valid..]) {
        Ok(_) => *valid = bytes.len(),
        Err(error) if error.error_len().is_none() => *valid += error.valid_up_to(),
        Err(_) => return Err(Error::InvalidUtf8),
    }
    Ok(())
}
