//! Everything at once, on more workers than there are cores and on a single core: tells, asks, timers, spawns,
//! restarts, stops and kills. What is looked at is the account at the end: nothing is lost, nothing counted twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AskError, Monitor, System};

use crate::support::{LIMIT, ON_PURPOSE, eventually, system};

/// How many places there are for actors; each place has a new one when its last is stopped or killed.
const PLACES: usize = 24;
const DRIVERS: usize = 4;
/// What each driver does, one after the other.
const STEPS: u64 = 3_000;

/// What all actors of a run have done.
#[derive(Default)]
struct Tally {
    handled: AtomicU64,
    /// Messages that were told and accepted.
    told: AtomicU64,
    /// Asks that have begun, that were refused, and that have ended after they were accepted. The rest were
    /// dropped under way, since their askers were killed.
    begun: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    fired: AtomicU64,
    started: AtomicU64,
    dropped: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn sum(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl Tally {
    fn ask_ended(&self, expected: u64, answer: Result<u64, AskError<UnitDouble>>) {
        match answer {
            Ok(answer) => assert_eq!(answer, expected),
            Err(AskError::Closed(_) | AskError::Deadlock(_)) => return add(&self.refused),
            Err(AskError::Lost | AskError::Undelivered) => {}
            Err(error) => panic!("no ask ends so: {error}"),
        }
        add(&self.ended);
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Unit {
    tally: Arc<Tally>,
}

impl Drop for Unit {
    fn drop(&mut self) {
        add(&self.tally.dropped);
    }
}

#[messages]
impl Unit {
    #[started]
    fn begin(&mut self) {
        add(&self.tally.started);
    }

    #[message]
    fn work(&mut self) {
        add(&self.tally.handled);
    }

    /// Tells another, and has it tell on as often.
    #[message]
    fn pass(&mut self, to: UnitRef, times: u32, ctx: &mut Context<Self>) {
        add(&self.tally.handled);
        if times > 0 && to.pass(ctx.me(), times - 1).tell().is_ok() {
            add(&self.tally.told);
        }
    }

    #[message]
    fn double(&mut self, value: u64) -> u64 {
        add(&self.tally.handled);
        2 * value
    }

    /// Asks another, if that is a later one: so there is no circle of actors that wait for one another.
    #[message]
    async fn consult(&mut self, to: UnitRef, ctx: &mut Context<Self>) {
        if to.id() > ctx.me().id() {
            add(&self.tally.begun);
            self.tally.ask_ended(42, to.double(21).await);
        }
        add(&self.tally.handled);
    }

    #[message]
    fn arm(&mut self, micros: u64, ctx: &mut Context<Self>) {
        add(&self.tally.handled);
        ctx.after(Duration::from_micros(micros), UnitFired {});
    }

    #[message]
    fn fired(&mut self) {
        add(&self.tally.fired);
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }
}

/// A run: who is in which place, and who there has been.
struct Run {
    system: System,
    tally: Arc<Tally>,
    places: Vec<Mutex<UnitRef>>,
    all: Mutex<Vec<(UnitRef, Monitor)>>,
}

impl Run {
    fn new(workers: usize) -> Self {
        let (system, tally) = (system(workers), Arc::<Tally>::default());
        let all = Mutex::new(Vec::new());
        let places = (0..PLACES).map(|_| Mutex::new(spawn(&system, &tally, &all))).collect();
        Run { system, tally, places, all }
    }

    fn unit(&self, place: u64) -> UnitRef {
        self.places[place as usize % PLACES].lock().unwrap().clone()
    }

    /// Puts a new actor into a place; the one that was there.
    fn replace(&self, place: u64) -> UnitRef {
        let new = spawn(&self.system, &self.tally, &self.all);
        std::mem::replace(&mut *self.places[place as usize % PLACES].lock().unwrap(), new)
    }

    fn count(&self, accepted: bool) {
        self.tally.told.fetch_add(accepted.into(), Ordering::Relaxed);
    }

    /// One driver: steps by Lehmer's generator.
    fn drive(&self, seed: u64) {
        let mut state = seed;
        let mut below = |n| {
            state = state * 48_271 % 2_147_483_647;
            state % n
        };
        for _ in 0..STEPS {
            let (place, other) = (below(PLACES as u64), below(PLACES as u64));
            let (unit, other) = (self.unit(place), self.unit(other));
            match below(100) {
                0..40 => self.count(unit.work().tell().is_ok()),
                40..60 => self.count(unit.pass(other, 8).tell().is_ok()),
                60..70 => self.ask(&unit, place),
                70..80 => self.count(unit.consult(other).tell().is_ok()),
                80..90 => self.count(unit.arm(below(2_000)).tell().is_ok()),
                90..96 => self.count(unit.crash().tell().is_ok()),
                96..98 => self.replace(place).stop(),
                _ => self.replace(place).kill(),
            }
        }
    }

    fn ask(&self, unit: &UnitRef, value: u64) {
        add(&self.tally.begun);
        self.tally.ask_ended(2 * value, unit.double(value).wait());
    }

    /// Ends all actors, and looks at what has become of everything.
    fn settle(self) {
        let all = self.all.into_inner().unwrap();
        // Those that were killed have been restarted.
        all.iter().for_each(|(unit, _)| unit.stop());
        let spawned = all.len() as u64;
        let (mut handled, mut accepted) = (0, 0);
        for (unit, monitor) in all {
            let down = monitor.wait_within(LIMIT).expect("each actor ends, and each monitor is answered");
            assert_eq!(down.actor, unit.id());
            let stats = unit.mailbox();
            assert_eq!(stats.queued, 0, "nothing is left in a mailbox");
            assert_eq!(stats.rejected, 0, "no mailbox is bounded");
            assert_eq!(stats.accepted, stats.handled + stats.dead);
            (handled, accepted) = (handled + stats.handled, accepted + stats.accepted);
        }
        let tally = &self.tally;
        let least = sum(&tally.told) + sum(&tally.ended);
        let most = sum(&tally.told) + sum(&tally.begun) - sum(&tally.refused);
        assert!((least..=most).contains(&accepted), "{accepted} accepted, of {least} to {most}");
        assert_eq!(handled, sum(&tally.handled), "what is in the accounts was handled");
        let snapshot = self.system.snapshot();
        let units = snapshot.actors.iter().filter(|group| group.name == "Unit");
        let (alive, started) = units.fold((0, 0), |sum, group| (sum.0 + group.alive, sum.1 + group.started));
        assert_eq!((alive, started), (0, spawned));
        assert_eq!(snapshot.dead_letters, accepted - handled);
        assert_eq!(snapshot.timers(), 0, "the timers went with their actors");
        assert!(sum(&tally.fired) > 0 && sum(&tally.started) > spawned, "there were timers and restarts");
        let report = self.system.shutdown();
        assert!(report.is_clean(), "{report}");
        assert_eq!(sum(&tally.dropped), sum(&tally.started), "each incarnation was dropped");
    }
}

fn spawn(system: &System, tally: &Arc<Tally>, all: &Mutex<Vec<(UnitRef, Monitor)>>) -> UnitRef {
    let tally = tally.clone();
    let unit = system.actor(move || Unit { tally: tally.clone() }).spawn().unwrap();
    all.lock().unwrap().push((unit.clone(), unit.monitor()));
    unit
}

fn everything_at_once(workers: usize) {
    let run = Run::new(workers);
    let run_ref = &run;
    thread::scope(|scope| {
        for seed in 1..=DRIVERS as u64 {
            scope.spawn(move || run_ref.drive(seed));
        }
    });
    run.settle();
}

#[test]
fn more_workers_than_cores() {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    everything_at_once(4 * cores + 1);
}

/// In a process of its own, whose threads have one core among them: a worker that waits for another without
/// giving up the core would hold all of them up.
#[cfg(target_os = "linux")]
#[test]
fn on_a_single_core() {
    const CHILD: &str = "STRESS_ON_A_SINGLE_CORE";
    if std::env::var_os(CHILD).is_some() {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let allowed = sched_getaffinity(None).expect("a thread has a mask");
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).expect("it runs somewhere"));
        sched_setaffinity(None, &one).expect("a part of the mask");
        return everything_at_once(4);
    }
    let test = std::env::current_exe().expect("this test has a path");
    let child = std::process::Command::new(test)
        .args(["--exact", "stress::on_a_single_core", "--nocapture"])
        .env(CHILD, "1")
        .spawn()
        .expect("a child");
    let (mut child, mut status) = (Killed(child), None);
    eventually("the child ends", || {
        thread::sleep(Duration::from_millis(5));
        status = child.0.try_wait().expect("our child");
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()));
}

/// A child that does not outlive its test.
#[cfg(target_os = "linux")]
struct Killed(std::process::Child);

#[cfg(target_os = "linux")]
impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
