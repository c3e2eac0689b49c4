//! What we promise, of random programs of actors: that is what is looked at when a program has come to its end, whatever
//! happened to its actors, and in whatever order.
//!
//! `PROGRAMS=100000` in the environment makes it so many, and `-- programs --nocapture` says how many they were: see CONTRIBUTING.md.

mod unit;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actor_core::sim::{Fault, Sim};
use actor_core::{ChildSpec, Monitor, Restart, Strategy as Restarts, SupervisorBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use unit::{Action, Notes, Unit, UnitRef};

/// How many programs there are, unless the environment says so.
const PROGRAMS: u32 = 300;
/// The window of all supervisors.
const WINDOW: Duration = Duration::from_millis(100);
/// The limit of actors that have one.
const LIMIT: Duration = Duration::from_millis(20);
/// How long an actor may take to stop, unless said.
const STOP: Duration = Duration::from_secs(5);
/// After so long everything has ended that ends by itself.
const LONG: Duration = Duration::from_secs(3600);

/// Something that a program does.
#[derive(Clone, Debug)]
enum Op {
    Do(usize, Action),
    /// Tells until the mailbox is full.
    Fill(usize),
    Stop(usize),
    Kill(usize),
    Watch(usize),
    Fault(usize, Fault),
    Pass(u16),
    Steps(u8),
}

/// An actor of a program.
#[derive(Clone, Copy, Debug)]
struct Spec {
    restart: Restart,
    limited: bool,
    mailbox: usize,
    /// In milliseconds, from the first failure to the longest.
    backoff: Option<(u8, u8)>,
}

/// A supervisor of a program.
#[derive(Clone, Copy, Debug)]
struct Above {
    strategy: Restarts,
    intensity: u32,
}

#[derive(Clone, Debug)]
struct Program {
    above: Above,
    /// From which actor on they are under another supervisor, which is under that one.
    nested: Option<(usize, Restart, Above)>,
    units: Vec<Spec>,
    ops: Vec<Op>,
    tape: Vec<u16>,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Panic),
        1 => Just(Fault::FailStart),
        1 => Just(Fault::FailStop),
        1 => Just(Fault::Full),
        3 => (1u64..60).prop_map(|time| Fault::Stall(Duration::from_millis(time))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let unit = 0usize..4;
    prop_oneof![
        12 => (unit.clone(), unit::action()).prop_map(|(unit, action)| Op::Do(unit, action)),
        1 => unit.clone().prop_map(Op::Fill),
        1 => unit.clone().prop_map(Op::Stop),
        1 => unit.clone().prop_map(Op::Kill),
        1 => unit.clone().prop_map(Op::Watch),
        3 => (unit, fault()).prop_map(|(unit, fault)| Op::Fault(unit, fault)),
        2 => (0u16..60).prop_map(Op::Pass),
        2 => (0u8..20).prop_map(Op::Steps),
    ]
}

fn restart() -> impl Strategy<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn above() -> impl Strategy<Value = Above> {
    let strategy =
        prop_oneof![Just(Restarts::OneForOne), Just(Restarts::OneForAll), Just(Restarts::RestForOne)];
    (strategy, 0u32..5).prop_map(|(strategy, intensity)| Above { strategy, intensity })
}

fn program() -> impl Strategy<Value = Program> {
    let backoff = prop_oneof![4 => Just(None), 1 => (1u8..20, 1u8..100).prop_map(Some)];
    let spec = (restart(), any::<bool>(), 1usize..6, backoff)
        .prop_map(|(restart, limited, mailbox, backoff)| Spec { restart, limited, mailbox, backoff });
    let nested = prop_oneof![3 => Just(None), 1 => (0usize..4, restart(), above()).prop_map(Some)];
    (above(), nested, vec(spec, 1..5), vec(op(), 0..40), vec(any::<u16>(), 0..300))
        .prop_map(|(above, nested, units, ops, tape)| Program { above, nested, units, ops, tape })
}

impl Above {
    fn gives(self, tree: SupervisorBuilder, children: Vec<ChildSpec>) -> SupervisorBuilder {
        let tree = tree.strategy(self.strategy).intensity(self.intensity, WINDOW);
        children.into_iter().fold(tree, SupervisorBuilder::child)
    }
}

impl Program {
    /// The actors under their supervisors, in the order of their numbers.
    fn tree(&self, top: SupervisorBuilder, notes: &Arc<Notes>) -> SupervisorBuilder {
        let child = |(at, spec): (usize, &Spec)| {
            let shown = notes.clone();
            let mut child = ChildSpec::new(format!("unit{at}"), move || Unit::new(at, &shown))
                .name(format!("unit{at}"))
                .restart(spec.restart)
                .mailbox(spec.mailbox);
            // One that never comes back has none.
            if let (Some((first, longest)), false) = (spec.backoff, spec.restart == Restart::Temporary) {
                let ms = |ms: u8| Duration::from_millis(ms.into());
                child = child.backoff(ms(first)..ms(first.max(longest)));
            }
            if spec.limited { child.stall(LIMIT) } else { child }
        };
        let mut children: Vec<_> = self.units.iter().enumerate().map(child).collect();
        if let Some((from, restart, above)) = self.nested {
            let inner = children.split_off(from.min(children.len()));
            let inner = ChildSpec::supervisor("inner", move |tree| above.gives(tree, inner.clone()));
            children.push(inner.restart(restart));
        }
        self.above.gives(top, children)
    }
}

/// What all programs together have seen.
#[derive(Default)]
struct Seen {
    programs: AtomicU64,
    handled: AtomicU64,
    restarts: AtomicU64,
    condemned: AtomicU64,
    asks: AtomicU64,
    downs: AtomicU64,
}

fn run(program: &Program, sim: &Sim, seen: &Seen) {
    let notes = Arc::new(Notes::default());
    let letters = sim.dead_letters().subscribe(100_000);
    let tree = program.tree(sim.supervisor(), &notes);
    let supervisor = tree.start().wait().expect("no fault has been aimed yet");
    let units: Vec<UnitRef> = (0..program.units.len())
        .map(|at| sim.lookup::<Unit>(&format!("unit{at}")).expect("it has started"))
        .collect();
    notes.units.lock().unwrap().clone_from(&units);
    let unit = |at: &usize| &units[at % units.len()];
    let mut monitors: Vec<Monitor> = Vec::new();
    for op in &program.ops {
        match op {
            Op::Do(at, action) => notes.order(unit(at), action.clone()),
            Op::Fill(at) => bounded(unit(at), program.units[at % units.len()].mailbox as u64),
            Op::Stop(at) => unit(at).stop(),
            Op::Kill(at) => {
                let born = sim.look(unit(at), Unit::born);
                unit(at).kill();
                notes.killed.lock().unwrap().extend(born);
            }
            Op::Watch(at) => monitors.push(unit(at).monitor()),
            Op::Fault(at, fault) => sim.fault(unit(at).id(), *fault),
            Op::Pass(time) => drop(sim.advance(Duration::from_millis((*time).into())).expect("it settles")),
            Op::Steps(steps) => (0..*steps).for_each(|_| _ = sim.step()),
        }
    }
    sim.advance(LONG).expect("it settles");
    sim.calm();
    every_ask_has_ended(&notes);
    for at in 0..units.len() {
        // Who lives is there for others. A tree that was restarted has other actors of the same names.
        if let Ok(unit) = sim.lookup::<Unit>(&format!("unit{at}")) {
            let answer = unit.get().wait();
            assert!(answer.is_ok(), "a ref outlives its restarts: {answer:?}");
        }
    }
    let condemned = sim.snapshot().preemptions.condemned;
    notes.ending.store(true, Ordering::Relaxed);
    let before = sim.now();
    let report = sim.shutdown();
    assert!(sim.now() - before <= STOP * (units.len() as u32 + 2), "shutdown: it is bounded");
    // Who was late may have been so when its supervisor gave up, long before.
    assert!(report.ended && report.reason.is_normal() && report.stuck_workers == 0, "shutdown: {report}");
    drop(supervisor);
    for monitor in monitors {
        assert!(monitor.wait_within(Duration::ZERO).is_some(), "Down: all have ended");
    }
    nothing_wrong(&notes);
    let letters: Vec<_> = letters.try_iter().map(|letter| letter.message).collect();
    accounted(&notes, &letters);
    in_order(&notes);
    one_down_each(&notes);
    stopped_in_reverse(&notes);
    let counts = [
        (&seen.programs, 1),
        (&seen.handled, sim.trace().handled),
        (&seen.restarts, notes.started.load(Ordering::Relaxed).saturating_sub(units.len() as u64)),
        (&seen.condemned, condemned),
        (&seen.asks, notes.asked.load(Ordering::Relaxed)),
        (&seen.downs, notes.downs.lock().unwrap().len() as u64),
    ];
    counts.into_iter().for_each(|(count, more)| _ = count.fetch_add(more, Ordering::Relaxed));
}

/// Promise 5. A mailbox takes no more than its capacity; nobody takes anything out meanwhile.
fn bounded(unit: &UnitRef, capacity: u64) {
    let queued = unit.mailbox().queued;
    let taken = (0..=capacity).filter(|_| unit.get().tell().is_ok()).count() as u64;
    assert!(
        queued + taken <= capacity,
        "bounded: {queued} were queued and {taken} more taken, of {capacity}"
    );
}

/// Promise 2. What one incarnation has sent to one receiver came in the order sent.
fn in_order(notes: &Notes) {
    let mut last = HashMap::new();
    for (from, to, number) in notes.came.lock().unwrap().iter() {
        if let Some(before) = last.insert((*from, *to), *number) {
            assert!(before < *number, "order: {number} came after {before}, from {from} to {to}");
        }
    }
}

/// Promise 3. What was accepted was handled or is a dead letter.
fn accounted(notes: &Notes, letters: &[&str]) {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let came = notes.came.lock().unwrap().len() as u64;
    let kinds = [("note", count(&notes.accepted), came), ("act", notes.ordered(), count(&notes.acted))];
    for (kind, accepted, handled) in kinds {
        let dead = letters.iter().filter(|letter| **letter == kind).count() as u64;
        assert_eq!(
            accepted,
            handled + dead,
            "account of {kind}: {handled} were handled, {dead} are dead letters"
        );
    }
}

/// Promise 4.
fn every_ask_has_ended(notes: &Notes) {
    let (asked, ended) = (notes.asked.load(Ordering::Relaxed), notes.asks_ended.load(Ordering::Relaxed));
    assert_eq!(asked, ended, "asks: {asked} were begun, {ended} have ended");
}

/// Promise 7. One Down for each monitor, and to the incarnation that has it.
fn one_down_each(notes: &Notes) {
    let mut told = std::collections::HashSet::new();
    for monitor in notes.downs.lock().unwrap().iter() {
        assert!(told.insert(*monitor), "Down: {monitor:?} was told twice");
    }
}

/// Promises 5, 7 and 8, as actors see them: handlers that run though a kill is before their messages, Downs and timers of another
/// incarnation, timers that fire too early, and answers of condemned handlers.
fn nothing_wrong(notes: &Notes) {
    let wrong = notes.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "seen by an actor: {wrong:?}");
}

