//! How long turns take on a worker, and what follows from it: when it looks outside, how much it takes at once.

use std::time::{Duration, Instant};

use crate::clock;
use crate::scheduler::local;

/// After at most this many turns a busy worker takes from the global queue first, and looks at the
/// clock; after fewer if they take long.
const CLOCK_EVERY: u32 = 61;
/// A turn of many steps, that is messages mostly, counts as one more for each so many of them.
const STEPS_LIKE_A_TURN: u32 = 8;
/// How many turns there are between two looks at the coarse clock.
const COARSE_EVERY: u32 = 4;
/// How long a busy worker does without a look at its timers and its driver, if turns are short.
const OUTSIDE_WITHIN: Duration = Duration::from_micros(100);
/// How long a busy worker does without a look at the clock, and at the global queue, if turns are short.
const CLOCK_WITHIN: Duration = Duration::from_micros(25);
/// A worker's own queue with so much in it is long: what is taken from the global queue is run at once, one by one.
const LONG_QUEUE: Duration = Duration::from_micros(20);
/// The most cells that are taken from the global queue at once.
const MOST_AT_ONCE: usize = 128;
/// So many times as long as a turn of the global queue, the others come first after it.
const OTHERS_SHARE: u32 = 4;
/// So much of the time that the others have had counts for what is taken from the global queue next.
const SAVED: Duration = Duration::from_micros(400);
/// For so long the others come first on a thread that has just come to the worker: if that was taken over, they have
/// waited for as long as a turn is given.
const OTHERS_AT_FIRST: Duration = Duration::from_millis(1);
/// If for this long there were no turns but those of the global queue, they tell how long turns take.
const ALL_GLOBAL: Duration = Duration::from_millis(2);
/// After this many turns of actors that were scheduled last, one behind another, the queue is next; if turns
/// are short, so that the queue does not wait long for it.
const SHORT_IN_A_ROW: u32 = 32;
/// And after this many if they are not.
const NEXT_IN_A_ROW: u32 = 3;

/// When to look outside. Reading the clock after each turn would cost more than many turns do, so it is
/// read every so many turns, and every single one if they take long.
pub(super) struct Pace {
    /// How many turns there are between two looks at the clock.
    every: u32,
    left: u32,
    pub(super) read: Instant,
    outside: Instant,
    /// How long a turn took, of the last few.
    pub(super) turn_nanos: u32,
    /// How many actors that were scheduled last may go before the queue.
    in_a_row: u32,
    /// When that was measured.
    measured: Instant,
    /// How long the last turn took that was measured of those from the global queue. Apart from the others: while
    /// short turns are due here, long ones may wait there, and the other way round.
    global_nanos: u32,
    /// How much was to be taken from the global queue the last time.
    batch: usize,
    /// Until when the others come before the global queue.
    others_until: Instant,
}

/// A turn that was the first of what was taken from the global queue.
pub(super) struct FromGlobal {
    pub(super) began: Instant,
    /// How many others were taken with it.
    pub(super) behind: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = clock::now();
        Pace {
            every: 1,
            left: 1,
            read: now,
            outside: now,
            turn_nanos: u32::MAX,
            in_a_row: NEXT_IN_A_ROW,
            measured: now,
            global_nanos: u32::MAX,
            batch: 1,
            others_until: now + OTHERS_AT_FIRST,
        }
    }

    /// Counts a turn. True if it is time to look at the clock: so many turns have passed, by what turns
    /// took before; or the coarse clock, which is cheap and looked at now and then, has ticked, so that these
    /// may have taken much longer.
    #[inline]
    pub(super) fn turn_ended(&mut self) -> bool {
        let before = self.left;
        self.left = before.saturating_sub(1 + local::steps() / STEPS_LIKE_A_TURN);
        self.left == 0 || self.left / COARSE_EVERY != before / COARSE_EVERY && local::coarse_ticked()
    }

    /// How many actors that were scheduled last may go before the queue.
    #[inline]
    pub(super) fn most_in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Looks at the clock; the time, if it is time to look outside. `global` is the turn that has just ended, if that was
    /// one of the global queue; otherwise turns of the worker's own queue were run since the last look.
    pub(super) fn look(&mut self, global: Option<&FromGlobal>) -> Option<Instant> {
        let now = clock::now();
        let before = std::mem::replace(&mut self.read, now);
        match global {
            None => {
                let turns = (self.every - self.left).max(1);
                self.measure(now.saturating_duration_since(before), turns);
            }
            Some(turn) if now.saturating_duration_since(self.measured) >= ALL_GLOBAL => {
                self.measure(now.saturating_duration_since(turn.began), 1);
            }
            Some(_) => {}
        }
        if now.saturating_duration_since(self.outside) < OUTSIDE_WITHIN {
            return None;
        }
        self.outside = now;
        Some(now)
    }

    /// The worker goes on after a rest, which is no turn.
    pub(super) fn rested(&mut self, now: Instant) {
        self.read = now;
        self.left = self.every;
    }

    /// So many turns took so long, and ended just now.
    fn measure(&mut self, took: Duration, turns: u32) {
        self.measured = self.read;
        let turns = u128::from(turns);
        self.turn_nanos = u32::try_from(took.as_nanos() / turns).unwrap_or(u32::MAX).max(1);
        let fitting = CLOCK_WITHIN.as_nanos() * turns / took.as_nanos().max(1);
        self.every = fitting.clamp(1, u128::from(CLOCK_EVERY)) as u32;
        self.left = self.every;
        let half = OUTSIDE_WITHIN.as_nanos() as u32 / 2;
        self.in_a_row = (half / self.turn_nanos).clamp(NEXT_IN_A_ROW, SHORT_IN_A_ROW);
        local::set_slow(self.is_slow());
    }

    /// Whether the global queue comes first, as of the last look at the clock, which comes right after a turn of it, if
    /// that was one. The others have four times as much time as what is taken there, and what they have had already
    /// counts: so short turns from outside follow one another between long ones of actors that keep each other busy, and
    /// what timers and sockets have scheduled here does not wait for a global queue that is full of long turns.
    pub(super) fn global_due(&mut self, was_global: Option<FromGlobal>) -> bool {
        if let Some(FromGlobal { began, behind }) = was_global {
            let took = self.read.saturating_duration_since(began);
            self.global_nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX).max(1);
            let had = self.read.checked_sub(SAVED).map_or(self.others_until, |at| at.max(self.others_until));
            self.others_until = had + took * (OTHERS_SHARE + behind);
        }
        self.read >= self.others_until
    }

    /// Whether turns are so long that each is most of what may pass without a look outside.
    fn is_slow(&self) -> bool {
        self.turn_nanos > OUTSIDE_WITHIN.as_nanos() as u32 / 2
    }

    /// Whether what goes behind so many turns waits for long.
    fn is_long(&self, queued: usize) -> bool {
        queued as u128 * u128::from(self.turn_nanos) > LONG_QUEUE.as_nanos()
    }

    /// How much to take from the global queue at once: not more than what keeps others waiting for a moment
    /// that come into this worker's own queue meanwhile, by the first of what was taken before; and not more
    /// than twice as much as then, since that is but one. One by one where the worker's own turns are long, or those
    /// that are `queued` take long together: they would come first, if what is taken went behind them.
    pub(super) fn batch(&mut self, queued: usize) -> usize {
        let fitting = OUTSIDE_WITHIN.as_nanos() as usize / self.global_nanos.max(1) as usize;
        let most = if self.is_slow() || self.is_long(queued) { 1 } else { MOST_AT_ONCE.min(2 * self.batch) };
        self.batch = fitting.clamp(1, most);
        self.batch
    }
}
