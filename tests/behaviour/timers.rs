//! Timers: once, repeated, keyed, cancelled; never into a later incarnation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;

use crate::support::{Gate, Log, ON_PURPOSE, eventually, system};

const MS: Duration = Duration::from_millis(1);

#[derive(Actor)]
struct Clock {
    log: Log<(u32, Instant)>,
    gate: Gate,
}

#[messages]
impl Clock {
    #[message]
    fn fired(&mut self, n: u32) {
        self.log.push((n, Instant::now()));
    }

    #[message]
    fn after(&mut self, n: u32, delay: Duration, ctx: &mut Context<Self>) {
        ctx.after(delay, ClockFired { n });
    }

    #[message]
    fn every(&mut self, n: u32, period: Duration, ctx: &mut Context<Self>) {
        ctx.every_keyed("beat", period, move || ClockFired { n });
    }

    #[message]
    fn keyed(&mut self, n: u32, delay: Duration, ctx: &mut Context<Self>) {
        ctx.after_keyed("one", delay, ClockFired { n });
    }

    #[message]
    fn stop_beat(&mut self, ctx: &mut Context<Self>) -> bool {
        ctx.cancel_keyed("beat")
    }

    /// Arms a timer, lets it become due while this handler runs, and cancels it then.
    #[message]
    fn cancel_when_due(&mut self, n: u32, ctx: &mut Context<Self>) -> (bool, bool) {
        let timer = ctx.after(Duration::ZERO, ClockFired { n });
        self.gate.pass();
        (ctx.cancel(timer), ctx.cancel(timer))
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }
}

fn clock(system: &System) -> (ClockRef, Log<(u32, Instant)>, Gate) {
    let (log, gate) = (Log::default(), Gate::default());
    let (inside, inner) = (log.clone(), gate.clone());
    (system.spawn(move || Clock { log: inside.clone(), gate: inner.clone() }).unwrap(), log, gate)
}

fn numbers(log: &Log<(u32, Instant)>) -> Vec<u32> {
    log.entries().into_iter().map(|(n, _)| n).collect()
}

#[test]
fn in_the_order_of_their_deadlines_and_never_early() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    let start = Instant::now();
    for n in [30, 10, 20, 0] {
        clock.after(n, n * MS).tell().unwrap();
    }
    eventually("all have fired", || log.len() == 4);
    assert_eq!(numbers(&log), [0, 10, 20, 30]);
    for (n, at) in log.entries() {
        assert!(at - start >= n * MS, "{n} ms after {:?}", at - start);
    }
}

#[test]
fn a_timer_wakes_a_system_that_sleeps() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    clock.after(1, 30 * MS).wait().unwrap();
    eventually("it has fired", || log.len() == 1);
}

#[test]
fn a_repeated_timer_beats_until_it_is_cancelled() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    clock.every(1, 2 * MS).tell().unwrap();
    eventually("it beats", || log.len() >= 5);
    assert!(clock.stop_beat().wait().unwrap());
    let beats = log.len();
    assert!(!clock.stop_beat().wait().unwrap());
    clock.after(99, 10 * MS).tell().unwrap();
    eventually("time has passed", || numbers(&log).contains(&99));
    assert_eq!(log.len(), beats + 1);
}

#[test]
fn a_keyed_timer_replaces_the_one_before() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    clock.keyed(1, 5 * MS).tell().unwrap();
    clock.keyed(2, 5 * MS).tell().unwrap();
    clock.keyed(3, 10 * MS).tell().unwrap();
    clock.after(99, 30 * MS).tell().unwrap();
    eventually("time has passed", || numbers(&log).contains(&99));
    assert_eq!(numbers(&log), [3, 99]);
}

#[test]
fn a_cancelled_timer_does_not_fire_even_if_it_was_due() {
    let system = system(2);
    let (clock, log, gate) = clock(&system);
    let asking = clock.clone();
    let asker = std::thread::spawn(move || asking.cancel_when_due(1).wait());
    gate.somebody_waits();
    // Time is what is tested: the deadline passes while the handler runs.
    std::thread::sleep(5 * MS);
    gate.open();
    assert_eq!(asker.join().unwrap().unwrap(), (true, false));
    clock.after(99, MS).tell().unwrap();
    eventually("time has passed", || numbers(&log).contains(&99));
    assert_eq!(numbers(&log), [99]);
}

#[test]
fn timers_end_with_their_incarnation() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    clock.after(1, 10 * MS).tell().unwrap();
    clock.every(2, 10 * MS).tell().unwrap();
    clock.crash().tell().unwrap();
    clock.after(99, 40 * MS).tell().unwrap();
    eventually("time has passed", || numbers(&log).contains(&99));
    assert_eq!(numbers(&log), [99]);
}

#[test]
fn ten_thousand_timers_all_fire_once() {
    let system = system(2);
    let (clock, log, _) = clock(&system);
    for n in 0..10_000 {
        clock.after(n, (n % 50) * MS).send().wait().unwrap();
    }
    eventually("all have fired", || log.len() == 10_000);
    let mut all = numbers(&log);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..10_000));
}

/// How many of a crowd have started, seen when a timer fires.
#[derive(Actor)]
struct Punctual {
    started: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

#[messages]
impl Punctual {
    #[started]
    fn arm(&mut self, ctx: &mut Context<Self>) {
        ctx.after(Duration::from_millis(1), PunctualDue);
    }

    #[message]
    fn due(&mut self) {
        self.seen.store(self.started.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// Takes long to start.
#[derive(Actor)]
struct Slow(Arc<AtomicUsize>);

#[messages]
impl Slow {
    #[started]
    fn spin(&mut self) {
        let end = Instant::now() + Duration::from_micros(300);
        while Instant::now() < end {}
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_timer_does_not_wait_for_a_crowd_that_starts() {
    const CROWD: usize = 400;
    let system = system(1);
    let (started, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
    let (counted, noted) = (started.clone(), seen.clone());
    let punctual = move || Punctual { started: counted.clone(), seen: noted.clone() };
    // The one worker stands still until all of them are in the global queue.
    let gate = Gate::default();
    let held = gate.clone();
    let _still = system.spawn(move || Still(held.clone())).unwrap();
    let _punctual = system.spawn(punctual).unwrap();
    let _crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let started = started.clone();
            system.spawn(move || Slow(started.clone())).unwrap()
        })
        .collect();
    gate.open();
    let what = "all have started, and the timer has fired";
    eventually(what, || started.load(Ordering::SeqCst) == CROWD && seen.load(Ordering::SeqCst) != usize::MAX);
    let seen = seen.load(Ordering::SeqCst);
    assert!(seen < CROWD / 2, "the timer, due after 1 ms, came when {seen} of {CROWD} had started");
}

/// Keeps its worker until the gate is open.
#[derive(Actor)]
struct Still(Gate);

#[messages]
impl Still {
    #[started]
    fn wait(&mut self) {
        self.0.pass();
    }
}
