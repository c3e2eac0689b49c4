//! Which turns and messages are measured: a random sample, since reading the clock for each would cost
//! more than many of them take.
//!
//! Each turn that a thread schedules and each message that it sends is measured with a chance of one in
//! *rate*, whatever became of the others, and counts for as many as the rate was: so the histograms are true
//! at any rate, the rate can be changed at any time, and no pattern of the program's falls in step with it.
//! Throwing dice for each would cost too much as well. So the thread draws after how many the next comes that
//! is measured, by the distribution that such dice have (geometric), and counts down to it.
//!
//! The rate follows from time: a thread measures about one turn and one message in 100 us, however many
//! there are: that takes it a few thousandths of the time, and gives some ten thousand in a second.
//!
//! What is not measured: messages to a mailbox that drops its oldest, and what is not sent through a
//! mailbox: timers, Downs, readiness of a port.
//!
//! The stamp goes with what is measured: a scheduled actor's is a [`Task`](crate::cell::task::Task)
//! around the task, a message's is in a box with the message. Neither cell nor message grows by it,
//! it cannot be lost or found by another, and stealing needs to know nothing of it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::clock;
use crate::scheduler::local;

/// How far apart measurements are to be. One, of a turn with its message, takes some 200 ns.
const APART: Duration = Duration::from_micros(100);
/// How many turns or messages there are for one that is measured, at least: a thread that has little to do may
/// send and schedule very much in its next turn.
const LEAST: u32 = 64;
/// And at most: what a thread goes on to do more slowly should not go unseen for long.
const MOST: u32 = 2048;

/// What is counted down.
struct Countdown {
    left: Cell<u32>,
    /// The rate by which this count was drawn: how many the next that is measured counts for.
    rate: Cell<u32>,
    /// When that was.
    drawn: Cell<Option<Instant>>,
}

impl Countdown {
    /// The first of all is measured.
    const fn new() -> Self {
        Countdown { left: Cell::new(1), rate: Cell::new(1), drawn: Cell::new(None) }
    }

    #[inline]
    fn due(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        left == 0
    }

    /// Draws the next count, where one has come to its end, at a rate by how long that took. The weight of
    /// what is measured.
    fn next(&self, now: Instant) -> u32 {
        let rate = self.rate.get();
        let before = self.drawn.replace(Some(now));
        let soon = before.is_some_and(|before| now.saturating_duration_since(before) < APART);
        self.draw(if soon { (rate * 2).min(MOST) } else { (rate / 2).max(LEAST) });
        rate
    }

    /// Draws a count, whatever is left of the last one.
    fn draw(&self, rate: u32) {
        self.left.set(count_at(rate, clock::below));
        self.rate.set(rate);
    }

    /// Goes on at the least rate.
    fn slow_down(&self) {
        if self.rate.get() > LEAST {
            self.draw(LEAST);
        }
    }
}

/// After how many the next comes, if each has a chance of one in `rate`; with a number below the one that `below`
/// is given.
fn count_at(rate: u32, below: impl Fn(usize) -> usize) -> u32 {
    const PARTS: usize = 1 << 31;
    let chance = (below(PARTS) + 1) as f64 / PARTS as f64;
    let others = (-1.0 / f64::from(rate)).ln_1p();
    ((chance.ln() / others).ceil() as u32).max(1)
}

crate::sync::thread_local! {
    static TURNS: Countdown = const { Countdown::new() };
    static MESSAGES: Countdown = const { Countdown::new() };
}

/// This thread has slept, so what it is to do may be little.
pub(crate) fn slept() {
    TURNS.with(Countdown::slow_down);
    MESSAGES.with(Countdown::slow_down);
}

/// When something that is measured began, and for how many it counts.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) at: Instant,
    pub(crate) weight: u32,
}

/// Whether the turn that is being scheduled is to be measured. If so, it needs a [`turn_stamp`].
#[inline]
pub(crate) fn turn_due() -> bool {
    !cfg!(loom) && TURNS.with(Countdown::due)
}

/// Whether the message that is being sent is to be measured. If so, it needs a [`message_stamp`].
#[inline]
pub(crate) fn message_due() -> bool {
    !cfg!(loom) && MESSAGES.with(Countdown::due)
}

pub(crate) fn turn_stamp() -> Stamp {
    let at = clock::now();
    Stamp { at, weight: TURNS.with(|countdown| countdown.next(at)) }
}

pub(crate) fn message_stamp() -> Stamp {
    let at = clock::now();
    Stamp { at, weight: MESSAGES.with(|countdown| countdown.next(at)) }
}

