//! How many connections a server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counters of one server. All relaxed: they are numbers, and guard nothing.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts a connection in, until what it gives is dropped; `None` and counted as refused if
    /// there are `max` already.
    pub(super) fn admit(self: &Arc<Self>, max: usize) -> Option<Place> {
        // Only the acceptor adds, so what is read here can only become less.
        if self.open() >= max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Some(Place(self.clone()))
    }
}

/// A connection's place among the most there may be.
#[derive(Debug)]
pub(super) struct Place(Arc<Counts>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
