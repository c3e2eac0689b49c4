use bytes::BytesMut;
use proptest::prelude::*;

use super::{LengthDelimited, LengthError};
use crate::codec::Codec;
use crate::codec::feed::{self, Fed, Found};

type Seen = Found<Vec<u8>, LengthError>;

fn feed(codec: &LengthDelimited, stream: &[u8], sizes: &[usize]) -> Fed<Seen> {
    feed::feed(&mut codec.clone(), stream, sizes, |found| match found {
        Found::Frame(frame) => Found::Frame(frame.to_vec()),
        Found::Refused(error) => Found::Refused(error),
        Found::Fatal(error) => Found::Fatal(error),
        Found::End => Found::End,
    })
}

fn whole(codec: &LengthDelimited, stream: &[u8]) -> Vec<Seen> {
    feed(codec, stream, &[]).found
}

fn frame(bytes: &[u8]) -> Seen {
    Found::Frame(bytes.to_vec())
}

#[test]
fn widths_and_byte_orders() {
    let big = LengthDelimited::new(9).width(3);
    assert_eq!(whole(&big, b"\0\0\x02ab\0\0\0"), [frame(b"ab"), frame(b"")]);
    let little = LengthDelimited::new(9).width(8).little_endian();
    assert_eq!(whole(&little, b"\x01\0\0\0\0\0\0\0a"), [frame(b"a")]);
    let byte = LengthDelimited::new(255).width(1);
    assert_eq!(whole(&byte, &[255; 256]), [frame(&[255; 255])]);
}

#[test]
fn a_length_over_the_maximum_is_refused_at_once() {
    let codec = LengthDelimited::new(1 << 20);
    let limit = 1 << 20;
    let error = LengthError::TooLong { length: 0xFFFF_FFFF, limit };
    assert_eq!(whole(&codec, b"\xFF\xFF\xFF\xFF"), [Found::Fatal(error)]);
    assert!(error.to_string().contains("4294967295") && error.to_string().contains("1048576"));
    let one_over = LengthError::TooLong { length: limit + 1, limit };
    assert_eq!(whole(&codec, b"\0\x10\0\x01"), [Found::Fatal(one_over)]);
}

#[test]
fn an_adjustment_that_overflows_is_refused() {
    let over = LengthDelimited::new(usize::MAX).width(8).adjustment(1);
    let error = LengthError::Impossible { length: u64::MAX, adjustment: 1 };
    assert_eq!(whole(&over, &[0xFF; 8]), [Found::Fatal(error)]);
    let under = LengthDelimited::new(9).width(1).adjustment(-3);
    let error = LengthError::Impossible { length: 2, adjustment: -3 };
    assert_eq!(whole(&under, b"\x03\x02"), [frame(b""), Found::Fatal(error)]);
    // The largest that is possible is still over the maximum, and no sum overflows.
    let huge = LengthDelimited::new(usize::MAX).width(8).offset(u16::MAX);
    let stream = [vec![0; usize::from(u16::MAX)], vec![0xFF; 8]].concat();
    let limit = isize::MAX as u64;
    assert_eq!(whole(&huge, &stream), [Found::Fatal(LengthError::TooLong { length: u64::MAX, limit })]);
}

#[test]
fn half_a_frame_at_the_end_is_told() {
    let codec = LengthDelimited::new(9).width(1);
    let truncated = |bytes| Found::Refused(LengthError::Truncated { bytes });
    assert_eq!(whole(&codec, b"\x01a\x02b"), [frame(b"a"), truncated(2)]);
    assert_eq!(whole(&LengthDelimited::new(9), b"\0\0"), [truncated(2)]);
}

#[test]
fn what_cannot_be_read_back_is_not_encoded() {
    let mut out = BytesMut::new();
    let codec = LengthDelimited::new(300).width(1).adjustment(-1);
    let too_long = |length, limit| Err(LengthError::TooLong { length, limit });
    assert_eq!(codec.encode(&[0; 301], &mut out), too_long(301, 300));
    assert_eq!(codec.encode(&[0; 255], &mut out), too_long(256, 255));
    let codec = LengthDelimited::new(9).adjustment(3);
    let impossible = LengthError::Impossible { length: 2, adjustment: 3 };
    assert_eq!(codec.encode(b"ab", &mut out), Err(impossible));
    let codec = LengthDelimited::new(9).offset(1);
    assert_eq!(codec.encode(b"abcd", &mut out), Err(LengthError::Headless { bytes: 4, head: 5 }));
    assert!(out.is_empty());
}

#[test]
#[should_panic(expected = "1 to 8 bytes")]
fn a_length_without_bytes_is_a_mistake() {
    let _ = LengthDelimited::new(9).width(0);
}

fn codec() -> impl Strategy<Value = LengthDelimited> {
    (1usize..9, any::<bool>(), 0u16..4, -9i64..9, 0usize..40).prop_map(
        |(width, little, offset, adjustment, max)| {
            let codec = LengthDelimited::new(max).width(width).offset(offset).adjustment(adjustment);
            if little { codec.little_endian() } else { codec }
        },
    )
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        codec in codec(),
        stream in prop::collection::vec(prop_oneof![8 => 0u8..12, 1 => any::<u8>()], 0..200),
        sizes in prop::collection::vec(1usize..9, 0..200),
    ) {
        let fed = feed(&codec, &stream, &sizes);
        prop_assert_eq!(&fed.found, &whole(&codec, &stream));
        prop_assert!(fed.kept < codec.head() + codec.max().max(1), "{} bytes are kept", fed.kept);
    }

    #[test]
    fn what_is_encoded_is_read_back(
        codec in codec(),
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..9),
    ) {
        let mut out = BytesMut::new();
        let mut sent = Vec::new();
        for mut bytes in frames {
            let at = out.len();
            if codec.encode(&bytes, &mut out).is_ok() {
                // Only the length may be another than it was.
                let field = usize::from(codec.offset > 0) * codec.head();
                let start = codec.offset.min(field);
                bytes[start..field].copy_from_slice(&out[at + start..at + field]);
                sent.push(Found::Frame(bytes));
            } else {
                prop_assert_eq!(out.len(), at);
            }
        }
        prop_assert_eq!(whole(&codec, &out), sent);
    }
}
