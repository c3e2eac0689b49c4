//! A point at which an async handler lets others run if its turn has been long enough.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::scheduler::soft;

/// A future that is ready at once, or, if the turn has been long enough, when the actors that wait have had
/// theirs; made by [`Context::checkpoint`](crate::Context::checkpoint).
#[derive(Debug, Default)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Checkpoint {
    has_yielded: bool,
}

impl Future for Checkpoint {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded || !soft::is_over() {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        soft::yield_now(cx)
    }
}
