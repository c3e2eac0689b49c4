//! Lines go through a socket, whole or in pieces, one client or many.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::setup::{Client, Event, Setup, eventually};

#[test]
fn a_line_comes_back() {
    let served = Setup::default().serve();
    assert_eq!(served.connect().ask("hello"), "hello");
}

#[test]
fn both_kinds_of_line_ends_are_understood() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    client.send("one\r\ntwo\n");
    assert_eq!(client.line().as_deref(), Some("one"));
    assert_eq!(client.line().as_deref(), Some("two"));
}

#[test]
fn a_frame_may_come_in_pieces() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    for byte in "grüße\r\n".as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(client.line().as_deref(), Some("grüße"));
    // Half a line behind a whole one, then the rest.
    client.send("first\nsec");
    assert_eq!(client.line().as_deref(), Some("first"));
    client.send("ond\n");
    assert_eq!(client.line().as_deref(), Some("second"));
}

#[test]
fn many_frames_in_one_piece_are_all_handed_on_in_order() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    let lines: String = (0..20_000).map(|i| format!("{i}\n")).collect();
    let writer = client.stream().try_clone().unwrap();
    let sent = lines.clone();
    let writing = std::thread::spawn(move || (&writer).write_all(sent.as_bytes()).unwrap());
    for i in 0..20_000 {
        assert_eq!(client.line(), Some(i.to_string()));
    }
    writing.join().unwrap();
}

#[test]
fn what_is_larger_than_the_socket_takes_arrives_whole() {
    let mut setup = Setup::default();
    setup.options = setup.options.cap(32 << 20);
    let served = setup.serve();
    let mut client = served.connect();
    client.send("big 20000000\nclose\n");
    let rest = client.rest();
    assert_eq!(rest.len(), 20_000_000 + "closing\n".len());
    assert!(rest.ends_with("xclosing\n"));
}

#[test]
fn silent_connections_do_not_disturb_the_others() {
    let served = Setup::default().serve();
    let silent: Vec<Client> = (0..300).map(|_| served.connect()).collect();
    let mut client = served.connect();
    assert_eq!(client.ask("hello"), "hello");
    eventually("all are connected", || served.server.connections() == 301);
    drop(silent);
    eventually("all are gone", || served.server.connections() == 1);
    assert_eq!(client.ask("still here"), "still here");
}

#[test]
fn an_async_handler_writes_while_it_waits_and_frames_wait_for_it() {
    let served = Setup::default().serve();
    let (mut client, session) = served.connect_with_ref();
    let open = Arc::new(AtomicBool::new(false));
    session.hold(open.clone()).tell().unwrap();
    assert_eq!(client.line().as_deref(), Some("before"));
    client.send("during\n");
    assert!(served.events.drain().is_empty());
    open.store(true, Ordering::Relaxed);
    assert_eq!(client.line().as_deref(), Some("after"));
    assert_eq!(client.line().as_deref(), Some("during"));
}

#[test]
fn the_actor_hears_in_order() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    client.send("a\nb\n");
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "a\nb\n");
    served.events.until(|event| matches!(event, Event::Opened(_)).then_some(()));
    for expected in ["Line(\"a\")", "Line(\"b\")", "HalfClosed", "Closed(Eof)", "Stopped(\"normal\")"] {
        let next = served.events.until(Some);
        assert_eq!(format!("{next:?}"), expected);
    }
}
