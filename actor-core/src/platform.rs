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

/// For how long, since the system was started, something in this container or on this machine has waited for a processor.
/// Linux tells it (pressure stall information), if it was built to; `None` elsewhere.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_stalled() -> Option<std::time::Duration> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| {
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        std::fs::read_to_string(format!("/sys/fs/cgroup/{group}/cpu.pressure")).ok()
    });
    let text = own.or_else(|| std::fs::read_to_string("/proc/pressure/cpu").ok())?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split_whitespace().find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok().map(std::time::Duration::from_micros)
}

/// Elsewhere nothing is known.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_stalled() -> Option<std::time::Duration> {
    None
}
