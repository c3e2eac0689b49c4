//! The way back of an ask: a slot that the handler's side fills once and the asker's side waits on.
//!
//! A slot is a block of pooled memory with a state word. Each end does its part and then leaves; the
//! one that leaves last frees the block.
//!
//! | bit | set by | means |
//! |---|---|---|
//! | `FILLED` | the reply | the outcome is there, for the asker to take |
//! | `WAITING` | the asker | its waker is there, for the reply to take once it has filled the slot |
//! | `LEFT_REPLY`, `LEFT_ASKER` | either | that end touches the slot no more |
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use crate::pool;
use crate::sync::{AtomicU32, Ordering, UnsafeCell};
use crate::wait;

/// The handler's end of an ask. A handler that takes a `Reply<T>` as its last argument answers when
/// it likes, from wherever it likes, as a `gen_server` that returns `noreply` does.
///
/// Dropped without an answer, the asker gets [`AskError::Lost`](crate::AskError::Lost). For a
/// message that was told, not asked, every answer goes nowhere.
pub struct Reply<T, E = Infallible> {
    slot: Option<NonNull<Slot<T, E>>>,
    owns: PhantomData<Outcome<T, E>>,
}

/// The asker's end.
pub(crate) struct Answer<T, E> {
    slot: NonNull<Slot<T, E>>,
    owns: PhantomData<Outcome<T, E>>,
}

struct Slot<T, E> {
    state: AtomicU32,
    outcome: UnsafeCell<Option<Outcome<T, E>>>,
    waker: UnsafeCell<Option<Waker>>,
}

const FILLED: u32 = 1;
const WAITING: u32 = 2;
const LEFT_REPLY: u32 = 4;
const LEFT_ASKER: u32 = 8;

// SAFETY: what goes through the slot is sent from the one end to the other, never shared; the waker
// is `Send` and `Sync`.
unsafe impl<T: Send, E: Send> Send for Reply<T, E> {}
// SAFETY: a shared `Reply` allows nothing but `is_wanted`, a look at the state.
unsafe impl<T: Send, E: Send> Sync for Reply<T, E> {}
// SAFETY: as for `Reply`.
unsafe impl<T: Send, E: Send> Send for Answer<T, E> {}
// SAFETY: a shared `Answer` allows nothing.
unsafe impl<T: Send, E: Send> Sync for Answer<T, E> {}

/// How an accepted ask ended.
pub(crate) enum Outcome<T, E> {
    Replied(Result<T, E>),
    /// The reply was dropped; the handler may have run.
    Lost,
    /// The message became a dead letter before a handler saw it.
    Undelivered,
}

/// Both ends of an ask.
pub(crate) fn pair<T, E>() -> (Reply<T, E>, Answer<T, E>) {
    let slot = pool::allocate::<Slot<T, E>>();
    let empty =
        Slot { state: AtomicU32::new(0), outcome: UnsafeCell::new(None), waker: UnsafeCell::new(None) };
    // SAFETY: the memory is for a slot and not initialised.
    unsafe { slot.write(empty) };
    (Reply { slot: Some(slot), owns: PhantomData }, Answer { slot, owns: PhantomData })
}

/// Leaves the slot, and frees it if the other end has left before.
///
/// # Safety
/// The caller is the end that `me` says, and uses the slot no more.
unsafe fn leave<T, E>(slot: NonNull<Slot<T, E>>, me: u32, other: u32) {
    // SAFETY: the slot is there until both ends have left.
    let state = unsafe { &slot.as_ref().state };
    // Acquire: with the release of the other end's leaving, so that nothing it did comes after the
    // free. A look first, since the last to leave needs no read-modify-write.
    if state.load(Ordering::Acquire) & other == 0 && state.fetch_or(me, Ordering::AcqRel) & other == 0 {
        return;
    }
    // SAFETY: both have left, so it is ours alone.
    unsafe { slot.drop_in_place() };
    // SAFETY: as above; it comes from the pool.
    unsafe { pool::release(slot) };
}

