//! The pool as a model checker has it: each block is allocated, tracked and freed, so that a leak or
//! a second free fails a model. The pool's own protocol is modelled by itself, with small numbers.
#![allow(unsafe_code)]

#[cfg(test)]
mod chunk;
#[cfg(test)]
mod depot;
#[cfg(test)]
mod memory;

use std::alloc::Layout;
use std::ptr::NonNull;

/// What the pool's numbers are in its models.
#[cfg(test)]
const BATCH: usize = 2;
#[cfg(test)]
const BATCHES: usize = 1;
#[cfg(test)]
const LARGEST: usize = 32;

/// Memory for a `T`, not initialised.
pub(crate) fn allocate<T>() -> NonNull<T> {
    // SAFETY: what is allocated here, nodes, slots and futures, has a size above zero.
    let block = unsafe { loom::alloc::alloc(Layout::new::<T>()) };
    NonNull::new(block).expect("a model has memory").cast()
}

/// Frees memory of [`allocate`].
///
/// # Safety
/// `block` comes from `allocate::<T>` and is not used any more.
pub(crate) unsafe fn release<T>(block: NonNull<T>) {
    // SAFETY: see above.
    unsafe { loom::alloc::dealloc(block.as_ptr().cast(), Layout::new::<T>()) };
}
