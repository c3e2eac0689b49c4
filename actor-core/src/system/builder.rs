//! Settings of a system, and its start.

mod error;
mod watching;

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::actor::{Actor, Settings};
use crate::asks::{Asks, WatchedAsks};
use crate::auditor::Audits;
use crate::auditor::{self, Auditor};
use crate::blocking::{Limits, Pool};
use crate::cell::incarnation::Incarnation;
use crate::cell::turn::Life;
use crate::cell::{ActorId, Cell, Plan};
use crate::clock;
use crate::dead_letter::DeadLetters;
use crate::driver::{Driver, MakeDriver, Parker};
use crate::group::Groups;
use crate::leaks::Seen;
use crate::log;
use crate::observe::trace::{self, Trace};
use crate::platform;
use crate::platform::topology::Topology;
use crate::scheduler::sysmon::{self, Quanta};
use crate::scheduler::{self, OutOfThreads, ParallelismError, Scheduler, TooManyCondemned, automatic};
use crate::supervisor::builder::Blueprint;
use crate::supervisor::children::Nursery;
use crate::supervisor::intensity::Intensity;
use crate::supervisor::{Restart, Supervisor};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex};
use crate::system::names::Names;
use crate::system::placement::{Pinning, Placement};
use crate::system::runtimes::Runtimes;
use crate::system::{Shared, System, SystemHandle};

pub use error::BuildError;

/// The most workers a system can have.
const MOST_WORKERS: usize = 1024;

/// The most pinned actors unless said.
const MAX_PINNED: usize = 64;

/// The most threads that run workers and the background lane, unless said, beside one for each worker.
const MORE_THREADS: usize = 256;

/// The threads of the background lane, unless said.
const BACKGROUND_THREADS: usize = 16;

/// The most condemned handlers, unless said.
const MAX_CONDEMNED: usize = 64;

/// How long a turn may take before it is asked to end, unless said.
const SOFT_QUANTUM: Duration = Settings::SHORTEST_QUANTUM;

/// How long a turn may take before its worker is taken over, unless said.
const HARD_QUANTUM: Duration = Duration::from_millis(10);

/// Settings of a system that is to be started.
#[must_use = "nothing runs until `build` is called"]
pub struct Builder {
    name: String,
    workers: Option<usize>,
    max_workers: Option<usize>,
    floor: Option<usize>,
    pinning: Pinning,
    max_pinned: usize,
    max_threads: Option<usize>,
    background_threads: usize,
    quanta: Quanta,
    out_of_threads: OutOfThreads,
    max_condemned: usize,
    too_many_condemned: TooManyCondemned,
    blocking: Limits,
    runtimes: Runtimes,
    make_driver: Box<MakeDriver>,
    restarts: u32,
    window: Duration,
    stop_within: Duration,
    schedtrace: Option<Duration>,
    watched: WatchedAsks,
    audits: Audits,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            name: "actor-worker".to_owned(),
            workers: None,
            max_workers: None,
            floor: None,
            pinning: Pinning::Free,
            max_pinned: MAX_PINNED,
            max_threads: None,
            background_threads: BACKGROUND_THREADS,
            quanta: Quanta { soft: SOFT_QUANTUM, hard: HARD_QUANTUM },
            out_of_threads: OutOfThreads::default(),
            max_condemned: MAX_CONDEMNED,
            too_many_condemned: TooManyCondemned::default(),
            blocking: Limits::default(),
            runtimes: Runtimes::default(),
            make_driver: Box::new(|_| Ok(Arc::new(Parker::default()))),
            restarts: Intensity::RESTARTS,
            window: Intensity::WINDOW,
            stop_within: Duration::from_secs(10),
            schedtrace: None,
            watched: WatchedAsks { deadlocks: cfg!(debug_assertions), limit: None },
            audits: Audits::default(),
        }
    }
}

