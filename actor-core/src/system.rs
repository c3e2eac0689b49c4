//! The system: workers, the tree of actors that they run, and the end of both.

mod builder;
pub(crate) mod names;
mod placement;
mod runtimes;
mod shutdown;

pub use builder::{BuildError, Builder};
pub use placement::{Contradiction, Placement};
pub(crate) use shutdown::GRACE;
use shutdown::Last;
pub use shutdown::Report;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::actor::Messages;
use crate::asks::Asks;
use crate::auditor::Auditor;
use crate::blocking::Pool;
use crate::blocking::future::Blocking;
use crate::cell::{ActorId, Cell};
use crate::clock;
use crate::dead_letter::DeadLetters;
use crate::driver::Driver;
use crate::error::{LookupError, SpawnError};
use crate::group::{Group, Groups};
use crate::leaks::Seen;
use crate::message::Message;
use crate::observe::trace::Trace;
use crate::observe::{Events, Snapshot};
#[cfg(feature = "stacks")]
use crate::observe::{LongTurn, Stack, StackError};
use crate::reason::StopReason;
use crate::scheduler::{ParallelismError, Scheduler, stalls};
use crate::spawn::Spawn;
use crate::supervisor::{Late, Supervisor, SupervisorBuilder, SupervisorRef};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering};
#[cfg(feature = "testing")]
use crate::testing::Outside;
use crate::timer::Sleep;
use names::Names;
use runtimes::{Entered, Runtimes};

/// A running system, owned: dropping it shuts it down, as [`shutdown`](Self::shutdown) does.
///
/// Everything else is done through the [`SystemHandle`] that it dereferences to.
#[derive(Debug)]
pub struct System {
    handle: SystemHandle,
}

impl System {
    /// A system with a worker for each core that this process may use, and no sockets.
    ///
    /// # Errors
    /// If a thread could not be started.
    #[track_caller]
    pub fn new() -> Result<System, BuildError> {
        System::builder().build()
    }

    /// A system with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A way to use this system without owning it.
    #[must_use]
    pub fn handle(&self) -> SystemHandle {
        self.handle.clone()
    }
}

impl Deref for System {
    type Target = SystemHandle;

    fn deref(&self) -> &SystemHandle {
        &self.handle
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// A way to use a system without owning it: for actors, and to share among threads.
#[derive(Clone)]
pub struct SystemHandle(Arc<Shared>);

pub(crate) struct Shared {
    scheduler: Scheduler,
    placement: Placement,
    names: Names,
    groups: Groups,
    dead_letters: DeadLetters,
    ids: AtomicU64,
    /// Set once the system has begun; gone after it has ended. Not counted, as the root has the system.
    root: OnceLock<Weak<Cell<Supervisor>>>,
    /// Why the root has ended.
    ended: Mutex<Option<StopReason>>,
    /// Notified when that is set.
    over: Condvar,
    /// Why the system ends, if nobody has asked it to.
    escalated: OnceLock<StopReason>,
    /// Somebody has ordered the end, or the root ends by itself.
    ending: AtomicBool,
    late: Mutex<Vec<Late>>,
    stop_within: Duration,
    built: Instant,
    trace: Trace,
    asks: Asks,
    auditor: Auditor,
    leaks: Seen,
    blocking: Pool,
    runtimes: Runtimes,
    #[cfg(feature = "testing")]
    spawned_outside: Outside,
}

impl SystemHandle {
    // ---- spawning ----------------------------------------------------------------------------

    /// Spawns an actor under the root supervisor and returns at once. `factory` makes the state of
    /// each incarnation, on the worker that runs it: the first one in the actor's first turn.
    ///
    /// The actor is [transient](crate::Restart::Transient): if a handler panics, the root restarts
    /// it, at most 5 times in 10 s for all its children together. [`actor`](Self::actor) has the
    /// other settings.
    ///
    /// # Errors
    /// [`SpawnError::Closed`] if the system is ending.
    #[track_caller]
    pub fn spawn<A: Messages>(
        &self,
        factory: impl FnMut() -> A + Send + 'static,
    ) -> Result<A::Ref, SpawnError> {
        self.root().ok_or(SpawnError::Closed)?.spawn(factory)
    }

    /// An actor to be spawned, with settings of its own.
    #[track_caller]
    pub fn actor<A: Messages>(&self, factory: impl FnMut() -> A + Send + 'static) -> Spawn<A> {
        Spawn::new(self.root(), factory)
    }

    /// A supervisor to be spawned.
    pub fn supervisor(&self) -> SupervisorBuilder {
        SupervisorBuilder::new(self.clone())
    }

    /// The ref of the living actor with this name.
    ///
    /// # Errors
    /// [`LookupError::NotFound`], or [`LookupError::WrongType`] if it is not an `A`.
    pub fn lookup<A: Messages>(&self, name: &str) -> Result<A::Ref, LookupError> {
        self.0.names.lookup(name).map(Into::into)
    }

    /// The group of this name for messages of a kind, made if there is none.
    ///
    /// # Errors
    /// [`LookupError::WrongType`] if there is a group of this name for another kind of message.
    pub fn group<M: Message>(&self, name: &str) -> Result<Group<M>, LookupError> {
        self.0.groups.get(name, self)
    }

    // ---- looking in --------------------------------------------------------------------------

    /// The system's dead letters: their number, and a way to get them.
    #[must_use]
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.0.dead_letters
    }

    /// The system's events: a way to get them.
    #[must_use]
    pub fn events(&self) -> &Events {
        self.0.scheduler.events()
    }

    /// What there is to see of the system at this moment: what its workers do and have done, how long
    /// things take, which actors there are. Reading it costs this thread some microseconds and the
    /// workers nothing; so it may be called at any time, by handlers too.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let uptime = clock::now().saturating_duration_since(self.0.built);
        Snapshot::of(self, uptime)
    }

