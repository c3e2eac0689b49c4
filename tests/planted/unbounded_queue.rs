//! An unbounded queue: what comes while somebody is busy is kept, however much it is.

use std::collections::VecDeque;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

const ROOM: usize = 3;

#[derive(Actor, Default)]
struct Press<const PLANTED: bool> {
    queue: VecDeque<u8>,
    busy: bool,
    most: usize,
}

#[messages]
impl<const PLANTED: bool> Press<PLANTED> {
    #[message]
    fn print(&mut self, page: u8, ctx: &mut Context<Self>) -> bool {
        if self.queue.len() >= ROOM && !PLANTED {
            return false;
        }
        self.queue.push_back(page);
        self.go_on(ctx);
        self.most = self.most.max(self.queue.len());
        true
    }

    #[message]
    fn printed(&mut self, ctx: &mut Context<Self>) {
        self.busy = false;
        self.go_on(ctx);
    }

    #[message]
    fn most(&self) -> usize {
        self.most
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if !self.busy && self.queue.pop_front().is_some() {
            self.busy = true;
            ctx.after(Duration::from_millis(100), PressPrinted);
        }
    }
}

/// Milliseconds between two pages.
pub(crate) fn programs() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..150_u64, 0..16)
}

/// No more is queued than there is room for.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[u64]) -> Outcome {
    let press = sim.spawn(Press::<PLANTED>::default)?;
    for pause in program {
        sim.advance(Duration::from_millis(*pause))?;
        press.print(0).tell()?;
    }
    let most = press.most().wait()?;
    if most <= ROOM { Ok(()) } else { Err(format!("{most} pages were queued").into()) }
}
