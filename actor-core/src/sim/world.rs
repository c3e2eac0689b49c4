//! What all threads of a simulation share: the time, the tape, and what is written down.

use std::time::{Duration, Instant};

use super::books::Books;
use super::faults::{Faults, Plan};
use super::outside::Outside;
use super::tape::Tape;
use super::trace::{Story, Trace};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

pub(super) struct World {
    /// When the simulation's time began.
    begin: Instant,
    /// How much of it has passed, in nanoseconds.
    passed: AtomicU64,
    pub(super) tape: Mutex<Tape>,
    pub(super) trace: Mutex<Trace>,
    pub(super) books: Mutex<Books>,
    pub(super) plan: Mutex<Plan>,
    /// The message that was last given to a handler.
    pub(super) handled: Mutex<Option<&'static str>>,
    pub(super) outside: Mutex<Outside>,
    /// There if the steps are to be told.
    pub(super) story: Option<Mutex<Story>>,
    /// The tokens that were set since this was looked at, by their addresses.
    pub(super) set: Mutex<Vec<usize>>,
    /// The simulation has ended: who waits in it does not go on.
    over: AtomicBool,
}

impl World {
    pub(super) fn new(begin: Instant, tape: Tape, tells: bool, faults: Faults) -> World {
        World {
            begin,
            passed: AtomicU64::new(0),
            tape: Mutex::new(tape),
            trace: Mutex::default(),
            books: Mutex::default(),
            plan: Mutex::new(Plan::new(faults)),
            handled: Mutex::default(),
            outside: Mutex::default(),
            story: tells.then(Mutex::default),
            set: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn passed(&self) -> Duration {
        // Relaxed, here and below: one thread at a time has the baton, and passes it on under a lock.
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }

    pub(super) fn pass(&self, to: Duration) {
        self.passed.store(u64::try_from(to.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Instant {
        self.begin + self.passed()
    }

    /// How far in the simulation's time that is.
    pub(super) fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Writes a line of the story, if it is told.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(story) = &self.story {
            let line = line();
            story.lock().add(self.passed(), line);
        }
    }
}
