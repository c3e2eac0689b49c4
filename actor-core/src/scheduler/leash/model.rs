//! Models of a leash: a handler that returns against one who condemns it.
//!
//! What was weakened, and what loom said:
//!
//! * the store in `put_on` relaxed: who cuts the leash reads the load while it is written, and the actor while the
//!   thread uses it;
//! * `take_off` by a store instead of a compare-and-swap: both have the actor, and the load is taken twice;
//! * `cut` whatever the number is: a handler is condemned for the one before it.
//!
//! * the load in `stint` relaxed: it gives the limit of an earlier stint, or none.
//!
//! With the swap in `cut` relaxed it says nothing: who cuts has read the same number in `stint`, which acquires it.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model::{Guarded, Parcel, check};

/// An actor, which one at a time has: its thread, or who has cut the leash.
#[derive(Default)]
struct Actor {
    handled: Guarded<u32>,
}

/// Handles a message on the leash. True if the thread has the actor afterwards.
fn handle(worn: &mut Worn<Parcel>, actor: &Actor, message: u32) -> bool {
    actor.handled.with(|handled| *handled += 1);
    worn.put_on(message.into(), Duration::from_nanos(message.into()), Parcel::new(message));
    // Here the handler runs, which has its own state and nothing of the actor's.
    let Some(load) = worn.take_off() else { return false };
    assert_eq!(load.open(), message);
    actor.handled.with(|handled| *handled += 1);
    true
}

/// Condemns what runs: gives the message, and what the actor has handled.
fn condemn(leash: &Leash<Parcel>, actor: &Actor) -> Option<(u32, u32)> {
    let stint = leash.stint()?;
    let load = leash.cut(stint)?;
    let message = load.open();
    assert_eq!(
        (stint.subject, stint.limit.as_nanos()),
        (message.into(), message.into()),
        "both are the stint's"
    );
    Some((message, actor.handled.with(|handled| *handled)))
}

/// Another thread, which condemns what runs.
fn watcher(worn: &Worn<Parcel>, actor: &Arc<Actor>) -> thread::JoinHandle<Option<(u32, u32)>> {
    let (leash, actor) = (worn.leash().clone(), actor.clone());
    thread::spawn(move || condemn(&leash, &actor))
}

#[test]
fn a_return_and_a_condemnation_have_one_winner() {
    check(3, || {
        let actor = Arc::new(Actor::default());
        let mut worn = Worn::new();
        let watcher = watcher(&worn, &actor);
        let kept = handle(&mut worn, &actor, 1);
        let condemned = watcher.join().unwrap();
        assert_eq!(condemned, (!kept).then_some((1, 1)), "one has the actor, as the other has left it");
        assert_eq!(worn.leash().is_cut(), !kept);
    });
}

#[test]
fn a_handler_is_not_condemned_for_the_one_before() {
    check(3, || {
        let actor = Arc::new(Actor::default());
        let mut worn = Worn::new();
        let watcher = watcher(&worn, &actor);
        let kept = handle(&mut worn, &actor, 1);
        let kept_then = kept && handle(&mut worn, &actor, 2);
        match watcher.join().unwrap() {
            None => assert!(kept_then),
            Some((message, handled)) => {
                assert_eq!((message, handled), if kept { (2, 3) } else { (1, 1) });
                assert!(!kept_then);
            }
        }
    });
}

#[test]
fn of_two_who_condemn_one_has_the_actor() {
    check(3, || {
        let actor = Arc::new(Actor::default());
        let mut worn = Worn::new();
        actor.handled.with(|handled| *handled += 1);
        worn.put_on(1, Duration::from_nanos(1), Parcel::new(1));
        let other = watcher(&worn, &actor);
        let one = condemn(worn.leash(), &actor).is_some();
        assert!(one != other.join().unwrap().is_some());
        assert!(worn.take_off().is_none() && worn.leash().is_cut());
        let leash = worn.leash().clone();
        worn.returned();
        assert!(leash.is_cut() && leash.has_returned() && leash.stint().is_none());
    });
}
