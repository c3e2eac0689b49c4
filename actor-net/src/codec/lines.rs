//! Lines of text with a mandatory maximum.

use std::fmt;

use bytes::{BufMut, BytesMut};
use memchr::memchr;

use super::{Codec, Decoded};

/// Lines of UTF-8 that end with `\n` or `\r\n`. Frames are `&str` without the terminator.
///
/// | in the stream | what becomes of it |
/// |---|---|
/// | more than `max` bytes without a terminator | [`LineError::TooLong`]; fatal, since where the next line begins is unknown |
/// | a line that is not UTF-8 | [`LineError::InvalidUtf8`]; the next line is read |
/// | a line with a NUL byte | [`LineError::Nul`]; the next line is read. No text has them, and they cut strings short in logs and C programs downstream |
/// | an end of stream inside a line | [`LineError::Truncated`] |
///
/// Other control characters are let through: what they mean is the protocol's business. A `\r`
/// that no `\n` follows belongs to the line.
///
/// ```
/// use actor_net::{Codec, Decoded, Lines};
///
/// let mut lines = Lines::new(80);
/// let mut input = *b"one\r\ntwo";
/// assert_eq!(lines.decode(&mut input, false), Decoded::Frame { frame: "one", used: 5 });
/// assert_eq!(lines.decode(&mut input[5..], false), Decoded::Need);
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    max: usize,
    /// How much of the input at hand is known to hold no `\n`.
    scanned: usize,
}

impl Lines {
    /// Lines of at most `max` bytes, the terminator not counted.
    ///
    /// There is no default: it is what a peer can make the process keep in memory for it.
    #[must_use]
    pub const fn new(max: usize) -> Lines {
        // Two more are needed for the terminator, in a sum that must not overflow.
        let max = if max > usize::MAX - 2 { usize::MAX - 2 } else { max };
        Lines { max, scanned: 0 }
    }

    /// The most bytes a line may have, the terminator not counted.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.max
    }

    fn without_newline(&mut self, input: &[u8], eof: bool) -> Decoded<&'static str, LineError> {
        // One byte over the maximum may still be the `\r` of a terminator, and only that.
        let over = input.len() > self.max && (input.len() > self.max + 1 || input[self.max] != b'\r');
        if over {
            return Decoded::Fatal(LineError::TooLong { limit: self.max });
        }
        if eof && !input.is_empty() {
            self.scanned = 0;
            let error = LineError::Truncated { bytes: input.len() };
            return Decoded::Refused { error, used: input.len() };
        }
        self.scanned = input.len();
        Decoded::Need
    }
}

impl Codec for Lines {
    type Frame<'a> = &'a str;
    type Output<'a> = &'a str;
    type Error = LineError;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], eof: bool) -> Decoded<&'a str, LineError> {
        let input: &'a [u8] = input;
        let window = &input[..input.len().min(self.max + 2)];
        let from = self.scanned.min(window.len());
        let Some(found) = memchr(b'\n', &window[from..]) else {
            return self.without_newline(input, eof);
        };
        self.scanned = 0;
        let end = from + found;
        let line = window[..end].strip_suffix(b"\r").unwrap_or(&window[..end]);
        if line.len() > self.max {
            return Decoded::Fatal(LineError::TooLong { limit: self.max });
        }
        let used = end + 1;
        if let Some(at) = memchr(0, line) {
            return Decoded::Refused { error: LineError::Nul { at }, used };
        }
        match std::str::from_utf8(line) {
            Ok(frame) => Decoded::Frame { frame, used },
            Err(error) => {
                let at = error.valid_up_to();
                Decoded::Refused { error: LineError::InvalidUtf8 { at }, used }
            }
        }
    }

    fn encode(&self, line: &str, out: &mut BytesMut) -> Result<(), LineError> {
        let bytes = line.as_bytes();
        if bytes.len() > self.max {
            return Err(LineError::TooLong { limit: self.max });
        }
        if let Some(at) = memchr(0, bytes) {
            return Err(LineError::Nul { at });
        }
        let cr = bytes.ends_with(b"\r").then(|| bytes.len() - 1);
        if let Some(at) = memchr(b'\n', bytes).or(cr) {
            return Err(LineError::LineBreak { at });
        }
        out.reserve(bytes.len() + 1);
        out.put_slice(bytes);
        out.put_u8(b'\n');
        Ok(())
    }
}

/// Why bytes are not a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// The line has more bytes than the maximum.
    TooLong {
        /// The maximum, in bytes without the terminator.
        limit: usize,
    },
    /// The line is not UTF-8.
    InvalidUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// The line has a NUL byte.
    Nul {
        /// Where it is.
        at: usize,
    },
    /// The stream ended before the line did.
    Truncated {
        /// How many bytes of it had come.
        bytes: usize,
    },
    /// Only from encoding: the text has a line break in it and would be read as several lines.
    LineBreak {
        /// Where it is.
        at: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::TooLong { limit } => {
                write!(f, "the line is longer than {limit} bytes")
            }
            LineError::InvalidUtf8 { at } => {
                write!(f, "the line is not UTF-8 (at byte {at})")
            }
            LineError::Nul { at } => write!(f, "the line has a NUL byte (at byte {at})"),
            LineError::Truncated { bytes } => {
                write!(f, "the stream ended in the middle of a line, after {bytes} bytes of it")
            }
            LineError::LineBreak { at } => {
                write!(f, "the text has a line break in it (at byte {at})")
            }
        }
    }
}

impl std::error::Error for LineError {}

#[cfg(test)]
mod tests;