impl Builder {
    /// What the workers' threads are called, with their number after it; `actor-worker` unless
    /// said. Some systems show the first 15 bytes only.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The number of workers, 1 to 1024. Unless said, one for each core that the process may use: the
    /// cores in its affinity mask, or fewer if the processor quota of its control groups (on Linux,
    /// rounded up to whole cores; its own group's and of all above it) is for fewer.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The most workers that [`SystemHandle::set_parallelism`] can ask for, 1 to 1024; unless said, 4 for each core
    /// that the process may use, and not less than 16 or the workers that the system begins with. A worker that was
    /// never needed costs a few bytes.
    pub fn max_workers(mut self, max_workers: usize) -> Self {
        self.max_workers = Some(max_workers);
        self
    }

    /// Lets the system choose its parallelism, from `floor` to [`max_workers`](Self::max_workers), beginning with the
    /// [`workers`](Self::workers). More workers run actors when work waits for 2 ms or longer though the processors have
    /// time, or gets on nowhere because handlers block; fewer when for 3 s some were idle or the processors were fought for.
    /// What Linux says of the pressure on processors is taken into account where it says something. A thread looks at
    /// this 20 times a second, but not while all workers are idle. [`SystemHandle::set_parallelism`] says where
    /// it goes on from.
    pub fn automatic_parallelism(mut self, floor: usize) -> Self {
        self.floor = Some(floor);
        self
    }

    /// Whether each worker stays on a core of its own, of those in the process's affinity mask; they
    /// do not unless said. With more workers than cores, the cores are shared out in turn. For Linux;
    /// elsewhere this does nothing.
    pub fn pin_workers(mut self, pinned: bool) -> Self {
        self.pinning = if pinned { Pinning::Mask } else { Pinning::Free };
        self
    }

    /// Keeps the workers on these cores, by number, in turn. A core that the process's affinity mask
    /// does not allow is a [`Contradiction`](crate::Contradiction), and its worker is not pinned. For
    /// Linux; elsewhere this does nothing.
    pub fn pin_workers_to(mut self, cores: impl IntoIterator<Item = usize>) -> Self {
        self.pinning = Pinning::Cores(cores.into_iter().collect());
        self
    }

    /// The most actors that can be [pinned](crate::Spawn::pinned) at a time, each with a thread of its own
    /// beside the workers; 64 unless said, and 0 for none. One more is refused with
    /// [`SpawnError::TooManyPinned`](crate::SpawnError::TooManyPinned). The threads of actors that have just
    /// ended do not count, though they may not have ended yet.
    pub fn max_pinned(mut self, max_pinned: usize) -> Self {
        self.max_pinned = max_pinned;
        self
    }

    /// How long a turn may take, 1 ms unless said (and at least that), before it is asked to end: the actor goes to the
    /// end of the queue at its next safepoint, which is the end of a message, a future of ours that it awaits, or
    /// [`Context::checkpoint`](crate::Context::checkpoint). Go's is 10 ms, at any instruction; BEAM's 4000 reductions.
    /// Actors may have one of their own: [`Spawn::soft_quantum`](crate::Spawn::soft_quantum), or
    /// `#[actor(soft_quantum = "2ms")]`.
    pub fn soft_quantum(mut self, quantum: Duration) -> Self {
        self.quanta.soft = quantum.max(Settings::SHORTEST_QUANTUM);
        self
    }

    /// How long a turn may take, 10 ms unless said, before its worker is taken over by a spare thread; where work waits
    /// for the worker that nobody else can do, twice the soft quantum, if that is less. What the worker has queued, its
    /// timers and its sockets go on with the new thread, and the old one is left with its handler. If that burns
    /// processor time, its thread gets the lowest priority (on Linux). Actors may have one of their own:
    /// [`Spawn::hard_quantum`](crate::Spawn::hard_quantum), or `#[actor(hard_quantum = "50ms")]`.
    ///
    /// While all workers are in turns that end before this, but take 20 us or more, one thread beside them runs what other
    /// threads have told and asked actors meanwhile. There is none where this is a second or longer.
    pub fn hard_quantum(mut self, quantum: Duration) -> Self {
        self.quanta.hard = quantum;
        self
    }

