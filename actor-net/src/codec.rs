//! Codecs: where a frame begins and ends in a stream of bytes.
//!
//! A codec does no input or output of its own. It looks at the bytes that are there and says what
//! they are, so the same one serves a socket, a test and a fuzzer.

mod lines;

use bytes::BytesMut;

pub use lines::{LineError, Lines};

/// Finds frames in bytes, and makes bytes of frames.
///
/// A codec may be written for frames that borrow from the input, as [`Lines`] does: nothing is
/// copied or allocated for a frame that came in one piece.
pub trait Codec: Send + 'static {
    /// What [`decode`](Self::decode) finds and [`encode`](Self::encode) takes.
    type Frame<'a>;

    /// Why bytes are not a frame.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Looks for one frame at the start of `input`.
    ///
    /// `input` begins with the first byte not yet used. After [`Decoded::Need`] the next call gets
    /// the same bytes with more behind them, so a codec may remember how far it has looked.
    /// `eof` says that no more will ever come; what is left then is either used up or dropped.
    fn decode<'a>(&mut self, input: &'a [u8], eof: bool) -> Decoded<Self::Frame<'a>, Self::Error>;

    /// Appends the bytes of `frame` to `out`.
    ///
    /// Takes `&self`, so that what goes to many connections is encoded once.
    ///
    /// # Errors
    ///
    /// If [`decode`](Self::decode) at the other end could not give the same frame back; `out` is
    /// as it was.
    fn encode(&self, frame: Self::Frame<'_>, out: &mut BytesMut) -> Result<(), Self::Error>;
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
    /// The first `used` bytes (at least one) are a bad frame, but it is known where the next begins.
    Refused {
        /// What is wrong with it.
        error: E,
        /// How many bytes it takes up, its terminator included.
        used: usize,
    },
    /// The stream makes no sense from here on; the codec is not asked again.
    Fatal(E),
}
