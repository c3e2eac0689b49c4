//! The background lane: threads of the lowest priority for actors whose turns keep taking long, so that a thousand of
//! them cost a few threads and no worker.
//!
//! Who goes there, and who comes back, is [`conduct`]'s. An actor is sent there when a worker comes to its turn, for
//! each of its turns as long as it stays.

pub(super) mod conduct;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cell::task::Task;
use crate::clock;
use crate::scheduler::Scheduler;
use crate::scheduler::hand::{Hand, Order};
use crate::scheduler::local;
use crate::sync::{Condvar, Mutex};
use crate::system::SystemHandle;
use conduct::Conduct;

/// A thread that has had nothing to do for this long ends.
const IDLE_FOR: Duration = Duration::from_secs(1);
/// How often it is looked what the threads do, while turns wait.
const LOOKS_EVERY: Duration = Duration::from_millis(10);
/// If no turn has ended here for this long, and some wait, there is one more thread.
const STANDS_STILL: Duration = Duration::from_secs(1);

pub(super) struct Background {
    /// The most threads, as long as turns end here.
    threads: usize,
    lane: Mutex<Lane>,
    work: Condvar,
    pub(super) conduct: Conduct,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Task>,
    threads: Vec<Arc<Hand>>,
    /// How many of them wait for work.
    idle: usize,
    /// When a turn ended here last, or a thread came.
    moved: Option<Instant>,
    /// When it was looked last what the threads do.
    looked: Option<Instant>,
    /// Turns are run by workers from now on.
    over: bool,
}

impl Background {
    pub(super) fn new(threads: usize) -> Self {
        Background { threads, lane: Mutex::default(), work: Condvar::new(), conduct: Conduct::default() }
    }

    /// Queues a turn; gives it back if the system is ending. True if a thread must be started for it.
    pub(super) fn push(&self, task: Task) -> Result<bool, Task> {
        let mut lane = self.lane.lock();
        if lane.over {
            return Err(task);
        }
        lane.queue.push_back(task);
        self.work.notify_one();
        Ok(lane.idle < lane.queue.len())
    }

    /// Takes threads if some are wanted. Called by sysmon, which must not wait for a thread of the lane that has lost its
    /// processor with a lock in hand: then workers that wait for that lock would be taken over by nobody. So it comes back to
    /// what it cannot do at once.
    pub(super) fn tend(
        &self,
        parallelism: usize,
        now: Instant,
        mut spare: impl FnMut() -> Option<Arc<Hand>>,
    ) {
        self.conduct.tend(now);
        let wanted = self.wanted(parallelism, now);
        for _ in 0..wanted {
            let Some(spare) = spare() else { return };
            {
                let mut lane = self.lane.lock();
                lane.threads.push(spare.clone());
                lane.moved = Some(now);
            }
            spare.order(Order::Background);
        }
    }

    /// How many threads more are wanted. Those that burn processor time are of use up to the parallelism, those that
    /// block up to the limit; and if no turn ends for long, one more is.
    fn wanted(&self, parallelism: usize, now: Instant) -> usize {
        let since =
            |then: Option<Instant>| then.map_or(Duration::MAX, |then| now.saturating_duration_since(then));
        let (threads, waiting) = {
            let Some(mut lane) = self.lane.try_lock() else { return 0 };
            let waiting = lane.queue.len().saturating_sub(lane.idle);
            if waiting == 0 || lane.over || since(lane.looked) < LOOKS_EVERY {
                return 0;
            }
            lane.looked = Some(now);
            if since(lane.moved) >= STANDS_STILL {
                return 1;
            }
            (lane.threads.clone(), waiting)
        };
        // Where it is not known, they do not burn.
        let burns = |hand: &&Arc<Hand>| hand.usage().is_some_and(|usage| usage.runnable);
        let burning = threads.iter().filter(burns).take(parallelism).count();
        waiting.min(parallelism - burning).min(self.threads.saturating_sub(threads.len()))
    }

    /// How many threads there are, and how many turns wait.
    pub(super) fn count(&self) -> (usize, usize) {
        let lane = self.lane.lock();
        (lane.threads.len(), lane.queue.len())
    }

    /// Has the workers run what waits here, and what will come.
    pub(super) fn stop(&self) -> VecDeque<Task> {
        let mut lane = self.lane.lock();
        lane.over = true;
        self.work.notify_all();
        std::mem::take(&mut lane.queue)
    }

    /// Waits for a turn; `None` if this thread is to end.
    fn next(&self, hand: &Arc<Hand>) -> Option<Task> {
        let mut lane = self.lane.lock();
        let until = clock::now() + IDLE_FOR;
        loop {
            if let Some(task) = lane.queue.pop_front() {
                return Some(task);
            }
            let left = until.saturating_duration_since(clock::now());
            if lane.over || left.is_zero() {
                lane.threads.retain(|other| !Arc::ptr_eq(other, hand));
                return None;
            }
            lane.idle += 1;
            lane = self.work.wait_timeout(lane, left).unwrap_or_else(|e| e.into_inner()).0;
            lane.idle -= 1;
        }
    }

    fn turn_ended(&self) {
        self.lane.lock().moved = Some(clock::now());
    }
}

/// Runs turns until there are none for a while. The thread ends after that: it cannot have its priority back.
pub(super) fn run(system: &SystemHandle, hand: &Arc<Hand>) {
    system.scheduler().crew.demote(hand, hand.doing.turn());
    let scheduler = system.scheduler();
    while let Some(task) = scheduler.background.next(hand) {
        run_turn(scheduler, hand, task);
    }
    scheduler.outside.add_counted();
}

fn run_turn(scheduler: &Scheduler, hand: &Hand, task: Task) {
    let begun = clock::now();
    let subject = hand.run_turn(task);
    local::ends_afar(scheduler);
    scheduler.tallies.background.count();
    scheduler.background.turn_ended();
    if let Some(subject) = subject {
        let now = clock::now();
        let took = now.saturating_duration_since(begun);
        scheduler.background.conduct.ended(scheduler, subject, took);
    }
}
