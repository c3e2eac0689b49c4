//! Looking in: what a snapshot and the trace of the scheduler say of a system that does something.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use actor_core::observe::{ActorGroup, Snapshot, WorkerState};
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, eventually, patient, system};

/// Passes a number on until it is zero.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Runner {
    peer: Option<RunnerRef>,
    done: mpsc::Sender<()>,
}

#[messages]
impl Runner {
    #[message]
    fn meet(&mut self, peer: RunnerRef) {
        self.peer = Some(peer);
    }

    #[message]
    fn run(&mut self, left: u64) {
        match &self.peer {
            Some(peer) if left > 0 => peer.run(left - 1).tell().unwrap(),
            _ => self.done.send(()).unwrap(),
        }
    }
}

/// Two actors on `system` pass a number to and fro, `n` times.
fn run(system: &SystemHandle, n: u64) {
    let (sender, done) = mpsc::channel();
    let spawn = || {
        let done = sender.clone();
        system.spawn(move || Runner { peer: None, done: done.clone() }).unwrap()
    };
    let (a, b) = (spawn(), spawn());
    a.meet(b.clone()).wait().unwrap();
    b.meet(a.clone()).wait().unwrap();
    a.run(n).tell().unwrap();
    done.recv_timeout(LIMIT).unwrap();
    a.stop();
    b.stop();
}

/// Waits for a snapshot of which this is true.
#[track_caller]
fn eventually_shows(system: &SystemHandle, what: &str, is: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut snapshot = system.snapshot();
    eventually(what, || {
        snapshot = system.snapshot();
        is(&snapshot)
    });
    snapshot
}

/// Whether the one worker has parked, with nothing left to do, and the runners have ended.
fn is_done(snapshot: &Snapshot) -> bool {
    let parked = snapshot.workers_that_are(WorkerState::Parked) == 1;
    let runners = snapshot.actors.iter().filter(|group| group.name == "Runner");
    parked && snapshot.global_queue == 0 && runners.map(|group| group.alive).sum::<u64>() == 0
}

#[test]
fn work_that_was_done_is_counted() {
    const N: u64 = 20_000;
    let system = system(1);
    // Only one that sleeps is woken.
    eventually_shows(&system, "the worker is parked", |now| now.workers_that_are(WorkerState::Parked) == 1);
    run(&system, N);
    // When it has parked it has written everything down.
    let snapshot = eventually_shows(&system, "the worker is done", is_done);
    let done = snapshot.totals();
    assert!(done.messages > N && done.messages < N + 100, "{done}");
    // A message at a time, so a turn for each; few of them by way of the queue.
    assert!(done.turns > N && done.turns < N + 100, "{done}");
    assert!(done.next_hits > N / 2 && done.next_hits < done.turns, "{done}");
    assert!(done.parks > 0 && snapshot.wakes_from_outside > 0, "{snapshot}");
    assert_eq!((done.stolen, done.overflows), (0, 0), "there is nobody to steal from");
    assert_eq!((snapshot.parallelism, snapshot.workers.len()), (1, 1));
    assert!(snapshot.uptime > Duration::ZERO);
}

#[test]
fn histograms_hold_a_sample_that_stands_for_all() {
    const N: u64 = 1_000_000;
    let system = system(1);
    run(&system, N);
    let snapshot = eventually_shows(&system, "the worker is done", is_done);
    for (name, histogram) in [
        ("runnable delay", &snapshot.runnable_delay),
        ("turn time", &snapshot.turn_time),
        ("mailbox wait", &snapshot.mailbox_wait),
    ] {
        // 500 were measured, or more, so the estimate of their number is off by some 4 %.
        assert!(histogram.count().abs_diff(N) < N / 4, "{name}: {histogram}");
        let quantiles = [0.5, 0.9, 0.99, 0.999].map(|quantile| histogram.quantile(quantile));
        assert!(quantiles.is_sorted() && quantiles[3] <= histogram.max(), "{name}: {histogram}");
        assert!(quantiles[0] > Duration::ZERO, "{name}: {histogram}");
    }
}

/// Does nothing else until it is let go.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Sleeper;

#[messages]
impl Sleeper {
    #[message]
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    #[message]
    fn pass(&self, gate: Gate) {
        gate.pass();
    }

    /// A handler that panics.
    #[message]
    fn fail(&self) {
        panic!("{}", crate::support::ON_PURPOSE);
    }
}