    /// The most threads that there may be to run workers and the background lane, those included that wait to take a
    /// worker over and those whose handlers do not return. Unless said, 256 more than [`workers`](Self::workers). What
    /// happens when it is reached is [`out_of_threads`](Self::out_of_threads)'s.
    pub fn max_threads(mut self, max_threads: usize) -> Self {
        self.max_threads = Some(max_threads);
        self
    }

    /// What happens when a turn has exceeded the hard quantum, and there are as many threads as there may be.
    pub fn out_of_threads(mut self, policy: OutOfThreads) -> Self {
        self.out_of_threads = policy;
        self
    }

    /// The most condemned handlers (see [`Spawn::stall`](crate::Spawn::stall)) that have not returned, 64 unless said. What
    /// happens when one more is to be condemned is [`too_many_condemned`](Self::too_many_condemned)'s.
    pub fn max_condemned(mut self, max_condemned: usize) -> Self {
        self.max_condemned = max_condemned;
        self
    }

    /// What happens when a handler has exceeded its limit, and as many are condemned as there may be.
    pub fn too_many_condemned(mut self, policy: TooManyCondemned) -> Self {
        self.too_many_condemned = policy;
        self
    }

    /// How many threads of the lowest priority run actors whose turns keep taking long; 16 unless said, at least 1. Only
    /// if none of their turns ends for a second there are more.
    pub fn background_threads(mut self, threads: usize) -> Self {
        self.background_threads = threads.max(1);
        self
    }

    /// The most threads of the blocking pool, for closures ([`SystemHandle::blocking`]) and blocking handlers
    /// (`#[message(blocking)]`); 64 unless said, and at least 1. They are beside the workers, are started when
    /// they are needed, and end when they had nothing to do for 10 s. As most of them sleep in the
    /// kernel, there may be many more than cores; but each has a stack.
    pub fn max_blocking(mut self, max_blocking: usize) -> Self {
        self.blocking.threads = max_blocking.max(1);
        self
    }

    /// How many closures may wait for a thread of the blocking pool; 10000 unless said. One more is refused with
    /// [`BlockingError::Full`](crate::BlockingError::Full). Messages for blocking handlers are not limited by
    /// this: they wait in their mailboxes.
    pub fn blocking_queue(mut self, blocking_queue: usize) -> Self {
        self.blocking.queue = blocking_queue;
        self
    }

    /// A tokio runtime for handlers to use: its timers and sockets, and libraries that need them, such as
    /// `reqwest` or `sqlx`. The threads that run actors (workers, those of pinned actors and of the
    /// blocking pool) enter it, so `tokio::time::sleep` or `tokio::spawn` in a handler find it. The actors
    /// stay on the threads of this system; the runtime's own threads serve its timers and sockets, so it
    /// must have one: a `current_thread` runtime does only while somebody is in its `block_on`. Shut the
    /// system down first: what asks an ended runtime for a timer or a socket panics.
    ///
    /// For the feature `tokio`. The other way round takes no setting: asks and whatever else of this crate is a
    /// future can be awaited in any executor.
    #[cfg(feature = "tokio")]
    pub fn tokio(mut self, handle: tokio::runtime::Handle) -> Self {
        self.runtimes.tokio = Some(handle);
        self
    }

