//! Waiting on a plain thread: a park token, and running a future to its end.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::clock;
use crate::log;
use crate::observe::sample;
use crate::sync::{Condvar, Mutex, MutexGuard, thread_local};

/// A token that one thread waits for and any thread may set. Setting it twice is setting it once.
#[derive(Debug, Default)]
pub(crate) struct Token {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Token {
    /// Waits until the token is set or `timeout` is over, and takes it: true if it was set. May return
    /// early.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        #[cfg(feature = "sim")]
        if crate::sim::seam::is_here() {
            return crate::sim::seam::wait(self.address(), timeout, || std::mem::take(&mut *self.set.lock()));
        }
        let mut set = self.set.lock();
        if !*set {
            set = match timeout {
                Some(timeout) => self.changed.wait_timeout(set, timeout).unwrap_or_else(|e| e.into_inner()).0,
                None => self.changed.wait(set).unwrap_or_else(|e| e.into_inner()),
            };
            sample::slept();
        }
        std::mem::take(&mut *set)
    }

    /// Which token it is, as long as it is there.
    #[cfg(feature = "sim")]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    #[cfg(all(test, loom))]
    pub(crate) fn is_set(&self) -> bool {
        *self.set.lock()
    }

    pub(crate) fn set(&self) {
        *self.set.lock() = true;
        #[cfg(feature = "sim")]
        crate::sim::seam::set(self.address());
        self.changed.notify_one();
    }
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// Waits while `waits` says so, or until `until`. Whoever changes what it looks at notifies `changed`.
pub(crate) fn wait_while<'a, T>(
    changed: &Condvar,
    mut guard: MutexGuard<'a, T>,
    until: Instant,
    waits: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    while waits(&guard) {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            break;
        }
        guard = changed.wait_timeout(guard, left).unwrap_or_else(|e| e.into_inner()).0;
    }
    guard
}

/// Wakes a task, which may be anybody's: if its waker panics, that is not for those who go on from here.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        log::say(Level::ERROR, || move || tracing::error!("a waker panicked"));
        std::mem::forget(payload);
    }
}

thread_local!(static EXAMPLE: Waker = Waker::from(Arc::new(Token::default())));

/// Whether this is the waker of a thread in [`block_on`], which does nothing but wake that. Not always recognised.
pub(crate) fn is_of_thread(waker: &Waker) -> bool {
    EXAMPLE.with(|example| std::ptr::eq(example.vtable(), waker.vtable()))
}

/// Runs `future` on this thread until it is ready. It is also polled when `deadline` has come, so
/// that a future that looks at the clock ends in time whoever else is late.
pub(crate) fn block_on<F: Future>(future: F, deadline: Option<Instant>) -> F::Output {
    let mut future = pin!(future);
    let token = Arc::new(Token::default());
    let waker = Waker::from(token.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        token.wait(deadline.map(|at| at.saturating_duration_since(clock::now())));
    }
}
