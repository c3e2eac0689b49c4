//! Memory straight from the operating system, which has it back as soon as it is given back: by Linux's `mmap`; elsewhere it
//! is the allocator's.
#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

/// What all of it is aligned to.
pub(crate) const ALIGNED_TO: usize = 4096;

/// What is asked for, a whole number of pages.
const fn layout_of(bytes: usize) -> Layout {
    assert!(bytes > 0 && bytes.is_multiple_of(ALIGNED_TO));
    match Layout::from_size_align(bytes, ALIGNED_TO) {
        Ok(layout) => layout,
        Err(_) => panic!("more than there can be"),
    }
}

/// So many bytes of memory, a multiple of [`ALIGNED_TO`]. As in any allocation, the process ends if there is none.
pub(crate) fn take(bytes: usize) -> NonNull<u8> {
    let layout = layout_of(bytes);
    #[cfg(target_os = "linux")]
    let memory = {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: it is said of no address, so nothing that is there is changed.
        unsafe { mmap_anonymous(std::ptr::null_mut(), layout.size(), access, MapFlags::PRIVATE) }
            .map_or(std::ptr::null_mut(), |memory| memory.cast::<u8>())
    };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: the size is above zero.
    let memory = unsafe { std::alloc::alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory back.
///
/// # Safety
/// It comes from [`take`], with as many bytes, and is not used any more.
pub(crate) unsafe fn give_back(memory: NonNull<u8>, bytes: usize) {
    let layout = layout_of(bytes);
    #[cfg(target_os = "linux")]
    {
        // SAFETY: says the caller.
        let unmapped = unsafe { rustix::mm::munmap(memory.as_ptr().cast(), layout.size()) };
        // Where there are as many mappings as there may be, one cannot be cut in two; it is not used any more then.
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: says the caller.
    unsafe {
        std::alloc::dealloc(memory.as_ptr(), layout);
    }
}
