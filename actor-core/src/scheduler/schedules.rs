//! Whole systems under schedules that shuttle makes up: workers, actors, supervisors and timers as they are, with
//! another thread going on wherever two could meet. Half of the schedules are random, half have few switches at
//! chosen places (PCT). A wake-up that is lost, or two that wait for each other, is a deadlock, which shuttle finds
//! and prints the schedule of; [`shuttle::replay`] runs it again.
//!
//! What this cannot see is in `sync/scheduled.rs`: each operation is `SeqCst`. That is what the models are for, each of
//! one protocol; here all of them are together. Out of it are the names' map and the kinds' lock, within which no
//! thread gives way, and the pool, which all threads of a run share as one.
//!
//! What was broken on purpose, and what the runs said:
//!
//! * no last look in `Worker::rest`: deadlock;
//! * `search_ended` does not look whether there is more: deadlock;
//! * a worker that retires does not pass its search on, or keeps the actor that it would have run next: deadlock;
//! * a push to the global queue wakes nobody: deadlock;
//! * a thread that could not be started stays among those that there are: deadlock, at the end;
//! * after one could not be started, none is tried again: a run without an end.
//!
//! Not found: that nobody looks at the global queue when the last worker has gone. Nothing here is scheduled so late.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use crate::clock::{self, simulated};
use crate::prelude::*;
use crate::sync::failing::Failing;
use crate::{AskError, System};

/// How many schedules of each kind there are, unless the environment says so.
const SCHEDULES: usize = 500;
/// How many places PCT chooses.
const SWITCHES: usize = 3;

fn check(program: fn()) {
    let schedules = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES);
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.silence_warnings = true;
    let program = move || simulated::run(program);
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(program);
    Runner::new(PctScheduler::new(SWITCHES, schedules), config).run(program);
}

fn system(workers: usize) -> System {
    System::builder().workers(workers).intensity(1_000, Duration::from_secs(1)).build().expect("a system")
}

fn end(system: &System) {
    let report = system.shutdown();
    assert!(report.is_clean(), "{report}");
}

/// Adds up what it is told, for all to see.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Sum {
    sum: Arc<AtomicUsize>,
}

#[messages]
impl Sum {
    #[message]
    fn add(&mut self, number: usize) {
        self.sum.fetch_add(number, Ordering::Relaxed);
    }

    #[message]
    fn double(&mut self, number: usize) -> usize {
        2 * number
    }

    /// Fails, without the message that a panic prints.
    #[message]
    fn fail(&mut self) {
        resume_unwind(Box::new("on purpose"))
    }
}

fn sum(system: &SystemHandle) -> (SumRef, Arc<AtomicUsize>) {
    let sum = Arc::new(AtomicUsize::new(0));
    let shown = sum.clone();
    (system.spawn(move || Sum { sum: shown.clone() }).expect("a system that has not ended"), sum)
}

/// Passes on what it is told or asked.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Relay {
    to: SumRef,
}

#[messages]
impl Relay {
    #[message]
    fn add(&mut self, number: usize) {
        self.to.add(number).tell().expect("the sum lives on");
    }

    #[message]
    async fn double(&mut self, number: usize) -> Option<usize> {
        self.to.double(number).await.ok()
    }
}

fn relay(system: &SystemHandle, to: &SumRef) -> RelayRef {
    let to = to.clone();
    system.spawn(move || Relay { to: to.clone() }).expect("a system that has not ended")
}

/// From two threads to three actors to one: all of it is there when these have stopped, one after the other.
fn tells(system: &System, meanwhile: impl FnOnce()) {
    let (to, sum) = sum(system);
    let relays = [(); 3].map(|()| relay(system, &to));
    let threads = [1, 10].map(|number| {
        let relays = relays.clone();
        thread::spawn(move || {
            for relay in relays.iter().cycle().take(6) {
                relay.add(number).tell().expect("it lives on");
            }
        })
    });
    meanwhile();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    for relay in &relays {
        relay.stop();
        assert!(relay.monitor().wait().reason.is_normal());
    }
    to.stop();
    assert!(to.monitor().wait().reason.is_normal());
    assert_eq!(sum.load(Ordering::Relaxed), 66);
}

