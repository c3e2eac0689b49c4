//! What a searching worker has seen of the others: how far they have got with their queues, and how far away they are.

use std::time::{Duration, Instant};

use crate::scheduler::distance::Distance;
use crate::scheduler::worker::NAP;

/// One entry for each worker.
#[derive(Default)]
pub(super) struct Watched(Vec<Seen>);

struct Seen {
    /// How much the worker has taken out of its queue, and since when it is so much.
    taken: usize,
    since: Instant,
    distance: Distance,
}

impl Watched {
    /// Whether a worker has taken nothing out of its queue for long, as far as was seen. `taken` is how much it
    /// has taken out by now.
    pub(super) fn stands_still(&mut self, worker: usize, taken: usize, now: Instant) -> bool {
        let seen = self.of(worker, now);
        if seen.taken != taken {
            (seen.taken, seen.since) = (taken, now);
        }
        now.saturating_duration_since(seen.since) >= NAP
    }

    /// Whether a worker's core is close to this one. `measure` tells how far it is, if it can.
    pub(super) fn is_close(
        &mut self,
        worker: usize,
        now: Instant,
        measure: impl FnOnce() -> Option<Duration>,
    ) -> bool {
        self.of(worker, now).distance.is_short(now, measure)
    }

    fn of(&mut self, worker: usize, now: Instant) -> &mut Seen {
        if self.0.len() <= worker {
            // Zero may be what it has taken, but not for long.
            self.0.resize_with(worker + 1, || Seen {
                taken: 0,
                since: now,
                distance: Distance::unknown(now),
            });
        }
        &mut self.0[worker]
    }

    /// What was seen before a time when nobody watched says nothing.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
