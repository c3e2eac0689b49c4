//! What is said as it should be.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::websocket::{Client, ClientFrame, ClientRequest};

#[test]
fn messages_come_as_they_were_sent() {
    let long = "ä".repeat(500);
    let frames = [
        frame(LAST | TEXT, b"hello"),
        frame(LAST | BINARY, &[0, 255, 128]),
        frame(LAST | TEXT, b""),
        frame(LAST | BINARY, b""),
        frame(LAST | TEXT, long.as_bytes()),
        frame(PONG, b"unasked"),
    ];
    let fed = talk(&frames.concat(), &[]);
    let expected = [
        Said::Text("hello".into()),
        Said::Binary(vec![0, 255, 128]),
        Said::Text(String::new()),
        Said::Binary(Vec::new()),
        Said::Text(long),
        Said::Pong(b"unasked".to_vec()),
    ];
    assert_eq!(fed.found, expected.map(Found::Frame));
    assert!(fed.replies.is_empty());
}

#[test]
fn fragments_are_put_together_and_pings_between_them_answered() {
    let frames = [
        frame(TEXT, "a\u{20AC}".as_bytes().split_at(2).0),
        frame(PING, b"there?"),
        frame(CONTINUATION, b""),
        frame(PONG, b"here"),
        frame(LAST | CONTINUATION, "a\u{20AC}".as_bytes().split_at(2).1),
        frame(BINARY, b""),
        frame(LAST | CONTINUATION, b""),
        frame(LAST | TEXT, b"next"),
    ];
    let fed = talk(&frames.concat(), &[]);
    let pong = Said::Pong(b"here".to_vec());
    let expected =
        [pong, Said::Text("a\u{20AC}".into()), Said::Binary(Vec::new()), Said::Text("next".into())];
    assert_eq!(fed.found, expected.map(Found::Frame));
    assert_eq!(fed.replies, Message::Pong(b"there?").to_bytes().unwrap());
}

#[test]
fn a_close_is_agreed_to_and_is_the_end() {
    let closing = |payload: &[u8]| talk(&[frame(CLOSE, payload), frame(LAST | TEXT, b"more")].concat(), &[]);
    let fed = closing(b"");
    assert_eq!(fed.found, [Found::Frame(Said::Close(None)), Found::End]);
    assert_eq!(fed.replies, [0x88, 0]);
    let fed = closing(b"\x03\xE8bye \xC3\xA4");
    assert_eq!(fed.found, [Found::Frame(Said::Close(Some((1000, "bye ä".into())))), Found::End]);
    assert_eq!(fed.replies, closes(1000, "bye ä"));
    // In the middle of a message, too.
    let fed = talk(&[frame(TEXT, b"half"), frame(CLOSE, b"")].concat(), &[]);
    assert_eq!(fed.found, [Found::Frame(Said::Close(None)), Found::End]);
}

#[test]
fn the_codes_that_may_be_sent() {
    let code = |code: u16| talk(&frame(CLOSE, &code.to_be_bytes()), &[]);
    for good in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        assert_eq!(code(good).found[0], Found::Frame(Said::Close(Some((good, String::new())))), "{good}");
        assert_eq!(code(good).replies, closes(good, ""));
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert!(matches!(code(bad).found[..], [Found::Fatal(Error::Protocol(_))]), "{bad}");
        let close = Message::Close(Some(Close { code: bad, reason: "" }));
        assert!(matches!(close.to_bytes(), Err(Error::Unsendable(_))));
    }
}

#[test]
fn what_no_peer_would_accept_is_not_encoded() {
    let mut out = BytesMut::from(&b"before"[..]);
    let long = "x".repeat(126);
    for message in [
        Message::Ping(long.as_bytes()),
        Message::Pong(long.as_bytes()),
        Message::Close(Some(Close { code: 1000, reason: &long[..124] })),
    ] {
        assert!(matches!(message.encode(true, &mut out), Err(Error::Unsendable(_))));
    }
    assert_eq!(out, b"before"[..]);
    assert!(Message::Ping(&long.as_bytes()[..125]).to_bytes().is_ok());
    assert!(Message::Close(Some(Close { code: 1000, reason: &long[..123] })).to_bytes().is_ok());
}

#[test]
fn many_fragments_do_not_make_a_message_slow_or_large() {
    // A message of the largest size in as many fragments as may be, twice, in pieces of a byte.
    let piece = vec![7; MAX / 8];
    let mut frames = frame(BINARY, &piece);
    for _ in 0..7 {
        frames.extend(frame(CONTINUATION, &piece));
    }
    frames.extend(frame(LAST | CONTINUATION, b""));
    let frames = frames.repeat(2);
    let fed = talk(&frames, &vec![1; frames.len()]);
    let whole = Found::Frame(Said::Binary(vec![7; MAX]));
    assert_eq!(fed.found, [whole.clone(), whole]);
    assert!(fed.kept < 200, "{} bytes are kept", fed.kept);
}

