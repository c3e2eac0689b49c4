//! Connections that our side makes.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;

use actor_net::{Client, CloseReason};

use crate::setup::{Event, Setup};

#[test]
fn a_client_talks_to_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let system = actor_net::builder().workers(2).build().unwrap();
    let (make, events) = Setup::default().sessions();
    let session = Client::connect(listener.local_addr().unwrap()).spawn(&system, make).unwrap();
    // Written before there is a connection; sent when there is.
    session.deliver("early\n".into()).tell().unwrap();
    let (stream, _) = listener.accept().unwrap();
    events.until(|event| matches!(event, Event::Opened(_)).then_some(()));
    let mut read = BufReader::new(&stream);
    let mut line = String::new();
    read.read_line(&mut line).unwrap();
    assert_eq!(line, "early\n");
    (&stream).write_all(b"hello\n").unwrap();
    line.clear();
    read.read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    drop(stream);
    assert_eq!(events.closed(), CloseReason::Eof);
    assert!(session.monitor().wait().reason.is_normal());
}

#[test]
fn a_refused_connection_is_told_to_the_actor() {
    // Bound and gone: nobody listens there now.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let system = actor_net::builder().workers(2).build().unwrap();
    let (make, events) = Setup::default().sessions();
    let session = Client::connect(addr).spawn(&system, make).unwrap();
    match events.closed() {
        CloseReason::ConnectFailed { kind, .. } => assert_eq!(kind, ErrorKind::ConnectionRefused),
        why => panic!("closed for another reason: {why}"),
    }
    assert!(session.monitor().wait().reason.is_normal());
}

#[test]
fn a_client_in_a_system_without_sockets_is_told_what_to_do() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let system = actor_core::System::builder().workers(1).build().unwrap();
    let (make, events) = Setup::default().sessions();
    let _session = Client::connect(addr).spawn(&system, make).unwrap();
    let why = events.closed().to_string();
    assert!(why.contains("actor_net::builder()"), "{why}");
}
