//! How connections end: by either side, in good order or not, and what the actor hears of it.

use std::net::Shutdown;
use std::time::Duration;

use actor_net::{CloseReason, Drained, HalfClosed, Pressure};

use crate::setup::{Client, Event, Setup, eventually};

#[test]
fn a_half_closed_connection_can_be_written_to() {
    let setup = Setup { after_eof: HalfClosed::StayOpen, ..Setup::default() };
    let served = setup.serve();
    let (mut client, session) = served.connect_with_ref();
    client.send("last words\n");
    client.stream().shutdown(Shutdown::Write).unwrap();
    served.events.until(|event| matches!(event, Event::HalfClosed).then_some(()));
    session.deliver("an answer\n".into()).tell().unwrap();
    session.close().tell().unwrap();
    assert_eq!(client.rest(), "last words\nan answer\n");
    assert_eq!(served.events.closed(), CloseReason::Local);
}

#[test]
fn a_half_closed_peer_that_goes_away_is_noticed() {
    let setup = Setup { after_eof: HalfClosed::StayOpen, ..Setup::default() };
    let served = setup.serve();
    let client = served.connect();
    client.send("hello\n");
    client.stream().shutdown(Shutdown::Write).unwrap();
    served.events.until(|event| matches!(event, Event::HalfClosed).then_some(()));
    // The answer is there and not read: closing now makes the kernel send a reset.
    assert_eq!(client.stream().peek(&mut [0]).unwrap(), 1);
    drop(client);
    assert_eq!(served.events.closed(), CloseReason::Reset);
}

#[test]
fn a_reset_in_the_middle_of_a_write_is_told_to_the_actor() {
    let mut setup = Setup::default();
    setup.options = setup.options.cap(64 << 20);
    let served = setup.serve();
    let mut other = served.connect();
    let client = served.connect();
    client.send("big 30000000\n");
    // Some of it has come and is not read: closing now makes the kernel send a reset.
    assert_eq!(client.stream().peek(&mut [0]).unwrap(), 1);
    drop(client);
    assert_eq!(served.events.closed(), CloseReason::Reset);
    assert_eq!(served.events.stopped(), "normal");
    assert_eq!(other.ask("still served"), "still served");
}

#[test]
fn close_sends_what_is_queued_and_abort_does_not() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    client.send("close\nnever read\n");
    assert_eq!(client.rest(), "closing\n");
    assert_eq!(served.events.closed(), CloseReason::Local);

    let mut client = served.connect();
    client.send("abort\n");
    client.is_over();
    assert_eq!(served.events.closed(), CloseReason::Aborted);
    let lines = served.events.drain();
    assert!(!lines.iter().any(|event| matches!(event, Event::Line(line) if line == "never read")));
}

#[test]
fn nothing_can_be_written_after_the_end() {
    let setup = Setup { after_eof: HalfClosed::StayOpen, ..Setup::default() };
    let served = setup.serve();
    let (mut client, session) = served.connect_with_ref();
    session.close().tell().unwrap();
    // Either it is told so, or the actor has stopped already.
    if let Ok(pressure) = session.write("too late\n".into()).wait() {
        assert_eq!(pressure, Pressure::Closed);
    }
    assert_eq!(client.rest(), "");
}

#[test]
fn a_panic_closes_the_socket_of_its_actor_and_no_other() {
    let served = Setup::default().serve();
    let mut other = served.connect();
    assert_eq!(other.ask("hello"), "hello");
    let mut client = served.connect();
    client.send("panic\n");
    client.is_over();
    assert_eq!(served.events.stopped(), "panicked: told to");
    eventually("its place is free", || served.server.connections() == 1);
    assert_eq!(other.ask("still served"), "still served");
}

#[test]
fn draining_lets_every_session_say_goodbye() {
    let served = Setup { goodbye: "bye\n", ..Setup::default() }.serve();
    let addr = served.server.local_addr();
    let mut clients: Vec<Client> = (0..50).map(|_| served.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    let reading = std::thread::spawn(move || {
        for mut client in clients {
            assert_eq!(client.rest(), "bye\n");
        }
    });
    let drained = served.server.drain(Duration::from_secs(10));
    assert_eq!(drained, Drained { open: 50, late: 0 });
    reading.join().unwrap();
    assert!(std::net::TcpStream::connect(addr).is_err());
    assert_eq!(served.server.connections(), 0);
}

#[test]
fn shutting_the_system_down_lets_every_session_say_goodbye() {
    let served = Setup { goodbye: "bye\n", ..Setup::default() }.serve();
    let mut clients: Vec<Client> = (0..50).map(|_| served.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    let reading = std::thread::spawn(move || {
        for mut client in clients {
            assert_eq!(client.rest(), "bye\n");
        }
    });
    let report = served.system.shutdown();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(served.events.stopped(), "shutdown");
    reading.join().unwrap();
    assert_eq!(served.server.connections(), 0);
}

#[test]
fn a_peer_that_does_not_read_holds_up_the_end_only_so_long() {
    let mut setup = Setup::default();
    setup.options = setup.options.cap(64 << 20).flush_within(Duration::from_millis(100));
    let served = setup.serve();
    let client = served.connect();
    client.send("big 30000000\nclose\n");
    assert_eq!(served.events.closed(), CloseReason::Local);
    eventually("it is cut off", || served.server.connections() == 0);
}

#[test]
fn a_stopping_actor_sends_what_it_has_written() {
    let served = Setup { goodbye: "bye\n", ..Setup::default() }.serve();
    let mut client = served.connect();
    client.send("hello\nstop\n");
    assert_eq!(client.rest(), "hello\nbye\n");
}
