//! What these tests share.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actor_core::System;

pub(crate) use crate::shared::{Gate, LIMIT};

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
