//! A leash: what a handler with a stall limit runs on, so that whoever watches it can take its actor away from it.
//!
//! The thread puts on the leash, together with what is needed to go on without it, and runs the handler; what came of
//! it counts only if it can take the leash off again. Whoever watches can cut the leash instead. One compare-and-swap
//! decides: who wins has what is on the leash, and with it the actor's run token.
//!
//! | word | meaning |
//! |---|---|
//! | even | nothing runs on it |
//! | odd | a handler does, in the stint of that number |
//! | `CUT` | the handler was condemned, and has not returned |
//! | `RETURNED` | it has |
//!
//! A leash that was cut is never put on again: its thread takes a new one. So the thread need not wait for who cut it,
//! and what a condemned handler sees of its leash stays so, however late it looks.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{AtomicU64, Ordering, UnsafeCell};

const CUT: u64 = u64::MAX;
const RETURNED: u64 = u64::MAX - 1;

/// A leash as those see it who watch.
pub(super) struct Leash<T> {
    word: AtomicU64,
    /// How long the stint may take, in nanoseconds.
    limit: AtomicU64,
    /// Whose handler it is.
    subject: AtomicU64,
    /// What is needed to go on without the handler.
    load: UnsafeCell<Option<T>>,
}

// SAFETY: the load is used by the thread while nothing runs on the leash, and else by the one that has won the word's
// compare-and-swap; it goes from the one to the other.
unsafe impl<T: Send> Sync for Leash<T> {}

/// A leash as its thread has it.
pub(super) struct Worn<T>(Arc<Leash<T>>);

/// A handler on a leash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stint {
    number: u64,
    pub(super) limit: Duration,
    pub(super) subject: u64,
}

impl Stint {
    pub(super) fn is_same(self, other: Stint) -> bool {
        self.number == other.number
    }
}

impl<T> Worn<T> {
    pub(super) fn new() -> Self {
        let (word, limit, subject) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Worn(Arc::new(Leash { word, limit, subject, load: UnsafeCell::new(None) }))
    }

    /// For those who watch.
    pub(super) fn leash(&self) -> &Arc<Leash<T>> {
        &self.0
    }

    /// Begins a stint. Until it has ended, `load` is on the leash, and all that the thread did before is done for who
    /// takes it from there.
    pub(super) fn put_on(&mut self, subject: u64, limit: Duration, load: T) {
        // SAFETY: nothing runs on the leash, and only its thread changes that.
        self.0.load.with_mut(|place| unsafe { *place = Some(load) });
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        // Relaxed, both: published by the word.
        self.0.limit.store(limit, Ordering::Relaxed);
        self.0.subject.store(subject, Ordering::Relaxed);
        // Relaxed: while nothing runs on it, only this thread writes the word.
        let number = self.0.word.load(Ordering::Relaxed) + 1;
        // Release: with the acquires of `stint` and `cut`.
        self.0.word.store(number, Ordering::Release);
    }

    /// Ends the stint: gives back what was put on the leash. `None` if it was cut: then nothing is the thread's any
    /// more but what it had kept.
    pub(super) fn take_off(&mut self) -> Option<T> {
        // Relaxed: in a stint the others change the word only to `CUT`, which the swap finds out.
        let number = self.0.word.load(Ordering::Relaxed);
        if number == CUT {
            return None;
        }
        // Relaxed: who wins has what it put there itself; who loses touches nothing of what the other has.
        self.0.word.compare_exchange(number, number + 1, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        // SAFETY: the stint has ended, and was not cut.
        self.0.load.with_mut(|place| unsafe { (*place).take() })
    }

    /// The condemned handler has returned, and nothing is left of it.
    pub(super) fn returned(self) {
        // Relaxed: it tells nothing but itself.
        self.0.word.store(RETURNED, Ordering::Relaxed);
    }
}

impl<T> Leash<T> {
    /// The stint that runs on the leash.
    pub(super) fn stint(&self) -> Option<Stint> {
        // Acquire: with the release in `put_on`, for what it says of the stint.
        let number = self.word.load(Ordering::Acquire);
        if number.is_multiple_of(2) || number >= RETURNED {
            return None;
        }
        // Relaxed, both: if they are those of a later stint, there is nothing to cut any more.
        let limit = Duration::from_nanos(self.limit.load(Ordering::Relaxed));
        let subject = self.subject.load(Ordering::Relaxed);
        Some(Stint { number, limit, subject })
    }

    /// Condemns the handler, if it still is in this stint: gives what is on the leash, and with it all that the thread
    /// has left there for who goes on.
    pub(super) fn cut(&self, stint: Stint) -> Option<T> {
        // Acquire: with the release in `put_on`, for the load and for what the thread did before it; who has the stint from
        // another thread has not acquired that in `stint`.
        self.word.compare_exchange(stint.number, CUT, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: the stint was cut, by this thread.
        self.load.with_mut(|place| unsafe { (*place).take() })
    }

    /// Whether the handler on it was condemned.
    pub(super) fn is_cut(&self) -> bool {
        // Relaxed: what is begun before this is seen has begun before the leash was cut.
        self.word.load(Ordering::Relaxed) >= RETURNED
    }

    /// Whether a condemned handler has returned.
    pub(super) fn has_returned(&self) -> bool {
        // Relaxed: it tells nothing but itself.
        self.word.load(Ordering::Relaxed) == RETURNED
    }
}
