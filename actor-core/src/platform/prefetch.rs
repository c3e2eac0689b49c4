//! Having memory fetched into the cache before it is needed. Where the processor cannot be asked to, nothing is
//! done.
//!
//! Unsafe code because the instruction is behind an unsafe function, though it may be given any address.
#![allow(unsafe_code)]

/// Where something lies that will be needed soon. Nothing is read through it, so it may be gone by then.
#[derive(Clone, Copy)]
pub(crate) struct Hint(usize);

impl Hint {
    pub(crate) fn at<T: ?Sized>(address: *const T) -> Hint {
        Hint(address.cast::<u8>().addr())
    }

    /// Has the cache line fetched that is `offset` bytes further on.
    #[inline]
    pub(crate) fn fetch(self, offset: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let line = std::ptr::without_provenance(self.0.wrapping_add(offset));
            // SAFETY: a hint: it has no effect on memory, and none at all if there is none there.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }
}
