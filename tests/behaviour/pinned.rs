//! Pinned actors: a thread of their own, for all their lives, and nobody else held up by it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AskError, Spawn};

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, quiet_panics, system};

#[derive(Clone, Default)]
struct Seen {
    threads: Log<(&'static str, ThreadId)>,
    gate: Gate,
    enough: Arc<AtomicBool>,
}

impl Seen {
    fn here(&self, what: &'static str) {
        self.threads.push((what, thread::current().id()));
    }

    /// The one thread that all of this was on, and what it was.
    #[track_caller]
    fn on_one_thread(&self) -> (ThreadId, Vec<&'static str>) {
        let entries = self.threads.entries();
        let thread = entries[0].1;
        assert!(entries.iter().all(|(_, other)| *other == thread), "{entries:?}");
        (thread, entries.into_iter().map(|(what, _)| what).collect())
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Hand {
    seen: Seen,
}

#[messages]
impl Hand {
    #[started]
    fn begin(&mut self) {
        self.seen.here("started");
    }

    #[message]
    fn thread(&mut self) -> (ThreadId, Option<String>) {
        self.seen.here("message");
        let thread = thread::current();
        (thread.id(), thread.name().map(str::to_owned))
    }

    #[message]
    fn spin(&mut self) {
        self.seen.here("spin");
        while !self.seen.enough.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    }

    #[message]
    fn block(&mut self) {
        self.seen.gate.pass();
    }

    #[message]
    fn crash(&mut self) {
        self.seen.here("crash");
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn later(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        ctx.after(delay, HandThread);
    }

    #[message]
    async fn ask(&mut self, other: HandRef) -> Result<ThreadId, String> {
        self.seen.here("before the ask");
        let (thread, _) = other.thread().await.map_err(|error| error.to_string())?;
        self.seen.here("after the ask");
        Ok(thread)
    }

    /// Whether a wait for the other is refused, as it is on a worker.
    #[message]
    fn wait_for(&mut self, other: HandRef) -> (bool, bool) {
        let ask = matches!(other.thread().wait(), Err(AskError::Deadlock(_)));
        let send = matches!(other.thread().send().wait(), Err(SendError::Deadlock(_)));
        (ask, send)
    }

    #[message]
    fn start_another(&mut self, ctx: &mut Context<Self>) -> bool {
        let start = ctx.system().actor(|| Hand { seen: Seen::default() }).pinned().start();
        matches!(start.wait(), Err(SpawnError::Deadlock))
    }

    #[message]
    fn give_birth(&mut self, seen: Seen, ctx: &mut Context<Self>) -> Option<HandRef> {
        ctx.spawn(move || Hand { seen: seen.clone() }).ok()
    }

    #[message]
    fn driver(&mut self) -> bool {
        actor_core::driver::current().is_some()
    }

    #[stopped]
    fn close(&mut self, _why: &StopReason) {
        self.seen.here("stopped");
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.seen.here("dropped");
    }
}

fn hand(system: &SystemHandle, seen: &Seen) -> Spawn<Hand> {
    let seen = seen.clone();
    system.actor(move || {
        seen.here("made");
        Hand { seen: seen.clone() }
    })
}

fn free(system: &SystemHandle) -> HandRef {
    hand(system, &Seen::default()).spawn().unwrap()
}

#[test]
fn all_of_its_lives_are_on_one_thread_that_is_no_workers() {
    let system = system(2);
    let seen = Seen::default();
    let pinned = hand(&system, &seen).pinned().start().wait().unwrap();
    let (thread, _) = pinned.thread().wait().unwrap();
    pinned.crash().tell().unwrap();
    assert_eq!(pinned.thread().wait().unwrap().0, thread);
    // Enough others for all workers to come by.
    for _ in 0..100 {
        assert_ne!(free(&system).thread().wait().unwrap().0, thread);
        pinned.thread().tell().unwrap();
    }
    pinned.stop();
    assert!(pinned.monitor().wait_within(LIMIT).is_some());
    let (all, what) = seen.on_one_thread();
    assert_eq!(all, thread);
    let life = ["made", "started", "message", "crash", "stopped", "dropped", "made", "started", "message"];
    assert_eq!(what[..life.len()], life);
    assert_eq!(what[what.len() - 2..], ["stopped", "dropped"]);
    assert_eq!(what.len(), life.len() + 100 + 2);
}

#[test]
fn a_handler_that_computes_holds_up_nobody() {
    let system = system(1);
    let seen = Seen::default();
    let pinned = hand(&system, &seen).pinned().start().wait().unwrap();
    pinned.spin().tell().unwrap();
    eventually("it spins", || seen.threads.entries().iter().any(|(what, _)| *what == "spin"));
    let other = free(&system);
    for _ in 0..100 {
        other.thread().wait().unwrap();
    }
    pollster::block_on(system.sleep(Duration::from_millis(1)));
    // What comes for it meanwhile waits.
    pinned.thread().tell().unwrap();
    assert_eq!(pinned.mailbox().handled, 1);
    seen.enough.store(true, Ordering::Relaxed);
    pinned.thread().wait().unwrap();
    seen.on_one_thread();
}

#[test]
fn asks_go_to_it_and_from_it() {
    let system = system(1);
    let (here, there) = (Seen::default(), Seen::default());
    let pinned = hand(&system, &here).pinned().spawn().unwrap();
    let second = hand(&system, &there).pinned().spawn().unwrap();
    let other = free(&system);
    let own = pinned.thread().wait().unwrap().0;
    for _ in 0..100 {
        let from_pinned = pinned.ask(other.clone()).wait().unwrap();
        assert_eq!(other.ask(pinned.clone()).wait().unwrap(), own);
        assert_eq!(second.ask(pinned.clone()).wait().unwrap(), own);
        assert_ne!(from_pinned, own);
    }
    assert_eq!(here.on_one_thread().0, own);
    assert_ne!(there.on_one_thread().0, own);
}

#[test]
fn its_handlers_must_not_wait_but_may_spawn_and_see_a_driver() {
    let system = system(1);
    let pinned = hand(&system, &Seen::default()).pinned().spawn().unwrap();
    assert_eq!(pinned.wait_for(free(&system)).wait().unwrap(), (true, true));
    assert!(pinned.start_another().wait().unwrap());
    assert!(pinned.driver().wait().unwrap());
    let seen = Seen::default();
    let child = pinned.give_birth(seen).wait().unwrap().expect("a child");
    assert_ne!(child.thread().wait().unwrap().0, pinned.thread().wait().unwrap().0);
}

#[test]
fn its_timers_fire_on_its_thread() {
    let system = system(1);
    let seen = Seen::default();
    let pinned = hand(&system, &seen).pinned().start().wait().unwrap();
    for delay in [0, 1, 20] {
        pinned.later(Duration::from_millis(delay)).tell().unwrap();
    }
    eventually("all have fired", || seen.threads.len() == 5);
    seen.on_one_thread();
}

#[test]
fn the_thread_is_called_as_the_actor_is() {
    let system = system(1);
    let named = hand(&system, &Seen::default()).name("left").pinned().spawn().unwrap();
    let nameless = hand(&system, &Seen::default()).pinned().spawn().unwrap();
    assert_eq!(named.thread().wait().unwrap().1.as_deref(), Some("left"));
    assert_eq!(nameless.thread().wait().unwrap().1.as_deref(), Some("Hand"));
}

#[test]
fn over_the_limit_there_is_no_actor_and_an_end_makes_room() {
    let system = System::builder().workers(1).max_pinned(2).build().unwrap();
    let spawn = |seen: &Seen| hand(&system, seen).pinned().spawn();
    let (mut first, _second) = (spawn(&Seen::default()).unwrap(), spawn(&Seen::default()).unwrap());
    let unborn = Seen::default();
    let error = hand(&system, &unborn).name("third").pinned().spawn().unwrap_err();
    assert!(matches!(error, SpawnError::TooManyPinned { max: 2 }), "{error:?}");
    assert!(error.to_string().contains("2 pinned"), "it names the limit: {error}");
    assert!(error.source().is_none());
    assert!(system.lookup::<Hand>("third").is_err());
    free(&system).thread().wait().unwrap();
    assert_eq!(unborn.threads.len(), 0);
    // Who hears of the end finds the place free.
    for _ in 0..20 {
        first.stop();
        assert!(first.monitor().wait_within(LIMIT).is_some());
        first = spawn(&Seen::default()).unwrap();
    }
    assert!(spawn(&unborn).is_err());
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_spawn_that_fails_takes_no_place() {
    quiet_panics();
    let system = System::builder().workers(1).max_pinned(1).build().unwrap();
    let _clerk = hand(&system, &Seen::default()).name("clerk").spawn().unwrap();
    let taken = hand(&system, &Seen::default()).name("clerk").pinned().spawn();
    assert!(matches!(taken, Err(SpawnError::NameTaken(_))));
    let failed = system.actor(|| -> Hand { panic!("{ON_PURPOSE}") }).pinned().start().wait();
    assert!(matches!(failed, Err(SpawnError::Failed(_))));
    hand(&system, &Seen::default()).pinned().start().wait().unwrap();
}

#[test]
fn a_shutdown_ends_actor_and_thread() {
    let system = system(2);
    let seen = Seen::default();
    let pinned = hand(&system, &seen).pinned().start().wait().unwrap();
    for _ in 0..10 {
        pinned.thread().tell().unwrap();
    }
    let report = system.shutdown();
    assert!(report.is_clean(), "{report}");
    let (_, what) = seen.on_one_thread();
    assert_eq!(what.len(), 2 + 10 + 2, "the mail first: {what:?}");
    assert!(matches!(hand(&system, &seen).pinned().spawn(), Err(SpawnError::Closed)));
}

#[test]
fn a_handler_that_does_not_return_is_reported_and_hangs_no_shutdown() {
    let system = System::builder().workers(1).stop_within(Duration::from_millis(100)).build().unwrap();
    let seen = Seen::default();
    let pinned = hand(&system, &seen).pinned().name("stuck").spawn().unwrap();
    pinned.block().tell().unwrap();
    seen.gate.somebody_waits();
    let report = system.shutdown();
    assert_eq!(report.stuck_workers, 1, "{report}");
    assert_eq!(report.late.len(), 1, "{report}");
    // It can still come back, and then ends, on its thread.
    seen.gate.open();
    assert!(pinned.monitor().wait_within(LIMIT).is_some());
    seen.on_one_thread();
    assert_eq!(system.shutdown().stuck_workers, 0);
}

#[test]
fn one_whose_thread_has_ended_with_the_system_still_comes_to_its_end() {
    // Without a thread that could take over the worker.
    let builder = System::builder().workers(1).max_threads(1);
    let system = builder.stop_within(Duration::from_millis(100)).build().unwrap();
    let (seen, blocked) = (Seen::default(), Seen::default());
    let pinned = hand(&system, &seen).pinned().start().wait().unwrap();
    let other = hand(&system, &blocked).spawn().unwrap();
    other.block().tell().unwrap();
    blocked.gate.somebody_waits();
    // With the only worker held up, nobody stops the pinned actor; its thread ends nevertheless.
    let report = system.shutdown();
    assert_eq!(report.stuck_workers, 1, "{report}");
    let asked = pinned.clone();
    pinned.thread().tell().unwrap();
    let asker = thread::spawn(move || asked.thread().wait().is_ok());
    blocked.gate.open();
    assert!(pinned.monitor().wait_within(LIMIT).is_some());
    // Before or after the kill: an answer it is.
    let _ = asker.join().unwrap();
}

#[test]
fn one_that_is_killed_while_it_awaits_ends_and_frees_its_place() {
    let system = System::builder().workers(1).max_pinned(1).build().unwrap();
    let seen = Seen::default();
    let blocked = Seen::default();
    let other = hand(&system, &blocked).spawn().unwrap();
    // No supervisor has to run, which could not: the only worker is held up.
    let pinned = hand(&system, &seen).restart(Restart::Temporary).pinned().spawn().unwrap();
    other.block().tell().unwrap();
    blocked.gate.somebody_waits();
    pinned.ask(other.clone()).tell().unwrap();
    eventually("it asks", || seen.threads.entries().iter().any(|(what, _)| *what == "before the ask"));
    pinned.kill();
    let down = pinned.monitor().wait_within(LIMIT).expect("it ends");
    assert!(matches!(down.reason, StopReason::Killed));
    seen.on_one_thread();
    hand(&system, &Seen::default()).pinned().spawn().unwrap();
    blocked.gate.open();
}

#[cfg(target_os = "linux")]
mod on_cores {
    use super::*;
    use crate::placement::{Where, cores_of, first_core};

    #[test]
    fn a_thread_can_be_kept_on_a_core() {
        let system = system(1);
        let core = first_core();
        let pinned = system.actor(|| Where).pinned_to(core).spawn().unwrap();
        assert_eq!(pinned.cores().wait().unwrap(), core.to_string());
        let anywhere = system.actor(|| Where).pinned().spawn().unwrap();
        assert_eq!(anywhere.cores().wait().unwrap(), cores_of("/proc/self/status"));
    }

    #[test]
    fn a_core_outside_of_the_mask_is_an_error() {
        let system = System::builder().workers(1).max_pinned(1).build().unwrap();
        // No machine that runs tests has so many.
        let error = system.actor(|| Where).pinned_to(100_000).spawn().unwrap_err();
        assert!(matches!(error, SpawnError::CoreNotAllowed { core: 100_000 }), "{error:?}");
        assert!(error.to_string().contains("100000"), "it names the core: {error}");
        system.actor(|| Where).pinned().start().wait().unwrap();
    }

    #[derive(Actor)]
    struct Parent;

    #[messages]
    impl Parent {
        #[message]
        fn pinned_child(&mut self, ctx: &mut Context<Self>) -> Option<crate::placement::WhereRef> {
            ctx.system().actor(|| Where).pinned().spawn().ok()
        }

        #[message]
        fn add_worker(&mut self, ctx: &mut Context<Self>) -> bool {
            ctx.system().set_parallelism(2).is_ok()
        }
    }

    /// Threads begin with the mask of those that start them.
    #[test]
    fn what_a_pinned_thread_starts_is_not_on_its_core() {
        let system = System::builder().workers(1).max_workers(2).name("kept").build().unwrap();
        let parent = system.actor(|| Parent).pinned_to(first_core()).spawn().unwrap();
        let child = parent.pinned_child().wait().unwrap().expect("a child");
        let all = cores_of("/proc/self/status");
        assert_eq!(child.cores().wait().unwrap(), all);
        assert!(parent.add_worker().wait().unwrap());
        let status = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
            let mut names = tasks.map(|task| task.path()).filter(|task| {
                std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "kept-1")
            });
            names.next().map(|task| task.join("status"))
        };
        eventually("the new worker may use all cores", || {
            status().is_some_and(|status| cores_of(status.to_str().unwrap()) == all)
        });
    }
}
