//! A token bucket that takes the time as an argument.

use std::time::{Duration, Instant};

/// Lets through so many a second in the long run, and a burst at once. Instead of tokens it keeps when
/// it will be full again: what was let through is paid off by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// In how long one is paid off; `None` if nobody is let through.
    each: Option<Duration>,
    burst: u32,
    full_at: Option<Instant>,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32) -> Bucket {
        let each = (per_second > 0 && burst > 0).then(|| Duration::from_secs(1) / per_second);
        Bucket { each, burst, full_at: None }
    }

    /// Whether one more may pass now. Time that runs backwards gives no more than time that stands still.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let Some(each) = self.each else {
            return false;
        };
        let owed = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if owed > each.saturating_mul(self.burst - 1) {
            return false;
        }
        self.full_at = Some(now + owed + each);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_for_each_that_is_paid_off() {
        let (mut bucket, begin) = (Bucket::new(10, 3), Instant::now());
        let pass = |bucket: &mut Bucket, ms| bucket.take(begin + Duration::from_millis(ms));
        assert_eq!([0; 4].map(|ms| pass(&mut bucket, ms)), [true, true, true, false]);
        assert_eq!([99, 100, 100, 200].map(|ms| pass(&mut bucket, ms)), [false, true, false, true]);
        assert_eq!([5000; 4].map(|ms| pass(&mut bucket, ms)), [true, true, true, false]);
        assert!(!pass(&mut bucket, 0), "time that runs backwards gives nothing");
    }

    #[test]
    fn nothing_passes_where_nothing_may() {
        assert!(!Bucket::new(0, 5).take(Instant::now()));
        assert!(!Bucket::new(5, 0).take(Instant::now()));
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_burst(
            per_second in 1..1000_u32, burst in 1..50_u32, gaps in prop::collection::vec(0..20_000_u64, 1..300),
        ) {
            let (mut bucket, begin) = (Bucket::new(per_second, burst), Instant::now());
            let (mut at, mut passed) = (Duration::ZERO, 0_u64);
            for gap in gaps {
                at += Duration::from_micros(gap);
                passed += u64::from(bucket.take(begin + at));
            }
            // An interval is rounded down to a nanosecond.
            let most = u64::from(burst) + (at.as_nanos() / u128::from(1_000_000_000 / per_second)) as u64;
            prop_assert!(passed <= most, "{passed} of {most}");
        }
    }
}
