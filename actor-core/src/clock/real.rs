//! The clock of the machine, and chance.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

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
