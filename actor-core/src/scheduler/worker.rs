//! The worker loop: [`Worker::next`], [`Worker::run`], [`Worker::rest`].

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cell::task::Task;
use crate::clock;
use crate::driver::Driver;
use crate::observe::{self, Count, Record, Watch};
use crate::scheduler::{Queue, Scheduler, pinned};
use crate::system::SystemHandle;

/// After at most this many turns a busy worker takes from the global queue first, and looks at the
/// clock; after fewer if they take long.
const CLOCK_EVERY: u32 = 61;
/// How long a busy worker does without a look at its timers and its driver, if turns are short.
const OUTSIDE_WITHIN: Duration = Duration::from_micros(100);
/// The most cells that are taken from the global queue at once when it comes first.
const MOST_AT_ONCE: usize = 32;
/// After this many turns of actors that were scheduled last, one behind another, the queue is next.
const NEXT_IN_A_ROW: u32 = 3;

thread_local! {
    /// Whether turns on this thread have taken long of late.
    static SLOW: Cell<bool> = const { Cell::new(false) };
    /// What the coarse clock said before the turn that runs on this thread.
    static TURN_BEGAN: Cell<u64> = const { Cell::new(0) };
    /// The actor whose turn runs on this thread, by the address of its cell.
    static CURRENT: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

/// Whether turns on this thread have taken long of late, so that a look at the clock costs little.
pub(crate) fn is_slow() -> bool {
    SLOW.get()
}

/// Whether the coarse clock has ticked since the turn on this thread began.
pub(crate) fn turn_is_long() -> bool {
    clock::coarse() != TURN_BEGAN.get()
}

/// Notes that a turn begins, on the thread of a pinned actor.
pub(super) fn turn_begins() {
    TURN_BEGAN.set(clock::coarse());
}

/// Notes whose turn runs on this thread.
#[inline]
pub(crate) fn set_current(cell: *const ()) {
    CURRENT.set(cell);
}

/// Whether the turn that runs on this thread, if there is one, is this actor's.
pub(crate) fn is_turn_of(cell: *const ()) -> bool {
    CURRENT.get() == cell
}

thread_local!(static LOCAL: OnceCell<Local> = const { OnceCell::new() });

/// What a worker's own thread has of it.
struct Local {
    system: SystemHandle,
    index: usize,
    queue: Queue<Task>,
    /// The actor that was scheduled last, by the turn that runs: it is next, while what it was sent
    /// is still in the cache. Not in the queue, so nobody can steal it.
    next: Cell<Option<Task>>,
    /// Whether this worker is retired: then what it schedules is for others.
    retired: Cell<bool>,
}

/// Where a task went.
pub(super) enum Pushed {
    /// This worker runs it next.
    Next,
    /// Into this worker's queue, where others can steal it.
    Queued,
}

impl Local {
    fn is_of(&self, scheduler: &Scheduler) -> bool {
        std::ptr::eq(self.system.scheduler(), scheduler)
    }
}

fn with_local<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
    LOCAL.try_with(|local| local.get().map(f)).ok().flatten()
}

/// Whether this thread runs actors, of any system: as a worker, or as a pinned actor's thread.
pub(crate) fn is_current() -> bool {
    with_local(|_| ()).is_some() || pinned::is_current()
}

pub(crate) fn index_in(scheduler: &Scheduler) -> Option<usize> {
    with_local(|local| local.is_of(scheduler).then_some(local.index)).flatten()
}

pub(crate) fn current_driver() -> Option<Arc<dyn Driver>> {
    let own = with_local(|local| local.system.scheduler().driver(local.index).cloned()).flatten();
    own.or_else(pinned::any_driver)
}

/// Calls `f` with the record of the worker that this thread is, if it is one.
pub(crate) fn with_record(f: impl FnOnce(&Record)) {
    with_local(|local| f(local.system.scheduler().record(local.index)));
}

/// Makes the task the next that this thread runs; the one that was next before goes into the queue.
/// Gives the task back if this thread is not an active worker of `scheduler`.
#[inline]
pub(super) fn push_local(scheduler: &Scheduler, task: Task) -> Result<Pushed, Task> {
    push(scheduler, task, |local, task| match local.next.replace(Some(task)) {
        None => Pushed::Next,
        Some(before) => {
            local.queue.push(before, &scheduler.global);
            Pushed::Queued
        }
    })
}

