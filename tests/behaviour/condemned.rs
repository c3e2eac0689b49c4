//! What a condemned handler can still do: nothing.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use actor_core::{AskError, BlockingError, Restart, SendError, Slow, SpawnError, System, TellError};

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

/// Counts what it is told, and can be stopped.
#[derive(Actor, Default)]
struct Witness {
    told: usize,
}

#[messages]
impl Witness {
    #[message(derive(Clone))]
    fn count(&mut self) {
        self.told += 1;
    }

    #[message]
    fn told(&mut self) -> usize {
        self.told
    }
}

/// Does all that a handler can do, once the gate is open.
#[derive(Actor)]
#[actor(stall = "50ms")]
struct Late {
    gate: Gate,
    witness: WitnessRef,
    results: Log<&'static str>,
    /// What is asked for later.
    owed: Option<Reply<u32>>,
}

#[messages]
impl Late {
    #[message]
    fn act(&mut self, ctx: &mut Context<Self>) -> u32 {
        assert!(!ctx.is_revoked());
        self.gate.pass();
        assert!(ctx.is_revoked());
        let say = |what| self.results.push(what);
        match self.witness.count().tell() {
            Err(TellError::Condemned(WitnessCount {})) => {}
            _ => say("told"),
        }
        match pollster::block_on(self.witness.count().send()) {
            Err(SendError::Condemned(WitnessCount {})) => {}
            _ => say("sent"),
        }
        match pollster::block_on(std::future::IntoFuture::into_future(self.witness.told())) {
            Err(AskError::Condemned(_)) => {}
            _ => say("asked"),
        }
        match self.witness.recipient::<WitnessCount>().tell(WitnessCount {}) {
            Err(TellError::Condemned(_)) => {}
            _ => say("told as a recipient"),
        }
        for spawned in [ctx.spawn(Witness::default), ctx.system().spawn(Witness::default)] {
            // `Closed`, where the system has ended meanwhile.
            if !matches!(spawned, Err(SpawnError::Condemned | SpawnError::Closed)) {
                say("spawned");
            }
        }
        if !matches!(pollster::block_on(ctx.blocking(|| ())), Err(BlockingError::Condemned)) {
            say("ran on the pool");
        }
        ctx.after(Duration::ZERO, LateTimer {});
        ctx.every(Duration::from_millis(1), || LateTimer {});
        ctx.monitor(&self.witness);
        ctx.link(&self.witness);
        if ctx.unlink(&self.witness) {
            say("unlinked");
        }
        let group = ctx.system().group::<WitnessCount>("witnesses").unwrap();
        if group.publish(WitnessCount {}).delivered > 0 {
            say("published");
        }
        if group.leave(&self.witness) {
            say("took another out of a group");
        }
        let late = ctx.system().group::<LateTimer>("late").unwrap();
        late.join(&ctx.actor_ref(), Slow::Skip, |_| LateTimer {});
        if !late.is_empty() {
            say("joined a group");
        }
        self.witness.stop();
        self.witness.kill();
        ctx.system().stop();
        ctx.stop();
        // Where no leash is, the context knows.
        thread::scope(|scope| {
            let spawned = scope.spawn(|| (ctx.is_revoked(), ctx.spawn(Witness::default).is_ok()));
            if spawned.join().unwrap() != (true, false) {
                say("spawned on another thread");
            }
        });
        say("done");
        7
    }

    #[message]
    fn timer(&mut self) {
        self.results.push("timer");
    }

    #[down]
    fn down(&mut self, down: Down) {
        drop(down);
        self.results.push("down");
    }

    #[message]
    fn incarnation(&mut self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }

    /// Answers when it is too late.
    #[message]
    fn answer_late(&mut self, reply: Reply<u32>) {
        self.gate.pass();
        self.results.push(if reply.is_wanted() { "wanted" } else { "not wanted" });
        reply.send(7);
        self.results.push("answered");
    }

    #[message]
    fn owe(&mut self, reply: Reply<u32>) {
        self.owed = Some(reply);
    }
}

fn late(system: &System) -> (LateRef, Gate, WitnessRef, Log<&'static str>) {
    let (gate, results) = (Gate::default(), Log::default());
    let witness = system.spawn(Witness::default).unwrap();
    let state = (gate.clone(), witness.clone(), results.clone());
    let late = system.spawn(move || Late {
        gate: state.0.clone(),
        witness: state.1.clone(),
        results: state.2.clone(),
        owed: None,
    });
    (late.unwrap(), gate, witness, results)
}

fn is_released(system: &System, gate: &Gate) {
    gate.open();
    eventually("all have returned", || system.snapshot().condemned_threads == 0);
}

#[test]
fn nothing_that_it_begins_takes_effect() {
    for workers in [2, 1] {
        begins_nothing(&system(workers));
    }
}

