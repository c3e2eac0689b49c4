//! The model checker's primitives, made a little stricter and a little more faithful.
//!
//! * Dropping an atomic or a cell is an access that excludes all others, so that a model fails if
//!   something is used while or after it is freed.
//! * Loom takes a `SeqCst` load for an `Acquire` one, and would see store buffering where the memory
//!   model forbids it. A fence before the load, which loom knows, makes it as strong as it is.
//!   `SeqCst` read-modify-writes stay as weak as loom has them. Loom's fences for their part also
//!   synchronise, which real ones alone do not; so what these models say about an acquire or release
//!   next to a `SeqCst` load or fence is less than what they say about all others.

use std::ops::Deref;

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
// Where the program has threads and statics of its own, a model has its own instead, or none.
pub(crate) use std::{thread, thread_local};

pub(crate) use super::Mutex as StaticMutex;
pub(crate) use super::once::{OnceBox, OnceLock};

pub(crate) type AtomicU32 = Checked<loom::sync::atomic::AtomicU32>;
pub(crate) type AtomicU64 = Checked<loom::sync::atomic::AtomicU64>;
pub(crate) type AtomicUsize = Checked<loom::sync::atomic::AtomicUsize>;
pub(crate) type AtomicPtr<T> = Checked<loom::sync::atomic::AtomicPtr<T>>;

pub(crate) trait Atomic {
    type Value;
    fn new(value: Self::Value) -> Self;
    fn load(&self, order: Ordering) -> Self::Value;
    /// An access that must not be concurrent with any other.
    fn exclude(&mut self);
}

macro_rules! atomic {
    ($([$($param:ident)?] $name:ty, $value:ty;)*) => {$(
        impl$(<$param>)? Atomic for $name {
            type Value = $value;
            fn new(value: $value) -> Self {
                <$name>::new(value)
            }
            fn load(&self, order: Ordering) -> $value {
                self.load(order)
            }
            fn exclude(&mut self) {
                self.with_mut(|_| ());
            }
        }
    )*};
}

atomic! {
    [] loom::sync::atomic::AtomicU32, u32;
    [] loom::sync::atomic::AtomicU64, u64;
    [] loom::sync::atomic::AtomicUsize, usize;
    [T] loom::sync::atomic::AtomicPtr<T>, *mut T;
}

/// One of loom's atomics.
#[derive(Debug)]
pub(crate) struct Checked<A: Atomic>(A);

impl<A: Atomic> Checked<A> {
    pub(crate) fn new(value: A::Value) -> Self {
        Checked(A::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> A::Value {
        if order == Ordering::SeqCst {
            fence(Ordering::SeqCst);
            return self.0.load(Ordering::Acquire);
        }
        self.0.load(order)
    }
}

impl AtomicU32 {
    /// Loom's own would load in its weak way.
    pub(crate) fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        mut f: impl FnMut(u32) -> Option<u32>,
    ) -> Result<u32, u32> {
        let mut now = self.load(fetch);
        while let Some(next) = f(now) {
            match self.0.compare_exchange(now, next, set, fetch) {
                Ok(before) => return Ok(before),
                Err(other) => now = other,
            }
        }
        Err(now)
    }
}

impl<A: Atomic> Deref for Checked<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}

impl<A: Atomic<Value: Default>> Default for Checked<A> {
    fn default() -> Self {
        Checked::new(A::Value::default())
    }
}

impl<A: Atomic> Drop for Checked<A> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.exclude();
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}
