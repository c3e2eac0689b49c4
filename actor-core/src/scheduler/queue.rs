//! A worker's run queue: a bounded ring that its owner pushes to and pops from, and that any other
//! worker steals half of. After Go's scheduler (`runqput`, `runqget` and `runqgrab` in `runtime/proc.go`).
//!
//! The slots from `head` to `tail` are full. Only the owner moves `tail`; `head` is moved by
//! compare-and-swap, by whoever takes something out, *after* reading what he takes. So a value that was
//! read is his only if the swap succeeds; if it fails, somebody else has it, and what was read is
//! forgotten. Both indices count up for ever and wrap around.
//!
//! Beside the ring is a place for one value, the *next*, that only the owner puts and takes.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::observe::{self, Count};
use crate::scheduler::global::Global;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// How much a ring holds: enough that bursts seldom overflow, and few enough that 256 turns are not
/// long. A power of two, so that an index that wraps around stays in step with its slot.
#[cfg(not(any(loom, shuttle)))]
pub(super) const LENGTH: usize = 1024;
#[cfg(any(loom, shuttle))]
pub(super) const LENGTH: usize = 4;

const HALF: usize = LENGTH / 2;

/// What can lie in a slot: a value that is one pointer.
pub(crate) trait Thin: Send {
    fn into_raw(self) -> *mut ();

    /// # Safety
    /// `raw` came from [`into_raw`](Self::into_raw), and is given back once.
    unsafe fn from_raw(raw: *mut ()) -> Self;

    /// Has what is there fetched into the cache, since it is next. It may be gone by now.
    fn prefetch(_raw: *mut ()) {}
}

/// The owner's end. There is one for each ring, on one thread at a time.
pub(crate) struct Queue<T: Thin> {
    ring: Arc<Ring<T>>,
    /// Makes it one thread's: pushing and popping from two would hand things out twice.
    _not_sync: PhantomData<Cell<()>>,
}

/// The end that other workers steal from.
pub(crate) struct Stealer<T: Thin>(Arc<Ring<T>>);

struct Ring<T> {
    /// Where the next is taken out.
    head: CachePadded<AtomicUsize>,
    /// Where the next is put.
    tail: CachePadded<AtomicUsize>,
    slots: [AtomicPtr<()>; LENGTH],
    /// What the owner takes before all others; nobody can steal it. Null if there is none.
    next: CachePadded<AtomicPtr<()>>,
    _of: PhantomData<fn() -> T>,
}

impl<T: Thin> Queue<T> {
    pub(super) fn new() -> Self {
        Queue::starting_at(0)
    }

    fn starting_at(index: usize) -> Self {
        let ring = Ring {
            head: CachePadded::new(AtomicUsize::new(index)),
            tail: CachePadded::new(AtomicUsize::new(index)),
            slots: [(); LENGTH].map(|()| AtomicPtr::new(ptr::null_mut())),
            next: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
            _of: PhantomData,
        };
        Queue { ring: Arc::new(ring), _not_sync: PhantomData }
    }

    pub(super) fn stealer(&self) -> Stealer<T> {
        Stealer(self.ring.clone())
    }

    /// Puts a value at the end. If the ring is full, its older half and the value go to `overflow`, in
    /// one batch: so the next 128 pushes find room, and all workers see what is too much for one.
    #[inline]
    pub(super) fn push(&self, value: T, overflow: &Global<T>) {
        if let Err(value) = self.try_push(value) {
            self.push_full(value, overflow);
        }
    }

    /// Puts a value at the end, or gives it back if the ring is full.
    #[inline]
    pub(super) fn try_push(&self, value: T) -> Result<(), T> {
        // Relaxed: only this thread writes it.
        let tail = self.ring.tail.load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `Ring::take`, so that the slot's last value has been read.
        let head = self.ring.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) >= LENGTH {
            return Err(value);
        }
        // Relaxed: published by the tail.
        self.ring.slot(tail).store(value.into_raw(), Ordering::Relaxed);
        // Release: pairs with the Acquire of `tail` in `Stealer::steal`, so that a thief reads the slot's new
        // value, and sees what the value points at.
        self.ring.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    #[cold]
    fn push_full(&self, mut value: T, overflow: &Global<T>) {
        observe::count(Count::Overflows);
        loop {
            if let Some(half) = self.take_half() {
                return overflow.push_batch(
                    half.map(|raw| {
                        // SAFETY: taking it out of the ring has made it ours.
                        unsafe { T::from_raw(raw) }
                    })
                    .into_iter()
                    .chain([value]),
                );
            }
            // It was not taken because a thief was quicker, who has made room.
            match self.try_push(value) {
                Ok(()) => return,
                Err(back) => value = back,
            }
        }
    }

    /// The older half of a full ring.
    fn take_half(&self) -> Option<[*mut (); HALF]> {
        // Relaxed: what is there was put by this thread. If the head is older than a thief's last, the
        // swap fails.
        let head = self.ring.head.load(Ordering::Relaxed);
        let mut raw = [ptr::null_mut(); HALF];
        for (offset, raw) in raw.iter_mut().enumerate() {
            *raw = self.ring.read(head.wrapping_add(offset));
        }
        let full = self.ring.tail.load(Ordering::Relaxed).wrapping_sub(head) == LENGTH;
        (full && self.ring.take(head, HALF)).then_some(raw)
    }

