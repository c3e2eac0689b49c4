//! Ported from OTP's `supervisor_SUITE`: trees, dynamic and significant children, and great numbers. Each test has
//! the name of the case whose behaviour it shows.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{AutoShutdown, ChildError, ChildSpec, ChildState, Strategy, SupervisorRef};

use crate::otp_support::{Script, Worker, counts, is_back, state};
use crate::support::{LIMIT, ON_PURPOSE, eventually, system};

#[test]
fn tree() {
    let system = system(2);
    let script = Script::default();
    let leaves = ["a", "b", "c"].map(|name| script.child(name));
    let inner = leaves.clone();
    let supervisor = system
        .supervisor()
        .name("outer")
        .intensity(1, LIMIT)
        .child(leaves[0].spec("a"))
        .child(ChildSpec::supervisor("inner", move |inner_supervisor| {
            let [_, b, c] = &inner;
            let builder = inner_supervisor.intensity(0, LIMIT).strategy(Strategy::OneForAll);
            builder.child(b.spec("b")).child(c.spec("c"))
        }))
        .start()
        .wait()
        .unwrap();
    assert_eq!(counts(&supervisor), [2, 2, 1, 1]);
    assert_eq!(leaves[2].get().unwrap().path().to_string(), "/outer/inner/c");
    let started = ["a starts", "b starts", "c starts"];
    assert_eq!(script.entries(), started);
    // One failure is too much for the inner one, and within what the outer one allows.
    let (a, b) = (leaves[0].get().unwrap(), leaves[1].get().unwrap());
    b.crash().tell().unwrap();
    assert!(b.monitor().wait_within(LIMIT).is_some());
    eventually("the inner one is back", || leaves[1].get().is_some_and(|new| new != b));
    assert_eq!(a.incarnation().wait().unwrap(), 1);
    eventually("with all of its own", || counts(&supervisor) == [2, 2, 1, 1] && leaves[2].get().is_some());
    let restarted = ["b: panicked: on purpose", "c: shutdown", "b starts", "c starts"];
    assert_eq!(script.entries()[3..], restarted);
    supervisor.stop();
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
    assert_eq!(script.entries()[7..], ["c: shutdown", "b: shutdown", "a: shutdown"]);
}

/// Nothing that a child does frees it from its supervisor.
#[test]
fn child_unlink() {
    #[derive(Actor)]
    struct Free;
    #[messages]
    impl Free {
        #[started]
        fn leave(&mut self, ctx: &mut Context<Self>) {
            let lookup = ctx.system().lookup::<actor_core::Supervisor>("owner");
            ctx.unlink(&lookup.expect("the supervisor has a name"));
        }
    }
    let system = system(2);
    let child = actor_core::Child::new(|| Free);
    let supervisor = system.supervisor().name("owner").child(child.spec("free")).start().wait().unwrap();
    let monitor = child.get().unwrap().monitor();
    supervisor.terminate_child("free").within(LIMIT).wait().unwrap();
    assert!(matches!(monitor.wait_within(LIMIT).unwrap().reason, StopReason::Shutdown));
    assert_eq!(state(&supervisor, "free"), Some(ChildState::Stopped));
}

// ---- significant children ------------------------------------------------------------------------------

fn shutting_down(system: &System, script: &Script, when: AutoShutdown, restart: Restart) -> Shutting {
    let children = ["a", "b", "c"].map(|name| script.child(name));
    let supervisor = system
        .supervisor()
        .restart(Restart::Transient)
        .auto_shutdown(when)
        .child(children[0].spec("a").restart(restart).significant())
        .child(children[1].spec("b").restart(restart).significant())
        .child(children[2].spec("c").restart(restart))
        .start()
        .wait()
        .unwrap();
    let workers = children.map(|child| child.get().unwrap());
    Shutting { supervisor, workers }
}

struct Shutting {
    supervisor: SupervisorRef,
    workers: [crate::otp_support::WorkerRef; 3],
}

impl Shutting {
    fn leaves(&self, child: usize, why: StopReason) {
        self.workers[child].exit(why).tell().unwrap();
        assert!(self.workers[child].monitor().wait_within(LIMIT).is_some());
    }

    #[track_caller]
    fn shuts_down(&self) {
        let reason = self.supervisor.monitor().wait_within(LIMIT).unwrap().reason;
        assert!(matches!(reason, StopReason::Shutdown), "{reason}");
        assert!(self.workers.iter().all(|worker| !worker.is_alive()));
    }

    #[track_caller]
    fn goes_on(&self) {
        self.supervisor.count_children().within(LIMIT).wait().unwrap();
        assert!(self.supervisor.is_alive());
    }
}

