//! How many workers run actors, and changing that while they do. The README beside this file tells the protocol.
//!
//! Workers are started in the order of their numbers and stay. Those below the parallelism are *active*; the others
//! are *retired*: each parks in its driver, serves its sockets and timers, and runs no actors.

#[cfg(all(test, loom))]
mod model;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::clock;
use crate::driver::{Driver, MakeDriver};
use crate::observe::Record;
use crate::scheduler::claim::Claimed;
use crate::scheduler::crew::NoSpare;
use crate::scheduler::hand::Order;
use crate::scheduler::near::Near;
use crate::scheduler::queue::Queue;
use crate::scheduler::{Remote, Scheduler, local};
use crate::sync::{AtomicBool, AtomicU32, AtomicUsize, Mutex, Ordering};
use crate::system::SystemHandle;
use crate::timer::TimerQueue;

/// What new workers are made with.
pub(super) struct Recipe {
    /// What the threads are called, before their number.
    pub(super) name: Arc<str>,
    pub(super) make_driver: Box<MakeDriver>,
}

/// How many workers are active.
#[derive(Default)]
pub(super) struct Active(AtomicUsize);

impl Active {
    pub(super) fn count(&self) -> usize {
        // Relaxed: a worker that retires or comes back later than it could loses nothing, and it is unparked
        // after the change, which orders the two.
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn includes(&self, worker: usize) -> bool {
        worker < self.count()
    }

    /// Changes the number; answers which workers must be unparked, to see that they are retired or are not.
    pub(super) fn change(&self, count: usize) -> std::ops::Range<usize> {
        // Relaxed: only written under `Scheduler::changing`; for readers see `count`.
        let before = self.count();
        self.0.store(count, Ordering::Relaxed);
        before.min(count)..before.max(count)
    }
}

impl Scheduler {
    /// The number of active workers.
    pub(crate) fn parallelism(&self) -> usize {
        self.active.count()
    }

    /// Whether all workers run actors, and none is retired.
    pub(super) fn is_full(&self) -> bool {
        self.parallelism() >= self.workers()
    }

    /// How many workers there can be.
    pub(crate) fn max_workers(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn set_parallelism(system: &SystemHandle, count: usize) -> Result<(), ParallelismError> {
        let scheduler = system.scheduler();
        let max = scheduler.max_workers();
        if !(1..=max).contains(&count) {
            return Err(ParallelismError::OutOfRange { asked: count, max });
        }
        // Before the lock, since making them is foreign code. What is not needed is dropped after it.
        let first = scheduler.workers();
        let make = |index| (scheduler.recipe.make_driver)(index).map_err(ParallelismError::Driver);
        let drivers = (first..count).map(make).collect::<Result<Vec<_>, _>>()?;
        let _changing = scheduler.changing.lock();
        if scheduler.is_stopping() {
            return Err(ParallelismError::Ended);
        }
        for (index, driver) in (first..).zip(&drivers) {
            // Another change may have started it meanwhile.
            if index >= scheduler.workers() {
                scheduler.start(system, index, driver.clone())?;
            }
        }
        for worker in scheduler.active.change(count) {
            scheduler.unpark(worker);
        }
        Ok(())
    }

    /// Starts the next worker. For the holder of `changing`.
    fn start(
        &self,
        system: &SystemHandle,
        index: usize,
        driver: Arc<dyn Driver>,
    ) -> Result<(), ParallelismError> {
        // It is there already if it could not be given a thread before.
        let remote = self.place(system, index, driver);
        if local::makes_no_threads() {
            // A new thread has its maker's priority, and this one's is the lowest. Sysmon gives it one.
            self.publish_started(index);
            self.sysmon.wake();
            return Ok(());
        }
        let hand = self.crew.spare(system).map_err(|why| match why {
            NoSpare::AtLimit { max } => ParallelismError::TooManyThreads { max },
            NoSpare::Failed(error) => ParallelismError::Thread(error),
            NoSpare::Over => ParallelismError::Ended,
        })?;
        *remote.hand.lock() = Some(hand.clone());
        // Before the thread has its order, so that what it pushes is looked for here.
        self.publish_started(index);
        hand.order(Order::Run(index));
        Ok(())
    }

    /// The worker's place, made if there is none.
    pub(super) fn place(&self, system: &SystemHandle, index: usize, driver: Arc<dyn Driver>) -> &Remote {
        self.slots[index].get_or_init(|| {
            let queue = Queue::new();
            let (stealer, queue) = (queue.stealer(), Claimed::new(queue));
            let near = Near::new(system.placement().near(index));
            let (timers, record) = (TimerQueue::new(clock::now()).into(), Record::new());
            let turn_nanos = AtomicU32::new(u32::MAX);
            let (hand, ended) = (Mutex::new(None), AtomicBool::new(false));
            Remote { stealer, queue, hand, ended, driver, timers, near, record, turn_nanos }.into()
        })
    }

    pub(super) fn publish_started(&self, index: usize) {
        *self.live.lock() += 1;
        // Release: pairs with the Acquire in `workers`, so that the slot is seen filled.
        self.started.store(index + 1, Ordering::Release);
    }
}

/// Why the parallelism could not be changed. It is then what it was before.
#[derive(Debug)]
#[non_exhaustive]
pub enum ParallelismError {
    /// The number asked for is not between 1 and the most workers that this system was built for.
    OutOfRange {
        /// What was asked for.
        asked: usize,
        /// The most workers; see [`Builder::max_workers`](crate::Builder::max_workers).
        max: usize,
    },
    /// The driver of a new worker could not be made.
    Driver(io::Error),
    /// The thread of a new worker could not be started.
    Thread(io::Error),
    /// A new worker's thread would be one too many.
    TooManyThreads {
        /// The most threads; see [`Builder::max_threads`](crate::Builder::max_threads).
        max: usize,
    },
    /// The system has ended.
    Ended,
}

impl fmt::Display for ParallelismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParallelismError::OutOfRange { asked, max } => write!(
                f,
                "a parallelism of {asked}: this system can have 1 to {max}; Builder::max_workers makes room for more"
            ),
            ParallelismError::Driver(error) => write!(f, "a worker's driver could not be made: {error}"),
            ParallelismError::Thread(error) => write!(f, "a worker's thread could not be started: {error}"),
            ParallelismError::TooManyThreads { max } => write!(
                f,
                "a new worker needs a thread, and there are {max} already; Builder::max_threads makes room for more"
            ),
            ParallelismError::Ended => f.write_str("the system has ended"),
        }
    }
}

impl Error for ParallelismError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ParallelismError::Driver(error) | ParallelismError::Thread(error) => Some(error),
            ParallelismError::OutOfRange { .. }
            | ParallelismError::TooManyThreads { .. }
            | ParallelismError::Ended => None,
        }
    }
}
