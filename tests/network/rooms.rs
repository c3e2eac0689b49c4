//! Rooms: one hears what the other says, in order; who reads too slowly is dealt with as configured, is told what it has
//! missed, and harms nobody else.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use actor_core::System;
use actor_core::prelude::*;
use actor_net::{
    Budget, Bytes, CloseReason, Conn, Connection, Lines, Listener, Options, Room, Server, WhenSlow,
};

use crate::setup::{Client, PATIENCE, eventually};

/// A line of the flood, and how many keys its lines have.
const LINE: usize = 8 << 10;
const KEYS: u64 = 10;
/// More than the kernel keeps for a peer that does not read, with the cap.
const FLOOD: usize = 4000;
const CAP: usize = 1 << 20;
/// How many lines those who read may be behind.
const AHEAD: usize = 16;

/// In the room from the beginning; `leave` leaves it, `hello` is for itself, and all else is said.
#[derive(Actor)]
struct Guest {
    conn: Conn,
    room: Room,
    events: Sender<Event>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Lagged(u64),
    Closed(CloseReason),
}

#[messages]
impl Guest {}

impl Connection for Guest {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        assert!(self.room.join(&self.conn));
        assert!(!self.room.join(&self.conn), "it is in there already");
        self.conn.write("in\n");
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        match line {
            "hello" => {
                self.conn.write("hello\n");
            }
            "leave" => {
                assert!(self.room.leave(&self.conn));
                assert!(!self.room.leave(&self.conn), "it has left already");
                self.conn.write("out\n");
            }
            line => self.room.cast(format!("{line}\n")).unwrap(),
        }
    }

    fn lagged(&mut self, missed: u64, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Lagged(missed));
        self.conn.write(format!("missed {missed}\n"));
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Closed(why.clone()));
    }
}

struct Served {
    room: Room,
    server: Server,
    events: Receiver<Event>,
    budget: Budget,
    _system: System,
}

fn serve(options: Options, budget: usize) -> Served {
    let budget = Budget::new(budget);
    let builder = System::builder().workers(2).driver(actor_net::driver_within(&budget));
    let system = builder.build().expect("a system");
    let room = Room::new(&system).expect("a room");
    let (to_test, events) = channel();
    let inside = room.clone();
    let make = move |conn| Guest { conn, room: inside.clone(), events: to_test.clone() };
    let listener = Listener::bind("127.0.0.1:0").expect("a port").options(options);
    let server = listener.spawn(&system, make).expect("a server");
    Served { room, server, events, budget, _system: system }
}

impl Served {
    fn enter(&self) -> Client {
        let mut client = Client::connect(self.server.local_addr());
        assert_eq!(client.line().as_deref(), Some("in"));
        client
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// How many lines somebody has missed.
    fn missed(&self) -> usize {
        loop {
            match self.event() {
                Event::Lagged(missed) => return usize::try_from(missed).unwrap(),
                // The readers have gone.
                Event::Closed(CloseReason::Eof | CloseReason::Reset) => {}
                event => panic!("not what it has missed: {event:?}"),
            }
        }
    }
}

/// One who reads all lines of a flood and counts them.
struct Reader {
    lines: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn new(client: &Client) -> Reader {
        let lines = Arc::<AtomicUsize>::default();
        let (count, stream) = (lines.clone(), client.stream().try_clone().unwrap());
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let n = count.fetch_add(1, Ordering::Relaxed);
                let line = line.expect("a line");
                assert!(line.starts_with(&format!("{n} ")), "not line {n}: {}", &line[..20]);
                if n + 1 == FLOOD {
                    return;
                }
            }
        });
        Reader { lines, thread }
    }
}

/// Says many lines, no faster than the readers read. Gives the most that has waited.
fn flood(served: &Served, readers: Vec<Reader>) -> usize {
    let (filler, mut most) = ("x".repeat(LINE), 0);
    for n in 0..FLOOD {
        served.room.cast_keyed(n as u64 % KEYS, format!("{n} {filler}\n")).expect("room for a line");
        most = most.max(served.budget.used());
        let ahead = |reader: &Reader| n.saturating_sub(reader.lines.load(Ordering::Relaxed)) > AHEAD;
        eventually("the others read", || !readers.iter().any(ahead));
    }
    for reader in readers {
        reader.thread.join().expect("all lines, in their order");
    }
    most
}

/// One of three does not read while the room is flooded, with this policy. Gives it when all that is over.
fn one_does_not_read(policy: WhenSlow) -> (Served, Client) {
    let served = serve(Options::new().cap(CAP).when_slow(policy), 64 << 20);
    let (slow, others) = (served.enter(), [served.enter(), served.enter()]);
    let most = flood(&served, others.iter().map(Reader::new).collect());
    assert!(most <= CAP + LINE, "{most} bytes waited");
    (served, slow)
}

