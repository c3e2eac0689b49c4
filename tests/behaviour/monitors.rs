//! Monitors: exactly one `Down` each, after the name is free; at once for the dead.

use actor_core::prelude::*;

use crate::support::{LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor)]
struct Target;

#[messages]
impl Target {
    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }

    #[message]
    fn ping(&self) {}
}

#[derive(Actor)]
struct Watcher {
    downs: Log<(String, String, bool)>,
    monitors: Vec<actor_core::MonitorId>,
}

#[messages]
impl Watcher {
    #[message]
    fn watch(&mut self, target: TargetRef, ctx: &mut Context<Self>) {
        self.monitors.push(ctx.monitor(&target));
    }

    #[message]
    fn forget(&mut self, ctx: &mut Context<Self>) -> usize {
        self.monitors.drain(..).filter(|monitor| ctx.demonitor(*monitor)).count()
    }

    #[down]
    fn gone(&mut self, down: Down, ctx: &mut Context<Self>) {
        let name_is_free = ctx.system().lookup::<Target>("target").is_err();
        self.downs.push((down.path, down.reason.to_string(), name_is_free));
    }
}

fn watcher(system: &System) -> (WatcherRef, Log<(String, String, bool)>) {
    let downs = Log::default();
    let inside = downs.clone();
    let watcher = system.spawn(move || Watcher { downs: inside.clone(), monitors: Vec::new() }).unwrap();
    (watcher, downs)
}

fn target(system: &System) -> TargetRef {
    system.actor(|| Target).name("target").spawn().unwrap()
}

#[test]
fn one_down_for_each_monitor_after_the_name_is_free_and_none_for_a_restart() {
    let system = system(2);
    let (watcher, downs) = watcher(&system);
    let target = target(&system);
    watcher.watch(target.clone()).wait().unwrap();
    watcher.watch(target.clone()).wait().unwrap();
    target.crash().tell().unwrap();
    target.ping().wait().unwrap();
    assert_eq!(downs.len(), 0, "a restart is no end");
    target.leave().wait().unwrap();
    eventually("both downs are there", || downs.len() == 2);
    watcher.forget().wait().unwrap();
    let down = ("/target".to_owned(), "normal".to_owned(), true);
    assert_eq!(downs.entries(), [down.clone(), down]);
}

#[test]
fn a_monitor_on_a_dead_actor_answers_at_once() {
    let system = system(2);
    let (watcher, downs) = watcher(&system);
    let target = target(&system);
    target.stop();
    assert!(target.monitor().wait_within(LIMIT).is_some());
    let down = target.monitor().wait();
    assert_eq!((down.actor, down.path.as_str()), (target.id(), "/target"));
    watcher.watch(target).tell().unwrap();
    eventually("the down is there", || downs.len() == 1);
}

#[test]
fn after_demonitor_no_down_comes() {
    let system = system(2);
    let (watcher, downs) = watcher(&system);
    let target = target(&system);
    watcher.watch(target.clone()).wait().unwrap();
    assert_eq!(watcher.forget().wait().unwrap(), 1);
    target.stop();
    assert!(target.monitor().wait_within(LIMIT).is_some());
    watcher.forget().wait().unwrap();
    assert_eq!(downs.len(), 0);
}

#[test]
fn a_monitor_can_be_awaited_with_a_limit() {
    let system = system(2);
    let target = target(&system);
    let limit = std::time::Duration::from_millis(5);
    assert!(pollster::block_on(target.monitor().within(limit)).is_none());
    target.stop();
    assert!(matches!(pollster::block_on(target.monitor()).reason, StopReason::Normal));
}