    /// How long a thread of the blocking pool stays that has nothing to do.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn blocking_idle(mut self, idle: Duration) -> Self {
        self.blocking.idle = idle;
        self
    }

    /// What workers park in. `actor-net` has one for sockets.
    pub fn driver(
        mut self,
        make: impl Fn(usize) -> io::Result<Arc<dyn Driver>> + Send + Sync + 'static,
    ) -> Self {
        self.make_driver = Box::new(make);
        self
    }

    /// The most restarts within `window` of the root supervisor's children; 5 in 10 s unless said.
    /// One more, and the system ends with [`StopReason::Escalated`](crate::StopReason::Escalated).
    pub fn intensity(mut self, restarts: u32, window: Duration) -> Self {
        self.restarts = restarts;
        self.window = window;
        self
    }

    /// How long a shutdown waits for all actors together before it kills; 10 s unless said.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// Prints a line about the scheduler to standard error every so often, at least a millisecond apart,
    /// until the system has ended; never unless said. The guide's page on operating says what it means.
    ///
    /// The environment variable `ACTOR_SCHEDTRACE` says the same in milliseconds, such as
    /// `ACTOR_SCHEDTRACE=1000`. It is read when the system is built and goes before what is said here; 0
    /// turns the trace off. What is no number from 0 to 86400000 (a day) is ignored, with a warning on
    /// standard error. Go has this as `GODEBUG=schedtrace=1000`.
    pub fn schedtrace(mut self, period: Duration) -> Self {
        self.schedtrace = Some(period.max(Duration::from_millis(1)));
        self
    }

    /// Starts the workers and the root supervisor.
    ///
    /// # Errors
    /// If the number of workers is out of range, or a driver or thread could not be made.
    #[track_caller]
    pub fn build(self) -> Result<System, BuildError> {
        let workers = self.workers.unwrap_or_else(|| platform::parallelism().min(MOST_WORKERS));
        if !(1..=MOST_WORKERS).contains(&workers) {
            return Err(BuildError::Workers(workers));
        }
        let max = self.max_workers.unwrap_or_else(|| default_max_workers(workers));
        if !(workers..=MOST_WORKERS).contains(&max) {
            return Err(BuildError::MaxWorkers { max, workers });
        }
        if let Some(floor) = self.floor
            && !(1..=workers).contains(&floor)
        {
            return Err(BuildError::Floor { floor, workers });
        }
        let max_threads = self.max_threads.unwrap_or(workers + MORE_THREADS);
        if max_threads < workers {
            return Err(BuildError::MaxThreads { max: max_threads, workers });
        }
        if self.quanta.hard < self.quanta.soft {
            return Err(BuildError::Quanta { soft: self.quanta.soft, hard: self.quanta.hard });
        }
        log::begin();
        let mask = platform::affinity::allowed();
        let placement = Placement::plan(&self.pinning, workers, max, mask.as_deref())
            .knowing(|| Topology::read(Path::new("/")));
        placement.warn();
        let (floor, audits, schedtrace) = (self.floor, self.audits, self.schedtrace);
        let (restarts, window) = (self.restarts, self.window);
        let handle = self.assemble(placement, max, max_threads);
        // Made before the threads, so that the drop of the system ends those that were started.
        let system = System { handle: handle.clone() };
        handle.set_parallelism(workers).map_err(|error| match error {
            ParallelismError::Driver(error) => BuildError::Driver(error),
            ParallelismError::Thread(error) => BuildError::Thread(error),
            ParallelismError::OutOfRange { .. }
            | ParallelismError::TooManyThreads { .. }
            | ParallelismError::Ended => unreachable!("{error}"),
        })?;
        sysmon::start(handle.clone()).map_err(BuildError::Thread)?;
        if let Some(floor) = floor {
            automatic::start(handle.clone(), floor).map_err(BuildError::Thread)?;
        }
        begin_root(&handle, restarts, window);
        auditor::start(&handle, audits).map_err(BuildError::Thread)?;
        if let Some(period) = trace::period(schedtrace) {
            handle.0.trace.begin(handle.clone(), period).map_err(BuildError::Thread)?;
        }
        Ok(system)
    }

    /// A system without threads, and with its root supervisor: for [`sim`](crate::sim); and what its auditor is asked for.
    /// Settings of threads mean nothing there.
    #[cfg(feature = "sim")]
    #[track_caller]
    pub(crate) fn simulated(mut self) -> (System, Audits) {
        let (restarts, window, audits) = (self.restarts, self.window, self.audits);
        self.blocking.threads = 0;
        // No turn is held up by another, so there is no courier to be called.
        self.quanta.hard = Duration::MAX;
        let placement = Placement::plan(&Pinning::Free, 1, 1, None);
        let handle = self.assemble(placement, 1, 0);
        handle.scheduler().simulate(&handle);
        begin_root(&handle, restarts, window);
        (System { handle }, audits)
    }

    /// What a system is made of, before any of its threads.
    fn assemble(self, placement: Placement, max_workers: usize, max_threads: usize) -> SystemHandle {
        let scheduler = Scheduler::new(scheduler::Settings {
            name: self.name,
            max_workers,
            max_pinned: self.max_pinned,
            max_threads,
            background_threads: self.background_threads,
            quanta: self.quanta,
            out_of_threads: self.out_of_threads,
            max_condemned: self.max_condemned,
            too_many_condemned: self.too_many_condemned,
            make_driver: self.make_driver,
        });
        SystemHandle(Arc::new(Shared {
            scheduler,
            placement,
            names: Names::default(),
            groups: Groups::default(),
            dead_letters: DeadLetters::default(),
            ids: AtomicU64::new(1),
            root: OnceLock::new(),
            ended: Mutex::new(None),
            over: Condvar::new(),
            escalated: OnceLock::new(),
            ending: AtomicBool::new(false),
            late: Mutex::new(Vec::new()),
            stop_within: self.stop_within,
            built: clock::now(),
            trace: Trace::default(),
            asks: Asks::new(self.watched),
            auditor: Auditor::default(),
            leaks: Seen::default(),
            blocking: Pool::new(self.blocking),
            runtimes: self.runtimes,
            #[cfg(feature = "testing")]
            spawned_outside: Default::default(),
        }))
    }
}

