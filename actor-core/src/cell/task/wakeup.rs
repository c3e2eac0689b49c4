//! A waker that is nobody's of ours, as a task. It may do anything when it is called, and take as long as it likes; so it is
//! called in a turn, which is watched like any other. To queues it is a task like any other, too.
#![allow(unsafe_code)]

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

use crate::cell::kind::Kind;
use crate::cell::task::{Header, Task};
use crate::cell::{ActorId, Control};
use crate::wait;

/// Begins as a cell does.
#[repr(C)]
struct Wakeup {
    header: Header,
    waker: Waker,
}

static KIND: Kind = Kind::no_actor("(waker)", run, share, Location::caller());

impl Task {
    /// A turn in which this waker is called.
    pub(crate) fn wakeup(waker: Waker) -> Task {
        let wakeup = Box::new(Wakeup { header: Header { kind: &KIND, id: ActorId::NOBODY }, waker });
        Task(NonNull::from(Box::leak(wakeup)).cast())
    }
}

/// Only what is listed is shared, and a wakeup is in queues only.
fn share(_: NonNull<Header>) -> Arc<dyn Control> {
    unreachable!("a wakeup is no cell")
}

/// # Safety
/// `header` is that of a `Wakeup` that was made by `wakeup`, and is not used again.
unsafe fn run(header: NonNull<Header>) {
    // SAFETY: it comes from a leaked box, and is run once.
    let wakeup = unsafe { Box::from_raw(header.cast::<Wakeup>().as_ptr()) };
    wait::wake(wakeup.waker);
}
