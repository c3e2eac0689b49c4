//! Time and chance: nothing outside this module reads the clock or draws a random number, so that
//! a simulation can put its own in place of both: `simulated`, for runs under made-up schedules, and `sim::seam`, for
//! [`sim`](crate::sim).

#[cfg(not(shuttle))]
mod real;
#[cfg(shuttle)]
pub(crate) mod simulated;

use std::time::{Duration, Instant};

#[cfg(not(shuttle))]
pub(crate) use real::{below, chance, coarse, now};
#[cfg(shuttle)]
pub(crate) use simulated::{below, chance, coarse, now};

/// `delay` from `start`, or the far future (a century) where the sum has no representation.
pub(crate) fn later(start: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    start.checked_add(delay).unwrap_or_else(|| start + CENTURY)
}
