//! The worker loop: [`Worker::next`], [`Worker::run`], [`Worker::rest`].

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cell::task::Task;
use crate::clock;
use crate::driver::Driver;
use crate::observe::{self, Count, Record, Watch};
use crate::scheduler::{Queue, Scheduler, pinned, soft};
use crate::sync::Ordering;
use crate::system::SystemHandle;

/// After at most this many turns a busy worker takes from the global queue first, and looks at the
/// clock; after fewer if they take long.
const CLOCK_EVERY: u32 = 61;
/// A turn of many steps, that is messages mostly, counts as one more for each so many of them.
const STEPS_LIKE_A_TURN: u32 = 8;
/// How many turns there are between two looks at the coarse clock.
const COARSE_EVERY: u32 = 4;
/// How long a busy worker does without a look at its timers and its driver, if turns are short.
const OUTSIDE_WITHIN: Duration = Duration::from_micros(100);
/// How much work a worker's queue holds, by what turns took there of late, when others help. Fetching it from
/// another core's cache and waking somebody for it costs much of that.
pub(super) const WORTH_STEALING: Duration = Duration::from_micros(50);
/// And when one that naps is woken for it.
const WORTH_WAKING: Duration = Duration::from_micros(200);
/// How long a searching worker naps, where others run and have not that much: then it looks whether they get on with
/// what they have. A driver may round it up to a millisecond.
const NAP: Duration = Duration::from_micros(500);
/// So many naps in a row are enough if there is nothing at all to be taken.
const MOST_NAPS: u32 = 4;
/// The most cells that are taken from the global queue at once.
const MOST_AT_ONCE: usize = 128;
/// So many times as long as a turn of the global queue, the others come first after it.
const OTHERS_SHARE: u32 = 4;
/// After this many turns of actors that were scheduled last, one behind another, the queue is next; if turns
/// are short, so that the queue does not wait long for it.
const SHORT_IN_A_ROW: u32 = 32;
/// And after this many if they are not.
const NEXT_IN_A_ROW: u32 = 3;

