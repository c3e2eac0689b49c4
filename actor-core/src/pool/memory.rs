//! Where chunks come from, and blocks too large for the pool: the allocator.
#![allow(unsafe_code)]

#[cfg(not(loom))]
use std::alloc;
use std::alloc::Layout;
use std::ptr::NonNull;

#[cfg(loom)]
use loom::alloc;

/// Memory of a layout, whose size is above zero.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0);
    // SAFETY: the size is above zero.
    let memory = unsafe { alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
}

/// # Safety
/// The memory was allocated here with this layout, and is not used any more.
pub(super) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: says the caller.
    unsafe { alloc::dealloc(memory.as_ptr(), layout) };
}
