//! Systems all of whose threads are held up, and there may be no more: what each policy does about it.

use std::process::Command;
use std::time::{Duration, Instant};

use actor_core::OutOfThreads;
use actor_core::observe::Event;
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, Log, builder, eventually};

/// Holds its thread until its gate opens.
#[derive(Actor)]
struct Holder(Gate);

#[messages]
impl Holder {
    #[message]
    fn hold(&mut self) {
        self.0.pass();
    }

    #[message]
    fn ping(&self) {}
}

/// Notes what it is told.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Witness {
    told: Log<u32>,
}

#[messages]
impl Witness {
    #[message]
    fn tell(&mut self, number: u32) {
        self.told.push(number);
    }
}

fn witness(system: &System) -> (WitnessRef, Log<u32>) {
    let told = Log::default();
    let shown = told.clone();
    (system.spawn(move || Witness { told: shown.clone() }).unwrap(), told)
}

/// Actors each of which holds a thread, and that may be left behind soon.
fn holders(system: &System, count: usize, gate: &Gate) -> Vec<HolderRef> {
    let holder = |_| {
        let gate = gate.clone();
        let actor = system.actor(move || Holder(gate.clone())).stop_within(Duration::from_millis(50));
        actor.spawn().unwrap()
    };
    let holders: Vec<_> = (0..count).map(holder).collect();
    holders.iter().for_each(|holder| holder.hold().tell().unwrap());
    holders
}

/// Opens a gate, also where a test fails.
struct Opens(Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

#[test]
fn it_is_said_once_for_each_turn_and_work_goes_on_when_one_returns() {
    const TOLD: u32 = 1000;
    let system = builder(2).max_threads(3).build().unwrap();
    let events = system.events().subscribe(1000);
    let (gate, first_gate) = (Gate::default(), Gate::default());
    let _opens = (Opens(gate.clone()), Opens(first_gate.clone()));
    let (witness, told) = witness(&system);
    let first = holders(&system, 1, &first_gate).remove(0);
    first_gate.somebody_waits();
    // Two workers and the one thread more: all are held up.
    let others = holders(&system, 2, &gate);
    let mut limits = Vec::new();
    eventually("the limit is said", || {
        limits.extend(events.try_iter().filter_map(|event| match event {
            Event::OutOfThreads { turn, max } => Some((turn.name, turn.message, max)),
            _ => None,
        }));
        limits.len() == 2
    });
    assert_eq!(limits, [("Holder", Some("hold"), 3); 2]);
    (0..TOLD).for_each(|number| witness.tell(number).tell().unwrap());
    // Ten times the hard quantum later nothing has changed: it has neither been said again, nor was a thread started.
    let last = system.snapshot().long_turns.iter().map(|turn| turn.took).max();
    eventually("some time has passed", || {
        system.snapshot().long_turns.iter().map(|turn| turn.took).max()
            > last.map(|last| last + Duration::from_millis(100))
    });
    let now = system.snapshot();
    assert_eq!((now.preemptions.out_of_threads, now.threads, told.len()), (2, 3, 0), "{now}");

    let opened = Instant::now();
    first_gate.open();
    eventually("what was told is handled", || told.len() == TOLD as usize);
    assert!(opened.elapsed() < LIMIT / 3, "at once, not by and by: {:?}", opened.elapsed());
    assert_eq!(told.entries(), (0..TOLD).collect::<Vec<_>>());
    gate.open();
    for holder in others.iter().chain([&first]) {
        holder.ping().wait().unwrap();
    }
    assert_eq!(system.dead_letters().count(), 0);
    eventually("two workers are left, and a spare", || system.snapshot().threads <= 3);
    assert!(system.shutdown().is_clean());
}

#[test]
fn the_system_ends_in_good_order_if_that_is_the_policy() {
    let policy = OutOfThreads::Escalate;
    let system = builder(2).max_threads(3).out_of_threads(policy).build().unwrap();
    let gate = Gate::default();
    let _opens = Opens(gate.clone());
    let (witness, told) = witness(&system);
    let monitor = witness.monitor();
    let holders = holders(&system, 3, &gate);
    witness.tell(1).tell().unwrap();
    let reason = system.wait();
    assert!(
        matches!(&reason, StopReason::OutOfThreads { max: 3, turn } if turn.name == "Holder"),
        "{reason}"
    );
    assert!(reason.to_string().contains("in hold for"), "{reason}");
    // The others have ended as in any shutdown, and have done what they were told.
    let down = monitor.wait_within(LIMIT).expect("it has ended");
    assert!(matches!(down.reason, StopReason::Shutdown), "{down:?}");
    assert_eq!(told.entries(), [1]);
    let report = system.shutdown();
    assert!(matches!(report.reason, StopReason::OutOfThreads { .. }) && report.ended, "{report}");
    // Those that are stuck are named: by path, and by what they are about.
    assert_eq!((report.stuck_workers, report.stuck.len()), (3, 3), "{report}");
    for holder in &holders {
        let path = holder.path().to_string();
        assert!(report.late.iter().any(|late| late.path == path && !late.ended_by_kill), "{report}");
        assert!(report.stuck.iter().any(|turn| turn.actor == holder.id()), "{report}");
    }
    assert!(report.to_string().contains("in hold for"), "{report}");
    gate.open();
    eventually("their threads end", || system.shutdown().stuck_workers == 0);
}

#[test]
fn the_end_comes_in_time_though_no_worker_is_left_for_it() {
    let limit = Duration::from_millis(200);
    let builder = builder(1).max_threads(1).stop_within(limit);
    let system = builder.out_of_threads(OutOfThreads::Escalate).build().unwrap();
    let gate = Gate::default();
    let _opens = Opens(gate.clone());
    // One for the worker, one for the thread that there is for the end, and more.
    let _holders = holders(&system, 5, &gate);
    let begun = Instant::now();
    let reason = system.wait();
    assert!(begun.elapsed() >= limit, "{:?}", begun.elapsed());
    assert!(matches!(reason, StopReason::OutOfThreads { max: 1, .. }), "{reason}");
    let report = system.shutdown();
    assert!(matches!(report.reason, StopReason::OutOfThreads { max: 1, .. }), "{report}");
    assert_eq!((report.stuck_workers, report.stuck.len()), (2, 2), "{report}");
    gate.open();
    eventually("their threads end", || system.shutdown().stuck_workers == 0);
}

#[test]
fn who_was_asked_to_end_before_ends_for_that_reason() {
    let builder = builder(1).max_threads(1).stop_within(Duration::from_millis(200));
    let system = builder.out_of_threads(OutOfThreads::Escalate).build().unwrap();
    let gate = Gate::default();
    let _opens = Opens(gate.clone());
    system.stop();
    let _late = system
        .actor({
            let gate = gate.clone();
            move || Holder(gate.clone())
        })
        .spawn();
    assert!(matches!(system.wait(), StopReason::Shutdown));
}

/// Aborts the process that it runs in.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn aborts_this_process() {
    let system = builder(1).max_threads(1).out_of_threads(OutOfThreads::Abort).build().unwrap();
    let _holders = holders(&system, 1, &Gate::default());
    let _ = system.wait();
}

#[cfg(unix)]
#[test]
fn the_process_is_aborted_if_that_is_the_policy() {
    use std::os::unix::process::ExitStatusExt;

    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "out_of_threads::aborts_this_process", "--ignored"]);
    let output = child.output().unwrap();
    // SIGABRT.
    assert_eq!(output.status.signal(), Some(6), "{output:?}");
}
