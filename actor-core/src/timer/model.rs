//! Models of threads that arm and cancel against the worker that fires and falls asleep.
//!
//! What was weakened, and what loom said:
//!
//! * `fire_due` notes in a second hold of the lock when the worker will look: it sleeps until 9 ms;
//! * a sooner one from afar is not told: it sleeps on;
//! * a key that fits whatever is in its place: another's key has cancelled it.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::AtomicUsize;
use crate::sync::Ordering;
use crate::sync::model::{Bell, check};

const TICK: Duration = Duration::from_millis(1);

fn ms(n: u32) -> Duration {
    TICK * n
}

/// A worker's queue, and how often it was unparked.
struct Worker {
    timers: TimerQueue,
    unparked: AtomicUsize,
}

impl Worker {
    fn new(start: Instant) -> Arc<Self> {
        Arc::new(Worker { timers: TimerQueue::new(start), unparked: AtomicUsize::new(0) })
    }

    fn arm_from_afar(&self, at: Instant, waker: Waker) -> Key {
        let (key, sooner) = self.timers.arm_from_afar(When::At(at), Target::Wake(waker));
        if sooner {
            self.unparked.fetch_add(1, Ordering::Relaxed);
        }
        key
    }
}

#[test]
fn a_worker_does_not_sleep_longer_than_a_timer_from_afar() {
    check(3, || {
        let start = clock::now();
        let worker = Worker::new(start);
        let (bell, waker) = Bell::new();
        for at in [3, 9] {
            worker.timers.arm(When::At(start + ms(at)), Target::Wake(Bell::new().1));
        }
        // The worker will look at 3 ms, so one that arms for later has nothing to tell it.
        worker.timers.fire_due(start + ms(1));
        let arming = {
            let worker = worker.clone();
            thread::spawn(move || {
                worker.arm_from_afar(start + ms(5), waker);
            })
        };
        let sleeps_until = worker.timers.fire_due(start + ms(3));
        arming.join().unwrap();
        let is_told = worker.unparked.load(Ordering::Relaxed) > 0;
        assert!(is_told || sleeps_until == Some(start + ms(5)), "it sleeps until {sleeps_until:?}");
        worker.timers.fire_due(start + ms(5));
        assert!(bell.has_rung());
        worker.timers.end();
    });
}

#[test]
fn the_first_of_two_from_afar_is_told() {
    check(3, || {
        let start = clock::now();
        let worker = Worker::new(start);
        let arming = [7, 4].map(|at| {
            let worker = worker.clone();
            let (bell, waker) = Bell::new();
            let arming = thread::spawn(move || {
                worker.arm_from_afar(start + ms(at), waker);
            });
            (bell, arming)
        });
        let mut sleeps_until = worker.timers.fire_due(start + ms(1));
        let bells = arming.map(|(bell, arming)| {
            arming.join().unwrap();
            bell
        });
        // A worker that was unparked looks again.
        if worker.unparked.load(Ordering::Relaxed) > 0 {
            sleeps_until = worker.timers.fire_due(start + ms(1));
        }
        assert_eq!(sleeps_until, Some(start + ms(4)));
        assert_eq!(worker.timers.fire_due(start + ms(4)), Some(start + ms(7)));
        assert!(bells[1].has_rung() && !bells[0].has_rung());
        worker.timers.end();
    });
}

#[test]
fn a_timer_is_fired_or_cancelled() {
    check(3, || {
        let start = clock::now();
        let worker = Worker::new(start);
        let (bell, waker) = Bell::new();
        let (other, other_waker) = Bell::new();
        let key = worker.arm_from_afar(start + ms(70), waker);
        let cancelling = {
            let worker = worker.clone();
            thread::spawn(move || {
                worker.timers.cancel(key);
                // The place may be used again: an old key must not find what is there now.
                worker.arm_from_afar(start + ms(70), other_waker);
                worker.timers.cancel(key);
            })
        };
        // The first moves it to a lower level of the wheel, the second fires it.
        worker.timers.fire_due(start + ms(64));
        worker.timers.fire_due(start + ms(70));
        cancelling.join().unwrap();
        worker.timers.fire_due(start + ms(71));
        assert!(other.has_rung(), "another's key has cancelled it");
        assert_eq!(worker.timers.inner.lock().wheel.next(), None);
        // Fired or not, the waker is gone: loom fails if it is leaked.
        let _either = bell.has_rung();
    });
}
