//! Actors made by actors: `spawn`, `churn`; and what they cost when they rest.

use std::error::Error;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::collector::{Collector, CollectorRef, all_came};
use crate::signal::{Done, finish, sure};

/// How many short-lived actors there are at a time in `churn`.
const ALIVE: u64 = 1000;

// ---- spawn, idlecpu ------------------------------------------------------------------------------

/// One of very many: tells on what it is told.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Relay {
    to: CollectorRef,
}

#[messages]
impl Relay {
    /// Tells it on.
    #[message]
    fn pass(&mut self, value: u64) {
        sure(self.to.take(value).tell());
    }
}

/// Makes very many actors and keeps their refs.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Spawner {
    to: CollectorRef,
    made: Vec<RelayRef>,
}

#[messages]
impl Spawner {
    /// Makes `count` actors, and tells each one something.
    #[message]
    fn make(&mut self, count: u64, ctx: &mut Context<Self>) {
        self.made.reserve(count as usize);
        for value in 0..count {
            let to = self.to.clone();
            let relay = sure(ctx.spawn(move || Relay { to: to.clone() }));
            sure(relay.pass(value).tell());
            self.made.push(relay);
        }
    }
}

/// One actor makes `n`, each of which gets a message and stays.
pub(crate) fn spawn(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let collector = system.actor(move || Collector::new(n, done.clone())).start().wait()?;
    let spawner = move || Spawner { to: collector.clone(), made: Vec::new() };
    let spawner = system.actor(spawner).start().wait()?;
    let begin = Instant::now();
    spawner.make(n).tell()?;
    let (end, sum) = finish.one()?;
    all_came(sum, n, 1)?;
    Ok(end - begin)
}

// ---- churn ---------------------------------------------------------------------------------------

/// Gives one answer and ends.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Mayfly {
    to: ChurnerRef,
}

#[messages]
impl Mayfly {
    /// Gives the answer.
    #[message]
    fn live(&mut self, value: u64, ctx: &mut Context<Self>) {
        sure(self.to.answer(value).tell());
        ctx.stop();
    }
}

/// Makes a new actor whenever one has answered.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Churner {
    to_make: u64,
    to_answer: u64,
    done: Done,
}

impl Churner {
    fn make_one(&mut self, ctx: &mut Context<Self>) {
        if self.to_make > 0 {
            self.to_make -= 1;
            let to = ctx.me();
            let mayfly = sure(ctx.spawn(move || Mayfly { to: to.clone() }));
            sure(mayfly.live(self.to_make).tell());
        }
    }
}

#[messages]
impl Churner {
    /// Makes the first ones.
    #[message]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..ALIVE {
            self.make_one(ctx);
        }
    }

    /// One has answered.
    #[message]
    fn answer(&mut self, _value: u64, ctx: &mut Context<Self>) {
        self.to_answer -= 1;
        match self.to_answer {
            0 => self.done.fire(),
            _ => self.make_one(ctx),
        }
    }
}

/// `n` actors, a thousand at a time, each of which ends after its first message.
pub(crate) fn churn(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let churner = move || Churner { to_make: n, to_answer: n, done: done.clone() };
    let churner = system.actor(churner).start().wait()?;
    let begin = Instant::now();
    churner.begin().tell()?;
    Ok(finish.one()?.0 - begin)
}
