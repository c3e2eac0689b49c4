//! `timers`: very many of them, and how late their messages are; `idletimers`: what waiting costs.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::collector::{Collector, CollectorRef};
use crate::probe::{self, Samples};
use crate::report::Extra;
use crate::signal::{Done, finish, sure};
use crate::work::Random;

/// How many actors arm timers.
pub(crate) const ACTORS: u64 = 1000;

/// No timer is armed for longer.
const LONGEST: Duration = Duration::from_secs(2);

/// Arms timers, and takes what they send.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Sleeper {
    number: u64,
    count: u64,
    left: u64,
    samples: Arc<Samples>,
    done: Done,
}

#[messages]
impl Sleeper {
    /// Arms all of them at once.
    #[started]
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let mut random = Random::new(self.number);
        let first = self.number * self.count;
        for id in first..first + self.count {
            let delay = Duration::from_nanos(random.below(LONGEST.as_nanos() as u64));
            let due = Instant::now() + delay;
            ctx.after(delay, SleeperFired { id: id as usize, due });
        }
    }

    /// A timer has fired.
    #[message]
    fn fired(&mut self, id: usize, due: Instant) {
        self.samples.record(id, due);
        self.left -= 1;
        if self.left == 0 {
            self.done.fire();
        }
    }
}

/// A thousand actors arm `n` timers, each for a random time up to two seconds.
pub(crate) fn timers(system: &SystemHandle, n: u64) -> Result<(Duration, Extra), Box<dyn Error>> {
    let samples = Arc::new(Samples::new(n as usize));
    let (done, finish) = finish();
    let cpu_before = probe::cpu_time();
    let begin = Instant::now();
    for number in 0..ACTORS {
        let (samples, done, count) = (samples.clone(), done.clone(), n / ACTORS);
        system.spawn(move || Sleeper {
            number,
            count,
            left: count,
            samples: samples.clone(),
            done: done.clone(),
        })?;
    }
    let (end, _) = finish.all(ACTORS)?;
    let cpu = probe::cpu_time().saturating_sub(cpu_before);
    let late = samples.recorded();
    let extra = Extra::default()
        .latencies("late_", &late)
        .number("cpu_secs", cpu.as_secs_f64())
        .number("fired", late.len() as f64);
    Ok((end - begin, extra))
}

// ---- idletimers ----------------------------------------------------------------------------------

/// Waits for a time that does not come.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Waiter {
    to: CollectorRef,
}

#[messages]
impl Waiter {
    /// Arms the timer and says so.
    #[started]
    fn wait(&mut self, ctx: &mut Context<Self>) {
        ctx.after(Duration::from_secs(3600), WaiterGetUp);
        sure(self.to.take(1).tell());
    }

    /// It was an hour.
    #[message]
    fn get_up(&mut self) {}
}

/// `n` actors, each with a timer that is due in an hour.
pub(crate) fn in_an_hour(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let collector = system.actor(move || Collector::new(n, done.clone())).start().wait()?;
    let begin = Instant::now();
    for _ in 0..n {
        let to = collector.clone();
        system.spawn(move || Waiter { to: to.clone() })?;
    }
    Ok(finish.one()?.0 - begin)
}
