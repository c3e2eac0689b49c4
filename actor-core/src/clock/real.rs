//! The clock of the machine, and chance.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

/// The time now, on the monotonic clock.
pub(crate) fn now() -> Instant {
    #[cfg(feature = "sim")]
    if let Some(now) = crate::sim::seam::now() {
        return now;
    }
    Instant::now()
}

/// A reading of a clock that is cheap and ticks every few milliseconds: another one means that much
/// time may have passed.
#[inline]
pub(crate) fn coarse() -> u64 {
    #[cfg(feature = "sim")]
    if let Some(ticks) = crate::sim::seam::coarse() {
        return ticks;
    }
    crate::platform::coarse_ticks()
}

/// A number below `n` that what actors do depends on, and not only how soon they do it.
pub(crate) fn chance(n: usize) -> usize {
    #[cfg(feature = "sim")]
    if let Some(drawn) = crate::sim::seam::chance(n) {
        return drawn;
    }
    below(n)
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