#[test]
fn significant_transient() {
    let (system, script) = (system(2), Script::default());
    let new = |when| shutting_down(&system, &script, when, Restart::Transient);
    let any = new(AutoShutdown::AnySignificant);
    any.leaves(2, StopReason::Normal);
    any.goes_on();
    any.workers[0].crash().tell().unwrap();
    is_back(&any.workers[0], 2);
    any.goes_on();
    any.leaves(0, StopReason::Normal);
    any.shuts_down();
    let all = new(AutoShutdown::AllSignificant);
    all.leaves(0, StopReason::Shutdown);
    all.goes_on();
    all.leaves(1, StopReason::Normal);
    all.shuts_down();
    // Only a child's own end counts.
    let terminated = new(AutoShutdown::AnySignificant);
    terminated.supervisor.terminate_child("a").within(LIMIT).wait().unwrap();
    terminated.goes_on();
    terminated.leaves(1, StopReason::Normal);
    terminated.shuts_down();
}

#[test]
fn significant_temporary() {
    let (system, script) = (system(2), Script::default());
    let new = |when| shutting_down(&system, &script, when, Restart::Temporary);
    let any = new(AutoShutdown::AnySignificant);
    any.leaves(1, StopReason::Failed(Failure::new("whatever")));
    any.shuts_down();
    let all = new(AutoShutdown::AllSignificant);
    all.leaves(1, StopReason::Normal);
    all.goes_on();
    all.leaves(0, StopReason::Failed(Failure::new("whatever")));
    all.shuts_down();
}

/// A restart of the siblings is not their own end.
#[test]
fn significant_bystander() {
    let (system, script) = (system(2), Script::default());
    let children = ["a", "b"].map(|name| script.child(name));
    let supervisor = system
        .supervisor()
        .strategy(Strategy::OneForAll)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(children[0].spec("a"))
        .child(children[1].spec("b").restart(Restart::Temporary).significant())
        .start()
        .wait()
        .unwrap();
    let worker = children[0].get().unwrap();
    worker.crash().tell().unwrap();
    is_back(&worker, 2);
    assert_eq!(state(&supervisor, "b"), None);
    assert!(supervisor.is_alive());
}

/// The shutdown of a supervisor that is itself significant is the end of the one above.
#[test]
fn significant_escalation() {
    let (system, script) = (system(2), Script::default());
    let leaf = script.child("leaf");
    let inside = leaf.clone();
    let inner = ChildSpec::supervisor("inner", move |inner| {
        let spec = inside.spec("leaf").restart(Restart::Transient).significant();
        inner.auto_shutdown(AutoShutdown::AnySignificant).child(spec)
    });
    let outer = system
        .supervisor()
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(script.child("other").spec("other"))
        .child(inner.restart(Restart::Transient).significant())
        .start()
        .wait()
        .unwrap();
    leaf.get().unwrap().exit(StopReason::Normal).tell().unwrap();
    let reason = outer.monitor().wait_within(LIMIT).unwrap().reason;
    assert!(matches!(reason, StopReason::Shutdown), "{reason}");
}

// ---- dynamic children ----------------------------------------------------------------------------------

#[test]
fn count_restarting_children() {
    let system = system(2);
    let script = Script::default();
    let pool = system.supervisor().dynamic().intensity(u32::MAX, LIMIT).spawn().unwrap();
    let child = || {
        let script = script.clone();
        let actor = pool.actor(move || Worker { name: "w", script: script.clone() });
        actor.restart(Restart::Permanent).start().wait().unwrap()
    };
    let children: Vec<_> = (0..3).map(|_| child()).collect();
    assert_eq!(counts(&pool), [3, 3, 0, 3]);
    script.hanging.store(true, Ordering::SeqCst);
    for (down, worker) in children.iter().enumerate() {
        worker.crash().tell().unwrap();
        eventually("it is counted as down", || counts(&pool) == [3, 2 - down, 0, 3]);
    }
    // One that is terminated is counted no more, and the others when they are there.
    assert!(pollster::block_on(pool.terminate(&children[0])));
    assert_eq!(counts(&pool), [2, 0, 0, 2]);
    script.hanging.store(false, Ordering::SeqCst);
    children[1..].iter().for_each(|worker| worker.kill());
    eventually("they are back", || counts(&pool) == [2, 2, 0, 2]);
}

/// What a dynamic supervisor cannot have does it no harm.
#[test]
fn simple_one_for_one_corruption() {
    let system = system(2);
    let script = Script::default();
    let pool = system.supervisor().dynamic().spawn().unwrap();
    let inside = script.clone();
    let worker = pool.actor(move || Worker { name: "w", script: inside.clone() }).start().wait().unwrap();
    let refused = pool.start_child(script.child("x").spec("x")).wait();
    assert!(matches!(refused, Err(AskError::Failed(ChildError::Dynamic))), "{refused:?}");
    assert!(pool.terminate_child("w").wait().is_err());
    let panics = pool.actor(|| -> Worker { panic!("{ON_PURPOSE}") }).start().wait();
    assert!(matches!(panics, Err(SpawnError::Failed(StopReason::StartFailed(_)))), "{panics:?}");
    assert_eq!(counts(&pool), [1, 1, 0, 1]);
    worker.crash().tell().unwrap();
    is_back(&worker, 2);
}

