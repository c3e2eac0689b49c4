//! A codec for bytes as they come.

use std::convert::Infallible;

use actor_net::{Codec, Decoded};
use bytes::BytesMut;

/// A frame is whatever has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Frame<'a> = &'a [u8];
    type Output<'a> = &'a [u8];
    type Error = Infallible;

    fn decode<'a>(&'a mut self, input: &'a mut [u8], _eof: bool) -> Decoded<&'a [u8], Infallible> {
        match input.len() {
            0 => Decoded::Need,
            used => Decoded::Frame { frame: input, used },
        }
    }

    fn encode(&self, frame: &[u8], out: &mut BytesMut) -> Result<(), Infallible> {
        out.extend_from_slice(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_has_come() {
        assert_eq!(Raw.decode(&mut b"abc".to_vec(), false), Decoded::Frame { frame: &b"abc"[..], used: 3 });
        assert_eq!(Raw.decode(&mut [], true), Decoded::Need);
    }
}
