//! Sockets of simulations: what is on the way, and what goes wrong there.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{self, Sim, Tape, Trace};
use actor_net::sim::{Ended, Faults, Network, Remote};
use actor_net::{
    Client, CloseReason, Conn, Connection, HalfClosed, Lines, Listener, Options, Peer, Room, Server, WhenSlow,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "192.0.2.1:7";

/// What connections have seen, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, what: impl ToString) {
        self.0.lock().unwrap().push(what.to_string());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Sends every line back, and more of them if it is asked to.
#[derive(Actor)]
struct Echo {
    conn: Conn,
    seen: Seen,
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1 << 20)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.seen.add("opened");
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        self.seen.add(line);
        match line.strip_prefix("lines ") {
            Some(number) => (0..number.parse().unwrap()).for_each(|n: u32| {
                self.conn.write(format!("line {n}\n"));
            }),
            None => {
                self.conn.write(format!("{line}\n"));
            }
        }
    }

    fn half_closed(&mut self, _ctx: &mut Context<Self>) -> HalfClosed {
        self.seen.add("half-closed");
        HalfClosed::Close
    }

    fn lagged(&mut self, missed: u64, _ctx: &mut Context<Self>) {
        self.seen.add(format!("lagged {missed}"));
        self.conn.write(format!("missed {missed}\n"));
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        self.seen.add(format!("closed: {why}"));
    }
}

fn serve(sim: &Sim, options: Options) -> (Server, Seen) {
    let seen = Seen::default();
    let own = seen.clone();
    let listener = Listener::bind(AT).unwrap().options(options);
    (listener.spawn(sim, move |conn| Echo { conn, seen: own.clone() }).unwrap(), seen)
}

fn connect(sim: &Sim, server: &Server) -> Remote {
    Network::of(sim).connect(server.local_addr())
}

/// Has come to what it does now.
fn settled(sim: &Sim) {
    sim.settle(10_000).unwrap();
}

#[test]
fn a_connection_is_as_in_production() {
    sim::cases(100, |sim| {
        let (server, seen) = serve(sim, Options::new());
        let mut remote = connect(sim, &server);
        remote.send("one\ntw");
        assert_eq!(remote.line().as_deref(), Some("one"));
        remote.send("o\n");
        remote.half_close();
        assert_eq!(remote.rest(), b"two\n");
        assert_eq!(remote.ended(), Some(Ended::Finished));
        assert_eq!((server.connections(), server.accepted()), (0, 1));
        drop(remote);
        settled(sim);
        assert_eq!(
            seen.take(),
            ["opened", "one", "two", "half-closed", "closed: the peer closed the connection"]
        );
        assert_eq!((server.connections(), server.ends().eof), (0, 1));
        assert_eq!(Network::of(sim).connections(), 0, "nothing is left");
        assert_eq!(actor_net::sockets(sim), [1], "the listener's");
    });
}

#[test]
fn a_reset_is_seen_at_either_end() {
    sim::run([], |sim| {
        let (server, seen) = serve(sim, Options::new());
        let remote = connect(sim, &server);
        settled(sim);
        remote.reset();
        settled(sim);
        assert_eq!(seen.take()[1..], ["closed: the connection was reset by the peer"]);
        assert_eq!(server.ends().broken, 1);

        let remote = connect(sim, &server);
        remote.stop_reading();
        remote.send("lines 1\n");
        settled(sim);
        drop(remote);
        settled(sim);
        assert_eq!(server.ends().broken, 2, "closed with bytes that it had not read");
    });
}

#[test]
fn nobody_listens() {
    sim::run([], |sim| {
        let refused = Network::of(sim).connect("192.0.2.9:1".parse::<std::net::SocketAddr>().unwrap());
        settled(sim);
        assert_eq!(refused.ended(), Some(Ended::Refused));

        let seen = Seen::default();
        let own = seen.clone();
        let client = Client::connect("192.0.2.9:1".parse::<std::net::SocketAddr>().unwrap());
        client.spawn(sim, move |conn| Echo { conn, seen: own }).unwrap();
        settled(sim);
        assert!(seen.take()[0].contains("refused"));
        assert_eq!(
            Listener::bind(AT).and_then(|_one| Listener::bind(AT)).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        let (one, two) = (Listener::bind("[::]:0").unwrap(), Listener::bind("127.0.0.1:0").unwrap());
        assert_ne!(one.local_addr().port(), two.local_addr().port());
    });
}

/// Says hello to who listens, and writes down what comes.
fn call(sim: &Sim, to: impl Into<Peer>) -> Seen {
    let seen = Seen::default();
    let own = seen.clone();
    let make = move |mut conn: Conn| {
        conn.write("hello\n");
        Caller { _conn: conn, seen: own }
    };
    Client::connect(to).spawn(sim, make).unwrap();
    seen
}

#[derive(Actor)]
struct Caller {
    _conn: Conn,
    seen: Seen,
}

#[messages]
impl Caller {}

impl Connection for Caller {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(100)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        self.seen.add(line);
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        self.seen.add(why);
    }
}

