//! Shuttle's primitives: each operation on one is a place where another thread may go on.
//!
//! Shuttle takes all atomic operations for `SeqCst`, and a fence for nothing: what an ordering is needed for is the
//! models' to tell. And it knows no time. Waiting with a timeout is that of [`simulated`](crate::clock::simulated).

use std::cell::Cell;
use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

pub(crate) use shuttle::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
pub(crate) use shuttle::thread;

pub(crate) use super::cell::UnsafeCell;
pub(crate) use super::once::{OnceBox, OnceLock};
use crate::clock::simulated::Alarm;

/// Shuttle's condition with timeouts that come. It is shared with the alarm that ends a wait.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    /// As the real one, but for the second value, which tells nothing. May return early, as that may.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let changed = self.0.clone();
        let _alarm = Alarm::set(timeout, move || changed.notify_all());
        let guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        Ok((guard, ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A real lock, for what is in a static and so outlives a run. No thread may come to a place where another goes on
/// while it holds it.
#[derive(Debug, Default)]
pub(crate) struct StaticMutex<T>(std::sync::Mutex<T>);

impl<T> StaticMutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        StaticMutex(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shuttle's values of a thread's own, with what the standard library's have for cells.
#[derive(Debug)]
pub(crate) struct LocalKey<T: 'static>(pub(crate) thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    pub(crate) fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }

    pub(crate) fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, thread::AccessError> {
        self.0.try_with(f)
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    pub(crate) fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    pub(crate) fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    pub(crate) fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

macro_rules! locals {
    ($($(#[$attr:meta])* static $name:ident: $of:ty = $init:expr);* $(;)?) => {$(
        $(#[$attr])*
        static $name: $crate::sync::LocalKey<$of> = $crate::sync::LocalKey(shuttle::thread::LocalKey {
            init: || $init,
            _p: std::marker::PhantomData,
        });
    )*};
}
pub(crate) use locals as thread_local;
