//! The future of an async handler, in pooled memory: a box that every message of an async handler
//! needs, and that the next one can have again. One word, since an idle actor has the place for it.
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
    boxed: NonNull<Header<T>>,
    owns: PhantomData<Box<dyn Future<Output = T> + Send + 'a>>,
}

/// What the future can do, without its type.
struct Header<T> {
    poll: unsafe fn(NonNull<Header<T>>, &mut Context<'_>) -> Poll<T>,
    drop: unsafe fn(NonNull<Header<T>>),
}

#[repr(C)]
struct Boxed<F: Future> {
    /// First, so that it is found without the type.
    header: Header<F::Output>,
    future: F,
}

// SAFETY: `new` takes only futures that are `Send`, and nothing of it is shared.
unsafe impl<T> Send for Pending<'_, T> {}
// SAFETY: a shared `Pending` allows nothing.
unsafe impl<T> Sync for Pending<'_, T> {}

impl<'a, T> Pending<'a, T> {
    pub(crate) fn new<F: Future<Output = T> + Send + 'a>(future: F) -> Self {
        let place = pool::allocate::<Boxed<F>>();
        // SAFETY: the memory is for this and not initialised.
        unsafe { place.write(Boxed { header: Header { poll: poll::<F>, drop: free::<F> }, future }) };
        Pending { boxed: place.cast(), owns: PhantomData }
    }
}

impl<T> Future for Pending<'_, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: the box is ours and begins with its header.
        let poll = unsafe { self.boxed.as_ref() }.poll;
        // SAFETY: `poll` is the function for the future that is there, which is not dropped yet.
        unsafe { poll(self.boxed, cx) }
    }
}

impl<T> Drop for Pending<'_, T> {
    fn drop(&mut self) {
        // SAFETY: as in `poll`.
        let drop = unsafe { self.boxed.as_ref() }.drop;
        // SAFETY: `drop` is the function for the future that is there, and this is the only call.
        unsafe { drop(self.boxed) };
    }
}

/// # Safety
/// `boxed` holds an `F`, was made by `new`, was not dropped, and is not being polled.
unsafe fn poll<F: Future>(boxed: NonNull<Header<F::Output>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    // SAFETY: see above; the borrow is ours for this call.
    let future = unsafe { &mut boxed.cast::<Boxed<F>>().as_mut().future };
    // SAFETY: the future stays where it is until it is dropped there.
    unsafe { Pin::new_unchecked(future) }.poll(cx)
}

/// # Safety
/// As for `poll`; afterwards there is no future.
unsafe fn free<F: Future>(boxed: NonNull<Header<F::Output>>) {
    // Frees the memory even if dropping the future panics.
    struct Memory<F: Future>(NonNull<Boxed<F>>);
    impl<F: Future> Drop for Memory<F> {
        fn drop(&mut self) {
            // SAFETY: it comes from the pool, and what was there is dropped.
            unsafe { pool::release(self.0) };
        }
    }
    let memory = Memory(boxed.cast::<Boxed<F>>());
    // SAFETY: see above.
    unsafe { memory.0.drop_in_place() };
}
