//! The tree: branches of a hundred actors each, with all strategies, restart types, overflow policies, and with limits
//! and without.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Backoff, ChildSpec, Overflow, Strategy, SupervisorBuilder};

use crate::account::Storm;
use crate::units::{Unit, UnitRef};

/// How many actors each of the two supervisors of a branch has in slots, and how many a branch has without. With the three
/// supervisors that is a hundred.
const SLOTS: usize = 20;
const WITHOUT_SLOT: usize = 57;
pub(crate) const UNITS: usize = 2 * SLOTS + WITHOUT_SLOT;
pub(crate) const BRANCH: usize = UNITS + 3;

/// The limit of three actors in four.
pub(crate) const STALL: Duration = Duration::from_millis(20);
/// By then a child that is stopped has ended, or is killed: it may wait for one that is to be stopped after it.
const STOP: Duration = Duration::from_millis(100);

/// A supervisor's actors, and below it another supervisor and one of actors without slots.
pub(crate) struct Branch {
    pub(crate) slots: Vec<Child<Unit>>,
    pub(crate) crowd: Children<Unit>,
    /// Those without a slot, each in a place that has a new one when it has ended.
    places: Vec<Mutex<Option<UnitRef>>>,
}

fn strategy(number: usize) -> Strategy {
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][number % 3]
}

/// One in four has no limit.
fn has_limit(number: usize) -> bool {
    !number.is_multiple_of(4)
}

fn overflow(number: usize) -> Overflow {
    [Overflow::Reject, Overflow::Wait, Overflow::DropNewest, Overflow::DropOldest][number % 4]
}

fn spec(child: &Child<Unit>, number: usize) -> ChildSpec {
    let spec =
        child.spec(format!("unit-{number}")).stop_within(STOP).mailbox(32).overflow(overflow(number / 4));
    let spec = if has_limit(number) { spec.stall(STALL) } else { spec };
    match number % 7 {
        0 => spec.backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(8))),
        1 => spec.clear_on_restart(),
        2 => spec.restart(Restart::Transient),
        _ => spec,
    }
}

impl Branch {
    pub(crate) fn new(storm: &Arc<Storm>) -> Self {
        let child = |_| {
            let storm = storm.clone();
            Child::new(move || Unit::new(&storm))
        };
        Branch {
            slots: (0..2 * SLOTS).map(child).collect(),
            crowd: Children::new(),
            places: (0..WITHOUT_SLOT).map(|_| Mutex::default()).collect(),
        }
    }

    /// Its supervisor has the strategies in turn, and so has the one below.
    pub(crate) fn spec(&self, number: usize) -> ChildSpec {
        let specs: Vec<_> = self.slots.iter().enumerate().map(|(at, child)| spec(child, at)).collect();
        let (own, below) = (specs[..SLOTS].to_vec(), specs[SLOTS..].to_vec());
        let crowd = self
            .crowd
            .settings("crowd")
            .stop_within(STOP)
            .restart(Restart::Transient)
            .intensity(100, Duration::from_secs(1))
            .build();
        let with = |supervisor: SupervisorBuilder, specs: &[ChildSpec]| {
            specs.iter().cloned().fold(supervisor, |supervisor, spec| supervisor.child(spec))
        };
        let below = ChildSpec::supervisor("below", move |supervisor| {
            with(supervisor.strategy(strategy(number / 3)).intensity(10, Duration::from_secs(1)), &below)
        });
        ChildSpec::supervisor(id(number), move |supervisor| {
            let supervisor = supervisor.strategy(strategy(number)).intensity(20, Duration::from_secs(1));
            with(supervisor, &own).child(below.clone()).child(crowd.clone())
        })
    }

    /// Who is there, and whether it has a limit; `None` while nobody is.
    pub(crate) fn unit(&self, storm: &Arc<Storm>, number: usize) -> Option<(UnitRef, bool)> {
        let Some(place) = number.checked_sub(self.slots.len()) else {
            return Some((self.slots[number].get()?, has_limit(number)));
        };
        let mut place = self.places[place].lock().unwrap();
        if !place.as_ref().is_some_and(|unit| unit.is_alive()) {
            let storm = storm.clone();
            let unit = self.crowd.actor(move || Unit::new(&storm)).mailbox(32).overflow(overflow(number));
            *place = if has_limit(number) { unit.stall(STALL).spawn() } else { unit.spawn() }.ok();
        }
        place.clone().map(|unit| (unit, has_limit(number)))
    }
}

pub(crate) fn id(branch: usize) -> String {
    format!("branch-{branch}")
}