/// Pushes to the end of this thread's own queue; gives the task back if it is not an active worker
/// of `scheduler`.
pub(super) fn push_back(scheduler: &Scheduler, task: Task) -> Result<Pushed, Task> {
    push(scheduler, task, |local, task| {
        let alone = local.queue.is_empty();
        local.queue.push(task, &scheduler.global);
        if alone { Pushed::Next } else { Pushed::Queued }
    })
}

#[inline]
fn push(scheduler: &Scheduler, task: Task, to: impl FnOnce(&Local, Task) -> Pushed) -> Result<Pushed, Task> {
    let mut task = Some(task);
    let pushed = with_local(|local| {
        if !local.is_of(scheduler) || local.retired.get() {
            return None;
        }
        task.take().map(|task| to(local, task))
    });
    match (pushed.flatten(), task) {
        (_, Some(task)) => Err(task),
        (Some(pushed), None) => Ok(pushed),
        (None, None) => unreachable!("the task went where the other value came from"),
    }
}

/// Runs a worker until its system stops.
pub(super) fn run(system: SystemHandle, index: usize, queue: Queue<Task>) {
    LOCAL.with(|local| {
        let (next, retired) = (Cell::new(None), Cell::new(false));
        let local = local.get_or_init(|| Local { system, index, queue, next, retired });
        let scheduler = local.system.scheduler();
        let driver = &*scheduler.remote(index).driver;
        Worker {
            local,
            scheduler,
            driver,
            pace: Pace::new(),
            global_due: false,
            from_global: false,
            in_a_row: 0,
            searching: false,
            watch: Watch::new(scheduler.record(index)),
        }
        .run_all();
        scheduler.worker_ended();
    });
}

/// When to look outside. Reading the clock after each turn would cost more than many turns do, so it is
/// read every so many turns, and every single one if they take long.
struct Pace {
    /// How many turns there are between two looks at the clock.
    every: u32,
    left: u32,
    read: Instant,
    outside: Instant,
    /// When the global queue last had its turn.
    global: Instant,
    /// How many cells to take from it then: few if their turns are long.
    batch: usize,
}

impl Pace {
    fn new() -> Self {
        let now = clock::now();
        Pace { every: 1, left: 1, read: now, outside: now, global: now, batch: 1 }
    }

    /// Counts a turn. True if it is time to look at the clock.
    #[inline]
    fn turn_ended(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }

    /// Looks at the clock; the time, if it is time to look outside.
    fn look(&mut self) -> Option<Instant> {
        let now = clock::now();
        let took = now.saturating_duration_since(std::mem::replace(&mut self.read, now));
        let turns = u128::from((self.every - self.left).max(1));
        let fitting = OUTSIDE_WITHIN.as_nanos() * turns / took.as_nanos().max(1);
        self.every = fitting.clamp(1, u128::from(CLOCK_EVERY)) as u32;
        self.left = self.every;
        SLOW.set(self.every == 1);
        if now.saturating_duration_since(self.outside) < OUTSIDE_WITHIN {
            return None;
        }
        self.outside = now;
        Some(now)
    }

    /// Whether the global queue comes first, as of the last look at the clock, which comes right after
    /// a turn of it: `was_global`. Then the others have as much time as they keep it waiting. It would
    /// come first for ever otherwise where its turns are long, and what timers and sockets have
    /// scheduled here would wait.
    fn global_due(&mut self, was_global: bool) -> bool {
        if was_global {
            self.global = self.read;
            self.batch = if self.every == 1 { 1 } else { (2 * self.batch).min(MOST_AT_ONCE) };
        }
        self.read.saturating_duration_since(self.global) >= OUTSIDE_WITHIN
    }
}

struct Worker<'a> {
    local: &'a Local,
    scheduler: &'a Scheduler,
    driver: &'a dyn Driver,
    pace: Pace,
    /// Whether the global queue comes first now.
    global_due: bool,
    /// Whether the turn that runs is of the global queue because of that.
    from_global: bool,
    /// How many turns in a row were of actors that were scheduled last.
    in_a_row: u32,
    /// Whether this worker counts as searching in `Sleep`.
    searching: bool,
    watch: Watch<'a>,
}

