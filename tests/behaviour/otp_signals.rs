//! Ported from OTP's `gen_server_SUITE`, `monitor_SUITE`, `signal_SUITE` and `erl_link_SUITE`, and from Pekko's
//! `DeathWatchSpec` and `SupervisionSpec`: in which order news come, and how often. Each test has the name of the case whose
//! behaviour it shows.

use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Backoff, MonitorId};

use crate::otp_support::{Script, Worker, is_back};
use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor, Default)]
#[actor(mailbox = "unbounded")]
struct Peer {
    log: Log<String>,
    monitors: Vec<MonitorId>,
    gate: Gate,
}

#[messages]
impl Peer {
    #[message]
    fn note(&mut self, n: u32) {
        self.log.push(n.to_string());
    }

    /// Tells another so many numbers, and ends.
    #[message]
    fn tell_and_leave(&mut self, other: PeerRef, numbers: u32, ctx: &mut Context<Self>) {
        (0..numbers).for_each(|n| other.note(n).tell().unwrap());
        ctx.stop();
    }

    #[message]
    fn tell_and_crash(&mut self, other: PeerRef, numbers: u32) {
        (0..numbers).for_each(|n| other.note(n).tell().unwrap());
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn watch(&mut self, other: PeerRef, times: u32, ctx: &mut Context<Self>) {
        (0..times).for_each(|_| self.monitors.push(ctx.monitor(&other)));
    }

    #[message]
    fn unwatch(&mut self, ctx: &mut Context<Self>) -> usize {
        self.monitors.drain(..).filter(|monitor| ctx.demonitor(*monitor)).count()
    }

    #[message]
    fn link(&mut self, other: PeerRef, times: u32, ctx: &mut Context<Self>) {
        (0..times).for_each(|_| ctx.link(&other));
    }

    #[message]
    fn unlink(&mut self, other: PeerRef, ctx: &mut Context<Self>) -> bool {
        ctx.unlink(&other)
    }

    #[message]
    fn pass(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn ping(&self) {}

    #[down]
    fn gone(&mut self, down: Down, ctx: &mut Context<Self>) {
        let is_free = ctx.system().lookup::<Peer>("peer").is_err();
        self.log.push(format!("{} {is_free}", down.reason));
    }
}

fn peer(system: &System) -> (PeerRef, Log<String>, Gate) {
    let (log, gate) = (Log::default(), Gate::default());
    let parts = (log.clone(), gate.clone());
    let actor = system.actor(move || Peer { log: parts.0.clone(), gate: parts.1.clone(), ..Peer::default() });
    (actor.restart(Restart::Temporary).start().wait().unwrap(), log, gate)
}

// ---- gen_server_SUITE ----------------------------------------------------------------------------------

/// Who hears that a start has failed finds the name free, every time.
#[test]
fn loop_start_fail() {
    #[derive(Actor)]
    struct Fails(u32);
    #[messages]
    impl Fails {
        #[started]
        fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), String> {
            match self.0 % 3 {
                0 => Err("not today".to_owned()),
                1 => panic!("{ON_PURPOSE}"),
                _ => {
                    ctx.ignore();
                    Ok(())
                }
            }
        }
    }
    let system = system(2);
    for n in 0..1000 {
        let failed = system.actor(move || Fails(n)).name("fails").start().wait();
        assert!(matches!(failed, Err(SpawnError::Failed(_))), "{n}: {failed:?}");
        assert!(system.lookup::<Fails>("fails").is_err(), "{n}");
    }
}

// ---- monitor_SUITE -------------------------------------------------------------------------------------

/// A `Down` comes when the name is free, also to one who has watched from the beginning and is quick.
#[test]
fn named_down() {
    let system = system(2);
    let (watcher, log, _) = peer(&system);
    for round in 0..300 {
        let named =
            system.actor(Peer::default).name("peer").restart(Restart::Temporary).start().wait().unwrap();
        watcher.watch(named.clone(), 1).wait().unwrap();
        if round % 2 == 0 {
            named.kill()
        } else {
            named.stop()
        }
        eventually("it hears", || log.len() == round + 1);
    }
    assert!(log.entries().iter().all(|entry| entry.ends_with("true")), "{:?}", log.entries());
}

/// Ten thousand watch one.
#[test]
fn large_exit() {
    let system = system(2);
    let (watched, ..) = peer(&system);
    let log = Log::default();
    let inside = log.clone();
    let watchers: Vec<_> = (0..10_000)
        .map(|_| {
            let log = inside.clone();
            system.spawn(move || Peer { log: log.clone(), ..Peer::default() }).unwrap()
        })
        .collect();
    watchers.iter().for_each(|watcher| watcher.watch(watched.clone(), 1).tell().unwrap());
    // Each has watched when it has answered.
    watchers.iter().for_each(|watcher| watcher.ping().wait().unwrap());
    watched.kill();
    eventually("all hear", || log.len() == 10_000);
    watchers.iter().for_each(|watcher| watcher.ping().wait().unwrap());
    assert_eq!(log.len(), 10_000, "each once");
}

/// A monitor that was ended is not heard of, although what it watched had ended and the news were there.
#[test]
fn demon_e_1() {
    let system = system(2);
    let (watcher, log, gate) = peer(&system);
    let (first, second) = (peer(&system).0, peer(&system).0);
    watcher.watch(first.clone(), 2).wait().unwrap();
    watcher.pass().tell().unwrap();
    gate.somebody_waits();
    // Behind this in the mailbox are the news, so they come when the monitors have been ended.
    watcher.unwatch().tell().unwrap();
    watcher.watch(second.clone(), 2).tell().unwrap();
    first.kill();
    assert!(first.monitor().wait_within(LIMIT).is_some());
    gate.open();
    watcher.ping().wait().unwrap();
    assert!(log.entries().is_empty());
    second.stop();
    eventually("it hears of both", || log.len() == 2);
    watcher.ping().wait().unwrap();
    assert_eq!(log.entries(), ["normal true", "normal true"]);
    assert_eq!(watcher.unwatch().wait().unwrap(), 0, "nothing is left of them");
}

// ---- signal_SUITE --------------------------------------------------------------------------------------

/// What an actor has told comes before the news of its end.
#[test]
fn monitor_order() {
    let system = system(2);
    for round in 0..300 {
        let (watcher, log, _) = peer(&system);
        let (teller, ..) = peer(&system);
        watcher.watch(teller.clone(), 1).wait().unwrap();
        if round % 2 == 0 {
            teller.tell_and_leave(watcher.clone(), 50).tell().unwrap();
        } else {
            teller.tell_and_crash(watcher.clone(), 50).tell().unwrap();
        }
        eventually("all is there", || log.len() == 51);
        let entries = log.entries();
        let told: Vec<_> = (0..50).map(|n| n.to_string()).collect();
        assert_eq!(entries[..50], told, "round {round}");
    }
}

/// A stop comes after what its sender has told before, and nothing that is told after it is handled.
#[test]
fn xm_sig_order() {
    let system = system(2);
    for _ in 0..300 {
        let (actor, log, _) = peer(&system);
        (0..50).for_each(|n| actor.note(n).tell().unwrap());
        actor.stop();
        assert!(actor.note(50).tell().is_err(), "it is refused from then on");
        assert!(actor.monitor().wait_within(LIMIT).is_some());
        assert_eq!(log.len(), 50);
    }
}

// ---- erl_link_SUITE ------------------------------------------------------------------------------------

/// Two links are one, and both ends can take it away.
#[test]
fn link_twice_unlink_once() {
    let system = system(2);
    for (from, to) in [(0, 0), (0, 1)] {
        let pair = [peer(&system).0, peer(&system).0];
        pair[0].link(pair[1].clone(), 2).wait().unwrap();
        pair[1].link(pair[0].clone(), 1).wait().unwrap();
        assert!(pair[to].unlink(pair[1 - to].clone()).wait().unwrap());
        assert!(!pair[from].unlink(pair[1 - from].clone()).wait().unwrap(), "it is gone");
        pair[1].kill();
        assert!(pair[1].monitor().wait_within(LIMIT).is_some());
        assert!(pair[0].ping().wait().is_ok());
    }
}

/// A link to one that has ended is the end of who makes it, whatever the other's reason was: Erlang's `noproc`.
#[test]
fn link_to_the_dead() {
    let system = system(2);
    let ends: [fn(&PeerRef); 2] = [|peer| peer.kill(), |peer| peer.stop()];
    for end in ends {
        let (mine, dead) = (peer(&system).0, peer(&system).0);
        end(&dead);
        assert!(dead.monitor().wait_within(LIMIT).is_some());
        mine.link(dead, 1).tell().unwrap();
        let reason = mine.monitor().wait_within(LIMIT).unwrap().reason;
        assert!(matches!(reason, StopReason::Linked { .. }), "{reason}");
    }
}

// ---- Pekko ---------------------------------------------------------------------------------------------

/// `DeathWatchSpec`: one that is dead already.
#[test]
fn notify_with_one_terminated_message_when_an_actor_is_already_dead() {
    let system = system(2);
    let (watcher, log, _) = peer(&system);
    let (dead, ..) = peer(&system);
    dead.kill();
    assert!(dead.monitor().wait_within(LIMIT).is_some());
    watcher.watch(dead, 1).wait().unwrap();
    eventually("it hears", || log.len() == 1);
    watcher.ping().wait().unwrap();
    assert_eq!(log.entries(), ["killed true"], "once, and the true reason");
}

/// `SupervisionSpec`: what comes while it backs off is handled when it is back, in order.
#[test]
fn messages_that_come_while_backing_off_are_handled_afterwards() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(50));
    system.supervisor().child(child.spec("a").backoff(backoff)).start().wait().unwrap();
    let worker = child.get().unwrap();
    worker.crash().tell().unwrap();
    let answers: Vec<_> = (0..10)
        .map(|_| {
            let worker = worker.clone();
            std::thread::spawn(move || worker.incarnation().within(LIMIT).wait())
        })
        .collect();
    for answer in answers {
        assert!(matches!(answer.join().unwrap(), Ok(1 | 2)), "before the crash, or after it");
    }
    is_back(&worker, 2);
}

/// `SupervisionSpec`: a restart that leaves the window is forgotten, and the last one that is allowed is not the last of all.
#[test]
fn reset_fail_counter_after_limit_when_within_timeout() {
    let system = system(2);
    let script = Script::default();
    let window = Duration::from_millis(100);
    let pool =
        system.supervisor().dynamic().intensity(2, window).restart(Restart::Temporary).spawn().unwrap();
    let inside = script.clone();
    let worker = pool.actor(move || Worker { name: "w", script: inside.clone() }).start().wait().unwrap();
    for incarnation in [2, 4, 6] {
        worker.crash().tell().unwrap();
        is_back(&worker, incarnation);
        worker.crash().tell().unwrap();
        is_back(&worker, incarnation + 1);
        // Time is what is tested.
        std::thread::sleep(window + Duration::from_millis(20));
    }
    (0..3).for_each(|_| _ = worker.crash().tell());
    assert!(worker.monitor().wait_within(LIMIT).is_some(), "three at once are one too many");
}