/// Promise 9. Of those that were there at the end, who started last has stopped first. One that was linked to who has stopped
/// before may have been restarted meanwhile, with its group, by a supervisor whose turn had not come: stops count from there.
fn stopped_in_reverse(notes: &Notes) {
    let stopped = notes.stopped_at_end.lock().unwrap();
    assert!(stopped.is_sorted_by(|first, second| first > second), "shutdown: {stopped:?}");
}

#[test]
fn random_programs_keep_what_we_promise() {
    let programs = std::env::var("PROGRAMS").ok().and_then(|text| text.parse().ok()).unwrap_or(PROGRAMS);
    let config =
        Config { cases: programs, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let seen = Seen::default();
    let (tried, first) = (AtomicU64::new(0), OnceLock::new());
    let outcome = TestRunner::new(config).run(&program(), |program| {
        let before = tried.fetch_add(1, Ordering::Relaxed);
        let simulated =
            || Sim::builder().steps(5_000).run(program.tape.clone(), |sim| run(&program, sim, &seen));
        catch_unwind(AssertUnwindSafe(simulated)).unwrap_or_else(|why| {
            first.get_or_init(|| before);
            resume_unwind(why)
        });
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("after {:?} programs: {failed}", first.get());
    }
    let Seen { programs, handled, restarts, condemned, asks, downs } = &seen;
    println!(
        "{programs:?} programs: {handled:?} messages, {restarts:?} restarts, {condemned:?} condemned handlers, \
         {asks:?} asks, {downs:?} Downs"
    );
    for count in [handled, restarts, condemned, asks, downs] {
        assert!(
            count.load(Ordering::Relaxed) > 0,
            "all of it is there: {handled:?} {restarts:?} {condemned:?}"
        );
    }
}
