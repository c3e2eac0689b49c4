//! What only some platforms have, each with what the others do instead.
//!
//! * [`affinity`]: the cores that this process may use, and a thread that is to stay on one;
//! * [`quota`]: how much processor time its control groups allow;
//! * [`pages`]: memory straight from the operating system;
//! * [`prefetch`]: having memory fetched before it is needed;
//! * [`topology`]: which cores are near one another;
//! * `stack`: where a thread is in its code;
//! * [`thread`]: what the system knows of a thread, its priority, and a barrier that one thread pays for;
//! * here: a cheap clock, and how many workers there are if nobody says.

pub(crate) mod affinity;
pub(crate) mod pages;
pub(crate) mod prefetch;
pub(crate) mod quota;
#[cfg(all(feature = "stacks", target_os = "linux", target_arch = "x86_64", not(any(loom, shuttle))))]
pub(crate) mod stack;
pub(crate) mod thread;
pub(crate) mod topology;

use std::num::NonZeroUsize;
use std::path::Path;

/// A clock that is cheap to read and ticks every few milliseconds, in nanoseconds: to see that much time has passed,
/// not how much. Linux keeps one (`CLOCK_MONOTONIC_COARSE`), which costs a tenth of the exact clock.
#[cfg(target_os = "linux")]
#[cfg_attr(shuttle, allow(dead_code))]
pub(crate) fn coarse_ticks() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// How much processor time this thread has had; `None` where that cannot be told.
pub(crate) fn own_time() -> Option<std::time::Duration> {
    #[cfg(all(target_os = "linux", not(shuttle)))]
    {
        use rustix::time::{ClockId, clock_gettime};
        let had = clock_gettime(ClockId::ThreadCPUTime);
        Some(std::time::Duration::new(had.tv_sec as u64, had.tv_nsec as u32))
    }
    #[cfg(not(all(target_os = "linux", not(shuttle))))]
    None
}

/// Elsewhere the exact clock is read, to the millisecond.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_ticks() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64 * 1_000_000
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

/// How many threads can really run at the same time: as many as there are cores in the process's
/// affinity mask, but not more than its control groups have time for. At least 1.
pub(crate) fn parallelism() -> usize {
    let cores = affinity::allowed().map(|cores| cores.len());
    // Where the mask cannot be read, the standard library may know another way.
    let cores = cores.or_else(|| std::thread::available_parallelism().ok().map(NonZeroUsize::get));
    parallelism_of(cores, quota::cores(Path::new("/")))
}

fn parallelism_of(cores: Option<usize>, quota: Option<usize>) -> usize {
    cores.unwrap_or(1).min(quota.unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_mask_and_quota_counts_and_there_is_always_one() {
        assert_eq!(parallelism_of(Some(8), None), 8);
        assert_eq!(parallelism_of(Some(8), Some(3)), 3);
        assert_eq!(parallelism_of(Some(2), Some(16)), 2);
        assert_eq!(parallelism_of(None, Some(4)), 1);
        assert_eq!(parallelism_of(Some(0), Some(0)), 1);
    }

    /// A tree of files for a test, gone with the value.
    pub(crate) struct Tree(pub(crate) std::path::PathBuf);

    impl Tree {
        pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Tree {
            let root = std::env::temp_dir().join(format!("actor-core-{name}-{}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
                std::fs::write(path, content).expect("a file");
            }
            Tree(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            // If it stays, it is in the way of nobody.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
