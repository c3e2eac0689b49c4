//! A thread's claim on the worker that it runs, which another thread can revoke while a handler is stuck.
//!
//! A worker's queue and next actor are for one thread: the one that has the claim. That thread is *inside* while it
//! uses them, between two turns and in each schedule, and outside while a user's code runs. Who revokes the claim does
//! so only while the thread is outside, so nothing is taken from code that runs; and the thread finds out when it comes
//! inside the next time, so it touches nothing that is another's.
//!
//! | hold | meaning |
//! |---|---|
//! | `HELD` | the thread has the claim, and who revokes it pays for the fences of both |
//! | `FENCED` | the thread has the claim, and passes a fence with each look at it |
//! | `CONTESTED` | somebody is about to revoke it; who changes the word next decides |
//! | `LOST` | it was revoked, for ever: the thread has no claim until it gets a new one |
//!
//! The thread says that it is inside and then looks at the hold; who revokes contests the hold and then looks whether
//! the thread is inside. Between the two stands a full fence on each side, so one of them sees the other. The thread's
//! side comes with every turn and every schedule, and the other with a stuck handler, so the fence is one that the latter
//! pays for where the system has that (`platform::thread`). Whether it has is in the hold, for then one look at one word
//! tells the thread that all is well. For the same reason the count of turns, which says whether one runs, is what says
//! that the thread is inside between two of them.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use crate::platform::thread::{heavy_barrier, heavy_one_pays, light_barrier};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, UnsafeCell, fence};

const HELD: u32 = 0;
const FENCED: u32 = 1;
const CONTESTED: u32 = 2;
const LOST: u32 = 3;

/// The hold of a thread that has the claim.
fn held() -> u32 {
    if heavy_one_pays() { HELD } else { FENCED }
}

pub(super) struct Claim {
    /// How many turns have begun, and how many have ended, together: odd in a turn. Written by the thread only.
    turns: AtomicU64,
    /// How many times over the thread has come inside in its turn, or is inside anyway. Written by the thread only.
    visits: AtomicU32,
    hold: AtomicU32,
    /// Whether the thread is inside to schedule something. Written by the thread only.
    scheduling: AtomicBool,
}

impl Claim {
    /// No claim yet.
    pub(super) fn none() -> Self {
        Claim {
            turns: AtomicU64::new(0),
            visits: AtomicU32::new(0),
            hold: AtomicU32::new(LOST),
            scheduling: AtomicBool::new(false),
        }
    }

    /// A claim for a thread that waits, and learns of it by way of a lock. It begins inside.
    pub(super) fn renew(&self) {
        // Relaxed: the lock orders this before all that the thread does.
        self.hold.store(held(), Ordering::Relaxed);
    }

    /// Which turn runs: odd, or between which two none does.
    #[inline]
    pub(super) fn turn(&self) -> u64 {
        // Relaxed: who looks from outside comes a moment too early or too late anyway.
        self.turns.load(Ordering::Relaxed)
    }

    /// The same, together with what the thread did before that turn began.
    pub(super) fn turn_with_all_before(&self) -> u64 {
        // Acquire: with the release in `leave`.
        self.turns.load(Ordering::Acquire)
    }

    /// The thread goes outside: a turn begins.
    #[inline]
    pub(super) fn leave(&self) {
        // Release: with the acquire in `revoke`, for what was done inside.
        self.turns.store(self.turn().wrapping_add(1), Ordering::Release);
    }

    /// The thread comes inside: the turn has ended. False if it has lost its claim; then it may touch nothing of the
    /// worker.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        // Relaxed: see the barrier in `is_held`.
        self.turns.store(self.turn().wrapping_add(1), Ordering::Relaxed);
        self.is_held()
    }

    /// The turn has ended, for models in which it is not to be a fence, as `enter` is where no other one pays for that.
    #[cfg(all(test, loom))]
    pub(super) fn end_without_a_fence(&self) {
        // Relaxed: as in `enter`.
        self.turns.store(self.turn().wrapping_add(1), Ordering::Relaxed);
    }

    /// Comes inside until what is returned is dropped, if the thread has the claim. It may be inside already.
    #[inline]
    pub(super) fn inside(&self) -> Option<Inside<'_>> {
        // Relaxed: written by this thread; and see the barrier in `is_held`.
        self.visits.store(self.visits.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        let inside = Inside(self);
        self.is_held().then_some(inside)
    }

    /// The same, to schedule something, in which nothing else is scheduled. Apart from visits, since it comes with nearly
    /// every message: a flag is raised and lowered without a look at what it was.
    #[inline]
    pub(super) fn schedules(&self) -> Option<Scheduling<'_>> {
        // Relaxed: see the barrier in `is_held`.
        self.scheduling.store(true, Ordering::Relaxed);
        let scheduling = Scheduling(self);
        self.is_held().then_some(scheduling)
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
        if !heavy_one_pays() {
            // Pairs with the barrier in `revoke`, which is a fence then.
            fence(Ordering::SeqCst);
        }
        // Relaxed, all three: whichever way it goes, nothing was touched by who contested it.
        if self.hold.load(Ordering::Relaxed) == LOST {
            return false;
        }
        match self.hold.compare_exchange(CONTESTED, held(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(hold) => hold == held(),
        }
    }

    /// Revokes the claim, unless the thread is inside: then false, and it can be tried again. True gives the right to
    /// the worker to the caller. One thread may call this at a time.
    pub(super) fn revoke(&self) -> bool {
        // Relaxed: see the barrier.
        if self.hold.compare_exchange(held(), CONTESTED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        heavy_barrier();
        // Acquire, all: with the release in `leave` and those at the end of a visit and of a schedule, for what the thread did
        // when it was inside last. If it has come inside between two of these looks, it has seen that the claim is contested.
        let visits = self.visits.load(Ordering::Acquire);
        let schedules = self.scheduling.load(Ordering::Acquire);
        let in_turn = self.turns.load(Ordering::Acquire) % 2 == 1;
        let next = if in_turn && visits == 0 && !schedules { LOST } else { held() };
        // Relaxed: the thread touches nothing after this, and the caller hands the worker on by way of a lock.
        let decided = self.hold.compare_exchange(CONTESTED, next, Ordering::Relaxed, Ordering::Relaxed);
        next == LOST && decided.is_ok()
    }
}

/// A visit of a thread that has its claim. After it the thread is where it was before.
pub(super) struct Inside<'a>(&'a Claim);

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: as in `leave`. Relaxed: written by this thread.
        self.0.visits.store(self.0.visits.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Release);
    }
}

/// A thread that has its claim, and schedules something.
pub(super) struct Scheduling<'a>(&'a Claim);

impl Drop for Scheduling<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: as in `leave`.
        self.0.scheduling.store(false, Ordering::Release);
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
