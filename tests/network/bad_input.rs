//! What no client should send gets a clear answer or a close, and harms nobody else.

use std::io::Write;
use std::net::Shutdown;

use actor_net::{CloseReason, LineError, Options};

use crate::setup::{Event, MAX_LINE, Setup, eventually};

#[test]
fn a_line_without_end_is_answered_and_closed() {
    let served = Setup::default().serve();
    let mut other = served.connect();
    let mut client = served.connect();
    let stream = client.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        // The server stops listening at some point; that is what is tested.
        let _ = (&stream).write_all(&vec![b'x'; 10 << 20]);
        let _ = stream.shutdown(Shutdown::Write);
    });
    let error = LineError::TooLong { limit: MAX_LINE };
    assert_eq!(client.rest(), format!("error: {error}\n"));
    writing.join().unwrap();
    assert_eq!(served.events.closed(), CloseReason::Protocol(error.to_string()));
    assert_eq!(other.ask("still served"), "still served");
}

#[test]
fn bad_lines_are_answered_and_the_next_is_read() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    client.send(b"a\xff\nb\0\nfine\n");
    let utf8 = LineError::InvalidUtf8 { at: 1 };
    let nul = LineError::Nul { at: 1 };
    assert_eq!(client.line(), Some(format!("error: {utf8}")));
    assert_eq!(client.line(), Some(format!("error: {nul}")));
    assert_eq!(client.line().as_deref(), Some("fine"));
    for expected in [utf8, nul] {
        let refused = served.events.until(|event| match event {
            Event::Refused(error) => Some(error),
            _ => None,
        });
        assert_eq!(refused, expected);
    }
}

#[test]
fn half_a_line_and_an_end_is_answered_and_closed() {
    let served = Setup::default().serve();
    let mut client = served.connect();
    client.send("whole\nhalf");
    client.stream().shutdown(Shutdown::Write).unwrap();
    let error = LineError::Truncated { bytes: 4 };
    assert_eq!(client.rest(), format!("whole\nerror: {error}\n"));
    assert_eq!(served.events.closed(), CloseReason::Eof);
}

#[test]
fn a_half_close_with_writes_pending_loses_none_of_them() {
    const BIG: usize = 20_000_000;
    let setup = Setup { options: Options::new().cap(2 * BIG), ..Setup::default() };
    let served = setup.serve();
    let (mut client, mut other) = (served.connect(), served.connect());
    client.send(format!("big {BIG}\n"));
    client.stream().shutdown(Shutdown::Write).unwrap();
    served.events.until(|event| matches!(event, Event::HalfClosed).then_some(()));
    assert_eq!(other.ask("still served"), "still served");
    let rest = client.rest_bytes();
    assert!(rest.len() == BIG && rest.iter().all(|byte| *byte == b'x'), "{} bytes came", rest.len());
    assert_eq!(served.events.closed(), CloseReason::Eof);
    assert_eq!(served.server.ends().eof, 1);
    eventually("it has ended", || served.server.connections() == 1);
}

#[test]
fn resets_before_they_are_accepted_do_no_harm() {
    let served = Setup::default().serve();
    for _ in 0..100 {
        let stream = std::net::TcpStream::connect(served.server.local_addr()).unwrap();
        let _ = (&stream).write_all(b"hello\n");
        // Unread answers make the kernel send a reset, if it is closed before the server sees it or after.
        drop(stream);
    }
    assert_eq!(served.connect().ask("still served"), "still served");
    eventually("they have ended", || served.server.connections() == 0);
    let ends = served.server.ends();
    assert_eq!(ends.eof + ends.broken, served.server.accepted());
}
