//! The one place that names the primitives of synchronisation, so that a model checker's can take
//! their place: under `cfg(loom)` they come from [`checked`], see CONTRIBUTING.md.

#[cfg(loom)]
mod checked;
#[cfg(all(test, loom))]
pub(crate) mod model;
#[cfg(loom)]
use checked as primitives;

#[cfg(not(loom))]
mod primitives {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};

    pub(crate) use once_cell::race::OnceBox;

    /// A cell whose users keep apart by a protocol. They get at it through a closure, so that a
    /// model checker sees each access.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

pub(crate) use primitives::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Condvar, MutexGuard, OnceBox, OnceLock,
    Ordering, UnsafeCell, fence,
};
/// What is in a static, which a model checker cannot have: what it checks ends with each run.
pub(crate) use std::sync::atomic::{AtomicBool as StaticBool, AtomicU64 as StaticU64};

use std::sync::PoisonError;

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
}
