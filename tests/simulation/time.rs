//! Time passes when it is asked to, or when nobody has anything to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape};
use actor_core::{AskError, Backoff, ChildSpec};

const HOUR: Duration = Duration::from_secs(3600);

/// Counts what its timer has done.
#[derive(Actor)]
struct Clock {
    ticks: Arc<AtomicU32>,
}

#[messages]
impl Clock {
    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        ctx.every(Duration::from_secs(1), || ClockTick {});
    }

    #[message]
    fn tick(&mut self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    #[message]
    async fn sleep(&mut self, time: Duration, ctx: &mut Context<Self>) {
        ctx.system().sleep(time).await;
    }

    #[message]
    fn fail(&mut self) {
        panic!("on purpose");
    }
}

fn clock(sim: &Sim) -> (ClockRef, Arc<AtomicU32>) {
    let ticks = Arc::<AtomicU32>::default();
    let shown = ticks.clone();
    (sim.spawn(move || Clock { ticks: shown.clone() }).unwrap(), ticks)
}

#[test]
fn a_day_passes_in_no_time() {
    let (sim, began) = (Sim::new([]), Instant::now());
    let (_clock, ticks) = clock(&sim);
    sim.advance(24 * HOUR).unwrap();
    assert_eq!(sim.now(), 24 * HOUR);
    assert_eq!(ticks.load(Ordering::Relaxed), 24 * 3600);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn settling_takes_no_time() {
    let sim = Sim::new([]);
    let (clock, ticks) = clock(&sim);
    clock.sleep(HOUR).tell().unwrap();
    sim.settle(100).unwrap();
    assert_eq!((sim.now(), ticks.load(Ordering::Relaxed)), (Duration::ZERO, 0));
}

#[test]
fn who_waits_has_time_pass() {
    let sim = Sim::new([]);
    let (clock, ticks) = clock(&sim);
    clock.sleep(HOUR).wait().unwrap();
    assert_eq!(sim.now(), HOUR);
    clock.sleep(Duration::ZERO).wait().unwrap();
    // The handler was in work meanwhile: what was due is one tick.
    assert!(ticks.load(Ordering::Relaxed) >= 1);
}

#[test]
fn an_ask_with_a_limit_ends_when_that_is_over() {
    let sim = Sim::new([]);
    let (clock, _) = clock(&sim);
    let asked = clock.sleep(2 * HOUR).within(HOUR).wait();
    assert!(matches!(asked, Err(AskError::TimedOut)), "{asked:?}");
    assert_eq!(sim.now(), HOUR);
}

#[test]
fn a_backoff_is_waited_for_in_the_simulations_time() {
    let sim = Sim::new([]);
    let starts = Arc::<AtomicU32>::default();
    let shown = starts.clone();
    let spec = ChildSpec::new("clock", move || {
        shown.fetch_add(1, Ordering::Relaxed);
        Clock { ticks: Arc::default() }
    });
    let backoff = Backoff::new(HOUR, 10 * HOUR);
    let supervisor = sim.supervisor().child(spec.name("clock").backoff(backoff)).start().wait().unwrap();
    sim.lookup::<Clock>("clock").unwrap().fail().tell().unwrap();
    sim.advance(Duration::from_secs(10)).unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), 1);
    sim.advance(2 * HOUR).unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), 2);
    drop(supervisor);
}

/// Answers at once.
#[derive(Actor)]
struct Server;

#[messages]
impl Server {
    #[message]
    fn get(&mut self) -> u32 {
        1
    }
}

/// Asks, and gives up after a while.
#[derive(Actor)]
struct Client {
    server: ServerRef,
}

#[messages]
impl Client {
    #[message]
    async fn get(&mut self, within: Duration) -> bool {
        self.server.get().within(within).await.is_ok()
    }
}

/// In how many of so many runs the timeout comes before the reply.
fn timeouts(slack: Duration, within: Duration) -> usize {
    let run = |seed| {
        let sim = Sim::builder().slack(slack).build(Tape::random(seed, 100));
        let server = sim.spawn(|| Server).unwrap();
        let client = sim.spawn(move || Client { server: server.clone() }).unwrap();
        client.get(within).wait().unwrap()
    };
    (0..200).filter(|seed| !run(*seed)).count()
}

#[test]
fn a_timeout_overtakes_a_reply_only_if_it_is_within_the_slack() {
    let second = Duration::from_secs(1);
    assert_eq!(timeouts(Duration::from_millis(10), second), 0);
    let overtaken = timeouts(second, second);
    assert!((1..200).contains(&overtaken), "{overtaken}");
}

#[test]
fn time_does_not_pass_beyond_what_was_asked_for() {
    for seed in 0..50 {
        let sim = Sim::builder().slack(HOUR).build(Tape::random(seed, 1_000));
        let (_clock, ticks) = clock(&sim);
        for second in 1..5 {
            sim.advance(Duration::from_secs(1)).unwrap();
            assert_eq!(sim.now(), Duration::from_secs(second));
        }
        assert!(ticks.load(Ordering::Relaxed) <= 4);
    }
}
