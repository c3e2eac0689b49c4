//! Actors in the background lane get on with their work, and with what they give to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::support::{Loop, eventually, system};

/// How many messages it tells in one handler.
const MANY: u64 = 20_000;

/// Counts what comes.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Sink(Arc<AtomicU64>);

#[messages]
impl Sink {
    /// One more.
    #[message]
    fn take(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes long.
#[derive(Actor)]
struct Slow(SinkRef);

#[messages]
impl Slow {
    /// Holds its thread up.
    #[message]
    fn sleep(&mut self) {
        thread::sleep(Duration::from_millis(20));
    }

    /// Tells many messages, one after the other.
    #[message]
    fn tell_many(&mut self) {
        (0..MANY).for_each(|_| self.0.take().tell().expect("the sink lives"));
    }
}

/// A thread of the lane gives way to the worker that it wakes: on one processor it got on by one message for each time that
/// the two changed places.
#[test]
fn what_is_told_in_one_handler_there_does_not_wake_a_worker_each_time() {
    let on_one_core = thread::spawn(|| {
        let allowed = sched_getaffinity(None).expect("a thread has a mask");
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).expect("it runs somewhere"));
        sched_setaffinity(None, &one).expect("a part of the mask");
        tell_many_from_the_lane();
    });
    on_one_core.join().expect("it does not");
}

fn tell_many_from_the_lane() {
    let system = system(1);
    let events = system.events().subscribe(1000);
    let came = Arc::new(AtomicU64::new(0));
    let counts = came.clone();
    let sink = system.spawn(move || Sink(counts.clone())).unwrap();
    let slow = system.spawn(move || Slow(sink.clone())).unwrap();
    let is_there = |event| matches!(event, Event::ToBackground { actor: Some(id), .. } if id == slow.id());
    eventually("it goes to the lane", || {
        slow.sleep().wait().unwrap();
        events.try_iter().any(is_there)
    });
    let before = system.snapshot().wakes_from_outside;
    slow.tell_many().tell().unwrap();
    eventually("all has come", || came.load(Ordering::Relaxed) == MANY);
    let woken = system.snapshot().wakes_from_outside - before;
    assert!(woken < MANY / 20, "a worker was woken {woken} times for {MANY} messages");
    assert!(system.shutdown().is_clean());
}

/// How many there are of a kind, and how many of them have handlers that do not return: more than one in 64.
const ALL: usize = 400;
const STUCK: usize = 10;

/// Answers, as a rule.
#[derive(Actor)]
struct Answering(Loop);

#[messages]
impl Answering {
    #[message]
    fn answer(&mut self, n: usize) -> usize {
        n
    }

    #[message]
    fn get_stuck(&mut self) {
        while self.0.goes_on() {
            std::hint::spin_loop();
        }
    }
}

/// They would all wait there for those that do not return.
#[test]
fn a_kind_that_is_good_but_for_a_few_does_not_go_to_the_lane() {
    let system = system(2);
    let events = system.events().subscribe(1000);
    let on = Loop::default();
    let all: Vec<_> = (0..ALL)
        .map(|_| {
            let on = on.clone();
            system.spawn(move || Answering(on.clone())).unwrap()
        })
        .collect();
    // What is short is known by a sample, so there has to be a number.
    for round in 0..25 {
        all.iter().for_each(|one| assert_eq!(one.answer(round).wait().unwrap(), round));
    }
    let (stuck, others) = all.split_at(STUCK);
    stuck.iter().for_each(|one| one.get_stuck().tell().unwrap());
    eventually("they have lost their workers", || system.snapshot().preemptions.replaced >= STUCK as u64);
    for one in others {
        assert_eq!(one.answer(1).wait().unwrap(), 1);
    }
    let whole = events.try_iter().any(|event| matches!(event, Event::ToBackground { actor: None, .. }));
    on.end();
    assert!(!whole, "the kind went to the lane");
    assert!(system.shutdown().is_clean());
}