fn begins_nothing(system: &System) {
    let (late, gate, witness, results) = late(system);
    let group = system.group::<WitnessCount>("witnesses").unwrap();
    group.join(&witness, Slow::Skip, |_| WitnessCount {});
    let alive = |system: &System| system.snapshot().actors.iter().map(|group| group.alive).sum::<u64>();
    let before = alive(system);
    assert!(matches!(late.act().wait(), Err(AskError::Stalled)));
    assert_eq!(late.incarnation().wait().unwrap(), 2);
    is_released(system, &gate);
    assert_eq!(results.entries(), ["done"]);
    assert_eq!(witness.told().wait().unwrap(), 0, "it has got nothing, and lives");
    assert_eq!(alive(system), before);
    // What timers and monitors it had armed would have come by now.
    pollster::block_on(system.sleep(Duration::from_millis(20)));
    witness.stop();
    assert!(witness.monitor().wait_within(LIMIT).is_some());
    assert_eq!(late.incarnation().wait().unwrap(), 2);
    assert_eq!(results.entries(), ["done"]);
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_late_reply_goes_nowhere() {
    for workers in [2, 1] {
        let system = system(workers);
        let (late, gate, _, results) = late(&system);
        assert!(matches!(late.answer_late().wait(), Err(AskError::Stalled)));
        is_released(&system, &gate);
        assert_eq!(results.entries(), ["not wanted", "answered"]);
    }
}

/// What a message before had left in the state ends with the state.
#[test]
fn an_answer_that_is_owed_ends_when_the_state_is_dropped() {
    let system = system(2);
    let (late, gate, ..) = late(&system);
    let owed = late.clone();
    let owed = thread::spawn(move || owed.owe().wait());
    eventually("it is owed", || late.mailbox().handled == 1);
    assert!(matches!(late.act().wait(), Err(AskError::Stalled)));
    assert!(!owed.is_finished(), "nobody has the state yet but the handler");
    is_released(&system, &gate);
    assert!(matches!(owed.join().unwrap(), Err(AskError::Stalled)));
}

#[test]
fn an_asker_that_has_given_up_is_no_matter() {
    let system = system(2);
    let (late, gate, ..) = late(&system);
    let asked = late.answer_late().within(Duration::from_millis(10)).wait();
    assert!(matches!(asked, Err(AskError::TimedOut)));
    assert_eq!(late.incarnation().wait().unwrap(), 2);
    is_released(&system, &gate);
    assert!(system.shutdown().is_clean());
}

/// An answer that says when it is dropped.
struct Answered(Log<&'static str>);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.push("dropped");
    }
}

/// Answers, and goes on.
#[derive(Actor)]
#[actor(stall = "10s")]
struct Lingers {
    log: Log<&'static str>,
    before: Gate,
    after: Gate,
}

#[messages]
impl Lingers {
    #[message]
    fn answer(&mut self, reply: Reply<Answered>) {
        self.before.pass();
        reply.send(Answered(self.log.clone()));
        self.log.push("answered");
        self.after.pass();
    }
}

/// An answer that nobody takes is dropped by who gave it or who has left it, and not by who watches the handler: a user's
/// drop may block, or panic.
#[test]
fn an_answer_that_is_not_taken_does_not_wait_for_the_end_of_the_handler() {
    for gives_up_before in [true, false] {
        let system = system(2);
        let (log, before, after) = (Log::default(), Gate::default(), Gate::default());
        let state = (log.clone(), before.clone(), after.clone());
        let lingers = system.spawn(move || Lingers {
            log: state.0.clone(),
            before: state.1.clone(),
            after: state.2.clone(),
        });
        let lingers = lingers.unwrap();
        let mut ask = Box::pin(std::future::IntoFuture::into_future(lingers.answer()));
        let polled = ask.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        if gives_up_before {
            drop(ask);
            before.open();
            after.somebody_waits();
            assert_eq!(log.entries(), ["dropped", "answered"]);
        } else {
            before.open();
            after.somebody_waits();
            drop(ask);
            assert_eq!(log.entries(), ["answered", "dropped"]);
        }
        after.open();
        assert!(system.shutdown().is_clean());
    }
}

/// Timers of the incarnation that is gone do not fire into the next, whenever they were armed.
#[test]
fn timers_of_before_do_not_fire() {
    #[derive(Actor)]
    #[actor(stall = "50ms")]
    struct Armed(Gate, Log<u64>);

    #[messages]
    impl Armed {
        #[message]
        fn arm(&mut self, ctx: &mut Context<Self>) {
            let me = ctx.incarnation();
            ctx.every(Duration::from_millis(1), move || ArmedBeat { of: me });
            self.0.pass();
        }

        #[message]
        fn beat(&mut self, of: u64) {
            self.1.push(of);
        }

        #[message]
        fn arm_and_go(&mut self, ctx: &mut Context<Self>) {
            ctx.after(Duration::from_millis(20), ArmedBeat { of: ctx.incarnation() });
        }
    }

    for workers in [2, 1] {
        let system = system(workers);
        let (gate, log) = (Gate::default(), Log::default());
        let state = (gate.clone(), log.clone());
        let armed = system.spawn(move || Armed(state.0.clone(), state.1.clone())).unwrap();
        assert!(matches!(armed.arm().wait(), Err(AskError::Stalled)));
        armed.arm_and_go().wait().unwrap();
        is_released(&system, &gate);
        eventually("the new one's timer fires", || log.len() == 1);
        assert_eq!(log.entries(), [2]);
        eventually("no timer is left", || system.snapshot().workers.iter().all(|worker| worker.timers == 0));
    }
}

