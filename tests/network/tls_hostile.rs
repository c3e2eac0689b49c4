//! What comes to a port that speaks TLS and is none: an alert or a close, and nobody else is harmed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use actor_net::{CloseReason, tls};

use crate::setup::{PATIENCE, Served, Setup, eventually};
use crate::tls_peer::{Made, Peer, trusting};
use crate::tls_setup::serve;

/// A fatal alert, in any version that may come before there are keys.
const ALERT: &[u8] = &[21, 3];

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The first hello of a client, as it goes over the wire.
fn hello(made: &Made) -> Vec<u8> {
    let config = trusting([made.cert.clone()]);
    let name = "localhost".try_into().unwrap();
    let mut client = tls::rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

fn is_served(served: &Served, made: &Made) {
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert.clone()]), "localhost");
    assert_eq!(peer.ask("served"), "served");
}

#[test]
fn garbage_is_answered_with_an_alert() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let mut oversized = vec![22, 3, 1, 0xff, 0xff];
    oversized.resize(100_000, 0);
    for garbage in [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), vec![0; 5000], vec![0xff; 5000], oversized]
    {
        let mut client = connect(&served);
        // The server may close before it has read all of it.
        let _ = client.write_all(&garbage);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert!(answer.starts_with(ALERT), "{answer:?}");
        assert!(matches!(served.events.closed(), CloseReason::Tls(_)));
    }
    is_served(&served, &made);
    eventually("the memory and the places are given back", || served.server.connections() == 0);
}

#[test]
fn records_that_were_tampered_with_are_an_end() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let mut peer = Peer::connect(served.server.local_addr(), trusting([made.cert.clone()]), "localhost");
    assert_eq!(peer.ask("hello"), "hello");
    peer.tls.conn.writer().write_all(b"what was said\n").unwrap();
    let mut record = Vec::new();
    peer.tls.conn.write_tls(&mut record).unwrap();
    *record.last_mut().unwrap() ^= 1;
    peer.tls.sock.write_all(&record).unwrap();
    let error = peer.tls.read(&mut [0]).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert!(matches!(served.events.closed(), CloseReason::Tls(_)));
    is_served(&served, &made);
}

#[test]
fn half_a_hello_is_given_so_long() {
    let (served, made) = serve(Setup::default(), |tls| tls.handshake_within(Duration::from_millis(300)));
    let hello = hello(&made);
    let mut half = connect(&served);
    half.write_all(&hello[..hello.len() / 2]).unwrap();
    let mut trickling = connect(&served);
    let trickle = std::thread::spawn(move || {
        // A byte now and then, for longer than the deadline: the server does not wait for more.
        for byte in hello.chunks(1) {
            if trickling.write_all(byte).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    for _ in 0..2 {
        match served.events.closed() {
            CloseReason::Tls(why) => assert!(why.contains("deadline"), "{why}"),
            why => panic!("closed for another reason: {why}"),
        }
    }
    assert_eq!(half.read_to_end(&mut Vec::new()).unwrap(), 0);
    trickle.join().unwrap();
    is_served(&served, &made);
}

#[test]
fn half_a_hello_and_an_end_is_no_more_than_that() {
    let (served, made) = serve(Setup::default(), |tls| tls);
    let hello = hello(&made);
    for cut in [0, 1, 5, 6, hello.len() - 1] {
        connect(&served).write_all(&hello[..cut]).unwrap();
        assert_eq!(served.events.closed(), CloseReason::Reset);
    }
    is_served(&served, &made);
}

#[test]
fn a_flood_of_hellos_leaves_others_served() {
    let (served, made) = serve(Setup::default(), |tls| tls.handshake_within(Duration::from_secs(8)));
    let mut other = Peer::connect(served.server.local_addr(), trusting([made.cert.clone()]), "localhost");
    assert_eq!(other.ask("hello"), "hello");
    let hello = hello(&made);
    // Each has the server compute keys, and never answers.
    let flood: Vec<_> = (0..400)
        .map(|_| {
            let mut client = connect(&served);
            client.write_all(&hello).unwrap();
            client
        })
        .collect();
    is_served(&served, &made);
    assert_eq!(other.ask("still served"), "still served");
    for _ in &flood {
        assert!(matches!(served.events.closed(), CloseReason::Tls(_) | CloseReason::Reset));
    }
    drop(flood);
    eventually("only the other is left", || served.server.connections() <= 1);
    assert_eq!(other.ask("still served"), "still served");
}
