//! What goes wrong between sockets by itself.

use std::time::Duration;

/// How often something goes wrong on the way from one socket to another: in a thousand times where it could. The tape says when, and
/// where it has ended nothing does. All bytes arrive all the same, in their order, unless there is a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "these are settings for `Network::set_faults`"]
pub struct Faults {
    pub(super) delayed: u16,
    pub(super) longest: Duration,
    pub(super) lost: u16,
    pub(super) cuts: u16,
    pub(super) short: u16,
    pub(super) resets: u16,
}

impl Faults {
    /// None.
    pub fn new() -> Faults {
        Faults::default()
    }

    /// How many segments in a thousand come late, by up to `longest`. What is sent after them on the same connection waits.
    pub fn delayed(mut self, rate: u16, longest: Duration) -> Faults {
        (self.delayed, self.longest) = (rate, longest);
        self
    }

    /// How many segments in a thousand are lost, and come when they have been sent again: 200 ms later, and if they are lost
    /// once more, 400 ms after that, and so on.
    pub fn lost(mut self, rate: u16) -> Faults {
        self.lost = rate;
        self
    }

    /// How many segments in a thousand come in two pieces at least, so that the receiver reads a part of what was sent.
    pub fn cuts(mut self, rate: u16) -> Faults {
        self.cuts = rate;
        self
    }

    /// How many writes in a thousand find room for a part of what they are to send.
    pub fn short_writes(mut self, rate: u16) -> Faults {
        self.short = rate;
        self
    }

    /// How many segments in a thousand are the last: a reset comes instead, to either end.
    pub fn resets(mut self, rate: u16) -> Faults {
        self.resets = rate;
        self
    }
}