#[test]
fn the_systems_own_clients_connect_in_it_by_address_and_by_path() {
    sim::cases(50, |sim| {
        let (server, _) = serve(sim, Options::new());
        let by_address = call(sim, server.local_addr());
        let listener = Listener::bind_unix("/nowhere/service.sock").unwrap();
        let seen = Seen::default();
        let _unix = listener.spawn(sim, move |conn| Echo { conn, seen: seen.clone() }).unwrap();
        let by_path = call(sim, Peer::path("/nowhere/service.sock"));
        settled(sim);
        assert_eq!((by_address.take(), by_path.take()), (vec!["hello".to_owned()], vec!["hello".to_owned()]));
        assert_eq!(actor_net::sockets(sim), [6]);
    });
}

#[test]
fn a_partition_holds_up_until_it_heals() {
    sim::cases(50, |sim| {
        let (server, seen) = serve(sim, Options::new());
        let network = Network::of(sim);
        let mut remote = connect(sim, &server);
        remote.send("a\n");
        assert_eq!(remote.line().as_deref(), Some("a"));
        remote.cut_off();
        remote.send("b\n");
        // Not one of those that are cut off.
        let mut other = connect(sim, &server);
        other.send("c\n");
        assert_eq!(other.line().as_deref(), Some("c"));
        // It waits for an answer, and has its patience.
        network.partition([127, 0, 0, 1], server.local_addr().ip());
        let late = call(sim, server.local_addr());
        sim.advance(9 * SECOND).unwrap();
        assert_eq!(late.take(), [""; 0]);
        sim.advance(2 * SECOND).unwrap();
        assert!(late.take()[0].contains("within the deadline"));
        assert!(!seen.take().contains(&"b".to_owned()));
        remote.heal();
        assert_eq!(remote.line().as_deref(), Some("b"));
        network.calm();
        let late = call(sim, server.local_addr());
        settled(sim);
        assert_eq!(late.take(), ["hello"]);
    });
}

#[test]
fn who_is_cut_off_is_given_up_as_the_options_say() {
    sim::run([], |sim| {
        let minute = 60 * SECOND;
        let options = Options::new().user_timeout(30 * SECOND).keepalive(minute, 10 * SECOND, 3);
        let (server, seen) = serve(sim, options);
        let (silent, asking) = (connect(sim, &server), connect(sim, &server));
        asking.stop_reading();
        settled(sim);
        seen.take();
        silent.cut_off();
        // What it is answered finds no way.
        asking.send("lines 1\n");
        asking.cut_off();
        sim.advance(29 * SECOND).unwrap();
        assert_eq!((server.connections(), seen.take()), (2, vec![]));
        sim.advance(minute).unwrap();
        assert_eq!(
            seen.take(),
            [""; 0],
            "nothing was under way to it, and the keep-alive has begun at the cut"
        );
        sim.advance(2 * SECOND).unwrap();
        assert_eq!(seen.take().len(), 2, "a minute and three probes");
        assert_eq!((server.connections(), server.ends().broken), (0, 2));
        // They did not hear of it, until they send something.
        assert_eq!((silent.ended(), asking.ended()), (None, None));
        silent.heal();
        silent.send("still there?\n");
        settled(sim);
        assert_eq!((silent.ended(), asking.ended()), (Some(Ended::Reset), None));
    });
}

#[test]
fn what_is_sent_into_a_partition_is_given_up() {
    sim::run([], |sim| {
        let (server, seen) = serve(sim, Options::new().user_timeout(30 * SECOND));
        let mut remote = connect(sim, &server);
        remote.stop_reading();
        remote.send(format!("{}\nlines 1000\n", "x".repeat(70_000)));
        settled(sim);
        assert_eq!(seen.take().len(), 3);
        remote.cut_off();
        sim.advance(29 * SECOND).unwrap();
        assert_eq!(seen.take(), [""; 0]);
        sim.advance(2 * SECOND).unwrap();
        assert_eq!(seen.take(), ["closed: the peer no longer answers"]);
        remote.read_on();
        assert_eq!(remote.received().len(), 64 << 10, "what had arrived");
    });
}

#[test]
fn all_bytes_come_in_their_order_whatever_goes_wrong_on_the_way() {
    sim::cases(200, |sim| {
        let faults = Faults::new().delayed(200, 5 * SECOND).lost(200).cuts(500).short_writes(500);
        let network = Network::of(sim);
        network.set_faults(faults);
        network.set_buffers(100);
        let (server, _) = serve(sim, Options::new());
        let mut remote = connect(sim, &server);
        remote.send("lines 30\nlines 30\n");
        for n in (0..30).chain(0..30) {
            assert_eq!(remote.line(), Some(format!("line {n}")));
        }
    });
}

