//! Supervision: what panics is restarted, with its mailbox, within an intensity.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, ON_PURPOSE, eventually, quiet_panics, system};

#[derive(Actor)]
struct Counter {
    count: u32,
    gate: Gate,
}

#[messages]
impl Counter {
    #[message]
    fn add(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        ctx.fail("given up");
    }

    #[message]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }

    #[message]
    fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }
}

fn counter(supervisor: &actor_core::SupervisorRef) -> actor_core::Spawn<Counter> {
    supervisor.actor(|| Counter { count: 0, gate: Gate::default() })
}

#[test]
fn a_panic_costs_one_message_and_the_state() {
    let system = system(2);
    let gate = Gate::default();
    let inside = gate.clone();
    let counter = system.spawn(move || Counter { count: 0, gate: inside.clone() }).unwrap();
    counter.add().wait().unwrap();
    counter.block().tell().unwrap();
    gate.somebody_waits();
    counter.crash().tell().unwrap();
    for _ in 0..10 {
        counter.add().tell().unwrap();
    }
    gate.open();
    assert_eq!(counter.add().wait().unwrap(), 11, "a new state, and the mailbox as it was");
    assert_eq!(counter.incarnation().wait().unwrap(), 2);
    let stats = counter.mailbox();
    assert_eq!((stats.dead, stats.queued), (1, 0));
}

#[test]
fn restart_types() {
    use Restart::{Permanent, Temporary, Transient};
    let system = system(2);
    let supervisor = system.supervisor().intensity(1000, LIMIT).spawn().unwrap();
    type Ending = fn(&CounterRef);
    let normal: Ending = |counter| counter.leave().tell().unwrap();
    let panics: Ending = |counter| counter.crash().tell().unwrap();
    let fails: Ending = |counter| counter.give_up().tell().unwrap();
    let killed: Ending = |counter| counter.kill();
    let cases = [
        (Permanent, normal, true),
        (Permanent, panics, true),
        (Permanent, fails, true),
        (Permanent, killed, true),
        (Transient, normal, false),
        (Transient, panics, true),
        (Transient, fails, true),
        (Transient, killed, true),
        (Temporary, normal, false),
        (Temporary, panics, false),
        (Temporary, fails, false),
        (Temporary, killed, false),
    ];
    for (number, (restart, ending, comes_back)) in cases.into_iter().enumerate() {
        let counter = counter(&supervisor).restart(restart).start().wait().unwrap();
        ending(&counter);
        if comes_back {
            eventually("it is back", || counter.incarnation().wait().unwrap() == 2);
        } else {
            assert!(counter.monitor().wait_within(LIMIT).is_some(), "case {number}");
        }
    }
    eventually("the table holds the living", || supervisor.count_children().wait().unwrap().specs == 7);
}

#[test]
fn a_stop_from_outside_restarts_the_permanent_after_what_was_queued() {
    let system = system(2);
    let supervisor = system.supervisor().spawn().unwrap();
    let counter = counter(&supervisor).restart(Restart::Permanent).spawn().unwrap();
    counter.add().tell().unwrap();
    counter.stop();
    eventually("it is back", || counter.incarnation().wait().unwrap() == 2);
    assert_eq!(counter.add().wait().unwrap(), 1);
}

#[test]
fn over_the_intensity_the_supervisor_escalates_and_its_own_supervisor_restarts_it() {
    let system = system(2);
    let supervisor = system.supervisor().name("shaky").intensity(2, LIMIT).spawn().unwrap();
    let steady = counter(&supervisor).spawn().unwrap();
    let shaky = counter(&supervisor).spawn().unwrap();
    for incarnation in 2..=3 {
        shaky.crash().tell().unwrap();
        eventually("it is restarted", || shaky.incarnation().wait().unwrap() == incarnation);
    }
    shaky.crash().tell().unwrap();
    assert!(matches!(shaky.monitor().wait_within(LIMIT).unwrap().reason, StopReason::Panicked(_)));
    let down = steady.monitor().wait_within(LIMIT).unwrap();
    assert!(matches!(down.reason, StopReason::Shutdown), "a sibling is stopped, not failed: {down:?}");
    // The ref of the supervisor survives, and a new one without children is there.
    assert_eq!(supervisor.count_children().wait().unwrap().specs, 0);
    assert!(supervisor.is_alive());
    assert_eq!(counter(&supervisor).spawn().unwrap().add().wait().unwrap(), 1);
}

#[test]
fn the_roots_failure_ends_the_system_and_says_who_was_to_blame() {
    quiet_panics();
    let system = System::builder().workers(2).intensity(1, LIMIT).build().unwrap();
    let counter =
        system.actor(|| Counter { count: 0, gate: Gate::default() }).name("culprit").spawn().unwrap();
    counter.crash().tell().unwrap();
    counter.crash().tell().unwrap();
    match system.wait() {
        StopReason::Escalated { child, cause } => {
            assert_eq!(child, "/culprit");
            assert!(matches!(&*cause, StopReason::Panicked(_)));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(system.spawn(|| Counter { count: 0, gate: Gate::default() }), Err(SpawnError::Closed)));
    assert!(matches!(system.shutdown().reason, StopReason::Escalated { .. }));
}

#[derive(Actor)]
struct Flaky {
    starts: Arc<AtomicU32>,
}

#[messages]
impl Flaky {
    /// The first start is good, the next two are not.
    #[started]
    fn open(&mut self) -> Result<(), String> {
        match self.starts.fetch_add(1, Ordering::Relaxed) {
            1 | 2 => Err("not yet".into()),
            _ => Ok(()),
        }
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn ping(&self) {}
}

#[test]
fn a_restart_that_fails_to_start_is_tried_again_and_counts() {
    let system = system(2);
    let supervisor = system.supervisor().intensity(3, LIMIT).spawn().unwrap();
    let starts = Arc::new(AtomicU32::new(0));
    let inside = starts.clone();
    let flaky = supervisor.actor(move || Flaky { starts: inside.clone() }).start().wait().unwrap();
    flaky.crash().tell().unwrap();
    flaky.ping().within(LIMIT).wait().unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), 4);
    // That was the third restart of three.
    flaky.crash().tell().unwrap();
    assert!(flaky.monitor().wait_within(LIMIT).is_some());
}

#[test]
fn stopping_a_supervisor_stops_its_tree() {
    let system = system(2);
    let outer = system.supervisor().name("outer").spawn().unwrap();
    let inner = system.supervisor().name("inner").under(&outer).spawn().unwrap();
    let leaf = counter(&inner).start().wait().unwrap();
    outer.stop();
    assert!(outer.monitor().wait_within(LIMIT).is_some());
    assert!(!inner.is_alive() && !leaf.is_alive());
    assert!(matches!(counter(&inner).spawn(), Err(SpawnError::Closed)));
}

#[test]
fn killing_a_supervisor_orphans_nobody() {
    let system = system(2);
    let supervisor = system.supervisor().restart(Restart::Temporary).spawn().unwrap();
    let leaves: Vec<_> = (0..10).map(|_| counter(&supervisor).start().wait().unwrap()).collect();
    supervisor.kill();
    for leaf in leaves {
        assert!(leaf.monitor().wait_within(Duration::from_secs(10)).is_some());
    }
}
