//! The waker of an async handler: the cell itself.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::actor::Messages;
use crate::cell::Cell;

/// A waker that borrows the cell: polling a handler counts nothing unless the waker is kept.
pub(super) fn of<A: Messages>(cell: &Arc<Cell<A>>) -> impl Deref<Target = Waker> + use<'_, A> {
    struct Borrowed<'a>(ManuallyDrop<Waker>, std::marker::PhantomData<&'a ()>);
    impl Deref for Borrowed<'_> {
        type Target = Waker;
        fn deref(&self) -> &Waker {
            &self.0
        }
    }
    let raw = RawWaker::new(Arc::as_ptr(cell).cast(), vtable::<A>());
    // SAFETY: the table's functions keep the contract for pointers to cells in an `Arc`. This waker
    // has no count of its own, and is never dropped.
    Borrowed(ManuallyDrop::new(unsafe { Waker::from_raw(raw) }), std::marker::PhantomData)
}

fn vtable<A: Messages>() -> &'static RawWakerVTable {
    const { &RawWakerVTable::new(clone::<A>, wake::<A>, wake_by_ref::<A>, drop_waker::<A>) }
}

/// # Safety
/// `cell` points to a `Cell<A>` in an `Arc` that is alive.
unsafe fn clone<A: Messages>(cell: *const ()) -> RawWaker {
    // SAFETY: see above.
    unsafe { Arc::increment_strong_count(cell.cast::<Cell<A>>()) };
    RawWaker::new(cell, vtable::<A>())
}

/// # Safety
/// As for `clone`; takes one count.
unsafe fn wake<A: Messages>(cell: *const ()) {
    // SAFETY: see above.
    let cell = unsafe { Arc::from_raw(cell.cast::<Cell<A>>()) };
    cell.schedule_if(cell.mailbox.wake());
}

/// # Safety
/// As for `clone`.
unsafe fn wake_by_ref<A: Messages>(cell: *const ()) {
    // SAFETY: see above; borrowed, not taken.
    let cell = ManuallyDrop::new(unsafe { Arc::from_raw(cell.cast::<Cell<A>>()) });
    cell.schedule_if(cell.mailbox.wake());
}

/// # Safety
/// As for `wake`.
unsafe fn drop_waker<A: Messages>(cell: *const ()) {
    // SAFETY: see above.
    drop(unsafe { Arc::from_raw(cell.cast::<Cell<A>>()) });
}
