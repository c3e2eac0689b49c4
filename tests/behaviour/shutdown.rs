//! Shutdown: in reverse order of the start, within a deadline, with a report of who was late.

use std::time::{Duration, Instant};

use actor_core::Whereabouts;
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, Log, builder, system};

#[derive(Actor)]
struct Part {
    name: &'static str,
    log: Log<String>,
    gate: Option<Gate>,
}

#[messages]
impl Part {
    #[message]
    fn work(&mut self) {
        self.log.push(format!("{} works", self.name));
    }

    #[message]
    fn block(&mut self) {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
    }

    #[message]
    async fn wait_for_ever(&mut self) {
        std::future::pending::<()>().await;
    }

    #[stopped]
    fn close(&mut self, why: &StopReason) {
        self.log.push(format!("{}: {why}", self.name));
    }
}

fn part(
    system: &SystemHandle,
    name: &'static str,
    log: &Log<String>,
    gate: Option<Gate>,
) -> actor_core::Spawn<Part> {
    let log = log.clone();
    system.actor(move || Part { name, log: log.clone(), gate: gate.clone() })
}

#[test]
fn in_reverse_order_and_after_the_mail() {
    let system = system(2);
    let log = Log::default();
    for name in ["first", "second", "third"] {
        part(&system, name, &log, None).start().wait().unwrap();
    }
    let last = part(&system, "last", &log, None).start().wait().unwrap();
    last.work().tell().unwrap();
    let report = system.shutdown();
    assert!(report.is_clean(), "{report}");
    assert!(matches!(report.reason, StopReason::Shutdown));
    let order = ["last works", "last: shutdown", "third: shutdown", "second: shutdown", "first: shutdown"];
    assert_eq!(log.entries(), order);
    assert!(matches!(last.work().tell(), Err(TellError::Closed(_))));
    assert!(matches!(part(&system, "late", &log, None).spawn(), Err(SpawnError::Closed)));
    assert!(matches!(last.work().wait(), Err(AskError::Closed(_))));
}

#[test]
fn an_async_handler_that_waits_for_ever_is_killed_at_its_deadline_and_reported() {
    let system = system(2);
    let log = Log::default();
    let _first = part(&system, "first", &log, None).start().wait().unwrap();
    let late = part(&system, "late", &log, None)
        .name("late")
        .stop_within(Duration::from_millis(20))
        .spawn()
        .unwrap();
    let asking = late.clone();
    late.wait_for_ever().tell().unwrap();
    let asker = std::thread::spawn(move || asking.work().wait());
    crate::support::eventually("the handler waits and the ask is queued", || {
        let stats = late.mailbox();
        (stats.handled, stats.queued) == (1, 1)
    });
    let report = system.shutdown();
    assert_eq!(report.late.len(), 1, "{report}");
    assert_eq!((report.late[0].path.as_str(), report.late[0].ended_by_kill), ("/late", true));
    assert_eq!(report.late[0].at, Some(Whereabouts::Message("wait_for_ever")));
    assert!(report.to_string().contains("/late was late, in wait_for_ever: killed"), "{report}");
    assert_eq!(report.stuck_workers, 0);
    assert!(matches!(asker.join().unwrap(), Err(AskError::Undelivered)));
    assert_eq!(log.entries(), ["first: shutdown"], "a kill runs no #[stopped]");
}

#[test]
fn a_handler_that_does_not_return_does_not_hang_the_shutdown() {
    let system = System::builder().workers(2).stop_within(Duration::from_millis(100)).build().unwrap();
    let (log, gate) = (Log::default(), Gate::default());
    let stuck = part(&system, "stuck", &log, Some(gate.clone())).name("stuck").spawn().unwrap();
    stuck.block().tell().unwrap();
    gate.somebody_waits();
    let start = Instant::now();
    let report = system.shutdown();
    assert!(start.elapsed() < LIMIT);
    assert_eq!(report.stuck_workers, 1, "{report}");
    // It can still come back, and then ends.
    gate.open();
    assert!(stuck.monitor().wait_within(LIMIT).is_some());
}

/// Is late wherever it is told to.
#[derive(Actor)]
struct Dawdler {
    at: Whereabouts,
    blocked: Gate,
}

