//! Which turns and messages are measured: a random sample, since reading the clock for each would cost
//! more than many of them take.
//!
//! Each thread counts down what it schedules and what it sends. At zero, that one is measured, and the
//! next count is drawn: from 1 to twice the rate less one, each as likely, so that on average one in
//! *rate* is measured, and no pattern of the program's falls in step with it. What is measured counts
//! for as many as the rate was when the count was drawn. So a thread can change its rate, measure more
//! when that costs it little, and the histograms stay true: each turn and message is measured with the
//! inverse of the probability of being so.
//!
//! What is not measured: messages to a mailbox that drops its oldest, and what is not sent through a
//! mailbox: timers, Downs, readiness of a port.
//!
//! The stamp goes with what is measured: a scheduled actor's is a [`Task`](crate::cell::task::Task)
//! around the task, a message's is in a box with the message. Neither cell nor message grows by it,
//! it cannot be lost or found by another, and stealing needs to know nothing of it.

use std::cell::Cell;
use std::time::Instant;

use crate::clock;
use crate::scheduler::local;

/// How many turns and messages there are for one that is measured.
#[derive(Clone, Copy)]
pub(crate) enum Rate {
    /// Of a worker whose turns are short and follow one another.
    Busy = 256,
    /// Of a worker that sleeps now and then or has long turns, and of all other threads. Not more often:
    /// a single turn may send very many messages, and schedule as many actors.
    Easy = 64,
}

/// What is counted down.
struct Countdown {
    left: Cell<u32>,
    /// How many the next that is measured counts for.
    weight: Cell<u32>,
    /// The rate for the count that is drawn next.
    every: Cell<u32>,
}

impl Countdown {
    const fn new(every: u32) -> Self {
        Countdown { left: Cell::new(1), weight: Cell::new(1), every: Cell::new(every) }
    }

    #[inline]
    fn due(&self) -> bool {
        let left = self.left.get() - 1;
        self.left.set(left);
        left == 0
    }

    /// Draws the next count, with a number below the one that it is given. The weight of what is measured.
    fn draw(&self, below: impl Fn(usize) -> usize) -> u32 {
        let every = self.every.get();
        self.left.set(1 + below(2 * every as usize - 1) as u32);
        self.weight.replace(every)
    }
}

crate::sync::thread_local! {
    static TURNS: Countdown = const { Countdown::new(Rate::Easy as u32) };
    static MESSAGES: Countdown = const { Countdown::new(Rate::Easy as u32) };
}

/// Sets the rate of this thread, from the next measurement on.
pub(crate) fn set_rate(rate: Rate) {
    TURNS.with(|countdown| countdown.every.set(rate as u32));
    MESSAGES.with(|countdown| countdown.every.set(rate as u32));
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
    Stamp { at: clock::now(), weight: TURNS.with(|countdown| countdown.draw(clock::below)) }
}

pub(crate) fn message_stamp() -> Stamp {
    Stamp { at: clock::now(), weight: MESSAGES.with(|countdown| countdown.draw(clock::below)) }
}

/// A measured message is handed to its handler.
#[cold]
pub(crate) fn message_taken(stamp: Stamp) {
    let waited = clock::now().saturating_duration_since(stamp.at);
    local::with_record(|record| record.message_sampled(waited, stamp.weight.into()));
}

/// A measured turn was scheduled at `stamp`, and ran from `begun` until now.
#[cold]
pub(crate) fn turn_ended(stamp: Stamp, begun: Instant) {
    let took = clock::now().saturating_duration_since(begun);
    let delay = begun.saturating_duration_since(stamp.at);
    local::with_record(|record| record.turn_sampled(delay, took, stamp.weight.into()));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Counts `n` down; the weights of those that were due, with their positions.
    fn measured(countdown: &Countdown, n: u64) -> Vec<(u64, u32)> {
        let due = (0..n).filter(|_| countdown.due());
        due.map(|at| (at, countdown.draw(clock::below))).collect()
    }

    #[test]
    fn weights_add_up_to_what_was_counted() {
        let countdown = Countdown::new(16);
        let weights: u64 = measured(&countdown, 1_000_000).iter().map(|(_, weight)| u64::from(*weight)).sum();
        // The deviation of the sum is about 2300.
        assert!(weights.abs_diff(1_000_000) < 20_000, "{weights}");
    }

    #[test]
    fn a_change_of_rate_is_weighed_out() {
        let countdown = Countdown::new(64);
        let mut weights = 0;
        for round in 0..2000 {
            countdown.every.set(if round % 2 == 0 { 1 } else { 64 });
            weights += measured(&countdown, 500).iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>();
        }
        assert!(weights.abs_diff(1_000_000) < 30_000, "{weights}");
    }

    #[test]
    fn nothing_falls_in_step_with_the_sample() {
        // Eight actors in turn: each is measured about as often.
        let mut hits = [0u32; 8];
        for (at, _) in measured(&Countdown::new(16), 1_000_000) {
            hits[(at % 8) as usize] += 1;
        }
        assert!(hits.iter().all(|hits| hits.abs_diff(7812) < 800), "{hits:?}");
    }

    #[test]
    fn at_rate_one_each_is_measured() {
        let countdown = Countdown::new(1);
        assert_eq!(measured(&countdown, 100).len(), 100);
    }
}
