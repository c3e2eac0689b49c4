//! What only some platforms have, each with what the others do instead.

/// A clock that is cheap to read and ticks every few milliseconds: to see that much time has passed,
/// not how much. Linux keeps one (`CLOCK_MONOTONIC_COARSE`), which costs a tenth of the exact clock.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_ticks() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Elsewhere the exact clock is read, in milliseconds.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_ticks() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}
