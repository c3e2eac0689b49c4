//! Histograms of times: a [`Recorder`] that one thread writes, and the [`Histogram`] that a reader makes
//! of several.
//!
//! The buckets are log-linear, as in HdrHistogram: each power of two is divided into eight equal parts.
//! So a bucket is at most an eighth as wide as the times in it are long, and its middle is at most a
//! sixteenth (6.25 %) from any of them.

use std::fmt;
use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// Parts of a power of two, as a power of two.
const PART_BITS: u32 = 3;
const PARTS: usize = 1 << PART_BITS;
/// Times of 2 to this power of nanoseconds and more (4.9 h) are in the last bucket.
const LONGEST: u32 = 44;
const BUCKETS: usize = PARTS * (LONGEST - PART_BITS + 1) as usize;

/// The bucket of a time in nanoseconds.
fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2();
    if power >= LONGEST {
        return BUCKETS - 1;
    }
    let part = (nanos >> (power - PART_BITS)) as usize - PARTS;
    PARTS * (power - PART_BITS + 1) as usize + part
}

/// The least time in a bucket, and how many there are in it, in nanoseconds.
fn range_of(bucket: usize) -> (u64, u64) {
    let (group, part) = (bucket / PARTS, (bucket % PARTS) as u64);
    if group == 0 {
        return (part, 1);
    }
    let width = 1 << (group - 1);
    ((PARTS as u64 + part) * width, width)
}

/// A histogram that one thread writes, and any thread reads.
pub(super) struct Recorder {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Recorder { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }

    /// Adds `weight` times of this length. For one thread only.
    pub(super) fn record(&self, time: Duration, weight: u64) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = &self.buckets[bucket_of(nanos)];
        // Relaxed: a histogram orders nothing; and nobody else writes, so nothing is lost between
        // load and store.
        bucket.store(bucket.load(Ordering::Relaxed) + weight, Ordering::Relaxed);
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.store(nanos, Ordering::Relaxed);
        }
    }

    /// Adds what was recorded to a reader's histogram.
    pub(super) fn add_to(&self, histogram: &mut Histogram) {
        for (total, bucket) in histogram.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
        histogram.max = histogram.max.max(self.max.load(Ordering::Relaxed));
    }
}

/// How long something took, how often.
///
/// Times are measured to within 6.25 %. Only a sample of them is measured, and each one that is stands
/// for several: so [`count`](Self::count) is an estimate, and [`max`](Self::max) is the longest of the
/// sample. The sample is random with a known rate, so quantiles have no bias; but a quantile with few
/// measurements beyond it is uncertain, as in any sample.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u64]>,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram { buckets: vec![0; BUCKETS].into(), max: 0 }
    }

    /// How many times there were; an estimate.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time that the fraction `quantile` of all times, 0 to 1, do not exceed; zero if there are none.
    /// To within 6.25 % (and 1 ns).
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (self.count() as f64 * quantile.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                let (least, width) = range_of(bucket);
                let last = bucket == BUCKETS - 1;
                let nanos = if last { self.max } else { (least + width / 2).min(self.max) };
                return Duration::from_nanos(nanos);
            }
        }
        Duration::from_nanos(self.max)
    }

    /// The longest time that was measured, exactly.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The buckets that are not empty, the shortest first: all times in one are below this bound, and not
    /// below that of the one before it; and how many there are.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let filled = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bucket, count)| {
            let (least, width) = range_of(bucket);
            (Duration::from_nanos(least + width), *count)
        })
    }

    /// Takes off what was there at an earlier time, so that what is left has happened since. The longest
    /// time stays.
    #[must_use]
    pub fn since(&self, before: &Histogram) -> Histogram {
        let buckets = self.buckets.iter().zip(&before.buckets).map(|(now, then)| now.saturating_sub(*then));
        Histogram { buckets: buckets.collect(), max: self.max }
    }
}

/// The quantiles that one wants to see.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count() == 0 {
            return f.write_str("nothing measured");
        }
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            write!(f, "{name} {:<9} ", short(self.quantile(quantile)))?;
        }
        write!(f, "max {:<9} of about {}", short(self.max()), self.count())
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram({self})")
    }
}

