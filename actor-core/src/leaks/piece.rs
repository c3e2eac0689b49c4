//! Pieces of memory that are taken, and given back, each by itself.
//!
//! A scan needs some 100 bytes for each actor, and gives them back at its end. An allocator would make one long step of that, in
//! which it gives the operating system what has gathered: with glibc's that was 1 to 7 ms after a scan of a million actors,
//! whatever the order.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use crate::platform::pages;

/// How large a piece is: taking it, filling it and giving it back takes microseconds each.
const BYTES: usize = 32 << 10;

/// A list with room for as many as a piece has, which never moves.
pub(super) struct Piece<T> {
    memory: NonNull<T>,
    len: usize,
}

// SAFETY: a piece owns what is in it.
unsafe impl<T: Send> Send for Piece<T> {}

impl<T> Piece<T> {
    /// How many there is room for.
    pub(super) const ROOM: usize = {
        assert!(size_of::<T>() > 0 && align_of::<T>() <= pages::ALIGNED_TO);
        BYTES / size_of::<T>()
    };

    pub(super) fn new() -> Self {
        Piece { memory: pages::take(BYTES).cast(), len: 0 }
    }

    /// # Panics
    /// If it is full.
    pub(super) fn push(&mut self, value: T) {
        assert!(self.len < Self::ROOM, "a piece is full");
        let at = self.len;
        self.places()[at].write(value);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let at = self.len;
        // SAFETY: it was written, and is not counted any more.
        Some(unsafe { self.places()[at].assume_init_read() })
    }

    fn places(&mut self) -> &mut [MaybeUninit<T>] {
        // SAFETY: there are so many, and nothing need be in them.
        unsafe { slice::from_raw_parts_mut(self.memory.cast().as_ptr(), Self::ROOM) }
    }
}

impl<T> Deref for Piece<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many were written.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Piece<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl<T> Drop for Piece<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
        // SAFETY: it was taken so, and nothing is in it.
        unsafe { pages::give_back(self.memory.cast(), BYTES) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_left_in_a_piece_is_dropped_with_it() {
        let shared = Arc::new(());
        let mut piece = Piece::new();
        (0..Piece::<Arc<()>>::ROOM).for_each(|_| piece.push(shared.clone()));
        assert_eq!(piece.len(), BYTES / size_of::<usize>());
        drop(piece.pop());
        assert_eq!(Arc::strong_count(&shared), piece.len() + 1);
        drop(piece);
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    #[should_panic(expected = "full")]
    fn more_than_it_has_room_for_is_refused() {
        let mut piece = Piece::new();
        (0..=Piece::<u64>::ROOM).for_each(|number| piece.push(number as u64));
    }
}
