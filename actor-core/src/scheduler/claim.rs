//! A thread's claim on the worker that it runs, which another thread can revoke while a handler is stuck.
//!
//! A worker's queue and next actor are for one thread: the one that has the claim. That thread is *inside* while it
//! uses them, between two turns and in each schedule, and outside while a user's code runs. Who revokes the claim does
//! so only while the thread is outside, so nothing is taken from code that runs; and the thread finds out when it comes
//! inside the next time, so it touches nothing that is another's.
//!
//! | hold | meaning |
//! |---|---|
//! | `HELD` | the thread has the claim |
//! | `CONTESTED` | somebody is about to revoke it; who changes the word next decides |
//! | `LOST` | it was revoked, for ever: the thread has no claim until it gets a new one |
//!
//! The thread says that it is inside and then looks at the hold; who revokes contests the hold and then looks whether
//! the thread is inside. Between the two stands a full fence on each side, so one of them sees the other. The thread's
//! side comes with every schedule, and the other with a stuck handler, so the fence is one that the latter pays for
//! (`platform::thread`).
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use crate::platform::thread::{heavy_barrier, light_barrier};
use crate::sync::{AtomicBool, AtomicU32, Ordering, UnsafeCell};

const HELD: u32 = 0;
const CONTESTED: u32 = 1;
const LOST: u32 = 2;

pub(super) struct Claim {
    /// Written by the thread only.
    inside: AtomicBool,
    hold: AtomicU32,
}

impl Claim {
    /// No claim yet.
    pub(super) fn none() -> Self {
        Claim { inside: AtomicBool::new(false), hold: AtomicU32::new(LOST) }
    }

    /// A claim for a thread that waits, and learns of it by way of a lock. It begins inside.
    pub(super) fn renew(&self) {
        // Relaxed: the lock orders these before all that the thread does.
        self.inside.store(true, Ordering::Relaxed);
        self.hold.store(HELD, Ordering::Relaxed);
    }

    /// The thread goes outside, to run a user's code.
    #[inline]
    pub(super) fn leave(&self) {
        // Release: with the acquire in `revoke`, for what was done inside.
        self.inside.store(false, Ordering::Release);
    }

    /// The thread comes inside. False if it has lost its claim; then it may touch nothing of the worker.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        // Relaxed: see the barrier in `is_held`.
        self.inside.store(true, Ordering::Relaxed);
        self.is_held()
    }

    /// Comes inside until what is returned is dropped, if the thread has the claim. It may be inside already.
    #[inline]
    pub(super) fn inside(&self) -> Option<Inside<'_>> {
        // Relaxed: written by this thread.
        let inside = Inside { claim: self, before: self.inside.load(Ordering::Relaxed) };
        self.enter().then_some(inside)
    }

    #[inline]
    fn is_held(&self) -> bool {
        // Pairs with the barrier in `revoke`: either who revokes sees that this thread is inside, or this sees that
        // the claim is contested.
        light_barrier();
        // Relaxed: a claim that was not contested has not been anybody else's since it was renewed.
        self.hold.load(Ordering::Relaxed) == HELD || self.defend()
    }

    #[cold]
    fn defend(&self) -> bool {
        // Relaxed: whichever way it goes, nothing was touched by who contested it.
        match self.hold.compare_exchange(CONTESTED, HELD, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(hold) => hold == HELD,
        }
    }

    /// Revokes the claim, unless the thread is inside: then false, and it can be tried again. True gives the right to
    /// the worker to the caller. One thread may call this at a time.
    pub(super) fn revoke(&self) -> bool {
        if self.hold.compare_exchange(HELD, CONTESTED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        heavy_barrier();
        // Acquire: with the release in `leave` and `inside`, for what the thread did when it was inside last.
        let next = if self.inside.load(Ordering::Acquire) { HELD } else { LOST };
        // Relaxed: the thread touches nothing after this, and the caller hands the worker on by way of a lock.
        let decided = self.hold.compare_exchange(CONTESTED, next, Ordering::Relaxed, Ordering::Relaxed);
        next == LOST && decided.is_ok()
    }
}

/// The thread is inside, and has its claim. Then it is where it was before.
pub(super) struct Inside<'a> {
    claim: &'a Claim,
    before: bool,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: as in `leave`.
        self.claim.inside.store(self.before, Ordering::Release);
    }
}

/// What only the thread with the claim on a worker may use.
pub(super) struct Claimed<T>(UnsafeCell<T>);

// SAFETY: one thread at a time uses the value (see `get`), and it goes from one to the next by `revoke` and a lock.
unsafe impl<T: Send> Sync for Claimed<T> {}

impl<T> Claimed<T> {
    pub(super) fn new(value: T) -> Self {
        Claimed(UnsafeCell::new(value))
    }

    /// # Safety
    /// The caller's thread has the claim on the worker that this belongs to, and uses the reference only while it is
    /// inside with that claim.
    pub(super) unsafe fn get(&self) -> &T {
        // SAFETY: nobody has a unique reference to it, and the only thread that uses a shared one is the caller's.
        self.0.with_mut(|value| unsafe { &*value })
    }
}
