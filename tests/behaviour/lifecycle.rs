//! From the factory to `#[stopped]`: what runs, in which order, and who hears of errors.

use actor_core::prelude::*;

use crate::support::{LIMIT, Log, ON_PURPOSE, system};

#[derive(Debug)]
struct NoDatabase;

impl std::fmt::Display for NoDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no database")
    }
}

impl std::error::Error for NoDatabase {}

#[derive(Actor)]
struct Service {
    log: Log<String>,
    opens: bool,
}

#[messages]
impl Service {
    #[started]
    async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), NoDatabase> {
        ctx.system().sleep(std::time::Duration::from_millis(1)).await;
        self.log.push(format!("started {}", ctx.incarnation()));
        if self.opens { Ok(()) } else { Err(NoDatabase) }
    }

    #[message]
    fn work(&mut self) {
        self.log.push("work".into());
    }

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }

    #[stopped]
    fn close(&mut self, why: &StopReason) {
        self.log.push(format!("stopped: {why}"));
    }
}

#[test]
fn the_error_of_started_reaches_the_spawner() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let start = system.actor(move || Service { log: inside.clone(), opens: false }).name("service").start();
    match start.wait() {
        Err(SpawnError::Failed(StopReason::StartFailed(why))) => {
            assert!(why.downcast_ref::<NoDatabase>().is_some(), "the error itself, not its text");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(log.entries(), ["started 1"], "what has not started is not stopped, nor restarted");
    assert!(system.lookup::<Service>("service").is_err());
}

#[test]
fn start_waits_in_any_executor_and_messages_wait_for_the_start() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let start = system.actor(move || Service { log: inside.clone(), opens: true }).start();
    let service = pollster::block_on(start).unwrap();
    assert_eq!(log.entries(), ["started 1"]);
    service.work().tell().unwrap();
    service.stop();
    assert!(matches!(service.monitor().wait_within(LIMIT).unwrap().reason, StopReason::Normal));
    assert_eq!(log.entries(), ["started 1", "work", "stopped: normal"]);
}

#[test]
fn stopped_runs_after_a_panic_and_the_next_incarnation_starts() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let service = system.spawn(move || Service { log: inside.clone(), opens: true }).unwrap();
    service.crash().tell().unwrap();
    service.work().wait().unwrap();
    assert_eq!(log.entries(), ["started 1", "stopped: panicked: on purpose", "started 2", "work"]);
}

#[test]
fn an_actor_that_stops_itself_ends_after_the_handler() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let service = system.spawn(move || Service { log: inside.clone(), opens: true }).unwrap();
    service.leave().wait().unwrap();
    assert!(service.monitor().wait_within(LIMIT).is_some());
    assert!(!service.is_alive());
    assert_eq!(log.entries(), ["started 1", "stopped: normal"]);
}

#[test]
fn a_factory_that_panics_is_a_failed_start() {
    let system = system(2);
    let start = system.actor(|| -> Service { panic!("{ON_PURPOSE}") }).start();
    assert!(matches!(start.wait(), Err(SpawnError::Failed(StopReason::StartFailed(_)))));
}

#[test]
fn a_weak_ref_does_not_reach_an_ended_actor() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let service = system.spawn(move || Service { log: inside.clone(), opens: true }).unwrap();
    let weak = service.downgrade();
    assert_eq!(weak.upgrade().unwrap(), service);
    service.stop();
    assert!(service.monitor().wait_within(LIMIT).is_some());
    assert!(weak.upgrade().is_none());
}

/// Counts itself, to see what is left.
struct Counted {
    _token: std::sync::Arc<()>,
}

#[derive(Actor)]
struct Holder {
    _counted: Counted,
}

#[messages]
impl Holder {
    #[message]
    fn hold(&mut self, counted: Counted) {
        drop(counted);
    }
}

#[test]
fn an_ended_actor_leaves_nothing_behind_even_while_refs_to_it_live() {
    let token = std::sync::Arc::new(());
    let system = system(2);
    let inside = token.clone();
    let spawn = system.actor(move || Holder { _counted: Counted { _token: inside.clone() } });
    let holder = spawn.restart(Restart::Temporary).start().wait().unwrap();
    holder.hold(Counted { _token: token.clone() }).wait().unwrap();
    holder.stop();
    assert!(holder.monitor().wait_within(LIMIT).is_some());
    assert_eq!(std::sync::Arc::strong_count(&token), 1, "state, factory and messages are gone");
    drop(holder);
}
