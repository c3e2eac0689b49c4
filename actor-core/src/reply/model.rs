//! Models of the two ends of a reply slot. Loom's tracking of memory and cells sees to it that nothing
//! leaks and that nothing is used after it is freed.
//!
//! What was weakened, and what loom said:
//!
//! * `fill` without its release, the first load of `poll` or the one that shows the waker without its acquire:
//!   concurrent writes to the outcome;
//! * `fill` without its acquire, showing the waker without its release, taking it back without its acquire, or
//!   not taking it back at all: concurrent writes to the waker;
//! * `leave` without its release, its acquire, or with a relaxed first look: concurrent access to a slot that
//!   is freed;
//! * `leave` with its first look only: the allocation is leaked.

use std::task::{Context, Poll, Waker};

use loom::thread;

use super::*;
use crate::sync::model::{Bell, Parcel, check};

fn poll(answer: &Answer<Parcel, Parcel>, waker: &Waker) -> Poll<Option<u32>> {
    answer.poll(&mut Context::from_waker(waker)).map(|outcome| match outcome {
        Outcome::Replied(Ok(value) | Err(value)) => Some(value.open()),
        Outcome::Lost | Outcome::Undelivered => None,
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

#[test]
fn the_answer_is_seen_or_the_last_waker_called() {
    check(3, || {
        let (reply, answer) = pair::<Parcel, Parcel>();
        let replier = thread::spawn(move || reply.send(Parcel::new(7)));
        let (mut polled, bell) = polled_twice(&answer);
        replier.join().unwrap();
        if polled.is_pending() {
            assert!(bell.has_rung());
            polled = poll(&answer, Waker::noop());
        }
        assert_eq!(polled, Poll::Ready(Some(7)));
    });
}

#[test]
fn an_asker_that_gives_up_leaves_nothing_behind() {
    check(3, || {
        let (reply, answer) = pair::<Parcel, Parcel>();
        let replier = thread::spawn(move || {
            if reply.is_wanted() {
                reply.send(Parcel::new(7));
            }
        });
        let _ = polled_twice(&answer);
        drop(answer);
        replier.join().unwrap();
    });
}

#[test]
fn a_reply_that_is_dropped_says_so() {
    check(3, || {
        let (reply, answer) = pair::<Parcel, Parcel>();
        let replier = thread::spawn(move || drop(reply));
        let (mut polled, bell) = polled_twice(&answer);
        replier.join().unwrap();
        if polled.is_pending() {
            assert!(bell.has_rung());
            polled = poll(&answer, Waker::noop());
        }
        assert_eq!(polled, Poll::Ready(None));
    });
}
