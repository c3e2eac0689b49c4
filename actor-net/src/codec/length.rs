//! Frames with their length in front, and a mandatory maximum.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{Codec, Decoded};

/// Frames of bytes that a length goes before. Unless told otherwise the length has four bytes, the
/// highest first, and counts what follows it.
///
/// | in the stream | what becomes of it |
/// |---|---|
/// | a length over the maximum | [`LengthError::TooLong`]; fatal, before any of the frame is waited for |
/// | a length that the [adjustment](Self::adjustment) makes negative, or more than 64 bits hold | [`LengthError::Impossible`]; fatal |
/// | an end of stream inside a frame | [`LengthError::Truncated`] |
///
/// What a length stands for is `length + adjustment` bytes behind it, and that is the frame. If
/// there is something [in front of the length](Self::offset), such as a type, it is needed to make
/// sense of the frame: then frames are handed out, and encoded, as they are in the stream, with all
/// that goes before.
///
/// ```
/// use actor_net::{BytesMut, Codec, Decoded, LengthDelimited};
///
/// // A type, and two bytes of length that count these three as well.
/// let mut codec = LengthDelimited::new(1024).width(2).offset(1).adjustment(-3);
/// let mut input = *b"T\x00\x05hi....";
/// assert_eq!(codec.decode(&mut input, false), Decoded::Frame { frame: &b"T\x00\x05hi"[..], used: 5 });
///
/// // The length is filled in, whatever stands in its place.
/// let mut out = BytesMut::new();
/// codec.encode(b"T\0\0hello", &mut out).unwrap();
/// assert_eq!(&out[..], b"T\x00\x08hello");
/// ```
#[derive(Clone, Debug)]
pub struct LengthDelimited {
    max: usize,
    offset: usize,
    width: usize,
    little: bool,
    adjustment: i64,
}

impl LengthDelimited {
    /// Frames with at most `max` bytes behind their length.
    ///
    /// There is no default: it is what a peer can make the process keep in memory for it.
    #[must_use]
    pub const fn new(max: usize) -> LengthDelimited {
        // No buffer is longer, so nothing is lost, and what goes before fits into the sum.
        let max = if max > isize::MAX as usize { isize::MAX as usize } else { max };
        LengthDelimited { max, offset: 0, width: 4, little: false, adjustment: 0 }
    }

    /// The length has so many bytes, 1 to 8.
    ///
    /// # Panics
    ///
    /// If it is another number.
    #[must_use]
    pub const fn width(mut self, bytes: usize) -> LengthDelimited {
        assert!(bytes >= 1 && bytes <= 8, "a length has 1 to 8 bytes");
        self.width = bytes;
        self
    }

    /// The lowest byte of the length comes first.
    #[must_use]
    pub const fn little_endian(mut self) -> LengthDelimited {
        self.little = true;
        self
    }

    /// So many bytes, at most 64 KiB, come before the length. Frames are then handed out and encoded
    /// with all that goes before them.
    #[must_use]
    pub const fn offset(mut self, bytes: u16) -> LengthDelimited {
        self.offset = bytes as usize;
        self
    }

    /// What must be added to a length to get the number of bytes behind it: below 0 if it counts
    /// itself or what comes before it, above 0 if something behind it is not counted.
    #[must_use]
    pub const fn adjustment(mut self, bytes: i64) -> LengthDelimited {
        self.adjustment = bytes;
        self
    }

