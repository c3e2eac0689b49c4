//! Ported from OTP's `supervisor_SUITE`: each test has the name of the case whose behaviour it shows.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{ChildState, Strategy, SupervisorRef};

use crate::otp_support::{Script, Worker, counts, is_back, state, states};
use crate::support::{LIMIT, eventually, system};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn starts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name} starts")).collect()
}

fn ends(names: &[&str], why: &str) -> Vec<String> {
    names.iter().map(|name| format!("{name}: {why}")).collect()
}

// ---- start and stop --------------------------------------------------------------------------------

#[test]
fn order_of_children() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let system = system(2);
        let script = Script::default();
        let mut supervisor = system.supervisor().strategy(strategy);
        for name in ["a", "b", "c"] {
            supervisor = supervisor.child(script.child(name).spec(name));
        }
        let supervisor = supervisor.start().wait().unwrap();
        supervisor.start_child(script.child("d").spec("d")).wait().unwrap();
        assert_eq!(script.entries(), starts(&["a", "b", "c", "d"]));
        let ids: Vec<_> = states(&supervisor).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        supervisor.stop();
        assert!(supervisor.monitor().wait_within(LIMIT).is_some());
        assert_eq!(script.entries()[4..], ends(&["d", "c", "b", "a"], "shutdown"));
    }
}

#[test]
fn sup_start_fail() {
    let system = system(2);
    let (good, bad) = (Script::default(), Script::default());
    bad.fail(1);
    let supervisor = system
        .supervisor()
        .child(good.child("a").spec("a"))
        .child(good.child("b").spec("b"))
        .child(bad.child("c").spec("c"))
        .child(good.child("d").spec("d"));
    let Err(SpawnError::Failed(StopReason::StartFailed(why))) = supervisor.start().wait() else {
        panic!("a supervisor started although a child of it did not")
    };
    assert_eq!(why.downcast_ref::<actor_core::StartError>().unwrap().child, "c");
    assert_eq!(good.entries(), [starts(&["a", "b"]), ends(&["b", "a"], "shutdown")].concat());
}

#[test]
fn sup_start_within() {
    let system = system(2);
    let (good, bad) = (Script::default(), Script::default());
    bad.hanging.store(true, Ordering::SeqCst);
    let supervisor = system
        .supervisor()
        .child(good.child("a").spec("a"))
        .child(bad.child("b").spec("b").start_within(ms(20)));
    assert!(matches!(supervisor.start().wait(), Err(SpawnError::Failed(StopReason::StartFailed(_)))));
    assert_eq!(good.entries(), [starts(&["a"]), ends(&["a"], "shutdown")].concat());
}

#[test]
fn sup_start_ignore_temporary_child_start_child() {
    let system = system(2);
    let script = Script::default();
    let supervisor = system.supervisor().child(script.child("a").spec("a")).start().wait().unwrap();
    script.ignoring.store(true, Ordering::SeqCst);
    let temporary = script.child("b").spec("b").restart(Restart::Temporary);
    assert_eq!(supervisor.start_child(temporary).wait().unwrap(), ChildState::Stopped);
    let permanent = script.child("c").spec("c");
    assert_eq!(supervisor.start_child(permanent).wait().unwrap(), ChildState::Stopped);
    assert_eq!(counts(&supervisor), [2, 1, 0, 2]);
    assert_eq!(state(&supervisor, "b"), None);
    assert_eq!(state(&supervisor, "c"), Some(ChildState::Stopped));
}

#[test]
fn sup_start_ignore_child() {
    let system = system(2);
    let (script, ignored) = (Script::default(), Script::default());
    ignored.ignoring.store(true, Ordering::SeqCst);
    let supervisor = system
        .supervisor()
        .child(ignored.child("a").spec("a"))
        .child(ignored.child("b").spec("b").restart(Restart::Temporary))
        .child(script.child("c").spec("c"))
        .start()
        .wait()
        .unwrap();
    let expected = [("a".to_owned(), ChildState::Stopped), ("c".to_owned(), ChildState::Running)];
    assert_eq!(states(&supervisor), expected);
    ignored.ignoring.store(false, Ordering::SeqCst);
    assert_eq!(supervisor.restart_child("a").wait().unwrap(), ChildState::Running);
}

