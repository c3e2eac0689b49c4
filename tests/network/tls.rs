//! TLS over real sockets, against rustls with its own buffers at the other end: certificates, the ends of
//! streams, keys, and pressure.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use actor_net::tls::rustls::{self, ClientConfig, ProtocolVersion};
use actor_net::tls::{self, Certificates, Error};
use actor_net::{Bytes, CloseReason, HalfClosed, Options, Pressure};
use proptest::prelude::*;

use crate::setup::{Event, Served, SessionRef, Setup, eventually};
use crate::tls_peer::{Made, Peer, make, trusting};
use crate::tls_setup::{serve, serve_with};

/// One that speaks only this version.
fn only(version: &'static rustls::SupportedProtocolVersion, made: &Made) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.clone()).unwrap();
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The session of a peer that has said something, if no other does at the same time.
fn opened(served: &Served) -> SessionRef {
    served.events.until(|event| match event {
        Event::Opened(session) => Some(session),
        _ => None,
    })
}

#[test]
fn lines_go_both_ways_in_either_version() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    for (version, number) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut peer = Peer::connect(served.server.local_addr(), only(version, &made), "localhost");
        assert_eq!(peer.ask("hello"), "hello");
        assert_eq!(peer.tls.conn.protocol_version(), Some(number));
        peer.send("big 3000000\n");
        let mut big = vec![0; 3_000_000];
        peer.tls.read_exact(&mut big).unwrap();
        assert!(big.iter().all(|byte| *byte == b'x'));
        assert_eq!(peer.ask("still there"), "still there");
    }
}

#[test]
fn a_session_is_resumed() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let config = trusting([made.cert]);
    for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let mut peer = Peer::connect(served.server.local_addr(), config.clone(), "localhost");
        assert_eq!(peer.ask("hello"), "hello");
        assert_eq!(peer.tls.conn.handshake_kind(), Some(kind));
    }
}

#[test]
fn a_protocol_is_agreed_on_or_none() {
    let (served, made) = serve(Setup::default(), |tls| tls.alpn(["lines", "http/1.1"]));
    let mut config = trusting([made.cert]);
    let addr = served.server.local_addr();
    assert_eq!(Peer::connect(addr, config.clone(), "localhost").ask("none"), "none");
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"lines".to_vec()];
    let mut peer = Peer::connect(addr, config.clone(), "localhost");
    assert_eq!(peer.ask("hello"), "hello");
    assert_eq!(peer.tls.conn.alpn_protocol(), Some(&b"lines"[..]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut peer = Peer::connect(addr, config, "localhost");
    let error = peer.tls.read(&mut [0]).unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    served.events.until(|event| matches!(event, Event::Closed(CloseReason::Tls(_))).then_some(()));
}

#[test]
fn who_asks_for_a_name_gets_its_certificate() {
    let (one, many, rest) =
        (make(&["one.example"]), make(&["*.many.example", "TWO.example"]), make(&["rest"]));
    let all = [&rest, &one, &many];
    let certificates = Certificates::new(all.map(|made| made.identity.clone())).unwrap();
    assert_eq!(many.identity.names(), ["*.many.example", "two.example"]);
    let served = serve_with(Setup::default(), &tls::Server::new(&certificates));
    let config = trusting(all.map(|made| made.cert.clone()));
    for (name, made) in
        [("one.example", &one), ("a.many.example", &many), ("two.example", &many), ("rest", &rest)]
    {
        let mut peer = Peer::connect(served.server.local_addr(), config.clone(), name);
        assert_eq!(peer.ask("hello"), "hello");
        assert_eq!(peer.tls.conn.peer_certificates().unwrap()[0], made.cert);
    }
    // Who asks for none, or for one that is not there, gets the first, and may not like it.
    for name in ["127.0.0.1", "a.b.many.example", "three.example"] {
        let mut peer = Peer::connect(served.server.local_addr(), config.clone(), name);
        let error = peer.tls.read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}

#[test]
fn new_certificates_are_for_new_handshakes() {
    let (old, new) = (make(&["localhost"]), make(&["localhost"]));
    let certificates = Certificates::new([old.identity.clone()]).unwrap();
    let served = serve_with(Setup::default(), &tls::Server::new(&certificates));
    let addr = served.server.local_addr();
    let mut before = Peer::connect(addr, trusting([old.cert.clone()]), "localhost");
    assert_eq!(before.ask("hello"), "hello");
    certificates.replace([new.identity]).unwrap();
    assert_eq!(certificates.replace([]), Err(Error::NoCertificate));
    let mut after = Peer::connect(addr, trusting([new.cert.clone()]), "localhost");
    assert_eq!(after.ask("hello"), "hello");
    assert_eq!(after.tls.conn.peer_certificates().unwrap()[0], new.cert);
    assert_eq!(before.ask("still there"), "still there");
    assert!(Peer::connect(addr, trusting([old.cert]), "localhost").tls.read(&mut [0]).is_err());
}

#[test]
fn both_sides_say_that_they_close() {
    let (served, made) = serve(Setup { goodbye: "bye\n", ..Setup::default() }, |tls| tls);
    let addr = served.server.local_addr();
    // The server first.
    let mut peer = Peer::connect(addr, trusting([made.cert.clone()]), "localhost");
    assert_eq!(peer.ask("close"), "closing");
    assert_eq!(peer.rest(), b"");
    assert_eq!(served.events.closed(), CloseReason::Local);
    // The peer first, with something on the way.
    let mut peer = Peer::connect(addr, trusting([made.cert]), "localhost");
    peer.send("one\ntwo\n");
    peer.close();
    assert_eq!(peer.rest(), b"one\ntwo\n");
    assert_eq!(served.events.closed(), CloseReason::Eof);
}

#[test]
fn half_of_a_connection_goes_on_with_writes_pending() {
    let (served, made) = serve(Setup { after_eof: HalfClosed::StayOpen, ..Setup::default() }, |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    peer.send("big 900000\n");
    let session = opened(&served);
    peer.close();
    served.events.until(|event| matches!(event, Event::HalfClosed).then_some(()));
    session.deliver(Bytes::from_static(b"and more")).tell().unwrap();
    session.close().tell().unwrap();
    let rest = peer.rest();
    assert_eq!(rest.len(), 900_000 + "and more".len());
    assert!(rest.ends_with(b"xand more"));
}

#[test]
fn an_end_that_nobody_has_announced_is_a_reset() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert.clone()]), "localhost");
    assert_eq!(peer.ask("hello"), "hello");
    peer.send("half a line");
    peer.tls.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(served.events.closed(), CloseReason::Reset);
    // And an actor that fails announces nothing: what it was about to say is not to be taken for whole.
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    peer.send("panic\n");
    let error = peer.tls.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn keys_are_changed_on_the_way() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    for round in 0..5 {
        assert_eq!(peer.ask("hello"), "hello");
        peer.tls.conn.refresh_traffic_keys().unwrap();
        peer.send(format!("big 100000\nround {round}\n"));
        let mut big = vec![0; 100_000];
        peer.tls.read_exact(&mut big).unwrap();
        assert_eq!(peer.line(), format!("round {round}"));
    }
}