/// A name belongs to the slot: it is found there through a restart, and when the slot has another actor.
#[test]
fn simple_global_supervisor() {
    let system = system(2);
    let script = Script::default();
    let child = script.child("x");
    let supervisor = system.supervisor().child(child.spec("x").name("global")).start().wait().unwrap();
    let first = system.lookup::<Worker>("global").unwrap();
    first.crash().tell().unwrap();
    is_back(&first, 2);
    assert_eq!(system.lookup::<Worker>("global").unwrap(), first);
    supervisor.terminate_child("x").within(LIMIT).wait().unwrap();
    assert!(system.lookup::<Worker>("global").is_err(), "there is nobody");
    supervisor.restart_child("x").within(LIMIT).wait().unwrap();
    let second = system.lookup::<Worker>("global").unwrap();
    assert!(second != first && second.ping().within(LIMIT).wait().is_ok());
}

/// One that is restarted under a name that is taken meanwhile does not start, and that counts.
#[test]
fn a_slot_whose_name_is_taken_does_not_start() {
    let system = system(2);
    let script = Script::default();
    let inside = script.clone();
    system.actor(move || Worker { name: "w", script: inside.clone() }).name("taken").spawn().unwrap();
    let supervisor = system.supervisor().spawn().unwrap();
    let answer = supervisor.start_child(script.child("x").spec("x").name("taken")).within(LIMIT).wait();
    assert!(matches!(answer, Err(AskError::Failed(ChildError::Failed(_)))), "{answer:?}");
    assert_eq!(counts(&supervisor), [0; 4]);
}

#[test]
fn max_children_is_a_limit() {
    let system = system(2);
    let pool = system.supervisor().dynamic().max_children(2).spawn().unwrap();
    let child = || {
        let script = Script::default();
        pool.actor(move || Worker { name: "w", script: script.clone() }).start().wait()
    };
    let first = child().unwrap();
    child().unwrap();
    assert!(matches!(child(), Err(SpawnError::TooManyChildren { max: 2 })));
    assert!(pollster::block_on(pool.terminate(&first)));
    child().unwrap();
}

// ---- great numbers -------------------------------------------------------------------------------------

/// The time it takes to start so many children and to stop them again, per child.
fn start_stop_slots(system: &System, children: usize) -> Duration {
    let supervisor = system.supervisor().spawn().unwrap();
    let script = Script::default();
    let start = Instant::now();
    for number in 0..children {
        let spec = script.child("w").spec(number.to_string());
        supervisor.start_child(spec).within(LIMIT).wait().unwrap();
    }
    assert_eq!(counts(&supervisor), [children, children, 0, children]);
    for number in 0..children {
        supervisor.terminate_child(number.to_string()).within(LIMIT).wait().unwrap();
        supervisor.delete_child(number.to_string()).within(LIMIT).wait().unwrap();
    }
    assert_eq!(counts(&supervisor), [0; 4]);
    start.elapsed() / children as u32
}

fn start_stop_dynamic(system: &System, children: usize) -> Duration {
    #[derive(Actor)]
    struct Idle;
    #[messages]
    impl Idle {}
    let pool = system.supervisor().dynamic().restart(Restart::Temporary).spawn().unwrap();
    let start = Instant::now();
    for _ in 0..children {
        pool.spawn(|| Idle).unwrap();
    }
    assert_eq!(counts(&pool)[0], children);
    pool.stop();
    // On a machine that is busy, so many take long.
    assert!(pool.monitor().wait_within(4 * LIMIT).is_some());
    start.elapsed() / children as u32
}

/// A hundred times as many take about a hundred times as long. With lists that are searched it is a hundred
/// times that.
#[test]
fn scale_start_stop_many_children() {
    let system = system(2);
    about_linear(|children| start_stop_dynamic(&system, children), 1_000, 100_000);
    about_linear(|children| start_stop_slots(&system, children), 1_000, 20_000);
}

/// At best of three: the machine has other things to do as well.
fn about_linear(time: impl Fn(usize) -> Duration, few: usize, many: usize) {
    let at_best = |children| (0..3).map(|_| time(children)).min().unwrap();
    let (one_of_few, one_of_many) = (at_best(few), at_best(many));
    // Memory that is touched for the first time is dear on some machines; what is searched would be far beyond this.
    let limit = 30 * one_of_few.max(Duration::from_micros(1));
    assert!(one_of_many < limit, "{one_of_few:?} a child of {few}, {one_of_many:?} of {many}");
}