/// A time with three digits.
fn short(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if unit == "ns" || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram_of(times: &[(u64, u64)]) -> Histogram {
        let recorder = Recorder::new();
        for (nanos, weight) in times {
            recorder.record(Duration::from_nanos(*nanos), *weight);
        }
        let mut histogram = Histogram::new();
        recorder.add_to(&mut histogram);
        histogram
    }

    /// Times of all magnitudes.
    fn time() -> impl Strategy<Value = u64> {
        (0u32..LONGEST, any::<u64>()).prop_map(|(power, bits)| (bits | 1 << 63) >> (63 - power))
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (least, width) = range_of(bucket);
            assert_eq!(least, next, "bucket {bucket}");
            assert_eq!((bucket_of(least), bucket_of(least + width - 1)), (bucket, bucket));
            next = least + width;
        }
        assert_eq!(next, 1 << LONGEST);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_quantile_is_near_the_true_one(
            mut times in prop::collection::vec(time(), 1..200),
            quantile in 0.0f64..=1.0,
        ) {
            let histogram = histogram_of(&times.iter().map(|time| (*time, 1)).collect::<Vec<_>>());
            times.sort_unstable();
            let rank = (times.len() as f64 * quantile).ceil().max(1.0) as usize;
            let exact = times[rank - 1] as f64;
            let told = histogram.quantile(quantile).as_nanos() as f64;
            prop_assert!((told - exact).abs() <= exact / 16.0 + 1.0, "{told} for {exact}");
            prop_assert_eq!(histogram.max().as_nanos() as u64, *times.last().unwrap());
        }

        #[test]
        fn merging_is_recording_into_one(
            a in prop::collection::vec((time(), 1u64..256), 0..50),
            b in prop::collection::vec((time(), 1u64..256), 0..50),
        ) {
            let together: Vec<_> = a.iter().chain(&b).copied().collect();
            let mut merged = Histogram::new();
            for part in [&a, &b] {
                let recorder = Recorder::new();
                part.iter().for_each(|(nanos, n)| recorder.record(Duration::from_nanos(*nanos), *n));
                recorder.add_to(&mut merged);
            }
            prop_assert_eq!(&merged, &histogram_of(&together));
            prop_assert_eq!(merged.count(), together.iter().map(|(_, n)| n).sum::<u64>());
            // And what was before can be taken off again.
            let rest = merged.since(&histogram_of(&a));
            prop_assert_eq!(rest.buckets, histogram_of(&b).buckets);
        }

        #[test]
        fn the_bounds_of_the_buckets_hold(times in prop::collection::vec(time(), 1..50)) {
            let histogram = histogram_of(&times.iter().map(|time| (*time, 1)).collect::<Vec<_>>());
            let mut below = 0;
            for (bound, count) in histogram.buckets() {
                below += count;
                let bound = bound.as_nanos() as u64;
                let exact = times.iter().filter(|time| **time < bound).count() as u64;
                prop_assert_eq!(below, exact);
            }
        }
    }

    #[test]
    fn an_empty_one_says_so() {
        let empty = histogram_of(&[]);
        assert_eq!((empty.count(), empty.quantile(0.99), empty.max()), (0, Duration::ZERO, Duration::ZERO));
        assert_eq!(empty.to_string(), "nothing measured");
    }

    #[test]
    fn a_time_beyond_all_buckets_is_told_by_the_longest() {
        let histogram = histogram_of(&[(1, 1), (u64::MAX, 1)]);
        assert_eq!(histogram.quantile(1.0), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn times_are_shown_with_three_digits() {
        let shown = [7, 999, 1_500, 25_300, 250_000, 1_000_000, 12_000_000_000].map(Duration::from_nanos);
        let shown = shown.map(short);
        assert_eq!(shown, ["7 ns", "999 ns", "1.50 us", "25.3 us", "250 us", "1.00 ms", "12.0 s"]);
    }
}
