//! Groups: what is published comes to each member, and who is slow hears what it has missed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use actor_core::prelude::*;
use actor_core::{Group, LookupError, Slow};

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor)]
#[actor(mailbox = 4)]
struct Feed {
    seen: Log<u32>,
    missed: Log<u64>,
    gate: Gate,
}

#[messages]
impl Feed {
    #[message(derive(Clone))]
    fn price(&mut self, price: u32) {
        self.seen.push(price);
    }

    #[message]
    fn lagged(&mut self, missed: u64) {
        self.missed.push(missed);
    }

    #[message]
    fn pass(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }
}

struct Member {
    actor: FeedRef,
    seen: Log<u32>,
    missed: Log<u64>,
    gate: Gate,
}

fn member(system: &System, group: &Group<FeedPrice>, slow: Slow) -> Member {
    let (seen, missed, gate) = (Log::default(), Log::default(), Gate::default());
    let parts = (seen.clone(), missed.clone(), gate.clone());
    let factory = move || Feed { seen: parts.0.clone(), missed: parts.1.clone(), gate: parts.2.clone() };
    let actor = system.spawn(factory).unwrap();
    group.join(&actor, slow, |missed| FeedLagged { missed });
    Member { actor, seen, missed, gate }
}

fn prices(system: &System) -> Group<FeedPrice> {
    system.group("prices").unwrap()
}

#[test]
fn each_member_gets_each_message_in_order_until_it_leaves_or_ends() {
    let system = system(2);
    let group = prices(&system);
    assert!(group.is_empty() && group.name() == "prices");
    let members = [(), (), ()].map(|()| member(&system, &group, Slow::Skip));
    for price in 0..4 {
        assert_eq!(group.publish(FeedPrice { price }).missed, 0);
        // Four at a time is what a mailbox holds.
        members.iter().for_each(|member| eventually("it is there", || member.seen.len() > price as usize));
    }
    members.iter().for_each(|member| assert_eq!(member.seen.entries(), [0, 1, 2, 3]));
    assert!(group.leave(&members[0].actor) && !group.leave(&members[0].actor));
    members[1].actor.stop();
    assert!(members[1].actor.monitor().wait_within(LIMIT).is_some());
    eventually("it has left", || group.len() == 1);
    let published = group.publish(FeedPrice { price: 4 });
    assert_eq!((published.delivered, published.missed), (1, 0));
    eventually("it is there", || members[2].seen.len() == 5);
    // To join again is no second membership.
    group.join(&members[2].actor, Slow::Kill, |missed| FeedLagged { missed });
    assert_eq!(group.len(), 1);
}

#[test]
fn a_member_stays_one_through_a_restart() {
    let system = system(2);
    let group = prices(&system);
    let member = member(&system, &group, Slow::Skip);
    member.actor.crash().tell().unwrap();
    eventually("it is back", || member.actor.incarnation().within(LIMIT).wait().unwrap() == 2);
    assert_eq!(group.publish(FeedPrice { price: 7 }).delivered, 1);
    eventually("it is there", || member.seen.entries() == [7]);
}

/// Publishes ten prices to a member that is held up, and has room for four.
fn overrun(system: &System, group: &Group<FeedPrice>, slow: Slow) -> Member {
    let member = member(system, group, slow);
    member.actor.pass().tell().unwrap();
    member.gate.somebody_waits();
    for price in 0..10 {
        group.publish(FeedPrice { price });
    }
    member
}

#[test]
fn who_is_slow_misses_some_and_hears_how_many() {
    let system = system(2);
    let group = prices(&system);
    let (slow, other) = (overrun(&system, &group, Slow::Skip), member(&system, &group, Slow::Skip));
    assert_eq!(group.publish(FeedPrice { price: 10 }).missed, 1, "nobody else is held up by it");
    eventually("the other has it", || other.seen.entries() == [10]);
    slow.gate.open();
    eventually("it hears of it", || slow.missed.entries() == [7]);
    eventually("it has the others", || slow.seen.entries() == [0, 1, 2, 3]);
    group.publish(FeedPrice { price: 11 });
    eventually("it goes on", || slow.seen.entries() == [0, 1, 2, 3, 11]);
    assert_eq!(slow.missed.len(), 1);
}

#[test]
fn who_is_slow_leaves_and_hears_of_it() {
    let system = system(2);
    let group = prices(&system);
    let slow = overrun(&system, &group, Slow::Leave);
    assert!(group.is_empty());
    slow.gate.open();
    eventually("it hears of it", || slow.missed.entries() == [1]);
    eventually("it has what was before", || slow.seen.entries() == [0, 1, 2, 3]);
}

#[test]
fn who_is_slow_is_killed_and_its_supervisor_decides() {
    let system = system(2);
    let group = prices(&system);
    let slow = overrun(&system, &group, Slow::Kill);
    assert!(group.is_empty());
    slow.gate.open();
    eventually("it is back", || {
        slow.actor.incarnation().within(LIMIT).wait().is_ok_and(|number| number == 2)
    });
    assert!(slow.missed.entries().is_empty());
}

#[test]
fn who_joins_twice_at_once_is_one_member() {
    let system = system(2);
    let group = prices(&system);
    let member = member(&system, &group, Slow::Skip);
    for _ in 0..2_000 {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| group.join(&member.actor, Slow::Skip, |missed| FeedLagged { missed }));
            }
        });
        assert_eq!(group.len(), 1);
    }
    assert!(group.leave(&member.actor) && group.is_empty());
}

#[test]
fn a_name_is_one_group_for_as_long_as_somebody_has_it() {
    let system = system(2);
    let group = prices(&system);
    let member = member(&system, &group, Slow::Skip);
    drop(group);
    assert_eq!(prices(&system).len(), 1, "a group with members is kept by them");
    let other = system.group::<FeedPass>("prices");
    assert!(matches!(other, Err(LookupError::WrongType { .. })), "{other:?}");
    member.actor.stop();
    assert!(member.actor.monitor().wait_within(LIMIT).is_some());
    eventually("it is forgotten", || system.group::<FeedPass>("prices").is_ok());
}

/// The last one that has a group may let go of it at the very moment at which another one asks for it by its name.
#[test]
fn a_name_is_one_group_although_others_let_go_of_it() {
    let system = system(1);
    let actor = member(&system, &system.group("others").unwrap(), Slow::Skip).actor;
    let over = AtomicBool::new(false);
    let strangers = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                drop(prices(&system));
            }
        });
        let is_strange = |_: &u32| {
            let group = prices(&system);
            group.join(&actor, Slow::Skip, |missed| FeedLagged { missed });
            let members = prices(&system).len();
            group.leave(&actor);
            members != 1
        };
        let strangers = (0..20_000).filter(is_strange).count();
        over.store(true, Ordering::Relaxed);
        strangers
    });
    assert_eq!(strangers, 0, "groups of the same name");
}