#[test]
fn resets_come_by_themselves_and_calm_ends_that() {
    let sim = Sim::new(Tape::random(3, 10_000));
    let network = Network::of(&sim);
    network.set_faults(Faults::new().resets(500));
    let (server, _) = serve(&sim, Options::new());
    let mut remotes: Vec<_> = (0..100).map(|_| connect(&sim, &server)).collect();
    remotes.iter().for_each(|remote| remote.send("hello\n"));
    settled(&sim);
    let reset = remotes.iter().filter(|remote| remote.ended() == Some(Ended::Reset)).count();
    assert!((50..100).contains(&reset), "{reset}: half of the ways there, and half of those back");
    assert_eq!(server.ends().broken, reset as u64);
    network.calm();
    remotes.retain(|remote| remote.ended().is_none());
    remotes.iter_mut().for_each(|remote| {
        remote.lines();
        remote.send("still there\n");
        assert_eq!(remote.line().as_deref(), Some("still there"));
    });
}

#[test]
fn a_slow_way_takes_its_time() {
    sim::run([], |sim| {
        let (server, _) = serve(sim, Options::new());
        let mut remote = connect(sim, &server);
        Network::of(sim).slow(remote.addr().ip(), 10_000);
        remote.send(format!("{}\n", "x".repeat(9_999)));
        assert_eq!(remote.line().map(|line| line.len()), Some(9_999));
        assert!(sim.now() >= SECOND && sim.now() < 3 * SECOND, "there and back: {:?}", sim.now());
        Network::of(sim).slow(remote.addr().ip(), 0);
        remote.send("quick\n");
        remote.lines();
    });
}

#[test]
fn a_slow_reader_is_closed_or_told_what_it_has_missed() {
    for (when_slow, told) in
        [(WhenSlow::Disconnect, false), (WhenSlow::DropOld, true), (WhenSlow::DropNew, true)]
    {
        sim::cases(20, |sim| {
            Network::of(sim).set_buffers(1000);
            let (server, seen) = serve(sim, Options::new().cap(20_000).when_slow(when_slow));
            let (mut slow, mut other) = (connect(sim, &server), connect(sim, &server));
            slow.stop_reading();
            for _ in 0..200 {
                slow.send("lines 5\n");
                other.send("lines 5\n");
                other.until(|line| line == "line 4");
            }
            settled(sim);
            slow.read_on();
            settled(sim);
            let seen = seen.take();
            if told {
                let lines = slow.lines();
                let missed: u64 =
                    lines.iter().filter_map(|line| line.strip_prefix("missed ")?.parse::<u64>().ok()).sum();
                assert_eq!(
                    missed + lines.iter().filter(|line| line.starts_with("line ")).count() as u64,
                    1000
                );
                assert!(missed > 100, "{missed}");
                assert_eq!(slow.ended(), None);
                assert_eq!(server.ends().lagged, missed);
            } else {
                assert_eq!(slow.ended(), Some(Ended::Reset));
                assert!(seen.iter().any(|seen| seen.starts_with("closed: slow consumer")));
            }
        });
    }
}

#[test]
fn deadlines_are_in_the_simulations_time() {
    sim::run([], |sim| {
        let (server, _) = serve(sim, Options::new().idle_within(3600 * SECOND).frame_within(10 * SECOND));
        let (silent, slow) = (connect(sim, &server), connect(sim, &server));
        slow.send("no end");
        sim.advance(9 * SECOND).unwrap();
        assert_eq!(server.connections(), 2);
        sim.advance(10 * SECOND).unwrap();
        assert_eq!((slow.ended(), server.ends().frame), (Some(Ended::Finished), 1));
        sim.advance(3590 * SECOND).unwrap();
        assert_eq!((silent.ended(), server.ends().idle), (Some(Ended::Finished), 1));
    });
}

/// Says everything to everybody.
#[derive(Actor)]
struct Guest {
    conn: Conn,
    room: Room,
}

#[messages]
impl Guest {}

impl Connection for Guest {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(100)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.room.join(&self.conn);
        self.conn.write("in\n");
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        self.room.cast(format!("{line}\n")).unwrap();
    }
}

