//! Models of a ring of four slots, whose indices are about to wrap around, between its owner and thieves.
//!
//! What was weakened, and what loom said:
//!
//! * `try_push` or `steal` moves the tail without release, `steal` looks at it without acquire: a thief takes a
//!   null, or reads a parcel that its making does not happen before;
//! * `steal` looks at the head without acquire, or `take` moves it without release: `steal` goes on looking at a tail
//!   that is older, and loom gives up;
//! * `take` as a load and a store: a parcel is opened twice, and the model crashes.
//!
//! What loom cannot see is the acquire of `head` in `try_push` and `room`, which pairs with the release in `take`. It keeps a
//! thief's read of a slot before the owner's next write to it, and in loom no load sees a store that comes later.
//! Nor does it see `steal` believe in more than a ring holds: then the swap fails.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model::{Parcel, check};

impl Thin for Box<Parcel> {
    fn into_raw(self) -> *mut () {
        Box::into_raw(self).cast()
    }

    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: it is what `into_raw` made.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

type Parcels = Queue<Box<Parcel>>;

/// The second push wraps around.
fn queue() -> Parcels {
    Queue::starting_at(usize::MAX)
}

fn parcel(value: u32) -> Box<Parcel> {
    Box::new(Parcel::new(value))
}

fn opened(value: Option<Box<Parcel>>) -> Option<u32> {
    value.map(|parcel| parcel.open())
}

/// Takes out all that is left.
fn emptied(queue: &Parcels) -> impl Iterator<Item = u32> {
    std::iter::from_fn(|| opened(queue.pop()))
}

/// A thief that steals once: what it got, in order.
fn thief(stealer: Stealer<Box<Parcel>>) -> thread::JoinHandle<Vec<u32>> {
    thread::spawn(move || {
        let own = queue();
        let first = opened(stealer.steal(&own));
        let all = first.into_iter().chain(emptied(&own)).collect();
        drop(own);
        all
    })
}

fn assert_all(mut taken: Vec<u32>, until: u32) {
    taken.sort_unstable();
    assert_eq!(taken, (1..=until).collect::<Vec<_>>());
}

#[test]
fn a_steal_and_a_pop_take_different_things() {
    check(3, || {
        let (queue, global) = (queue(), Global::new());
        for value in 1..=3 {
            queue.push(parcel(value), &global);
        }
        let thief = thief(queue.stealer());
        let mut taken: Vec<_> = opened(queue.pop()).into_iter().chain(opened(queue.pop())).collect();
        taken.extend(thief.join().unwrap());
        taken.extend(emptied(&queue));
        assert_all(taken, 3);
    });
}

#[test]
fn what_is_pushed_where_a_thief_reads_is_not_mistaken_for_what_was_there() {
    check(3, || {
        let (queue, global) = (queue(), Global::new());
        for value in 1..=4 {
            queue.push(parcel(value), &global);
        }
        let thief = thief(queue.stealer());
        // Each of these may find the ring full, in which case a half goes to the global queue, or take a
        // slot that the thief has emptied, or is about to.
        let mut taken: Vec<_> = opened(queue.pop()).into_iter().collect();
        queue.push(parcel(5), &global);
        queue.push(parcel(6), &global);
        taken.extend(thief.join().unwrap());
        taken.extend(emptied(&queue));
        taken.extend(std::iter::from_fn(|| opened(global.pop())));
        assert_all(taken, 6);
    });
}

#[test]
fn what_overflows_is_not_stolen_as_well() {
    check(3, || {
        let (queue, global) = (queue(), Arc::new(Global::new()));
        for value in 1..=4 {
            queue.push(parcel(value), &global);
        }
        let stealer = queue.stealer();
        let other = {
            let global = global.clone();
            thread::spawn(move || {
                let own = self::queue();
                let from_global: Vec<_> = opened(global.take(1, usize::MAX, &own)).into_iter().collect();
                let first = opened(stealer.steal(&own));
                from_global.into_iter().chain(first).chain(emptied(&own)).collect::<Vec<_>>()
            })
        };
        queue.push(parcel(5), &global);
        let mut taken = other.join().unwrap();
        taken.extend(emptied(&queue));
        taken.extend(std::iter::from_fn(|| opened(global.pop())));
        assert_all(taken, 5);
    });
}

#[test]
fn two_thieves_take_different_things() {
    check(2, || {
        let (queue, global) = (queue(), Global::new());
        queue.push(parcel(1), &global);
        queue.push(parcel(2), &global);
        let thieves = [thief(queue.stealer()), thief(queue.stealer())];
        queue.push(parcel(3), &global);
        let mut taken: Vec<_> = thieves.into_iter().flat_map(|thief| thief.join().unwrap()).collect();
        taken.extend(emptied(&queue));
        assert_all(taken, 3);
    });
}

#[test]
fn what_was_stolen_can_be_stolen_on() {
    check(3, || {
        let (queue, global) = (queue(), Global::new());
        let (stealer, own) = (queue.stealer(), self::queue());
        let second = thief(own.stealer());
        // The ring is freed here at last, since loom does not see the count in an `Arc` of the standard library's.
        let _kept = own.stealer();
        let first = thread::spawn(move || {
            let first = opened(stealer.steal(&own));
            let all: Vec<_> = first.into_iter().chain(emptied(&own)).collect();
            all
        });
        for value in 1..=3 {
            queue.push(parcel(value), &global);
        }
        let mut taken = first.join().unwrap();
        taken.extend(second.join().unwrap());
        taken.extend(emptied(&queue));
        assert_all(taken, 3);
    });
}
