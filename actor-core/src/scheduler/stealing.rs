//! Stealing: what a worker that has nothing takes from the others, and what it had better leave where it is.

use std::time::{Duration, Instant};

use crate::cell::task::Task;
use crate::clock;
use crate::observe::{self, Count};
use crate::scheduler::watched::Watched;
use crate::scheduler::{Queue, Remote, Scheduler, distance};
use crate::sync::Ordering;

/// How much work a worker's queue holds, by what turns took there of late, when others help. Fetching it from
/// another core's cache and waking somebody for it costs much of that.
const WORTH_STEALING: Duration = Duration::from_micros(50);
/// The same where that cache is close: then more is gained by two that run than lost by what they fetch. A turn with a
/// few messages is enough.
const WORTH_STEALING_CLOSE: Duration = Duration::from_nanos(100);

impl Scheduler {
    /// Takes half of what another worker has, if that is worth it.
    pub(super) fn steal_from_others(
        &self,
        thief: usize,
        queue: &Queue<Task>,
        watched: &mut Watched,
    ) -> Option<Task> {
        observe::count(Count::StealAttempts);
        let now = clock::now();
        let steal_from = |victim: usize| {
            let worth_it = self.is_worth_stealing(victim, watched, now);
            worth_it.then(|| self.remote(victim).stealer.steal(queue)).flatten()
        };
        let near = &self.remote(thief).near;
        let stolen = if near.is_flat() {
            self.victims(thief).find_map(steal_from)?
        } else {
            near.victims(self.workers(), clock::below).find_map(steal_from)?
        };
        // The queue was empty: what is in it now was stolen too.
        observe::add(Count::Stolen, 1 + queue.len() as u64);
        Some(stolen)
    }

    /// The other workers, in the order in which a thief looks at them if all are equally near. The retired ones
    /// too: one whose handler has not returned has not handed its queue over.
    fn victims(&self, thief: usize) -> impl Iterator<Item = usize> {
        let workers = self.workers();
        let start = clock::below(workers);
        (0..workers).map(move |step| (start + step) % workers).filter(move |victim| *victim != thief)
    }

    /// Whether a worker has so much in its queue that another one should take half of it, or does not get on with
    /// it. What is done in less time than it takes to fetch it from another core's cache had better stay.
    fn is_worth_stealing(&self, victim: usize, watched: &mut Watched, now: Instant) -> bool {
        let remote = self.remote(victim);
        // Relaxed: an estimate.
        let turn_nanos = u64::from(remote.turn_nanos.load(Ordering::Relaxed));
        let backlog = Duration::from_nanos(remote.stealer.len() as u64 * turn_nanos);
        let stands_still = watched.stands_still(victim, remote.stealer.taken(), now);
        backlog >= WORTH_STEALING
            || stands_still && !remote.stealer.is_empty()
            || backlog >= WORTH_STEALING_CLOSE && watched.is_close(victim, now, || remote.distance())
    }

    /// Whether there is something for a searching worker to take.
    pub(super) fn is_worth_searching(&self, thief: usize, watched: &mut Watched) -> bool {
        let now = clock::now();
        !self.global.is_empty()
            || self.victims(thief).any(|victim| self.is_worth_stealing(victim, watched, now))
    }
}

impl Remote {
    /// How far the core that runs the worker is, if turns follow one another there.
    fn distance(&self) -> Option<Duration> {
        let hand = self.hand.lock().clone()?;
        distance::measure(|| hand.doing.turn())
    }
}
