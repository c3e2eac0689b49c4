//! A count of what happened lately, by those who look at it now and then.

// From the standard library even in models, as all of a kind is.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;

/// What is counted is forgotten after one to two of these.
const PERIOD: Duration = Duration::from_secs(8);

/// How many there were in this period and in the one before. Who adds to it while the period changes may be forgotten.
pub(super) struct Lately {
    period: AtomicU64,
    now: AtomicU64,
    before: AtomicU64,
}

fn period() -> u64 {
    clock::coarse() / PERIOD.as_nanos() as u64
}

impl Lately {
    pub(super) const fn none() -> Self {
        Lately { period: AtomicU64::new(0), now: AtomicU64::new(0), before: AtomicU64::new(0) }
    }

    pub(super) fn add(&self, n: u64) {
        self.add_in(period(), n);
    }

    pub(super) fn get(&self) -> u64 {
        self.get_in(period())
    }

    // Relaxed, all: it tells about how many there were, and nothing else.

    fn add_in(&self, period: u64, n: u64) {
        let last = self.period.load(Ordering::Relaxed);
        let begins = last != period
            && self.period.compare_exchange(last, period, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if begins {
            let then = self.now.swap(0, Ordering::Relaxed);
            self.before.store(if last + 1 == period { then } else { 0 }, Ordering::Relaxed);
        }
        self.now.fetch_add(n, Ordering::Relaxed);
    }

    fn get_in(&self, period: u64) -> u64 {
        let now = self.now.load(Ordering::Relaxed);
        match period.wrapping_sub(self.period.load(Ordering::Relaxed)) {
            0 => now + self.before.load(Ordering::Relaxed),
            1 => now,
            _ => 0,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_counts_this_period_and_the_one_before() {
        let count = Lately::none();
        count.add_in(7, 1);
        count.add_in(7, 2);
        assert_eq!((count.get_in(7), count.get_in(8), count.get_in(9)), (3, 3, 0));
        count.add_in(8, 10);
        assert_eq!((count.get_in(8), count.get_in(9)), (13, 10));
        count.add_in(10, 100);
        assert_eq!(count.get_in(10), 100, "nothing was in the period before");
    }
}
