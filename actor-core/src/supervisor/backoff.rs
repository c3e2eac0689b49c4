//! Backoff: how long a supervisor waits before it starts a child again. Pure: chance is an argument.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::clock::{self, later};

/// How long a supervisor waits before it starts a child again that has failed: at first `first`, twice as
/// long after each failure, up to half as long again by chance, and never longer than `most`, chance
/// included. A child that has run for [`reset_after`](Self::reset_after) begins anew.
///
/// A range of durations makes one: `ms(50)..s(5)`. Meanwhile the child is
/// [`Delayed`](crate::ChildState::Delayed); its mailbox takes messages, and the supervisor answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    healthy: Duration,
}

/// A number drawn by chance, below [`Chance::OF`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(pub(crate) u32);

impl Chance {
    pub(crate) const OF: u32 = 1024;
}

impl Backoff {
    /// From `first` to `most`, which is at least `first`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        let most = most.max(first);
        Backoff { first, most, healthy: most }
    }

    /// How long a child has to run without a failure until the next one counts as the first; as long as the
    /// longest delay unless said.
    #[must_use]
    pub fn reset_after(mut self, healthy: Duration) -> Self {
        self.healthy = healthy;
        self
    }

    /// How long to wait after one more failure than `failures`, chance included: for those who try something again by
    /// themselves, such as a connection.
    #[must_use]
    pub fn draw(&self, failures: u32) -> Duration {
        self.delay(failures, Chance(clock::below(Chance::OF as usize) as u32))
    }

    /// The delay after one more failure than `failures`.
    pub(crate) fn delay(&self, failures: u32, chance: Chance) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.most);
        let more = doubled.saturating_mul(chance.0.min(Chance::OF)) / (2 * Chance::OF);
        doubled.saturating_add(more).min(self.most)
    }

    /// When a child that runs since `now` will have got over its failures.
    pub(crate) fn is_over_at(&self, now: Instant) -> Instant {
        later(now, self.healthy)
    }

    /// Whether a child that has run for so long has got over its failures.
    #[must_use]
    pub fn is_over(&self, ran: Duration) -> bool {
        ran >= self.healthy
    }
}

impl From<Range<Duration>> for Backoff {
    fn from(range: Range<Duration>) -> Self {
        Backoff::new(range.start, range.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_doubles_up_to_the_most() {
        let backoff = Backoff::from(ms(50)..ms(300));
        let delays: Vec<_> = (0..5).map(|failures| backoff.delay(failures, Chance(0))).collect();
        assert_eq!(delays, [ms(50), ms(100), ms(200), ms(300), ms(300)]);
        assert_eq!(backoff.delay(1, Chance(Chance::OF / 2)), ms(125));
    }

    #[test]
    fn what_is_drawn_differs_and_keeps_to_the_bounds() {
        let backoff = Backoff::new(ms(100), ms(1000));
        let drawn: Vec<_> = (0..100).map(|_| backoff.draw(0)).collect();
        assert!(drawn.iter().all(|delay| (ms(100)..=ms(150)).contains(delay)));
        assert!(drawn.iter().any(|delay| *delay != drawn[0]));
    }

    #[test]
    fn the_most_is_at_least_the_first() {
        assert_eq!(Backoff::new(ms(50), ms(10)).delay(9, Chance(0)), ms(50));
    }

    #[test]
    fn a_healthy_period_is_the_longest_delay_unless_said() {
        let backoff = Backoff::new(ms(50), ms(300));
        assert!(!backoff.is_over(ms(299)) && backoff.is_over(ms(300)));
        assert!(backoff.reset_after(ms(10)).is_over(ms(10)));
    }

    proptest! {
        #[test]
        fn it_is_capped_after_chance_and_never_shrinks(
            first in 0..10_000_u64, most in 0..100_000_u64, failures in 0..200_u32, chance in 0..Chance::OF,
        ) {
            let backoff = Backoff::new(ms(first), ms(most));
            let delay = backoff.delay(failures, Chance(chance));
            prop_assert!(delay >= backoff.first && delay <= backoff.most);
            prop_assert!(backoff.delay(failures + 1, Chance(0)) >= backoff.delay(failures, Chance(0)));
        }
    }
}
