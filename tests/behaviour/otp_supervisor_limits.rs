//! Ported from OTP's `supervisor_SUITE`: how often is too often, and what cannot be. Each test has the name of the case
//! whose behaviour it shows.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{
    AutoShutdown, ChildError, ChildSpec, ChildState, Remedy, Strategy, SupervisorRef, TreeError,
};

use crate::otp_support::{Script, Worker, counts, is_back, state};
use crate::support::{LIMIT, eventually, system};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

// ---- intensity ---------------------------------------------------------------------------------------

#[test]
fn multiple_restarts() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("a");
    // Restarts that leave the window are forgotten: more of them than the intensity allows, but not at once.
    let supervisor = system.supervisor().intensity(1, ms(40)).child(child.spec("a")).start().wait().unwrap();
    let worker = child.get().unwrap();
    for incarnation in 2..6 {
        worker.crash().tell().unwrap();
        is_back(&worker, incarnation);
        // Time is what is tested.
        std::thread::sleep(ms(60));
    }
    assert_eq!(counts(&supervisor), [1, 1, 0, 1]);
    worker.crash().tell().unwrap();
    worker.crash().tell().unwrap();
    assert!(worker.monitor().wait_within(LIMIT).is_some(), "two at once are one too many");
}

#[test]
fn one_for_one_escalation() {
    let system = system(2);
    let (script, bad) = (Script::default(), Script::default());
    let (good, fails) = (script.child("good"), bad.child("bad"));
    let supervisor = system
        .supervisor()
        .intensity(4, LIMIT)
        .restart(Restart::Temporary)
        .child(good.spec("good"))
        .child(fails.spec("bad"))
        .start()
        .wait()
        .unwrap();
    let good = good.get().unwrap().monitor();
    bad.fail(u32::MAX);
    fails.get().unwrap().crash().tell().unwrap();
    assert!(matches!(good.wait_within(LIMIT).unwrap().reason, StopReason::Shutdown));
    match supervisor.monitor().wait_within(LIMIT).unwrap().reason {
        StopReason::Escalated { child, cause } => {
            assert!(child.ends_with("/bad"), "{child}");
            assert!(matches!(&*cause, StopReason::StartFailed(_)), "{cause}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(u32::MAX - bad.failing.load(Ordering::SeqCst), 4, "starts that fail count");
}

/// A supervisor in the midst of a restart loop answers, and says how it is.
#[test]
fn hanging_restart_loop() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let system = system(2);
        let script = Script::default();
        let child = script.child("a");
        let supervisor = system
            .supervisor()
            .strategy(strategy)
            .intensity(u32::MAX, LIMIT)
            .child(child.spec("a").start_within(LIMIT))
            .start()
            .wait()
            .unwrap();
        script.hanging.store(true, Ordering::SeqCst);
        child.get().unwrap().crash().tell().unwrap();
        eventually("it restarts", || state(&supervisor, "a") == Some(ChildState::Restarting));
        assert_eq!(counts(&supervisor), [1, 0, 0, 1]);
        let again = supervisor.start_child(script.child("a").spec("a")).wait();
        assert!(matches!(again, Err(AskError::Failed(ChildError::IdTaken { .. }))), "{again:?}");
        let not_stopped = |answer| {
            matches!(
                answer,
                Err(AskError::Failed(ChildError::NotStopped { state: ChildState::Restarting, .. }))
            )
        };
        let restart = supervisor.restart_child("a").wait().map(drop);
        assert!(restart.is_err_and(|error| matches!(error, AskError::Failed(ChildError::NotStopped { .. }))));
        assert!(not_stopped(supervisor.delete_child("a").wait()));
        // Another child starts meanwhile.
        let other = Script::default();
        supervisor.start_child(other.child("b").spec("b")).within(LIMIT).wait().unwrap();
        supervisor.terminate_child("a").within(LIMIT).wait().unwrap();
        assert_eq!(state(&supervisor, "a"), Some(ChildState::Stopped));
        script.hanging.store(false, Ordering::SeqCst);
        assert_eq!(supervisor.restart_child("a").within(LIMIT).wait().unwrap(), ChildState::Running);
        // And it shuts down in the midst of one.
        script.hanging.store(true, Ordering::SeqCst);
        child.get().unwrap().crash().tell().unwrap();
        eventually("it restarts", || state(&supervisor, "a") == Some(ChildState::Restarting));
        supervisor.stop();
        assert!(supervisor.monitor().wait_within(LIMIT).is_some());
    }
}

// ---- what cannot be ----------------------------------------------------------------------------------

#[track_caller]
fn refused(started: Result<SupervisorRef, SpawnError>) -> TreeError {
    match started {
        Err(SpawnError::Tree(error)) => (*error).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sup_flags() {
    let system = system(1);
    let supervisor = || system.supervisor();
    assert_eq!(refused(supervisor().intensity(1, Duration::ZERO).start().wait()), TreeError::NoWindow);
    assert!(supervisor().intensity(0, Duration::ZERO).start().wait().is_ok());
    let all = supervisor().dynamic().strategy(Strategy::OneForAll);
    assert_eq!(refused(all.spawn()), TreeError::DynamicSlots);
    let shuts_down = supervisor().dynamic().auto_shutdown(AutoShutdown::AnySignificant);
    assert_eq!(refused(shuts_down.spawn()), TreeError::DynamicShutdown);
}

#[test]
fn child_specs() {
    let system = system(1);
    let script = Script::default();
    let spec = |id: &str| script.child("x").spec(id);
    let with = |spec: ChildSpec| refused(system.supervisor().child(spec).start().wait());
    let shutting_down = system.supervisor().auto_shutdown(AutoShutdown::AnySignificant);
    assert_eq!(with(spec("")), TreeError::BadId("".to_owned()));
    assert_eq!(with(spec("a/b")), TreeError::BadId("a/b".to_owned()));
    assert_eq!(
        with(spec("a").restart(Restart::Transient).significant()),
        TreeError::NothingToShutDown("a".to_owned())
    );
    assert_eq!(
        refused(shutting_down.child(spec("a").significant()).start().wait()),
        TreeError::PermanentSignificant("a".to_owned())
    );
    let never = spec("a").restart(Restart::Temporary).backoff(ms(1)..ms(2));
    assert_eq!(with(never), TreeError::TemporaryBackoff("a".to_owned()));
    let unlimited = spec("a").on_silence(Remedy::Stop);
    assert_eq!(with(unlimited), TreeError::NoSilence("a".to_owned()));
    let unlimited = Children::<Worker>::new().settings("a").on_silence(Remedy::Stop).build();
    assert_eq!(with(unlimited), TreeError::NoSilence("a".to_owned()));
    let twice = system.supervisor().child(spec("a")).child(spec("a"));
    assert_eq!(refused(twice.start().wait()), TreeError::IdTaken("a".to_owned()));
    assert!(script.entries().is_empty(), "nothing was started");
    let supervisor = system.supervisor().spawn().unwrap();
    let bad = supervisor.start_child(spec("")).wait();
    assert!(matches!(bad, Err(AskError::Failed(ChildError::Tree(TreeError::BadId(_))))), "{bad:?}");
    let missing = supervisor.terminate_child("nobody").wait();
    assert!(matches!(missing, Err(AskError::Failed(ChildError::NotFound(_)))), "{missing:?}");
}
