//! What these tests share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actor_core::System;

/// Far longer than anything here takes; a test that gets here has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A system with `workers` workers.
pub(crate) fn system(workers: usize) -> System {
    System::builder().workers(workers).build().expect("a system")
}

/// What the panic of `test` says.
#[track_caller]
pub(crate) fn failure_of<R>(test: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(test)) else { panic!("it should have failed") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a panic with a text").to_string(),
    }
}

/// Holds up those who pass until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: bool,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    /// Blocks the thread until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting = true;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.open).unwrap());
    }

    /// Waits until somebody stands before the gate.
    pub(crate) fn somebody_waits(&self) {
        let state = self.0.0.lock().unwrap();
        let (_state, timeout) = self.0.1.wait_timeout_while(state, LIMIT, |state| !state.waiting).unwrap();
        assert!(!timeout.timed_out(), "nobody came to the gate");
    }
}
