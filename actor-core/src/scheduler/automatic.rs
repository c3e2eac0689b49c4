//! The automatic parallelism: a thread that looks at the queues now and then, and raises or lowers the parallelism
//! with what the [`Controller`] says. There is none unless it is asked for, and it sleeps while all workers do.

mod controller;

use std::io;
use std::time::Duration;

use crate::clock;
use crate::platform;
use crate::scheduler::Scheduler;
use crate::sync;
use crate::system::SystemHandle;
use controller::{Controller, Sample};

/// The time between two looks.
const EVERY: Duration = Duration::from_millis(50);

/// Starts the thread; it ends with the system. It never goes below `floor`.
pub(crate) fn start(system: SystemHandle, floor: usize) -> io::Result<()> {
    sync::start(format!("{}-auto", system.scheduler().recipe.name), move || run(&system, floor))
}

fn run(system: &SystemHandle, floor: usize) {
    let scheduler = system.scheduler();
    let mut controller = Controller::new(floor, scheduler.max_workers());
    let mut looks = Looks::new(scheduler);
    while !scheduler.is_stopping() {
        scheduler.automatic.sleep(EVERY, || scheduler.is_idle() && !scheduler.is_stopping());
        let (sample, parallelism) = (looks.look(scheduler), scheduler.parallelism());
        if let Some(wanted) = controller.look(parallelism, &sample) {
            match Scheduler::set_parallelism(system, wanted) {
                Ok(()) => tracing::debug!(from = parallelism, to = wanted, ?sample, "parallelism changed"),
                Err(error) => tracing::warn!(%error, wanted, "the parallelism cannot be changed"),
            }
        }
    }
}

/// What the last look saw, for the difference to the next one.
struct Looks {
    at: std::time::Instant,
    taken: usize,
    stalled: Option<Duration>,
}

impl Looks {
    fn new(scheduler: &Scheduler) -> Self {
        Looks { at: clock::now(), taken: scheduler.taken(), stalled: platform::cpu_stalled() }
    }

    fn look(&mut self, scheduler: &Scheduler) -> Sample {
        let last = std::mem::replace(self, Looks::new(scheduler));
        let passed = self.at.saturating_duration_since(last.at);
        let pressure = self.stalled.zip(last.stalled).map(|(now, before)| {
            now.saturating_sub(before).as_secs_f64() / passed.as_secs_f64().max(f64::MIN_POSITIVE)
        });
        Sample {
            now: self.at,
            passed,
            queued: scheduler.queued(),
            taken: self.taken.wrapping_sub(last.taken),
            idle: scheduler.idle(),
            pressure,
        }
    }
}

impl Scheduler {
    /// How many turns were taken out of queues so far. A difference of two of these is exact; wraps around.
    fn taken(&self) -> usize {
        self.remotes().fold(self.global.taken(), |sum, remote| sum.wrapping_add(remote.stealer.taken()))
    }

    /// How many turns wait in queues.
    fn queued(&self) -> usize {
        self.global.len() + self.remotes().map(|remote| remote.stealer.len()).sum::<usize>()
    }

    fn idle(&self) -> usize {
        self.sleep.idle()
    }

    /// Whether all active workers are idle.
    pub(super) fn is_idle(&self) -> bool {
        self.idle() >= self.parallelism()
    }
}
