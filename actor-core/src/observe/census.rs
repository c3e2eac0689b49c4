//! How many actors of each kind have begun and ended, as one worker has counted them.
//!
//! A row of counters that grows with the kinds there are: in chunks, each twice as long as the one
//! before and made when it is first needed, so that readers never wait and nothing moves. There are as
//! many kinds as the program's text has places that spawn, so this ends somewhere.

#[cfg(all(test, loom))]
mod model;

use crate::sync::{AtomicU64, OnceLock, Ordering};

/// The length of the first chunk; a model needs but one place.
const FIRST: usize = if cfg!(loom) { 1 } else { 32 };
const CHUNKS: usize = 24;

struct Tally {
    started: AtomicU64,
    ended: AtomicU64,
}

pub(super) struct Census {
    chunks: [OnceLock<Box<[Tally]>>; CHUNKS],
}

/// The chunk and the place in it.
fn place_of(kind: usize) -> (usize, usize) {
    let chunk = ((kind / FIRST) + 1).ilog2() as usize;
    (chunk, kind - FIRST * ((1 << chunk) - 1))
}

impl Census {
    pub(super) fn new() -> Self {
        Census { chunks: std::array::from_fn(|_| OnceLock::new()) }
    }

    fn of(&self, kind: usize) -> &Tally {
        let (chunk, place) = place_of(kind);
        let make = || (0..FIRST << chunk).map(|_| Tally::new()).collect();
        &self.chunks[chunk].get_or_init(make)[place]
    }

    fn look(&self, kind: usize) -> Option<&Tally> {
        let (chunk, place) = place_of(kind);
        Some(&self.chunks[chunk].get()?[place])
    }

    /// Counts an actor that begins. Only one thread may call this and [`ended`](Self::ended).
    pub(super) fn started(&self, kind: usize) {
        let started = &self.of(kind).started;
        // Relaxed: see `ended`.
        started.store(started.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts an actor that has ended. For the same thread as [`started`](Self::started).
    pub(super) fn ended(&self, kind: usize) {
        let ended = &self.of(kind).ended;
        // Release: with the acquire in `ended_so_far`. The actor's start was counted before its first
        // turn was queued, so who sees the end counted sees the start counted.
        ended.store(ended.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The same for any thread, in a census that is counted in by this only.
    pub(super) fn started_anywhere(&self, kind: usize) {
        self.of(kind).started.fetch_add(1, Ordering::Relaxed);
    }

    /// As above.
    pub(super) fn ended_anywhere(&self, kind: usize) {
        // Release: as in `ended`.
        self.of(kind).ended.fetch_add(1, Ordering::Release);
    }

    /// How many actors of a kind have begun and how many have ended, as all of these have counted them.
    /// Never more ends than beginnings: first those that have ended are read, and whose end is counted,
    /// its beginning is seen then.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Census> + Clone, kind: usize) -> (u64, u64) {
        let ended = all.clone().map(|census| census.ended_so_far(kind)).sum();
        let started = all.map(|census| census.started_so_far(kind)).sum();
        (started, ended)
    }

    fn started_so_far(&self, kind: usize) -> u64 {
        self.look(kind).map_or(0, |tally| tally.started.load(Ordering::Relaxed))
    }

    fn ended_so_far(&self, kind: usize) -> u64 {
        // Acquire: with the release in `ended`.
        self.look(kind).map_or(0, |tally| tally.ended.load(Ordering::Acquire))
    }
}

impl Tally {
    fn new() -> Self {
        Tally { started: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        let mut expected = (0, 0);
        for kind in 0..100_000 {
            assert_eq!(place_of(kind), expected, "kind {kind}");
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn kinds_are_counted_apart() {
        let census = Census::new();
        for kind in [0, 31, 32, 95, 96, 5000] {
            census.started(kind);
            census.started(kind);
            census.ended(kind);
        }
        for kind in [0, 31, 32, 95, 96, 5000] {
            assert_eq!((census.started_so_far(kind), census.ended_so_far(kind)), (2, 1));
            assert_eq!(census.started_so_far(kind + 1), if kind == 31 || kind == 95 { 2 } else { 0 });
        }
        assert_eq!(census.started_so_far(1 << 20), 0, "a chunk that nobody has made");
    }
}