/// The numbers of the lines that it reads until `last`, but for those that say something else.
fn numbers(client: &mut Client, last: impl Fn(&str) -> bool) -> Vec<usize> {
    let lines = std::iter::from_fn(|| client.line()).take_while(|line| !last(line));
    lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn disconnect() {
    let (served, mut slow) = one_does_not_read(WhenSlow::Disconnect);
    assert!(matches!(served.event(), Event::Closed(CloseReason::SlowConsumer { cap: CAP, .. })));
    slow.is_over();
    assert_eq!(served.server.ends().slow_consumer, 1);
    eventually("it has left, as those who have read all", || served.room.members() == 0);
    assert_eq!(served.budget.used(), 0);
}

#[test]
fn drop_new() {
    let (served, mut slow) = one_does_not_read(WhenSlow::DropNew);
    let got = numbers(&mut slow, |line| line.starts_with("missed"));
    // All that is oldest, without a gap, and nothing of what came later.
    assert!(got.iter().copied().eq(0..got.len()));
    assert_eq!(got.len() + served.missed(), FLOOD);
    slow.send("back\n");
    assert_eq!(slow.line().as_deref(), Some("back"));
    assert_eq!(served.budget.used(), 0);
    assert_eq!(served.server.ends().lagged as usize, FLOOD - got.len());
}

#[test]
fn drop_old() {
    let (served, mut slow) = one_does_not_read(WhenSlow::DropOld);
    let got = numbers(&mut slow, |line| line.starts_with("missed"));
    assert_eq!(got.last(), Some(&(FLOOD - 1)));
    assert!(got.is_sorted());
    assert_eq!(got.len() + served.missed(), FLOOD);
    // The gap is between what the kernel had and what waited.
    let gaps = got.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(gaps, 1);
    assert_eq!(served.budget.used(), 0);
}

#[test]
fn coalesce() {
    let (served, mut slow) = one_does_not_read(WhenSlow::Coalesce);
    let got = numbers(&mut slow, |line| line.starts_with("missed"));
    assert_eq!(got.len() + served.missed(), FLOOD);
    // The last of each key.
    for key in 0..KEYS as usize {
        let of_key = got.iter().rfind(|n| *n % KEYS as usize == key);
        assert_eq!(of_key, Some(&(FLOOD - KEYS as usize + key)));
    }
    assert_eq!(served.budget.used(), 0);
}

#[test]
fn stall() {
    let (served, mut slow) = one_does_not_read(WhenSlow::Stall);
    // It is not listened to before it reads.
    slow.send("to the others\nhello\n");
    let got = numbers(&mut slow, |line| line.starts_with("missed"));
    assert!(got.iter().copied().eq(0..got.len()));
    assert_eq!(got.len() + served.missed(), FLOOD);
    let rest = [slow.line().unwrap(), slow.line().unwrap()];
    assert!(rest.contains(&"to the others".to_owned()) && rest.contains(&"hello".to_owned()), "{rest:?}");
    assert_eq!(served.budget.used(), 0);
}

#[test]
fn the_budget_of_all_is_kept() {
    const BUDGET: usize = 300 << 10;
    for policy in [WhenSlow::Disconnect, WhenSlow::DropNew, WhenSlow::DropOld] {
        let served = serve(Options::new().cap(CAP).when_slow(policy), BUDGET);
        // Each may have more than there is for both.
        let slow = [served.enter(), served.enter()];
        let reader = served.enter();
        let most = flood(&served, vec![Reader::new(&reader)]);
        assert!(most <= BUDGET, "{policy:?}: {most} bytes waited");
        if policy == WhenSlow::Disconnect {
            let over = served.server.ends().over_budget;
            assert!(over > 0, "nobody was cut off");
            let reason = CloseReason::OverBudget { queued: 1, budget: BUDGET };
            assert!(reason.to_string().contains("307200"));
        }
        drop(slow);
        eventually("it is all given back", || served.budget.used() == 0);
    }
}

#[test]
fn all_hear_the_same_in_the_same_order() {
    const MEMBERS: usize = 150;
    const EACH: usize = 20;
    let served = serve(Options::new(), Budget::USUAL);
    let mut members: Vec<Client> = (0..MEMBERS).map(|_| served.enter()).collect();
    eventually("all are there", || served.room.members() == MEMBERS);
    for (n, member) in members.iter().enumerate().step_by(10) {
        for line in 0..EACH {
            member.send(format!("{n}:{line}\n"));
        }
    }
    let count = MEMBERS / 10 * EACH;
    let hear = |member: &mut Client| (0..count).map(|_| member.line().unwrap()).collect::<Vec<_>>();
    let first = hear(&mut members[0]);
    for line in 0..EACH {
        assert!(first.contains(&format!("10:{line}")));
    }
    for member in &mut members[1..] {
        assert_eq!(hear(member), first);
    }
}

#[test]
fn who_has_left_or_gone_hears_nothing() {
    let served = serve(Options::new(), Budget::USUAL);
    let (mut stays, mut leaves, goes) = (served.enter(), served.enter(), served.enter());
    leaves.send("leave\n");
    assert_eq!(leaves.line().as_deref(), Some("out"));
    drop(goes);
    eventually("one is left", || served.room.members() == 1);
    stays.send("anybody here?\n");
    assert_eq!(stays.line().as_deref(), Some("anybody here?"));
    assert_eq!(leaves.ask("hello"), "hello");
}

#[test]
fn a_room_that_is_told_too_much_says_so() {
    let served = serve(Options::new().cap(64 << 20), Budget::USUAL);
    let slow = served.enter();
    let line = Bytes::from(vec![b'x'; 1 << 20]);
    // The caster may be quicker for a while; then the peer is cut off, and nobody is told.
    let busy = (0..10_000).find_map(|_| served.room.cast(line.clone()).err());
    if let Some(busy) = busy {
        assert_eq!(busy.0, line);
        assert!(busy.to_string().contains("16777216"));
    } else {
        assert_eq!(served.room.members(), 0);
    }
    drop(slow);
}
