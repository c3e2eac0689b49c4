//! Models of senders against the receiver, on the inbox alone.
//!
//! What was weakened, and what loom said:
//!
//! * `push` without its release, `take` or `close` without its acquire: concurrent read and write of a message;
//! * `push` without its acquire, `rest` without its release: two turns write to the life at once;
//! * `hold` without its acquire: who holds and the last turn write to the life at once;
//! * `push` says true for a null head too: the token was taken from its holder;
//! * `push` overlooks `CLOSED`: `[1, 100, 2]`, a message behind the last;
//! * `push` links a new node to the head with its marks: a pointer that is no node;
//! * `take` goes below the stub: a node is freed twice;
//! * `rest` as a load and a store; `rest` frees the stub before its swap; `pop` frees the last node, so that there is
//!   no stub; `take` does not compare with the stub: what was freed is used, and the model crashes.
//!
//! Freed blocks come back at once here, so a sender that has read the head before the stub was freed meets a new
//! node at the same place. The models of `claim` are the mailbox's, since it is there for the control word's sake.
//! Whether `push` and `close` are in one order with all else (`SeqCst`) loom cannot see: it is for the line, see
//! `mailbox/model/room.rs`.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model::{Guarded, Parcel, check};

struct Actor {
    inbox: Inbox<Parcel>,
    /// For the holder of the token.
    life: Guarded<Life>,
}

#[derive(Default)]
struct Life {
    taken: Taken<Parcel>,
    handled: Vec<u32>,
}

impl<T> Default for Taken<T> {
    fn default() -> Self {
        Taken::new()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.life.with(|life| self.inbox.close(&mut life.taken.alone()));
    }
}

impl Actor {
    fn new() -> Arc<Self> {
        Arc::new(Actor { inbox: Inbox::new(), life: Guarded::default() })
    }

    fn send(&self, value: u32) {
        if let Ok(true) = self.inbox.push(|| Parcel::new(value)) {
            self.run();
        }
    }

    /// A turn with a message, from the beginning to the rest.
    fn send_before_rest(&self) {
        assert!(matches!(self.inbox.push(|| Parcel::new(1)), Ok(false)), "the token is its maker's");
        self.run();
    }

    /// Turns, until the token is given back.
    fn run(&self) {
        loop {
            let stub = self.life.with(|life| {
                let taken = self.take(life);
                life.handled.extend(taken);
                life.taken.alone().take_stub()
            });
            match self.inbox.rest(stub) {
                Rest::Idle => return,
                Rest::Messages(stub) | Rest::Called(stub) => {
                    self.life.with(|life| life.taken.alone().put_stub(stub))
                }
            }
        }
    }

    fn take(&self, life: &mut Life) -> Vec<u32> {
        self.inbox.take(&mut life.taken.alone());
        opened(&mut life.taken)
    }

    /// Takes, for the holder of the token.
    fn taken(&self) -> Vec<u32> {
        self.life.with(|life| self.take(life))
    }

    /// Closes, for the holder of the token.
    fn closed(&self) -> Vec<u32> {
        self.life.with(|life| {
            self.inbox.close(&mut life.taken.alone());
            opened(&mut life.taken)
        })
    }

    fn handled(&self) -> Vec<u32> {
        self.life.with(|life| std::mem::take(&mut life.handled))
    }
}

fn opened(taken: &mut Taken<Parcel>) -> Vec<u32> {
    std::iter::from_fn(|| taken.alone().pop()).map(Parcel::open).collect()
}

#[test]
fn no_message_is_stranded_at_the_end_of_a_turn() {
    check(3, || {
        let actor = Actor::new();
        let (first, second) = (actor.clone(), actor.clone());
        let first = thread::spawn(move || {
            first.send(1);
            first.send(2);
        });
        let second = thread::spawn(move || second.send(10));
        actor.run();
        first.join().unwrap();
        second.join().unwrap();
        let mut handled = actor.handled();
        assert!(handled.iter().filter(|value| **value < 10).is_sorted(), "out of order: {handled:?}");
        handled.sort_unstable();
        assert_eq!(handled, [1, 2, 10]);
    });
}

#[test]
fn a_message_is_taken_or_refused() {
    check(3, || {
        let actor = Actor::new();
        let senders = [1, 10].map(|value| {
            let actor = actor.clone();
            thread::spawn(move || {
                let pushed = [value, value + 1].map(|value| actor.inbox.push(|| Parcel::new(value)));
                assert!(!pushed.iter().any(|pushed| matches!(pushed, Ok(true))), "the token was taken away");
                assert!(pushed[0].is_ok() || pushed[1].is_err(), "accepted after a refusal");
                pushed.into_iter().filter_map(Result::err).map(Parcel::open).collect::<Vec<_>>()
            })
        });
        let mut seen = actor.taken();
        seen.extend(actor.closed());
        seen.extend(senders.into_iter().flat_map(|sender| sender.join().unwrap()));
        assert!(actor.taken().is_empty());
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 10, 11]);
    });
}

#[test]
fn nothing_comes_after_the_last() {
    const LAST: u32 = 100;
    check(3, || {
        let actor = Actor::new();
        let (sender, closer) = (actor.clone(), actor.clone());
        let sender = thread::spawn(move || {
            let pushed = [1, 2].map(|value| sender.inbox.push(|| Parcel::new(value)).is_ok());
            pushed.iter().filter(|accepted| **accepted).count()
        });
        let closer = thread::spawn(move || closer.inbox.push_last(Parcel::new(LAST)).is_ok());
        let mut taken = actor.taken();
        assert!(closer.join().unwrap());
        taken.extend(actor.taken());
        let accepted = sender.join().unwrap();
        taken.extend(actor.taken());
        assert_eq!(taken, [&[1, 2][..accepted], &[LAST]].concat());
    });
}

/// One looks at an actor that rests, while a message comes: only one of the two has it at a time, and the message
/// is handled, by whoever has the token then.
#[test]
fn who_holds_a_resting_actor_is_alone_with_it() {
    check(3, || {
        let actor = Actor::new();
        actor.send_before_rest();
        let (sender, holder) = (actor.clone(), actor.clone());
        let sender = thread::spawn(move || sender.send(2));
        let holder = thread::spawn(move || {
            if !holder.inbox.hold() {
                return;
            }
            let seen = holder.life.with(|life| life.handled.len());
            // If nothing has come so far, nothing was handled behind the back of who holds it.
            if holder.inbox.is_untouched() {
                assert_eq!(holder.life.with(|life| life.handled.len()), seen);
            }
            holder.run();
        });
        sender.join().unwrap();
        holder.join().unwrap();
        assert_eq!(actor.handled(), [1, 2]);
    });
}
