//! Time and chance: nothing outside this module reads the clock or draws a random number, so that
//! a simulation can put its own in place of both.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The time now, on the monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A reading of a clock that is cheap and ticks every few milliseconds: another one means that much
/// time may have passed.
#[inline]
pub(crate) fn coarse() -> u64 {
    crate::platform::coarse_ticks()
}

/// `delay` from `start`, or the far future (a century) where the sum has no representation.
pub(crate) fn later(start: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    start.checked_add(delay).unwrap_or_else(|| start + CENTURY)
}

/// A number below `n`, from a generator of the thread's own (xorshift; not for secrets).
pub(crate) fn below(n: usize) -> usize {
    thread_local!(static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1));
    STATE.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        (x % n.max(1) as u64) as usize
    })
}
