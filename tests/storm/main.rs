//! A tree under panics, failures, stalls, failing starts, kills and stops, all at random: every message is accounted for,
//! every ask ends, every monitor fires once, and at the end no actor, thread or memory is left. Two seconds and a thousand
//! actors, or ten thousand for `STORM_SECS`; `STORM_SEED` chooses the randomness, and the seed is printed.
//!
//! In a process of its own, since threads and memory are the process's. There a small storm comes first: what that leaves
//! is where the memory of the other begins.

mod account;
#[path = "../counted.rs"]
mod counted;
mod drivers;
#[path = "../support.rs"]
#[allow(dead_code, reason = "not all of it is of interest here")]
mod support;
mod tree;
mod units;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Monitor, SupervisorRef};

use account::{Storm, Tally, mixed, sum};
use drivers::Doing;
use support::{LIMIT, builder, eventually};
use tree::{BRANCH, Branch, UNITS};
use units::{Warden, WardenRef};

const DRIVERS: u64 = 16;
const SECOND: Duration = Duration::from_secs(1);
/// For so long a handler that does not return is held.
const HELD: Duration = Duration::from_millis(60);
/// As many dead letters are kept until they are read, which is at once.
const LETTERS: usize = 100_000;
/// What a storm may leave in bytes, whatever it did. One word for each actor that it had is more.
const SLACK: i64 = 64 * 1024;

struct Run {
    system: System,
    storm: Arc<Storm>,
    top: SupervisorRef,
    branches: Vec<Branch>,
    warden: WardenRef,
}

impl Run {
    fn new(branches: usize, seed: u64) -> Self {
        let system = builder(2).max_condemned(1000).build().unwrap();
        let storm = Arc::new(Storm { dice: AtomicU64::new(seed), ..Storm::default() });
        let branches: Vec<_> = (0..branches).map(|_| Branch::new(&storm)).collect();
        let specs: Vec<_> = branches.iter().enumerate().map(|(number, branch)| branch.spec(number)).collect();
        // A busy machine may take a thread off its processor for longer than a start may take.
        let top = (0..100).find_map(|_| {
            let top = system.supervisor().intensity(u32::MAX, SECOND);
            specs.iter().cloned().fold(top, |top, spec| top.child(spec)).start().wait().ok()
        });
        let top = top.expect("nothing fails yet");
        let state = storm.clone();
        let warden = system.spawn(move || Warden::new(&state)).unwrap();
        let run = Run { system, storm, top, branches, warden };
        for branch in &run.branches {
            (0..UNITS).for_each(|at| assert!(branch.unit(&run.storm, at).is_some()));
        }
        run
    }

