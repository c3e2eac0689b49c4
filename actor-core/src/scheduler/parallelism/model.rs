//! Models of a worker that retires against work that is submitted, and against a wake-up that has chosen it.
//!
//! What was weakened, and what loom said:
//!
//! * a retiring worker that was chosen does not pass its search on: there is work, and the active worker is parked;
//! * it looks for work before it ends its search, or there is no fence between the two: the same;
//! * it hands its queue over and wakes nobody: the same;
//! * a change that unparks nobody: a retired worker is parked, and should be active.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::scheduler::sleep::Sleep;
use crate::sync::AtomicBool;
use crate::sync::model::check;

/// A scheduler of two workers whose global queue is a number. Relaxed throughout: the fences of `Sleep` give the order.
struct Model {
    sleep: Sleep,
    active: Active,
    queued: AtomicUsize,
    unparked: [AtomicBool; 2],
}

impl Model {
    fn new(active: usize) -> Arc<Self> {
        let model = Model {
            sleep: Sleep::default(),
            active: Active::default(),
            queued: AtomicUsize::new(0),
            unparked: [(); 2].map(|()| AtomicBool::new(false)),
        };
        model.active.change(active);
        Arc::new(model)
    }

    fn unpark(&self, worker: usize) {
        // Release, with the acquire in `is_unparked`: as every driver has it.
        self.unparked[worker].store(true, Ordering::Release);
    }

    fn is_unparked(&self, worker: usize) -> bool {
        self.unparked[worker].load(Ordering::Acquire)
    }

    fn wake_one(&self) {
        if let Some(worker) = self.sleep.worker_to_wake() {
            self.unpark(worker);
        }
    }

    fn submit(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.wake_one();
    }

    fn change(&self, count: usize) {
        for worker in self.active.change(count) {
            self.unpark(worker);
        }
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// As `Scheduler::search_ended`.
    fn search_ended(&self) {
        if self.sleep.end_search() && self.has_work() {
            self.wake_one();
        }
    }

    /// What a worker does that was unparked out of `rest`, and finds itself over the limit or not. True if it retires.
    fn woken(&self, worker: usize) -> bool {
        self.sleep.wake_up(worker);
        let retires = !self.active.includes(worker);
        if retires {
            self.search_ended();
        }
        retires
    }

    /// What a searching worker does that has found nothing. True if it parks.
    fn rest(&self, worker: usize) -> bool {
        self.sleep.fall_asleep(worker);
        if !self.has_work() {
            return true;
        }
        self.sleep.wake_up(worker);
        false
    }
}

#[test]
fn a_wake_up_that_chose_a_retiring_worker_is_passed_on() {
    check(3, || {
        let model = Model::new(2);
        // Both are idle; the second is the one that is chosen first.
        for worker in 0..2 {
            model.sleep.start_search();
            assert!(model.rest(worker));
        }
        let submitter = {
            let model = model.clone();
            thread::spawn(move || model.submit())
        };
        model.change(1);
        // It was unparked, by the change if by nobody else.
        assert!(model.is_unparked(1));
        assert!(model.woken(1));
        submitter.join().unwrap();
        assert!(model.is_unparked(0), "there is work, and the active worker is parked");
    });
}

#[test]
fn what_a_retiring_worker_hands_over_is_seen() {
    check(3, || {
        let model = Model::new(1);
        model.sleep.start_search();
        let other = {
            let model = model.clone();
            thread::spawn(move || model.rest(0))
        };
        // As `Scheduler::hand_over`, by a worker that was running.
        model.submit();
        let parked = other.join().unwrap();
        assert!(!parked || model.is_unparked(0), "there is work, and the active worker is parked");
    });
}

#[test]
fn a_search_that_work_relied_on_is_passed_on_by_who_retires() {
    check(3, || {
        let model = Model::new(1);
        model.sleep.start_search();
        assert!(model.rest(0));
        // The second worker searches, and has just found out that it is over the limit.
        model.sleep.start_search();
        let submitter = {
            let model = model.clone();
            thread::spawn(move || model.submit())
        };
        model.search_ended();
        submitter.join().unwrap();
        assert!(model.is_unparked(0), "there is work, and the active worker is parked");
    });
}

#[test]
fn a_worker_that_is_to_be_active_again_does_not_stay_parked() {
    check(3, || {
        let model = Model::new(1);
        let change = {
            let model = model.clone();
            thread::spawn(move || model.change(2))
        };
        // As the loop in `Worker::retire`, once around: the second look is the one after the park.
        let parks = !model.active.includes(1);
        if parks && model.is_unparked(1) {
            assert!(model.active.includes(1), "an unpark is about the change before it");
        }
        change.join().unwrap();
        assert!(!parks || model.is_unparked(1), "a retired worker is parked, and should be active");
    });
}