impl<T, E> Reply<T, E> {
    /// The way back of a message that was told: there is none.
    #[inline]
    pub(crate) fn nowhere() -> Self {
        Reply { slot: None, owns: PhantomData }
    }

    /// Answers with a value.
    #[inline]
    pub fn send(self, value: T) {
        self.complete(Ok(value));
    }

    /// Answers with a handler's result; an `Err` reaches the asker as
    /// [`AskError::Failed`](crate::AskError::Failed).
    #[inline]
    pub fn complete(mut self, result: Result<T, E>) {
        if let Some(slot) = self.slot.take() {
            fill(slot, Outcome::Replied(result));
        }
    }

    /// Whether somebody still waits for the answer: false for a message that was told, and once
    /// the asker has given up.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        // SAFETY: the slot is there until this end has left too.
        // Relaxed: the answer may be old when it is used, whatever the order.
        self.slot.is_some_and(|slot| unsafe { slot.as_ref() }.state.load(Ordering::Relaxed) & LEFT_ASKER == 0)
    }

    #[doc(hidden)]
    pub fn undelivered(mut self) {
        if let Some(slot) = self.slot.take() {
            fill(slot, Outcome::Undelivered);
        }
    }
}

/// Fills the slot, wakes the asker and leaves. Called once, by the reply's end.
fn fill<T, E>(slot: NonNull<Slot<T, E>>, outcome: Outcome<T, E>) {
    // SAFETY: the slot is there until this end has left.
    let shared = unsafe { slot.as_ref() };
    // SAFETY: the asker looks at the outcome only when the slot is filled.
    shared.outcome.with_mut(|place| unsafe { *place = Some(outcome) });
    // Release: with the acquires in `poll`, for the outcome. Acquire: for the waker.
    let before = shared.state.fetch_or(FILLED, Ordering::AcqRel);
    if before & WAITING != 0 {
        // SAFETY: once the slot is filled the asker leaves a waker that waits to us.
        let waker = shared.waker.with_mut(|place| unsafe { (*place).take() });
        if let Some(waker) = waker {
            wait::wake(waker);
        }
    }
    // SAFETY: this is the reply's end, and done.
    unsafe { leave(slot, LEFT_REPLY, LEFT_ASKER) };
}

impl<T, E> Drop for Reply<T, E> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            fill(slot, Outcome::Lost);
        }
    }
}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asked", &self.slot.is_some()).finish()
    }
}

impl<T, E> Answer<T, E> {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        // SAFETY: the slot is there until this end has left.
        let slot = unsafe { self.slot.as_ref() };
        // Acquire: with the release in `fill`.
        let mut state = slot.state.load(Ordering::Acquire);
        if state & (FILLED | WAITING) == WAITING {
            // Takes the waker back, unless the slot is filled by now.
            state = slot.state.fetch_and(!WAITING, Ordering::AcqRel);
        }
        if state & FILLED == 0 {
            // SAFETY: not filled and not waiting, so the waker is ours.
            slot.waker.with_mut(|place| match unsafe { &mut *place } {
                Some(known) => known.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            });
            // Release: with the acquire in `fill`, for the waker.
            state = slot.state.fetch_or(WAITING, Ordering::AcqRel);
        }
        if state & FILLED == 0 {
            return Poll::Pending;
        }
        // SAFETY: filled, so the reply's end does not touch the outcome any more.
        let outcome = slot.outcome.with_mut(|place| unsafe { (*place).take() });
        Poll::Ready(outcome.expect("an ask is not polled after it has ended"))
    }
}

impl<T, E> Drop for Answer<T, E> {
    fn drop(&mut self) {
        // SAFETY: this is the asker's end, and done.
        unsafe { leave(self.slot, LEFT_ASKER, LEFT_REPLY) };
    }
}
