//! Settings of a system, and its start.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::actor::Actor;
use crate::actor_ref::ActorRef;
use crate::cell::turn::Life;
use crate::cell::{ActorId, Cell, Plan};
use crate::dead_letter::DeadLetters;
use crate::driver::{Driver, MakeDriver, Parker};
use crate::platform;
use crate::scheduler::Scheduler;
use crate::supervisor::intensity::Intensity;
use crate::supervisor::{Restart, Supervisor};
use crate::sync::{AtomicBool, AtomicU64, Mutex};
use crate::system::names::Names;
use crate::system::placement::{Pinning, Placement};
use crate::system::{Shared, System, SystemHandle};

/// The most workers a system can have.
const MOST_WORKERS: usize = 1024;

/// Settings of a system that is to be started.
#[must_use = "nothing runs until `build` is called"]
pub struct Builder {
    name: String,
    workers: Option<usize>,
    pinning: Pinning,
    make_driver: Box<MakeDriver>,
    restarts: u32,
    window: Duration,
    stop_within: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            name: "actor-worker".to_owned(),
            workers: None,
            pinning: Pinning::Free,
            make_driver: Box::new(|_| Ok(Arc::new(Parker::default()))),
            restarts: Intensity::RESTARTS,
            window: Intensity::WINDOW,
            stop_within: Duration::from_secs(10),
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

    /// Starts the workers and the root supervisor.
    ///
    /// # Errors
    /// If the number of workers is out of range, or a driver or thread could not be made.
    pub fn build(self) -> Result<System, BuildError> {
        let workers = self.workers.unwrap_or_else(|| platform::parallelism().min(MOST_WORKERS));
        if !(1..=MOST_WORKERS).contains(&workers) {
            return Err(BuildError::Workers(workers));
        }
        let mask = platform::affinity::allowed();
        let placement = Placement::plan(&self.pinning, workers, mask.as_deref());
        placement.warn();
        let (scheduler, queues) = Scheduler::new(workers, &*self.make_driver).map_err(BuildError::Driver)?;
        let handle = SystemHandle(Arc::new(Shared {
            scheduler,
            placement,
            names: Names::default(),
            dead_letters: DeadLetters::default(),
            ids: AtomicU64::new(1),
            root: RwLock::new(None),
            ended: Mutex::new(None),
            ending: AtomicBool::new(false),
            late: Mutex::new(Vec::new()),
            stop_within: self.stop_within,
        }));
        // Made before the threads, so that the drop of the system ends those that were started.
        let system = System { handle: handle.clone() };
        for (index, queue) in queues.into_iter().enumerate() {
            Scheduler::start_worker(handle.clone(), &self.name, index, queue).map_err(BuildError::Thread)?;
        }
        let (restarts, window) = (self.restarts, self.window);
        let root = root(&handle, move || Supervisor::new(restarts, window, false));
        root.begin();
        *handle.0.root.write().unwrap_or_else(|e| e.into_inner()) = Some(ActorRef::new(root).into());
        Ok(system)
    }
}

/// The root's cell: it has no supervisor, so nobody restarts it.
fn root(
    system: &SystemHandle,
    factory: impl FnMut() -> Supervisor + Send + 'static,
) -> Arc<Cell<Supervisor>> {
    Cell::new(Plan {
        id: ActorId(0),
        name: None,
        system: system.clone(),
        parent: None,
        restart: Restart::Temporary,
        settings: <Supervisor as Actor>::settings(),
        life: Life::unborn(Box::new(factory), None, None),
    })
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("pinning", &self.pinning)
            .field("intensity", &(self.restarts, self.window))
            .field("stop_within", &self.stop_within)
            .finish_non_exhaustive()
    }
}

/// Why a system could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The number of workers is not between 1 and 1024.
    Workers(usize),
    /// A driver could not be made.
    Driver(io::Error),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Workers(n) => write!(f, "{n} workers: there can be 1 to {MOST_WORKERS}"),
            BuildError::Driver(error) => write!(f, "a worker's driver could not be made: {error}"),
            BuildError::Thread(error) => write!(f, "a worker's thread could not be started: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Workers(_) => None,
            BuildError::Driver(error) | BuildError::Thread(error) => Some(error),
        }
    }
}
