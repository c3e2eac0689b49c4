//! Threads that cannot be started, at the worst moments: as the first spare, as another one when all are stuck, for a
//! worker that is added, while the system ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::observe::Event;
use crate::prelude::*;
use crate::scheduler::ParallelismError;
use crate::sync::failing::Failing;

const LIMIT: Duration = Duration::from_secs(30);

/// Holds its thread until the other end is dropped.
#[derive(Actor)]
struct Holder(Receiver<()>);

#[messages]
impl Holder {
    #[message]
    fn hold(&mut self) {
        assert!(self.0.recv().is_err());
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Counter(Arc<AtomicUsize>);

#[messages]
impl Counter {
    #[message]
    fn count(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A system with one worker whose threads are called so.
fn system(name: &str) -> System {
    System::builder().name(name).workers(1).max_workers(2).build().expect("a system")
}

/// Has an actor hold a thread, until what this gives is dropped.
fn hold(system: &System) -> Sender<()> {
    let (release, held) = bounded(0);
    let holder = system.spawn(move || Holder(held.clone())).expect("it has not ended");
    holder.hold().tell().expect("there is room");
    release
}

/// Whether so many threads are held.
fn holds(system: &System, threads: usize) -> bool {
    let long = system.snapshot().long_turns;
    long.iter().filter(|turn| turn.message == Some("hold")).count() == threads
}

fn counter(system: &System) -> (CounterRef, Arc<AtomicUsize>) {
    let counted = Arc::<AtomicUsize>::default();
    let shown = counted.clone();
    (system.spawn(move || Counter(shown.clone())).expect("it has not ended"), counted)
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

fn says(events: &Receiver<Event>, what: &str, mut is_it: impl FnMut(&Event) -> bool) {
    eventually(what, || events.try_iter().any(|event| is_it(&event)));
}

#[test]
fn the_first_spare_is_tried_again() {
    let system = system("first-spare");
    let events = system.events().subscribe(1000);
    let failing = Failing::of("first-spare-", || true);
    let _release = hold(&system);
    says(&events, "it is said", |event| matches!(event, Event::NoThread { error } if error == "on purpose"));
    eventually("it is held up", || holds(&system, 1));
    // The only worker is, and nobody can take it over.
    let (counter, counted) = counter(&system);
    (0..100).for_each(|_| counter.count().tell().expect("there is room"));
    says(&events, "it was tried again", |event| matches!(event, Event::NoThread { .. }));
    let now = system.snapshot();
    assert!(now.preemptions.no_thread >= 2 && now.preemptions.replaced == 0, "{now}");
    assert_eq!((now.threads, counted.load(Ordering::Relaxed)), (1, 0));
    drop(failing);
    eventually("all is done", || counted.load(Ordering::Relaxed) == 100);
}

#[test]
fn where_all_are_stuck_one_that_returns_is_enough() {
    let system = system("second-spare");
    let events = system.events().subscribe(1000);
    // One can be started, and then no more.
    let left = AtomicUsize::new(1);
    let no_more =
        move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err();
    let failing = Failing::of("second-spare-", no_more);
    let first = hold(&system);
    says(&events, "the worker is taken over", |event| matches!(event, Event::Replaced(_)));
    let second = hold(&system);
    says(&events, "it is said", |event| matches!(event, Event::NoThread { .. }));
    eventually("both are held up", || holds(&system, 2));
    let (counter, counted) = counter(&system);
    (0..100).for_each(|_| counter.count().tell().expect("there is room"));
    assert_eq!((system.snapshot().threads, counted.load(Ordering::Relaxed)), (2, 0));
    // The thread that lost its worker gets it back, though none can be started.
    drop(first);
    eventually("all is done", || counted.load(Ordering::Relaxed) == 100);
    assert_eq!(system.snapshot().preemptions.replaced, 2);
    drop((second, failing));
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_worker_that_gets_no_thread_is_not_added() {
    let system = system("no-worker");
    let failing = Failing::of("no-worker-", || true);
    let error = system.set_parallelism(2).expect_err("it cannot be started");
    assert!(matches!(error, ParallelismError::Thread(_)), "{error:?}");
    assert_eq!((system.parallelism(), system.workers(), system.snapshot().threads), (1, 1, 1));
    drop(failing);
    system.set_parallelism(2).expect("it can");
    assert_eq!(system.snapshot().threads, 2);
    assert!(system.shutdown().is_clean());
}

#[test]
fn the_end_comes_in_time_without_a_thread_for_it() {
    let builder = System::builder().name("no-end").workers(1).stop_within(Duration::from_millis(200));
    let system = builder.build().expect("a system");
    let (counter, counted) = counter(&system);
    let _failing = Failing::of("no-end-", || true);
    let release = hold(&system);
    let events = system.events().subscribe(1000);
    says(&events, "it is said", |event| matches!(event, Event::NoThread { .. }));
    counter.count().tell().expect("there is room");
    let begun = Instant::now();
    let report = system.shutdown();
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    assert!(report.ended && report.stuck_workers == 1, "{report}");
    assert_eq!(report.stuck.len(), 1, "{report}");
    drop(release);
    eventually("the thread ends", || system.shutdown().stuck_workers == 0);
    // It was killed with the root, or came to it before.
    assert_eq!(counted.load(Ordering::Relaxed) as u64 + system.dead_letters().count(), 1);
}
