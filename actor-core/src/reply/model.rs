//! Models of the two ends of a reply slot. Loom's tracking of memory and cells sees to it that nothing
//! leaks and that nothing is used after it is freed.
//!
//! What was weakened, and what loom said:
//!
//! * `fill` without its release; `poll` or `wait`, in either of its swaps, without the acquire of it: an outcome is read
//!   while it is written;
//! * `fill` without one of its acquires, `wait` without its release: `fill` takes the words of a waker that is not yet
//!   there, and the model crashes;
//! * the drop of `Answer` without its release or one of its acquires: a slot is freed while the other end uses it;
//! * another waker without `ANOTHER` in the state: `fill` takes words that are not those of the waker that waits, and the
//!   model crashes.
//! * a guarded slot that is filled without a claim: an outcome is written while it is read, or written twice;
//! * `give_up` relaxed on either side: the slot is freed while it is used;
//! * an asker that leaves a guarded slot as it does any other, and frees it: the same, and twice.
//!
//! That an actor's waker is kept for its next ask is no part of these models: no actor runs in them.

use std::task::{Context, Poll, Waker};

use loom::thread;

use super::*;
use crate::sync::model::{Bell, Parcel, check};

fn poll(answer: &Answer<Parcel, Parcel>, waker: &Waker) -> Poll<Option<u32>> {
    answer.poll(&mut Context::from_waker(waker)).map(|outcome| match outcome {
        Outcome::Replied(Ok(value) | Err(value)) => Some(value.open()),
        Outcome::Lost | Outcome::Undelivered | Outcome::Stalled => None,
    })
}

/// Polls with one waker, then with another; gives the outcome, if it did not come without a wake.
fn polled_twice(answer: &Answer<Parcel, Parcel>) -> (Poll<Option<u32>>, Bell) {
    let (_, waker) = Bell::new();
    let polled = poll(answer, &waker);
    let (bell, waker) = Bell::new();
    let polled = if polled.is_pending() { poll(answer, &waker) } else { polled };
    (polled, bell)
}

/// Both ends, with an asker that waits from the start or not; and, if so, for what it waits.
fn pair_waiting(from_the_start: bool) -> (Reply<Parcel, Parcel>, Answer<Parcel, Parcel>, Option<Bell>) {
    if from_the_start {
        let (bell, waker) = Bell::new();
        let (reply, answer) = pair_for(&waker, false);
        return (reply, answer, Some(bell));
    }
    let (reply, answer) = pair();
    (reply, answer, None)
}

/// A reply to an ask that waits from the start or not, and is polled twice meanwhile.
fn replied(from_the_start: bool, reply_with: fn(Reply<Parcel, Parcel>), expected: Option<u32>) {
    check(3, move || {
        let (reply, answer, _) = pair_waiting(from_the_start);
        let replier = thread::spawn(move || reply_with(reply));
        let (mut polled, bell) = polled_twice(&answer);
        replier.join().unwrap();
        if polled.is_pending() {
            assert!(bell.has_rung());
            polled = poll(&answer, Waker::noop());
        }
        assert_eq!(polled, Poll::Ready(expected));
    });
}

#[test]
fn the_answer_is_seen_or_the_last_waker_called() {
    replied(false, |reply| reply.send(Parcel::new(7)), Some(7));
}

#[test]
fn the_answer_is_seen_or_the_last_waker_called_of_an_asker_that_waits_from_the_start() {
    replied(true, |reply| reply.send(Parcel::new(7)), Some(7));
}

#[test]
fn a_reply_that_is_dropped_says_so() {
    replied(false, drop, None);
}

#[test]
fn an_asker_that_waits_from_the_start_need_not_poll() {
    check(3, || {
        let (reply, answer, bell) = pair_waiting(true);
        let replier = thread::spawn(move || reply.send(Parcel::new(7)));
        replier.join().unwrap();
        assert!(bell.is_some_and(|bell| bell.has_rung()));
        assert_eq!(poll(&answer, Waker::noop()), Poll::Ready(Some(7)));
    });
}

#[test]
fn an_asker_that_gives_up_leaves_nothing_behind() {
    for from_the_start in [false, true] {
        check(3, move || {
            let (reply, answer, _) = pair_waiting(from_the_start);
            let replier = thread::spawn(move || {
                if reply.is_wanted() {
                    reply.send(Parcel::new(7));
                }
            });
            if !from_the_start {
                let _ = polled_twice(&answer);
            }
            drop(answer);
            replier.join().unwrap();
        });
    }
}

#[test]
fn what_is_refused_wakes_nobody() {
    check(3, || {
        let (reply, answer, bell) = pair_waiting(true);
        reply.refused();
        drop(answer);
        assert!(bell.is_some_and(|bell| !bell.has_rung()));
    });
}

/// Both ends of an ask, and a guard; and for what the asker waits.
fn guarded() -> (Reply<Parcel, Parcel>, Answer<Parcel, Parcel>, guard::Guard, Bell) {
    let (bell, waker) = Bell::new();
    let (reply, answer) = pair_for(&waker, true);
    let guard = reply.guard().expect("it is guarded");
    (reply, answer, guard, bell)
}

/// What who watches does when the handler has stalled.
fn stall(guard: guard::Guard) {
    guard.stall().into_iter().for_each(wait::wake);
}

#[test]
fn a_reply_and_a_guard_have_one_winner() {
    check(3, || {
        let (reply, answer, guard, bell) = guarded();
        let replier = thread::spawn(move || reply.send(Parcel::new(7)));
        let watcher = thread::spawn(move || stall(guard));
        let mut polled = poll(&answer, Waker::noop());
        replier.join().unwrap();
        watcher.join().unwrap();
        if polled.is_pending() {
            polled = poll(&answer, Waker::noop());
        } else {
            drop(bell);
        }
        assert!(matches!(polled, Poll::Ready(Some(7) | None)), "it ends, once");
    });
}

#[test]
fn a_guard_wakes_the_asker_whatever_becomes_of_the_reply() {
    check(3, || {
        let (reply, answer, guard, bell) = guarded();
        let watcher = thread::spawn(move || stall(guard));
        watcher.join().unwrap();
        assert!(bell.has_rung() && !reply.is_wanted());
        let late = thread::spawn(move || reply.send(Parcel::new(7)));
        assert_eq!(poll(&answer, Waker::noop()), Poll::Ready(None));
        drop(answer);
        late.join().unwrap();
    });
}

#[test]
fn of_three_that_leave_the_last_frees_the_slot() {
    for stalls in [false, true] {
        check(3, move || {
            let (reply, answer, guard, _bell) = guarded();
            let replier = thread::spawn(move || drop(reply));
            let watcher = thread::spawn(move || if stalls { stall(guard) } else { drop(guard) });
            drop(answer);
            replier.join().unwrap();
            watcher.join().unwrap();
        });
    }
}
