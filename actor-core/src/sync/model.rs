//! What the models share.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use loom::alloc::Track;
use loom::cell::UnsafeCell;

/// Runs `model` through all interleavings with at most so many preemptions of one thread by another.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// What goes from thread to thread in a model. One that is lost, or read by a thread that its making
/// does not happen before, fails the model.
pub(crate) struct Parcel(Track<UnsafeCell<u32>>);

impl Parcel {
    pub(crate) fn new(value: u32) -> Self {
        Parcel(Track::new(UnsafeCell::new(value)))
    }

    pub(crate) fn open(self) -> u32 {
        // SAFETY: the parcel is ours, and loom checks that.
        self.0.get_ref().with(|value| unsafe { *value })
    }
}

/// What one thread at a time may use, by the protocol that is modelled: what the run token guards,
/// mostly. Two at once fail the model, and so does one that the other does not happen before.
#[derive(Default)]
pub(crate) struct Guarded<T>(UnsafeCell<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Guarded(UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: loom checks that nobody else has it.
        self.0.with_mut(|value| f(unsafe { &mut *value }))
    }
}

/// Counts how often its wakers were called. A waker that is lost fails the model.
pub(crate) struct Bell {
    rings: Arc<AtomicUsize>,
}

struct Ringer {
    // Not the checker's: a waker is to carry no order of its own.
    rings: Arc<AtomicUsize>,
    _track: Track<()>,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    pub(crate) fn new() -> (Bell, Waker) {
        let rings = Arc::new(AtomicUsize::new(0));
        let ringer = Ringer { rings: rings.clone(), _track: Track::new(()) };
        (Bell { rings }, Waker::from(Arc::new(ringer)))
    }

    pub(crate) fn has_rung(&self) -> bool {
        self.rings.load(Ordering::Relaxed) > 0
    }
}