/// Of the kilobyte that an idle connection may cost, the codec has a part; what it needs for a while it
/// keeps in allocations that go again.
#[test]
fn an_idle_codec_is_small() {
    let sizes = [size_of::<http::Server>(), size_of::<Server>(), size_of::<Client>()];
    assert!(sizes.iter().all(|size| *size <= 192), "{sizes:?}");
}

/// A message, and how it is cut into fragments.
fn message() -> impl Strategy<Value = (Said, Vec<u8>)> {
    let text = "[a\u{e4}\u{20ac}\u{1d11e}]{0,20}"
        .prop_map(|text| (TEXT, text.clone().into_bytes(), Said::Text(text)));
    let binary = prop::collection::vec(any::<u8>(), 0..200)
        .prop_map(|bytes| (BINARY, bytes.clone(), Said::Binary(bytes)));
    let pong =
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| (PONG, bytes.clone(), Said::Pong(bytes)));
    let cuts = prop::collection::vec(0usize..30, 0..5);
    (prop_oneof![text, binary, pong], cuts, any::<bool>()).prop_map(|((opcode, bytes, said), cuts, ping)| {
        if opcode == PONG {
            return (said, frame(PONG, &bytes));
        }
        let (mut frames, mut rest, mut first) = (Vec::new(), &bytes[..], opcode);
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            frames.extend(frame(first, piece));
            if ping {
                frames.extend(frame(PING, b"?"));
            }
            (rest, first) = (behind, CONTINUATION);
        }
        frames.extend(frame(LAST | first, rest));
        (said, frames)
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        messages in prop::collection::vec(message(), 0..8),
        sizes in prop::collection::vec(1usize..40, 0..200),
    ) {
        let (said, frames): (Vec<Said>, Vec<Vec<u8>>) = messages.into_iter().unzip();
        let frames = frames.concat();
        let split = talk(&frames, &sizes);
        let said: Vec<_> = said.into_iter().map(Found::Frame).collect();
        prop_assert_eq!(&split.found, &said);
        prop_assert_eq!(split.replies, talk(&frames, &[]).replies);
    }

    #[test]
    fn what_one_end_says_the_other_hears(
        text in "\\PC{0,300}",
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        sizes in prop::collection::vec(1usize..40, 0..200),
    ) {
        let request = ClientRequest::new("h", "/").unwrap();
        let mut client = Client::new(&request, usize::MAX);
        let (mut server, mut up, mut down) = (server(), Vec::new(), BytesMut::new());
        let hello = client.replies().unwrap();
        feed::feed(&mut server, &hello, &[], |found| match found {
            Found::Frame(ServerFrame::Upgrade(upgrade)) => down.extend_from_slice(&upgrade.accept()),
            other => panic!("no upgrade: {other:?}"),
        });
        let long = vec![1; 70_000];
        let messages = [Message::Text(&text), Message::Binary(&bytes), Message::Ping(b"?"), Message::Binary(&long)];
        let mut masked = BytesMut::new();
        for message in messages {
            server.encode(message, &mut down).unwrap();
            if message != Message::Binary(&long) {
                client.encode(message, &mut masked).unwrap();
            }
        }
        up.extend_from_slice(&masked);
        let said = [Said::Text(text.clone()), Said::Binary(bytes.clone()), Said::Binary(long.clone())];
        let heard = feed::feed(&mut client, &down, &sizes, |found| match found {
            Found::Frame(ClientFrame::Open { protocol, .. }) => Said::Open(protocol.map(str::to_owned)),
            Found::Frame(ClientFrame::Message(message)) => Said::of(message),
            other => panic!("{other:?}"),
        });
        prop_assert_eq!(&heard.found[0], &Said::Open(None));
        prop_assert_eq!(&heard.found[1..], &said[..]);
        // The client's answer to the ping is masked, and the server understands it.
        up.extend_from_slice(&heard.replies);
        let heard = feed::feed(&mut server, &up, &sizes, |found| match found {
            Found::Frame(ServerFrame::Message(message)) => Said::of(message),
            other => panic!("{other:?}"),
        });
        let (pong, said) = (Said::Pong(b"?".to_vec()), &said[..2]);
        prop_assert_eq!(&heard.found, &[said, &[pong]].concat());
        prop_assert_eq!(heard.replies, &b"\x8A\x01?"[..]);
    }
}
