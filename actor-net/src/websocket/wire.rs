//! Frames as they are on the wire: RFC 6455 section 5.2.

use bytes::{BufMut, BytesMut};

use super::error::Error;

/// The most bytes that a control frame may carry.
pub(super) const MAX_CONTROL: usize = 125;

/// The bit of a header that says that the message is compressed (RFC 7692, 6).
pub(super) const COMPRESSED: u8 = 0x40;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A frame but for its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// It is the last of its message.
    pub(super) last: bool,
    /// It begins a message that is compressed.
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) key: Option<[u8; 4]>,
    pub(super) payload: u64,
    /// How many bytes the header itself has.
    pub(super) len: usize,
}

impl Header {
    /// The header at the start of `input`, if all of it is there. `masked` says whether the frames of
    /// this peer are to be, `deflate` whether its messages may be compressed.
    pub(super) fn parse(input: &[u8], masked: bool, deflate: bool) -> Result<Option<Header>, Error> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
        // The mark of a compressed message is in the first of its frames alone.
        let compressed = first & COMPRESSED != 0 && matches!(opcode, 1 | 2);
        if first & 0x70 != if compressed && deflate { COMPRESSED } else { 0 } {
            return Err(Error::Protocol("a reserved bit is set"));
        }
        let opcode = match opcode {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Error::Protocol("the opcode is reserved")),
        };
        if (second & 0x80 != 0) != masked {
            let wrong = if masked { "a client's frame is not masked" } else { "a server's frame is masked" };
            return Err(Error::Protocol(wrong));
        }
        let short = second & 0x7F;
        if opcode.is_control() && !last {
            return Err(Error::Protocol("a control frame is fragmented"));
        }
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(Error::Protocol("a control frame is longer than 125 bytes"));
        }
        let (payload, rest, least) = match short {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest, 126),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 1 << 16),
                None => return Ok(None),
            },
            short => (u64::from(short), rest, 0),
        };
        if payload < least || payload >> 63 != 0 {
            return Err(Error::Protocol("a length is not written as it must be"));
        }
        let (key, rest) = if masked {
            let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        Ok(Some(Header { last, compressed, opcode, key, payload, len: input.len() - rest.len() }))
    }
}

/// Appends a frame that is a whole message, or a control frame.
pub(super) fn put(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>, out: &mut BytesMut) {
    put_first(0x80 | opcode as u8, payload, key, out);
}

/// The same with any first byte.
pub(super) fn put_first(first: u8, payload: &[u8], key: Option<[u8; 4]>, out: &mut BytesMut) {
    out.reserve(14 + payload.len());
    out.put_u8(first);
    let mask = if key.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..126 => out.put_u8(mask | short as u8),
        medium @ 126..0x1_0000 => {
            out.put_u8(mask | 126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(mask | 127);
            out.put_u64(long as u64);
        }
    }
    if let Some(key) = key {
        out.put_slice(&key);
    }
    let start = out.len();
    out.put_slice(payload);
    if let Some(key) = key {
        mask_with(&mut out[start..], key, 0);
    }
}

/// Masks, or unmasks, which is the same. `at` is how far into the payload these bytes begin.
pub(super) fn mask_with(bytes: &mut [u8], mut key: [u8; 4], at: usize) {
    key.rotate_left(at % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // In words, of which the compiler makes vectors.
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for eight in words {
        *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masking_in_pieces_is_masking_at_once(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            key in any::<[u8; 4]>(),
            cut in 0usize..100,
        ) {
            let each = |(i, byte): (usize, &u8)| byte ^ key[i % 4];
            let expected: Vec<u8> = bytes.iter().enumerate().map(each).collect();
            let mut masked = bytes.clone();
            let cut = cut.min(bytes.len());
            mask_with(&mut masked[..cut], key, 0);
            mask_with(&mut masked[cut..], key, cut);
            prop_assert_eq!(&masked, &expected);
        }

        #[test]
        fn what_is_put_is_parsed(length in prop_oneof![0usize..300, 65_530usize..65_545], key in any::<Option<[u8; 4]>>()) {
            let mut out = BytesMut::new();
            put(Opcode::Binary, &vec![7; length], key, &mut out);
            for cut in 0..14.min(out.len()) {
                let parsed = Header::parse(&out[..cut], key.is_some(), false).unwrap();
                prop_assert_eq!(parsed.is_some(), parsed.is_some_and(|header| cut >= header.len));
            }
            let header = Header::parse(&out, key.is_some(), false).unwrap().unwrap();
            prop_assert_eq!((header.len + length, header.payload), (out.len(), length as u64));
            prop_assert_eq!((header.last, header.opcode, header.key), (true, Opcode::Binary, key));
        }
    }
}
