//! The scheduler: a run queue per worker that others steal from, and a global one for work from
//! outside. `worker` has the loop, `sleep` the protocol of parking and waking.

mod sleep;
pub(crate) mod worker;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Queue};
use crossbeam_utils::CachePadded;

use crate::cell::task::Task;
use crate::clock;
use crate::driver::{Driver, MakeDriver};
use crate::sync::{AtomicBool, Condvar, Mutex, Ordering};
use crate::system::SystemHandle;
use crate::timer::TimerQueue;
use sleep::Sleep;
use worker::Pushed;

pub(crate) struct Scheduler {
    /// Work from threads that are not workers of this system.
    global: Injector<Task>,
    remotes: Box<[CachePadded<Remote>]>,
    sleep: Sleep,
    stopping: AtomicBool,
    /// How many worker threads have not ended.
    live: Mutex<usize>,
    ended: Condvar,
}

/// What all threads see of a worker.
struct Remote {
    stealer: Stealer<Task>,
    driver: Arc<dyn Driver>,
    timers: TimerQueue,
}

impl Scheduler {
    /// A scheduler, and the queues for its workers.
    pub(crate) fn new(workers: usize, make_driver: &MakeDriver) -> io::Result<(Self, Vec<Queue<Task>>)> {
        let queues: Vec<_> = (0..workers).map(|_| Queue::new_fifo()).collect();
        let remotes = queues.iter().enumerate().map(|(index, queue)| {
            let (stealer, driver) = (queue.stealer(), make_driver(index)?);
            Ok(CachePadded::new(Remote { stealer, driver, timers: TimerQueue::new(clock::now()) }))
        });
        let scheduler = Scheduler {
            global: Injector::new(),
            remotes: remotes.collect::<io::Result<_>>()?,
            sleep: Sleep::default(),
            stopping: AtomicBool::new(false),
            live: Mutex::new(0),
            ended: Condvar::new(),
        };
        Ok((scheduler, queues))
    }

    pub(crate) fn start_worker(
        system: SystemHandle,
        name: &str,
        index: usize,
        queue: Queue<Task>,
    ) -> io::Result<()> {
        *system.scheduler().live.lock() += 1;
        let thread = std::thread::Builder::new().name(format!("{name}-{index}"));
        let handle = system.clone();
        let started = thread.spawn(move || {
            handle.placement().pin(index);
            worker::run(handle, index, queue);
        });
        if started.is_err() {
            system.scheduler().worker_ended();
        }
        started.map(drop)
    }

    /// Queues a turn of an actor that got something to do, and wakes a worker for it if need be.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        match worker::push_local(self, task) {
            // It is the next that this worker runs: no other is needed.
            Ok(Pushed::Next) => return,
            Ok(Pushed::Queued) => {}
            Err(task) => self.push_global(task),
        }
        self.wake_one();
    }

    fn push_global(&self, task: Task) {
        self.global.push(task);
        if self.is_stopping() && *self.live.lock() == 0 {
            self.run_leftovers();
        }
    }

    /// Runs what is scheduled when the workers have gone: actors that were spawned at the last moment,
    /// to come to their end. Whoever schedules one looks whether there are workers after the push, and
    /// the last worker to go looks at the queue after that; so one of the two sees to it.
    fn run_leftovers(&self) {
        while let Some(task) = until_settled(|| self.global.steal()) {
            task.run();
        }
    }

    /// Queues another turn of an actor that has not come to the end of its work, behind the others.
    pub(crate) fn schedule_again(&self, task: Task) {
        match worker::push_back(self, task) {
            // This worker has nothing else to do, so it comes to it next.
            Ok(Pushed::Next) => return,
            Ok(Pushed::Queued) => {}
            Err(task) => self.push_global(task),
        }
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(worker) = self.sleep.worker_to_wake() {
            self.unpark(worker);
        }
    }

    /// Makes a worker look at its queue and timers.
    pub(crate) fn unpark(&self, worker: usize) {
        self.remotes[worker].driver.unpark();
    }

    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    pub(crate) fn driver(&self, worker: usize) -> Option<&Arc<dyn Driver>> {
        self.remotes.get(worker).map(|remote| &remote.driver)
    }

    pub(crate) fn timers(&self, worker: usize) -> &TimerQueue {
        &self.remotes[worker].timers
    }

    /// The number of the worker that this thread is, if it is one of this system.
    pub(crate) fn current_worker(&self) -> Option<usize> {
        worker::index_in(self)
    }

    // ---- for workers ---------------------------------------------------------------------------

    /// Takes from the global queue, or half of what another worker has.
    fn steal(&self, thief: usize, queue: &Queue<Task>) -> Option<Task> {
        let from_global = || self.global.steal_batch_and_pop(queue);
        if let Some(task) = until_settled(from_global) {
            return Some(task);
        }
        let start = clock::below(self.remotes.len());
        (0..self.remotes.len())
            .map(|step| (start + step) % self.remotes.len())
            .filter(|victim| *victim != thief)
            .find_map(|victim| until_settled(|| self.remotes[victim].stealer.steal_batch_and_pop(queue)))
    }

    /// Takes one from the global queue, and with it up to `most` together into `queue`.
    fn steal_global(&self, queue: &Queue<Task>, most: usize) -> Option<Task> {
        until_settled(|| self.global.steal_batch_with_limit_and_pop(queue, most))
    }

    fn has_work(&self) -> bool {
        !self.global.is_empty() || self.remotes.iter().any(|remote| !remote.stealer.is_empty())
    }

    // ---- the end -------------------------------------------------------------------------------

    /// Ends each worker as soon as it finds nothing to run.
    pub(crate) fn stop(&self) {
        // Release: pairs with the workers' Acquire load, so that what was done before is seen.
        self.stopping.store(true, Ordering::Release);
        for worker in 0..self.workers() {
            self.timers(worker).end();
            self.unpark(worker);
        }
    }

    /// Waits for the threads of the workers until `until`; returns how many have not ended.
    pub(crate) fn wait_for_workers(&self, until: Instant) -> usize {
        let mut live = self.live.lock();
        while *live > 0 {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            live = self.ended.wait_timeout(live, left).unwrap_or_else(|e| e.into_inner()).0;
        }
        *live
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // Acquire: pairs with the Release store in `stop`.
        self.stopping.load(Ordering::Acquire)
    }

    fn worker_ended(&self) {
        let last = {
            let mut live = self.live.lock();
            *live -= 1;
            *live == 0
        };
        if last && self.is_stopping() {
            self.run_leftovers();
        }
        self.ended.notify_all();
    }
}

/// Repeats a steal that lost a race.
fn until_settled(mut steal: impl FnMut() -> Steal<Task>) -> Option<Task> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
