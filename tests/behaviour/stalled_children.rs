//! Children with limits: what their supervisors make of a stall, and of a handler that ignores its kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{
    AskError, Backoff, ChildError, ChildState, DeadLetterReason, Strategy, System, TooManyCondemned,
};

use crate::otp_support::{Script, state};
use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, builder, eventually, system};

const SHORT: Duration = Duration::from_millis(30);

/// Does not return from where it is told not to, until the gate is open. Its type has no limit.
#[derive(Actor)]
struct Stuck {
    how: How,
}

#[derive(Clone, Default)]
struct How {
    gate: Gate,
    in_start: Arc<AtomicBool>,
    noted: Log<(u64, u32)>,
}

#[messages]
impl Stuck {
    #[started]
    fn started(&mut self) {
        if self.how.in_start.load(Ordering::SeqCst) {
            self.how.gate.pass();
        }
    }

    #[message]
    fn block(&mut self) {
        self.how.gate.pass();
    }

    #[message]
    fn note(&mut self, number: u32, ctx: &mut Context<Self>) {
        self.how.noted.push((ctx.incarnation(), number));
    }

    #[message]
    fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }
}

impl How {
    fn child(&self) -> Child<Stuck> {
        let how = self.clone();
        Child::new(move || Stuck { how: how.clone() })
    }
}

/// Has the actor in a handler that does not return; gives the answer of who asked for it.
fn blocks(stuck: &StuckRef, gate: &Gate) -> thread::JoinHandle<Result<(), AskError<StuckBlock>>> {
    let asked = stuck.clone();
    let asked = thread::spawn(move || asked.block().wait());
    gate.somebody_waits();
    asked
}

fn all_return(system: &System, gate: &Gate) {
    gate.open();
    eventually("all have returned", || system.snapshot().condemned_threads == 0);
}

// ---- the limit of a child ------------------------------------------------------------------------------

#[derive(Supervisor)]
#[supervisor(intensity = "1000 in 1h")]
struct Tree {
    #[child(stall = "30ms")]
    one: Child<Stuck>,
    #[child(stall = "30ms")]
    many: Children<Stuck>,
    patient: Child<Stuck>,
}

#[test]
fn a_child_has_the_limit_of_its_field() {
    for workers in [2, 1] {
        let system = system(workers);
        let how = How::default();
        let tree = Tree { one: how.child(), many: Children::new(), patient: how.child() };
        let _supervisor = system.supervisor().tree(&tree).start().wait().unwrap();
        let state = how.clone();
        let many = tree.many.spawn(move || Stuck { how: state.clone() }).unwrap();
        for stuck in [tree.one.get().unwrap(), many] {
            let asked = blocks(&stuck, &how.gate);
            assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
            assert_eq!(stuck.incarnation().wait().unwrap(), 2);
        }
        let patient = tree.patient.get().unwrap();
        let asked = blocks(&patient, &how.gate);
        all_return(&system, &how.gate);
        asked.join().unwrap().expect("without a limit it is waited for");
        assert_eq!(patient.incarnation().wait().unwrap(), 1);
    }
}

#[test]
fn a_stall_counts_as_any_failure() {
    let system = system(2);
    let how = How::default();
    let child = how.child();
    let backoff = Backoff::new(Duration::from_millis(1), SHORT);
    let spec = child.spec("a").stall(SHORT).backoff(backoff);
    let above = system.supervisor().intensity(1, LIMIT).restart(Restart::Temporary);
    let supervisor = above.child(spec).start().wait().unwrap();
    let stuck = child.get().unwrap();
    assert!(matches!(blocks(&stuck, &how.gate).join().unwrap(), Err(AskError::Stalled)));
    assert_eq!(stuck.incarnation().wait().unwrap(), 2, "the ref stays good");
    assert!(matches!(stuck.block().wait(), Err(AskError::Stalled)));
    let down = supervisor.monitor().wait_within(LIMIT).expect("two are one too many");
    let StopReason::Escalated { cause, .. } = &down.reason else { panic!("{down:?}") };
    assert!(matches!(**cause, StopReason::Stalled { limit } if limit == SHORT), "{down:?}");
    all_return(&system, &how.gate);
    assert!(system.shutdown().is_clean());
}

#[test]
fn at_the_cap_the_supervisor_of_a_slot_fails_whatever_its_intensity() {
    let system = builder(2).max_condemned(0).too_many_condemned(TooManyCondemned::Escalate).build().unwrap();
    let how = How::default();
    let child = how.child();
    let above = system.supervisor().intensity(u32::MAX, LIMIT).restart(Restart::Temporary);
    let supervisor = above.child(child.spec("a").stall(SHORT)).start().wait().unwrap();
    let asked = blocks(&child.get().unwrap(), &how.gate);
    let down = supervisor.monitor().wait_within(LIMIT).expect("it fails, at the first");
    let StopReason::Escalated { child, .. } = &down.reason else { panic!("{down:?}") };
    assert!(child.ends_with("/a"), "{child}");
    assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
    all_return(&system, &how.gate);
    assert!(system.shutdown().is_clean());
}

