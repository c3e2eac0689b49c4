//! Messages: what is said over a WebSocket.

use bytes::{Bytes, BytesMut};

use super::error::Error;
use super::random;
use super::wire::{self, MAX_CONTROL, Opcode};

/// A message, or one of the small ones beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// Asks the peer for a sign of life, with at most 125 bytes that come back in the Pong. The codec
    /// answers those of the peer by itself, so they are never handed out.
    Ping(&'a [u8]),
    /// The answer to a Ping, or a sign of life that nobody has asked for.
    Pong(&'a [u8]),
    /// The peer has said all it had to say; there may be a reason. The codec has agreed, and the
    /// connection is closed after this. To close from this side write one and then
    /// [close](crate::Conn::close) the connection.
    Close(Option<Close<'a>>),
}

/// Why a WebSocket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// One of the codes of RFC 6455 section 7.4: 1000 for all is well, 1001 for going away, 1008 for
    /// what is not allowed, 1011 for a failure of the server; 3000 to 4999 mean what both sides agree on.
    pub code: u16,
    /// What it means in words, at most 123 bytes.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// What the payload of a Close says.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Option<Close<'a>>, Error> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
            _ => return Err(Error::Protocol("half of a close code")),
        };
        if !is_sendable(code) {
            return Err(Error::Protocol("a close code that must not be sent"));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
        Ok(Some(Close { code, reason }))
    }
}

/// Whether a code may be on the wire: those that say that there was none, or no Close, may not, and
/// neither may those that nobody has given a meaning.
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl Message<'_> {
    /// The bytes of this message as a server sends it. The same for all peers, so what goes to many is
    /// made once.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn to_bytes(self) -> Result<Bytes, Error> {
        let mut out = BytesMut::new();
        self.encode(false, &mut out)?;
        Ok(out.freeze())
    }

    /// Appends the bytes of this message, masked as a client's must be, with a new key, or not.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] for a Ping or Pong of more than 125 bytes, and a Close with a code that is
    /// not for sending or a reason of more than 123 bytes; `out` is as it was. Text and binary
    /// messages are always encoded.
    pub fn encode(self, masked: bool, out: &mut BytesMut) -> Result<(), Error> {
        let mut close = [0; MAX_CONTROL];
        let (opcode, payload) = match self {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, bytes),
            Message::Ping(bytes) => (Opcode::Ping, bytes),
            Message::Pong(bytes) => (Opcode::Pong, bytes),
            Message::Close(None) => (Opcode::Close, &[][..]),
            Message::Close(Some(Close { code, reason })) => {
                if !is_sendable(code) {
                    return Err(Error::Unsendable("a close code that must not be sent"));
                }
                let end = 2 + reason.len();
                let Some(room) = close.get_mut(2..end) else {
                    return Err(Error::Unsendable("a reason to close that is longer than 123 bytes"));
                };
                room.copy_from_slice(reason.as_bytes());
                close[..2].copy_from_slice(&code.to_be_bytes());
                (Opcode::Close, &close[..end])
            }
        };
        if opcode.is_control() && payload.len() > MAX_CONTROL {
            return Err(Error::Unsendable("a ping or pong that is longer than 125 bytes"));
        }
        wire::put(opcode, payload, masked.then(random::key), out);
        Ok(())
    }
}