impl Worker<'_> {
    fn run_all(&mut self) {
        loop {
            if !self.scheduler.active.includes(self.local.index) && !self.scheduler.is_stopping() {
                self.retire();
            }
            match self.next() {
                Some(task) => self.run(task),
                None if self.scheduler.is_stopping() => break,
                None => self.rest(),
            }
        }
        self.watch.publish();
    }

    /// Finds the next turn to run: here, in the global queue, or at another worker's.
    fn next(&mut self) -> Option<Task> {
        let queue = &self.local.queue;
        let global_first = std::mem::take(&mut self.global_due);
        let near =
            if global_first { self.scheduler.steal_global(queue, self.pace.batch) } else { self.take_next() };
        self.from_global = global_first && near.is_some();
        let found = near.or_else(|| queue.pop()).or_else(|| {
            if !self.searching {
                self.searching = true;
                self.scheduler.sleep.start_search();
                self.watch.searches();
            }
            self.scheduler.steal(self.local.index, queue)
        });
        if found.is_some() && self.searching {
            self.searching = false;
            self.watch.found();
            self.scheduler.search_ended();
        }
        found
    }

    /// Takes the actor that was scheduled last, unless there were too many such turns in a row: two
    /// actors that keep each other busy must not keep the others waiting.
    fn take_next(&mut self) -> Option<Task> {
        let Some(task) = self.local.next.take() else {
            self.in_a_row = 0;
            return None;
        };
        if self.in_a_row < NEXT_IN_A_ROW {
            self.in_a_row += 1;
            observe::count(Count::NextHits);
            return Some(task);
        }
        self.in_a_row = 0;
        self.local.queue.push(task, &self.scheduler.global);
        None
    }

    /// Runs a turn, then looks outside if that is due.
    fn run(&mut self, task: Task) {
        observe::count(Count::Turns);
        // A turn catches what a user's code panics with; this is for a panic of our own, which must
        // not take the worker with it.
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            tracing::error!("a turn panicked outside of any handler: a bug in the runtime");
        }
        // The pace is set by what turns took before. The coarse clock sees it at once if this one took
        // much longer.
        let coarse = clock::coarse();
        let ticked = TURN_BEGAN.replace(coarse) != coarse;
        let from_global = std::mem::take(&mut self.from_global);
        if self.pace.turn_ended() || ticked || from_global {
            let outside = self.pace.look();
            self.global_due = self.pace.global_due(from_global);
            if let Some(now) = outside {
                self.watch.looks_outside(is_slow());
                self.scheduler.timers(self.local.index).fire_due(now);
                self.driver.poll();
                observe::count(Count::DriverPolls);
            }
        }
    }

    /// Parks until there is an event, a timer is due, or somebody has pushed work.
    fn rest(&mut self) {
        let (index, sleep) = (self.local.index, &self.scheduler.sleep);
        self.watch.rests();
        let next_timer = self.scheduler.timers(index).fire_due(clock::now());
        let next = self.local.next.take();
        if next.is_some() {
            self.local.next.set(next);
            return;
        }
        sleep.fall_asleep(index);
        if !self.scheduler.has_work() && !self.scheduler.is_stopping() {
            self.watch.parks();
            self.driver.park(next_timer.map(|at| at.saturating_duration_since(clock::now())));
        }
        sleep.wake_up(index);
        self.scheduler.automatic.worker_woke();
        self.searching = true;
        self.watch.wakes();
        TURN_BEGAN.set(clock::coarse());
        self.scheduler.timers(index).fire_due(clock::now());
    }

    /// Runs no more actors until this worker is active again, or the system stops and wants all of them to come
    /// to their ends. Meanwhile it serves the sockets and timers that it has; what they schedule goes to others.
    fn retire(&mut self) {
        self.local.retired.set(true);
        self.scheduler.hand_over(self.local.next.take(), &self.local.queue);
        // Pushes may have relied on this search, or have chosen this worker to do one.
        if std::mem::take(&mut self.searching) {
            self.scheduler.search_ended();
        }
        let (index, timers) = (self.local.index, self.scheduler.timers(self.local.index));
        // An unpark between these looks and the park makes the park return at once.
        while !self.scheduler.active.includes(index) && !self.scheduler.is_stopping() {
            let next_timer = timers.fire_due(clock::now());
            self.driver.park(next_timer.map(|at| at.saturating_duration_since(clock::now())));
        }
        self.local.retired.set(false);
        TURN_BEGAN.set(clock::coarse());
    }
}
