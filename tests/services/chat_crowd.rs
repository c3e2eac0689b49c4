//! Many people at once: every member of a room gets every line of it exactly once, each sender's
//! lines in order; also if rooms have little room, and if one fails in the middle of it.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actor_core::{DeadLetterReason, StopReason};
use chat::{Options, Server};

use crate::chat_support::{Client, options, start};
use crate::support::{ON_PURPOSE, quiet_panics};

/// How many threads play all the people. What has not been read yet waits in the kernel.
const THREADS: usize = 4;

/// So many rooms with so many people, each of whom says so many lines.
#[derive(Clone, Copy)]
struct Crowd {
    rooms: usize,
    members: usize,
    lines: usize,
    /// Who in the first room says which line at which the room fails.
    fails_at: Option<(usize, usize)>,
}

/// The line at which a room fails.
const FATAL: &str = "fatal";

impl Crowd {
    fn text(&self, room: usize, member: usize, line: usize) -> String {
        let fatal = room == 0 && self.fails_at == Some((member, line));
        if fatal { FATAL.to_owned() } else { format!("line {line} in room {room}") }
    }

    /// The people whom one thread plays, as room and member.
    fn share(&self, thread: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (all, members) = (self.rooms * self.members, self.members);
        (0..all).filter(move |i| i % THREADS == thread).map(move |i| (i / members, i % members))
    }

    /// All enter, then all talk, then all have heard everything.
    fn talk(self, server: &Server) {
        let addr = server.local_addr();
        let mut threads: Vec<_> = (0..THREADS).map(|thread| self.enter(thread, addr)).collect();
        std::thread::scope(|scope| {
            for clients in &threads {
                scope.spawn(move || clients.iter().for_each(|(id, client)| self.say_all(*id, client)));
            }
        });
        assert_eq!(server.connections(), self.rooms * self.members);
        std::thread::scope(|scope| {
            for clients in &mut threads {
                scope.spawn(move || clients.iter_mut().for_each(|(id, client)| self.hear_all(*id, client)));
            }
        });
        // Nobody has lost the connection, and nobody hears more than there was.
        assert_eq!(server.connections(), self.rooms * self.members);
        for ((room, member), client) in threads.iter_mut().flatten() {
            client.send("/who\n");
            let who = client.line().expect("an answer");
            assert!(who.starts_with(&format!("* in r{room}: ")), "{member} in {room} also got {who:?}");
            assert_eq!(who.split(", ").count(), self.members, "{who}");
        }
        assert_eq!(server.system().dead_letters().count(), u64::from(self.fails_at.is_some()));
    }

    fn enter(&self, thread: usize, addr: SocketAddr) -> Vec<((usize, usize), Client)> {
        let enter = |(room, member)| {
            ((room, member), Client::enter(addr, &format!("m{member}-{room}"), &format!("r{room}")))
        };
        self.share(thread).map(enter).collect()
    }

    fn say_all(&self, (room, member): (usize, usize), client: &Client) {
        let lines: String = (0..self.lines).map(|line| self.text(room, member, line) + "\n").collect();
        client.send(&lines);
    }

    fn hear_all(&self, (room, member): (usize, usize), client: &mut Client) {
        let fails = room == 0 && self.fails_at.is_some();
        let mut left = self.members * self.lines - usize::from(fails);
        let mut heard: HashMap<String, Vec<usize>> = HashMap::new();
        let mut told_of_failure = false;
        while left > 0 {
            let line = client.line().unwrap_or_else(|| panic!("m{member}-{room} lacks {left} lines"));
            if line.starts_with("* ") && line.ends_with(" has joined") {
                continue;
            }
            if line.starts_with("! ") {
                assert_eq!(line, format!("! the server failed on this, so this was not said: {FATAL}"));
                assert!(!told_of_failure && fails && self.fails_at.is_some_and(|(who, _)| who == member));
                told_of_failure = true;
                continue;
            }
            let (nick, text) = line.split_once("> ").expect("somebody says something");
            let number = text.strip_prefix("line ").and_then(|text| text.split_once(" in room "));
            let (number, from) = number.unwrap_or_else(|| panic!("what is {line:?}?"));
            assert_eq!(from.parse(), Ok(room), "a line of another room");
            heard.entry(nick.to_owned()).or_default().push(number.parse().expect("a number"));
            left -= 1;
        }
        assert_eq!(heard.len(), self.members);
        for sender in 0..self.members {
            let fatal = self.fails_at.filter(|_| room == 0).filter(|(who, _)| *who == sender);
            let all = (0..self.lines).filter(|line| fatal.is_none_or(|(_, fatal)| *line != fatal));
            assert_eq!(
                heard[&format!("<m{sender}-{room}")],
                all.collect::<Vec<_>>(),
                "from {sender} in {room}"
            );
        }
        assert_eq!(told_of_failure, fails && self.fails_at.is_some_and(|(who, _)| who == member));
    }
}

