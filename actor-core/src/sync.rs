//! The one place that names the primitives of synchronisation, so that others can take the place of the [`real`]
//! ones: a model checker's under `cfg(loom)`, from [`checked`], and under `cfg(shuttle)` those of a scheduler that
//! makes up its schedules, from [`scheduled`]. See CONTRIBUTING.md.

#[cfg(not(loom))]
mod cell;
#[cfg(loom)]
mod checked;
#[cfg(all(test, loom))]
pub(crate) mod model;
#[cfg(any(loom, shuttle))]
mod once;
#[cfg(not(any(loom, shuttle)))]
mod real;
#[cfg(shuttle)]
mod scheduled;
mod starting;

#[cfg(loom)]
use checked as primitives;
#[cfg(not(any(loom, shuttle)))]
use real as primitives;
#[cfg(shuttle)]
use scheduled as primitives;

pub(crate) use primitives::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Condvar, MutexGuard, OnceBox, OnceLock,
    Ordering, StaticMutex, UnsafeCell, fence, thread, thread_local,
};
#[cfg(shuttle)]
pub(crate) use scheduled::LocalKey;
#[cfg(all(test, not(loom)))]
pub(crate) use starting::failing;
pub(crate) use starting::start;
/// What is in a static, which a model checker cannot have: what it checks ends with each run.
pub(crate) use std::sync::{
    OnceLock as StaticOnce,
    atomic::{AtomicBool as StaticBool, AtomicU64 as StaticU64},
};

use std::sync::{PoisonError, TryLockError};

/// A mutex without poison. No code of a user's runs under one of ours, and what could panic under
/// one leaves its data whole, so a poisoned lock would only turn one failure into many.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(primitives::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Mutex(primitives::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Mutex(primitives::Mutex::new(value))
    }

    /// The value, without locking: the borrow proves that nobody else has it.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if another thread has it at this moment. For who must not wait for a thread of low priority, which may
    /// have lost its processor while it had the lock.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
