//! Work of a known length, pseudo-random numbers, and a way to yield.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The "minimal standard" generator of Lehmer, Park and Miller: cheap, and the same in all languages.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator; the same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed % 2_147_483_646 + 1)
    }

    /// The next number, in `0..n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 % n
    }
}

/// Keeps the CPU busy for as many steps, none of which can begin before the last one has ended. A step is a
/// multiplication and an addition: with shifts, copies between registers are part of it, and how long these take
/// depends on what ran before, by a tenth of the whole.
#[inline(never)] // so that what is timed by `spins_in` is what runs elsewhere
pub(crate) fn spin(steps: u64) {
    let mut state = steps | 1;
    for _ in 0..steps {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    black_box(state);
}

/// How many steps of [`spin`] take `time` where nothing disturbs them: by the best of 40 tries.
pub(crate) fn spins_in(time: Duration) -> u64 {
    const STEPS: u64 = 300_000;
    let attempt = |_| {
        let begin = Instant::now();
        spin(black_box(STEPS));
        begin.elapsed()
    };
    let best = (0..40).map(attempt).min().unwrap_or(time);
    (STEPS as f64 * time.as_secs_f64() / best.as_secs_f64()) as u64
}

/// A future that is pending once, and woken at once: other actors get a turn.
pub(crate) fn yield_once() -> impl Future<Output = ()> + Send {
    Yield(false)
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_numbers_are_those_of_the_minimal_standard() {
        let mut random = Random::new(0);
        assert_eq!(random.below(u64::MAX), 48_271);
        for _ in 2..10_000 {
            random.below(u64::MAX);
        }
        // What C++ asks of the 10,000th number of its `minstd_rand`.
        assert_eq!(random.below(u64::MAX), 399_268_537);
    }
}
