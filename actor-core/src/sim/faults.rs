//! Faults: what goes wrong in a simulation, at a rate and by the tape, or where a test aims.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// A rate of 1 in so many parts; what is said is in thousandths.
const PARTS: u32 = 1000;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The next handler panics, before it has done anything.
    Panic,
    /// The next `#[started]` panics, of this incarnation or the next one.
    FailStart,
    /// The next `#[stopped]` panics.
    FailStop,
    /// The next handler keeps its thread for so long, before it does what it does. If that is longer than its actor's limit
    /// ([`Spawn::stall`](crate::Spawn::stall)), it is condemned, and returns late.
    Stall(Duration),
    /// The mailbox refuses the next message as if it were full, if it is one that may.
    Full,
}

/// How often things go wrong by themselves: in a thousand times where they could. The tape says when, and where it has ended
/// nothing does; so a tape that is made simpler has fewer faults. Supervisors have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "these are settings for `Builder::faults`"]
pub struct Faults {
    panics: u16,
    starts: u16,
    stops: u16,
    stalls: u16,
    longest: Duration,
    full: u16,
}

impl Faults {
    /// None.
    pub fn new() -> Self {
        Faults::default()
    }

    /// How many handlers in a thousand panic.
    pub fn panics(mut self, rate: u16) -> Self {
        self.panics = rate;
        self
    }

    /// How many of `#[started]` in a thousand panic.
    pub fn starts(mut self, rate: u16) -> Self {
        self.starts = rate;
        self
    }

    /// How many of `#[stopped]` in a thousand panic.
    pub fn stops(mut self, rate: u16) -> Self {
        self.stops = rate;
        self
    }

    /// How many handlers in a thousand keep their thread, for up to `longest`.
    pub fn stalls(mut self, rate: u16, longest: Duration) -> Self {
        (self.stalls, self.longest) = (rate, longest);
        self
    }

    /// How many messages in a thousand find a bounded mailbox full that is not.
    pub fn full(mut self, rate: u16) -> Self {
        self.full = rate;
        self
    }
}

/// Where in an actor's life something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Handler,
    Start,
    Stop,
    Push,
}

/// Those that are to come.
#[derive(Default)]
pub(super) struct Plan {
    rates: Faults,
    /// Where a test aims, by actor.
    aimed: HashMap<u64, VecDeque<Fault>>,
}

impl Plan {
    pub(super) fn new(rates: Faults) -> Plan {
        Plan { rates, aimed: HashMap::new() }
    }

    /// Whether there is none to come.
    pub(super) fn is_none(&self) -> bool {
        self.rates == Faults::default() && self.aimed.is_empty()
    }

    pub(super) fn aim(&mut self, actor: u64, fault: Fault) {
        self.aimed.entry(actor).or_default().push_back(fault);
    }

    /// What goes wrong at this point of this actor; `draw` gives the tape's next number.
    pub(super) fn at(&mut self, actor: u64, point: Point, mut draw: impl FnMut() -> u16) -> Option<Fault> {
        let fits = |fault: Fault| match fault {
            Fault::Panic => point == Point::Handler,
            Fault::FailStart => point == Point::Start,
            Fault::FailStop => point == Point::Stop,
            Fault::Full => point == Point::Push,
            Fault::Stall(_) => false,
        };
        if let Some(fault) = self.take_aimed(actor, fits) {
            return Some(fault);
        }
        let Faults { panics, starts, stops, full, .. } = self.rates;
        let (rate, fault) = match point {
            Point::Handler => (panics, Fault::Panic),
            Point::Start => (starts, Fault::FailStart),
            Point::Stop => (stops, Fault::FailStop),
            Point::Push => (full, Fault::Full),
        };
        happens(rate, &mut draw).then_some(fault)
    }

    /// For how long the actor's next handler keeps its thread.
    pub(super) fn stall(&mut self, actor: u64, mut draw: impl FnMut() -> u16) -> Option<Duration> {
        if let Some(Fault::Stall(time)) = self.take_aimed(actor, |fault| matches!(fault, Fault::Stall(_))) {
            return Some(time);
        }
        let Faults { stalls, longest, .. } = self.rates;
        happens(stalls, &mut draw).then(|| longest.mul_f64(f64::from(draw()) / f64::from(u16::MAX)))
    }

    fn take_aimed(&mut self, actor: u64, fits: impl Fn(Fault) -> bool) -> Option<Fault> {
        let aimed = self.aimed.get_mut(&actor)?;
        let fault = aimed.iter().position(|fault| fits(*fault)).and_then(|at| aimed.remove(at));
        if aimed.is_empty() {
            self.aimed.remove(&actor);
        }
        fault
    }
}

/// Whether something of this rate happens: not with a 0 from the tape. No number is drawn for what never does.
pub(super) fn happens(rate: u16, draw: &mut impl FnMut() -> u16) -> bool {
    rate > 0 && u32::from(draw()) * PARTS >= (1 << u16::BITS) * (PARTS - u32::from(rate).min(PARTS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_aimed_goes_wrong_once_and_at_its_point() {
        let mut plan = Plan::default();
        plan.aim(1, Fault::FailStop);
        plan.aim(1, Fault::Panic);
        let none = || unreachable!("nothing has a rate");
        assert_eq!(plan.at(2, Point::Handler, none), None);
        assert_eq!(plan.at(1, Point::Handler, none), Some(Fault::Panic));
        assert_eq!(plan.at(1, Point::Handler, none), None);
        assert_eq!(plan.at(1, Point::Stop, none), Some(Fault::FailStop));
        assert!(plan.is_none());
    }

    #[test]
    fn a_rate_is_in_thousandths_and_a_zero_is_no_fault() {
        let mut plan = Plan::new(Faults::new().panics(10));
        let hits = (0..=u16::MAX).filter(|number| plan.at(1, Point::Handler, || *number).is_some());
        assert_eq!(hits.count(), 65_536 / 100);
        let mut always = Plan::new(Faults::new().panics(1000));
        assert_eq!(always.at(1, Point::Handler, || 0), None, "a tape that has ended has no faults");
    }
}
