//! What a crash costs: who crashes (`restart`), and the others (`restartstorm`).

use std::error::Error;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{SupervisorBuilder, SystemHandle};

use crate::latency::{Pinged, Pings};
use crate::probe::Samples;
use crate::report::Extra;
use crate::signal::{Done, Finish, finish, sure};
use crate::work::{spin, spins_in};

/// How many actors crash in `restartstorm` unless the command line says so.
pub(crate) const CRASHERS: u64 = 100;

/// How many of them each supervisor has.
const EACH: u64 = 10;

/// How many actors are pinged in `restartstorm`.
const PINGED: u64 = 1_000;

/// Crashes, and is told to again when it is back.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Phoenix {
    samples: Arc<Samples>,
    rounds: usize,
    done: Done,
}

#[messages]
impl Phoenix {
    /// Panics, with a message behind this one.
    #[message]
    fn crash(&mut self, round: usize, ctx: &mut Context<Self>) {
        sure(ctx.me().back(round, Instant::now()).tell());
        panic!("on purpose")
    }

    /// The new incarnation's first message.
    #[message]
    fn back(&mut self, round: usize, crashed: Instant, ctx: &mut Context<Self>) {
        self.samples.record(round, crashed);
        match round + 1 {
            next if next == self.rounds => self.done.fire(),
            next => sure(ctx.me().crash(next).tell()),
        }
    }
}

/// Crashes with each message, or does as it should for as long as a crash takes.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Crasher {
    left: Arc<AtomicU64>,
    done: Done,
}

#[messages]
impl Crasher {
    /// Panics.
    #[message]
    fn crash(&mut self) {
        self.count();
        panic!("on purpose")
    }

    /// Computes.
    #[message]
    fn work(&mut self, steps: u64) {
        spin(steps);
        self.count();
    }
}

impl Crasher {
    fn count(&self) {
        // Relaxed: it is counted, and nothing else.
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.fire();
        }
    }
}

/// One actor crashes `n` times as a supervisor's only slot, and one as a child without a slot; how long each was between
/// panic and first message. With the time of the first.
pub(crate) fn restart(system: &SystemHandle, n: u64) -> Result<(Duration, Extra), Box<dyn Error>> {
    panic::set_hook(Box::new(|_| ()));
    let in_slot = |factory: Factory| {
        let child = Child::new(factory);
        supervisor(system).child(child.spec("phoenix")).start().wait()?;
        child.get().ok_or_else(|| "the child is not there".into())
    };
    let without = |factory: Factory| Ok(supervisor(system).spawn()?.spawn(factory)?);
    crash(n / 10, in_slot)?;
    let (took, slot) = crash(n, in_slot)?;
    let (_, other) = crash(n, without)?;
    let extra = Extra::default().latencies("", &slot.recorded());
    Ok((took, extra.latencies("no_slot_", &other.recorded())))
}

type Factory = Box<dyn Fn() -> Phoenix + Send + Sync>;

fn crash(
    n: u64,
    spawn: impl FnOnce(Factory) -> Result<PhoenixRef, Box<dyn Error>>,
) -> Result<(Duration, Arc<Samples>), Box<dyn Error>> {
    let rounds = n.max(1) as usize;
    let samples = Arc::new(Samples::new(rounds));
    let (done, finish) = finish();
    let state = samples.clone();
    let phoenix = spawn(Box::new(move || Phoenix { samples: state.clone(), rounds, done: done.clone() }))?;
    let begin = Instant::now();
    phoenix.crash(0).tell()?;
    let (end, _) = finish.one()?;
    Ok((end - begin, samples))
}

/// One that never gives up.
fn supervisor(system: &SystemHandle) -> SupervisorBuilder {
    system.supervisor().intensity(u32::MAX, Duration::from_millis(1))
}

/// Pings for `secs`; then for as long as `crashers` actors take for `n` crashes; then for as long as they take for `n` messages
/// that cost as much and do no harm. With the time of the crashes.
pub(crate) fn restartstorm(
    system: &SystemHandle,
    n: u64,
    crashers: u64,
    secs: Duration,
) -> Result<(Duration, Extra), Box<dyn Error>> {
    panic::set_hook(Box::new(|_| ()));
    storm(system, n / 10, crashers, |crasher| crasher.crash().tell())?.wait()?;
    let quiet = Pings::new(system, PINGED, secs)?.run()?;
    let (took, stormy) = pinged(system, n, crashers, secs, |crasher| crasher.crash().tell())?;
    let cost = took * system.workers() as u32 / n.max(1) as u32;
    let steps = spins_in(cost);
    let (worked, busy) = pinged(system, n, crashers, secs, |crasher| crasher.work(steps).tell())?;
    let extra = Extra::default()
        .number("pings", stormy.late().len() as f64)
        .number("busy_secs", worked.as_secs_f64())
        .latencies("quiet_", quiet.late())
        .latencies("busy_", busy.late());
    Ok((took, extra.latencies("", stormy.late())))
}

/// Pings for as long as `crashers` actors take for what they are told, `n` times in all, and how long that is.
fn pinged<E: Error + 'static>(
    system: &SystemHandle,
    n: u64,
    crashers: u64,
    secs: Duration,
    tell: impl Fn(&CrasherRef) -> Result<(), E>,
) -> Result<(Duration, Pinged), Box<dyn Error>> {
    let pings = Pings::new(system, PINGED, secs)?;
    let begin = Instant::now();
    let storm = storm(system, n, crashers, tell)?;
    let pinged = pings.run_while(|| storm.goes_on())?;
    Ok((storm.wait()? - begin, pinged))
}

/// Crashes under way, or work.
struct Storm {
    left: Arc<AtomicU64>,
    finish: Finish,
}

impl Storm {
    fn goes_on(&self) -> bool {
        // Relaxed: see `Crasher::count`.
        self.left.load(Ordering::Relaxed) > 0
    }

    fn wait(self) -> Result<Instant, Box<dyn Error>> {
        Ok(self.finish.one()?.0)
    }
}

fn storm<E: Error + 'static>(
    system: &SystemHandle,
    n: u64,
    crashers: u64,
    tell: impl Fn(&CrasherRef) -> Result<(), E>,
) -> Result<Storm, Box<dyn Error>> {
    let each = (n / crashers).max(1);
    let left = Arc::new(AtomicU64::new(each * crashers));
    let (done, finish) = finish();
    let mut refs = Vec::new();
    for first in (0..crashers).step_by(EACH as usize) {
        let above = supervisor(system).spawn()?;
        for _ in first..crashers.min(first + EACH) {
            let state = (left.clone(), done.clone());
            refs.push(above.spawn(move || Crasher { left: state.0.clone(), done: state.1.clone() })?);
        }
    }
    for _ in 0..each {
        refs.iter().try_for_each(&tell)?;
    }
    Ok(Storm { left, finish })
}
