//! Models of the end: what comes late is taken or refused, and who gave the token away is gone.
//!
//! What was weakened, and what loom said:
//!
//! * a look at the flags after the token is given back, as it was once: concurrent load from a freed cell;
//! * `end` leaves the ring open, or closes it only if it was made by then, as it was once: a message is
//!   accepted that is neither handled nor left over;
//! * `stats` counts the places of one that has ended, as it once did: the account shows one queued, of a sender who
//!   is about to be refused.

use super::*;

/// Two messages beside a turn and whatever ends the actor: each is handled, left over, or refused.
fn each_is_taken_or_refused(settings: Settings, end: fn(&Actor)) {
    let actor = Actor::new(settings);
    let sender = {
        let actor = actor.clone();
        thread::spawn(move || [1, 2].map(|value| (value, actor.tell(value))))
    };
    let ender = {
        let actor = actor.clone();
        thread::spawn(move || end(&actor))
    };
    actor.run();
    let told = sender.join().unwrap();
    ender.join().unwrap();
    let accepted: Vec<_> = told.iter().filter(|told| told.1).map(|told| told.0).collect();
    actor.life.with(|life| {
        let left = life.left.take().expect("the actor has ended");
        assert_eq!([&life.handled[..], &left].concat(), accepted);
    });
    assert!(!actor.tell(3), "accepted after the end");
    assert_eq!(actor.mailbox.stats().queued, 0);
}

/// Nothing is added to the account of one that has ended, not even for a moment.
#[test]
fn the_account_of_one_that_has_ended_is_closed() {
    check(2, || {
        let actor = Actor::new(Settings::DEFAULT);
        let sender = {
            let actor = actor.clone();
            thread::spawn(move || actor.tell(1))
        };
        // SAFETY: the token is ours, and kept.
        drop(unsafe { actor.mailbox.receiver() }.end());
        actor.mailbox.mark_done(Done::As(Asked::Kill));
        let account = actor.mailbox.stats();
        let accepted = u64::from(sender.join().unwrap());
        assert_eq!((account.accepted, account.dead), (accepted, accepted));
        assert_eq!(actor.mailbox.stats(), account);
    });
}

#[test]
fn a_message_is_taken_or_refused_when_a_stop_closes_the_mailbox() {
    check(2, || each_is_taken_or_refused(UNBOUNDED, Actor::stop));
}

#[test]
fn a_message_is_taken_or_refused_when_the_actor_is_killed() {
    check(2, || each_is_taken_or_refused(UNBOUNDED, Actor::kill));
}

#[test]
fn a_message_is_taken_or_refused_by_a_bounded_mailbox() {
    check(2, || each_is_taken_or_refused(Settings::DEFAULT, Actor::kill));
}

/// A mailbox that drops its oldest, and whose actor ends by itself: nobody has ordered it to.
#[test]
fn a_message_is_taken_or_refused_by_a_ring() {
    check(3, || {
        let actor = Actor::new(Settings::DEFAULT.overflow(Overflow::DropOldest));
        let sender = {
            let actor = actor.clone();
            thread::spawn(move || actor.tell(1))
        };
        // SAFETY: the token is ours, and kept.
        let left = unsafe { actor.mailbox.receiver() }.end();
        assert_eq!(left.len(), usize::from(sender.join().unwrap()));
        left.into_iter().for_each(|parcel| assert_eq!(parcel.open(), 1));
        assert!(!actor.tell(2), "accepted after the end");
    });
}

/// The record of an actor that has ended goes with the last ref to it, as in `Task::run`: a turn has
/// none. So who gives the token back must not look at the record any more.
#[test]
fn the_token_is_the_last_that_a_turn_touches() {
    fn run(actor: *const Actor) {
        // SAFETY: the actor has not ended, so the count for its life is there; as in `Task::run`.
        let actor = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(actor) });
        loop {
            let mode = actor.turn();
            // SAFETY: the token is ours, and the receiver gone.
            if !unsafe { actor.mailbox.end_turn(mode, Ready::NONE) } {
                if mode == Mode::Ended {
                    drop(std::mem::ManuallyDrop::into_inner(actor));
                }
                return;
            }
        }
    }
    check(3, || {
        let actor = Actor::new(UNBOUNDED);
        let life = Arc::into_raw(actor.clone());
        let ender = thread::spawn(move || {
            let schedule = actor.mailbox.stop(Order { why: Asked::Stop, fate: Fate::Last }, true);
            let life = Arc::as_ptr(&actor);
            drop(actor);
            if schedule {
                run(life);
            }
        });
        run(life);
        ender.join().unwrap();
    });
}
