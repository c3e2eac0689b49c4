//! Sockets of simulations: what goes wrong on the way, and that it does so again with the same tape.

use actor_core::sim::{self, Sim, Tape, Trace};
use actor_net::sim::{Ended, Faults, Network};
use actor_net::{Options, WhenSlow};

use super::network::{SECOND, connect, serve, settled};

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
