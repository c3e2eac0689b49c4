//! A cell without its type: in a run queue, for one turn, and in its supervisor's list.
#![allow(unsafe_code)]

mod probe;
mod wakeup;

use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::actor::Messages;
use crate::blocking;
use crate::cell::kind::Kind;
use crate::cell::mailbox::Mode;
use crate::cell::{ActorId, Cell, Control, husk, turn};
use crate::platform::prefetch::Hint;
use crate::scheduler::{Thin, local, soft};

/// What every cell begins with.
pub(crate) struct Header {
    kind: &'static Kind,
    pub(crate) id: ActorId,
}

impl Header {
    pub(super) fn of<A: Messages>(id: ActorId, site: &'static Location<'static>) -> Header {
        Header { kind: Kind::of::<A>(run::<A>, control::<A>, site), id }
    }

    pub(super) fn kind(&self) -> &'static Kind {
        self.kind
    }
}

/// A pointer to the header of a cell.
fn header_of<A: Messages>(cell: &Arc<Cell<A>>) -> NonNull<Header> {
    // SAFETY: a pointer to a value in an `Arc` is not null; a cell begins with its header.
    unsafe { NonNull::new_unchecked(Arc::as_ptr(cell).cast_mut()) }.cast()
}

/// The actor whose cell is there, and its kind.
///
/// # Safety
/// There is a cell, for the length of the call.
pub(crate) unsafe fn subject_at(cell: NonNull<()>) -> (ActorId, &'static Kind) {
    // SAFETY: see above; a cell begins with its header.
    let header = unsafe { cell.cast::<Header>().as_ref() };
    (header.id, header.kind)
}

/// A cell in a run queue. It needs no count of its own: a cell that is queued belongs to an actor that
/// has not ended, and such a cell counts itself (`Cell::begin`).
pub(crate) struct Task(NonNull<Header>);

// SAFETY: a task is the right to run an actor's next turn, on any thread; cells are `Send` and `Sync`.
unsafe impl Send for Task {}

impl Thin for Task {
    fn into_raw(self) -> *mut () {
        self.0.as_ptr().cast()
    }

    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: the pointer of a task is not null.
        Task(unsafe { NonNull::new_unchecked(raw) }.cast())
    }

    #[inline]
    fn prefetch(raw: *mut ()) {
        fetch(Hint::at(raw));
    }
}

/// Has a cell fetched into the cache, that is or was at `cell`: it is in three cache lines at most.
#[inline]
pub(crate) fn fetch(cell: Hint) {
    for offset in [0, 64, 112] {
        cell.fetch(offset);
    }
}

impl Task {
    /// The turn of an actor whose run token the caller has.
    #[inline]
    pub(crate) fn of<A: Messages>(cell: &Arc<Cell<A>>) -> Task {
        Task(header_of(cell))
    }

    /// Whose turn it is.
    #[inline]
    pub(crate) fn actor(&self) -> ActorId {
        // SAFETY: the cell is alive (see above) and begins with its header.
        unsafe { self.0.as_ref() }.id
    }

    /// Whether it is this actor's.
    #[cfg(feature = "sim")]
    pub(crate) fn is_of<A: Messages>(&self, cell: &Arc<Cell<A>>) -> bool {
        self.0 == header_of(cell)
    }

    /// Of which kind the actor is.
    #[inline]
    pub(crate) fn kind(&self) -> &'static Kind {
        // SAFETY: as above.
        unsafe { self.0.as_ref() }.kind
    }

    /// Runs the turn.
    #[inline]
    pub(crate) fn run(self) {
        let run = self.kind().run();
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
    let kind = cell.header.kind();
    if kind.is_watched()
        && !cell.is_pinned()
        && !blocking::may_block()
        && cell.system().scheduler().divert(Task::of(&cell), cell.id(), kind).is_ok()
    {
        return;
    }
    local::begin_turn_of(Arc::as_ptr(&cell).cast());
    soft::turn_begins();
    // SAFETY: the caller hands the run token over.
    let mode = unsafe { turn::run(&cell) };
    local::end_turn();
    if mode == Mode::Ended {
        husk::keep(ManuallyDrop::into_inner(cell));
    }
}

/// A cell in its supervisor's list. It does not count: the list knows how long the cell is there.
#[derive(Clone, Copy)]
pub(crate) struct Listed(NonNull<Header>);

// SAFETY: cells are `Send` and `Sync`.
unsafe impl Send for Listed {}

impl Listed {
    /// # Safety
    /// The cell stays for as long as this, and copies of it, are used.
    pub(crate) unsafe fn of<A: Messages>(cell: &Arc<Cell<A>>) -> Listed {
        Listed(header_of(cell))
    }

    pub(crate) fn id(self) -> ActorId {
        // SAFETY: see `of`; a cell begins with its header.
        unsafe { self.0.as_ref() }.id
    }

    pub(crate) fn cell(self) -> Arc<dyn Control> {
        // SAFETY: as for `id`.
        let control = unsafe { self.0.as_ref() }.kind.share();
        // SAFETY: `control` is the function for the type of this very cell.
        unsafe { control(self.0) }
    }
}

/// # Safety
/// `header` is that of a `Cell<A>` in an `Arc`, which stays for the length of the call.
unsafe fn control<A: Messages>(header: NonNull<Header>) -> Arc<dyn Control> {
    let cell = header.cast::<Cell<A>>().as_ptr().cast_const();
    // SAFETY: see above.
    unsafe { Arc::increment_strong_count(cell) };
    // SAFETY: the count that was just added is the new `Arc`'s.
    unsafe { Arc::from_raw(cell) }
}
