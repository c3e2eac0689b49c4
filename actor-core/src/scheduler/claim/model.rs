//! Models of a claim: a thread that comes and goes against one that takes its worker over.
//!
//! What was weakened, and what loom said:
//!
//! * no fence in `defend`, or no heavy barrier: both threads use the worker's queue at a time;
//! * the store in `leave` or in the drop of `Inside` or of `Scheduling`, or the load of `turns`, of `visits` or of
//!   `scheduling` in `revoke`, relaxed: who takes over does not see what was queued last;
//! * `defend` without a compare-and-swap, by a swap: both use the queue;
//! * `revoke` that takes the claim whatever `turns`, `visits` or `scheduling` says: the same.
//!
//! Loom has no barrier that one side pays for: in models the hold is `FENCED`, and both sides have a full fence,
//! which is what the two are together.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model::{Guarded, check};

/// A worker: its thread's claim, and how much is in its queue.
struct Worker {
    claim: Claim,
    queue: Guarded<u32>,
}

impl Worker {
    /// A worker whose thread is inside.
    fn new() -> Arc<Self> {
        let worker = Worker { claim: Claim::none(), queue: Guarded::new(0) };
        worker.claim.renew();
        Arc::new(worker)
    }

    /// What a handler does that schedules an actor. True if that went into the worker's queue.
    fn push(&self) -> bool {
        let inside = self.claim.schedules();
        if inside.is_some() {
            self.queue.with(|queue| *queue += 1);
        }
        inside.is_some()
    }

    /// What a handler does that uses something else of the worker.
    fn visit(&self) -> bool {
        let inside = self.claim.inside();
        if inside.is_some() {
            self.queue.with(|queue| *queue += 1);
        }
        inside.is_some()
    }

    /// What the thread does after a turn. True if it still has its worker.
    fn come_back(&self) -> bool {
        let held = self.claim.enter();
        if held {
            self.queue.with(|queue| *queue += 1);
        }
        held
    }

    /// What sysmon does, and the spare thread then. What is in the queue, if it took over.
    fn take_over(&self) -> Option<u32> {
        self.claim.revoke().then(|| self.queue.with(|queue| *queue))
    }
}

#[test]
fn a_return_and_a_replacement_have_one_winner() {
    check(3, || {
        let worker = Worker::new();
        let sysmon = {
            let worker = worker.clone();
            thread::spawn(move || worker.take_over())
        };
        // Between two turns.
        worker.queue.with(|queue| *queue += 1);
        worker.claim.leave();
        let held = worker.come_back();
        let taken = sysmon.join().unwrap();
        assert_eq!(taken, (!held).then_some(1), "one has the worker, and all that was queued");
    });
}

fn what_is_done_last_is_there_for_who_takes_over(first: fn(&Worker) -> bool, then: fn(&Worker) -> bool) {
    check(3, move || {
        let worker = Worker::new();
        worker.claim.leave();
        let sysmon = {
            let worker = worker.clone();
            thread::spawn(move || worker.take_over())
        };
        let pushed = first(&worker);
        let pushed_then = then(&worker);
        match sysmon.join().unwrap() {
            Some(taken) => assert_eq!(taken, u32::from(pushed) + u32::from(pushed_then)),
            None => assert!(pushed && pushed_then && worker.come_back()),
        }
    });
}

#[test]
fn what_a_handler_queued_last_is_there_for_who_takes_over() {
    what_is_done_last_is_there_for_who_takes_over(Worker::push, Worker::push);
}

#[test]
fn what_a_visitor_did_last_is_there_for_who_takes_over() {
    what_is_done_last_is_there_for_who_takes_over(Worker::visit, Worker::visit);
}

#[test]
fn visits_and_schedules_are_apart() {
    what_is_done_last_is_there_for_who_takes_over(Worker::visit, Worker::push);
    what_is_done_last_is_there_for_who_takes_over(Worker::push, Worker::visit);
}

#[test]
fn a_schedule_between_two_turns_does_not_go_outside() {
    check(3, || {
        let worker = Worker::new();
        let sysmon = {
            let worker = worker.clone();
            thread::spawn(move || worker.take_over())
        };
        // As a timer that the worker loop fires.
        assert!(worker.push());
        worker.queue.with(|queue| *queue += 1);
        assert!(sysmon.join().unwrap().is_none(), "the thread has not been outside");
    });
}

#[test]
fn a_thread_that_has_lost_its_worker_can_be_given_another() {
    check(3, || {
        let worker = Worker::new();
        worker.claim.leave();
        assert!(worker.take_over().is_some());
        assert!(!worker.come_back() && !worker.push());
        worker.claim.renew();
        assert!(worker.push());
        let sysmon = {
            let worker = worker.clone();
            thread::spawn(move || worker.take_over())
        };
        worker.claim.leave();
        assert!(worker.come_back() != sysmon.join().unwrap().is_some());
    });
}
