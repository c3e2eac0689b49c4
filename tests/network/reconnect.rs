//! Clients that connect again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use actor_core::System;
use actor_net::{Client, Down, Kept, Reconnect};

use crate::setup::{Session, Setup, eventually};

fn reconnect(addr: SocketAddr) -> Reconnect {
    Client::connect(addr).reconnect(Duration::from_millis(1)..Duration::from_millis(20))
}

fn spawn(reconnect: Reconnect, system: &System) -> Kept<Session> {
    reconnect.spawn(system, Setup::default().sessions().0).unwrap()
}

fn system() -> System {
    actor_net::builder().workers(2).build().unwrap()
}

/// Where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Has the connection say a line.
fn say(kept: &Kept<Session>, line: &'static str) -> Result<(), Down> {
    kept.run(move |session| drop(session.deliver(line.into()).tell()))
}

fn line(read: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    read.read_line(&mut line).unwrap();
    line
}

fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    BufReader::new(listener.accept().unwrap().0)
}

#[test]
fn a_connection_that_is_lost_is_made_again() {
    let (listener, system) = (TcpListener::bind("127.0.0.1:0").unwrap(), system());
    let kept = spawn(reconnect(listener.local_addr().unwrap()), &system);
    // By its peer, by an error of its protocol, and by a panic of its actor.
    for end in ["", "stop\n", "panic\n"] {
        let mut peer = accept(&listener);
        eventually("it is up", || kept.get().is_ok());
        say(&kept, "hello\n").unwrap();
        assert_eq!(line(&mut peer), "hello\n");
        peer.get_mut().write_all(end.as_bytes()).unwrap();
        if !end.is_empty() {
            let _ = peer.read_to_end(&mut Vec::new());
        }
    }
    let _peer = accept(&listener);
}

#[test]
fn while_it_is_down_errands_are_refused_with_a_word_about_it() {
    let (addr, system) = (nowhere(), system());
    let kept = spawn(reconnect(addr), &system);
    let down = say(&kept, "anybody?\n").unwrap_err();
    assert_eq!((&down.peer, down.waiting), (&addr.into(), 0));
    assert!(down.to_string().contains("is down"), "{down}");
    assert!(kept.get().is_err());
    let listener = TcpListener::bind(addr).unwrap();
    let _peer = accept(&listener);
    eventually("it is up", || say(&kept, "back\n").is_ok());
}

#[test]
fn errands_wait_if_they_may_and_run_in_their_order() {
    let (addr, system) = (nowhere(), system());
    let kept = spawn(reconnect(addr).queue_while_down(3), &system);
    for line in ["one\n", "two\n", "three\n"] {
        say(&kept, line).unwrap();
    }
    assert_eq!(say(&kept, "four\n").unwrap_err().waiting, 3);
    assert_eq!(kept.waiting(), 3);
    let listener = TcpListener::bind(addr).unwrap();
    let mut peer = accept(&listener);
    assert_eq!([line(&mut peer), line(&mut peer), line(&mut peer)], ["one\n", "two\n", "three\n"]);
    eventually("it is up for all", || kept.get().is_ok());
    say(&kept, "five\n").unwrap();
    assert_eq!(line(&mut peer), "five\n");
}

#[test]
fn one_that_is_stopped_stays_away() {
    let (listener, system) = (TcpListener::bind("127.0.0.1:0").unwrap(), system());
    let kept = spawn(reconnect(listener.local_addr().unwrap()).queue_while_down(9), &system);
    let mut peer = accept(&listener);
    eventually("it is up", || kept.get().is_ok());
    let monitor = kept.monitor();
    kept.stop();
    assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 0);
    drop(peer);
    let _ = monitor.wait();
    assert!(kept.get().is_err() && say(&kept, "late\n").is_err());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it has connected again");
}
