//! How a supervisor begins: it starts its children from left to right and waits for each.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::clock;
use crate::context::Context;
use crate::error::StartError;
use crate::reason::{Failure, StopReason};
use crate::reply::{self, Answer, Outcome};
use crate::supervisor::Supervisor;
use crate::supervisor::keeper::{Keeper, moment};
use crate::supervisor::slots::{Exit, SlotKey, Why};
use crate::supervisor::stopping::stop_children;
use crate::system::SystemHandle;
use crate::timer::Deadline;

impl Keeper {
    /// Starts all children. If one does not start, those that have are stopped in reverse order.
    pub(super) async fn start_all(&mut self, ctx: &mut Context<Supervisor>) -> Result<(), Failure> {
        let blueprint = self.blueprint().clone();
        let slots: Vec<_> = blueprint.specs.iter().map(|spec| (self.add(spec.clone()), spec)).collect();
        for (key, spec) in slots {
            if let Err(cause) = self.start_one(ctx, key).await {
                let children = ctx.cell().children().clone();
                stop_children(children, self.in_slots(), false, ctx.system().clone()).await;
                return Err(Failure::new(StartError { child: spec.id().to_owned(), cause }));
            }
        }
        self.carry_out(ctx);
        Ok(())
    }

    async fn start_one(&mut self, ctx: &mut Context<Supervisor>, key: SlotKey) -> Result<(), StopReason> {
        let now = clock::now();
        self.slots.start(key, true, now);
        let within = self.slots.rules(key).map(|rules| rules.start_within).unwrap_or_default();
        // What that says is done here.
        self.slots.take_actions();
        let (reply, answer) = reply::pair();
        let child = self.launch(key, &ctx.me(), Some(reply))?;
        match started_by(answer, clock::later(now, within), ctx.system()).await {
            Some(Ok(())) => self.slots.started(key, clock::now()),
            Some(Err(StopReason::Ignored)) => {
                self.note_exit(key, StopReason::Ignored, false);
                self.slots.exited(key, Exit { why: Why::Ignored, waits: false }, moment());
                self.carry_out(ctx);
            }
            Some(Err(why)) => return Err(why),
            None => {
                child.kill(Order { why: Asked::Kill, fate: Fate::Last });
                return Err(StopReason::StartFailed(Failure::new(format!("not within {within:?}"))));
            }
        }
        Ok(())
    }
}

/// How a start has gone; `None` if it takes too long.
async fn started_by(
    answer: Answer<(), StopReason>,
    until: Instant,
    system: &SystemHandle,
) -> Option<Result<(), StopReason>> {
    let mut deadline = Deadline::at(until);
    poll_fn(|cx| match answer.poll(cx) {
        Poll::Pending => deadline.poll(system, cx).map(|()| None),
        Poll::Ready(Outcome::Replied(started)) => Poll::Ready(Some(started)),
        Poll::Ready(Outcome::Lost | Outcome::Undelivered | Outcome::Stalled) => {
            Poll::Ready(Some(Err(StopReason::Killed)))
        }
    })
    .await
}
