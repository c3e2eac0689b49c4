//! What is read from the system, and the times that actors record.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How much memory of the process is resident, in bytes; 0 where there is no `/proc`.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kib.map_or(0, |kib: u64| kib * 1024)
}

/// The CPU time that all threads of the process have used, to the nanosecond.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Not known here.
#[cfg(not(unix))]
pub(crate) fn cpu_time() -> Duration {
    Duration::ZERO
}

/// Lets the process have as many connections as it may.
#[cfg(unix)]
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If it is refused, the limit that there is will do for all but the largest runs.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(crate) fn raise_open_files() {}

/// A place for each message to record how late it was handled, shared by all who handle them.
#[derive(Debug)]
pub(crate) struct Samples(Box<[AtomicU32]>);

/// What a sample counts.
const TICK: Duration = Duration::from_nanos(100);

impl Samples {
    /// Places for the messages 0 to `count - 1`.
    pub(crate) fn new(count: usize) -> Samples {
        Samples((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    /// Records that message `id`, which was due or sent at `at`, is handled now.
    pub(crate) fn record(&self, id: usize, at: Instant) {
        // Relaxed: read when a signal has come, or as a snapshot.
        self.0[id].store(ticks(at.elapsed()).max(1), Ordering::Relaxed);
    }

    /// How late message `id` was; `None` if it was not handled yet.
    pub(crate) fn get(&self, id: usize) -> Option<Duration> {
        // Relaxed: see `record`.
        let ticks = self.0[id].load(Ordering::Relaxed);
        (ticks > 0).then(|| TICK * ticks)
    }

    /// All that were recorded.
    pub(crate) fn recorded(&self) -> Latencies {
        (0..self.0.len()).filter_map(|id| self.get(id)).collect()
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX)
}

/// Times in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many are longer than `limit`.
    pub(crate) fn count_over(&self, limit: Duration) -> usize {
        self.0.len() - self.0.partition_point(|time| *time <= limit)
    }

    /// The time at `quantile`, from 0 to 1, in microseconds; 0 if there is none.
    pub(crate) fn micros(&self, quantile: f64) -> f64 {
        let at = (self.0.len() as f64 * quantile) as usize;
        self.0.get(at).or(self.0.last()).map_or(0.0, |time| time.as_nanos() as f64 / 1000.0)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Latencies(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let latencies: Latencies = (1..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(latencies.micros(0.0), 1.0);
        assert_eq!(latencies.micros(0.5), 51.0);
        assert_eq!(latencies.micros(0.99), 100.0);
        assert_eq!(latencies.micros(1.0), 100.0);
        assert_eq!(latencies.count_over(Duration::from_micros(97)), 3);
        assert_eq!(Latencies::from_iter([]).micros(0.5), 0.0);
    }

    #[test]
    fn what_was_not_handled_is_not_recorded() {
        let samples = Samples::new(3);
        samples.record(1, Instant::now());
        assert!(samples.get(1).is_some());
        assert_eq!((samples.get(0), samples.recorded().len()), (None, 1));
    }
}
