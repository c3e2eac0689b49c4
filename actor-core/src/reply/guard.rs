//! The third party to an ask: who watches the handler, and tells the asker when that has stalled.
//!
//! The reply may be anywhere by then: in the handler, which does not return, or where the handler has sent it. So a slot
//! whose message goes to an actor with a limit is *guarded*: a [`Guard`] may fill it as well. Who is first claims it;
//! and since none of the three can tell whether it is the last to have the slot, each has a share of it, and frees it
//! with the last.

use std::fmt;
use std::ptr::NonNull;
use std::task::Waker;

use super::{Asker, Outcome, Reply, Slot, free};
use crate::reply::GUARDED;
use crate::sync::{AtomicU32, Ordering};

/// How many have a share of a slot, and whether somebody fills it, or has.
pub(super) struct Shares(AtomicU32);

const CLAIMED: u32 = 1 << 31;

impl Shares {
    /// Those of both ends.
    pub(super) fn new() -> Self {
        Shares(AtomicU32::new(2))
    }

    /// Claims the right to fill the slot: true for the first.
    fn claim(&self) -> bool {
        // Relaxed: it decides who writes, and orders nothing; what is written is published by the slot's state.
        self.0.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0
    }

    fn add(&self) {
        // Relaxed: who adds one has one.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives one up; true if it was the last.
    fn give_up(&self) -> bool {
        // Release: what this party did with the slot comes before its end. Acquire: with that, for the last.
        self.0.fetch_sub(1, Ordering::AcqRel) & !CLAIMED == 1
    }
}

/// Gives up a share of a guarded slot.
///
/// # Safety
/// The share is the caller's, who does not use the slot any more.
pub(super) unsafe fn leave<T, E>(slot: NonNull<Slot<T, E>>) {
    // SAFETY: the slot is there as long as a share of it is.
    if unsafe { slot.as_ref() }.shares.give_up() {
        // SAFETY: all have left.
        unsafe { free(slot) };
    }
}

/// Fills a guarded slot, unless somebody else has, and leaves it. For the reply's end, and for the guard.
#[cold]
pub(super) fn fill<T, E>(slot: NonNull<Slot<T, E>>, outcome: Outcome<T, E>) -> Asker {
    // SAFETY: the caller has a share.
    let shared = unsafe { slot.as_ref() };
    let (mut asker, mut unwanted) = (Asker::Nobody, None);
    if shared.shares.claim() {
        // Acquire: as in `super::fill`.
        let state = shared.state.load(Ordering::Acquire);
        // SAFETY: who has claimed it is alone.
        match unsafe { shared.fill_in(state, outcome) } {
            Some(waits) => asker = waits,
            // SAFETY: the asker has left, and nobody else fills it.
            None => unwanted = unsafe { shared.take() },
        }
    }
    // SAFETY: the share is the caller's, whose last use this is.
    unsafe { leave(slot) };
    // It is a user's, whose drop is not for who leaves last: that may be who watches all handlers.
    drop(unwanted);
    asker
}

/// A share of the slot of an ask whose handler is watched. Dropped, it has done nothing.
#[doc(hidden)]
pub struct Guard {
    slot: NonNull<()>,
    vtable: &'static Vtable,
}

struct Vtable {
    stall: unsafe fn(NonNull<()>) -> Asker,
    leave: unsafe fn(NonNull<()>),
}

// SAFETY: a guard is a share of a slot, made only where what goes through the slot is `Send`; as for `Reply`.
unsafe impl Send for Guard {}

impl<T: Send, E: Send> Reply<T, E> {
    /// A guard for the asker, if there is one, and it waits for an actor with a limit.
    #[doc(hidden)]
    pub fn guard(&self) -> Option<Guard> {
        let slot = self.slot?;
        // SAFETY: the slot is there until this end has left.
        let shared = unsafe { slot.as_ref() };
        // Relaxed: it is so from the beginning, or not.
        if shared.state.load(Ordering::Relaxed) & GUARDED == 0 {
            return None;
        }
        shared.shares.add();
        let vtable = const { &Vtable { stall: stall::<T, E>, leave: leave_it::<T, E> } };
        Some(Guard { slot: slot.cast(), vtable })
    }
}

impl Guard {
    /// Tells the asker that the handler has stalled, unless it has had an answer. It is for the caller to wake it.
    #[must_use]
    pub(crate) fn stall(self) -> Option<Waker> {
        let guard = std::mem::ManuallyDrop::new(self);
        // SAFETY: `stall` is the function for this very slot, of which the guard has a share.
        match unsafe { (guard.vtable.stall)(guard.slot) } {
            Asker::Nobody => None,
            Asker::Actor(waker) | Asker::Other(waker) => Some(waker),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: as in `stall`, which has not been called.
        unsafe { (self.vtable.leave)(self.slot) };
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// # Safety
/// `slot` is that of an ask of this type, and the caller gives a share of it up.
unsafe fn stall<T, E>(slot: NonNull<()>) -> Asker {
    fill::<T, E>(slot.cast(), Outcome::Stalled)
}

/// # Safety
/// As for `stall`.
unsafe fn leave_it<T, E>(slot: NonNull<()>) {
    // SAFETY: see above.
    unsafe { leave::<T, E>(slot.cast()) };
}