// ---- children that ignore their kill -------------------------------------------------------------------

/// Long before its limit, a child that is killed is condemned: whoever waits for its end does not wait for it.
#[test]
fn a_child_that_ignores_its_kill_is_condemned() {
    for workers in [2, 1] {
        for within in [Duration::ZERO, SHORT] {
            let system = system(workers);
            let how = How::default();
            let child = how.child();
            let spec = child.spec("a").stall(2 * LIMIT).stop_within(within);
            let supervisor = system.supervisor().child(spec).start().wait().unwrap();
            let (stuck, asked) = (child.get().unwrap(), blocks(&child.get().unwrap(), &how.gate));
            supervisor.terminate_child("a").within(LIMIT).wait().unwrap();
            assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
            // It has ended, and has not only been given up.
            assert!(!stuck.is_alive() && child.get().is_none());
            assert_eq!(system.snapshot().condemned_threads, 1);
            assert_eq!(supervisor.restart_child("a").within(LIMIT).wait().unwrap(), ChildState::Running);
            // And at the end of all.
            let (stuck, asked) = (child.get().unwrap(), blocks(&child.get().unwrap(), &how.gate));
            eventually("it is in work", || stuck.mailbox().handled == 1);
            let report = system.shutdown();
            assert!(report.ended && report.late.iter().all(|late| late.ended_by_kill), "{report}");
            assert_eq!(report.late.len(), usize::from(!within.is_zero()), "{report}");
            assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
            how.gate.open();
            eventually("the threads end", || system.shutdown().stuck_workers == 0);
        }
    }
}

/// It is the same actor that goes on, with what it had been told.
#[test]
fn one_that_is_stopped_for_a_restart_of_several_comes_back_with_its_mailbox() {
    for workers in [2, 1] {
        let system = system(workers);
        let (how, script) = (How::default(), Script::default());
        let (first, other) = (script.child("first"), how.child());
        let supervisor = system.supervisor().strategy(Strategy::OneForAll).intensity(10, LIMIT);
        let stuck_spec = other.spec("stuck").stall(2 * LIMIT).stop_within(SHORT);
        let supervisor = supervisor.child(first.spec("first")).child(stuck_spec).start().wait().unwrap();
        let stuck = other.get().unwrap();
        let asked = blocks(&stuck, &how.gate);
        (0..100).for_each(|number| stuck.note(number).tell().unwrap());
        first.get().unwrap().crash().tell().unwrap();
        assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
        assert_eq!(stuck.incarnation().wait().unwrap(), 2);
        assert_eq!(how.noted.entries(), (0..100).map(|number| (2, number)).collect::<Vec<_>>());
        assert_eq!(other.get(), Some(stuck));
        eventually("all run", || state(&supervisor, "first") == Some(ChildState::Running));
        all_return(&system, &how.gate);
    }
}

#[test]
fn a_start_that_keeps_its_thread_is_condemned_at_its_deadline() {
    for workers in [2, 1] {
        let system = system(workers);
        let how = How::default();
        how.in_start.store(true, Ordering::SeqCst);
        let child = how.child();
        let spec = child.spec("a").stall(2 * LIMIT).start_within(SHORT);
        let supervisor = system.supervisor().intensity(u32::MAX, LIMIT).start().wait().unwrap();
        let started = supervisor.start_child(spec).within(LIMIT).wait();
        assert!(matches!(started, Err(AskError::Failed(ChildError::Failed(_)))), "{started:?}");
        assert_eq!(system.snapshot().condemned_threads, 1);
        all_return(&system, &how.gate);
        assert!(system.shutdown().is_clean());
    }
}

