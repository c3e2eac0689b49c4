//! The threads of the blocking pool.

use std::cell::{Cell, OnceCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::Level;

use crate::blocking::Pool;
use crate::driver::Driver;
use crate::log;
use crate::scheduler::{local, stalls};
use crate::sync::{self, thread_local};
use crate::system::SystemHandle;

thread_local! {
    /// Whether what runs on this thread may block, since no other actor waits for the thread.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    /// The system, if this is a thread of its pool.
    static HERE: OnceCell<SystemHandle> = const { OnceCell::new() };
}

/// Whether this thread is one of a blocking pool, or stands in for one.
#[inline]
pub(crate) fn may_block() -> bool {
    MAY_BLOCK.get()
}

/// Whether this thread is one of a blocking pool.
pub(crate) fn is_of_pool() -> bool {
    HERE.try_with(|here| here.get().is_some()).unwrap_or(false)
}

/// Has this thread stand in for one of the pool.
pub(super) fn blocking_here(f: impl FnOnce()) {
    let before = MAY_BLOCK.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    MAY_BLOCK.set(before);
    if outcome.is_err() {
        log::say(Level::ERROR, || {
            move || tracing::error!("a job of the blocking pool panicked: a bug in the runtime")
        });
    }
}

/// The driver of one of the active workers, for a blocking handler that opens a socket: its thread has none.
pub(crate) fn any_driver() -> Option<Arc<dyn Driver>> {
    HERE.try_with(|here| here.get().and_then(|system| system.scheduler().any_driver())).ok().flatten()
}

/// Starts a thread of the system's pool. The only place where that is done: a thread has the priority of the one
/// that starts it, so none that was demoted comes here.
pub(super) fn start(system: &SystemHandle) -> io::Result<()> {
    let name = format!("{}-blocking", system.scheduler().name());
    let system = system.clone();
    sync::start(name, move || run(&system))
}

fn run(system: &SystemHandle) {
    system.placement().settle(None);
    HERE.with(|here| drop(here.set(system.clone())));
    let _runtimes = system.enter_runtimes();
    let pool: &Pool = system.blocking_pool();
    pool.thread_began();
    while let Some(job) = pool.next() {
        local::turn_begins();
        blocking_here(|| job.run());
        pool.job_done();
        if stalls::take_lost() {
            // Another has its place.
            return pool.comes_back();
        }
    }
}
