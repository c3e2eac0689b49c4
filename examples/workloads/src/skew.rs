//! `skew`: does the work that is made on one worker reach the others?

use std::error::Error;
use std::time::Duration;

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::collector::{Collector, CollectorRef};
use crate::report::Extra;
use crate::signal::{Done, finish, sure};
use crate::work::{spin, spins_in};

/// How many actors there is work for.
pub(crate) const ACTORS: u64 = 10_000;

/// What each message costs.
const COST: Duration = Duration::from_micros(20);

/// Has work to do.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Labourer {
    left: u64,
    to: CollectorRef,
}

#[messages]
impl Labourer {
    /// Does a piece of it, and says when that was the last one.
    #[message]
    fn work(&mut self, spins: u64) {
        spin(spins);
        self.left -= 1;
        if self.left == 0 {
            sure(self.to.take(1).tell());
        }
    }
}

/// Hands out all the work, on one worker.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Foreman {
    to: CollectorRef,
    begun: Done,
}

#[messages]
impl Foreman {
    /// Makes the actors, then tells each in turn, so many rounds.
    #[message]
    fn hand_out(&mut self, rounds: u64, spins: u64, ctx: &mut Context<Self>) {
        let labourer = |_| {
            let to = self.to.clone();
            sure(ctx.spawn(move || Labourer { left: rounds, to: to.clone() }))
        };
        let labourers: Vec<LabourerRef> = (0..ACTORS).map(labourer).collect();
        self.begun.fire();
        for _ in 0..rounds {
            for labourer in &labourers {
                sure(labourer.work(spins).tell());
            }
        }
    }
}

/// How much spinning makes up the cost of a message.
pub(crate) fn spins() -> u64 {
    spins_in(COST)
}

/// `n` pieces of work for ten thousand actors, from the first message to the last answer.
pub(crate) fn skew(system: &SystemHandle, n: u64, spins: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let begun = done.clone();
    let collector = system.actor(move || Collector::new(ACTORS, done.clone())).start().wait()?;
    let foreman = move || Foreman { to: collector.clone(), begun: begun.clone() };
    let foreman = system.actor(foreman).start().wait()?;
    foreman.hand_out(n / ACTORS, spins).tell()?;
    let (begin, _) = finish.one()?;
    Ok(finish.one()?.0 - begin)
}

/// How much of what the workers could have done they have done.
pub(crate) fn efficiency(n: u64, workers: usize, took: Duration) -> Extra {
    let ideal = n as f64 * COST.as_secs_f64() / workers as f64;
    Extra::default().number("ideal_secs", ideal).number("efficiency", ideal / took.as_secs_f64())
}
