//! The scheduler: a run queue per worker that others steal from, and a global one for work from
//! outside. `worker` has the loop, `sleep` the protocol of parking and waking.

pub(crate) mod automatic;
mod background;
mod claim;
mod courier;
mod crew;
mod distance;
mod doze;
mod global;
mod hand;
mod leash;
pub(crate) mod local;
mod near;
mod pace;
mod parallelism;
mod pinned;
mod queue;
#[cfg(all(test, shuttle))]
mod schedules;
#[cfg(feature = "sim")]
mod simulated;
mod sleep;
pub(crate) mod soft;
pub(crate) mod stalls;
mod stealing;
pub(crate) mod sysmon;
mod watched;
mod worker;

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::cell::ActorId;
use crate::cell::kind::Kind;
use crate::cell::task::Task;
use crate::clock;
use crate::driver::{Driver, MakeDriver};
use crate::observe::{Events, LongTurn, Outside, Preemptions, Record, Tallies};
use crate::platform;
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Mutex, OnceLock, Ordering, fence};
use crate::timer::TimerQueue;
use crate::wait;
use background::Background;
use claim::Claimed;
use courier::Courier;
use crew::Crew;
use doze::Doze;
use global::Global;
use hand::Hand;
use local::{Opening, Post};
use near::Near;
pub use parallelism::ParallelismError;
use parallelism::{Active, Recipe};
use pinned::Pinned;
pub(crate) use pinned::PinnedThread;
use queue::Stealer;
pub(crate) use queue::{Queue, Thin};
use sleep::Sleep;
use stalls::Stalls;
pub use stalls::TooManyCondemned;
pub use sysmon::OutOfThreads;
use sysmon::Sysmon;

/// How many tasks in the global queue are worth it to wake a worker that naps.
const MUCH: usize = 256;

pub(crate) struct Scheduler {
    /// Work from threads that are not workers of this system, and what overflows a worker's queue.
    global: CachePadded<Global<Task>>,
    sleep: CachePadded<Sleep>,
    /// Room for as many workers as there can be; filled in the order of their numbers.
    slots: Box<[OnceLock<CachePadded<Remote>>]>,
    /// How many workers there are, active and retired.
    started: AtomicUsize,
    active: Active,
    outside: Outside,
    stopping: AtomicBool,
    /// Held while the parallelism changes, and while the end begins.
    changing: Mutex<()>,
    recipe: Recipe,
    /// How the thread of the automatic parallelism sleeps.
    automatic: Doze,
    /// How many workers have not ended.
    live: Mutex<usize>,
    crew: Crew,
    sysmon: Sysmon,
    background: Background,
    courier: Courier,
    tallies: Tallies,
    events: Events,
    pinned: Pinned,
    stalls: Stalls,
}

/// Settings of a scheduler.
pub(crate) struct Settings {
    /// What the threads are called, before their number.
    pub(crate) name: String,
    pub(crate) max_workers: usize,
    pub(crate) max_pinned: usize,
    pub(crate) max_threads: usize,
    pub(crate) background_threads: usize,
    pub(crate) quanta: sysmon::Quanta,
    pub(crate) out_of_threads: OutOfThreads,
    pub(crate) max_condemned: usize,
    pub(crate) too_many_condemned: TooManyCondemned,
    pub(crate) make_driver: Box<MakeDriver>,
}

/// What all threads see of a worker.
struct Remote {
    stealer: Stealer<Task>,
    /// The other end of the queue, for the thread that runs the worker.
    queue: Claimed<Queue<Task>>,
    /// The thread that runs the worker; none before its start and after its end.
    hand: Mutex<Option<Arc<Hand>>>,
    ended: AtomicBool,
    driver: Arc<dyn Driver>,
    /// Apart from what others read to steal from this worker or to wake it: its worker takes the lock in here each
    /// time that it looks outside.
    timers: CachePadded<TimerQueue>,
    /// Where it steals first.
    near: Near,
    record: Record,
    /// How long a turn took there of late, in nanoseconds. Written by the worker.
    turn_nanos: AtomicU32,
}

