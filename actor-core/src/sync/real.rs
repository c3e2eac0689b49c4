//! The primitives that programs run with.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
pub(crate) use std::{thread, thread_local};

pub(crate) use once_cell::race::OnceBox;

pub(crate) use super::Mutex as StaticMutex;
pub(crate) use super::cell::UnsafeCell;
