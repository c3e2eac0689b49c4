//! A task: an actor's cell in a run queue, for one turn, without its type.
#![allow(unsafe_code)]

mod probe;

use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::actor::Messages;
use crate::cell::kind::Kind;
use crate::cell::mailbox::Mode;
use crate::cell::{Cell, turn};
use crate::scheduler::worker;

/// What every cell begins with.
pub(crate) struct Header {
    kind: &'static Kind,
}

impl Header {
    pub(super) fn of<A: Messages>(site: &'static Location<'static>) -> Header {
        Header { kind: Kind::of::<A>(run::<A>, site) }
    }

    pub(super) fn kind(&self) -> &'static Kind {
        self.kind
    }
}

/// A cell in a run queue. It needs no count of its own: a cell that is queued belongs to an actor that
/// has not ended, and such a cell counts itself (`Cell::begin`).
pub(crate) struct Task(NonNull<Header>);

// SAFETY: a task is the right to run an actor's next turn, on any thread; cells are `Send` and `Sync`.
unsafe impl Send for Task {}

impl Task {
    /// The turn of an actor whose run token the caller has.
    #[inline]
    pub(crate) fn of<A: Messages>(cell: &Arc<Cell<A>>) -> Task {
        // SAFETY: a pointer to a value in an `Arc` is not null.
        Task(unsafe { NonNull::new_unchecked(Arc::as_ptr(cell).cast_mut()) }.cast())
    }

    /// Runs the turn.
    #[inline]
    pub(crate) fn run(self) {
        // SAFETY: the cell is alive (see above) and begins with its header.
        let run = unsafe { self.0.as_ref() }.kind.run();
        // SAFETY: `run` is the function for the type of this very cell.
        unsafe { run(self.0) }
    }
}

/// # Safety
/// `header` is that of a `Cell<A>` which was made by `Cell::new`, has not ended, and whose run token
/// comes with the call.
unsafe fn run<A: Messages>(header: NonNull<Header>) {
    let cell = header.cast::<Cell<A>>().as_ptr().cast_const();
    // SAFETY: the cell is in an `Arc` whose count for the actor's life is still there; it is borrowed,
    // and given up only when the actor has ended.
    let cell = ManuallyDrop::new(unsafe { Arc::from_raw(cell) });
    worker::set_current(Arc::as_ptr(&cell).cast());
    // SAFETY: the caller hands the run token over.
    let mode = unsafe { turn::run(&cell) };
    worker::set_current(ptr::null());
    if mode == Mode::Ended {
        drop(ManuallyDrop::into_inner(cell));
    }
}