#[test]
fn a_thousand_people_in_fifty_rooms_all_talk_at_once() {
    let server = start(options());
    Crowd { rooms: 50, members: 20, lines: 20, fails_at: None }.talk(&server);
}

#[test]
fn who_finds_a_room_full_waits_and_loses_nothing() {
    let server = start(Options { room_mailbox: 1, ..options() });
    Crowd { rooms: 3, members: 30, lines: 20, fails_at: None }.talk(&server);
}

#[test]
fn one_line_is_lost_when_a_room_fails_and_no_connection() {
    let failures = Arc::new(AtomicUsize::new(0));
    let count = failures.clone();
    let fault = move |line: &str| {
        if line == FATAL {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("the room was told to fail");
        }
    };
    let server = start(Options { fault: Some(Arc::new(fault)), ..options() });
    let letters = server.system().dead_letters().subscribe(100);
    Crowd { rooms: 5, members: 20, lines: 20, fails_at: Some((7, 10)) }.talk(&server);
    assert_eq!(failures.load(Ordering::Relaxed), 1);

    let letter = letters.recv_timeout(Duration::from_secs(10)).expect("a dead letter");
    assert_eq!((letter.path.as_str(), letter.message), ("/rooms/#r0", "say"));
    let DeadLetterReason::HandlerFailed(StopReason::Panicked(why)) = letter.reason else {
        panic!("another reason: {}", letter.reason);
    };
    assert_eq!(why.to_string(), "the room was told to fail");

    // A newcomer still sees the history.
    let mut late = Client::enter(server.local_addr(), "late", "r0");
    late.until(|line| line.contains("> line "));
}

#[test]
fn a_room_that_fails_too_often_is_closed_and_says_so() {
    // Printing what they panic with, with a trace of the stack, could take longer than the supervisor's window.
    quiet_panics();
    let fault = |line: &str| assert!(line != FATAL, "{ON_PURPOSE}");
    let server = start(Options { fault: Some(Arc::new(fault)), ..options() });
    let mut alice = Client::enter(server.local_addr(), "alice", "lobby");
    let mut bob = Client::enter(server.local_addr(), "bob", "other");
    // Their supervisor bears 20 failures of its rooms within ten seconds.
    for _ in 0..21 {
        alice.send("fatal\n");
        alice.until(|line| line.starts_with("! "));
    }
    alice.until(|line| line.starts_with("! lobby is closed: "));
    bob.until(|line| line.starts_with("! other is closed: "));
    // The rooms' supervisor was restarted by its own.
    alice.send("/join lobby\nhello\n");
    alice.expect("* you are in lobby with nobody else");
    alice.expect("<alice> hello");
    assert_eq!(server.connections(), 2);
}

#[test]
fn who_talks_too_fast_for_a_room_is_held_back_and_nobody_else() {
    const LINE: u32 = 64 << 10;
    const LINES: usize = 400;
    // What both kernels may keep on the way there and back, with some room; without back pressure
    // the server would read it all.
    const AHEAD: usize = 250;
    let busy = |line: &str| {
        if line.len() > 100 {
            std::thread::sleep(Duration::from_millis(4));
        }
    };
    let server = start(Options { fault: Some(Arc::new(busy)), max_line: LINE, ..options() });
    let mut talker = Client::enter(server.local_addr(), "talker", "busy");
    let mut other = Client::enter(server.local_addr(), "other", "quiet");
    let line = format!("{}\n", "x".repeat(LINE as usize - 1));
    let sent = AtomicUsize::new(0);
    let stream = talker.stream().try_clone().expect("a second handle");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..LINES {
                (&stream).write_all(line.as_bytes()).expect("the server reads");
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        for got in 0..LINES {
            let ahead = sent.load(Ordering::Relaxed).saturating_sub(got);
            assert!(ahead < AHEAD, "{ahead} lines are read and not passed on");
            assert_eq!(talker.line().map(|line| line.len()), Some("<talker> ".len() + LINE as usize - 1));
            if got % 50 == 0 {
                assert_eq!(other.ask("hello"), "<other> hello");
            }
        }
    });
    assert_eq!(talker.ask("/who"), "* in busy: talker");
}