#[test]
fn sup_stop_timeout() {
    let system = system(2);
    let (good, late) = (Script::default(), Script::default());
    late.lingering.store(true, Ordering::SeqCst);
    let (first, second) = (good.child("first"), late.child("second"));
    let supervisor = system
        .supervisor()
        .child(first.spec("first"))
        .child(second.spec("second").stop_within(ms(20)))
        .start()
        .wait()
        .unwrap();
    let monitors = (first.get().unwrap().monitor(), second.get().unwrap().monitor());
    supervisor.stop();
    assert!(matches!(monitors.0.wait_within(LIMIT).unwrap().reason, StopReason::Shutdown));
    assert!(matches!(monitors.1.wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
}

#[test]
fn sup_stop_timeout_dynamic() {
    let system = system(2);
    let script = Script::default();
    script.lingering.store(true, Ordering::SeqCst);
    let pool = system.supervisor().dynamic().spawn().unwrap();
    let children: Vec<_> = (0..30)
        .map(|_| {
            let script = script.clone();
            let child = pool.actor(move || Worker { name: "w", script: script.clone() });
            child.stop_within(ms(50)).start().wait().unwrap()
        })
        .collect();
    let start = Instant::now();
    pool.stop();
    for child in children {
        assert!(matches!(child.monitor().wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    }
    assert!(start.elapsed() < 30 * ms(50), "one after the other takes longer");
}

#[test]
fn sup_stop_brutal_kill() {
    let system = system(2);
    let script = Script::default();
    let (first, second) = (script.child("first"), script.child("second"));
    let supervisor = system
        .supervisor()
        .child(first.spec("first"))
        .child(second.spec("second").stop_within(Duration::ZERO))
        .start()
        .wait()
        .unwrap();
    let monitors = (first.get().unwrap().monitor(), second.get().unwrap().monitor());
    supervisor.stop();
    assert!(matches!(monitors.0.wait_within(LIMIT).unwrap().reason, StopReason::Shutdown));
    assert!(matches!(monitors.1.wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    assert_eq!(script.entries()[2..], ends(&["first"], "shutdown"), "it is not asked");
    let report = system.shutdown();
    assert!(report.is_clean(), "nobody was late: {report}");
}

/// A child whose end goes wrong is a child that has ended.
#[test]
fn sup_stop_non_shutdown_exit_dynamic() {
    #[derive(Actor)]
    struct Sore;
    #[messages]
    impl Sore {
        #[stopped]
        fn close(&self) {
            panic!("{}", crate::support::ON_PURPOSE);
        }
    }
    let system = system(2);
    let pool = system.supervisor().dynamic().spawn().unwrap();
    let children: Vec<_> = (0..3).map(|_| pool.actor(|| Sore).start().wait().unwrap()).collect();
    pool.stop();
    assert!(pool.monitor().wait_within(LIMIT).is_some());
    assert!(children.iter().all(|child| !child.is_alive()));
}

#[test]
fn simple_one_for_one_shutdown() {
    #[derive(Actor)]
    struct Slow(Duration);
    #[messages]
    impl Slow {
        #[stopped]
        async fn close(&mut self, ctx: &mut Context<Self>) {
            ctx.system().clone().sleep(self.0).await;
        }
    }
    let stop = |takes: Duration, within: Duration| {
        let system = system(2);
        let pool = system.supervisor().dynamic().spawn().unwrap();
        for _ in 0..10 {
            pool.actor(move || Slow(takes)).stop_within(within).start().wait().unwrap();
        }
        let start = Instant::now();
        let report = system.shutdown();
        (start.elapsed(), report.late.len())
    };
    let (patient, late) = stop(ms(100), LIMIT);
    assert!(patient >= ms(100) && patient < ms(900), "as long as one takes: {patient:?}");
    assert_eq!(late, 0);
    let (_, late) = stop(LIMIT, ms(50));
    assert_eq!(late, 10);
}

// ---- restart types -----------------------------------------------------------------------------------

/// Ends a child of a restart type for a reason; whether it is back, or its slot stays, or goes.
fn exit_as(restart: Restart, reason: StopReason) -> Option<ChildState> {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let supervisor = system.supervisor().child(child.spec("a").restart(restart)).start().wait().unwrap();
    let worker = child.get().unwrap();
    worker.exit(reason).tell().unwrap();
    eventually("something became of it", || {
        let is_back = worker.incarnation().within(LIMIT).wait().ok() == Some(2);
        is_back || !worker.is_alive()
    });
    eventually("it is at rest", || !matches!(state(&supervisor, "a"), Some(ChildState::Restarting)));
    state(&supervisor, "a")
}

fn abnormal() -> StopReason {
    StopReason::Failed(Failure::new("abnormal"))
}

#[test]
fn permanent_normal() {
    assert_eq!(exit_as(Restart::Permanent, StopReason::Normal), Some(ChildState::Running));
}

#[test]
fn permanent_shutdown() {
    assert_eq!(exit_as(Restart::Permanent, StopReason::Shutdown), Some(ChildState::Running));
}

#[test]
fn permanent_abnormal() {
    assert_eq!(exit_as(Restart::Permanent, abnormal()), Some(ChildState::Running));
}

#[test]
fn transient_normal() {
    assert_eq!(exit_as(Restart::Transient, StopReason::Normal), Some(ChildState::Stopped));
}

#[test]
fn transient_shutdown() {
    assert_eq!(exit_as(Restart::Transient, StopReason::Shutdown), Some(ChildState::Stopped));
}

#[test]
fn transient_abnormal() {
    assert_eq!(exit_as(Restart::Transient, abnormal()), Some(ChildState::Running));
}

#[test]
fn temporary_normal() {
    assert_eq!(exit_as(Restart::Temporary, StopReason::Normal), None);
}

#[test]
fn temporary_shutdown() {
    assert_eq!(exit_as(Restart::Temporary, StopReason::Shutdown), None);
}

#[test]
fn temporary_abnormal() {
    assert_eq!(exit_as(Restart::Temporary, abnormal()), None);
}

// ---- strategies --------------------------------------------------------------------------------------

#[test]
fn temporary_bystander() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let system = system(2);
        let script = Script::default();
        let (first, second) = (script.child("first"), script.child("second"));
        let supervisor = system
            .supervisor()
            .strategy(strategy)
            .child(first.spec("first"))
            .child(second.spec("second").restart(Restart::Temporary))
            .start()
            .wait()
            .unwrap();
        let (first, second) = (first.get().unwrap(), second.get().unwrap());
        first.kill();
        assert!(second.monitor().wait_within(LIMIT).is_some());
        is_back(&first, 2);
        assert_eq!(states(&supervisor), [("first".to_owned(), ChildState::Running)]);
    }
}

fn group(system: &System, script: &Script, strategy: Strategy) -> (SupervisorRef, Vec<Child>) {
    let children: Vec<_> = ["a", "b", "c"].map(|name| script.child(name)).into();
    let mut supervisor = system.supervisor().strategy(strategy).intensity(100, LIMIT);
    for (child, id) in children.iter().zip(["a", "b", "c"]) {
        supervisor = supervisor.child(child.spec(id).restart(Restart::Transient));
    }
    (supervisor.start().wait().unwrap(), children)
}

type Child = actor_core::Child<Worker>;

/// Refs, and what is queued, live through the restart of a sibling.
#[test]
fn one_for_all() {
    let system = system(2);
    let script = Script::default();
    let (supervisor, children) = group(&system, &script, Strategy::OneForAll);
    let workers: Vec<_> = children.iter().map(|child| child.get().unwrap()).collect();
    workers[1].crash().tell().unwrap();
    workers.iter().for_each(|worker| is_back(worker, 2));
    let stopped = ["b: panicked: on purpose", "c: shutdown", "a: shutdown"].map(str::to_owned);
    assert_eq!(script.entries()[3..], [stopped.to_vec(), starts(&["a", "b", "c"])].concat());
    assert_eq!(children.iter().map(|child| child.get().unwrap()).collect::<Vec<_>>(), workers);
    assert_eq!(counts(&supervisor), [3, 3, 0, 3]);
}

#[test]
fn one_for_all_escalation() {
    let system = system(2);
    let (script, bad) = (Script::default(), Script::default());
    let (first, second) = (script.child("a"), bad.child("b"));
    let supervisor = system
        .supervisor()
        .strategy(Strategy::OneForAll)
        .intensity(4, LIMIT)
        .restart(Restart::Temporary)
        .child(first.spec("a"))
        .child(second.spec("b"))
        .start()
        .wait()
        .unwrap();
    let first = first.get().unwrap().monitor();
    bad.fail(u32::MAX);
    second.get().unwrap().crash().tell().unwrap();
    assert!(first.wait_within(LIMIT).is_some());
    let reason = supervisor.monitor().wait_within(LIMIT).unwrap().reason;
    assert!(matches!(reason, StopReason::Escalated { .. }), "{reason}");
    // Each try has stopped what was restarted.
    let (up, down) = (starts(&["a"]).remove(0), ends(&["a"], "shutdown").remove(0));
    let tries = script.entries();
    assert!(tries.chunks(2).all(|round| round == [up.clone(), down.clone()]), "{tries:?}");
    assert_eq!(tries.len(), 2 * 5);
}

#[test]
fn one_for_all_other_child_fails_restart() {
    let system = system(2);
    let script = Script::default();
    let (first, second, third) = (script.child("a"), Script::default().child("b"), script.child("c"));
    let bad = Script::default();
    let fails = bad.child("b");
    drop(second);
    let supervisor = system
        .supervisor()
        .strategy(Strategy::OneForAll)
        .intensity(100, LIMIT)
        .child(first.spec("a"))
        .child(fails.spec("b"))
        .child(third.spec("c"))
        .start()
        .wait()
        .unwrap();
    bad.fail(1);
    first.get().unwrap().crash().tell().unwrap();
    eventually("all are back", || counts(&supervisor)[1] == 3 && script.entries().len() > 5);
    let expected = ["c: shutdown", "a starts", "a: shutdown", "a starts", "c starts"].map(str::to_owned);
    assert_eq!(script.entries()[3..], expected);
}

#[test]
fn rest_for_one() {
    let system = system(2);
    let script = Script::default();
    let (supervisor, children) = group(&system, &script, Strategy::RestForOne);
    let workers: Vec<_> = children.iter().map(|child| child.get().unwrap()).collect();
    workers[1].crash().tell().unwrap();
    is_back(&workers[2], 2);
    is_back(&workers[1], 2);
    assert_eq!(workers[0].incarnation().wait().unwrap(), 1);
    let stopped = ["b: panicked: on purpose", "c: shutdown"].map(str::to_owned);
    assert_eq!(script.entries()[3..], [stopped.to_vec(), starts(&["b", "c"])].concat());
    assert_eq!(counts(&supervisor), [3, 3, 0, 3]);
}

#[test]
fn rest_for_one_other_child_fails_restart() {
    let system = system(2);
    let (script, bad) = (Script::default(), Script::default());
    let (first, second) = (script.child("a"), script.child("b"));
    let supervisor = system
        .supervisor()
        .strategy(Strategy::RestForOne)
        .intensity(100, LIMIT)
        .child(first.spec("a"))
        .child(second.spec("b"))
        .child(bad.child("c").spec("c"))
        .start()
        .wait()
        .unwrap();
    bad.fail(2);
    second.get().unwrap().crash().tell().unwrap();
    eventually("all are back", || counts(&supervisor)[1] == 3 && script.entries().len() > 3);
    let expected = ["b: panicked: on purpose", "b starts"].map(str::to_owned);
    assert_eq!(script.entries()[2..], expected, "it goes on from the one that fails");
}
