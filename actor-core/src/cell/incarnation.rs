//! One life of an actor after the other: its factory, and the state, the context and the future of the
//! async handler in work that each life has.
//!
//! This is the future slot, one of the files in which unsafe code is allowed: the future borrows
//! the state and the context that lie beside it, which safe Rust cannot say. All but the future is one
//! block of the pool, taken when the actor is spawned, apart from the cell.
#![allow(unsafe_code)]

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Poll;

use crate::actor::{Messages, Step};
use crate::cell::inbox::Handle;
use crate::cell::pending::Pending;
use crate::context::Context;
use crate::pool;
use crate::reason::{Failure, StopReason};
#[cfg(feature = "sim")]
use crate::sim;

/// The handler in work: `#[started]` may fail, the others have nothing to say.
enum Work {
    /// There is no state.
    Unborn,
    /// Between two handlers.
    Idle,
    Started(Pending<'static, Result<(), Failure>>),
    Other(Pending<'static, ()>),
}

pub(crate) struct Incarnation<A: Messages> {
    /// Borrows from `body`; always dropped before what is there.
    work: Work,
    /// A block of the pool that this owns. Not as a box, which would claim to be the only pointer to what `work` points
    /// into.
    body: NonNull<Body<A>>,
}

/// A factory that is by itself.
pub(crate) type Make<A> = Box<dyn FnMut() -> A + Send>;

/// Followed by the factory, whose type only `vtable` knows.
struct Body<A: Messages> {
    vtable: &'static Vtable<A>,
    /// Together with `state`: there unless `work` is `Unborn`.
    ctx: MaybeUninit<Context<A>>,
    /// Why the life ends, where it takes memory to say so.
    why: Option<Arc<StopReason>>,
    state: MaybeUninit<A>,
}

#[repr(C)]
struct Seed<A: Messages, F> {
    body: Body<A>,
    factory: F,
}

struct Vtable<A: Messages> {
    make: unsafe fn(NonNull<Body<A>>) -> A,
    free: unsafe fn(NonNull<Body<A>>),
    /// Frees it and gives out the factory.
    factory: unsafe fn(NonNull<Body<A>>) -> Make<A>,
}

// SAFETY: an incarnation owns its body as a box would; the future and the factory are `Send`,
// `A: Send` is a supertrait of `Messages`, and the context is `Send` (asserted below).
unsafe impl<A: Messages> Send for Incarnation<A> {}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    #[allow(dead_code)]
    fn context_is<A: Messages>() {
        is_send_and_sync::<Context<A>>();
    }
};

impl<A: Messages> Incarnation<A> {
    /// No life yet, and how to make one.
    pub(crate) fn unborn<F: FnMut() -> A + Send + 'static>(factory: F) -> Self {
        let vtable =
            const { &Vtable { make: make::<A, F>, free: free::<A, F>, factory: factory_of::<A, F> } };
        let body = Body { vtable, ctx: MaybeUninit::uninit(), why: None, state: MaybeUninit::uninit() };
        let seed = pool::allocate::<Seed<A, F>>();
        // SAFETY: the memory is for a seed.
        unsafe { seed.write(Seed { body, factory }) };
        Incarnation { work: Work::Unborn, body: seed.cast() }
    }

    /// The factory, before the first life.
    pub(crate) fn into_factory(self) -> Make<A> {
        assert!(!self.is_alive(), "the factory goes with the life");
        let unborn = std::mem::ManuallyDrop::new(self);
        // SAFETY: the body is ours, and is not used any more: it is not dropped.
        let factory = unsafe { unborn.body.as_ref() }.vtable.factory;
        // SAFETY: `factory` is the function for this very body, in which there is no life.
        unsafe { factory(unborn.body) }
    }

    /// Begins a life: has the factory make the state. If it panics there is no life.
    pub(crate) fn be_born(&mut self, ctx: Context<A>) {
        assert!(matches!(self.work, Work::Unborn), "one life at a time");
        // SAFETY: the body is ours until `drop`.
        let make = unsafe { self.body.as_ref() }.vtable.make;
        // SAFETY: `make` is the function for this very body, which nobody else uses now.
        let state = unsafe { make(self.body) };
        // SAFETY: as above.
        let body = unsafe { self.body.as_mut() };
        body.state.write(state);
        body.ctx.write(ctx);
        self.work = Work::Idle;
    }