    /// Blows for so long; the monitors that must still fire.
    fn blow(&self, seed: u64, long: Duration) -> Vec<Monitor> {
        let storm = &self.storm;
        storm.blows.store(true, Ordering::Relaxed);
        let letters = self.system.dead_letters().subscribe(LETTERS);
        let until = Instant::now() + long;
        let ended = AtomicBool::new(false);
        let doing: [Doing; DRIVERS as usize] = Default::default();
        let monitors = thread::scope(|scope| {
            let drivers: Vec<_> = (doing.iter().zip(0..DRIVERS))
                .map(|(doing, number)| scope.spawn(move || self.drive(mixed(seed + number), doing, until)))
                .collect();
            let helper = scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    storm.open_gates(HELD);
                    // The pace at which gates open: this is time that is meant.
                    thread::sleep(Duration::from_millis(2));
                    storm.read(letters.try_iter());
                    if let Some(unit) = doing.iter().find_map(Doing::stuck) {
                        self.give_up(format_args!(
                            "a driver waits for {}: {:?}",
                            unit.path(),
                            unit.mailbox()
                        ));
                    }
                }
            });
            let monitors = drivers.into_iter().flat_map(|driver| driver.join().unwrap()).collect();
            storm.over.store(true, Ordering::Relaxed);
            storm.blows.store(false, Ordering::Relaxed);
            storm.open_gates(Duration::ZERO);
            // Who sleeps without a limit is not there, so all that was sent is handled, or stopped with the tree.
            self.top.stop();
            if self.top.monitor().wait_within(LIMIT).is_none() {
                self.give_up("the tree does not end");
            }
            ended.store(true, Ordering::Relaxed);
            helper.join().unwrap();
            monitors
        });
        let all_down = || sum(&storm.tally.downs) == sum(&storm.tally.watched);
        eventually("each monitor of the warden has fired", || {
            self.warden.mailbox().queued == 0 && all_down()
        });
        eventually("who was condemned has returned", || self.system.snapshot().condemned_threads == 0);
        storm.read(letters.try_iter());
        assert_eq!(self.system.dead_letters().missed(), 0);
        monitors
    }

    /// Looks at what has become of everything. A calm storm may have had no stalls.
    fn settle(self, monitors: Vec<Monitor>, calm: bool) {
        for monitor in monitors {
            assert!(monitor.wait_within(LIMIT).is_some(), "each monitor fires");
        }
        self.warden.stop();
        eventually("only the root is left", || self.system.snapshot().actors_alive() == 1);
        let now = self.system.snapshot();
        let Tally {
            made,
            dropped,
            accepted,
            begun,
            ended,
            abandoned,
            called,
            letters,
            failed,
            failed_async,
            ..
        } = &self.storm.tally;
        let Tally { states, states_dropped, failed_starts, in_accounts, handled, dead, wrong, .. } =
            &self.storm.tally;
        println!(
            "{} accepted, {} refused, {} handled, {} dead; {} asks; {} states, {} starts failed; {} Downs; {}",
            sum(in_accounts),
            sum(&self.storm.tally.refused),
            sum(handled),
            sum(dead),
            sum(begun),
            sum(states),
            sum(failed_starts),
            sum(&self.storm.tally.downs),
            now.preemptions,
        );
        assert_eq!(sum(wrong), 0, "accounts and Downs are right");
        assert_eq!(sum(made), sum(dropped), "no message is left");
        assert_eq!(sum(begun), sum(ended) + sum(abandoned), "each ask has ended");
        let most = sum(accepted) + sum(abandoned);
        assert!((sum(accepted)..=most).contains(&sum(in_accounts)), "{} of {}", sum(in_accounts), most);
        assert_eq!(sum(letters), sum(dead), "what is dead in the accounts is a dead letter");
        // An async handler may fail before it is polled for the first time.
        let ran = sum(handled) + sum(failed);
        assert!(
            (ran.saturating_sub(sum(failed_async))..=ran).contains(&sum(called)),
            "{ran}, {} called",
            sum(called)
        );
        assert_eq!(now.timers(), 0);
        let blew = now.preemptions.stalled.min(now.preemptions.condemned).min(sum(failed_starts)) > 0;
        assert!(calm || blew, "no storm: {now}");
        let report = self.system.shutdown();
        assert!(report.stuck_workers == 0, "{report}");
        assert_eq!(sum(states), sum(states_dropped), "each incarnation was dropped");
    }
}

// ---- the test ------------------------------------------------------------------------------------------

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn storm(branches: usize, seed: u64, long: Duration) {
    let calm = long < SECOND;
    let run = Run::new(branches, seed);
    let monitors = run.blow(seed, long);
    run.settle(monitors, calm);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_tree_comes_through_a_storm_and_leaves_nothing() {
    let secs = number("STORM_SECS");
    let seed = number("STORM_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let branches = if secs.is_some() { 10_000 / BRANCH } else { 1_000 / BRANCH };
    println!("STORM_SEED={seed}, {} actors", branches * BRANCH);
    let threads_before = threads();
    let no_thread_is_left = || eventually("the threads are those before", || threads() <= threads_before);
    storm(branches / 5, seed, SECOND / 2);
    no_thread_is_left();
    let memory_before = counted::bytes_in_use();
    storm(branches, seed + 100, SECOND * secs.unwrap_or(2) as u32);
    no_thread_is_left();
    eventually("the memory is what it was", || counted::bytes_in_use() <= memory_before + SLACK);
    println!("{} bytes more than before", counted::bytes_in_use() - memory_before);
}
