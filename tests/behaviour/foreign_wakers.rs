//! Users' code that the runtime calls outside of any handler, and that does not return: wakers of other executors, and drops.
//! It holds up nobody.

use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AskError, OutOfThreads, System};

use crate::support::{Gate, Log, Loop, builder, eventually, others_are_answered, system};

const HOUR: Duration = Duration::from_secs(3600);

/// The waker of an executor that does not let those go on who wake it.
struct Holds(Gate);

impl Wake for Holds {
    fn wake(self: Arc<Self>) {
        self.0.pass();
    }
}

/// Polls a future once, with a waker that holds who calls it; the gate lets that one go.
fn poll_once<F: Future>(future: Pin<&mut F>) -> (Poll<F::Output>, Gate) {
    let gate = Gate::default();
    let waker = Waker::from(Arc::new(Holds(gate.clone())));
    (future.poll(&mut Task::from_waker(&waker)), gate)
}

#[derive(Actor)]
struct Silent;

#[messages]
impl Silent {
    #[message]
    async fn ask(&mut self) {
        std::future::pending().await
    }
}

#[derive(Actor)]
#[actor(stall = "50ms")]
struct Limited(Gate);

#[messages]
impl Limited {
    #[message]
    fn hold(&mut self) {
        self.0.pass();
    }
}

#[derive(Actor)]
struct Looper(Loop);

#[messages]
impl Looper {
    #[message]
    fn run(&mut self) {
        while self.0.goes_on() {}
    }
}

/// An endless loop holds up nobody.
fn loops_are_watched(system: &System) {
    let looping = Loop::default();
    let inside = looping.clone();
    let looper = system.spawn(move || Looper(inside.clone())).unwrap();
    looper.run().tell().unwrap();
    looping.holds_nobody_up(system);
}