    /// The most bytes there may be behind a length.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.max
    }

    /// How many bytes there are before and in the length.
    const fn head(&self) -> usize {
        self.offset + self.width
    }

    /// How many bytes follow this head, if that is possible and allowed.
    fn follow(&self, head: &[u8]) -> Result<usize, LengthError> {
        let field = &head[self.offset..];
        let mut bytes = [0; 8];
        let length = if self.little {
            bytes[..self.width].copy_from_slice(field);
            u64::from_le_bytes(bytes)
        } else {
            bytes[8 - self.width..].copy_from_slice(field);
            u64::from_be_bytes(bytes)
        };
        let follow = length
            .checked_add_signed(self.adjustment)
            .ok_or(LengthError::Impossible { length, adjustment: self.adjustment })?;
        match usize::try_from(follow) {
            Ok(follow) if follow <= self.max => Ok(follow),
            _ => Err(LengthError::TooLong { length: follow, limit: self.max as u64 }),
        }
    }

    /// The length to be written for a frame with so many bytes behind it.
    fn length(&self, follow: usize) -> Result<u64, LengthError> {
        let widest = u64::MAX >> (64 - 8 * self.width);
        let impossible = LengthError::Impossible { length: follow as u64, adjustment: self.adjustment };
        let length = i128::from(follow as u64) - i128::from(self.adjustment);
        let length = u64::try_from(length).map_err(|_| impossible)?;
        if follow > self.max {
            return Err(LengthError::TooLong { length: follow as u64, limit: self.max as u64 });
        }
        if length > widest {
            return Err(LengthError::TooLong { length, limit: widest });
        }
        Ok(length)
    }
}

impl Codec for LengthDelimited {
    type Frame<'a> = &'a [u8];
    type Output<'a> = &'a [u8];
    type Error = LengthError;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<&'a [u8], LengthError> {
        let head = self.head();
        let whole = match input.get(..head).map(|bytes| self.follow(bytes)) {
            Some(Ok(follow)) => Some(head + follow),
            Some(Err(error)) => return Decoded::Fatal(error),
            None => None,
        };
        match whole {
            Some(used) if used <= input.len() => {
                let start = if self.offset > 0 { 0 } else { head };
                Decoded::Frame { frame: &input[start..used], used }
            }
            _ if eof && !input.is_empty() => {
                let error = LengthError::Truncated { bytes: input.len() };
                Decoded::Refused { error, used: input.len() }
            }
            _ => Decoded::Need,
        }
    }

    fn encode(&self, frame: &[u8], out: &mut BytesMut) -> Result<(), LengthError> {
        let (before, body) = if self.offset > 0 {
            let head = self.head();
            let short = LengthError::Headless { bytes: frame.len(), head };
            let (head, body) = frame.split_at_checked(head).ok_or(short)?;
            (&head[..self.offset], body)
        } else {
            (&frame[..0], frame)
        };
        let length = self.length(body.len())?;
        out.reserve(self.head() + body.len());
        out.put_slice(before);
        if self.little {
            out.put_slice(&length.to_le_bytes()[..self.width]);
        } else {
            out.put_slice(&length.to_be_bytes()[8 - self.width..]);
        }
        out.put_slice(body);
        Ok(())
    }
}

/// Why bytes are not a frame with its length in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LengthError {
    /// More bytes than may be, or, when encoding, than the length can say.
    TooLong {
        /// How many.
        length: u64,
        /// The maximum.
        limit: u64,
    },
    /// With the adjustment the length is below zero, or more than 64 bits hold.
    Impossible {
        /// The length in the stream; when encoding, the number of bytes that need one.
        length: u64,
        /// What is added to it.
        adjustment: i64,
    },
    /// The stream ended before the frame did.
    Truncated {
        /// How many bytes of it had come.
        bytes: usize,
    },
    /// Only from encoding: the frame is too short to hold what goes before its body.
    Headless {
        /// How many bytes it has.
        bytes: usize,
        /// How many go before the body.
        head: usize,
    },
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthError::TooLong { length, limit } => {
                write!(f, "the frame has {length} bytes and may have {limit}")
            }
            LengthError::Impossible { length, adjustment } => {
                write!(f, "a length of {length} makes no sense with an adjustment of {adjustment}")
            }
            LengthError::Truncated { bytes } => {
                write!(f, "the stream ended in the middle of a frame, after {bytes} bytes of it")
            }
            LengthError::Headless { bytes, head } => {
                write!(f, "a frame begins with {head} bytes of head, and this has {bytes} in all")
            }
        }
    }
}

impl std::error::Error for LengthError {}

#[cfg(test)]
mod tests;
