//! The future of an async handler, in pooled memory: a box that every message of an async handler
//! needs, and that the next one can have again.
#![allow(unsafe_code)]

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::pool;

/// The future of an async handler that has begun; made for each message that has one.
#[must_use = "a future does nothing until it is polled"]
pub struct Pending<'a, T> {
    future: NonNull<()>,
    poll: unsafe fn(NonNull<()>, &mut Context<'_>) -> Poll<T>,
    drop: unsafe fn(NonNull<()>),
    owns: PhantomData<Box<dyn Future<Output = T> + Send + 'a>>,
}

// SAFETY: `new` takes only futures that are `Send`, and nothing of it is shared.
unsafe impl<T> Send for Pending<'_, T> {}
// SAFETY: a shared `Pending` allows nothing.
unsafe impl<T> Sync for Pending<'_, T> {}

impl<'a, T> Pending<'a, T> {
    pub(crate) fn new<F: Future<Output = T> + Send + 'a>(future: F) -> Self {
        let place = pool::allocate::<F>();
        // SAFETY: the memory is for an `F` and not initialised.
        unsafe { place.write(future) };
        Pending { future: place.cast(), poll: poll::<F>, drop: free::<F>, owns: PhantomData }
    }
}

impl<T> Future for Pending<'_, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: `poll` is the function for the future that is there, which is not dropped yet.
        unsafe { (self.poll)(self.future, cx) }
    }
}

impl<T> Drop for Pending<'_, T> {
    fn drop(&mut self) {
        // SAFETY: `drop` is the function for the future that is there, and this is the only call.
        unsafe { (self.drop)(self.future) };
    }
}

/// # Safety
/// `future` is an `F` that was made by `new`, was not dropped, and is not being polled.
unsafe fn poll<F: Future>(future: NonNull<()>, cx: &mut Context<'_>) -> Poll<F::Output> {
    // SAFETY: see above; the borrow is ours for this call.
    let future = unsafe { future.cast::<F>().as_mut() };
    // SAFETY: the future stays where it is until it is dropped there.
    unsafe { Pin::new_unchecked(future) }.poll(cx)
}

/// # Safety
/// As for `poll`; afterwards there is no future.
unsafe fn free<F>(future: NonNull<()>) {
    // Frees the memory even if dropping the future panics.
    struct Memory<F>(NonNull<F>);
    impl<F> Drop for Memory<F> {
        fn drop(&mut self) {
            // SAFETY: it comes from the pool, and what was there is dropped.
            unsafe { pool::release(self.0) };
        }
    }
    let memory = Memory(future.cast::<F>());
    // SAFETY: see above.
    unsafe { memory.0.drop_in_place() };
}
