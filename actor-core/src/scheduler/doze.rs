//! How a thread that watches workers sleeps: until its next look, or, if all workers are idle, until one wakes up.

#[cfg(all(test, loom))]
mod model;

use std::time::Duration;

use crate::sync::{AtomicBool, Ordering, fence};
use crate::wait::Token;

/// What wakes the thread.
#[derive(Default)]
pub(super) struct Doze {
    /// It sleeps until a worker wakes up.
    asleep: AtomicBool,
    token: Token,
}

impl Doze {
    /// A worker has left the idle list, and passed a full fence since.
    pub(super) fn worker_woke(&self) {
        // Relaxed: the caller's fence pairs with the one in `limit`: either this sees it asleep, or it sees that not all
        // are idle.
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Ends the sleep, or the time to the next look.
    pub(super) fn wake(&self) {
        self.token.set();
    }

    /// Sleeps until the next look, or, if all workers are idle, until one is not.
    pub(super) fn sleep(&self, until_look: Duration, all_idle: impl FnOnce() -> bool) {
        let limit = self.limit(until_look, all_idle);
        self.token.wait(limit);
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// How long to sleep, unless woken.
    fn limit(&self, until_look: Duration, all_idle: impl FnOnce() -> bool) -> Option<Duration> {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence before `worker_woke`.
        fence(Ordering::SeqCst);
        if all_idle() {
            return None;
        }
        self.asleep.store(false, Ordering::Relaxed);
        Some(until_look)
    }
}