#[test]
fn nothing_that_is_told_is_lost() {
    check(|| {
        let system = system(2);
        tells(&system, || ());
        end(&system);
    });
}

#[test]
fn nothing_is_lost_while_the_parallelism_changes() {
    check(|| {
        let system = system(1);
        tells(&system, || {
            for parallelism in [3, 1, 2] {
                system.set_parallelism(parallelism).expect("it has not ended");
            }
        });
        end(&system);
    });
}

#[test]
fn each_ask_is_answered() {
    check(|| {
        let system = system(2);
        let (to, _) = sum(&system);
        let threads = [1, 2, 3].map(|number| {
            let relay = relay(&system, &to);
            thread::spawn(move || {
                assert_eq!(relay.double(number).wait().expect("an answer"), Some(2 * number))
            })
        });
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        end(&system);
    });
}

#[test]
fn each_ask_of_an_actor_that_fails_ends_and_each_failure_is_a_dead_letter() {
    check(|| {
        let system = system(2);
        let (to, _) = sum(&system);
        let threads = [0, 1].map(|number| {
            let to = to.clone();
            thread::spawn(move || {
                let lost = to.fail().wait();
                assert!(matches!(lost, Err(AskError::Lost)), "{lost:?}");
                assert_eq!(to.double(number).wait().expect("an answer"), 2 * number);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(system.dead_letters().count(), 2);
        end(&system);
    });
}

/// Makes some children at once, more than a worker's queue holds, and stops when all have answered.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Parent {
    left: usize,
}

#[messages]
impl Parent {
    #[message]
    fn make(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..self.left {
            let parent = ctx.me();
            let child = ctx.spawn(move || Child { parent: parent.clone() }).expect("it has not ended");
            child.answer().tell().expect("it lives");
        }
    }

    #[message]
    fn answered(&mut self, ctx: &mut Context<Self>) {
        self.left -= 1;
        if self.left == 0 {
            ctx.stop();
        }
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Child {
    parent: ParentRef,
}

#[messages]
impl Child {
    #[message]
    fn answer(&mut self, ctx: &mut Context<Self>) {
        self.parent.answered().tell().expect("it waits for this");
        ctx.stop();
    }
}

#[test]
fn all_that_are_spawned_run_and_end() {
    check(|| {
        let system = system(2);
        let parent = system.spawn(|| Parent { left: 7 }).expect("it has not ended");
        parent.make().tell().expect("it lives");
        assert!(parent.monitor().wait().reason.is_normal());
        end(&system);
        assert_eq!(system.snapshot().actors_alive(), 0);
    });
}

/// Stops when its timers have rung: one that it has armed itself, one that it waits for.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Sleeper;

#[messages]
impl Sleeper {
    #[message]
    async fn arm(&mut self, ctx: &mut Context<Self>) {
        ctx.after(Duration::from_millis(3), SleeperRing {});
        ctx.system().sleep(Duration::from_millis(2)).await;
    }

    #[message]
    fn ring(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[test]
fn timers_ring_though_workers_rest_and_retire() {
    check(|| {
        let system = system(3);
        let sleepers = [(); 3].map(|()| system.spawn(|| Sleeper).expect("it has not ended"));
        for sleeper in &sleepers {
            sleeper.arm().tell().expect("it lives");
        }
        system.set_parallelism(1).expect("it has not ended");
        for sleeper in &sleepers {
            assert!(sleeper.monitor().wait().reason.is_normal());
        }
        end(&system);
    });
}

#[test]
fn what_is_accepted_while_the_system_ends_is_handled_or_a_dead_letter() {
    check(|| {
        let system = system(2);
        let (to, sum) = sum(&system);
        let senders = [(); 2].map(|()| {
            let to = to.clone();
            thread::spawn(move || {
                let accepted = (0..6).take_while(|_| to.add(1).tell().is_ok()).count();
                // Whether it is answered or not, it ends.
                let asked = to.double(1).wait().is_ok();
                (accepted, asked)
            })
        });
        end(&system);
        let accepted: usize = senders.map(|sender| sender.join().expect("no panic").0).iter().sum();
        let handled = sum.load(Ordering::Relaxed);
        assert!(handled <= accepted);
        // An ask that was not answered may be one, too.
        let lost = accepted - handled;
        let dead = system.dead_letters().count() as usize;
        assert!(
            (lost..=lost + 2).contains(&dead),
            "{accepted} accepted, {handled} handled, {dead} dead letters"
        );
    });
}

#[test]
fn what_is_spawned_while_the_system_ends_comes_to_its_end() {
    check(|| {
        let system = system(2);
        let handle = system.handle();
        let spawner = thread::spawn(move || {
            let spawn = || handle.spawn(|| Sleeper);
            let ends = std::iter::from_fn(|| spawn().ok()).take(8).map(|actor| actor.monitor().wait());
            ends.for_each(|down| assert!(down.reason.is_normal(), "{down:?}"));
        });
        end(&system);
        spawner.join().expect("no panic");
    });
}

/// Does not return until it is told to. Nobody is woken for the time that passes, so it sees to that itself.
#[derive(Actor)]
struct Hog {
    until: Arc<AtomicBool>,
}

#[messages]
impl Hog {
    #[message]
    fn spin(&mut self, ctx: &mut Context<Self>) {
        while !self.until.load(Ordering::Relaxed) {
            clock::now();
            ctx.system().scheduler().wake_sysmon();
            thread::yield_now();
        }
    }
}

/// Actors that hold up all workers and a spare, in a system where each start of a thread fails as often as not.
fn hogs(name: &str) -> (System, Failing, Arc<AtomicBool>) {
    let quantum = Duration::from_millis(1);
    let builder = System::builder().name(name).workers(1).soft_quantum(quantum).hard_quantum(quantum);
    let system = builder.build().expect("a system");
    let failing = Failing::of(name, || clock::below(2) == 0);
    let until = Arc::<AtomicBool>::default();
    for _ in 0..2 {
        let shown = until.clone();
        let hog = system.spawn(move || Hog { until: shown.clone() }).expect("it has not ended");
        hog.spin().tell().expect("there is room");
    }
    (system, failing, until)
}

#[test]
fn a_spare_that_cannot_be_started_is_tried_again() {
    check(|| {
        let (system, _failing, until) = hogs("tried-again");
        let (to, _) = sum(&system);
        // Three threads are needed for this, and none comes back before it.
        assert_eq!(to.double(2).wait().expect("an answer"), 4);
        until.store(true, Ordering::Relaxed);
        end(&system);
    });
}

#[test]
fn a_system_ends_though_spares_cannot_be_started() {
    check(|| {
        let (system, _failing, until) = hogs("ends-anyway");
        let (to, sum) = sum(&system);
        to.add(1).tell().expect("it lives");
        let teller = thread::spawn(move || until.store(true, Ordering::Relaxed));
        end(&system);
        teller.join().expect("no panic");
        assert_eq!(sum.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn pinned_actors_and_others_work_for_each_other() {
    check(|| {
        let system = system(2);
        let (to, sum) = sum(&system);
        let target = to.clone();
        let pinned = system.actor(move || Relay { to: target.clone() }).pinned().spawn().expect("a thread");
        pinned.add(1).tell().expect("it lives");
        assert_eq!(pinned.double(2).wait().expect("an answer"), Some(4));
        pinned.stop();
        assert!(pinned.monitor().wait().reason.is_normal());
        to.stop();
        assert!(to.monitor().wait().reason.is_normal());
        assert_eq!(sum.load(Ordering::Relaxed), 1);
        end(&system);
    });
}
