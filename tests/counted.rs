//! The system's allocator, which counts: for tests of what operations allocate, and of what is left at the end.
//!
//! Whatever else runs in the process is counted too, so such a test has a process of its own.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// Relaxed, all of it: who compares two readings has waited in another way for what is between them.
static MADE: AtomicU64 = AtomicU64::new(0);
static IN_USE: AtomicI64 = AtomicI64::new(0);

/// From this alignment on a block is a chunk of the runtime's pool, which keeps some of them for what comes next.
const CHUNK: usize = 4096;

/// How many allocations there have been.
#[allow(dead_code, reason = "not of interest to each test that has this file")]
pub(crate) fn allocations() -> u64 {
    MADE.load(Ordering::Relaxed)
}

/// How many bytes are in use, without the chunks of the runtime's pool.
#[allow(dead_code, reason = "not of interest to each test that has this file")]
pub(crate) fn bytes_in_use() -> i64 {
    IN_USE.load(Ordering::Relaxed)
}

fn made(layout: Layout) {
    MADE.fetch_add(1, Ordering::Relaxed);
    if layout.align() < CHUNK {
        IN_USE.fetch_add(layout.size() as i64, Ordering::Relaxed);
    }
}

fn gone(layout: Layout) {
    if layout.align() < CHUNK {
        IN_USE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
    }
}

// SAFETY: all of it is the system's allocator, but for the counting, which allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        made(layout);
        // SAFETY: passed on from the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        made(layout);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        MADE.fetch_add(1, Ordering::Relaxed);
        IN_USE.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        gone(layout);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}
