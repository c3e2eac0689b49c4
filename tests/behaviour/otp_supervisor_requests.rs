//! Ported from OTP's `supervisor_SUITE`: what a supervisor answers, and ends in the midst of something. Each test has the
//! name of the case whose behaviour it shows.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AutoShutdown, ChildError, ChildState, Message, StartChild, Strategy, SupervisorRef};

use crate::otp_support::{Script, Worker, WorkerRef, counts, is_back, state, states};
use crate::support::{LIMIT, eventually, system};

fn dynamic(pool: &SupervisorRef, script: &Script) -> actor_core::Spawn<Worker> {
    let script = script.clone();
    pool.actor(move || Worker { name: "w", script: script.clone() })
}

fn ends(worker: &WorkerRef) -> StopReason {
    worker.monitor().wait_within(LIMIT).expect("it ends").reason
}

/// What a request was refused for.
fn why<M: Message<Error = ChildError>>(answer: Result<M::Reply, AskError<M>>) -> String {
    match answer {
        Err(AskError::Failed(why)) => why.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

// ---- requests ------------------------------------------------------------------------------------------

/// Starts, stops and forgets children, and asks for what cannot be in between.
#[test]
fn child_adm() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let supervisor = system.supervisor().spawn().unwrap();
    assert_eq!(counts(&supervisor), [0; 4]);
    assert_eq!(supervisor.start_child(child.spec("a")).wait().unwrap(), ChildState::Running);
    let first = child.get().unwrap();
    let taken = |state| ChildError::IdTaken { id: "a".to_owned(), state }.to_string();
    let runs = ChildError::NotStopped { id: "a".to_owned(), state: ChildState::Running }.to_string();
    let missing = ChildError::NotFound("a".to_owned()).to_string();
    assert_eq!(why(supervisor.start_child(child.spec("a")).wait()), taken(ChildState::Running));
    assert_eq!(why(supervisor.delete_child("a").wait()), runs);
    assert_eq!(why(supervisor.restart_child("a").wait()), runs);
    supervisor.terminate_child("a").wait().unwrap();
    assert!(!first.is_alive(), "the answer comes when it has ended");
    supervisor.terminate_child("a").wait().expect("one that has ended is terminated");
    assert_eq!(why(supervisor.start_child(child.spec("a")).wait()), taken(ChildState::Stopped));
    assert_eq!(supervisor.restart_child("a").wait().unwrap(), ChildState::Running);
    assert!(child.get().is_some_and(|second| second != first));
    supervisor.terminate_child("a").wait().unwrap();
    supervisor.delete_child("a").wait().unwrap();
    assert_eq!(why(supervisor.delete_child("a").wait()), missing);
    assert_eq!(why(supervisor.terminate_child("a").wait()), missing);
    assert_eq!(why(supervisor.restart_child("a").wait()), missing);
    assert_eq!(supervisor.start_child(child.spec("a")).wait().unwrap(), ChildState::Running);
    script.fail(1);
    let failed = supervisor.start_child(script.child("b").spec("b")).wait();
    assert!(
        matches!(failed, Err(AskError::Failed(ChildError::Failed(StopReason::StartFailed(_))))),
        "{failed:?}"
    );
    assert_eq!(states(&supervisor), [("a".to_owned(), ChildState::Running)], "one that fails leaves no slot");
    supervisor.terminate_child("a").wait().unwrap();
    script.fail(1);
    assert!(matches!(supervisor.restart_child("a").wait(), Err(AskError::Failed(ChildError::Failed(_)))));
    assert_eq!(state(&supervisor, "a"), Some(ChildState::Stopped), "one that was there stays");
}

#[test]
fn do_not_save_child_specs_for_temporary_children() {
    let system = system(2);
    let script = Script::default();
    let supervisor = system.supervisor().spawn().unwrap();
    let start = |id: &str| {
        let child = script.child("t");
        supervisor.start_child(child.spec(id).restart(Restart::Temporary)).wait().unwrap();
        child.get().unwrap()
    };
    start("terminated");
    supervisor.terminate_child("terminated").wait().unwrap();
    let (crashed, left, killed) = (start("crashed"), start("left"), start("killed"));
    crashed.crash().tell().unwrap();
    left.exit(StopReason::Normal).tell().unwrap();
    killed.kill();
    [crashed, left, killed].iter().for_each(|worker| drop(ends(worker)));
    // Whoever hears of the end finds the slot gone.
    assert_eq!(counts(&supervisor), [0; 4]);
    for id in ["terminated", "crashed", "left", "killed"] {
        let answer = supervisor.restart_child(id).wait();
        assert!(matches!(answer, Err(AskError::Failed(ChildError::NotFound(_)))), "{answer:?}");
    }
    start("crashed");
}

/// A dynamic child that says that it is not needed is not there.
#[test]
fn sup_start_ignore_temporary_child_start_child_simple() {
    let system = system(2);
    let script = Script::default();
    script.ignoring.store(true, Ordering::SeqCst);
    let pool = system.supervisor().dynamic().spawn().unwrap();
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        let ignored = dynamic(&pool, &script).restart(restart).start().wait();
        assert!(matches!(ignored, Err(SpawnError::Failed(StopReason::Ignored))), "{ignored:?}");
        assert_eq!(counts(&pool), [0; 4], "{restart:?}");
    }
}

