//! Models of workers that fall asleep against pushes of work.
//!
//! What was weakened, and what loom said:
//!
//! * no fence in `worker_to_wake` or `fall_asleep`: there is work, and all are parked;
//! * no fence in `end_search`, or nobody is the last: there is work, and the worker that could do it is parked;
//! * who falls asleep never the last to search: there is little work, and nobody watches it;
//! * no fence in `begin_nap`: there is work, and it waits for the nap to end;
//! * a woken worker not counted: it ends a search that nobody has begun.
//!
//! Loom's fences also synchronise, which real ones alone do not. So it does not see that the subtraction in
//! `fall_asleep` must be a release and the one in `end_search` an acquire, which give whoever searches longer the idle
//! list. Nothing else relies on that: all that the stub of a queue does is relaxed.

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::*;
use crate::sync::model::check;

/// A scheduler whose queue is a number. Relaxed throughout: the fences of `Sleep` give the order.
struct Scheduler {
    sleep: Sleep,
    queued: AtomicUsize,
    unparked: [AtomicBool; 2],
}

impl Scheduler {
    /// With so many workers that search.
    fn searching(workers: usize) -> Arc<Self> {
        let unparked = [(); 2].map(|()| AtomicBool::new(false));
        let scheduler = Scheduler { sleep: Sleep::default(), queued: AtomicUsize::new(0), unparked };
        (0..workers).for_each(|_| scheduler.sleep.start_search());
        Arc::new(scheduler)
    }

    fn wake_one(&self) {
        if let Some(worker) = self.sleep.worker_to_wake() {
            self.unparked[worker].store(true, Ordering::Relaxed);
        }
    }

    /// Work that cannot wait for a nap to end.
    fn schedule_urgent(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let worker = self.sleep.worker_to_wake().or_else(|| self.sleep.napper_to_wake());
        if let Some(worker) = worker {
            self.unparked[worker].store(true, Ordering::Relaxed);
        }
    }

    /// What a searching worker does that would rather nap than sleep. True if it parks for the nap, false if there is
    /// work or another naps.
    fn nap(&self, worker: usize) -> bool {
        self.sleep.begin_nap(worker) && {
            let parks = !self.has_work();
            if !parks {
                self.sleep.end_nap(worker);
            }
            parks
        }
    }

    fn schedule(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.wake_one();
    }

    /// What a searching worker does that has found something.
    fn end_search(&self) {
        if self.sleep.end_search() && self.has_work() {
            self.wake_one();
        }
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    fn was_unparked(&self, worker: usize) -> bool {
        self.unparked[worker].load(Ordering::Relaxed)
    }

    /// The same where what is queued is not worth taking: the last to search sees to it all the same.
    fn rest_by_little(&self, worker: usize) -> bool {
        if !self.sleep.fall_asleep(worker) || !self.has_work() {
            return true;
        }
        self.sleep.wake_up(worker);
        false
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

/// What another thread does meanwhile.
fn beside<R: 'static>(
    scheduler: &Arc<Scheduler>,
    f: impl FnOnce(&Scheduler) -> R + 'static,
) -> thread::JoinHandle<R> {
    let scheduler = scheduler.clone();
    thread::spawn(move || f(&scheduler))
}

/// Two workers that search and find nothing, each of which parks or does not, while there is a push.
fn one_of_two_is_awake(push: fn(&Scheduler), rest: fn(&Scheduler, usize) -> bool) {
    check(3, move || {
        let scheduler = Scheduler::searching(2);
        let submitter = beside(&scheduler, push);
        let other = beside(&scheduler, move |scheduler| rest(scheduler, 1));
        let parked = [rest(&scheduler, 0), other.join().unwrap()];
        submitter.join().unwrap();
        let awake = (0..2).any(|worker| !parked[worker] || scheduler.was_unparked(worker));
        assert!(awake, "there is work, and all are parked");
    });
}

#[test]
fn work_is_seen_by_a_worker_before_it_parks_or_wakes_one() {
    one_of_two_is_awake(Scheduler::schedule, Scheduler::rest);
}

#[test]
fn one_naps_and_the_other_sleeps_and_urgent_work_gets_one_of_them() {
    one_of_two_is_awake(Scheduler::schedule_urgent, |scheduler, worker| {
        scheduler.nap(worker) || scheduler.rest(worker)
    });
}

#[test]
fn the_last_searcher_sees_to_work_that_relied_on_it() {
    check(3, || {
        let scheduler = Scheduler::searching(2);
        assert!(scheduler.rest(1));
        scheduler.queued.store(1, Ordering::Relaxed);
        let submitter = beside(&scheduler, Scheduler::schedule);
        // This worker has found the first task, and runs it for a long time.
        scheduler.queued.fetch_sub(1, Ordering::Relaxed);
        scheduler.end_search();
        submitter.join().unwrap();
        assert!(scheduler.was_unparked(1), "there is work, and the worker that could do it is parked");
    });
}

#[test]
fn little_work_is_watched_by_whoever_searches_last() {
    check(3, || {
        let scheduler = Scheduler::searching(2);
        let submitter = beside(&scheduler, Scheduler::schedule);
        let other = beside(&scheduler, |scheduler| scheduler.rest_by_little(1));
        // This worker has found something else, and runs it for a long time.
        scheduler.end_search();
        let parked = other.join().unwrap();
        submitter.join().unwrap();
        assert!(!parked || scheduler.was_unparked(1), "there is little work, and nobody watches it");
    });
}

#[test]
fn each_worker_is_woken_once() {
    check(3, || {
        let scheduler = Scheduler::searching(1);
        assert!(scheduler.rest(0));
        let woken = [(); 2].map(|()| beside(&scheduler, |scheduler| scheduler.sleep.worker_to_wake()));
        scheduler.sleep.wake_up(0);
        let woken = woken.map(|woken| woken.join().unwrap());
        assert!(woken.iter().flatten().count() <= 1);
        // It counts as searching once, whoever woke it.
        assert!(scheduler.sleep.end_search());
    });
}

#[test]
fn urgent_work_is_seen_before_a_nap_or_ends_it() {
    check(3, || {
        let scheduler = Scheduler::searching(1);
        let submitter = beside(&scheduler, Scheduler::schedule_urgent);
        let naps = scheduler.nap(0);
        submitter.join().unwrap();
        assert!(!naps || scheduler.was_unparked(0), "there is work, and it waits for the nap to end");
    });
}
