//! Models of the mailbox: everything that can schedule an actor against the end of its turn.
//!
//! What was weakened, and what loom said:
//!
//! * `Inbox::claim` without its release, or `Inbox::rest` without the acquire of it; `claim` that does not
//!   call, or does not write over a head with messages or a stub; `Inbox::rest` that overlooks the call;
//!   `Mailbox::rest` that does not look at the flags again: a signal, readiness or a kill is lost (0 signals instead
//!   of 1);
//! * `claim` without its acquire: two turns write to the life at once;
//! * `ControlWord::raise` without its release, `lower` without its acquire: a wake-up is lost;
//! * `park` without its release: two turns write to the life at once.
#![allow(unsafe_code)]

use std::task::Waker;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::actor::Overflow;
use crate::cell::inbox::Handle;
use crate::sync::AtomicU32;
use crate::sync::model::{Bell, Guarded, Parcel, check};

mod ending;
mod room;

const UNBOUNDED: Settings = Settings::DEFAULT.mailbox(Settings::UNBOUNDED);

/// A cell, as far as the mailbox is concerned.
struct Actor {
    mailbox: Mailbox<Parcel>,
    life: Guarded<Life>,
    /// How often the waker of the pending handler was called; the control word gives the order.
    called: AtomicU32,
}

/// What a worker has of the actor while it holds the token.
#[derive(Default)]
struct Life {
    /// A handler is pending, until its waker was called so often.
    busy_until: u32,
    handled: Vec<u32>,
    signals: u32,
    ready: u32,
    /// The actor has ended, and these were left.
    left: Option<Vec<u32>>,
}

impl Actor {
    fn new(settings: Settings) -> Arc<Self> {
        Actor::busy(settings, 0)
    }

    fn busy(settings: Settings, busy_until: u32) -> Arc<Self> {
        let life = Life { busy_until, ..Life::default() };
        let (mailbox, called) = (Mailbox::new(settings), AtomicU32::new(0));
        Arc::new(Actor { mailbox, life: Guarded::new(life), called })
    }

    fn schedule_if(&self, schedule: bool) {
        if schedule {
            self.run();
        }
    }

    /// Tells; false if the message was refused.
    fn tell(&self, value: u32) -> bool {
        match self.mailbox.push(|| Parcel::new(value), None, false) {
            Pushed::Taken { schedule } => {
                self.schedule_if(schedule);
                true
            }
            Pushed::Instead { schedule, .. } => {
                self.schedule_if(schedule);
                false
            }
            Pushed::Refused(_) => false,
        }
    }

    fn signal(&self) {
        self.schedule_if(
            self.mailbox.signal(Signal::Timer { timer: crate::slab::Slab::new().insert(()), incarnation: 0 }),
        );
    }

    fn kill(&self) {
        self.schedule_if(self.mailbox.kill(Order { why: Asked::Kill, fate: Fate::ByType }));
    }

    fn stop(&self) {
        self.schedule_if(self.mailbox.stop(Order { why: Asked::Stop, fate: Fate::Last }, true));
    }

    fn wake(&self) {
        self.called.fetch_add(1, Ordering::Relaxed);
        self.schedule_if(self.mailbox.wake());
    }

    /// Turns, by the holder of the token, until it is given back.
    fn run(&self) {
        loop {
            let mode = self.turn();
            // SAFETY: the token is ours, and the receiver gone.
            if !unsafe { self.mailbox.end_turn(mode, Ready::NONE) } {
                return;
            }
        }
    }

    fn turn(&self) -> Mode {
        self.life.with(|life| {
            // SAFETY: the token is ours; loom checks that.
            let mut receiver = unsafe { self.mailbox.receiver() };
            if life.left.is_some() {
                return Mode::Ended;
            }
            if life.busy_until > 0 {
                receiver.begin_poll();
                if self.called.load(Ordering::Relaxed) < life.busy_until {
                    return Mode::Busy;
                }
                life.busy_until = 0;
            }
            life.ready += u32::from(!receiver.take_ready().is_empty());
            life.work(&mut receiver)
        })
    }
}