#[test]
fn who_does_not_read_is_a_slow_consumer() {
    let setup = Setup { options: Options::new().cap(256 << 10), ..Setup::default() };
    let (served, made) = serve(setup, |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    peer.send("x\n");
    let session = opened(&served);
    let chunk = Bytes::from(vec![b'y'; 64 << 10]);
    let mut most = 0;
    let closed = (0..2000).any(|_| {
        most = most.max(session.queued().wait().unwrap_or(0));
        !matches!(session.write(chunk.clone()).wait(), Ok(Pressure::Low | Pressure::High))
    });
    assert!(closed, "the cap does not hold");
    assert!(most > 0 && most <= (256 + 66) << 10, "{most} bytes were queued");
    assert!(matches!(served.events.closed(), CloseReason::SlowConsumer { .. }));
}

#[test]
fn who_reads_late_gets_all_of_it_and_the_actor_hears_of_room() {
    let setup = Setup { options: Options::new().cap(64 << 20), ..Setup::default() };
    let (served, made) = serve(setup, |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    peer.send("big 20000000\nend\n");
    served.events.until(|event| matches!(event, Event::Line(line) if line == "end").then_some(()));
    let mut big = vec![0; 20_000_000];
    peer.tls.read_exact(&mut big).unwrap();
    assert!(big.iter().all(|byte| *byte == b'x'));
    assert_eq!(peer.line(), "end");
    served.events.until(|event| matches!(event, Event::Writable).then_some(()));
}

#[test]
fn a_server_that_stops_lets_its_connections_finish() {
    let (served, made) = serve(Setup { goodbye: "bye\n", ..Setup::default() }, |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert]), "localhost");
    assert_eq!(peer.ask("hello"), "hello");
    served.server.stop();
    assert_eq!(peer.rest(), b"bye\n");
    drop(peer);
    eventually("no connection is left", || served.server.connections() == 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Records of any size, sent in pieces of any size, with several of them in one read or one in several.
    #[test]
    fn records_may_be_cut_anywhere(lines in prop::collection::vec(0usize..1000, 1..40), cut in 1usize..700) {
        let (served, made) = serve(Setup::default(), |tls| tls);
        let mut config = trusting([made.cert]);
        config.max_fragment_size = Some(300);
        let mut peer = Peer::connect(served.server.local_addr(), config, "localhost");
        assert_eq!(peer.ask("hello"), "hello");
        let lines: Vec<_> = lines.into_iter().map(|n| format!("{n:n$}\n")).collect();
        peer.tls.conn.writer().write_all(lines.concat().as_bytes()).unwrap();
        let mut records = Vec::new();
        while peer.tls.conn.wants_write() {
            peer.tls.conn.write_tls(&mut records).unwrap();
        }
        for piece in records.chunks(cut) {
            peer.tls.sock.write_all(piece).unwrap();
        }
        for line in &lines {
            prop_assert_eq!(&format!("{}\n", peer.line()), line);
        }
    }
}
