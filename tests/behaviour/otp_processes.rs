//! Ported from OTP's suites for processes: `gen_server_SUITE`, `monitor_SUITE`, `erl_link_SUITE`, `signal_SUITE` and
//! `dirty_nif_SUITE`, and from Pekko's `WatchSpec`. Each test has the name of the case whose behaviour it shows.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use actor_core::MonitorId;
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor, Default)]
#[actor(mailbox = "unbounded")]
struct Process {
    log: Log<String>,
    gate: Gate,
    monitors: Vec<MonitorId>,
    kept: Vec<Reply<u32>>,
}

#[messages]
impl Process {
    #[message]
    fn ping(&self) -> u32 {
        1
    }

    #[message]
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn exit(&mut self, reason: StopReason, ctx: &mut Context<Self>) {
        ctx.exit(reason);
    }

    #[message]
    fn pass(&mut self) {
        self.gate.pass();
    }

    #[message(blocking)]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn link(&mut self, other: ProcessRef, ctx: &mut Context<Self>) {
        ctx.link(&other);
    }

    #[message]
    fn unlink(&mut self, other: ProcessRef, ctx: &mut Context<Self>) -> bool {
        ctx.unlink(&other)
    }

    /// Links and unlinks in one handler, in which the other ends meanwhile.
    #[message]
    fn link_pass_unlink(&mut self, other: ProcessRef, ctx: &mut Context<Self>) -> bool {
        ctx.link(&other);
        self.gate.pass();
        ctx.unlink(&other)
    }

    #[message]
    fn watch(&mut self, other: ProcessRef, ctx: &mut Context<Self>) {
        self.monitors.push(ctx.monitor(&other));
    }

    /// Ends its monitors although what they watch has ended, and the news are in the mailbox.
    #[message]
    fn pass_demonitor(&mut self, ctx: &mut Context<Self>) -> usize {
        self.gate.pass();
        self.monitors.drain(..).filter(|monitor| ctx.demonitor(*monitor)).count()
    }

    #[message]
    async fn ask_and_log(&mut self, other: ProcessRef, times: u32, log: Log<Duration>) {
        let start = Instant::now();
        for _ in 0..times {
            other.ping().await.unwrap();
        }
        log.push(start.elapsed());
    }

    #[message]
    async fn wait_for_ever(&mut self) {
        std::future::pending::<()>().await;
    }

    #[message]
    fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }

    #[down]
    fn gone(&mut self, down: Down) {
        self.log.push(format!("{}: {}", down.path, down.reason));
    }

    #[stopped]
    fn close(&mut self, why: &StopReason) {
        self.log.push(format!("stopped: {why}"));
    }
}

fn process(system: &System) -> (ProcessRef, Log<String>, Gate) {
    let (log, gate) = (Log::default(), Gate::default());
    let parts = (log.clone(), gate.clone());
    let actor = system.actor(move || {
        let (log, gate) = parts.clone();
        Process { log, gate, ..Process::default() }
    });
    (actor.restart(Restart::Temporary).start().wait().unwrap(), log, gate)
}

fn reason(actor: &ProcessRef) -> StopReason {
    actor.monitor().wait_within(LIMIT).expect("it ends").reason
}

// ---- gen_server_SUITE --------------------------------------------------------------------------------

#[derive(Actor)]
struct Server {
    init: Result<(), &'static str>,
}

#[messages]
impl Server {
    #[started]
    fn init(&mut self, ctx: &mut Context<Self>) -> Result<(), String> {
        match self.init {
            Err("ignore") => ctx.ignore(),
            Err(why) => return Err(why.to_owned()),
            Ok(()) => {}
        }
        Ok(())
    }
}