// ---- escalation ----------------------------------------------------------------------------------------

/// One restart too many ends those before it too.
#[test]
fn rest_for_one_escalation() {
    let system = system(2);
    let script = Script::default();
    let children = ["a", "b", "c"].map(|name| script.child(name));
    let supervisor = system.supervisor().strategy(Strategy::RestForOne).intensity(1, LIMIT);
    let supervisor =
        children.iter().zip(["a", "b", "c"]).fold(supervisor, |it, (child, id)| it.child(child.spec(id)));
    let supervisor = supervisor.restart(Restart::Temporary).start().wait().unwrap();
    let [a, b, c] = children.map(|child| child.get().unwrap());
    b.crash().tell().unwrap();
    is_back(&b, 2);
    is_back(&c, 2);
    assert_eq!(a.incarnation().wait().unwrap(), 1);
    b.crash().tell().unwrap();
    assert!(matches!(ends(&a), StopReason::Shutdown));
    assert!(matches!(ends(&b), StopReason::Panicked(_)));
    assert!(matches!(ends(&c), StopReason::Shutdown));
    let reason = supervisor.monitor().wait_within(LIMIT).unwrap().reason;
    assert!(matches!(reason, StopReason::Escalated { .. }), "{reason}");
}

#[test]
fn simple_one_for_one_escalation() {
    let system = system(2);
    let script = Script::default();
    let pool = system.supervisor().dynamic().intensity(4, LIMIT).restart(Restart::Temporary).spawn().unwrap();
    let worker = || dynamic(&pool, &script).restart(Restart::Permanent).start().wait().unwrap();
    let (good, bad) = (worker(), worker());
    script.fail(u32::MAX);
    bad.crash().tell().unwrap();
    assert!(matches!(ends(&good), StopReason::Shutdown));
    assert!(matches!(ends(&bad), StopReason::StartFailed(_)));
    let reason = pool.monitor().wait_within(LIMIT).unwrap().reason;
    assert!(matches!(reason, StopReason::Escalated { .. }), "{reason}");
    assert_eq!(u32::MAX - script.failing.load(Ordering::SeqCst), 4, "starts that fail count");
}

/// A transient supervisor that fails because of its children is restarted by its own, as OTP's is not whose reason is
/// `shutdown`: what has failed is in no good order.
#[test]
fn a_transient_supervisor_that_escalates_is_restarted_with_its_children() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let inner = {
        let child = child.clone();
        actor_core::ChildSpec::supervisor("inner", move |inner| {
            inner.intensity(0, LIMIT).child(child.spec("a"))
        })
    };
    let outer = system.supervisor().child(inner.restart(Restart::Transient)).start().wait().unwrap();
    let first = child.get().unwrap();
    first.crash().tell().unwrap();
    assert!(matches!(ends(&first), StopReason::Panicked(_)));
    eventually("there is another", || child.get().is_some_and(|second| second != first));
    eventually("it runs", || state(&outer, "inner") == Some(ChildState::Running));
}

// ---- in the midst of something ---------------------------------------------------------------------------

