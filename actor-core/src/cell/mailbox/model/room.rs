//! Models of the line: senders that wait for room against a receiver that makes some.
//!
//! What was weakened, and what loom said:
//!
//! * `has_line` with an acquire load, `queue_for_room` that raises no flag or does not look for places: a
//!   sender is left waiting, not accepted;
//! * `is_closed` with an acquire load, no look at it in `queue_for_room`, `end` that disperses no line, or only
//!   the line that it finds made, as it was once: a sender is left waiting, not told that it is closed;
//! * `leave_line` that keeps a grant, a send that gets a place and stays in the line, as it was once: one place
//!   is in use for ever.
//!
//! Loom cannot see `take_place` weakened, load or swap: in `queue_for_room` it comes behind the load of `is_closed`,
//! which is modelled with a fence. Nor the subtraction in `give_places`: behind it comes `has_line`, with a fence as
//! well. Without the steps themselves the models fail, see above. It takes the `SeqCst` of `push`, `close` and
//! `ControlWord::update` for acquire and release.

use super::*;

const ONE: Settings = Settings::DEFAULT.mailbox(1);

/// A send, as in `call.rs`.
struct Send {
    actor: Arc<Actor>,
    value: u32,
    ticket: Option<Ticket>,
    bell: Option<Bell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Waiting,
    Accepted,
    Closed,
}

impl Send {
    fn new(actor: &Arc<Actor>, value: u32) -> Self {
        Send { actor: actor.clone(), value, ticket: None, bell: None }
    }

    fn poll(&mut self) -> Sent {
        let (bell, waker): (Bell, Waker) = Bell::new();
        loop {
            match self.actor.mailbox.push(|| Parcel::new(self.value), self.ticket, true) {
                Pushed::Taken { schedule } | Pushed::Instead { schedule, .. } => {
                    self.ticket = None;
                    self.actor.schedule_if(schedule);
                    return Sent::Accepted;
                }
                Pushed::Refused(Refusal::Closed(_) | Refusal::Condemned(_)) => return Sent::Closed,
                Pushed::Refused(Refusal::Full(_)) => {}
            }
            if !self.actor.mailbox.queue_for_room(&mut self.ticket, &waker) {
                self.bell = Some(bell);
                return Sent::Waiting;
            }
        }
    }

    /// Polls as long as the last waker was called.
    fn go_on(&mut self, mut sent: Sent) -> Sent {
        while sent == Sent::Waiting && self.bell.take().is_some_and(|bell| bell.has_rung()) {
            sent = self.poll();
        }
        sent
    }
}

impl Drop for Send {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.actor.mailbox.leave_line(ticket);
        }
    }
}

/// All places are there again: none went to a sender that had gone.
fn assert_no_place_is_lost(actor: &Actor) {
    assert_eq!(actor.mailbox.used.load(Ordering::Relaxed), 0);
    assert!(actor.mailbox.rare().line.lock().is_empty());
    assert!(actor.tell(100));
}

#[test]
fn nobody_waits_while_there_is_room() {
    check(3, || {
        let actor = Actor::new(ONE);
        assert!(actor.tell(1));
        let mut send = Send::new(&actor, 2);
        let sender = thread::spawn(move || {
            let sent = send.poll();
            (send, sent)
        });
        actor.run();
        let (mut send, sent) = sender.join().unwrap();
        assert_eq!(send.go_on(sent), Sent::Accepted);
        actor.life.with(|life| assert_eq!(life.handled, [1, 2]));
        assert_no_place_is_lost(&actor);
    });
}

/// A send may be polled without having been woken.
#[test]
fn a_sender_that_asks_again_takes_one_place() {
    check(3, || {
        let actor = Actor::new(ONE);
        assert!(actor.tell(1));
        let mut send = Send::new(&actor, 2);
        let sender = thread::spawn(move || {
            let mut sent = send.poll();
            if sent == Sent::Waiting {
                sent = send.poll();
            }
            (send, sent)
        });
        actor.run();
        let (mut send, sent) = sender.join().unwrap();
        assert_eq!(send.go_on(sent), Sent::Accepted);
        assert_no_place_is_lost(&actor);
    });
}

#[test]
fn a_grant_that_is_not_used_goes_to_the_next() {
    check(2, || {
        let actor = Actor::new(ONE);
        assert!(actor.tell(1));
        let mut leaver = Send::new(&actor, 2);
        let leaver = thread::spawn(move || leaver.poll());
        let mut send = Send::new(&actor, 3);
        let sender = thread::spawn(move || {
            let sent = send.poll();
            (send, sent)
        });
        actor.run();
        leaver.join().unwrap();
        let (mut send, sent) = sender.join().unwrap();
        assert_eq!(send.go_on(sent), Sent::Accepted);
        assert_no_place_is_lost(&actor);
    });
}

#[test]
fn nobody_waits_for_an_actor_that_was_stopped() {
    check(2, || {
        let actor = Actor::new(ONE);
        assert!(actor.tell(1));
        let mut send = Send::new(&actor, 2);
        let sender = thread::spawn(move || {
            let sent = send.poll();
            (send, sent)
        });
        let stopper = {
            let actor = actor.clone();
            thread::spawn(move || actor.stop())
        };
        actor.run();
        stopper.join().unwrap();
        let (mut send, sent) = sender.join().unwrap();
        assert_ne!(send.go_on(sent), Sent::Waiting);
    });
}

/// The first that stands in line, while the actor ends by itself.
#[test]
fn nobody_waits_for_an_actor_that_has_ended() {
    check(3, || {
        let actor = Actor::new(ONE);
        assert!(actor.tell(1));
        let mut send = Send::new(&actor, 2);
        let sender = thread::spawn(move || {
            let sent = send.poll();
            (send, sent)
        });
        // SAFETY: the token is ours, and kept.
        let left = unsafe { actor.mailbox.receiver() }.end();
        let (mut send, sent) = sender.join().unwrap();
        assert_eq!(send.go_on(sent), Sent::Closed);
        assert_eq!(left.into_iter().map(Parcel::open).sum::<u32>(), 1);
    });
}