#[test]
fn start() {
    let system = system(2);
    let server = |init| system.actor(move || Server { init }).name("server").start().wait();
    let first = server(Ok(())).unwrap();
    assert!(matches!(server(Ok(())), Err(SpawnError::NameTaken(name)) if name == "server"));
    assert_eq!(system.lookup::<Server>("server").unwrap(), first);
    first.stop();
    assert!(first.monitor().wait_within(LIMIT).is_some());
    assert!(matches!(server(Err("ignore")), Err(SpawnError::Failed(StopReason::Ignored))));
    match server(Err("failed")) {
        Err(SpawnError::Failed(StopReason::StartFailed(why))) => assert_eq!(why.to_string(), "failed"),
        other => panic!("{other:?}"),
    }
    // Each of these has freed the name.
    server(Ok(())).unwrap();
}

#[test]
fn call() {
    let system = system(2);
    let (server, ..) = process(&system);
    assert_eq!(server.ping().wait().unwrap(), 1);
    let limit = Duration::from_millis(10);
    assert!(matches!(server.keep().within(limit).wait(), Err(AskError::TimedOut)));
    assert_eq!(server.ping().wait().unwrap(), 1, "a late reply is nobody else's");
    server.stop();
    assert!(matches!(reason(&server), StopReason::Normal));
    assert!(matches!(server.ping().wait(), Err(AskError::Closed(_))));
}

#[test]
fn crash() {
    let system = system(2);
    let (server, log, _) = process(&system);
    let letters = system.dead_letters().subscribe(8);
    assert!(matches!(server.crash().wait(), Err(AskError::Lost)));
    assert!(matches!(reason(&server), StopReason::Panicked(why) if why.to_string() == ON_PURPOSE));
    assert_eq!(log.entries(), ["stopped: panicked: on purpose"]);
    assert_eq!(letters.recv_timeout(LIMIT).unwrap().message, "crash");
}

/// What lies in the asker's mailbox is not searched for the reply.
#[test]
fn call_with_huge_message_queue() {
    let system = system(2);
    let (server, ..) = process(&system);
    let round = |queued: u32| {
        let (client, _, gate) = process(&system);
        client.pass().tell().unwrap();
        gate.somebody_waits();
        let answer = Log::default();
        client.ask_and_log(server.clone(), 1000, answer.clone()).tell().unwrap();
        (0..queued).for_each(|_| client.ping().tell().unwrap());
        gate.open();
        eventually("it has its answers", || answer.len() == 1);
        answer.entries()[0]
    };
    // At best of three: the machine has other things to do as well.
    let at_best = |queued| (0..3).map(|_| round(queued)).min().unwrap();
    let (few, many) = (at_best(0), at_best(100_000));
    assert!(many < 10 * few.max(Duration::from_millis(5)), "{few:?} without and {many:?} with a long queue");
}

#[test]
fn stop1() {
    let system = system(2);
    let (server, log, _) = process(&system);
    server.stop();
    assert!(matches!(reason(&server), StopReason::Normal));
    assert_eq!(log.entries(), ["stopped: normal"]);
    server.stop();
}

// ---- monitor_SUITE -----------------------------------------------------------------------------------

#[test]
fn mon_1() {
    let system = system(2);
    let (watcher, log, _) = process(&system);
    let (target, ..) = process(&system);
    let path = target.path().to_string();
    watcher.watch(target.clone()).wait().unwrap();
    target.exit(StopReason::Failed(Failure::new("eaten"))).tell().unwrap();
    eventually("the down is there", || log.entries() == [format!("{path}: failed: eaten")]);
    // One that is gone answers at once.
    watcher.watch(target).wait().unwrap();
    eventually("the other is there", || log.len() == 2);
}

#[test]
fn demonitor_flush() {
    let system = system(2);
    let (watcher, log, gate) = process(&system);
    let (target, ..) = process(&system);
    watcher.watch(target.clone()).wait().unwrap();
    let demonitors = std::thread::spawn({
        let watcher = watcher.clone();
        move || watcher.pass_demonitor().within(LIMIT).wait()
    });
    gate.somebody_waits();
    target.stop();
    // When this one is told, so is the other: the news are in its mailbox.
    reason(&target);
    eventually("the down is queued", || watcher.mailbox().queued <= 1);
    gate.open();
    assert_eq!(demonitors.join().unwrap().unwrap(), 1);
    watcher.ping().wait().unwrap();
    assert_eq!(log.entries(), [""; 0]);
}

