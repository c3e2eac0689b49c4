//! How long a turn may be: so many messages, and so much time.

use std::time::{Duration, Instant};

use crate::clock;
use crate::scheduler::{local, soft};

/// The most messages of one turn; a power of two, see [`Budget::look`]. What a turn costs beside its messages is 5% of so
/// many, and an actor to which much comes at once passes it on in parts, which others can take.
const MESSAGES: u32 = 16;
/// After so many the coarse clock is looked at too, which takes as long as a short message. It seldom ticks more often than
/// the soft flag is raised.
const CLOCK_FROM: u32 = 4;
/// The longest turn; looked at between messages, so a handler may exceed it.
const TIME: Duration = Duration::from_micros(200);

/// What is left of a turn.
pub(super) struct Budget {
    steps: u32,
    /// After how many is looked next whether there may be more: twice as many as the last time, so that it comes to
    /// `MESSAGES`; or after each, see `end`.
    look: u32,
    /// Where turns have taken long of late the clock is read after each step, since that costs little
    /// then: when this turn has to end. Elsewhere the coarse clock is looked at, after few steps at
    /// first, and tells if this one is different.
    end: Option<Instant>,
}

impl Budget {
    pub(super) fn new() -> Self {
        #[cfg(feature = "sim")]
        if crate::sim::seam::is_here() {
            // One step: what comes next is a choice.
            return Budget { steps: 0, look: 0, end: Some(clock::now()) };
        }
        if local::is_slow() {
            return Budget { steps: 0, look: 0, end: Some(clock::now() + TIME) };
        }
        // Not after the first: most turns have one message, and what comes next tells soon enough.
        Budget { steps: 0, look: 2, end: None }
    }

    /// How many steps were taken.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Counts a step.
    #[inline]
    pub(super) fn allows_another(&mut self) -> bool {
        self.steps += 1;
        self.steps < self.look || self.allows_more()
    }

    /// Looks at the count, and at the clock; or at the soft flag and, later, the coarse clock: often at first, then after
    /// each few steps.
    #[inline(never)]
    fn allows_more(&mut self) -> bool {
        if let Some(end) = self.end {
            return self.steps < MESSAGES && clock::now() < end;
        }
        self.look *= 2;
        self.steps < MESSAGES && !soft::raised() && (self.steps < CLOCK_FROM || !local::turn_is_long())
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// How many steps a turn takes that has no end by itself, and begins now.
    fn steps() -> u32 {
        local::turn_begins();
        let mut budget = Budget::new();
        while budget.allows_another() {}
        budget.steps()
    }

    #[test]
    fn a_turn_has_so_many_messages_and_no_more() {
        // The coarse clock may tick in a turn, which ends it sooner.
        let turns: Vec<_> = (0..1000).map(|_| steps()).collect();
        assert_eq!(turns.into_iter().max(), Some(MESSAGES));
    }
}