thread_local! {
    /// Whether turns on this thread have taken long of late.
    static SLOW: Cell<bool> = const { Cell::new(false) };
    /// What the coarse clock said before the turn that runs on this thread, or a few turns before.
    static TURN_BEGAN: Cell<u64> = const { Cell::new(0) };
    /// How many steps the last turn on this thread took.
    static STEPS: Cell<u32> = const { Cell::new(0) };
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

/// Whether the coarse clock has ticked since it was last asked so, or a turn after a rest began.
fn coarse_ticked() -> bool {
    let now = clock::coarse();
    TURN_BEGAN.replace(now) != now
}

/// Notes that a turn begins, on the thread of a pinned actor.
pub(super) fn turn_begins() {
    TURN_BEGAN.set(clock::coarse());
}

/// Notes how many steps the turn on this thread took.
#[inline]
pub(crate) fn set_steps(steps: u32) {
    STEPS.set(steps);
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

thread_local! {
    static LOCAL: OnceCell<Local> = const { OnceCell::new() };
    // What every schedule needs, apart: without a destructor, so that an access is one instruction.
    /// The address of the scheduler that this thread is an active worker of.
    static ACTIVE_IN: Cell<*const Scheduler> = const { Cell::new(std::ptr::null()) };
    /// The actor that was scheduled last, by the turn that runs: it is next, while what it was sent
    /// is still in the cache. Not in the queue, so nobody can steal it.
    static NEXT: Cell<Option<Task>> = const { Cell::new(None) };
    /// How many turns, at the present pace, are worth stealing.
    static MUCH: Cell<usize> = const { Cell::new(1) };
}

/// What a worker's own thread has of it.
struct Local {
    system: SystemHandle,
    index: usize,
    queue: Queue<Task>,
}

/// Where a task went.
pub(super) enum Pushed {
    /// This worker runs it next.
    Next,
    /// Into this worker's queue, where others can steal it. If `urgent`, they should: it holds much.
    Queued { urgent: bool },
}

impl Local {
    /// Puts a task at the end of the queue. True if that holds so much now that others should help.
    #[inline]
    fn push(&self, task: Task, scheduler: &Scheduler) -> bool {
        self.queue.push(task, &scheduler.global);
        self.queue.len() >= MUCH.get()
    }

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
    if !is_active_in(scheduler) {
        return Err(task);
    }
    match NEXT.replace(Some(task)) {
        None => Ok(Pushed::Next),
        Some(before) => {
            let urgent = with_local(|local| local.push(before, scheduler));
            Ok(Pushed::Queued { urgent: urgent == Some(true) })
        }
    }
}

/// Pushes to the end of this thread's own queue; gives the task back if it is not an active worker
/// of `scheduler`.
pub(super) fn push_back(scheduler: &Scheduler, task: Task) -> Result<Pushed, Task> {
    if !is_active_in(scheduler) {
        return Err(task);
    }
    let pushed = with_local(|local| {
        let alone = local.queue.is_empty();
        let urgent = local.push(task, scheduler);
        if alone { Pushed::Next } else { Pushed::Queued { urgent } }
    });
    Ok(pushed.unwrap_or(Pushed::Next))
}

#[inline]
fn is_active_in(scheduler: &Scheduler) -> bool {
    std::ptr::eq(ACTIVE_IN.get(), scheduler)
}

/// Runs a worker until its system stops.
pub(super) fn run(system: SystemHandle, index: usize, queue: Queue<Task>) {
    LOCAL.with(|local| {
        let local = local.get_or_init(|| Local { system, index, queue });
        let scheduler = local.system.scheduler();
        ACTIVE_IN.set(scheduler);
        let _flag = soft::adopt();
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
            naps: 0,
            watched: Watched::default(),
            watch: Watch::new(scheduler.record(index)),
        }
        .run_all();
        ACTIVE_IN.set(std::ptr::null());
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
    /// How long a turn took, of the last few.
    turn_nanos: u32,
    /// When the global queue last had its turn.
    global: Instant,
    /// For how long the others come first after it.
    others: Duration,
}

impl Pace {
    fn new() -> Self {
        let now = clock::now();
        Pace {
            every: 1,
            left: 1,
            read: now,
            outside: now,
            turn_nanos: u32::MAX,
            global: now,
            others: OUTSIDE_WITHIN,
        }
    }

    /// Counts a turn. True if it is time to look at the clock: so many turns have passed, by what turns
    /// took before; or the coarse clock, which is cheap and looked at now and then, has ticked, so that these
    /// may have taken much longer.
    #[inline]
    fn turn_ended(&mut self) -> bool {
        let before = self.left;
        self.left = before.saturating_sub(1 + STEPS.get() / STEPS_LIKE_A_TURN);
        self.left == 0 || self.left / COARSE_EVERY != before / COARSE_EVERY && coarse_ticked()
    }

    /// How many actors that were scheduled last may go before the queue.
    #[inline]
    fn most_in_a_row(&self) -> u32 {
        (self.every / 2).clamp(NEXT_IN_A_ROW, SHORT_IN_A_ROW)
    }

    /// Looks at the clock; the time, if it is time to look outside.
    fn look(&mut self) -> Option<Instant> {
        let now = clock::now();
        let took = now.saturating_duration_since(std::mem::replace(&mut self.read, now));
        let turns = u128::from((self.every - self.left).max(1));
        self.turn_nanos = u32::try_from(took.as_nanos() / turns).unwrap_or(u32::MAX).max(1);
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
    /// a turn of it: `was_global`, which took `took`. Then the others have some time, and the more the longer it
    /// took: what timers and sockets have scheduled here would wait long otherwise where the global queue is full
    /// of long turns.
    fn global_due(&mut self, was_global: Option<Duration>) -> bool {
        if let Some(took) = was_global {
            self.global = self.read;
            self.others = (took * OTHERS_SHARE).max(OUTSIDE_WITHIN);
        }
        self.read.saturating_duration_since(self.global) >= self.others
    }

    /// How much to take from the global queue at once: not more than what keeps others waiting for a moment
    /// that come into this worker's own queue meanwhile.
    fn batch(&self) -> usize {
        (OUTSIDE_WITHIN.as_nanos() as usize / self.turn_nanos as usize).clamp(1, MOST_AT_ONCE)
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
    /// How many naps there were in a row.
    naps: u32,
    /// How far the others have got.
    watched: Watched,
    watch: Watch<'a>,
}

/// How far the others have got with their queues, as a searching worker has seen it.
#[derive(Default)]
pub(super) struct Watched(Vec<(usize, Instant)>);

impl Watched {
    /// Whether a worker has taken nothing out of its queue for long, as far as was seen. `taken` is how much it
    /// has taken out by now.
    pub(super) fn stands_still(&mut self, worker: usize, taken: usize, now: Instant) -> bool {
        if self.0.len() <= worker {
            // Zero may be what it has taken, but not for long.
            self.0.resize(worker + 1, (0, now));
        }
        let (before, since) = &mut self.0[worker];
        if *before != taken {
            (*before, *since) = (taken, now);
        }
        now.saturating_duration_since(*since) >= NAP
    }

    /// What was seen before a time when nobody watched says nothing.
    fn forget(&mut self) {
        self.0.clear();
    }
}

impl Worker<'_> {
    fn run_all(&mut self) {
        // A turn catches what a user's code panics with; this is for a panic of our own, which must
        // not take the worker with it.
        while catch_unwind(AssertUnwindSafe(|| self.run_turns())).is_err() {
            tracing::error!("a turn panicked outside of any handler: a bug in the runtime");
        }
        self.watch.publish();
    }

    fn run_turns(&mut self) {
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
    }

    /// Finds the next turn to run: here, in the global queue, or at another worker's.
    fn next(&mut self) -> Option<Task> {
        let queue = &self.local.queue;
        let global_first = std::mem::take(&mut self.global_due);
        let near = if global_first {
            self.scheduler.steal_global(queue, self.pace.batch())
        } else {
            self.take_next()
        };
        self.from_global = global_first && near.is_some();
        let found = near.or_else(|| queue.pop()).or_else(|| {
            if !self.searching {
                self.searching = true;
                self.scheduler.sleep.start_search();
                self.watch.searches();
            }
            self.scheduler.steal(self.local.index, queue, self.pace.batch(), &mut self.watched)
        });
        if found.is_some() && self.searching {
            self.searching = false;
            self.naps = 0;
            self.watch.found();
            self.scheduler.search_ended();
        }
        found
    }

    /// Takes the actor that was scheduled last, unless there were too many such turns in a row: two
    /// actors that keep each other busy must not keep the others waiting.
    fn take_next(&mut self) -> Option<Task> {
        let Some(task) = NEXT.take() else {
            self.in_a_row = 0;
            return None;
        };
        if self.in_a_row < self.pace.most_in_a_row() {
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
        task.run();
        let from_global = std::mem::take(&mut self.from_global);
        if self.pace.turn_ended() || from_global {
            let before = self.pace.read;
            let outside = self.pace.look();
            self.publish_pace();
            let took = self.pace.read.saturating_duration_since(before);
            self.global_due = self.pace.global_due(from_global.then_some(took));
            if let Some(now) = outside {
                self.watch.looks_outside(is_slow());
                self.scheduler.timers(self.local.index).fire_due(now);
                self.driver.poll();
                observe::count(Count::DriverPolls);
            }
        }
    }

    fn publish_pace(&self) {
        let turn_nanos = self.pace.turn_nanos;
        // Relaxed: an estimate.
        self.scheduler.remote(self.local.index).turn_nanos.store(turn_nanos, Ordering::Relaxed);
        MUCH.set((WORTH_WAKING.as_nanos() as usize / turn_nanos as usize).max(1));
    }

    /// Parks until there is an event, a timer is due, or somebody has pushed work.
    fn rest(&mut self) {
        let (index, sleep) = (self.local.index, &self.scheduler.sleep);
        self.watch.rests();
        let next_timer = self.scheduler.timers(index).fire_due(clock::now());
        let next = NEXT.take();
        if next.is_some() {
            NEXT.set(next);
            return;
        }
        if self.should_nap() && sleep.begin_nap(index) {
            return self.nap(next_timer);
        }
        self.naps = 0;
        self.watched.forget();
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

    /// Whether to nap, not to sleep: while others run they may soon have more than they can do, and who naps need
    /// not be woken for each bit. As long as there is something in a queue, somebody has to see that it does
    /// not stay there.
    fn should_nap(&self) -> bool {
        let waits = self.naps < MOST_NAPS && self.scheduler.others_run() || self.scheduler.has_work();
        waits && !self.scheduler.is_stopping()
    }

    /// Naps, as a searching worker. It has just said so.
    fn nap(&mut self, next_timer: Option<Instant>) {
        let index = self.local.index;
        if !self.scheduler.is_worth_searching(index, &mut self.watched) && !self.scheduler.is_stopping() {
            let until_timer = next_timer.map_or(NAP, |at| at.saturating_duration_since(clock::now()));
            observe::count(Count::Naps);
            self.driver.park(Some(NAP.min(until_timer)));
        }
        self.scheduler.sleep.end_nap(index);
        self.naps += 1;
        TURN_BEGAN.set(clock::coarse());
        self.scheduler.timers(index).fire_due(clock::now());
    }

    /// Runs no more actors until this worker is active again, or the system stops and wants all of them to come
    /// to their ends. Meanwhile it serves the sockets and timers that it has; what they schedule goes to others.
    fn retire(&mut self) {
        ACTIVE_IN.set(std::ptr::null());
        self.scheduler.hand_over(NEXT.take(), &self.local.queue);
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
        ACTIVE_IN.set(self.scheduler);
        TURN_BEGAN.set(clock::coarse());
    }
}
