//! Those who make the storm: threads that send, ask, stop and kill at random, and who looks whether one of them is stuck.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{AskError, ChildInfo, ChildState, Monitor, SupervisorRef};

use crate::Run;
use crate::account::{Asking, Dice, add};
use crate::support::LIMIT;
use crate::tree::{UNITS, id};
use crate::units::{Unit, UnitRef};

/// As many monitors a driver has at a time.
const MONITORS: usize = 500;
const SECOND: Duration = Duration::from_secs(1);

/// What a driver is at, since when, and with whom.
#[derive(Default)]
pub(crate) struct Doing(Mutex<Option<(Instant, UnitRef)>>);

impl Doing {
    fn is(&self, with: Option<&UnitRef>) {
        *self.0.lock().unwrap() = with.map(|unit| (Instant::now(), unit.clone()));
    }

    /// Whom it has waited for, for longer than anybody may.
    pub(crate) fn stuck(&self) -> Option<UnitRef> {
        let doing = self.0.lock().unwrap().clone();
        doing.filter(|(since, _)| since.elapsed() > 2 * LIMIT).map(|(_, unit)| unit)
    }
}

impl Run {
    /// One of those who make the storm. Returns the monitors that must still fire. What it finds wrong ends the process:
    /// others may wait for ever by then.
    pub(crate) fn drive(&self, seed: u64, doing: &Doing, until: Instant) -> Vec<Monitor> {
        let mut monitors = Vec::new();
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let mut dice = Dice(seed);
            while Instant::now() < until {
                // A supervisor that is down comes back.
                let Some((unit, limited)) = self.unit(&mut dice) else { continue };
                let other = self.unit(&mut dice).map_or_else(|| unit.clone(), |(other, _)| other);
                doing.is(Some(&unit));
                self.step(&mut dice, &unit, other, limited);
                match dice.below(100) {
                    0 if monitors.len() < MONITORS => monitors.push(unit.monitor()),
                    1 => drop(unit.monitor()),
                    _ => {}
                }
            }
        }));
        if driven.is_err() {
            self.give_up("a driver has panicked");
        }
        doing.is(None);
        monitors
    }

    /// Says what is known of the tree, and ends the process.
    pub(crate) fn give_up(&self, why: impl fmt::Display) -> ! {
        println!("{why}\n{}", self.system.snapshot());
        describe(&self.top, 0);
        exit(1)
    }

    /// Somebody; who is sent something for the first time is watched from then on.
    fn unit(&self, dice: &mut Dice) -> Option<(UnitRef, bool)> {
        let branch = &self.branches[dice.below(self.branches.len() as u64) as usize];
        let (unit, limited) = branch.unit(&self.storm, dice.below(UNITS as u64) as usize)?;
        if self.storm.known.lock().unwrap().insert(unit.id()) {
            self.warden.watch(unit.clone()).tell().unwrap();
        }
        Some((unit, limited))
    }

    fn step(&self, dice: &mut Dice, unit: &UnitRef, other: UnitRef, limited: bool) {
        let storm = &self.storm;
        let parcel = || storm.parcel();
        match dice.below(1000) {
            0..350 => storm.told(unit.work(parcel()).tell()),
            350..450 => storm.told(unit.pass(parcel(), other, 6).tell()),
            450..550 => self.ask(unit, dice.below(1000), None),
            550..650 => self.ask(unit, dice.below(1000), Some(Duration::from_micros(dice.below(5000)))),
            650..700 => match unit.work(parcel()).send().wait() {
                Ok(()) => add(&storm.tally.accepted),
                Err(_) => add(&storm.tally.refused),
            },
            700..800 => storm.told(unit.consult(parcel(), other).tell()),
            800..860 => storm.told(unit.crash(parcel()).tell()),
            860..900 => storm.told(unit.fail(parcel()).tell()),
            900..920 => {
                if let Some(gate) = storm.gate() {
                    storm.told(unit.spin(parcel(), gate).tell());
                }
            }
            920..930 => {
                if let Some(gate) = storm.gate() {
                    storm.told(unit.block(parcel(), gate).tell());
                }
            }
            930..945 if limited => storm.told(unit.sleep(parcel()).tell()),
            930..960 => unit.kill(),
            960..980 => unit.stop(),
            980..998 => self.count(dice),
            _ => self.replace(dice),
        }
    }

    fn ask(&self, unit: &UnitRef, value: u64, within: Option<Duration>) {
        let asking = Asking::begin(&self.storm.tally);
        let ask = unit.double(self.storm.parcel(), value);
        let ask = match within {
            Some(limit) => ask.within(limit),
            None => ask,
        };
        asking.end(2 * value, ask.wait());
    }

    /// A supervisor answers, whatever it is at.
    fn count(&self, dice: &mut Dice) {
        let branch = &self.branches[dice.below(self.branches.len() as u64) as usize];
        if let Some(supervisor) = branch.crowd.supervisor() {
            let counted = supervisor.count_children().within(LIMIT).wait();
            assert!(!matches!(counted, Err(AskError::TimedOut)), "a supervisor is deaf");
        }
    }

    /// Has a branch stopped and started.
    fn replace(&self, dice: &mut Dice) {
        let id = id(dice.below(self.branches.len() as u64) as usize);
        // Another driver may have the same in mind: then one of the two is refused.
        let ended = self.top.terminate_child(&*id).within(LIMIT).wait();
        assert!(!matches!(ended, Err(AskError::TimedOut)), "{id} does not end");
        let back = self.top.restart_child(&*id).within(LIMIT).wait();
        assert!(!matches!(back, Err(AskError::TimedOut)), "{id} does not start");
    }
}

/// Prints a supervisor's children that are not simply there, and theirs.
fn describe(supervisor: &SupervisorRef, depth: usize) {
    let indent = 2 * depth;
    println!("{:indent$}{} {:?}", "", supervisor.path(), supervisor.mailbox());
    let children = match supervisor.which_children().within(SECOND).wait() {
        Ok(children) => children,
        Err(error) => return println!("{:indent$}  {error}", ""),
    };
    for child in children {
        if let Some(below) = child.actor::<Supervisor>() {
            describe(&below, depth + 1);
        } else if child.state != ChildState::Running || waiting(&child) > 0 {
            println!("{:indent$}  {child:?} {} queued", "", waiting(&child));
        }
    }
}

fn waiting(child: &ChildInfo) -> u64 {
    child.actor::<Unit>().map_or(0, |unit| unit.mailbox().queued)
}
