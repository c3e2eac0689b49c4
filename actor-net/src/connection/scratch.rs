//! The buffer that a worker's connections read into, one after the other.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// The most bytes one read brings.
pub(super) const SIZE: usize = 64 << 10;

thread_local! {
    static KEPT: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// The buffer of this thread, until it is dropped.
///
/// It is taken out while in use, since user code runs over it: whatever that code does, nobody
/// else can be given the same buffer.
pub(super) struct Scratch(Box<[u8]>);

impl Scratch {
    pub(super) fn take() -> Scratch {
        Scratch(KEPT.take().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        KEPT.set(Some(std::mem::take(&mut self.0)));
    }
}

impl Deref for Scratch {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
