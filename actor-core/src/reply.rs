//! The way back of an ask: a slot that the handler's side fills once and the asker's side waits on.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

/// The handler's end of an ask. A handler that takes a `Reply<T>` as its last argument answers when
/// it likes, from wherever it likes, as a `gen_server` that returns `noreply` does.
///
/// Dropped without an answer, the asker gets [`AskError::Lost`](crate::AskError::Lost). For a
/// message that was told, not asked, every answer goes nowhere.
pub struct Reply<T, E = Infallible> {
    slot: Option<Arc<Mutex<Slot<T, E>>>>,
}

/// The asker's end.
pub(crate) struct Answer<T, E> {
    slot: Arc<Mutex<Slot<T, E>>>,
}

enum Slot<T, E> {
    Waiting(Option<Waker>),
    Filled(Outcome<T, E>),
    Taken,
}

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
    let slot = Arc::new(Mutex::new(Slot::Waiting(None)));
    (Reply { slot: Some(slot.clone()) }, Answer { slot })
}

impl<T, E> Reply<T, E> {
    /// The way back of a message that was told: there is none.
    pub(crate) fn nowhere() -> Self {
        Reply { slot: None }
    }

    /// Answers with a value.
    pub fn send(self, value: T) {
        self.complete(Ok(value));
    }

    /// Answers with a handler's result; an `Err` reaches the asker as
    /// [`AskError::Failed`](crate::AskError::Failed).
    pub fn complete(mut self, result: Result<T, E>) {
        self.fill(Outcome::Replied(result));
    }

    /// Whether somebody still waits for the answer: false for a message that was told, and once
    /// the asker has given up.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| Arc::strong_count(slot) > 1)
    }

    #[doc(hidden)]
    pub fn undelivered(mut self) {
        self.fill(Outcome::Undelivered);
    }

    fn fill(&mut self, outcome: Outcome<T, E>) {
        let Some(slot) = self.slot.take() else { return };
        let before = std::mem::replace(&mut *slot.lock(), Slot::Filled(outcome));
        if let Slot::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T, E> Drop for Reply<T, E> {
    fn drop(&mut self) {
        self.fill(Outcome::Lost);
    }
}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asked", &self.slot.is_some()).finish()
    }
}

impl<T, E> Answer<T, E> {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        let mut slot = self.slot.lock();
        match &mut *slot {
            Slot::Waiting(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            Slot::Filled(_) => match std::mem::replace(&mut *slot, Slot::Taken) {
                Slot::Filled(outcome) => Poll::Ready(outcome),
                _ => unreachable!("the slot was filled and is locked"),
            },
            Slot::Taken => panic!("an ask was polled after it had ended"),
        }
    }
}