impl Scheduler {
    /// A scheduler without workers; [`set_parallelism`](Self::set_parallelism) starts some.
    pub(crate) fn new(settings: Settings) -> Self {
        platform::thread::prepare_barriers();
        Scheduler {
            global: CachePadded::new(Global::new()),
            sleep: CachePadded::default(),
            slots: (0..settings.max_workers).map(|_| OnceLock::new()).collect(),
            started: AtomicUsize::new(0),
            active: Active::default(),
            outside: Outside::new(),
            stopping: AtomicBool::new(false),
            changing: Mutex::new(()),
            recipe: Recipe { name: settings.name.into(), make_driver: settings.make_driver },
            automatic: Doze::default(),
            live: Mutex::new(0),
            crew: Crew::new(settings.max_threads),
            sysmon: Sysmon::new(settings.quanta, settings.out_of_threads),
            background: Background::new(settings.background_threads),
            courier: Courier::new(settings.quanta.hard),
            tallies: Tallies::default(),
            events: Events::default(),
            pinned: Pinned::new(settings.max_pinned),
            stalls: Stalls::new(settings.max_condemned, settings.too_many_condemned),
        }
    }

    /// Queues a turn of an actor that got something to do, and wakes a worker for it if need be.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        let task = task.sampled();
        let Some(opening) = local::opening(self) else { return self.push_outside(task) };
        // It is the next that this worker runs: no other is needed.
        if let Some(before) = opening.replace_next(task) {
            self.push_behind(opening, before);
        }
    }

    /// Puts what is not the next any more behind the others. Apart, for there is often none: so what comes with every
    /// message is short.
    #[inline(never)]
    fn push_behind(&self, opening: Opening<'_>, task: Task) {
        self.wake_one(opening.push(task));
    }

    /// Puts what this thread has no queue for into the global one.
    #[inline(never)]
    fn push_outside(&self, task: Task) {
        self.push_global(task, !local::schedules_from_afar(self));
    }

    /// Wakes somebody in a turn of its own, and not on this thread, which must not be kept by a waker.
    pub(crate) fn wake_apart(&self, waker: Waker) {
        if wait::is_of_thread(&waker) { wait::wake(waker) } else { self.schedule(Task::wakeup(waker)) }
    }

    /// Puts a task into the global queue; if `urgent`, for a worker to come to it at once, even if it naps. What comes
    /// from afar is not, unless there is much of it: there may be more in a moment.
    fn push_global(&self, task: Task, urgent: bool) {
        self.global.push(task);
        if self.is_stopping() && *self.live.lock() == 0 && !sysmon::is_here() {
            self.run_leftovers();
        }
        self.wake_one(urgent || self.global.len() >= MUCH);
        if urgent {
            self.call_courier();
        }
    }

    /// Runs what is scheduled when the workers have gone: actors that were spawned at the last moment,
    /// to come to their end. Whoever schedules one looks whether there are workers after the push, and
    /// the last worker to go looks at the queue after that; so one of the two sees to it. What sysmon has
    /// scheduled a thread of its own runs, when sysmon ends.
    fn run_leftovers(&self) {
        while let Some(task) = self.global.pop() {
            stalls::apart(|| task.run());
        }
    }

    /// Queues another turn of an actor that has not come to the end of its work, behind the others.
    pub(crate) fn schedule_again(&self, task: Task) {
        let task = task.sampled();
        let Some(opening) = local::opening(self) else { return self.push_outside(task) };
        let alone = opening.is_empty();
        let urgent = opening.push(task);
        // One that is alone this worker comes to: no other is needed.
        if !alone {
            self.wake_one(urgent);
        }
    }

    /// Queues an actor that was held while something came for it, for a worker to come to by and by. It does not come from
    /// outside, as what this thread schedules would: then the courier was called with each scan, and went on with what others
    /// scheduled.
    pub(crate) fn schedule_held(&self, task: Task) {
        self.push_global(task.sampled(), false);
    }

    /// Wakes a worker for what was pushed, if none searches. One that naps comes to it by and by; if that is
    /// `urgent`, at once.
    #[inline]
    fn wake_one(&self, urgent: bool) {
        let worker = self.sleep.worker_to_wake();
        let worker = if urgent { worker.or_else(|| self.sleep.napper_to_wake()) } else { worker };
        if let Some(worker) = worker {
            self.wake(worker);
        }
    }

    #[inline(never)]
    fn wake(&self, worker: usize) {
        self.outside.wake_sent(local::is_worker_of(self));
        local::has_woken(self);
        self.unpark(worker);
    }

    /// Makes a worker look at its queue and timers, and whether it is active.
    pub(crate) fn unpark(&self, worker: usize) {
        self.remote(worker).driver.unpark();
    }

    /// The number of workers, active and retired.
    pub(crate) fn workers(&self) -> usize {
        // Acquire: pairs with the Release in `start`.
        self.started.load(Ordering::Acquire)
    }

    fn remote(&self, worker: usize) -> &Remote {
        self.slots[worker].get().expect("a worker that has been started")
    }

    fn remotes(&self) -> impl DoubleEndedIterator<Item = &Remote> + Clone {
        (0..self.workers()).map(|worker| self.remote(worker))
    }

    pub(crate) fn driver(&self, worker: usize) -> Option<&Arc<dyn Driver>> {
        (worker < self.workers()).then(|| &self.remote(worker).driver)
    }

    /// The driver of one of the active workers, for threads that have none.
    pub(crate) fn any_driver(&self) -> Option<Arc<dyn Driver>> {
        self.driver(clock::below(self.parallelism())).cloned()
    }

    /// Has sysmon look now: there is something to start a thread for.
    pub(crate) fn wake_sysmon(&self) {
        self.sysmon.wake();
    }

    /// What the workers' threads are called.
    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }

    pub(crate) fn timers(&self, worker: usize) -> &TimerQueue {
        &self.remote(worker).timers
    }

    /// The number of the worker that this thread runs, if it runs one. Another thread may run it by the time that
    /// this is used.
    pub(crate) fn current_worker(&self) -> Option<usize> {
        local::inside_as(self, |post| post.index)
    }

    /// Calls `f` with the number of the worker that this thread runs, which no other thread takes over meanwhile.
    /// Gives `f` back if it runs none.
    pub(crate) fn as_worker<R, F: FnOnce(usize) -> R>(&self, f: F) -> Result<R, F> {
        let mut f = Some(f);
        let done = local::inside_as(self, |post| f.take().map(|f| f(post.index)));
        done.flatten().ok_or_else(|| f.expect("it was not called"))
    }

    /// Puts an actor that is too slow for workers into the background lane, if this thread is a worker's. Gives
    /// the task back if its turn belongs here.
    #[cold]
    #[inline(never)]
    pub(crate) fn divert(&self, task: Task, actor: ActorId, kind: &'static Kind) -> Result<(), Task> {
        let for_workers = local::is_worker_of(self) || crew::helps(self, crew::Helper::Courier);
        if !for_workers || self.is_stopping() || !self.background.conduct.is_slow(actor, kind) {
            return Err(task);
        }
        if self.background.push(task)? {
            self.sysmon.wake();
        }
        Ok(())
    }

    /// A worker has left the idle list.
    fn worker_woke(&self) {
        // Pairs with the fences in `Doze::limit`, of both who may sleep.
        fence(Ordering::SeqCst);
        self.automatic.worker_woke();
        self.sysmon.worker_woke();
    }

    /// Whether work waits for a worker that is in a turn, and nobody else can do it.
    fn waits_for(&self, worker: usize, now: Instant) -> bool {
        let Remote { stealer, timers, .. } = self.remote(worker);
        let free = || self.sleep.idle() > 0 || self.sleep.is_searching();
        stealer.has_next()
            || timers.is_due(now)
            || (!stealer.is_empty() || !self.global.is_empty()) && !free()
    }

    // ---- looking in ----------------------------------------------------------------------------

    pub(crate) fn record(&self, worker: usize) -> &Record {
        &self.remote(worker).record
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Counts an actor that begins.
    pub(crate) fn actor_started(&self, kind: &'static Kind) {
        let count = |post: &Post<'_>| self.outside.actor_started(Some(&post.remote.record), kind);
        if local::inside_as(self, count).is_none() {
            self.outside.actor_started(None, kind);
        }
    }

    /// Counts an actor that has ended.
    pub(crate) fn actor_ended(&self, kind: &'static Kind) {
        let count = |post: &Post<'_>| self.outside.actor_ended(Some(&post.remote.record), kind);
        if local::inside_as(self, count).is_none() {
            self.outside.actor_ended(None, kind);
        }
    }

    /// How many actors of the kind live.
    pub(crate) fn alive(&self, kind: &'static Kind) -> u64 {
        self.outside.population(self.remotes().map(|remote| &remote.record), kind.index()).0
    }

    pub(crate) fn preemptions(&self) -> Preemptions {
        self.tallies.read()
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn long_turns(&self) -> Vec<LongTurn> {
        self.sysmon.long_turns()
    }

    /// How many threads the scheduler has, and how many of them are spare.
    pub(crate) fn threads(&self) -> (usize, usize) {
        self.crew.count()
    }

    /// How many threads run the background lane, and how many turns wait there.
    pub(crate) fn background_load(&self) -> (usize, usize) {
        self.background.count()
    }

    /// How many tasks the worker's queue holds, beside the one that it runs next.
    pub(crate) fn queue_len(&self, worker: usize) -> usize {
        self.remote(worker).stealer.len()
    }

    /// How many tasks the global queue holds.
    pub(crate) fn global_len(&self) -> usize {
        self.global.len()
    }

    // ---- for workers ---------------------------------------------------------------------------

    /// Takes one from the global queue, and a fair share of it into `queue`, but not more than `most` together.
    fn steal_global(&self, queue: &Queue<Task>, most: usize) -> Option<Task> {
        self.global.take(self.parallelism(), most, queue)
    }

    /// Whether workers other than one that searches have something to run.
    fn others_run(&self) -> bool {
        self.sleep.idle() + 1 < self.parallelism() || self.crew.any_afar()
    }

    fn has_work(&self) -> bool {
        !self.global.is_empty() || self.remotes().any(|remote| !remote.stealer.is_empty())
    }

    /// A searching worker has stopped searching.
    fn search_ended(&self) {
        if self.sleep.end_search() && self.has_work() {
            self.wake_one(false);
        }
    }

    /// A worker that retires hands over what it would have run.
    fn hand_over(&self, next: Option<Task>, queue: &Queue<Task>) {
        if next.is_some() || !queue.is_empty() {
            self.global.push_batch(next.into_iter().chain(std::iter::from_fn(|| queue.pop())));
            self.wake_one(true);
        }
    }

    // ---- the end -------------------------------------------------------------------------------

    /// Ends each worker, and each thread of a pinned actor, as soon as it finds nothing to run. Gives out the wakers of
    /// those who wait for a deadline, which does not come any more; for the caller to call.
    #[must_use]
    pub(crate) fn stop(&self) -> Vec<Waker> {
        // Under the lock, so that no worker is started that nobody unparks.
        let _changing = self.changing.lock();
        // Release: pairs with the workers' Acquire load, so that what was done before is seen.
        self.stopping.store(true, Ordering::Release);
        self.automatic.wake();
        for task in self.background.stop() {
            self.push_global(task, true);
        }
        let mut wakers = Vec::new();
        for worker in 0..self.workers() {
            wakers.extend(self.timers(worker).end());
            self.unpark(worker);
        }
        self.courier.stop();
        self.pinned.stop();
        self.sysmon.wake();
        wakers
    }

    /// Waits for the threads of the workers and of the pinned actors until `until`; returns how many have not
    /// ended.
    pub(crate) fn wait_for_threads(&self, until: Instant) -> usize {
        let stuck = self.crew.wait(until) + self.pinned.wait(until);
        self.sysmon.wait(until);
        stuck
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // Acquire: pairs with the Release store in `stop`.
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether all workers have ended.
    fn is_over(&self) -> bool {
        self.is_stopping() && *self.live.lock() == 0
    }

    fn worker_ended(&self, worker: usize) {
        let remote = self.remote(worker);
        // Relaxed: before the lock, so that sysmon, which gives a thread to a worker without one, sees that it is none.
        remote.ended.store(true, Ordering::Relaxed);
        *remote.hand.lock() = None;
        let last = {
            let mut live = self.live.lock();
            *live -= 1;
            *live == 0
        };
        if last && self.is_stopping() {
            self.run_leftovers();
            self.crew.stop();
            self.sysmon.wake();
        }
    }
}

impl Remote {
    /// Whether a thread is to run the worker.
    fn is_wanted(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}