#[test]
fn a_waker_that_a_deadline_calls_holds_no_worker_up() {
    for workers in [2, 1] {
        let system = system(workers);
        let silent = system.spawn(|| Silent).unwrap();
        let mut ask = pin!(silent.ask().within(Duration::from_millis(5)).into_future());
        let mut sleep = pin!(system.sleep(Duration::from_millis(5)));
        let (of_ask, of_sleep) = (poll_once(ask.as_mut()), poll_once(sleep.as_mut()));
        assert!(of_ask.0.is_pending() && of_sleep.0.is_pending());
        of_ask.1.somebody_waits();
        of_sleep.1.somebody_waits();
        let answered = others_are_answered(&system);
        let turns = system.snapshot().long_turns;
        of_ask.1.open();
        of_sleep.1.open();
        assert!(answered, "the waker has held the worker up");
        assert!(turns.iter().any(|turn| turn.name == "(waker)"), "it is shown: {turns:?}");
        assert!(matches!(pollster::block_on(ask), Err(AskError::TimedOut)));
        pollster::block_on(sleep);
        silent.kill();
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn a_waker_of_who_asked_a_stalled_handler_does_not_hold_up_who_watches() {
    for workers in [2, 1] {
        let system = system(workers);
        let gate = Gate::default();
        let held = gate.clone();
        let limited = system.spawn(move || Limited(held.clone())).unwrap();
        let mut ask = pin!(limited.hold().into_future());
        let (polled, waker) = poll_once(ask.as_mut());
        assert!(polled.is_pending());
        waker.somebody_waits();
        loops_are_watched(&system);
        waker.open();
        assert!(matches!(pollster::block_on(ask), Err(AskError::Stalled)));
        gate.open();
        eventually("the condemned handler has returned", || system.snapshot().condemned_threads == 0);
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn wakers_that_the_end_calls_do_not_hold_it_up() {
    for workers in [2, 1] {
        let system = system(workers);
        let mut sleep = pin!(system.sleep(HOUR));
        let (polled, gate) = poll_once(sleep.as_mut());
        assert!(polled.is_pending());
        let other = {
            let sleep = system.sleep(HOUR);
            thread::spawn(move || pollster::block_on(sleep))
        };
        system.stop();
        gate.somebody_waits();
        assert!(matches!(system.wait(), StopReason::Shutdown));
        eventually("who sleeps elsewhere is woken", || other.is_finished());
        gate.open();
        assert!(system.shutdown().is_clean());
    }
}

/// Is held where it is dropped.
struct HeldByDrop(Gate);

impl Drop for HeldByDrop {
    fn drop(&mut self) {
        self.0.pass();
    }
}

/// Sysmon itself ends a system all of whose threads are held up.
#[test]
fn a_drop_does_not_hold_up_the_end_of_a_system_without_threads() {
    let settings = builder(1).max_threads(1).out_of_threads(OutOfThreads::Escalate);
    let system = settings.max_blocking(1).stop_within(Duration::ZERO).build().unwrap();
    let (on_pool, in_drop, on_worker) = (Gate::default(), Gate::default(), Gate::default());
    let blocking = |closure: Box<dyn FnOnce() + Send>| {
        let task = system.blocking(closure);
        thread::spawn(move || pollster::block_on(task))
    };
    let held = on_pool.clone();
    let first = blocking(Box::new(move || held.pass()));
    on_pool.somebody_waits();
    let dropped = HeldByDrop(in_drop.clone());
    let second = blocking(Box::new(move || drop(dropped)));
    eventually("it waits", || system.snapshot().blocking.queued == 1);
    let sleeper = {
        let sleep = system.sleep(HOUR);
        thread::spawn(move || pollster::block_on(sleep))
    };
    let [first_holder, next_holder] = [(); 2].map(|()| {
        let held = on_worker.clone();
        system.spawn(move || Holder(held.clone())).unwrap()
    });
    // The worker is taken over once more for the end; the next one holds up that thread, too.
    first_holder.hold_with(next_holder).tell().unwrap();
    assert!(matches!(system.wait(), StopReason::OutOfThreads { .. }));
    in_drop.somebody_waits();
    eventually("who sleeps is woken", || sleeper.is_finished());
    in_drop.open();
    on_pool.open();
    on_worker.open();
    eventually("the closures are done with", || first.is_finished() && second.is_finished());
}

#[derive(Actor)]
struct Holder(Gate);

#[messages]
impl Holder {
    #[message]
    fn hold(&mut self) {
        self.0.pass();
    }

    /// Has another hold the next thread that runs this worker.
    #[message]
    fn hold_with(&mut self, next: HolderRef) {
        next.hold().tell().unwrap();
        self.0.pass();
    }
}

/// Notes on which thread it is dropped.
struct Notes(Log<String>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.0.push(thread::current().name().unwrap_or_default().to_owned());
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Late(Gate);

#[messages]
impl Late {
    #[message(blocking)]
    fn hold(&mut self) {
        self.0.pass();
    }

    #[message]
    fn take(&mut self, notes: Notes) {
        drop(notes);
    }
}

/// Handlers exceed their limits while the last worker goes: what their actors do then, no watching thread does.
#[test]
fn the_last_turns_are_not_run_by_who_watches() {
    const HANDLERS: u32 = 40;
    for round in 0..3 {
        let settings = builder(1).max_blocking(64).max_condemned(64).stop_within(Duration::ZERO);
        let system = settings.build().unwrap();
        let (gate, log) = (Gate::default(), Log::default());
        for number in 0..HANDLERS {
            let gate = gate.clone();
            let limit = Duration::from_micros(20_000 + 250 * u64::from(number));
            let late = system.actor(move || Late(gate.clone())).stall(limit).spawn().unwrap();
            late.hold().tell().unwrap();
            late.take(Notes(log.clone())).tell().unwrap();
        }
        pollster::block_on(system.sleep(Duration::from_millis(22 + round)));
        drop(system.shutdown());
        gate.open();
        eventually("all is dropped", || log.len() == HANDLERS as usize);
        let on_sysmon = log.entries().into_iter().filter(|name| name.ends_with("sysmon")).count();
        assert_eq!(on_sysmon, 0);
    }
}
