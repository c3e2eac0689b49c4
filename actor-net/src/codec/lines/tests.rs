use bytes::BytesMut;
use proptest::prelude::*;

use super::{LineError, Lines};
use crate::codec::feed::{self, Found};
use crate::codec::{Codec, Decoded};

/// What a decoder made of a stream, with nothing borrowed.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Line(String),
    Refused(LineError),
    Fatal(LineError),
}

/// Feeds the stream in pieces of the given sizes, as reads from a socket would.
fn feed(max: usize, stream: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let own = |found: Found<&str, LineError>| match found {
        Found::Frame(line) => Seen::Line(line.to_owned()),
        Found::Refused(error) => Seen::Refused(error),
        Found::Fatal(error) => Seen::Fatal(error),
        Found::End => unreachable!("lines have no end"),
    };
    feed::feed(&mut Lines::new(max), stream, sizes, own).found
}

fn whole(max: usize, stream: &[u8]) -> Vec<Seen> {
    feed(max, stream, &[])
}

fn line(text: &str) -> Seen {
    Seen::Line(text.to_owned())
}

#[test]
fn both_terminators_end_a_line() {
    assert_eq!(whole(9, b"a\nb\r\n\n\r\n"), [line("a"), line("b"), line(""), line("")]);
}

#[test]
fn a_lone_carriage_return_belongs_to_the_line() {
    assert_eq!(whole(9, b"a\rb\r\r\n"), [line("a\rb\r")]);
}

#[test]
fn the_maximum_does_not_count_the_terminator() {
    assert_eq!(whole(3, b"abc\nabc\r\n"), [line("abc"), line("abc")]);
    for stream in ["abcd\n", "abcd\r\n", "abc\rd\n"] {
        let too_long = Seen::Fatal(LineError::TooLong { limit: 3 });
        assert_eq!(whole(3, stream.as_bytes()), [too_long]);
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_is_kept() {
    let mut lines = Lines::new(3);
    assert_eq!(lines.decode(&mut b"abc\r".to_vec(), false), Decoded::Need);
    assert_eq!(lines.decode(&mut b"abcd".to_vec(), false), Decoded::Fatal(LineError::TooLong { limit: 3 }));
}

#[test]
fn a_bad_line_does_not_hide_the_next() {
    let seen = whole(9, b"a\xffb\nok\na\0b\nok\nhal");
    assert_eq!(
        seen,
        [
            Seen::Refused(LineError::InvalidUtf8 { at: 1 }),
            line("ok"),
            Seen::Refused(LineError::Nul { at: 1 }),
            line("ok"),
            Seen::Refused(LineError::Truncated { bytes: 3 }),
        ]
    );
}

#[test]
fn what_cannot_be_read_back_is_not_encoded() {
    let lines = Lines::new(4);
    let mut out = BytesMut::new();
    for (text, error) in [
        ("abcde", LineError::TooLong { limit: 4 }),
        ("a\nb", LineError::LineBreak { at: 1 }),
        ("ab\r", LineError::LineBreak { at: 2 }),
        ("a\0", LineError::Nul { at: 1 }),
    ] {
        assert_eq!(lines.encode(text, &mut out), Err(error));
    }
    assert!(out.is_empty());
}

fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(b"ab\xc3\xa4 ".to_vec()),
        2 => Just(b'\n'),
        2 => Just(b'\r'),
        1 => Just(0u8),
        1 => any::<u8>(),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        stream in prop::collection::vec(byte(), 0..200),
        sizes in prop::collection::vec(1usize..9, 0..200),
        max in 0usize..12,
    ) {
        prop_assert_eq!(feed(max, &stream, &sizes), whole(max, &stream));
    }

    #[test]
    fn what_is_encoded_is_read_back(text in "[^\0]{0,40}", max in 0usize..60) {
        let lines = Lines::new(max);
        let mut out = BytesMut::new();
        if lines.encode(&text, &mut out).is_ok() {
            prop_assert_eq!(whole(max, &out), [line(&text)]);
        }
    }
}
