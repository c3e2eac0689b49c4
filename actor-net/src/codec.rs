//! Codecs: where a frame begins and ends in a stream of bytes.
//!
//! A codec does no input or output of its own. It looks at the bytes that are there and says what
//! they are, so the same one serves a socket, a test and a fuzzer.

#[cfg(test)]
pub(crate) mod feed;
mod length;
mod lines;

use bytes::{Bytes, BytesMut};

use crate::connection::CloseReason;

pub use length::{LengthDelimited, LengthError};
pub use lines::{LineError, Lines};

/// Finds frames in bytes, and makes bytes of frames.
///
/// One for a protocol of one's own has two functions, [`decode`](Self::decode) and
/// [`encode`](Self::encode). It may be written for frames that borrow from the input, as [`Lines`]
/// does: nothing is copied or allocated for a frame that came in one piece.
///
/// A byte that says how many bytes follow it:
///
/// ```
/// use actor_net::{BytesMut, Codec, Decoded};
///
/// struct Short;
///
/// #[derive(Debug, PartialEq)]
/// struct TooLong;
/// # impl std::fmt::Display for TooLong {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         f.write_str("a frame has at most 255 bytes")
/// #     }
/// # }
/// # impl std::error::Error for TooLong {}
///
/// impl Codec for Short {
///     type Frame<'a> = &'a [u8];
///     type Output<'a> = &'a [u8];
///     type Error = TooLong;
///
///     fn decode<'a>(&'a mut self, input: &'a mut [u8], _eof: bool) -> Decoded<&'a [u8], TooLong> {
///         match input {
///             [n, rest @ ..] if rest.len() >= usize::from(*n) => {
///                 let n = usize::from(*n);
///                 Decoded::Frame { frame: &rest[..n], used: 1 + n }
///             }
///             _ => Decoded::Need,
///         }
///     }
///
///     fn encode(&self, frame: &[u8], out: &mut BytesMut) -> Result<(), TooLong> {
///         let n = u8::try_from(frame.len()).map_err(|_| TooLong)?;
///         out.extend_from_slice(&[n]);
///         out.extend_from_slice(frame);
///         Ok(())
///     }
/// }
///
/// let mut bytes = BytesMut::new();
/// Short.encode(b"hello", &mut bytes).unwrap();
/// assert_eq!(Short.decode(&mut bytes[..3], false), Decoded::Need);
/// assert_eq!(Short.decode(&mut bytes, false), Decoded::Frame { frame: &b"hello"[..], used: 6 });
/// ```
pub trait Codec: Send + 'static {
    /// What [`decode`](Self::decode) finds. May borrow from the input, and from the codec if that
    /// has put the frame together from several pieces.
    type Frame<'a>;

    /// What [`encode`](Self::encode) takes; where both ends speak the same language, the same.
    type Output<'a>;

    /// Why bytes are not a frame.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Looks for one frame at the start of `input`.
    ///
    /// `input` begins with the first byte not yet used, and may be changed: a masked frame is
    /// unmasked where it lies. After [`Decoded::Need`] the next call gets the same bytes as this one
    /// has left them, with more behind them, so a codec may remember how far it has come.
    /// `eof` says that no more will ever come; what is left then is either used up or dropped.
    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<Self::Frame<'a>, Self::Error>;

    /// Appends the bytes of `frame` to `out`.
    ///
    /// Takes `&self`, so that what goes to many connections is encoded once.
    ///
    /// # Errors
    ///
    /// If the other end could not make the same of these bytes; `out` is as it was.
    fn encode(&self, frame: Self::Output<'_>, out: &mut BytesMut) -> Result<(), Self::Error>;

    /// Takes what the codec has to say to the peer by itself: the answer to a ping, the echo of a
    /// close, why a request was refused. Most protocols have nothing of the kind.
    ///
    /// Asked for when the connection opens, after each [`Decoded::Used`], and after each run of calls to
    /// [`decode`](Self::decode), which are 16 at most; before the actor is told of an error. What it gives is written as what
    /// the actor writes, and counts towards the same [cap](crate::Options::cap): a peer that makes
    /// the codec answer and does not read ends as a slow consumer.
    fn replies(&mut self) -> Option<Bytes> {
        None
    }

    /// What asks the peer for a sign of life, for the [heartbeat](crate::Options::heartbeat). Any bytes are one. Most protocols
    /// have no question of the kind, and some none just now; then what
    /// [`Options::heartbeat_says`](crate::Options::heartbeat_says) has is said.
    fn ping(&mut self) -> Option<Bytes> {
        None
    }

    /// What the codec is at between two calls; decides which [deadline](crate::Deadline) runs. One that
    /// leaves a frame in the input until it is whole need not say anything: what lies there is one.
    fn stage(&self) -> Stage {
        Stage::Between
    }

    /// What to tell the peer, in the way of the protocol, before this side ends the connection for
    /// `why`: that a [deadline](CloseReason::Expired) is over, that the server
    /// [shuts down](CloseReason::Shutdown), or that its actor [has failed](CloseReason::ActorFailed).
    /// What is said last; most protocols have no such word.
    fn farewell(&self, why: &CloseReason) -> Option<Bytes> {
        let _ = why;
        None
    }
}

/// What a codec is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Between two frames, as far as the codec has used its input.
    Between,
    /// In a handshake, or in the head of a request.
    Handshake,
    /// In the middle of a frame, some of which it has put by.
    Frame,
}

/// What a codec found at the start of its input.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<F, E> {
    /// Not a whole frame yet. At the end of the stream: nothing is left to say.
    Need,
    /// A frame that takes the first `used` bytes, at least one.
    Frame {
        /// The frame.
        frame: F,
        /// How many bytes it takes up, its terminator included.
        used: usize,
    },
    /// The first `used` bytes (at least one) are dealt with, and there is no frame to show for them:
    /// the codec has put them by, answers them itself, or ignores them.
    Used(usize),
    /// The first `used` bytes (at least one) are a bad frame, but it is known where the next begins.
    Refused {
        /// What is wrong with it.
        error: E,
        /// How many bytes it takes up, its terminator included.
        used: usize,
    },
    /// The stream makes no sense from here on; the codec is not asked again.
    Fatal(E),
    /// By the rules of the protocol the conversation is over: the connection is closed in good
    /// order, and the codec not asked again.
    End,
}

impl<F, E> Decoded<F, E> {
    /// The same with another frame and another error: for a codec that has others in it.
    ///
    /// ```
    /// use actor_net::{Codec, Decoded, Lines};
    ///
    /// let mut input = *b"one\n";
    /// let found = Lines::new(80).decode(&mut input, false).map(str::len, |error| error);
    /// assert_eq!(found, Decoded::Frame { frame: 3, used: 4 });
    /// ```
    pub fn map<G, D>(self, frame: impl FnOnce(F) -> G, error: impl FnOnce(E) -> D) -> Decoded<G, D> {
        match self {
            Decoded::Need => Decoded::Need,
            Decoded::Frame { frame: found, used } => Decoded::Frame { frame: frame(found), used },
            Decoded::Used(used) => Decoded::Used(used),
            Decoded::Refused { error: wrong, used } => Decoded::Refused { error: error(wrong), used },
            Decoded::Fatal(wrong) => Decoded::Fatal(error(wrong)),
            Decoded::End => Decoded::End,
        }
    }
}
