//! As many condemned handlers as there may be, processes that are paused, and the end of a system.

use std::thread;
use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use actor_core::{AskError, Restart, TooManyCondemned};

use crate::support::{Gate, LIMIT, builder, eventually, system};

#[derive(Actor)]
#[actor(stall = "30ms")]
struct Blocks(Gate);

#[messages]
impl Blocks {
    #[message]
    fn block(&mut self, ctx: &mut Context<Self>) -> u64 {
        self.0.pass();
        ctx.incarnation()
    }
}

#[test]
fn at_the_cap_it_is_said_and_the_actor_waits() {
    let system = builder(2).max_condemned(1).build().unwrap();
    let events = system.events().subscribe(1000);
    let (first_gate, gate) = (Gate::default(), Gate::default());
    let state = first_gate.clone();
    let first = system.spawn(move || Blocks(state.clone())).unwrap();
    assert!(matches!(first.block().wait(), Err(AskError::Stalled)));
    let state = gate.clone();
    let second = system.spawn(move || Blocks(state.clone())).unwrap();
    let asked = second.clone();
    let asked = thread::spawn(move || asked.block().wait());
    let mut said = 0;
    eventually("it is said", || {
        let is_said = |event: &Event| matches!(event, Event::TooManyCondemned { max: 1, .. });
        said += events.try_iter().filter(is_said).count();
        said == 1
    });
    let now = system.snapshot();
    assert_eq!((now.condemned_threads, now.preemptions.too_many_condemned), (1, 1), "{now}");
    assert!(now.to_string().contains("condemned handlers that have not returned 1"), "{now}");
    // It is condemned when there is room.
    first_gate.open();
    assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
    gate.open();
    assert_eq!(second.block().wait().unwrap(), 2);
    // And one that returns in time goes on as if nothing were.
    let again = Gate::default();
    let (one, other) = (again.clone(), again.clone());
    let holder = system.spawn(move || Blocks(one.clone())).unwrap();
    assert!(matches!(holder.block().wait(), Err(AskError::Stalled)));
    let third = system.spawn(move || Blocks(other.clone())).unwrap();
    let asked = third.clone();
    let asked = thread::spawn(move || asked.block().wait());
    eventually("it is said", || system.snapshot().preemptions.too_many_condemned == 2);
    again.open();
    let outcome = asked.join().unwrap();
    assert!(matches!(outcome, Ok(1) | Err(AskError::Stalled)), "{outcome:?}");
    assert!(system.shutdown().is_clean());
}

#[test]
fn at_the_cap_the_supervisor_fails() {
    let system = builder(2).max_condemned(0).too_many_condemned(TooManyCondemned::Escalate).build().unwrap();
    let gate = Gate::default();
    let state = gate.clone();
    let above = system.supervisor().restart(Restart::Temporary).spawn().unwrap();
    let blocks = above.spawn(move || Blocks(state.clone())).unwrap();
    let monitor = above.monitor();
    assert!(matches!(blocks.block().wait(), Err(AskError::Stalled)));
    let down = monitor.wait_within(LIMIT).expect("it fails, at the first");
    assert!(matches!(down.reason, StopReason::Escalated { .. }), "{down:?}");
    gate.open();
    assert!(system.shutdown().is_clean());
}

#[cfg(unix)]
mod processes {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::processes::child;

    #[test]
    fn at_the_cap_the_process_is_aborted() {
        const CHILD: &str = "CONDEMNED_IS_ABORTED";
        if std::env::var_os(CHILD).is_some() {
            let policy = TooManyCondemned::Abort;
            let system = builder(1).max_condemned(0).too_many_condemned(policy).build().unwrap();
            let blocks = system.spawn(|| Blocks(Gate::default())).unwrap();
            let _ = blocks.block().wait();
            return;
        }
        let child = child("condemned_at_most::processes::at_the_cap_the_process_is_aborted", CHILD);
        const SIGABRT: i32 = 6;
        assert_eq!(child.ends_by_signal(), Some(SIGABRT));
    }

    #[derive(Actor)]
    #[actor(stall = "500ms")]
    struct Sleeper;

    #[messages]
    impl Sleeper {
        #[message]
        fn sleep(&mut self, long: Duration) {
            thread::sleep(long);
        }

        #[message]
        async fn wait(&mut self, long: Duration, ctx: &mut Context<Self>) {
            ctx.system().sleep(long).await;
        }
    }

    /// Handlers that are far from their limit, in a process that is stopped for far longer.
    #[test]
    fn a_paused_process_has_no_stalled_handlers() {
        const CHILD: &str = "CONDEMNED_IS_PAUSED";
        if std::env::var_os(CHILD).is_some() {
            return runs_for_a_while();
        }
        let child = child("condemned_at_most::processes::a_paused_process_has_no_stalled_handlers", CHILD);
        let (status, pauses) = child.ends_between_pauses();
        assert!(status.success() && pauses >= 2, "{status} after {pauses} pauses");
    }

    fn runs_for_a_while() {
        let system = system(2);
        let sleepers: Vec<_> = (0..4).map(|_| system.spawn(|| Sleeper).unwrap()).collect();
        let over = AtomicBool::new(false);
        let rounds = AtomicUsize::new(0);
        thread::scope(|scope| {
            for (number, sleeper) in sleepers.iter().enumerate() {
                let (over, rounds) = (&over, &rounds);
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let long = Duration::from_millis(100);
                        let done = match number % 2 {
                            0 => sleeper.sleep(long).wait().is_ok(),
                            _ => sleeper.wait(long).wait().is_ok(),
                        };
                        assert!(done, "it was in time");
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            eventually("there were rounds", || {
                thread::sleep(Duration::from_millis(1));
                rounds.load(Ordering::Relaxed) >= 40
            });
            over.store(true, Ordering::Relaxed);
        });
        let stalled = system.snapshot().preemptions.stalled;
        // Those that are really late are found still.
        assert!(matches!(sleepers[1].wait(LIMIT).wait(), Err(AskError::Stalled)));
        if stalled > 0 {
            std::process::exit(1);
        }
    }
}

#[test]
fn shutdown_goes_on_beside_a_condemned_handler() {
    let system = system(2);
    let gate = Gate::default();
    let state = gate.clone();
    let blocks = system.spawn(move || Blocks(state.clone())).unwrap();
    assert!(matches!(blocks.block().wait(), Err(AskError::Stalled)));
    let report = system.shutdown();
    assert!(report.ended && report.late.is_empty() && report.stuck_workers == 1, "{report}");
    assert!(!blocks.is_alive());
    gate.open();
    eventually("its thread ends", || system.shutdown().stuck_workers == 0);
}