#[test]
fn what_waits_behind_a_long_turn_shows_in_all_histograms() {
    const LONG: Duration = Duration::from_millis(5);
    let system = patient(1).build().unwrap();
    let long = |snapshot: &Snapshot| {
        // Messages and turns are sampled: more are sent until each histogram has caught some.
        let sleepers: Vec<_> = (0..4).map(|_| system.spawn(|| Sleeper).unwrap()).collect();
        sleepers.iter().for_each(|sleeper| sleeper.sleep(LONG).tell().unwrap());
        sleepers.iter().for_each(|sleeper| sleeper.sleep(Duration::ZERO).wait().unwrap());
        let histograms = [&snapshot.runnable_delay, &snapshot.turn_time, &snapshot.mailbox_wait];
        histograms.iter().all(|histogram| histogram.max() >= LONG)
    };
    let snapshot = eventually_shows(&system, "all three show it", long);
    assert!(snapshot.turn_time.quantile(1.0) >= LONG.mul_f64(0.9375), "{snapshot}");
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Parent {
    meet: Arc<Barrier>,
}

#[messages]
impl Parent {
    /// Makes work on one worker that only ends if another takes part of it.
    #[message]
    fn breed(&mut self, children: usize, ctx: &mut Context<Self>) {
        for _ in 0..children {
            let meet = self.meet.clone();
            let child = ctx.spawn(move || Parent { meet: meet.clone() }).unwrap();
            child.meet().tell().unwrap();
        }
    }

    #[message]
    fn meet(&mut self) {
        self.meet.wait();
    }
}

#[test]
fn stolen_tasks_are_counted_by_the_thief() {
    // Patient, so that nothing but a steal ends the wait of the first child.
    let system = patient(2).build().unwrap();
    let meet = Arc::new(Barrier::new(2));
    let parent = system.spawn(move || Parent { meet: meet.clone() }).unwrap();
    let idle = |snapshot: &Snapshot| snapshot.workers_that_are(WorkerState::Parked) == 2;
    eventually_shows(&system, "both are parked", idle);
    let before = system.snapshot().totals();
    // One makes the work, and wakes the other, which has nothing but what it steals; again, if that was awake anyway.
    let stole = |snapshot: &Snapshot| {
        parent.breed(40).wait().unwrap();
        let done = snapshot.totals().since(&before);
        done.stolen > 0 && done.steal_attempts > 0 && done.wakes_sent > 0
    };
    let snapshot = eventually_shows(&system, "tasks were stolen by one who was woken for it", stole);
    let thieves = snapshot.workers.iter().filter(|worker| worker.counters.stolen > 0);
    assert!(thieves.clone().all(|worker| worker.counters.steal_attempts > 0), "{snapshot}");
}

#[test]
fn a_snapshot_tells_what_workers_are_about() {
    let system = system(2);
    let idle = |snapshot: &Snapshot| snapshot.workers_that_are(WorkerState::Parked) == 2;
    eventually_shows(&system, "both are parked", idle);
    let gates = [Gate::default(), Gate::default()];
    for gate in &gates {
        system.spawn(|| Sleeper).unwrap().pass(gate.clone()).tell().unwrap();
        gate.somebody_waits();
    }
    // Both are in a handler now, so what else there is waits in queues.
    let waiting: Vec<_> = (0..5).map(|_| system.spawn(|| Sleeper).unwrap()).collect();
    let snapshot = system.snapshot();
    assert_eq!(snapshot.workers_that_are(WorkerState::Running), 2, "{snapshot}");
    let queued: usize = snapshot.workers.iter().map(|worker| worker.queue).sum();
    // Their supervisor may have got something to do as well.
    let expected = waiting.len()..=waiting.len() + 1;
    assert!(expected.contains(&(queued + snapshot.global_queue)), "{snapshot}");
    gates.iter().for_each(Gate::open);
    eventually_shows(&system, "both are parked again", idle);
}

#[test]
fn timers_are_counted_while_armed_and_when_fired() {
    let system = system(1);
    let far: Vec<_> = (0..7)
        .map(|_| {
            let mut sleep = Box::pin(system.sleep(Duration::from_secs(3600)));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(sleep.as_mut().poll(&mut cx).is_pending());
            sleep
        })
        .collect();
    assert_eq!(system.snapshot().timers(), 7);
    pollster::block_on(system.sleep(Duration::from_millis(1)));
    let fired = |snapshot: &Snapshot| snapshot.totals().timers_fired == 1;
    eventually_shows(&system, "one has fired", fired);
    drop(far);
    assert_eq!(system.snapshot().timers(), 0);
}

#[test]
fn dead_letters_are_counted() {
    let system = system(1);
    let sleeper = system.spawn(|| Sleeper).unwrap();
    sleeper.fail().wait().unwrap_err();
    eventually_shows(&system, "there is one", |snapshot| snapshot.dead_letters == 1);
}

// ---- actors by type and site ---------------------------------------------------------------------

/// The groups of a type, without those of which none is left.
fn alive(system: &SystemHandle, name: &str) -> Vec<ActorGroup> {
    let groups = system.snapshot().actors.into_iter();
    groups.filter(|group| group.name == name && group.alive > 0).collect()
}

#[test]
fn actors_are_grouped_by_type_and_by_where_they_were_spawned() {
    let system = system(2);
    let here = || system.spawn(|| Sleeper).unwrap();
    let there = || system.actor(|| Sleeper).restart(Restart::Temporary).spawn().unwrap();
    let (few, many): (Vec<_>, Vec<_>) = ((0..3).map(|_| here()).collect(), (0..5).map(|_| there()).collect());

    let groups = alive(&system, "Sleeper");
    assert_eq!(groups.iter().map(|group| group.alive).collect::<Vec<_>>(), [5, 3], "the most first");
    assert!(groups.iter().all(|group| group.site.file() == file!()), "{groups:?}");
    assert_eq!(groups[0].site.line(), groups[1].site.line() + 1, "{groups:?}");
    assert!(groups[0].type_name.ends_with("observe::Sleeper"), "{groups:?}");
    assert_eq!(alive(&system, "Supervisor")[0].alive, 1, "the root");

    // Who has its Down sees it counted.
    for sleeper in few {
        let down = sleeper.monitor();
        sleeper.stop();
        let _ = down.wait();
    }
    let groups = alive(&system, "Sleeper");
    assert_eq!((groups.len(), groups[0].alive, groups[0].started), (1, 5, 5), "{groups:?}");
    // A restart neither ends an actor nor starts one.
    for sleeper in &many {
        sleeper.fail().wait().unwrap_err();
        let down = sleeper.monitor();
        let _ = down.wait();
    }
    assert!(alive(&system, "Sleeper").is_empty(), "they were temporary");
}

#[test]
fn a_restart_is_no_new_actor() {
    let system = system(2);
    let sleeper = system.spawn(|| Sleeper).unwrap();
    sleeper.fail().wait().unwrap_err();
    sleeper.sleep(Duration::ZERO).wait().unwrap();
    let groups = alive(&system, "Sleeper");
    assert_eq!((groups[0].alive, groups[0].started), (1, 1), "{groups:?}");
}

#[derive(Actor)]
struct Nursery;

#[messages]
impl Nursery {
    /// Spawns in the two ways that a handler has; the lines of the calls.
    #[message]
    fn spawn_two(&self, ctx: &mut Context<Self>) -> [u32; 2] {
        ctx.spawn(|| Sleeper).unwrap();
        let first = line!() - 1;
        ctx.actor(|| Sleeper).spawn().unwrap();
        [first, line!() - 1]
    }
}

#[test]
fn each_way_to_spawn_tells_where_it_was_called() {
    let system = system(2);
    let supervisor = system.supervisor().spawn().unwrap();
    let mut lines = vec![line!() - 1];
    supervisor.spawn(|| Sleeper).unwrap();
    lines.push(line!() - 1);
    supervisor.actor(|| Sleeper).start().wait().unwrap();
    lines.push(line!() - 1);
    lines.extend(system.spawn(|| Nursery).unwrap().spawn_two().wait().unwrap());

    let mut told: Vec<_> = ["Sleeper", "Supervisor"].iter().flat_map(|name| alive(&system, name)).collect();
    // The root is spawned where the system is built.
    told.retain(|group| group.site.file() == file!());
    let mut told: Vec<_> = told.iter().map(|group| group.site.line()).collect();
    told.sort_unstable();
    lines.sort_unstable();
    assert_eq!(told, lines);
}

#[test]
fn systems_count_their_actors_apart() {
    let (one, other) = (system(1), system(1));
    let spawn = |system: &SystemHandle| system.spawn(|| Sleeper).unwrap();
    let _refs = [spawn(&one), spawn(&one), spawn(&other)];
    assert_eq!((alive(&one, "Sleeper")[0].alive, alive(&other, "Sleeper")[0].alive), (2, 1));
}

#[test]
fn a_snapshot_can_be_read() {
    let system = system(2);
    run(&system, 1000);
    let text = system.snapshot().to_string();
    for expected in ["parallelism 2", "worker 0: ", "worker 1: ", "runnable delay", "turn time", "p99.9"] {
        assert!(text.contains(expected), "{text}");
    }
    let site = format!("Runner of 2, spawned at {}:", file!());
    assert!(text.contains(&site), "{text}");
}

// ---- the trace -----------------------------------------------------------------------------------

/// Runs as a process of its own in `traced`, whose environment it is about.
#[test]
#[ignore = "a part of the tests below"]
fn process_to_be_traced() {
    let mut builder = System::builder().workers(2);
    if let Ok(millis) = std::env::var("TRACE_OF_BUILDER") {
        builder = builder.schedtrace(Duration::from_millis(millis.parse().unwrap()));
    }
    let system = builder.build().unwrap();
    let lines: usize = std::env::var("PERIODS").unwrap().parse().unwrap();
    for _ in 0..lines {
        run(&system, 1000);
        pollster::block_on(system.sleep(Duration::from_millis(50)));
    }
    system.shutdown();
    eprintln!("THE END");
    #[cfg(target_os = "linux")]
    eventually("the trace's thread has ended", || {
        let mut threads = std::fs::read_dir("/proc/self/task").unwrap();
        !threads.any(|thread| {
            let comm = thread.unwrap().path().join("comm");
            std::fs::read_to_string(comm).is_ok_and(|name| name.trim() == "schedtrace")
        })
    });
}

fn traced(environment: &[(&str, &str)]) -> (Vec<String>, String) {
    let Output { status, stderr, .. } = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "observe::process_to_be_traced", "--nocapture"])
        .env_remove("ACTOR_SCHEDTRACE")
        .env("PERIODS", "20")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(status.success() && text.contains("THE END"), "{text}");
    let lines = text.lines().filter(|line| line.starts_with("SCHED ")).map(str::to_owned).collect();
    (lines, text)
}