/// Who takes the lock again stalls again: each counts, and the supervisor gives up.
#[test]
fn a_lock_held_by_the_condemned_is_its_supervisors_business() {
    #[derive(Actor)]
    #[actor(stall = "30ms")]
    struct Locks(Arc<Mutex<u32>>, Gate);

    #[messages]
    impl Locks {
        #[message]
        fn hold(&mut self) {
            let mut held = self.0.lock().unwrap();
            self.1.pass();
            *held += 1;
        }

        #[message]
        fn try_lock(&mut self) -> Option<u32> {
            self.0.try_lock().ok().map(|held| *held)
        }
    }

    for workers in [2, 1] {
        let system = system(workers);
        let (lock, gate) = (Arc::<Mutex<u32>>::default(), Gate::default());
        let above = system.supervisor().intensity(2, LIMIT).restart(Restart::Temporary).spawn().unwrap();
        let state = (lock.clone(), gate.clone());
        let locks = above.spawn(move || Locks(state.0.clone(), state.1.clone())).unwrap();
        assert!(matches!(locks.hold().wait(), Err(AskError::Stalled)));
        assert_eq!(locks.try_lock().wait().unwrap(), None, "it goes on, and the lock is held");
        assert!(matches!(locks.hold().wait(), Err(AskError::Stalled)));
        let monitor = above.monitor();
        assert!(matches!(locks.hold().wait(), Err(AskError::Stalled)));
        let down = monitor.wait_within(LIMIT).expect("it gives up");
        let StopReason::Escalated { cause, .. } = &down.reason else { panic!("{down:?}") };
        assert!(matches!(**cause, StopReason::Stalled { .. }), "{down:?}");
        is_released(&system, &gate);
        assert_eq!(*lock.lock().unwrap(), 3, "what a handler shares with others is out of reach");
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn a_panic_in_the_late_drop_is_caught_where_it_happens() {
    #[derive(Actor)]
    #[actor(stall = "50ms")]
    struct Fragile(Gate, Log<(thread::ThreadId, bool)>);

    #[messages]
    impl Fragile {
        #[message]
        fn block(&mut self, panics: bool) -> thread::ThreadId {
            let here = thread::current().id();
            self.1.push((here, true));
            self.0.pass();
            assert!(!panics, "{ON_PURPOSE}");
            here
        }
    }

    impl Drop for Fragile {
        fn drop(&mut self) {
            self.1.push((thread::current().id(), false));
            if !thread::panicking() {
                panic!("{ON_PURPOSE}");
            }
        }
    }

    for (panics, workers) in [(false, 2), (true, 2), (false, 1), (true, 1)] {
        let system = system(workers);
        let events = system.events().subscribe(100);
        let (gate, log) = (Gate::default(), Log::default());
        let state = (gate.clone(), log.clone());
        let fragile = system.spawn(move || Fragile(state.0.clone(), state.1.clone())).unwrap();
        assert!(matches!(fragile.block(panics).wait(), Err(AskError::Stalled)));
        is_released(&system, &gate);
        let entries = log.entries();
        let [(in_handler, true), (in_drop, false)] = entries[..] else { panic!("{entries:?}") };
        assert_eq!(in_handler, in_drop, "dropped on the handler's thread");
        let mut returned = events.try_iter();
        assert!(returned.any(|event| matches!(event, Event::CondemnedReturned(stall)
            if stall.actor == fragile.id() && stall.thread.is_some())));
        assert!(fragile.is_alive());
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn a_kill_condemns_what_does_not_return() {
    let system = system(2);
    let (gate, results) = (Gate::default(), Log::default());
    let witness = system.spawn(Witness::default).unwrap();
    let state = (gate.clone(), witness.clone(), results.clone());
    let new = move || Late {
        gate: state.0.clone(),
        witness: state.1.clone(),
        results: state.2.clone(),
        owed: None,
    };
    // Long before its limit.
    let late = system.actor(new).stall(10 * LIMIT).stop_within(Duration::from_millis(50)).spawn().unwrap();
    let asked = late.clone();
    let asked = thread::spawn(move || asked.act().wait());
    gate.somebody_waits();
    late.kill();
    assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
    assert_eq!(late.incarnation().wait().unwrap(), 2, "a killed actor is restarted");
    // One that has been told to end for good does so, and its supervisor does not wait.
    let asked = late.clone();
    let asked = thread::spawn(move || asked.act().wait());
    eventually("both wait", || late.mailbox().handled == 2 && late.mailbox().dead == 1);
    let report = system.shutdown();
    assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
    assert!(report.late.iter().all(|late| late.ended_by_kill), "{report}");
    gate.open();
    eventually("all have returned", || system.shutdown().stuck_workers == 0);
    assert_eq!(results.entries(), ["done", "done"]);
}
