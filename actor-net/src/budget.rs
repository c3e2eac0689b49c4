//! How many bytes may wait for peers in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes that may wait to be sent in all connections of a system together; each of these has
/// a [cap](crate::Options::cap) of its own. A clone is the same budget.
///
/// Only what sockets have refused counts, so a peer that reads takes nothing of it. A connection whose
/// bytes no longer fit is treated as one over its cap, by its [policy](crate::WhenSlow); others
/// that have bytes waiting keep them.
///
/// ```
/// use actor_net::Budget;
///
/// let budget = Budget::new(64 << 20);
/// let system = actor_core::System::builder().driver(actor_net::driver_within(&budget)).build()?;
/// assert_eq!(budget.used(), 0);
/// # drop(system);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// The budget of a system that does not say which: 256 MiB.
    pub const USUAL: usize = 256 << 20;

    /// A budget of so many bytes. Each write that waits counts for
    /// [`Options::WRITE_COST`](crate::Options::WRITE_COST) beside its own.
    #[must_use]
    pub fn new(bytes: usize) -> Budget {
        Budget(Arc::new(Inner { limit: bytes, used: AtomicUsize::new(0) }))
    }

    /// How many bytes there may be.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// How many bytes wait now.
    #[must_use]
    pub fn used(&self) -> usize {
        // Relaxed, here and below: a number, which guards nothing.
        self.0.used.load(Ordering::Relaxed)
    }

    /// Takes so many bytes of it, or as many as are left. Says how many.
    pub(crate) fn take(&self, bytes: usize) -> usize {
        let mut taken = 0;
        let take = |used: usize| {
            taken = bytes.min(self.0.limit.saturating_sub(used));
            Some(used + taken)
        };
        let _always_done = self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(Budget::USUAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10);
        let other = budget.clone();
        assert_eq!((budget.take(7), other.take(7), budget.take(1)), (7, 3, 0));
        other.give_back(3);
        assert_eq!((budget.used(), budget.limit()), (7, 10));
    }
}
