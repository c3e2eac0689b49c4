//! Threads beside the one that decides, for what may wait: jobs of the blocking pool. They pass on a baton, so one of
//! all threads runs at a time, and which one is a step like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::seam;
use super::world::World;
use crate::sync::{self, Condvar, Mutex};

/// What a thread runs.
pub(super) type Work = Box<dyn FnOnce() + Send>;

/// What a thread that has given the baton back waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// A token, by its address.
    pub(super) token: Option<usize>,
    /// The time by which it goes on anyway.
    pub(super) until: Option<Duration>,
}

/// Who has the baton.
enum Baton {
    /// The one who decides; the thread has nothing to run.
    Back,
    /// The thread, to run this.
    Given(Work),
    /// The thread.
    Running,
    /// The one who decides; the thread waits.
    Waits(Waits),
    /// The thread has panicked, outside of what catches that.
    Panicked(Box<dyn Any + Send>),
    /// There is nothing more to run.
    Over,
}

/// A thread beside.
pub(super) struct Side {
    baton: Mutex<Baton>,
    passed: Condvar,
}

impl Side {
    /// Starts one.
    ///
    /// # Panics
    /// If the operating system has no thread.
    pub(super) fn start(world: &Arc<World>) -> Arc<Side> {
        let side = Arc::new(Side { baton: Mutex::new(Baton::Back), passed: Condvar::new() });
        let (own, world) = (side.clone(), world.clone());
        let run = move || seam::beside(world, &own);
        sync::start("actor-sim".to_owned(), run).expect("a thread for a simulation");
        side
    }

    /// Runs what it is given, until there is nothing more.
    pub(super) fn run(&self) {
        while let Some(work) = self.next() {
            let outcome = catch_unwind(AssertUnwindSafe(work));
            self.pass(outcome.map_or_else(Baton::Panicked, |()| Baton::Back));
        }
    }

    fn next(&self) -> Option<Work> {
        let mut baton = self.baton.lock();
        loop {
            match std::mem::replace(&mut *baton, Baton::Running) {
                Baton::Given(work) => return Some(work),
                Baton::Over => return None,
                other => *baton = other,
            }
            baton = self.passed.wait(baton).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn pass(&self, baton: Baton) {
        *self.baton.lock() = baton;
        self.passed.notify_all();
    }

    /// Gives the baton back until it comes again. Called by the thread.
    pub(super) fn wait(&self, waits: Waits) {
        self.pass(Baton::Waits(waits));
        let mut baton = self.baton.lock();
        while !matches!(*baton, Baton::Running) {
            baton = self.passed.wait(baton).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Has the thread run this; called by who decides. Gives what it waits for then, if it has not come to its end.
    pub(super) fn give(&self, work: Work) -> Option<Waits> {
        self.pass(Baton::Given(work));
        self.until_back()
    }

    /// Has the thread go on; as [`give`](Self::give).
    pub(super) fn resume(&self) -> Option<Waits> {
        self.pass(Baton::Running);
        self.until_back()
    }

    fn until_back(&self) -> Option<Waits> {
        let mut baton = self.baton.lock();
        loop {
            match std::mem::replace(&mut *baton, Baton::Back) {
                Baton::Back => return None,
                Baton::Waits(waits) => return Some(waits),
                Baton::Panicked(payload) => {
                    drop(baton);
                    resume_unwind(payload)
                }
                other => *baton = other,
            }
            baton = self.passed.wait(baton).unwrap_or_else(|e| e.into_inner());
        }
    }

    /// Ends the thread, which has nothing to run.
    pub(super) fn end(&self) {
        self.pass(Baton::Over);
    }
}