/// One of many that hangs in its restart holds up neither the others nor the supervisor.
#[test]
fn hanging_restart_loop_simple() {
    let system = system(2);
    let (script, bad) = (Script::default(), Script::default());
    let pool = system.supervisor().dynamic().intensity(u32::MAX, LIMIT).spawn().unwrap();
    let hangs = dynamic(&pool, &bad).start().wait().unwrap();
    bad.hanging.store(true, Ordering::SeqCst);
    hangs.crash().tell().unwrap();
    eventually("it hangs", || counts(&pool) == [1, 0, 0, 1]);
    let other = dynamic(&pool, &script).start().wait().unwrap();
    other.crash().tell().unwrap();
    is_back(&other, 2);
    assert_eq!(counts(&pool), [2, 1, 0, 2]);
    assert!(hangs.ping().tell().is_ok(), "its mailbox is open");
    assert!(pollster::block_on(pool.terminate(&other)));
    pool.stop();
    assert!(pool.monitor().wait_within(LIMIT).is_some());
    assert!(!hangs.is_alive());
}

/// Children that crash, leave and are killed by others while their supervisor stops them.
#[test]
fn sup_stop_race() {
    for round in 0..100 {
        let system = system(2);
        let script = Script::default();
        let children = ["a", "b", "c", "d"].map(|name| script.child(name));
        let supervisor = system.supervisor().restart(Restart::Temporary);
        let supervisor = children
            .iter()
            .zip(["a", "b", "c", "d"])
            .fold(supervisor, |it, (child, id)| it.child(child.spec(id)));
        let supervisor = supervisor.start().wait().unwrap();
        let workers = children.map(|child| child.get().unwrap());
        let racer = {
            let workers = workers.clone();
            thread::spawn(move || {
                let [a, b, c, d] = workers;
                (0..round % 7).for_each(|_| thread::yield_now());
                d.kill();
                _ = c.crash().tell();
                _ = b.exit(StopReason::Normal).tell();
                a.stop();
            })
        };
        supervisor.stop();
        assert!(supervisor.monitor().wait_within(LIMIT).is_some(), "round {round}");
        racer.join().unwrap();
        assert!(workers.iter().all(|worker| !worker.is_alive()), "round {round}");
    }
}

/// Without a limit it is waited for, whatever it takes.
#[test]
fn sup_stop_infinity() {
    #[derive(Actor)]
    struct Slow;
    #[messages]
    impl Slow {
        #[stopped]
        async fn close(&mut self, ctx: &mut Context<Self>) {
            ctx.system().clone().sleep(Duration::from_millis(60)).await;
        }
    }
    let system = system(2);
    let (patient, hasty) = (Child::new(|| Slow), Child::new(|| Slow));
    let supervisor = system
        .supervisor()
        .child(patient.spec("patient").stop_within(Duration::MAX))
        .child(hasty.spec("hasty").stop_within(Duration::from_millis(1)))
        .start()
        .wait()
        .unwrap();
    let monitors = [&patient, &hasty].map(|child| child.get().unwrap().monitor());
    supervisor.stop();
    let [patient, hasty] = monitors.map(|monitor| monitor.wait_within(LIMIT).unwrap().reason);
    assert!(matches!(patient, StopReason::Shutdown), "{patient}");
    assert!(matches!(hasty, StopReason::Killed), "{hasty}");
}

#[test]
fn sup_stop_brutal_kill_dynamic() {
    let system = system(2);
    let script = Script::default();
    let pool = system.supervisor().dynamic().spawn().unwrap();
    let workers: Vec<_> = (0..30)
        .map(|_| dynamic(&pool, &script).stop_within(Duration::ZERO).start().wait().unwrap())
        .collect();
    script.entries();
    let started = script.log.len();
    pool.stop();
    workers.iter().for_each(|worker| assert!(matches!(ends(worker), StopReason::Killed)));
    assert!(pool.monitor().wait_within(LIMIT).is_some());
    assert_eq!(script.log.len(), started, "none is asked");
}

/// A start that hangs is called off by a termination, or by the end of the supervisor; who has asked for it is told.
#[test]
fn terminate_child_while_it_starts() {
    let system = system(2);
    let script = Script::default();
    let supervisor = system.supervisor().restart(Restart::Temporary).spawn().unwrap();
    script.hanging.store(true, Ordering::SeqCst);
    // An error is an answer if it did not only take too long.
    let start = |id: &'static str| {
        let (supervisor, spec) = (supervisor.clone(), script.child("s").spec(id).start_within(2 * LIMIT));
        let is_told = |error: AskError<StartChild>| !matches!(error, AskError::TimedOut);
        thread::spawn(move || supervisor.start_child(spec).within(LIMIT).wait().map_err(is_told))
    };
    let is_told = |asked: thread::JoinHandle<Result<_, bool>>| assert_eq!(asked.join().unwrap(), Err(true));
    let first = start("first");
    eventually("it starts", || state(&supervisor, "first") == Some(ChildState::Starting));
    assert_eq!(counts(&supervisor), [1, 0, 0, 1]);
    let runs = supervisor.restart_child("first").wait();
    assert!(matches!(
        runs,
        Err(AskError::Failed(ChildError::NotStopped { state: ChildState::Starting, .. }))
    ));
    supervisor.terminate_child("first").within(LIMIT).wait().unwrap();
    is_told(first);
    // It did not fail, it was terminated: so the slot stays.
    assert_eq!(state(&supervisor, "first"), Some(ChildState::Stopped));
    supervisor.delete_child("first").wait().unwrap();
    let second = start("second");
    eventually("it starts", || state(&supervisor, "second") == Some(ChildState::Starting));
    supervisor.stop();
    is_told(second);
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
    is_told(start("third"));
}

