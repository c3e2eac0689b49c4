//! Frames that break the rules.

use proptest::prelude::*;

use super::*;

/// What is refused, and with which code, whatever the pieces it comes in.
#[track_caller]
fn refuses(code: u16, frames: impl AsRef<[u8]>) -> Error {
    let frames = frames.as_ref();
    let whole = talk(frames, &[]);
    let bytes = talk(frames, &vec![1; frames.len()]);
    assert_eq!(whole.found, bytes.found);
    let Some(Found::Fatal(error)) = whole.found.last() else { panic!("not refused: {:?}", whole.found) };
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(whole.replies.ends_with(&closes(code, &error.to_string())), "{:?}", whole.replies);
    *error
}

#[test]
fn frames_that_are_not_masked() {
    refuses(1002, b"\x81\x02hi");
    refuses(1002, b"\x89\x00");
}

#[test]
fn reserved_bits_and_opcodes() {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        refuses(1002, frame(LAST | bit | TEXT, b"hi"));
        refuses(1002, frame(PING | bit, b""));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refuses(1002, frame(LAST | opcode, b"hi"));
        refuses(1002, frame(opcode, b""));
    }
}

#[test]
fn control_frames_that_are_long_or_in_fragments() {
    for opcode in [CLOSE, PING, PONG] {
        refuses(1002, frame(opcode, &[b'x'; 126]));
        refuses(1002, frame(opcode & !LAST, b""));
    }
    let fed = talk(&frame(PING, &[b'x'; 125]), &[]);
    assert_eq!(fed.replies.len(), 127);
}

#[test]
fn fragments_out_of_order() {
    refuses(1002, frame(LAST | CONTINUATION, b"of nothing"));
    refuses(1002, frame(CONTINUATION, b"of nothing"));
    refuses(1002, [frame(TEXT, b"a"), frame(LAST | TEXT, b"b")].concat());
    refuses(1002, [frame(TEXT, b"a"), frame(BINARY, b"b")].concat());
    refuses(1002, [frame(LAST | TEXT, b"a"), frame(LAST | CONTINUATION, b"b")].concat());
}

#[test]
fn lengths_that_are_not_as_they_must_be() {
    let with = |length: &[u8]| [&[LAST | BINARY][..], length, &[0; 4]].concat();
    refuses(1002, with(&[0x80 | 126, 0, 125]));
    refuses(1002, with(&[0x80 | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]));
    refuses(1002, with(&[0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0]));
    refuses(1009, with(&[0x80 | 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
    refuses(1009, with(&[0x80 | 127, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]));
}

#[test]
fn messages_that_are_too_long_or_never_end() {
    let error = refuses(1009, frame(LAST | BINARY, &[0; MAX + 1]));
    assert_eq!(error, Error::TooLong { limit: MAX });
    assert!(error.to_string().contains("1000"));
    // Told from the length, before any of it is there.
    refuses(1009, &frame(LAST | BINARY, &[0; MAX + 1])[..8]);
    refuses(1009, [frame(BINARY, &[0; MAX]), frame(LAST | CONTINUATION, &[0])].concat());
    refuses(1008, [frame(BINARY, b""), frame(CONTINUATION, b"").repeat(9)].concat());
    assert_eq!(talk(&frame(LAST | BINARY, &[0; MAX]), &[]).found.len(), 1);
}

#[test]
fn half_a_close_code_and_a_reason_that_is_no_text() {
    refuses(1002, frame(CLOSE, b"\x03"));
    refuses(1007, frame(CLOSE, b"\x03\xE8\xFF"));
    refuses(1007, frame(CLOSE, b"\x03\xE8\xC3"));
}

#[test]
fn texts_that_are_not_utf8() {
    for text in [
        &b"\xFF"[..],
        b"\x80",
        b"a\xC3",
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"ok \xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5 \xED\xA0\x80 edited",
    ] {
        refuses(1007, frame(LAST | TEXT, text));
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            refuses(1007, [frame(TEXT, a), frame(LAST | CONTINUATION, b)].concat());
        }
    }
}

/// At the first byte that cannot be right, and not before.
#[test]
fn a_text_that_is_not_utf8_is_refused_at_once() {
    // The second byte of F4 90 is too large already; only with the third would it be a whole prefix.
    let payload = b"abc\xF4\x90 and so on, which never comes to be read";
    for frames in [frame(LAST | TEXT, payload), frame(TEXT, payload)] {
        let bad = 6 + 4;
        assert!(talk(&frames[..bad], &[]).found.iter().all(|found| !matches!(found, Found::Fatal(_))));
        assert!(matches!(talk(&frames[..=bad], &[]).found[..], [Found::Fatal(Error::InvalidUtf8)]));
        assert!(matches!(
            talk(&frames[..=bad], &vec![1; bad + 1]).found[..],
            [Found::Fatal(Error::InvalidUtf8)]
        ));
    }
}

#[test]
fn an_end_in_the_middle_of_a_frame() {
    let whole = frame(LAST | TEXT, b"hello");
    for end in 1..whole.len() {
        let found = talk(&whole[..end], &[]).found;
        assert_eq!(found, [Found::Refused(Error::Truncated)], "after {end} bytes");
    }
    assert!(talk(b"", &[]).found.is_empty());
}

/// Bytes that are nearly frames.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0u8, 1, 2, 0x80, 0x81, 0x82, 0x89, 0x8A]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..130),
        "[a\u{e4}]{0,40}".prop_map(String::into_bytes),
    ];
    let piece = prop_oneof![
        9 => (first, payload).prop_map(|(first, payload)| frame(first, &payload)),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_the_same_in_any_split_and_never_kept(
        frames in nearly(),
        sizes in prop::collection::vec(1usize..40, 0..200),
    ) {
        let (whole, split) = (talk(&frames, &[]), talk(&frames, &sizes));
        prop_assert_eq!(&split.found, &whole.found);
        prop_assert_eq!(&split.replies, &whole.replies);
        prop_assert!(split.kept < MAX + 14, "{} bytes are kept", split.kept);
    }
}
