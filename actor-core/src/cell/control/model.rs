//! Models of raised flags against an actor that parks.
//!
//! What was weakened, and what loom said:
//!
//! * `update` without its release, `lower` without its acquire: one of two wake-ups seen;
//! * `update` without its acquire or relaxed, `park` without its release: two turns write to the life at once;
//! * `update` schedules without a look at what it took, or leaves the marks: the same;
//! * `park` overlooks a flag that was raised meanwhile: one of two wake-ups seen.
//!
//! Loom does not mind a relaxed load in `flags`: whatever a flag stands for is behind a lock or behind `lower`,
//! whose acquire is enough. Nor does it mind that `update` schedules for an actor that has ended: an ended actor is never
//! parked. What can be claimed of it then is looked at by the mailbox's models.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::AtomicU32;
use crate::sync::model::{Guarded, check};

struct Actor {
    control: ControlWord,
    /// How many wake-ups there were. Relaxed throughout: the control word gives the order.
    called: AtomicU32,
    /// For the holder of the token: how many of them the last poll has seen.
    life: Guarded<u32>,
}

impl Actor {
    fn new() -> Arc<Self> {
        Arc::new(Actor { control: ControlWord::new(), called: AtomicU32::new(0), life: Guarded::new(0) })
    }

    fn wake(&self) {
        self.called.fetch_add(1, Ordering::Relaxed);
        if self.control.raise(Flags::WAKE) == Raised::Schedule {
            self.run();
        }
    }

    /// Polls, until the actor is parked.
    fn run(&self) {
        loop {
            // A turn uses it before it polls, too.
            self.life.with(|_| ());
            if self.control.flags().any(Flags::WAKE) {
                self.control.lower(Flags::WAKE);
            }
            self.life.with(|seen| *seen = self.called.load(Ordering::Relaxed));
            if self.control.park(Flags::WAKE.and(Flags::KILL)) {
                return;
            }
        }
    }

    fn seen(&self) -> u32 {
        self.life.with(|seen| *seen)
    }
}

#[test]
fn no_wake_up_is_lost_while_the_actor_parks() {
    check(3, || {
        let actor = Actor::new();
        let wakers = [(); 2].map(|()| {
            let actor = actor.clone();
            thread::spawn(move || actor.wake())
        });
        actor.run();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(actor.seen(), 2);
    });
}

#[test]
fn a_parked_actor_is_scheduled_once_and_for_what_it_waits_for() {
    check(3, || {
        let actor = Actor::new();
        let raisers = [Flags::WAKE, Flags::KILL, Flags::SIGNAL].map(|flag| {
            let actor = actor.clone();
            thread::spawn(move || {
                let scheduled = actor.control.raise(flag) == Raised::Schedule;
                if scheduled {
                    actor.life.with(|turns| *turns += 1);
                }
                assert!(!scheduled || flag != Flags::SIGNAL);
                scheduled
            })
        });
        actor.life.with(|turns| *turns += 1);
        let parked = actor.control.park(Flags::WAKE.and(Flags::KILL));
        let scheduled = raisers.map(|raiser| raiser.join().unwrap()).iter().filter(|yes| **yes).count();
        assert_eq!(scheduled, usize::from(parked));
    });
}