#[messages]
impl Dawdler {
    #[started]
    async fn begin(&mut self) -> Result<(), &'static str> {
        if self.at == Whereabouts::Started {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    #[message]
    fn block(&mut self) {
        self.blocked.pass();
    }

    #[message]
    fn watch(&mut self, other: actor_core::ActorRef<Ender>, ctx: &mut Context<Self>) {
        ctx.monitor(&other);
    }

    /// Takes its time, again and again.
    #[message]
    fn dawdle(&mut self) {
        std::thread::sleep(Duration::from_millis(1));
    }

    #[down]
    async fn gone(&mut self, _: Down) {
        std::future::pending::<()>().await;
    }

    #[stopped]
    async fn end(&mut self) {
        if self.at == Whereabouts::Stopped {
            std::future::pending::<()>().await;
        }
    }
}

#[test]
fn a_report_says_what_each_was_at_that_was_late() {
    let system = system(4);
    let gate = Gate::default();
    let dawdler = |name, at| {
        let gate = gate.clone();
        let dawdler = system.actor(move || Dawdler { at, blocked: gate.clone() }).name(name);
        dawdler.stop_within(Duration::from_millis(20)).spawn().unwrap()
    };
    let handler = dawdler("handler", Whereabouts::Message("block"));
    handler.block().tell().unwrap();
    gate.somebody_waits();
    let down = dawdler("down", Whereabouts::Down);
    let other = system.spawn(|| Ender).unwrap();
    down.watch(other.clone().into()).wait().unwrap();
    other.stop();
    let queue = dawdler("queue", Whereabouts::Queue);
    (0..1000).for_each(|_| queue.dawdle().tell().unwrap());
    dawdler("started", Whereabouts::Started);
    dawdler("stopped", Whereabouts::Stopped);
    other.monitor().wait_within(LIMIT).unwrap();
    let report = system.shutdown();
    let mut seen: Vec<_> = report.late.iter().map(|late| (late.path.as_str(), late.at)).collect();
    seen.sort_by_key(|(path, _)| *path);
    let expected = [
        ("/down", Some(Whereabouts::Down)),
        ("/handler", Some(Whereabouts::Message("block"))),
        ("/queue", Some(Whereabouts::Queue)),
        ("/started", Some(Whereabouts::Started)),
        ("/stopped", Some(Whereabouts::Stopped)),
    ];
    assert_eq!(seen, expected, "{report}");
    assert!(report.late.iter().all(|late| late.ended_by_kill == (late.path != "/handler")), "{report}");
    gate.open();
}

/// A part of the tree that was stopped long ago is no news of the shutdown, however late it was.
#[test]
fn who_was_late_before_the_shutdown_is_not_in_its_report() {
    let system = system(2);
    let log = Log::default();
    let pool = system.supervisor().name("pool").spawn().unwrap();
    let part = |under| part(&system, "late", &log, None).under(under).stop_within(Duration::from_millis(20));
    part(&pool).spawn().unwrap().wait_for_ever().tell().unwrap();
    pool.stop();
    assert!(pool.monitor().wait_within(LIMIT).is_some());
    let other = system.supervisor().name("other").spawn().unwrap();
    part(&other).spawn().unwrap().wait_for_ever().tell().unwrap();
    let report = system.shutdown();
    let late: Vec<_> = report.late.iter().map(|late| late.path.as_str()).collect();
    assert!(matches!(late[..], [path] if path.starts_with("/other/")), "{report}");
    assert!(!report.is_clean(), "{report}");
}

/// One that gives up ends the system as an order does.
#[test]
fn a_root_that_gives_up_reports_who_was_late() {
    let system = builder(2).intensity(1, LIMIT).build().unwrap();
    let log = Log::default();
    let late = part(&system, "late", &log, None).name("late").stop_within(Duration::from_millis(20));
    late.spawn().unwrap().wait_for_ever().tell().unwrap();
    let fails = system.actor(|| Fails).spawn().unwrap();
    (0..2).for_each(|_| fails.fail().tell().unwrap());
    assert!(matches!(system.wait(), StopReason::Escalated { .. }));
    let report = system.shutdown();
    assert_eq!(report.late.len(), 1, "{report}");
    assert_eq!(report.late[0].path, "/late", "{report}");
}

#[derive(Actor)]
struct Fails;

#[messages]
impl Fails {
    #[message]
    fn fail(&mut self, ctx: &mut Context<Self>) {
        ctx.fail("on purpose");
    }
}

#[test]
fn dynamic_children_stop_together() {
    let system = system(2);
    let log = Log::default();
    let pool = system.supervisor().name("pool").dynamic().spawn().unwrap();
    for _ in 0..50 {
        let child = part(&system, "child", &log, None).under(&pool).stop_within(Duration::from_millis(50));
        child.spawn().unwrap().wait_for_ever().tell().unwrap();
    }
    let start = Instant::now();
    let report = system.shutdown();
    assert_eq!(report.late.len(), 50);
    assert!(start.elapsed() < Duration::from_millis(50 * 50), "one after the other takes longer");
}

#[test]
fn dropping_the_system_ends_it_and_its_threads() {
    let log = Log::default();
    let handle = {
        let system = system(2);
        part(&system, "only", &log, None).start().wait().unwrap();
        system.handle()
    };
    assert_eq!(log.entries(), ["only: shutdown"]);
    assert!(matches!(handle.wait(), StopReason::Shutdown));
    assert!(matches!(
        handle.spawn(|| Part { name: "x", log: Log::default(), gate: None }),
        Err(SpawnError::Closed)
    ));
}

#[derive(Actor)]
struct Ender;

#[messages]
impl Ender {
    #[message]
    fn end_it(&mut self, ctx: &mut Context<Self>) {
        ctx.system().stop();
    }
}

#[test]
fn an_actor_can_end_the_system_and_main_can_wait_for_that() {
    let system = system(1);
    let ender = system.spawn(|| Ender).unwrap();
    ender.end_it().tell().unwrap();
    assert!(matches!(system.wait(), StopReason::Shutdown));
    assert!(system.shutdown().is_clean());
}