/// A measured message is handed to its handler.
#[cold]
pub(crate) fn message_taken(stamp: Stamp) {
    let waited = clock::now().saturating_duration_since(stamp.at);
    local::with_record(|record| record.message_sampled(waited, stamp.weight.into()));
}

/// A measured turn was scheduled at `stamp`, and ran from `begun` until now.
#[cold]
/// Says how long it took.
pub(crate) fn turn_ended(stamp: Stamp, begun: Instant) -> Duration {
    let took = clock::now().saturating_duration_since(begun);
    let delay = begun.saturating_duration_since(stamp.at);
    local::with_record(|record| record.turn_sampled(delay, took, stamp.weight.into()));
    took
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A countdown and its time.
    struct Thread {
        countdown: Countdown,
        now: Instant,
    }

    impl Thread {
        fn new() -> Self {
            Thread { countdown: Countdown::new(), now: Instant::now() }
        }

        /// Does `n` things, each of which takes `each`; the weights of those that were measured, with their positions.
        fn does(&mut self, n: u64, each: Duration) -> Vec<(u64, u32)> {
            let mut measured = Vec::new();
            for at in 0..n {
                self.now += each;
                if self.countdown.due() {
                    measured.push((at, self.countdown.next(self.now)));
                }
            }
            measured
        }
    }

    fn sum(measured: &[(u64, u32)]) -> u64 {
        measured.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    const BUSY: Duration = Duration::from_nanos(20);
    const SLOW: Duration = Duration::from_millis(1);

    #[test]
    fn weights_add_up_to_what_was_counted() {
        for (each, tolerance) in [(BUSY, 300_000), (Duration::from_nanos(800), 100_000), (SLOW, 60_000)] {
            let weights = sum(&Thread::new().does(1_000_000, each));
            // The deviation of the sum is about 45,000, 12,000 and 8000.
            assert!(weights.abs_diff(1_000_000) < tolerance, "{each:?}: {weights}");
        }
    }

    #[test]
    fn a_change_of_rate_is_weighed_out() {
        let mut thread = Thread::new();
        let mut weights = 0;
        for _ in 0..2000 {
            weights += sum(&thread.does(3000, BUSY)) + sum(&thread.does(200, SLOW));
            thread.countdown.slow_down();
            weights += sum(&thread.does(800, SLOW));
        }
        // The deviation is some 60,000.
        assert!(weights.abs_diff(8_000_000) < 400_000, "{weights}");
    }

    #[test]
    fn nothing_falls_in_step_with_the_sample() {
        // Eight actors in turn: each is measured about as often.
        let mut hits = [0u32; 8];
        for (at, _) in Thread::new().does(1_000_000, SLOW) {
            hits[(at % 8) as usize] += 1;
        }
        assert!(hits.iter().all(|hits| hits.abs_diff(1953) < 270), "{hits:?}");
    }

    #[test]
    fn the_rate_follows_what_there_is_to_be_measured() {
        let mut thread = Thread::new();
        thread.does(1_000_000, BUSY);
        assert!(thread.countdown.rate.get() > MOST / 8, "20 ms have 200 measurements");
        thread.does(100_000, SLOW);
        assert_eq!(thread.countdown.rate.get(), LEAST);
    }

    #[test]
    fn who_has_slept_measures_more_at_once() {
        let mut thread = Thread::new();
        let next = |_| {
            thread.does(100_000, BUSY);
            thread.countdown.slow_down();
            assert_eq!(thread.countdown.rate.get(), LEAST);
            f64::from(thread.countdown.left.get())
        };
        let mean = (0..400).map(next).sum::<f64>() / 400.0;
        assert!((48.0..80.0).contains(&mean), "{mean}");
    }

    #[test]
    fn counts_are_what_dice_give() {
        assert!((0..100).all(|_| count_at(1, clock::below) == 1));
        assert_eq!(count_at(MOST, |below| below - 1), 1);
        assert!(count_at(MOST, |_| 0) < 50_000, "nothing is put off for ever");
        // One in 64 is the next, and e^-1 of all come after the 64th.
        let counts: Vec<_> = (0..100_000).map(|_| count_at(64, clock::below)).collect();
        let next = counts.iter().filter(|count| **count == 1).count();
        let late = counts.iter().filter(|count| **count > 64).count();
        assert!(next.abs_diff(1562) < 250 && late.abs_diff(36_501) < 900, "{next} {late}");
    }
}
