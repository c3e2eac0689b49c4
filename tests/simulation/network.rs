//! Sockets of simulations: what they do, and how they end.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{self, Sim};
use actor_net::sim::{Ended, Faults, Network, Remote};
use actor_net::{
    Client, CloseReason, Conn, Connection, HalfClosed, Lines, Listener, Options, Peer, Room, Server,
};

const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "192.0.2.1:7";

/// What connections have seen, in order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, what: impl ToString) {
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Sends every line back, and more of them if it is asked to.
#[derive(Actor)]
pub(crate) struct Echo {
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

pub(crate) fn serve(sim: &Sim, options: Options) -> (Server, Seen) {
    let seen = Seen::default();
    let own = seen.clone();
    let listener = Listener::bind(AT).unwrap().options(options);
    (listener.spawn(sim, move |conn| Echo { conn, seen: own.clone() }).unwrap(), seen)
}

pub(crate) fn connect(sim: &Sim, server: &Server) -> Remote {
    Network::of(sim).connect(server.local_addr())
}

/// Has come to what it does now.
pub(crate) fn settled(sim: &Sim) {
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
