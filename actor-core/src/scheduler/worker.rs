//! The worker loop: [`Worker::next`], [`Worker::run`], [`Worker::rest`].

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_deque::Worker as Queue;

use crate::clock;
use crate::driver::Driver;
use crate::scheduler::{Scheduler, Task};
use crate::system::SystemHandle;

/// After this many turns a worker looks at the global queue before its own.
const GLOBAL_EVERY: u32 = 61;
/// After this long a busy worker looks at its timers, its driver and the global queue: long turns are
/// not to keep work from outside waiting for 61 of them.
const OUTSIDE_EVERY: Duration = Duration::from_micros(200);

thread_local!(static LOCAL: OnceCell<Local> = const { OnceCell::new() });

/// What a worker's own thread has of it.
struct Local {
    system: SystemHandle,
    index: usize,
    queue: Queue<Task>,
}

impl Local {
    fn is_of(&self, scheduler: &Scheduler) -> bool {
        std::ptr::eq(self.system.scheduler(), scheduler)
    }
}

fn with_local<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
    LOCAL.try_with(|local| local.get().map(f)).ok().flatten()
}

/// Whether this thread is a worker of any system.
pub(crate) fn is_current() -> bool {
    with_local(|_| ()).is_some()
}

pub(crate) fn index_in(scheduler: &Scheduler) -> Option<usize> {
    with_local(|local| local.is_of(scheduler).then_some(local.index)).flatten()
}

pub(crate) fn current_driver() -> Option<Arc<dyn Driver>> {
    with_local(|local| local.system.scheduler().driver(local.index).cloned()).flatten()
}

/// Pushes to this thread's own queue; gives the task back if it is not a worker of `scheduler`.
pub(super) fn push_local(scheduler: &Scheduler, task: Task) -> Result<(), Task> {
    let mut task = Some(task);
    with_local(|local| {
        if local.is_of(scheduler)
            && let Some(task) = task.take()
        {
            local.queue.push(task);
        }
    });
    task.map_or(Ok(()), Err)
}

/// Runs a worker until its system stops.
pub(super) fn run(system: SystemHandle, index: usize, queue: Queue<Task>) {
    LOCAL.with(|local| {
        let local = local.get_or_init(|| Local { system, index, queue });
        let scheduler = local.system.scheduler();
        let driver = &*scheduler.remotes[index].driver;
        let outside_at = clock::now();
        Worker { local, scheduler, driver, turns: 0, searching: false, global_due: false, outside_at }
            .run_all();
        // What is queued still belongs to actors that did not end in time; it goes here, not in the
        // thread's last moments, when its thread-locals are gone.
        while let Some(task) = local.queue.pop() {
            drop(task);
        }
        scheduler.worker_ended();
    });
}

struct Worker<'a> {
    local: &'a Local,
    scheduler: &'a Scheduler,
    driver: &'a dyn Driver,
    turns: u32,
    /// Whether this worker counts as searching in `Sleep`.
    searching: bool,
    /// Whether the global queue comes first now, since it was not looked at for a while.
    global_due: bool,
    /// When to look at timers, driver and global queue next.
    outside_at: Instant,
}

impl Worker<'_> {
    fn run_all(&mut self) {
        loop {
            match self.next() {
                Some(task) => self.run(task),
                None if self.scheduler.is_stopping() => break,
                None => self.rest(),
            }
        }
    }

    /// Finds the next turn to run: here, in the global queue, or at another worker's.
    fn next(&mut self) -> Option<Task> {
        let queue = &self.local.queue;
        self.turns = self.turns.wrapping_add(1);
        let global_first = std::mem::take(&mut self.global_due) || self.turns.is_multiple_of(GLOBAL_EVERY);
        let near = if global_first { self.scheduler.steal_global(queue) } else { None };
        let found = near.or_else(|| queue.pop()).or_else(|| {
            if !self.searching {
                self.searching = true;
                self.scheduler.sleep.start_search();
            }
            self.scheduler.steal(self.local.index, queue)
        });
        if found.is_some() && self.searching {
            self.searching = false;
            if self.scheduler.sleep.end_search() && self.scheduler.has_work() {
                self.scheduler.wake_one();
            }
        }
        found
    }

    /// Runs a turn, then looks outside if that is due.
    fn run(&mut self, task: Task) {
        // A turn catches what a user's code panics with; this is for a panic of our own, which must
        // not take the worker with it.
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            tracing::error!("a turn panicked outside of any handler: a bug in the runtime");
        }
        let now = clock::now();
        if now >= self.outside_at {
            self.scheduler.timers(self.local.index).fire_due(now);
            self.driver.poll();
            self.global_due = true;
            self.outside_at = now + OUTSIDE_EVERY;
        }
    }

    /// Parks until there is an event, a timer is due, or somebody has pushed work.
    fn rest(&mut self) {
        let (index, sleep) = (self.local.index, &self.scheduler.sleep);
        let next_timer = self.scheduler.timers(index).fire_due(clock::now());
        sleep.fall_asleep(index);
        if !self.scheduler.has_work() && !self.scheduler.is_stopping() {
            self.driver.park(next_timer.map(|at| at.saturating_duration_since(clock::now())));
        }
        sleep.wake_up(index);
        self.searching = true;
        self.outside_at = clock::now();
        self.scheduler.timers(index).fire_due(self.outside_at);
    }
}