#[test]
fn rooms_tell_all_the_same_in_the_same_order() {
    sim::cases(100, |sim| {
        Network::of(sim).set_faults(Faults::new().cuts(300).delayed(300, 100 * MS));
        let room = Room::new(sim).unwrap();
        let server = Listener::bind(AT).unwrap();
        let server = server.spawn(sim, move |conn| Guest { conn, room: room.clone() }).unwrap();
        let mut guests: Vec<_> = (0..3).map(|_| connect(sim, &server)).collect();
        for guest in &mut guests {
            guest.until(|line| line == "in");
        }
        for (number, guest) in guests.iter().enumerate() {
            guest.send(format!("{number}a\n{number}b\n"));
        }
        let heard: Vec<Vec<_>> =
            guests.iter_mut().map(|guest| (0..6).map(|_| guest.line().unwrap()).collect()).collect();
        assert_eq!((&heard[0], &heard[0]), (&heard[1], &heard[2]));
        for number in 0..3 {
            let [a, b] =
                ["a", "b"].map(|which| heard[0].iter().position(|line| *line == format!("{number}{which}")));
            assert!(a < b, "{heard:?}");
        }
    });
}

#[test]
fn a_server_drains() {
    sim::cases(50, |sim| {
        let (server, _) = serve(sim, Options::new());
        let (mut whole, part) = (connect(sim, &server), connect(sim, &server));
        whole.send("whole\n");
        part.send("part");
        assert_eq!(whole.line().as_deref(), Some("whole"));
        settled(sim);
        let begun = sim.now();
        let drained = server.drain(8 * SECOND);
        assert_eq!((drained.open, drained.late), (2, 0));
        assert!(
            sim.now() - begun >= 6 * SECOND,
            "the part of a line was waited for: {:?}",
            sim.now() - begun
        );
        assert_eq!((whole.ended(), part.ended()), (Some(Ended::Finished), Some(Ended::Finished)));
    });
}

#[test]
fn the_story_tells_what_reaches_whom() {
    let sim = Sim::builder().tells(true).build([]);
    let (server, _) = serve(&sim, Options::new());
    let mut remote = connect(&sim, &server);
    for _ in 0..2 {
        remote.send("hello\n");
        remote.line();
    }
    let story = sim.story();
    // The first ones reach the socket before the actor has it.
    let id = story.lines().filter_map(|line| Some(line.split_once("6 bytes from remote 1 reach ")?.1)).nth(1);
    let id = id.unwrap_or_else(|| panic!("{story}"));
    assert!(id.starts_with("Echo#"), "{story}");
    assert!(story.contains(&format!("6 bytes from {id} reach remote 1")), "{story}");
    assert!(story.contains("remote 1 (10.0.0.1:") && story.contains("connects to 192.0.2.1:7"), "{story}");
}

fn busy(tape: Tape) -> Trace {
    let sim = Sim::new(tape);
    let network = Network::of(&sim);
    network.set_faults(Faults::new().delayed(100, SECOND).lost(50).cuts(100).short_writes(100).resets(5));
    network.set_buffers(200);
    let (server, _) = serve(&sim, Options::new().cap(4_000));
    let mut remotes: Vec<_> = (0..3).map(|_| connect(&sim, &server)).collect();
    for remote in &remotes {
        remote.send("hello\nlines 20\n");
    }
    sim.advance(SECOND / 10).unwrap();
    remotes[0].cut_off();
    remotes[1].stop_reading();
    remotes[1].send("lines 100\n");
    remotes[2].send("lines 10\nunfin");
    sim.advance(SECOND).unwrap();
    network.calm();
    remotes[1].read_on();
    drop(remotes.pop());
    sim.advance(SECOND).unwrap();
    sim.trace()
}

#[test]
fn the_same_tape_makes_the_same_trace() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..1_000 {
        let trace = busy(Tape::random(seed, 400));
        assert_eq!(trace, busy(Tape::random(seed, 400)), "seed {seed}");
        traces.insert(trace.hash);
    }
    assert!(traces.len() > 990, "other tapes make other runs: {}", traces.len());
}

#[test]
fn sockets_of_simulations_and_others_do_not_mix() {
    let system = actor_net::builder().workers(1).build().unwrap();
    let real = Listener::bind("127.0.0.1:0").unwrap();
    let sim = Sim::new([]);
    let seen = Seen::default();
    let own = seen.clone();
    let server = real.spawn(&sim, move |conn| Echo { conn, seen: own.clone() }).unwrap();
    sim.advance(SECOND).unwrap();
    let _unserved = std::net::TcpStream::connect(server.local_addr()).unwrap();
    sim.advance(SECOND).unwrap();
    assert_eq!((server.accepted(), seen.take()), (0, vec![]));
    drop(server);
    let simulated = Listener::bind(AT).unwrap();
    drop(sim);
    let own = seen.clone();
    let server = simulated.spawn(&system, move |conn| Echo { conn, seen: own.clone() }).unwrap();
    assert_eq!((server.accepted(), actor_net::sockets(&system)), (0, vec![0]));
}
