//! A context's pointer to its cell.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Messages;
use crate::cell::Cell;

/// The cell of the actor that a context belongs to. It counts only where the context may outlive the actor: in a handler
/// that was condemned. Otherwise the count for the actor's life is there ([`Cell::begin`]) for as long as a context is.
pub(crate) struct Home<A: Messages>(ManuallyDrop<Arc<Cell<A>>>);

impl<A: Messages> Home<A> {
    /// # Safety
    /// The actor has begun. It has not ended when this is dropped, unless its handlers have a limit.
    pub(super) unsafe fn of(cell: &Arc<Cell<A>>) -> Self {
        if cell.is_limited() {
            return Home(ManuallyDrop::new(cell.clone()));
        }
        // SAFETY: the cell is in an `Arc` that outlives this, says the caller, and which this never drops.
        Home(ManuallyDrop::new(unsafe { Arc::from_raw(Arc::as_ptr(cell)) }))
    }
}

impl<A: Messages> Deref for Home<A> {
    type Target = Arc<Cell<A>>;

    #[inline]
    fn deref(&self) -> &Arc<Cell<A>> {
        &self.0
    }
}

impl<A: Messages> Drop for Home<A> {
    fn drop(&mut self) {
        if self.is_limited() {
            // SAFETY: it has a count, and is not used any more.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}