fn default_max_workers(workers: usize) -> usize {
    (4 * platform::parallelism()).clamp(16, MOST_WORKERS).max(workers)
}

#[track_caller]
fn begin_root(system: &SystemHandle, restarts: u32, window: Duration) {
    let blueprint = Arc::new(Blueprint::new(restarts, window));
    let root = root(system, move || Supervisor::new(blueprint.clone()));
    system.0.root.get_or_init(|| Arc::downgrade(&root));
    root.begin();
}

/// The root's cell: it has no supervisor, so nobody restarts it.
#[track_caller]
fn root(
    system: &SystemHandle,
    factory: impl FnMut() -> Supervisor + Send + 'static,
) -> Arc<Cell<Supervisor>> {
    Cell::new(Plan {
        id: ActorId(0),
        name: None,
        nursery: Nursery::of_root(system.clone()),
        restart: Restart::Temporary,
        settings: <Supervisor as Actor>::settings(),
        pinned: None,
        site: Location::caller(),
        life: Life::unborn(Incarnation::unborn(factory), None, None, None),
    })
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("max_workers", &self.max_workers)
            .field("floor", &self.floor)
            .field("pinning", &self.pinning)
            .field("max_pinned", &self.max_pinned)
            .field("max_threads", &self.max_threads)
            .field("background_threads", &self.background_threads)
            .field("quanta", &self.quanta)
            .field("out_of_threads", &self.out_of_threads)
            .field("condemned", &(self.max_condemned, self.too_many_condemned))
            .field("blocking", &self.blocking)
            .field("runtimes", &self.runtimes)
            .field("intensity", &(self.restarts, self.window))
            .field("stop_within", &self.stop_within)
            .field("schedtrace", &self.schedtrace)
            .field("watched", &self.watched)
            .field("audits", &self.audits)
            .finish_non_exhaustive()
    }
}