    /// Where the handler is that a turn is in: the stack of its thread, on Linux on x86-64. The turn is one of the
    /// snapshot's [`long_turns`](Snapshot::long_turns), or of an [event](crate::observe::Event).
    ///
    /// Takes some 10 ms; and the first time a second or more, and memory, for the debug information of the program to be
    /// read. It is meant for people who look for the cause of something, not for each event.
    ///
    /// The handler notices nothing. If its thread waits in a system call, that goes on undisturbed: the stack is read
    /// from outside. If it has not waited for 10 ms, the thread is interrupted by a signal (`SIGURG`) for the
    /// microseconds in which it copies its stack; calls that it would make in these very microseconds are gone on with
    /// (`SA_RESTART`), but for those few that never are, such as `poll`, which could give `EINTR`. The standard library
    /// deals with that by itself.
    ///
    /// The stack is looked through for what functions return to, and not walked, so functions that have returned already
    /// may be among the frames, where what they left has not been written over. The first is exact. At most the innermost
    /// 32 KiB are looked at.
    ///
    /// For the feature `stacks`.
    ///
    /// # Errors
    /// [`StackError`](crate::observe::StackError) says why there is none: the turn has ended, mostly.
    #[cfg(feature = "stacks")]
    pub fn stack_of(&self, turn: &LongTurn) -> Result<Stack, StackError> {
        self.0.scheduler.stack_of(turn)
    }

    /// The number of workers that there are, active and retired. Their numbers begin at 0; the active ones are those
    /// below the [`parallelism`](Self::parallelism).
    #[must_use]
    pub fn workers(&self) -> usize {
        self.0.scheduler.workers()
    }