/// Monitors that were ended, or whose watcher has, are not in any list: with lists that grew, or were searched, the
/// second round would take far longer than the first.
#[test]
fn list_cleanup() {
    let system = system(2);
    let (target, ..) = process(&system);
    let round = |monitors: u32| {
        let start = Instant::now();
        let (watcher, log, gate) = process(&system);
        gate.open();
        for _ in 0..monitors {
            watcher.watch(target.clone()).tell().unwrap();
        }
        assert_eq!(watcher.pass_demonitor().within(LIMIT).wait().unwrap(), monitors as usize);
        for _ in 0..monitors {
            watcher.watch(target.clone()).tell().unwrap();
        }
        watcher.kill();
        reason(&watcher);
        assert_eq!(log.entries(), [""; 0]);
        start.elapsed()
    };
    let first = round(10_000);
    // At best of three: the machine has other things to do as well.
    let later = (0..3).map(|_| round(10_000)).min().unwrap();
    assert!(later < 5 * first.max(Duration::from_millis(20)), "{first:?}, then {later:?}");
    let log: Log<String> = Log::default();
    let monitors: Vec<_> = (0..1000).map(|_| target.monitor()).collect();
    drop(monitors);
    target.stop();
    reason(&target);
    assert_eq!(log.len(), 0);
}

// ---- WatchSpec ---------------------------------------------------------------------------------------

#[derive(Actor)]
struct Careless;

#[messages]
impl Careless {
    #[message]
    fn watch(&self, other: ProcessRef, ctx: &mut Context<Self>) {
        ctx.monitor(&other);
    }
}

#[test]
fn fail_the_actor_itself_with_death_pact() {
    let system = system(2);
    let (target, ..) = process(&system);
    let watcher = system.actor(|| Careless).restart(Restart::Temporary).spawn().unwrap();
    watcher.watch(target.clone()).wait().unwrap();
    target.stop();
    match watcher.monitor().wait_within(LIMIT).unwrap().reason {
        StopReason::DeathPact { actor } => assert_eq!(actor, target.path().to_string()),
        other => panic!("{other}"),
    }
}

// ---- erl_link_SUITE ----------------------------------------------------------------------------------

#[test]
fn linked_actors_fail_together_and_part_in_peace() {
    let system = system(2);
    for (why, both) in [(StopReason::Normal, false), (StopReason::Failed(Failure::new("sick")), true)] {
        for (from, to) in [(0, 1), (1, 0)] {
            let pair = [process(&system), process(&system)];
            // One link is enough, and two are one.
            pair[0].0.link(pair[1].0.clone()).wait().unwrap();
            pair[1].0.link(pair[0].0.clone()).wait().unwrap();
            pair[from].0.exit(why.clone()).tell().unwrap();
            reason(&pair[from].0);
            if both {
                let StopReason::Linked { actor, cause } = reason(&pair[to].0) else { panic!("{why}") };
                assert_eq!((actor, cause.to_string()), (pair[from].0.path().to_string(), why.to_string()));
                assert_eq!(pair[to].1.len(), 0, "#[stopped] does not run");
            } else {
                assert_eq!(pair[to].0.ping().wait().unwrap(), 1);
            }
        }
    }
}

/// A link to one that ends at the same moment is heard of, always; one that was taken away never.
#[test]
fn otp_5772_link() {
    let system = system(2);
    for round in 0..300 {
        let (mine, ..) = process(&system);
        let (other, ..) = process(&system);
        let barrier = Arc::new(Barrier::new(2));
        let killer = std::thread::spawn({
            let (other, barrier) = (other.clone(), barrier.clone());
            move || {
                barrier.wait();
                other.kill();
            }
        });
        barrier.wait();
        mine.link(other.clone()).tell().unwrap();
        assert!(matches!(reason(&mine), StopReason::Linked { .. }), "round {round}");
        killer.join().unwrap();
    }
}