    /// Whether there is a state.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.work, Work::Unborn)
    }

    /// Whether an async handler is in work.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.work, Work::Started(_) | Work::Other(_))
    }

    /// Lends the state and the context, between two handlers.
    #[inline]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut A, &mut Context<A>) -> R) -> R {
        let (state, ctx) = self.parts();
        f(state, ctx)
    }

    /// Begins a handler. `Ready` if it was a sync one and has run.
    pub(crate) fn begin(
        &mut self,
        f: impl for<'a> FnOnce(&'a mut A, &'a mut Context<A>) -> Step<'a>,
    ) -> Poll<Result<(), Failure>> {
        let (state, ctx) = self.parts();
        match f(state, ctx) {
            Step::Done(()) => Poll::Ready(Ok(())),
            Step::Pending(future) => self.keep(Work::Other(future)),
        }
    }

    /// Begins `#[started]`.
    pub(crate) fn begin_started(&mut self) -> Poll<Result<(), Failure>> {
        #[cfg(feature = "sim")]
        sim::seam::fault::<A>(None, sim::Point::Start);
        let (state, ctx) = self.parts();
        match state.started(ctx) {
            Step::Done(result) => Poll::Ready(result),
            Step::Pending(future) => self.keep(Work::Started(future)),
        }
    }

    /// Begins `#[stopped]`.
    pub(crate) fn begin_stopped(&mut self, why: StopReason) -> Poll<Result<(), Failure>> {
        let why: &'static StopReason = match why {
            StopReason::Normal => &StopReason::Normal,
            StopReason::Shutdown => &StopReason::Shutdown,
            StopReason::Killed => &StopReason::Killed,
            other => self.keep_reason(other),
        };
        #[cfg(feature = "sim")]
        sim::seam::fault::<A>(None, sim::Point::Stop);
        let (state, ctx) = self.parts();
        match state.stopped(why, ctx) {
            Step::Done(()) => Poll::Ready(Ok(())),
            Step::Pending(future) => self.keep(Work::Other(future)),
        }
    }

    /// The reason that was kept, for as long as a future that borrows it may live.
    fn keep_reason(&mut self, why: StopReason) -> &'static StopReason {
        assert!(matches!(self.work, Work::Idle), "a handler is in work and may have the last reason");
        // SAFETY: the body is ours, and nothing is in work that borrows from it.
        let kept = unsafe { &mut self.body.as_mut().why };
        let why = Arc::as_ptr(kept.insert(Arc::new(why)));
        // SAFETY: the reason stays in its `Arc` until `end` or the next `keep_reason`, both of which
        // come when nothing is in work any more. It is only read, by everybody.
        unsafe { &*why }
    }

    /// Why the life ends, if that was kept.
    pub(crate) fn why(&self) -> Option<&StopReason> {
        // SAFETY: the body is ours; a future that borrows from it does not borrow this field.
        let why = unsafe { &raw const (*self.body.as_ptr()).why };
        // SAFETY: as above.
        unsafe { &*why }.as_deref()
    }

    /// Polls the handler in work. One that is ready, or panics, is gone.
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Failure>> {
        let mut work = std::mem::replace(&mut self.work, Work::Idle);
        let polled = match &mut work {
            Work::Started(future) => Pin::new(future).poll(cx),
            Work::Other(future) => Pin::new(future).poll(cx).map(Ok),
            Work::Idle => Poll::Ready(Ok(())),
            Work::Unborn => unreachable!("what has no state has no handler"),
        };
        if polled.is_pending() {
            self.work = work;
        }
        polled
    }

    /// Cancels the handler in work by dropping its future.
    pub(crate) fn cancel(&mut self) {
        if self.is_busy() {
            self.work = Work::Idle;
        }
    }

    /// Ends the life: drops the handler in work, the state and the context, in this order. A panic of
    /// one of them keeps none of the others.
    pub(crate) fn end(&mut self) {
        /// The state and the context of a body, to be dropped.
        struct Parts<A: Messages>(NonNull<Body<A>>);
        struct Ctx<A: Messages>(NonNull<Body<A>>);
        impl<A: Messages> Drop for Parts<A> {
            fn drop(&mut self) {
                let _ctx = Ctx(self.0);
                // SAFETY: the life has ended, and with it all that borrowed from the state.
                let state = unsafe { &mut self.0.as_mut().state };
                // SAFETY: it was there, and this is the only time that it is dropped.
                unsafe { state.assume_init_drop() };
            }
        }
        impl<A: Messages> Drop for Ctx<A> {
            fn drop(&mut self) {
                // SAFETY: as for the state.
                let body = unsafe { self.0.as_mut() };
                // SAFETY: as for the state.
                unsafe { body.ctx.assume_init_drop() };
                body.why = None;
            }
        }
        let work = std::mem::replace(&mut self.work, Work::Unborn);
        if !matches!(work, Work::Unborn) {
            let _parts = Parts(self.body);
            drop(work);
        }
    }

    fn keep(&mut self, work: Work) -> Poll<Result<(), Failure>> {
        self.work = work;
        Poll::Pending
    }

    /// The state and the context, for as long as a future that borrows from them may live.
    #[inline]
    fn parts(&mut self) -> (&'static mut A, &'static mut Context<A>) {
        assert!(matches!(self.work, Work::Idle), "a handler is in work and has the actor's state");
        let body = self.body.as_ptr();
        // SAFETY: the body is in a block that only `drop` frees, and is `Idle`, so both parts are there. Nothing else
        // refers to them: the only borrows that outlive a call of a method of this type are those inside `work`
        // (callers are generic over the lifetime, so they cannot keep one), and there is no handler in work. `work`
        // is dropped before the parts are.
        let state = unsafe { &mut (*body).state };
        // SAFETY: as above.
        let ctx = unsafe { &mut (*body).ctx };
        // SAFETY: both were made by `be_born`, and `end` has not dropped them.
        (unsafe { state.assume_init_mut() }, unsafe { ctx.assume_init_mut() })
    }
}

