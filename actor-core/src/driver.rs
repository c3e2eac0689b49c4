//! The driver: what a worker parks in when it has nothing to run.
//!
//! A system without sockets uses [`Parker`], which sleeps on a thread's park token; `actor-net`
//! brings one that sleeps in mio's poll. Core knows nothing of either.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What a worker parks in. There is one for each worker, and it may be polled by another worker
/// while its own is busy; so every method takes `&self` and may be called from any thread.
///
/// Events found by [`park`](Self::park) and [`poll`](Self::poll) are handed on by
/// [`Readiness::set`](crate::port::Readiness::set) before the call returns.
pub trait Driver: Any + Send + Sync {
    /// Sleeps until there is an event, [`unpark`](Self::unpark) was called, or `timeout` is over;
    /// for ever with `None`. An unpark that came before makes it return at once. May return early.
    fn park(&self, timeout: Option<Duration>);

    /// Ends the current [`park`](Self::park), or the next one if there is none. From any thread.
    fn unpark(&self);

    /// Hands on the events that are there, without waiting.
    fn poll(&self);
}

/// Makes the driver of the worker with the given number; given to
/// [`Builder::driver`](crate::Builder::driver).
pub type MakeDriver = dyn Fn(usize) -> io::Result<Arc<dyn Driver>> + Send + Sync;

/// The driver of a system without sockets.
#[derive(Debug, Default)]
pub struct Parker {
    token: crate::wait::Token,
}

impl Driver for Parker {
    fn park(&self, timeout: Option<Duration>) {
        self.token.wait(timeout);
    }

    fn unpark(&self) {
        self.token.set();
    }

    fn poll(&self) {}
}

/// The driver of the worker that this thread is, if it is one. On a pinned actor's thread, that of any worker.
///
/// A driver finds itself again with `(&*driver as &dyn Any).downcast_ref()`.
#[must_use]
pub fn current() -> Option<Arc<dyn Driver>> {
    crate::scheduler::local::current_driver()
}
