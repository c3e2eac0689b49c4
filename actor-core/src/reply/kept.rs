//! The waker of the actor that was answered last on this thread, kept for its next ask: an actor that asks again and
//! again does not count a waker up and down each time. It keeps no more than the actor's cell in memory, until
//! the thread sleeps.

use std::cell::Cell;
use std::task::Waker;

use crate::sync::thread_local;

thread_local!(static KEPT: Cell<Option<Waker>> = const { Cell::new(None) });

/// A waker like this one, which is that of the actor whose turn runs here.
#[inline]
pub(super) fn clone_of(waker: &Waker) -> Waker {
    match KEPT.try_with(Cell::take) {
        Ok(Some(kept)) if kept.will_wake(waker) => kept,
        Ok(Some(others)) => {
            let _ = KEPT.try_with(|place| place.set(Some(others)));
            waker.clone()
        }
        _ => waker.clone(),
    }
}

/// Lets go of the waker that is kept: this thread is about to sleep, and nobody knows for how long.
pub(crate) fn forget() {
    let _before = KEPT.try_with(Cell::take);
}

/// Wakes an actor, and keeps its waker.
#[inline]
pub(super) fn wake(waker: Waker) {
    waker.wake_by_ref();
    // Dropped here, when it is no longer in its place: with a cell may go messages, whose drop is a user's.
    let _before = KEPT.try_with(|place| place.replace(Some(waker)));
}
