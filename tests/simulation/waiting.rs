//! What waits for something, and where.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape};
use actor_core::{AskError, StopReason};

/// Does some things elsewhere.
#[derive(Actor)]
pub struct Worker {
    other: Option<WorkerRef>,
    done: u32,
}

#[messages]
impl Worker {
    #[message]
    fn done(&mut self) -> u32 {
        self.done
    }

    #[message(blocking)]
    fn block(&mut self) -> u32 {
        self.done += 1;
        let other = self.other.as_ref().expect("it was given one");
        self.done + other.done().wait().expect("an answer")
    }

    #[message]
    async fn elsewhere(&mut self, ctx: &mut Context<Self>) -> u32 {
        let other = self.other.clone().expect("it was given one");
        ctx.blocking(move || other.done().wait().expect("an answer") + 1).await.expect("a thread")
    }

    #[message]
    fn wait_here(&mut self) -> bool {
        let other = self.other.as_ref().expect("it was given one");
        matches!(other.done().wait(), Err(AskError::Deadlock(_)))
    }

    #[message]
    async fn never(&mut self) {
        std::future::pending().await
    }
}

fn workers(sim: &Sim) -> (WorkerRef, WorkerRef) {
    let other = sim.spawn(|| Worker { other: None, done: 10 }).unwrap();
    let to = other.clone();
    (sim.spawn(move || Worker { other: Some(to.clone()), done: 0 }).unwrap(), other)
}

#[test]
fn a_blocking_handler_waits_for_an_actor() {
    for seed in 0..50 {
        let sim = Sim::new(Tape::random(seed, 100));
        let (worker, _other) = workers(&sim);
        worker.block().tell().unwrap();
        worker.block().tell().unwrap();
        assert_eq!(worker.block().wait().unwrap(), 13);
    }
}

#[test]
fn a_closure_on_the_pool_waits_for_an_actor() {
    for seed in 0..50 {
        let sim = Sim::new(Tape::random(seed, 100));
        let (worker, _other) = workers(&sim);
        assert_eq!(worker.elsewhere().wait().unwrap(), 11);
    }
}

#[test]
fn closures_that_wait_for_each_other_all_get_on() {
    for seed in 0..50 {
        let sim = Sim::new(Tape::random(seed, 100));
        let last = sim.spawn(|| Worker { other: None, done: 10 }).unwrap();
        // Each waits for the one before, on a thread of the pool.
        let chain: Vec<WorkerRef> = std::iter::successors(Some(last), |before| {
            let to = before.clone();
            sim.spawn(move || Worker { other: Some(to.clone()), done: 0 }).ok()
        })
        .take(5)
        .collect();
        for worker in &chain[1..] {
            worker.block().tell().unwrap();
            worker.elsewhere().tell().unwrap();
        }
        sim.settle(1_000).unwrap();
        for worker in &chain[1..] {
            assert_eq!(worker.done().wait().unwrap(), 1);
        }
    }
}

#[test]
fn on_a_turn_nothing_waits() {
    let sim = Sim::new([]);
    let (worker, _other) = workers(&sim);
    assert!(worker.wait_here().wait().unwrap());
}

#[test]
fn what_waits_for_ever_is_a_deadlock_that_says_so() {
    let sim = Sim::new([]);
    let (worker, _other) = workers(&sim);
    let waited = catch_unwind(AssertUnwindSafe(|| worker.never().wait()));
    let payload = waited.expect_err("nobody answers");
    let text =
        payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    assert!(text.is_some_and(|text| text.contains("does not come")), "{text:?}");
}

#[test]
fn a_pinned_actor_is_one_like_any_other() {
    let sim = Sim::new([]);
    let worker = sim.actor(|| Worker { other: None, done: 7 }).pinned().spawn().unwrap();
    assert_eq!(worker.done().wait().unwrap(), 7);
}

#[test]
fn a_system_ends_in_order_and_says_why() {
    let sim = Sim::new([]);
    let (worker, _other) = workers(&sim);
    let monitor = worker.monitor();
    let report = sim.shutdown();
    assert!(report.is_clean(), "{report}");
    assert!(matches!(monitor.wait().reason, StopReason::Shutdown));
    assert!(matches!(sim.wait(), StopReason::Shutdown));
    assert_eq!(sim.snapshot().actors_alive(), 0);
}

#[test]
fn a_handler_that_is_never_ready_is_killed_at_the_end_by_the_simulations_time() {
    let sim = Sim::new([]);
    let (worker, _other) = workers(&sim);
    worker.never().tell().unwrap();
    sim.settle(100).unwrap();
    let report = sim.shutdown();
    assert_eq!(report.late.len(), 1, "{report}");
    assert!(sim.now() >= Duration::from_secs(5), "{:?}", sim.now());
}

#[test]
fn there_is_one_simulation_on_a_thread() {
    let sim = Sim::new([]);
    let second = catch_unwind(|| drop(Sim::new([])));
    assert!(second.is_err());
    drop(sim);
    drop(Sim::new([]));
}