impl<A: Messages> Handle<A::Message> for Incarnation<A> {
    type Outcome = Poll<Result<(), Failure>>;

    /// As [`begin`](Incarnation::begin), for a message.
    #[inline(always)]
    fn handle(&mut self, message: A::Message) -> Poll<Result<(), Failure>> {
        #[cfg(feature = "sim")]
        sim::seam::fault::<A>(None, sim::Point::Handler);
        let (state, ctx) = self.parts();
        match state.handle(message, ctx) {
            Step::Done(()) => Poll::Ready(Ok(())),
            Step::Pending(future) => self.keep(Work::Other(future)),
        }
    }
}

impl<A: Messages> Drop for Incarnation<A> {
    fn drop(&mut self) {
        // Frees the body even if ending the life panics.
        struct Free<A: Messages>(NonNull<Body<A>>);
        impl<A: Messages> Drop for Free<A> {
            fn drop(&mut self) {
                // SAFETY: the body is there until here.
                let free = unsafe { self.0.as_ref() }.vtable.free;
                // SAFETY: `free` is the function for this very body, and this is its only call.
                unsafe { free(self.0) };
            }
        }
        let _free = Free(self.body);
        self.end();
    }
}

/// # Safety
/// `body` is that of a `Seed<A, F>`, and nobody else uses its factory.
unsafe fn make<A: Messages, F: FnMut() -> A>(body: NonNull<Body<A>>) -> A {
    // Only the factory is borrowed: what it does is a user's, and the rest is ours.
    // SAFETY: see above.
    let factory = unsafe { &mut (*body.cast::<Seed<A, F>>().as_ptr()).factory };
    factory()
}

/// # Safety
/// As for `free`.
unsafe fn factory_of<A: Messages, F: FnMut() -> A + Send + 'static>(body: NonNull<Body<A>>) -> Make<A> {
    let seed = body.cast::<Seed<A, F>>();
    // SAFETY: see above.
    let factory = unsafe { &raw const (*seed.as_ptr()).factory };
    // SAFETY: as above. Nothing else in the seed is to be dropped, since there is no life.
    let factory = unsafe { factory.read() };
    // SAFETY: as above.
    unsafe { pool::release(seed) };
    Box::new(factory)
}

/// # Safety
/// `body` is that of a `Seed<A, F>` in a block of the pool, and is not used any more; there is no life in it.
unsafe fn free<A: Messages, F>(body: NonNull<Body<A>>) {
    /// Frees the block even if dropping the factory panics.
    struct Block<S>(NonNull<S>);
    impl<S> Drop for Block<S> {
        fn drop(&mut self) {
            // SAFETY: it comes from the pool, and nobody else has it.
            unsafe { pool::release(self.0) };
        }
    }
    let seed = Block(body.cast::<Seed<A, F>>());
    // SAFETY: see above.
    unsafe { seed.0.drop_in_place() };
}