    /// Where the workers run, and what of the settings the process's affinity mask contradicts.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.0.placement
    }

    /// How many workers run actors.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        self.0.scheduler.parallelism()
    }

    /// Changes how many workers run actors, from any thread and under any load; Go's `GOMAXPROCS`, but nothing stops
    /// for it. The call returns when new workers have been started. Workers over the limit retire when the turns that
    /// they run have ended: until then, more than `parallelism` turns may run at a time. They hand what they have
    /// queued to the others and go on serving their own sockets and timers, so their threads stay, asleep for the
    /// most part. New connections are served by active workers.
    ///
    /// # Errors
    /// [`ParallelismError::OutOfRange`] for 0, or more than [`Builder::max_workers`]; if a thread or driver for a new
    /// worker could not be made; if the system has ended. Nothing has changed then.
    pub fn set_parallelism(&self, parallelism: usize) -> Result<(), ParallelismError> {
        Scheduler::set_parallelism(self, parallelism)
    }

    /// The driver of the worker with this number, if there is one.
    #[must_use]
    pub fn driver(&self, worker: usize) -> Option<&Arc<dyn Driver>> {
        self.0.scheduler.driver(worker)
    }

    /// The time now, by the clock of the system: the one that its timers go by.
    #[must_use]
    pub fn now(&self) -> Instant {
        clock::now()
    }

    /// A future that is ready after `delay`.
    pub fn sleep(&self, delay: Duration) -> Sleep {
        Sleep::new(self.clone(), delay)
    }

    /// Runs a closure that may block, such as a read of a file or a query of a database without async, on the
    /// blocking pool, and waits for it without holding a thread up. For code that has no context;
    /// handlers have [`Context::blocking`](crate::Context::blocking). In any executor.
    ///
    /// A panic of the closure goes on in who awaits it, as if it had been called there. See [`Blocking`] for
    /// what happens when the future is dropped.
    ///
    /// # Errors
    /// [`BlockingError::Full`](crate::BlockingError::Full) if all threads are busy
    /// ([`Builder::max_blocking`]) and too many closures wait ([`Builder::blocking_queue`]);
    /// [`BlockingError::Closed`](crate::BlockingError::Closed) when the system has ended;
    /// [`BlockingError::Thread`](crate::BlockingError::Thread) if no thread can be had.
    ///
    /// ```
    /// # use actor_core::System;
    /// # let system = System::new().unwrap();
    /// # pollster::block_on(async {
    /// let hosts = system.blocking(|| std::fs::read_to_string("/etc/hosts")).await?;
    /// # let _ = hosts;
    /// # Ok::<(), actor_core::BlockingError>(())
    /// # }).unwrap();
    /// ```
    pub fn blocking<F, T>(&self, closure: F) -> Blocking<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Blocking::new(self.clone(), closure)
    }

    // ---- ending ------------------------------------------------------------------------------

    /// Begins the end and returns at once: the root supervisor stops all actors. Its owner, or
    /// [`wait`](Self::wait), sees when that is done.
    pub fn stop(&self) {
        if stalls::condemned() {
            return;
        }
        self.order_stop();
    }

    /// Waits on this thread until the system's actors have ended, and says why: `Shutdown` when it
    /// was asked to, `Escalated` when the root supervisor gave up, `OutOfThreads` when handlers held up all threads and
    /// that is to [end](crate::OutOfThreads::Escalate) the system. Not for handlers.
    #[must_use]
    pub fn wait(&self) -> StopReason {
        #[cfg(feature = "sim")]
        crate::sim::seam::run_until(|| self.has_ended());
        let mut ended = self.0.ended.lock();
        loop {
            match &*ended {
                Some(reason) => return reason.clone(),
                None => ended = self.0.over.wait(ended).unwrap_or_else(|e| e.into_inner()),
            }
        }
    }

    // ---- for the rest of the crate ---------------------------------------------------------------

    pub(crate) fn root(&self) -> Option<SupervisorRef> {
        self.0.root.get()?.upgrade().map(SupervisorRef::of)
    }

    /// The root has ended, and with it all actors but those whose handlers have not returned: there
    /// is nothing more for the workers to do once their queues are empty.
    pub(crate) fn root_ended(&self, reason: StopReason) -> Last {
        let reason = self.0.escalated.get().cloned().unwrap_or(reason);
        // If it was given up before, that was the end.
        self.0.ended.lock().get_or_insert(reason);
        self.0.over.notify_all();
        let last = self.stop_threads();
        self.0.trace.end();
        self.0.auditor.end();
        last
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.0.scheduler
    }

    pub(crate) fn asks(&self) -> &Asks {
        &self.0.asks
    }

    pub(crate) fn leaks_seen(&self) -> &Seen {
        &self.0.leaks
    }

    pub(crate) fn auditor(&self) -> &Auditor {
        &self.0.auditor
    }

    pub(crate) fn blocking_pool(&self) -> &Pool {
        &self.0.blocking
    }

    /// Enters the runtimes that handlers may use, on a thread that is to run them.
    pub(crate) fn enter_runtimes(&self) -> Entered<'_> {
        self.0.runtimes.enter()
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    #[cfg(feature = "testing")]
    pub(crate) fn spawned_outside(&self) -> &Outside {
        &self.0.spawned_outside
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(crate) fn next_id(&self) -> ActorId {
        // Relaxed: only uniqueness is asked for.
        ActorId(self.0.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.0.ending.load(Ordering::Relaxed)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.lock().is_some()
    }

    /// How long the end may take.
    pub(crate) fn stop_within(&self) -> Duration {
        self.0.stop_within
    }

    /// Notes the end. Supervisors look at that for the report only, and learn of it by their orders.
    pub(crate) fn mark_ending(&self) {
        // Relaxed: it orders nothing.
        self.0.ending.store(true, Ordering::Relaxed);
    }

    /// Notes a late actor for the report of the shutdown. Before the system ends there is none, and who would list all that
    /// were ever late would list ever more.
    pub(crate) fn report_late(&self, late: Late) {
        if self.is_ending() {
            self.0.late.lock().push(late);
        }
    }
}

impl fmt::Debug for SystemHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemHandle").field("workers", &self.workers()).finish_non_exhaustive()
    }
}
