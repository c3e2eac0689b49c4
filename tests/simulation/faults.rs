//! What goes wrong on purpose.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{self, Fault, Faults, Sim, Tape};
use actor_core::{AskError, SpawnError, StopReason, TellError};

const SECOND: Duration = Duration::from_secs(1);

/// Writes down what it is told.
#[derive(Actor)]
pub struct Log {
    lines: Arc<Mutex<Vec<u32>>>,
}

#[messages]
impl Log {
    #[message]
    fn add(&mut self, line: u32) {
        self.lines.lock().unwrap().push(line);
    }
}

/// Adds up, and writes it down elsewhere.
#[derive(Actor)]
pub struct Sum {
    sum: u32,
    log: LogRef,
    told: Arc<AtomicU32>,
}

#[messages]
impl Sum {
    #[message]
    fn add(&mut self, number: u32) -> u32 {
        self.sum += number;
        if self.log.add(self.sum).tell().is_ok() {
            self.told.fetch_add(1, Ordering::Relaxed);
        }
        self.sum
    }

    #[message]
    async fn add_slowly(&mut self, number: u32, ctx: &mut Context<Self>) -> u32 {
        ctx.system().sleep(SECOND).await;
        self.sum += number;
        self.sum
    }
}

struct Scene {
    sum: SumRef,
    lines: Arc<Mutex<Vec<u32>>>,
    told: Arc<AtomicU32>,
}

fn scene(sim: &Sim, limit: Option<Duration>) -> Scene {
    let (lines, told) = (Arc::<Mutex<Vec<u32>>>::default(), Arc::<AtomicU32>::default());
    let shown = lines.clone();
    let log = sim.spawn(move || Log { lines: shown.clone() }).unwrap();
    let counted = told.clone();
    let sum = sim.actor(move || Sum { sum: 0, log: log.clone(), told: counted.clone() });
    let sum = match limit {
        Some(limit) => sum.stall(limit).spawn(),
        None => sum.spawn(),
    };
    Scene { sum: sum.unwrap(), lines, told }
}

#[test]
fn a_handler_that_panics_is_restarted() {
    sim::cases(50, |sim| {
        let Scene { sum, .. } = scene(sim, None);
        assert_eq!(sum.add(2).wait().unwrap(), 2);
        sim.fault(sum.id(), Fault::Panic);
        let lost = sum.add(2).wait();
        assert!(matches!(lost, Err(AskError::Lost)), "{lost:?}");
        assert_eq!(sum.add(3).wait().unwrap(), 3, "it has begun anew");
    });
}

#[test]
fn a_start_that_fails_is_told_to_who_waits_for_it() {
    let sim = Sim::builder().faults(Faults::new().starts(1000)).build([u16::MAX; 20]);
    let start = sim.actor(|| Log { lines: Arc::default() }).start().wait();
    assert!(matches!(start, Err(SpawnError::Failed(StopReason::StartFailed(_)))), "{start:?}");
}

#[test]
fn a_stop_that_fails_is_an_end_all_the_same() {
    let sim = Sim::builder().tells(true).build([]);
    let Scene { sum, .. } = scene(&sim, None);
    sim.settle(100).unwrap();
    sim.fault(sum.id(), Fault::FailStop);
    sum.stop();
    assert!(sum.monitor().wait().reason.is_normal());
    assert!(sim.story().contains("FailStop"), "{}", sim.story());
}

#[test]
fn a_mailbox_that_is_said_to_be_full_gives_the_message_back() {
    let sim = Sim::new([]);
    let Scene { sum, .. } = scene(&sim, None);
    sim.fault(sum.id(), Fault::Full);
    assert!(matches!(sum.add(1).tell(), Err(TellError::Full(message)) if message.number == 1));
    assert_eq!(sum.add(1).wait().unwrap(), 1);
    sim.check().unwrap();
}

#[test]
fn a_handler_that_keeps_its_thread_keeps_its_actor_and_nobody_else() {
    let sim = Sim::new([]);
    let Scene { sum, lines, .. } = scene(&sim, None);
    sim.fault(sum.id(), Fault::Stall(SECOND));
    sum.add(1).tell().unwrap();
    sum.add(1).tell().unwrap();
    sim.settle(100).unwrap();
    assert!(lines.lock().unwrap().is_empty());
    let other = sim.spawn(|| Log { lines: Arc::default() }).unwrap();
    other.add(1).wait().unwrap();
    assert_eq!(sim.now(), Duration::ZERO);
    assert_eq!(sum.add(1).wait().unwrap(), 3);
    sim.settle(100).unwrap();
    assert_eq!((sim.now(), lines.lock().unwrap().clone()), (SECOND, vec![1, 2, 3]));
    sim.check().unwrap();
}

#[test]
fn one_that_exceeds_its_limit_is_condemned_and_returns_late_without_effect() {
    for seed in 0..100 {
        let sim = Sim::builder().tells(true).build(Tape::random(seed, 200));
        let Scene { sum, lines, told } = scene(&sim, Some(SECOND));
        assert_eq!(sum.add(1).wait().unwrap(), 1);
        sim.fault(sum.id(), Fault::Stall(10 * SECOND));
        let stalled = sum.add(1).wait();
        assert!(matches!(stalled, Err(AskError::Stalled)), "{stalled:?} {}", sim.story());
        assert_eq!(sim.now(), SECOND, "{}", sim.story());
        assert_eq!(sum.add(5).wait().unwrap(), 5, "another incarnation goes on");
        assert_eq!(sim.snapshot().preemptions.condemned, 1);
        sim.advance(20 * SECOND).unwrap();
        assert_eq!(lines.lock().unwrap().as_slice(), [1, 5], "{}", sim.story());
        assert_eq!(told.load(Ordering::Relaxed), 2, "it was refused");
        assert_eq!(sum.add(1).wait().unwrap(), 6);
        sim.check().unwrap();
    }
}

#[test]
fn one_that_returns_in_time_is_not_condemned() {
    let sim = Sim::new([]);
    let Scene { sum, .. } = scene(&sim, Some(SECOND));
    sim.fault(sum.id(), Fault::Stall(SECOND / 2));
    assert_eq!(sum.add(1).wait().unwrap(), 1);
    assert_eq!(sim.now(), SECOND / 2);
    sim.check().unwrap();
}

#[test]
fn an_async_handler_that_exceeds_its_limit_is_dropped() {
    let sim = Sim::new([]);
    let Scene { sum, .. } = scene(&sim, Some(SECOND / 2));
    let stalled = sum.add_slowly(1).wait();
    assert!(matches!(stalled, Err(AskError::Stalled)), "{stalled:?}");
    assert!(sim.now() < SECOND, "{:?}", sim.now());
    sim.check().unwrap();
}

#[test]
fn with_faults_of_all_kinds_promises_are_kept_and_the_same_tape_makes_the_same_run() {
    let faults = Faults::new().panics(50).starts(50).stops(50).stalls(50, 3 * SECOND).full(50);
    let sim = Sim::builder().faults(faults).system(|system| system.intensity(1_000, SECOND));
    let run = |sim: &Sim| {
        let Scene { sum, .. } = scene(sim, Some(SECOND));
        for number in 0..20 {
            let _ = sum.add(number).tell();
            sim.advance(SECOND / 4).unwrap();
        }
        let _ = sum.add(1).wait();
        let _ = sum.add_slowly(1).wait();
    };
    sim.cases(200, run);
    let trace = |seed| {
        let sim = sim.clone().build(Tape::random(seed, 1_000));
        run(&sim);
        sim.trace()
    };
    for seed in 0..100 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}
