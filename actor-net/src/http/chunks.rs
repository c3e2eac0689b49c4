//! Bodies in chunks: RFC 9112 section 7.1, in pieces of any size.

use super::error::Error;
use super::fields::{is_token, is_value};
use super::limits::Limits;

/// The most digits of a chunk's size; more cannot be needed.
const DIGITS: u8 = 16;

/// How far a body in chunks has come.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    at: At,
    /// Bytes of extensions and trailers, which are skipped, and could be without end.
    skipped: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataEnd,
    /// At the start of a line of the trailer.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Over,
}

impl Chunks {
    pub(super) fn new() -> Chunks {
        Chunks { at: At::Size { size: 0, digits: 0 }, skipped: 0 }
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// Appends what is data in `input` to `body`, and says how many bytes it has used: all, unless
    /// the body is over.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        room: usize,
        limits: &Limits,
    ) -> Result<usize, Error> {
        let start = body.len();
        let mut used = 0;
        while let Some(byte) = input.get(used)
            && self.at != At::Over
        {
            if let At::Data { left } = &mut self.at {
                let rest = &input[used..];
                let n = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                body.extend_from_slice(&rest[..n]);
                used += n;
                *left -= n as u64;
                if *left == 0 {
                    self.at = At::DataReturn;
                }
                continue;
            }
            used += 1;
            self.at = self.step(*byte, (room - (body.len() - start)) as u64, limits)?;
        }
        Ok(used)
    }

    /// What comes after this byte, which is no data.
    fn step(&mut self, byte: u8, room: u64, limits: &Limits) -> Result<At, Error> {
        let too_long = Error::BodyTooLong { limit: limits.body as usize };
        Ok(match (self.at, byte) {
            (At::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < DIGITS => {
                let digit = (byte as char).to_digit(16).unwrap_or(0);
                // Sixteen digits fit.
                let size = size * 16 + u64::from(digit);
                if size > room {
                    return Err(too_long);
                }
                At::Size { size, digits: digits + 1 }
            }
            (At::Size { size, digits: 1.. }, b';') => At::Extension { size },
            (At::Size { size, digits: 1.. }, b'\r') => At::SizeEnd { size },
            (At::Size { .. }, _) => return Err(Error::Malformed("the size of a chunk is not a number")),
            (At::Extension { size }, b'\r') => At::SizeEnd { size },
            (At::Extension { size }, byte) if is_value(byte) => {
                self.skip(limits)?;
                At::Extension { size }
            }
            (At::SizeEnd { size: 0 }, b'\n') => At::Trailer,
            (At::SizeEnd { size }, b'\n') => At::Data { left: size },
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => At::Size { size: 0, digits: 0 },
            (At::DataReturn | At::DataEnd, _) => {
                return Err(Error::Malformed("a chunk does not end where its size says"));
            }
            (At::Trailer, b'\r') => At::LastEnd,
            (At::Trailer | At::TrailerName, byte) if is_token(byte) => {
                self.skip(limits)?;
                At::TrailerName
            }
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerEnd,
            (At::TrailerValue, byte) if is_value(byte) => {
                self.skip(limits)?;
                At::TrailerValue
            }
            (At::TrailerEnd, b'\n') => At::Trailer,
            (At::LastEnd, b'\n') => At::Over,
            _ => return Err(Error::Malformed("a chunk is none")),
        })
    }

    fn skip(&mut self, limits: &Limits) -> Result<(), Error> {
        self.skipped += 1;
        if self.skipped > limits.head {
            return Err(Error::HeadTooLong { limit: limits.head as usize });
        }
        Ok(())
    }
}