/// Of many who start a child under one id one does.
#[test]
fn start_child_at_once() {
    let system = system(2);
    let supervisor = system.supervisor().spawn().unwrap();
    for round in 0..50 {
        let id = format!("child {round}");
        let threads = [(); 4].map(|()| {
            let (supervisor, spec) = (supervisor.clone(), Script::default().child("c").spec(id.clone()));
            let is_taken = |error| matches!(error, AskError::Failed(ChildError::IdTaken { .. }));
            thread::spawn(move || supervisor.start_child(spec).within(LIMIT).wait().map_err(is_taken))
        });
        let answers = threads.map(|thread| thread.join().unwrap());
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| **answer == Err(true)).count(), 3, "{answers:?}");
    }
    assert_eq!(counts(&supervisor), [50, 50, 0, 50]);
}

/// Restarts that are delayed are restarts: one too many of them in the window, and the supervisor gives up.
#[test]
fn a_backoff_does_not_hide_restarts_from_the_intensity() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let short = Duration::from_millis(2);
    let supervisor = system
        .supervisor()
        .intensity(3, LIMIT)
        .restart(Restart::Temporary)
        .child(child.spec("a").backoff(short..4 * short))
        .start()
        .wait()
        .unwrap();
    let worker = child.get().unwrap();
    script.fail(u32::MAX);
    worker.crash().tell().unwrap();
    let reason = supervisor.monitor().wait_within(LIMIT).unwrap().reason;
    assert!(matches!(reason, StopReason::Escalated { .. }), "{reason}");
    assert_eq!(u32::MAX - script.failing.load(Ordering::SeqCst), 3);
    assert!(!worker.is_alive());
}

// ---- children that are not significant -------------------------------------------------------------------

#[test]
fn nonsignificant_transient_and_temporary() {
    for restart in [Restart::Transient, Restart::Temporary] {
        let system = system(2);
        let script = Script::default();
        let (keeps, goes) = (script.child("keeps"), script.child("goes"));
        let supervisor = system
            .supervisor()
            .auto_shutdown(AutoShutdown::AnySignificant)
            .child(keeps.spec("keeps").restart(restart).significant())
            .child(goes.spec("goes").restart(restart))
            .start()
            .wait()
            .unwrap();
        let goes = goes.get().unwrap();
        goes.exit(StopReason::Shutdown).tell().unwrap();
        ends(&goes);
        let left = if restart == Restart::Transient { 2 } else { 1 };
        assert_eq!(counts(&supervisor), [left, 1, 0, left], "it goes on");
        // A request is no end of its own.
        supervisor.terminate_child("keeps").wait().unwrap();
        assert!(supervisor.count_children().within(LIMIT).wait().is_ok(), "{restart:?}");
    }
}

/// What a supervisor that is killed leaves behind is started anew, once, by the one above.
#[test]
fn a_supervisor_that_is_killed_is_back_with_its_children() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    let inner = {
        let child = child.clone();
        actor_core::ChildSpec::supervisor("inner", move |inner| inner.child(child.spec("a")))
    };
    let outer = system.supervisor().child(inner).start().wait().unwrap();
    for round in 0..50 {
        let before = child.get().unwrap();
        outer.which_children().wait().unwrap()[0].actor::<Supervisor>().unwrap().kill();
        ends(&before);
        eventually("there is another", || child.get().is_some_and(|now| now != before));
        eventually("it runs", || counts(&outer) == [1, 1, 1, 0]);
        let starts = script.entries().iter().filter(|entry| *entry == "a starts").count();
        assert_eq!(starts, round + 2);
    }
}
