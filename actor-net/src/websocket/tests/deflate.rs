//! Compressed messages: what is agreed on, and what comes of it.

use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::websocket::{Client, ClientFrame, ClientRequest, Deflate, Deflater, Terms};

const COMPRESSED: u8 = 0x40;

/// What a server answers to these offers, and the terms.
fn answer(deflate: Deflate, offers: &[&str]) -> Option<(String, Terms)> {
    let mut request = UPGRADE.to_owned();
    for offer in offers {
        request.push_str(&format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    }
    request.push_str("\r\n");
    let mut server = server().deflate(deflate);
    let mut found = None;
    feed::feed(&mut server, request.as_bytes(), &[], |frame| match frame {
        Found::Frame(ServerFrame::Upgrade(upgrade)) => {
            let terms = upgrade.deflate();
            let response = String::from_utf8(upgrade.accept().to_vec()).expect("text");
            let answer = response.split_once("Sec-WebSocket-Extensions: ");
            let answer = answer.map(|(_, rest)| rest.trim_end().to_owned());
            assert_eq!(answer.is_some(), terms.is_some());
            found = answer.zip(terms);
        }
        other => panic!("{other:?}"),
    });
    found
}

#[test]
fn a_server_agrees_to_the_first_offer_that_it_can_meet() {
    let (alone, with) = (Deflate::new(), Deflate::new().contexts(true));
    let forgets = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (deflate, offers, expected) in [
        (alone, &[][..], None),
        (alone, &["x-other"], None),
        (alone, &["permessage-deflate"], Some(forgets)),
        (with, &["permessage-deflate"], Some("permessage-deflate")),
        (with, &["permessage-deflate; client_max_window_bits"], Some("permessage-deflate")),
        (with, &["permessage-deflate; client_max_window_bits=10"], Some("permessage-deflate")),
        (with, &[forgets], Some(forgets)),
        (
            with,
            &["x; a=b, permessage-deflate ; server_max_window_bits = \"10\""],
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        // What cannot be met is passed over.
        (
            with,
            &["permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=9"],
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (with, &["permessage-deflate; server_max_window_bits"], None),
        (with, &["permessage-deflate; server_max_window_bits=16"], None),
        (with, &["permessage-deflate; server_max_window_bits=010"], None),
        (with, &["permessage-deflate; server_no_context_takeover=1"], None),
        (with, &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"], None),
        (with, &["permessage-deflate; unknown"], None),
    ] {
        let found = answer(deflate, offers);
        assert_eq!(found.map(|(answer, _)| answer).as_deref(), expected, "{offers:?}");
    }
    let silent = serve(
        server(),
        format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").as_bytes(),
        &[],
        &[],
    );
    assert!(!silent.replies.windows(10).any(|bytes| bytes == b"Extensions"));
}

/// What a client makes of a server's answer.
fn agreed(deflate: Option<Deflate>, extensions: &str) -> Result<Option<Terms>, Error> {
    let mut request = ClientRequest::new("h", "/").expect("a request");
    if let Some(deflate) = deflate {
        request = request.deflate(deflate);
    }
    let mut client = Client::new(&request, MAX);
    let sent = String::from_utf8(client.replies().expect("a request").to_vec()).expect("text");
    assert_eq!(sent.contains("permessage-deflate"), deflate.is_some());
    let (_, key) = sent.split_once("Sec-WebSocket-Key: ").expect("a key");
    let accept = super::super::handshake::accept(key.trim_end().as_bytes());
    let accept = std::str::from_utf8(&accept).expect("text");
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let response = format!("{head}Sec-WebSocket-Accept: {accept}\r\n{extensions}\r\n");
    let mut fed = feed::feed(&mut client, response.as_bytes(), &[], |found| match found {
        Found::Frame(ClientFrame::Open { deflate, .. }) => Ok(deflate),
        Found::Fatal(error) => Err(error),
        other => panic!("{other:?}"),
    });
    fed.found.remove(0)
}

#[test]
fn a_client_takes_what_it_has_offered_and_nothing_else() {
    let answer = |extension: &str| format!("Sec-WebSocket-Extensions: {extension}\r\n");
    let (alone, with) = (Some(Deflate::new()), Some(Deflate::new().contexts(true)));
    assert_eq!(agreed(with, ""), Ok(None));
    assert!(agreed(with, &answer("permessage-deflate")).unwrap().is_some());
    assert!(agreed(with, &answer("permessage-deflate; client_max_window_bits=9")).unwrap().is_some());
    assert!(agreed(alone, &answer("permessage-deflate; server_no_context_takeover")).unwrap().is_some());
    for (offered, wrong) in [
        (None, "permessage-deflate"),
        (alone, "permessage-deflate"),
        (with, "x-other"),
        (with, "permessage-deflate, permessage-deflate"),
        (with, "permessage-deflate; client_max_window_bits"),
        (with, "permessage-deflate; client_max_window_bits=8"),
        (with, "permessage-deflate; server_max_window_bits=7"),
        (with, "permessage-deflate; what"),
    ] {
        assert!(matches!(agreed(offered, &answer(wrong)), Err(Error::Handshake(_))), "{wrong}");
    }
}

/// Both ends of a WebSocket that compresses: the codec of a server that has accepted, and what compresses for it.
fn both(deflate: Deflate, max: usize) -> (Server, Deflater) {
    let request = ClientRequest::new("h", "/").expect("a request").deflate(deflate);
    let mut client = Client::new(&request, max);
    let mut server = Server::new(http::Server::new(0), max).deflate(deflate);
    let mut response = Vec::new();
    feed_once(&mut server, &client.replies().expect("a request"), |found| match found {
        ServerFrame::Upgrade(upgrade) => response.extend_from_slice(&upgrade.accept()),
        other => panic!("{other:?}"),
    });
    let mut terms = None;
    feed_once(&mut client, &response, |found| match found {
        ClientFrame::Open { deflate, .. } => terms = deflate,
        other => panic!("{other:?}"),
    });
    (server, terms.expect("they agree").deflater())
}

fn feed_once<C: Codec>(codec: &mut C, bytes: &[u8], frame: impl FnOnce(C::Frame<'_>)) {
    match codec.decode(&mut bytes.to_vec(), false) {
        crate::Decoded::Frame { frame: found, used } => {
            assert_eq!(used, bytes.len());
            frame(found);
        }
        _ => panic!("no frame"),
    }
}

fn hear(server: &mut Server, stream: &[u8], sizes: &[usize]) -> Fed<Found<Said, Error>> {
    feed::feed(server, stream, sizes, |found| match found {
        Found::Frame(ServerFrame::Message(message)) => Found::Frame(Said::of(message)),
        Found::Frame(other) => panic!("{other:?}"),
        Found::Refused(error) => Found::Refused(error),
        Found::Fatal(error) => Found::Fatal(error),
        Found::End => Found::End,
    })
}

#[test]
fn what_may_refer_to_what_was_said_before_is_shorter() {
    let text = "a sentence that says the same as the one before, word for word";
    for (contexts, shorter) in [(false, false), (true, true)] {
        let (mut server, mut deflater) = both(Deflate::new().contexts(contexts), MAX);
        let [first, second] = [(); 2].map(|()| deflater.encode(Message::Text(text)).unwrap());
        assert_eq!(second.len() < first.len() / 2, shorter);
        assert_eq!(first[0], LAST | COMPRESSED | TEXT);
        let fed = hear(&mut server, &[first, second].concat(), &[]);
        assert_eq!(fed.found, [Said::text(text), Said::text(text)]);
    }
}

#[test]
fn a_bomb_is_refused_when_the_maximum_is_reached() {
    const MOST: usize = 100_000;
    for contexts in [false, true] {
        let (mut server, mut deflater) = both(Deflate::new().contexts(contexts), MOST);
        let fits = deflater.encode(Message::Binary(&vec![7; MOST])).unwrap();
        assert_eq!(hear(&mut server, &fits, &[]).found, [Found::Frame(Said::Binary(vec![7; MOST]))]);
        let over = deflater.encode(Message::Binary(&vec![7; MOST + 1])).unwrap();
        assert_eq!(hear(&mut server, &over, &[]).found, [Found::Fatal(Error::TooLong { limit: MOST })]);

        let (mut server, mut deflater) = both(Deflate::new().contexts(contexts), MOST);
        let bomb = deflater.encode(Message::Binary(&vec![0; 64 << 20])).unwrap();
        assert!(bomb.len() < 1 << 20);
        let fed = hear(&mut server, &bomb, &[1000; 1000]);
        assert_eq!(fed.found, [Found::Fatal(Error::TooLong { limit: MOST })]);
        let reason = Error::TooLong { limit: MOST }.to_string();
        assert_eq!(fed.replies, closes(1009, &reason));
        // It was noticed before all of it had come, and nothing of it is kept but what is inflated.
        assert!(fed.kept <= 1000);
    }
}

#[test]
fn what_is_not_as_it_says_is_refused() {
    for (frames, error) in [
        (
            frame(LAST | COMPRESSED | BINARY, &[0xFF; 20]),
            Error::Protocol("a message is not compressed as it says"),
        ),
        (
            [frame(TEXT, b"a"), frame(LAST | COMPRESSED | CONTINUATION, b"b")].concat(),
            Error::Protocol("a reserved bit is set"),
        ),
        (frame(COMPRESSED | PING, b""), Error::Protocol("a reserved bit is set")),
        (frame(LAST | 0x20 | TEXT, b""), Error::Protocol("a reserved bit is set")),
        // "\xFF", compressed.
        (frame(LAST | COMPRESSED | TEXT, &[0xFA, 0x0F, 0x00]), Error::InvalidUtf8),
    ] {
        let (mut server, _) = both(Deflate::new(), MAX);
        assert_eq!(hear(&mut server, &frames, &[]).found, [Found::Fatal(error)]);
    }
    // The examples of RFC 7692, 7.2.3: in two fragments, in blocks that are stored, and with a last block that says so.
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    for frames in [
        frame(LAST | COMPRESSED | TEXT, &hello),
        [frame(COMPRESSED | TEXT, &hello[..3]), frame(LAST | CONTINUATION, &hello[3..])].concat(),
        frame(LAST | COMPRESSED | TEXT, b"\x00\x05\x00\xFA\xFFHello\x00"),
        frame(LAST | COMPRESSED | TEXT, b"\xF3\x48\xCD\xC9\xC9\x07\x00\x00"),
        frame(LAST | COMPRESSED | TEXT, b"\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00"),
    ] {
        let (mut server, _) = both(Deflate::new(), MAX);
        let twice = [&frames[..], &frames[..]].concat();
        assert_eq!(hear(&mut server, &twice, &[]).found, [Said::text("Hello"), Said::text("Hello")]);
    }
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        "(abc|[a-z ]{0,8}|\\PC){0,60}".prop_map(Said::Text),
        prop::collection::vec(0u8..4, 0..300).prop_map(Said::Binary),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Said::Binary),
    ]
}

proptest! {
    #[test]
    fn what_is_compressed_is_heard_however_it_is_cut(
        says in prop::collection::vec(said(), 1..10),
        contexts in any::<bool>(),
        sizes in prop::collection::vec(1usize..200, 0..40),
    ) {
        let (mut server, mut deflater) = both(Deflate::new().contexts(contexts), 4000);
        let frames = says.iter().map(|said| {
            deflater.encode(match said {
                Said::Text(text) => Message::Text(text),
                Said::Binary(bytes) => Message::Binary(bytes),
                other => panic!("{other:?}"),
            })
        });
        let stream = frames.collect::<Result<Vec<_>, _>>().unwrap().concat();
        let fed = hear(&mut server, &stream, &sizes);
        prop_assert_eq!(fed.found, says.into_iter().map(Found::Frame).collect::<Vec<_>>());
        prop_assert!(fed.replies.is_empty());
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (mut server, _) = both(Deflate::new(), 4000);
        let fed = hear(&mut server, &frame(LAST | COMPRESSED | BINARY, &bytes), &[]);
        prop_assert_eq!(fed.found.len(), 1);
    }
}
