//! Peers that do what no client should. Each is answered or closed, harms nobody else, and leaves
//! nothing behind.

use std::cell::Cell;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat::Options;

use crate::chat_support::{Client, eventually, options, start};

/// How long one may be without a name here.
pub(crate) const LOGIN: Duration = Duration::from_millis(500);

/// Everything that is bad, once.
pub(crate) fn all_that_is_bad(addr: SocketAddr) {
    a_line_without_end(addr);
    no_text(addr);
    half_a_line(addr);
    for _ in 0..10 {
        a_reset_while_written_to(addr);
    }
    silence(addr, 500);
}

fn a_line_without_end(addr: SocketAddr) {
    let mut client = Client::connect(addr);
    let stream = client.stream().try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || {
        // At some point the server stops listening.
        let _ = (&stream).write_all(&vec![b'x'; 10 << 20]);
        let _ = stream.shutdown(Shutdown::Write);
    });
    let text = client.over();
    assert!(text.ends_with("! the line is longer than 2048 bytes; goodbye\n"), "{text}");
    writing.join().expect("no panic");
}

fn no_text(addr: SocketAddr) {
    let mut client = Client::welcomed(addr);
    let mut stream = client.stream();
    stream.write_all(b"/nick nobody\nno \xff utf-8\nno\0text\n/who\n/quit\n").expect("the server reads");
    let expected = [
        "* you are now called nobody",
        "! the line is not UTF-8 (at byte 3)",
        "! the line has a NUL byte (at byte 2)",
        "! you are in no room; /join ROOM enters one",
        "* goodbye",
    ];
    assert_eq!(client.rest(), expected);
}

fn half_a_line(addr: SocketAddr) {
    let mut client = Client::welcomed(addr);
    client.send("/nick half\n/join ");
    client.stream().shutdown(Shutdown::Write).expect("open");
    let expected = [
        "* you are now called half",
        "! the stream ended in the middle of a line, after 6 bytes of it",
        "* goodbye",
    ];
    assert_eq!(client.rest(), expected);
}

fn a_reset_while_written_to(addr: SocketAddr) {
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    let round = ROUND.fetch_add(1, Ordering::Relaxed);
    let mut talker = Client::enter(addr, &format!("talker{round}"), "victims");
    let victim = Client::enter(addr, &format!("victim{round}"), "victims");
    let lines = "a line that somebody will not read\n".repeat(500);
    let stream = talker.stream().try_clone().expect("a second handle");
    let talking =
        std::thread::spawn(move || (&stream).write_all(lines.as_bytes()).expect("the server reads"));
    eventually("the victim is written to", || victim.stream().peek(&mut [0]).is_ok_and(|n| n > 0));
    // With bytes unread, this sends a reset.
    drop(victim);
    talker.expect(&format!("* victim{round} was disconnected"));
    talking.join().expect("no panic");
    talker.send("/quit\n");
    talker.expect("* goodbye");
}

fn silence(addr: SocketAddr, people: usize) {
    let mut clients: Vec<_> = (0..people).map(|_| Client::connect(addr)).collect();
    for client in &mut clients {
        let text = client.over();
        assert!(text.ends_with("! you have not taken a name within 500ms\n* goodbye\n"), "{text}");
    }
}

#[test]
fn whatever_peers_do_is_answered_and_leaves_nothing() {
    let server = start(Options { login_timeout: LOGIN, ..options() });
    let addr = server.local_addr();
    let mut other = Client::enter(addr, "other", "lobby");
    all_that_is_bad(addr);
    assert_eq!(other.ask("still here"), "<other> still here");
    other.send("/quit\n");
    other.expect("* goodbye");
    drop(other);
    eventually("all are gone", || server.connections() == 0);
    for nick in ["nobody", "half", "talker0", "victim0", "other"] {
        let name = chat::command::Name::new(nick).expect("a name");
        eventually("the name is free", || {
            server.hall().find(name.clone()).wait().expect("an answer").is_none()
        });
    }
}

#[test]
fn who_never_reads_is_cut_off_and_holds_up_nobody() {
    const CAP: u32 = 256 << 10;
    const LINE: u32 = 16 << 10;
    let server = start(Options { write_cap: CAP, max_line: LINE, ..options() });
    let addr = server.local_addr();
    let mut slow = Client::enter(addr, "slow", "lobby");
    let mut reader = Client::enter(addr, "reader", "lobby");
    let mut talker = Client::enter(addr, "talker", "lobby");
    let name = chat::command::Name::new("slow").expect("a name");
    let session = server.hall().find(name).wait().expect("an answer").expect("the session");

    let text = "x".repeat(LINE as usize - 10);
    // It may be gone before the line that was one too many is heard by the others, or after it.
    let (gone, told) = ("* slow was disconnected", [Cell::new(false), Cell::new(false)]);
    let (mut most, mut longest) = (0, Duration::ZERO);
    // The kernel takes some megabytes for the one who does not read.
    for round in 0.. {
        assert!(round < 10_000, "the cap does not hold");
        let begun = Instant::now();
        talker.send(&format!("{round} {text}\n"));
        let line = format!("<talker> {round} {text}");
        for (client, told) in [(&mut talker, &told[0]), (&mut reader, &told[1])] {
            client.until(|found| {
                told.set(told.get() || found == gone);
                found == line
            });
        }
        longest = longest.max(begun.elapsed());
        match session.queued().wait() {
            Ok(queued) => most = most.max(queued),
            Err(_) => break,
        }
    }
    assert!(most > 0 && most <= CAP as usize, "{most} bytes were queued");
    assert!(longest < Duration::from_secs(5), "a line took {longest:?}");
    for (client, told) in [(&mut talker, &told[0]), (&mut reader, &told[1])] {
        if !told.get() {
            client.expect(gone);
        }
    }
    slow.over();
    eventually("it is gone", || server.connections() == 2);
    assert_eq!(talker.ask("/who"), "* in lobby: reader, talker");
}