/// A supervisor that stops does not wait for a start that does not end: there is nothing that the child could do about it.
#[test]
fn a_child_that_hangs_in_its_start_is_not_waited_for() {
    for keeps_its_thread in [false, true] {
        let system = system(2);
        let (how, script) = (How::default(), Script::default());
        let (stuck, waits) = (how.child(), script.child("a"));
        let specs = if keeps_its_thread { stuck.spec("a").stall(2 * LIMIT) } else { waits.spec("a") };
        let crash = || match (stuck.get(), waits.get()) {
            (Some(stuck), _) => stuck.crash().tell().unwrap(),
            (_, waits) => waits.unwrap().crash().tell().unwrap(),
        };
        // If it were asked to stop, it would be late.
        let spec = specs.start_within(2 * LIMIT).stop_within(SHORT);
        let supervisor = system.supervisor().child(spec).start().wait().unwrap();
        how.in_start.store(true, Ordering::SeqCst);
        script.hanging.store(true, Ordering::SeqCst);
        crash();
        eventually("it restarts", || state(&supervisor, "a") == Some(ChildState::Restarting));
        if keeps_its_thread {
            how.gate.somebody_waits();
        }
        let report = system.shutdown();
        assert!(report.ended && report.late.is_empty(), "{report}");
        how.gate.open();
        eventually("its thread ends", || system.shutdown().stuck_workers == 0);
    }
}

/// Without a limit nobody can take the actor from the handler: the slot goes on with another actor.
#[test]
fn one_without_a_limit_is_given_up() {
    let system = system(2);
    let how = How::default();
    let child = how.child();
    let spec = child.spec("a").stop_within(SHORT);
    let supervisor = system.supervisor().child(spec).start().wait().unwrap();
    let stuck = child.get().unwrap();
    let asked = blocks(&stuck, &how.gate);
    supervisor.terminate_child("a").within(LIMIT).wait().unwrap();
    assert!(stuck.is_alive() && !asked.is_finished());
    assert_eq!(supervisor.restart_child("a").within(LIMIT).wait().unwrap(), ChildState::Running);
    assert_ne!(child.get(), Some(stuck.clone()));
    how.gate.open();
    assert!(asked.join().unwrap().is_ok());
    assert!(stuck.monitor().wait_within(LIMIT).is_some(), "it ends as soon as it can");
}

#[test]
fn the_end_of_a_linked_actor_condemns_too() {
    #[derive(Actor)]
    #[actor(stall = "1h")]
    struct Linked {
        gate: Gate,
        to: StuckRef,
    }

    #[messages]
    impl Linked {
        #[message]
        fn block(&mut self, ctx: &mut Context<Self>) -> u64 {
            if ctx.incarnation() == 1 {
                ctx.link(&self.to);
                self.gate.pass();
            }
            ctx.incarnation()
        }
    }

    for workers in [2, 1] {
        let system = system(workers);
        let how = How::default();
        let (gate, state) = (how.gate.clone(), how.clone());
        let other = system.spawn(move || Stuck { how: state.clone() }).unwrap();
        let (held, to) = (gate.clone(), other.clone());
        let linked = system.spawn(move || Linked { gate: held.clone(), to: to.clone() }).unwrap();
        let asked = linked.clone();
        let asked = thread::spawn(move || asked.block().wait());
        gate.somebody_waits();
        other.crash().tell().unwrap();
        assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
        assert_eq!(linked.block().wait().unwrap(), 2);
        all_return(&system, &gate);
    }
}

// ---- messages that are delivered again -----------------------------------------------------------------

#[test]
fn a_stalled_message_is_delivered_again_unless_its_handler_was_condemned() {
    #[derive(Actor)]
    #[actor(stall = "30ms")]
    struct Tries(Gate, Log<u64>);

    #[messages]
    impl Tries {
        #[message(redeliver = 1)]
        async fn wait(&mut self, ctx: &mut Context<Self>) {
            self.1.push(ctx.incarnation());
            if ctx.incarnation() == 1 {
                std::future::pending::<()>().await;
            }
        }

        #[message(redeliver = 1)]
        fn block(&mut self, ctx: &mut Context<Self>) {
            self.1.push(ctx.incarnation());
            self.0.pass();
        }

        #[message]
        fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
            ctx.incarnation()
        }
    }

    let system = system(2);
    let letters = system.dead_letters().subscribe(10);
    let (gate, log) = (Gate::default(), Log::default());
    let state = (gate.clone(), log.clone());
    let tries = system.spawn(move || Tries(state.0.clone(), state.1.clone())).unwrap();
    tries.wait().tell().unwrap();
    assert_eq!(tries.incarnation().wait().unwrap(), 2);
    assert_eq!(log.entries(), [1, 2]);
    tries.block().tell().unwrap();
    assert_eq!(tries.incarnation().wait().unwrap(), 3);
    assert_eq!(log.entries(), [1, 2, 2], "it has cost one thread already");
    let letter = letters.recv_timeout(LIMIT).unwrap();
    let stalled = matches!(letter.reason, DeadLetterReason::HandlerFailed(StopReason::Stalled { .. }));
    assert!(stalled && letter.message == "block", "{letter:?}");
    all_return(&system, &gate);
    assert!(letters.try_recv().is_err());
}