impl Handle<Parcel> for Life {
    type Outcome = ();

    fn handle(&mut self, parcel: Parcel) {
        self.handled.push(parcel.open());
    }
}

impl Life {
    fn work(&mut self, receiver: &mut Receiver<'_, Parcel>) -> Mode {
        loop {
            match receiver.look() {
                Came::Message => receiver.hand_out(self),
                Came::Nothing => return Mode::Open,
                Came::Other => match receiver.next() {
                    Work::Nothing => return Mode::Open,
                    Work::Message(parcel) => self.handled.push(parcel.open()),
                    Work::Signal(_) => self.signals += 1,
                    Work::Stop(_) | Work::Kill(_) => {
                        self.left = Some(receiver.end().into_iter().map(Parcel::open).collect());
                        return Mode::Ended;
                    }
                },
            }
        }
    }
}

/// Runs these threads beside a turn of the actor.
fn beside_a_turn<const N: usize>(actor: &Arc<Actor>, others: [fn(&Actor); N]) {
    let others = others.map(|other| {
        let actor = actor.clone();
        thread::spawn(move || other(&actor))
    });
    actor.run();
    others.into_iter().for_each(|other| other.join().unwrap());
}

#[test]
fn a_signal_is_not_lost_at_the_end_of_a_turn() {
    check(3, || {
        let actor = Actor::new(UNBOUNDED);
        beside_a_turn(&actor, [|actor| actor.signal(), |actor| assert!(actor.tell(1))]);
        actor.life.with(|life| {
            assert_eq!(life.signals, 1);
            assert_eq!(life.handled, [1]);
        });
    });
}

#[test]
fn readiness_is_not_lost_at_the_end_of_a_turn() {
    check(3, || {
        let actor = Actor::new(UNBOUNDED);
        let ready: fn(&Actor) = |actor| actor.schedule_if(actor.mailbox.set_ready(Ready::READABLE));
        beside_a_turn(&actor, [ready, |actor| assert!(actor.tell(1))]);
        actor.life.with(|life| {
            assert_eq!(life.ready, 1);
            assert_eq!(life.handled, [1]);
        });
    });
}

#[test]
fn a_kill_is_not_lost_at_the_end_of_a_turn() {
    check(3, || {
        let actor = Actor::new(UNBOUNDED);
        beside_a_turn(&actor, [|actor| actor.kill(), |actor| _ = actor.tell(1)]);
        actor.life.with(|life| assert!(life.left.is_some()));
    });
}

#[test]
fn a_wake_up_is_not_lost_and_a_message_schedules_no_busy_actor() {
    check(3, || {
        let actor = Actor::busy(UNBOUNDED, 1);
        let tell: fn(&Actor) = |actor| {
            assert!(actor.tell(1));
            // Loom sees to it that a busy actor was not scheduled: that would be a second holder.
        };
        beside_a_turn(&actor, [|actor| actor.wake(), tell]);
        actor.life.with(|life| {
            assert_eq!(life.busy_until, 0);
            assert_eq!(life.handled, [1]);
        });
    });
}

#[test]
fn two_wake_ups_schedule_one_turn_at_a_time() {
    check(3, || {
        let actor = Actor::busy(UNBOUNDED, 2);
        beside_a_turn(&actor, [|actor| actor.wake(), |actor| actor.wake()]);
        actor.life.with(|life| assert_eq!(life.busy_until, 0));
        assert!(actor.tell(1));
        actor.life.with(|life| assert_eq!(life.handled, [1]));
    });
}

#[test]
fn a_signal_waits_for_a_busy_actor() {
    check(3, || {
        let actor = Actor::busy(UNBOUNDED, 1);
        beside_a_turn(&actor, [|actor| actor.wake(), |actor| actor.signal()]);
        actor.life.with(|life| assert_eq!((life.busy_until, life.signals), (0, 1)));
    });
}