/// The value of a figure in a line of the trace.
fn figure(line: &str, name: &str) -> u64 {
    let figures = line.split(' ').filter_map(|word| word.split_once('='));
    let value = figures.filter(|(found, _)| *found == name).map(|(_, value)| value).next();
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn the_environment_asks_for_a_trace() {
    let (lines, text) = traced(&[("ACTOR_SCHEDTRACE", "100")]);
    // For a second at least, a line each 100 ms; a machine under load may be late with them.
    assert!((2..=60).contains(&lines.len()), "{text}");
    for line in &lines {
        assert_eq!(figure(line, "workers"), 2);
        assert!(line.contains(" local=["), "{line}");
        assert!(figure(line, "actors") >= 1, "the root at least: {line}");
    }
    assert!(lines.iter().any(|line| figure(line, "messages/s") > 1000), "{text}");
    assert!(lines.iter().any(|line| figure(line, "fired") > 0), "{text}");
    let times =
        lines.iter().map(|line| line["SCHED ".len()..line.find("ms:").unwrap()].parse::<u64>().unwrap());
    assert!(times.is_sorted_by(|a, b| b - a >= 99), "{text}");
    let end = text.find("THE END").unwrap();
    assert!(!text[end..].contains("SCHED "), "it ends with the system: {text}");
}

#[test]
fn a_program_asks_for_a_trace_and_the_environment_overrides_it() {
    assert!(!traced(&[("TRACE_OF_BUILDER", "100")]).0.is_empty());
    let (lines, text) = traced(&[("TRACE_OF_BUILDER", "1"), ("ACTOR_SCHEDTRACE", "0"), ("PERIODS", "4")]);
    assert_eq!(lines.len(), 0, "{text}");
}

#[test]
fn without_being_asked_there_is_no_trace() {
    let (lines, text) = traced(&[("PERIODS", "4")]);
    assert!(lines.is_empty() && !text.contains("ACTOR_SCHEDTRACE"), "{text}");
}

#[test]
fn a_bad_value_is_warned_of_and_ignored() {
    let (lines, text) = traced(&[("ACTOR_SCHEDTRACE", "often"), ("PERIODS", "4")]);
    assert!(lines.is_empty(), "{text}");
    let warning = text.lines().find(|line| line.contains("ACTOR_SCHEDTRACE")).expect("a warning");
    assert!(warning.starts_with("warning: ") && warning.contains("\"often\""), "{warning}");
    assert!(warning.contains("ACTOR_SCHEDTRACE=1000"), "it says what would do: {warning}");
}

#[test]
fn a_retired_worker_is_shown_as_parked_and_has_written_everything_down() {
    const N: u64 = 20_000;
    let system = system(2);
    run(&system, N);
    system.set_parallelism(1).unwrap();
    let all = |snapshot: &Snapshot| {
        snapshot.workers_that_are(WorkerState::Parked) == 2 && snapshot.totals().messages > N
    };
    let snapshot = eventually_shows(&system, "both are parked", all);
    assert_eq!((snapshot.parallelism, snapshot.workers.len()), (1, 2));
}
