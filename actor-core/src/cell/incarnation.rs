//! One life of an actor: its state, its context, and the future of the async handler in work.
//!
//! This is the future slot, one of the files in which unsafe code is allowed: the future borrows
//! the state and the context that lie beside it, which safe Rust cannot say.
#![allow(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Poll;

use crate::actor::{Messages, Step};
use crate::cell::pending::Pending;
use crate::context::Context;
use crate::reason::{Failure, StopReason};

/// The handler in work: `#[started]` may fail, the others have nothing to say.
enum Work {
    Started(Pending<'static, Result<(), Failure>>),
    Other(Pending<'static, ()>),
}

pub(crate) struct Incarnation<A: Messages> {
    /// Borrows from `body`; always dropped before it.
    work: Option<Work>,
    /// A leaked box: a `Box` here would claim to be the only pointer to what `work` points into.
    body: NonNull<Body<A>>,
}

struct Body<A: Messages> {
    state: A,
    ctx: Context<A>,
    why: StopReason,
}

// SAFETY: an incarnation owns its body as a box would, and the future is `Send`; `A: Send` is a
// supertrait of `Messages`, and the context is `Send` (asserted below).
unsafe impl<A: Messages> Send for Incarnation<A> {}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    #[allow(dead_code)]
    fn context_is<A: Messages>() {
        is_send_and_sync::<Context<A>>();
    }
};

impl<A: Messages> Incarnation<A> {
    pub(crate) fn new(state: A, ctx: Context<A>) -> Self {
        let body = Box::new(Body { state, ctx, why: StopReason::Normal });
        Incarnation { work: None, body: NonNull::from(Box::leak(body)) }
    }

    /// Whether an async handler is in work.
    pub(crate) fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// Lends the state and the context, between two handlers.
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut A, &mut Context<A>) -> R) -> R {
        let body = self.body();
        f(&mut body.state, &mut body.ctx)
    }

    /// Begins a handler. `Ready` if it was a sync one and has run.
    pub(crate) fn begin(
        &mut self,
        f: impl for<'a> FnOnce(&'a mut A, &'a mut Context<A>) -> Step<'a>,
    ) -> Poll<Result<(), Failure>> {
        let body = self.body();
        match f(&mut body.state, &mut body.ctx) {
            Step::Done(()) => Poll::Ready(Ok(())),
            Step::Pending(future) => self.keep(Work::Other(future)),
        }
    }

    /// Begins `#[started]`.
    pub(crate) fn begin_started(&mut self) -> Poll<Result<(), Failure>> {
        let body = self.body();
        match body.state.started(&mut body.ctx) {
            Step::Done(result) => Poll::Ready(result),
            Step::Pending(future) => self.keep(Work::Started(future)),
        }
    }

    /// Begins `#[stopped]`.
    pub(crate) fn begin_stopped(&mut self, why: StopReason) -> Poll<Result<(), Failure>> {
        let body = self.body();
        body.why = why;
        match body.state.stopped(&body.why, &mut body.ctx) {
            Step::Done(()) => Poll::Ready(Ok(())),
            Step::Pending(future) => self.keep(Work::Other(future)),
        }
    }

    /// Polls the handler in work. One that is ready, or panics, is gone.
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(mut work) = self.work.take() else {
            return Poll::Ready(Ok(()));
        };
        let polled = match &mut work {
            Work::Started(future) => Pin::new(future).poll(cx),
            Work::Other(future) => Pin::new(future).poll(cx).map(Ok),
        };
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }

    /// Cancels the handler in work by dropping its future.
    pub(crate) fn cancel(&mut self) {
        self.work = None;
    }

    fn keep(&mut self, work: Work) -> Poll<Result<(), Failure>> {
        self.work = Some(work);
        Poll::Pending
    }

    /// The body, for as long as a future that borrows from it may live.
    fn body(&mut self) -> &'static mut Body<A> {
        assert!(self.work.is_none(), "a handler is in work and has the actor's state");
        // SAFETY: `body` comes from a leaked box that only `drop` frees. Nothing else refers to it:
        // the only borrows that outlive a call of a method of this type are those inside `work`
        // (callers are generic over the lifetime, so they cannot keep one), and there is no `work`.
        // `work` is dropped before the body is.
        unsafe { self.body.as_mut() }
    }
}

impl<A: Messages> Drop for Incarnation<A> {
    fn drop(&mut self) {
        // Frees the body even if dropping the future panics.
        struct Free<A: Messages>(NonNull<Body<A>>);
        impl<A: Messages> Drop for Free<A> {
            fn drop(&mut self) {
                // SAFETY: the pointer comes from a leaked box and is freed only here, after the
                // future that borrowed from it.
                drop(unsafe { Box::from_raw(self.0.as_ptr()) });
            }
        }
        let _free = Free(self.body);
        self.work = None;
    }
}