    /// Takes the first.
    #[inline]
    pub(super) fn pop(&self) -> Option<T> {
        let tail = self.ring.tail.load(Ordering::Relaxed);
        loop {
            // Relaxed: what is there was put by this thread, which therefore sees it whole.
            let head = self.ring.head.load(Ordering::Relaxed);
            if head == tail {
                return None;
            }
            let raw = self.ring.read(head);
            if self.ring.take(head, 1) {
                T::prefetch(self.ring.read(head.wrapping_add(1)));
                // SAFETY: taking it out of the ring has made it ours.
                return Some(unsafe { T::from_raw(raw) });
            }
        }
    }

    /// Makes a value the next, and gives back the one that was.
    #[inline]
    pub(super) fn replace_next(&self, value: T) -> Option<T> {
        self.swap_next(value.into_raw())
    }

    /// Takes the next, which is before the first.
    #[inline]
    pub(super) fn take_next(&self) -> Option<T> {
        self.swap_next(ptr::null_mut())
    }

    #[inline]
    fn swap_next(&self, next: *mut ()) -> Option<T> {
        // Relaxed, and no swap: only this thread writes it, and others only look whether there is one.
        let before = self.ring.next.load(Ordering::Relaxed);
        self.ring.next.store(next, Ordering::Relaxed);
        // SAFETY: what was there was put by this thread, and is not there any more.
        (!before.is_null()).then(|| unsafe { T::from_raw(before) })
    }

    /// Whether there is a next.
    #[inline]
    pub(super) fn has_next(&self) -> bool {
        self.ring.has_next()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// How much there is, beside the next. Others may take some at any time.
    pub(super) fn len(&self) -> usize {
        LENGTH - self.room()
    }

    /// How many more fit in.
    fn room(&self) -> usize {
        // As in `try_push`.
        let head = self.ring.head.load(Ordering::Acquire);
        LENGTH - self.ring.tail.load(Ordering::Relaxed).wrapping_sub(head)
    }
}

impl<T: Thin> Stealer<T> {
    /// Takes the older half, rounded up: gives the first of it, and puts the others into `into`, the
    /// thief's own queue, as far as there is room.
    pub(super) fn steal(&self, into: &Queue<T>) -> Option<T> {
        loop {
            // Acquire: pairs with the Release in `Ring::take`, so that the tail below is no older than the head.
            let head = self.0.head.load(Ordering::Acquire);
            // Acquire: pairs with the Release in `try_push`.
            let tail = self.0.tail.load(Ordering::Acquire);
            let there = tail.wrapping_sub(head);
            if there == 0 {
                return None;
            }
            // More than fits in: the head is out of date.
            if there <= LENGTH
                && let Some(first) = self.steal_at(head, there - there / 2, into)
            {
                return Some(first);
            }
            std::hint::spin_loop();
        }
    }

    /// Takes so many from `head` on; nothing if somebody else was quicker.
    fn steal_at(&self, head: usize, count: usize, into: &Queue<T>) -> Option<T> {
        let others = (count - 1).min(into.room());
        let first = self.0.read(head);
        let tail = into.ring.tail.load(Ordering::Relaxed);
        for offset in 0..others {
            // The slots behind the thief's tail are his alone until he moves it.
            let raw = self.0.read(head.wrapping_add(1 + offset));
            into.ring.slot(tail.wrapping_add(offset)).store(raw, Ordering::Relaxed);
        }
        if !self.0.take(head, 1 + others) {
            return None;
        }
        if others > 0 {
            // Release: as in `try_push`.
            into.ring.tail.store(tail.wrapping_add(others), Ordering::Release);
        }
        // SAFETY: taking it out of the ring has made it ours, and the others `into`'s.
        Some(unsafe { T::from_raw(first) })
    }

    /// Whether there was nothing a moment ago.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much there was a moment ago, more or less.
    pub(super) fn len(&self) -> usize {
        // Relaxed: an estimate.
        let head = self.0.head.load(Ordering::Relaxed);
        self.0.tail.load(Ordering::Relaxed).wrapping_sub(head).min(LENGTH)
    }

    /// Whether the owner had a next a moment ago.
    pub(super) fn has_next(&self) -> bool {
        self.0.has_next()
    }

    /// How much has been taken out so far. Wraps around.
    pub(super) fn taken(&self) -> usize {
        self.0.head.load(Ordering::Relaxed)
    }
}

impl<T> Ring<T> {
    #[inline]
    fn slot(&self, index: usize) -> &AtomicPtr<()> {
        &self.slots[index % LENGTH]
    }

    /// What lies in a slot, which is the reader's only once he has taken it.
    #[inline]
    fn read(&self, index: usize) -> *mut () {
        // Relaxed: published by the tail. If the owner has put something new there meanwhile, the head
        // has moved, and the reader cannot take what he read.
        self.slot(index).load(Ordering::Relaxed)
    }

    /// Takes `count` values, from `head` on, out of the ring. False if some were taken meanwhile.
    #[inline]
    fn take(&self, head: usize, count: usize) -> bool {
        // Release: pairs with the Acquire of `head` in `try_push`, so that the slots are read before they
        // get new values, and with the one in `steal`.
        let next = head.wrapping_add(count);
        self.head.compare_exchange(head, next, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    fn has_next(&self) -> bool {
        // Relaxed: the owner knows, and to others it is a hint.
        !self.next.load(Ordering::Relaxed).is_null()
    }

    fn is_empty(&self) -> bool {
        // Relaxed: who must not miss a push has a fence before this (`sleep`).
        let head = self.head.load(Ordering::Relaxed);
        head == self.tail.load(Ordering::Relaxed)
    }
}

impl<T: Thin> Drop for Queue<T> {
    /// With its owner a queue loses the thread that runs what is in it.
    fn drop(&mut self) {
        drop(self.take_next());
        while self.pop().is_some() {}
    }
}