#[test]
fn unlinked_it_does_not_end_even_if_the_other_has() {
    let system = system(2);
    let (mine, _, gate) = process(&system);
    let (other, ..) = process(&system);
    let asked = std::thread::spawn({
        let (mine, other) = (mine.clone(), other.clone());
        move || mine.link_pass_unlink(other).within(LIMIT).wait()
    });
    gate.somebody_waits();
    other.kill();
    reason(&other);
    gate.open();
    assert!(asked.join().unwrap().unwrap(), "there was a link");
    assert_eq!(mine.ping().wait().unwrap(), 1);
    assert!(!mine.unlink(other).wait().unwrap(), "there is none");
}

#[test]
fn a_link_ends_an_async_handler_that_waits_and_the_restarted_have_none() {
    let system = system(2);
    let pair = [(), ()].map(|()| system.spawn(Process::default).unwrap());
    pair[0].link(pair[1].clone()).wait().unwrap();
    pair[0].wait_for_ever().tell().unwrap();
    // Else the message is still queued, and the next incarnation waits for ever.
    eventually("it waits", || pair[0].mailbox().handled == 2);
    pair[1].kill();
    for actor in &pair {
        eventually("it is restarted", || actor.incarnation().within(LIMIT).wait().unwrap() == 2);
    }
    pair[1].kill();
    eventually("it is restarted", || pair[1].incarnation().within(LIMIT).wait().unwrap() == 3);
    assert_eq!(pair[0].incarnation().wait().unwrap(), 2, "links end with the incarnation");
}

// ---- signal_SUITE ------------------------------------------------------------------------------------

/// Who is linked to one that is killed hears `Killed`, which is a reason like any other for it and for those that
/// are linked to it in turn.
#[test]
fn kill2killed() {
    let system = system(2);
    let chain = [(), (), ()].map(|()| process(&system).0);
    chain[0].link(chain[1].clone()).wait().unwrap();
    chain[1].link(chain[2].clone()).wait().unwrap();
    let monitor = chain[2].monitor();
    chain[2].kill();
    assert!(matches!(monitor.wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    match reason(&chain[1]) {
        StopReason::Linked { cause, .. } => assert!(matches!(&*cause, StopReason::Killed), "{cause}"),
        other => panic!("{other}"),
    }
    match reason(&chain[0]) {
        StopReason::Linked { cause, .. } => assert!(matches!(&*cause, StopReason::Linked { .. }), "{cause}"),
        other => panic!("{other}"),
    }
}

// ---- dirty_nif_SUITE ---------------------------------------------------------------------------------

/// While a handler blocks, others can look at its actor, monitor it, link to it and order its end, and none of
/// them waits for the handler.
#[test]
fn dirty_process_info() {
    let system = system(1);
    let (dirty, _, gate) = process(&system);
    dirty.block().tell().unwrap();
    gate.somebody_waits();
    let (other, ..) = process(&system);

    dirty.ping().tell().unwrap();
    assert!(dirty.is_alive() && dirty.mailbox().accepted >= 1);
    assert!(system.snapshot().to_string().contains("Process"));
    other.link(dirty.clone()).within(LIMIT).wait().unwrap();
    other.watch(dirty.clone()).within(LIMIT).wait().unwrap();

    dirty.kill();
    assert!(dirty.is_alive(), "not before the handler has returned");
    assert_eq!(other.ping().within(LIMIT).wait().unwrap(), 1);

    gate.open();
    assert!(matches!(reason(&dirty), StopReason::Killed));
    assert!(matches!(reason(&other), StopReason::Linked { .. }));
}
