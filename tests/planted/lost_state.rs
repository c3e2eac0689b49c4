//! A restart that loses state it should keep: the factory does not read what was written down.

use std::sync::{Arc, Mutex};

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

#[derive(Actor)]
struct Counter {
    total: u64,
    written: Arc<Mutex<u64>>,
}

#[messages]
impl Counter {
    #[message]
    fn add(&mut self, amount: u64) {
        self.total += amount;
        *self.written.lock().unwrap() = self.total;
    }

    #[message]
    fn total(&self) -> u64 {
        self.total
    }

    #[message]
    fn break_down(&mut self, ctx: &mut Context<Self>) {
        ctx.fail("broken");
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Add(u64),
    BreakDown,
}

pub(crate) fn programs() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => (1..10_u64).prop_map(Step::Add), 1 => Just(Step::BreakDown)];
    prop::collection::vec(step, 0..16)
}

/// What was added is there, whatever has happened since.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[Step]) -> Outcome {
    let written = Arc::new(Mutex::new(0));
    let counter = sim.spawn(move || {
        let total = if PLANTED { 0 } else { *written.lock().unwrap() };
        Counter { total, written: written.clone() }
    })?;
    let mut should = 0;
    for step in program {
        match step {
            Step::Add(amount) => {
                counter.add(*amount).tell()?;
                should += amount;
            }
            Step::BreakDown => counter.break_down().tell()?,
        }
    }
    let is = counter.total().wait()?;
    if is == should { Ok(()) } else { Err(format!("{should} was added, and {is} is there").into()) }
}
