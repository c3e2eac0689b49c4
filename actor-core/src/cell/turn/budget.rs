//! How long a turn may be: so many messages, and so much time.

use std::time::{Duration, Instant};

use crate::clock;
use crate::scheduler::{local, soft};

/// The most messages of one turn. What a turn costs beside its messages is 3% of so many, and an actor to which much
/// comes at once passes it on in parts, which others can take.
const MESSAGES: u32 = 24;
/// The longest turn; looked at between messages, so a handler may exceed it.
const TIME: Duration = Duration::from_micros(200);
/// How many steps there are, at most, between two looks at the coarse clock.
const LOOK_EVERY: u32 = 16;

/// What is left of a turn.
pub(super) struct Budget {
    steps: u32,
    /// After how many the coarse clock is looked at next.
    look: u32,
    /// Where turns have taken long of late the clock is read after each step, since that costs little
    /// then: when this turn has to end. Elsewhere the coarse clock is looked at, after few steps at
    /// first, and tells if this one is different.
    end: Option<Instant>,
}

impl Budget {
    pub(super) fn new() -> Self {
        // Not after the first: most turns have one message, and what comes next tells soon enough.
        Budget { steps: 0, look: 2, end: local::is_slow().then(|| clock::now() + TIME) }
    }

    /// How many steps were taken.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Counts a step.
    #[inline]
    pub(super) fn allows_another(&mut self) -> bool {
        self.steps += 1;
        if let Some(end) = self.end {
            return self.steps < MESSAGES && clock::now() < end;
        }
        self.steps < self.look || self.allows_more()
    }

    /// Looks at the soft flag and at the coarse clock: often at first, then after each few steps.
    #[inline(never)]
    fn allows_more(&mut self) -> bool {
        self.look += self.look.min(LOOK_EVERY);
        self.steps < MESSAGES && !soft::raised() && !local::turn_is_long()
    }
}
