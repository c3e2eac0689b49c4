//! Actors in the background lane get on with their work, and with what they give to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::support::{eventually, system};

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
