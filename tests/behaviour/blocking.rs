//! Work that blocks, by consent: closures and blocking handlers on threads of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use actor_core::{ActorId, BlockingError, observe::BlockingSnapshot, prelude::*};

use crate::support::{
    Gate, LIMIT, Log, ON_PURPOSE, Responder, ResponderRef, builder, eventually, others_are_answered, patient,
    system,
};

/// An actor with handlers of all kinds, of which the blocking ones block.
#[derive(Actor, Clone)]
struct Mixed {
    gate: Gate,
    log: Log<String>,
}

struct SaysWhenDropped(Log<String>);

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        self.0.push("result dropped".into());
    }
}

#[messages]
impl Mixed {
    /// Blocks until the gate is opened.
    #[message(blocking)]
    fn export(&mut self, n: u32) -> u32 {
        self.log.push(format!("export {n}"));
        self.gate.pass();
        self.log.push(format!("exported {n}"));
        n
    }

    #[message(blocking, derive(Clone))]
    fn quick(&mut self, n: u32, ctx: &mut Context<Self>) -> (u32, ThreadId, ActorId) {
        self.log.push(format!("quick {n}"));
        (n, std::thread::current().id(), ctx.id())
    }

    #[message(blocking)]
    fn fails(&mut self) -> Result<(), io::Error> {
        Err(io::Error::other("no such disk"))
    }

    #[message(blocking)]
    fn panics(&mut self) {
        panic!("{ON_PURPOSE}");
    }

    #[message(blocking)]
    fn stops(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }

    /// In a blocking handler a thread may wait for others.
    #[message(blocking)]
    fn asks(&mut self, responder: ResponderRef) -> u32 {
        responder.ping(1).wait().unwrap()
    }

    #[message(blocking)]
    fn replies_later(&mut self, reply: Reply<u32>) {
        reply.send(7);
    }

    #[message]
    fn note(&mut self, text: String) -> ThreadId {
        self.log.push(text);
        std::thread::current().id()
    }

    #[message]
    async fn note_later(&mut self, text: String, ctx: &mut Context<Self>) -> ThreadId {
        ctx.system().sleep(Duration::from_millis(1)).await;
        self.log.push(text);
        std::thread::current().id()
    }

    #[message]
    async fn by_closure(&mut self, ctx: &mut Context<Self>, n: u32) -> u32 {
        let (gate, log) = (self.gate.clone(), self.log.clone());
        let result = ctx.blocking(move || {
            log.push(format!("closure {n}"));
            gate.pass();
            (n, SaysWhenDropped(log))
        });
        let (n, dropped) = result.await.unwrap();
        std::mem::forget(dropped);
        n
    }

    #[message]
    async fn by_closure_that_panics(&mut self, ctx: &mut Context<Self>) {
        ctx.blocking(|| panic!("{ON_PURPOSE}")).await.unwrap()
    }

    #[message]
    fn later(&mut self, ctx: &mut Context<Self>, ms: u64) {
        ctx.after(Duration::from_millis(ms), MixedQuick { n: 99 });
    }

    #[stopped]
    fn closing(&mut self, why: &StopReason) {
        self.log.push(format!("stopped: {why}"));
    }
}

struct Setup {
    system: System,
    mixed: MixedRef,
    gate: Gate,
    log: Log<String>,
}

/// A mixed actor, its gate, and its log.
fn mixed() -> (Mixed, Gate, Log<String>) {
    let (gate, log) = (Gate::default(), Log::default());
    (Mixed { gate: gate.clone(), log: log.clone() }, gate, log)
}

fn setup_on(system: System) -> Setup {
    let (mixed, gate, log) = mixed();
    let mixed = system.spawn(move || mixed.clone()).unwrap();
    Setup { system, mixed, gate, log }
}

/// One worker, which is taken over from nobody, so that whoever blocks it is seen to.
fn setup() -> Setup {
    setup_on(patient(1).build().unwrap())
}

/// One worker, and one thread for what blocks.
fn setup_narrow(queue: usize) -> Setup {
    setup_on(builder(1).max_blocking(1).blocking_queue(queue).build().unwrap())
}

impl Setup {
    fn pool(&self) -> BlockingSnapshot {
        self.system.snapshot().blocking
    }

    /// Holds one thread of the pool until what this gives is opened.
    fn hold_thread(&self) -> (Gate, std::thread::JoinHandle<Result<(), BlockingError>>) {
        let (gate, system) = (Gate::default(), self.system.handle());
        let inside = gate.clone();
        let holder = std::thread::spawn(move || pollster::block_on(system.blocking(move || inside.pass())));
        gate.somebody_waits();
        (gate, holder)
    }
}

#[test]
fn a_blocking_handler_has_the_state_and_holds_no_worker_up() {
    let setup = setup();
    let mixed = setup.mixed.clone();
    let caller = std::thread::spawn(move || mixed.export(3).wait());
    setup.gate.somebody_waits();
    // Another actor is answered by the one worker, this one's mail waits.
    setup.mixed.note("after".into()).tell().unwrap();
    assert!(others_are_answered(&setup.system));
    assert_eq!(setup.log.entries(), ["export 3"]);
    setup.gate.open();
    assert_eq!(caller.join().unwrap().unwrap(), 3);
    eventually("the mail is handled", || setup.log.len() == 3);
    assert_eq!(setup.log.entries(), ["export 3", "exported 3", "after"]);
}

#[test]
fn each_handler_runs_on_the_kind_of_thread_that_it_asks_for_and_in_order() {
    let setup = setup();
    let worker = setup.system.spawn(|| Responder).unwrap().thread().wait().unwrap();
    let mut expected = Vec::new();
    for n in 0..50 {
        setup.mixed.quick(n).tell().unwrap();
        setup.mixed.note(format!("note {n}")).tell().unwrap();
        setup.mixed.quick(1000 + n).tell().unwrap();
        expected.extend([format!("quick {n}"), format!("note {n}"), format!("quick {}", 1000 + n)]);
    }
    assert_eq!(setup.mixed.note_later("last".into()).wait().unwrap(), worker);
    expected.push("last".into());
    assert_eq!(setup.log.entries(), expected);
    assert_eq!(setup.mixed.note("on a worker".into()).wait().unwrap(), worker);
    let (n, thread, id) = setup.mixed.quick(5).wait().unwrap();
    assert_eq!((n, id), (5, setup.mixed.id()));
    assert_ne!(thread, worker);
    assert_eq!(setup.mixed.mailbox().accepted, setup.mixed.mailbox().handled);
}

#[test]
fn results_failures_and_deferred_replies_come_back() {
    let setup = setup();
    assert!(
        matches!(setup.mixed.fails().wait(), Err(AskError::Failed(error)) if error.to_string() == "no such disk")
    );
    assert_eq!(setup.mixed.replies_later().wait().unwrap(), 7);
    let responder = setup.system.spawn(|| Responder).unwrap();
    assert_eq!(setup.mixed.asks(responder).within(LIMIT).wait().unwrap(), 2);
}

#[test]
fn a_panic_in_a_blocking_handler_is_a_failure_like_any_other() {
    let setup = setup();
    assert!(matches!(setup.mixed.panics().wait(), Err(AskError::Lost)));
    setup.mixed.note("alive".into()).wait().unwrap();
    assert_eq!(setup.log.entries(), ["stopped: panicked: on purpose", "alive"]);
}

#[test]
fn a_blocking_handler_can_stop_its_actor() {
    let setup = setup();
    let monitor = setup.mixed.monitor();
    setup.mixed.stops().tell().unwrap();
    assert!(matches!(monitor.wait_within(LIMIT).unwrap().reason, StopReason::Normal));
    assert_eq!(setup.log.entries(), ["stopped: normal"]);
}

#[test]
fn a_kill_waits_for_the_blocking_handlers_return() {
    let setup = setup();
    setup.mixed.export(1).tell().unwrap();
    setup.mixed.note("queued".into()).tell().unwrap();
    setup.gate.somebody_waits();
    let monitor = setup.mixed.monitor();
    setup.mixed.kill();
    setup.mixed.stop();
    // Others go on; the actor is still in its handler, with its state.
    assert!(others_are_answered(&setup.system));
    assert_eq!(setup.log.entries(), ["export 1"]);
    setup.gate.open();
    assert!(matches!(monitor.wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    assert_eq!(setup.log.entries(), ["export 1", "exported 1"]);
}

#[test]
fn a_message_that_waits_for_a_thread_survives_a_kill_and_a_restart() {
    let setup = setup_narrow(0);
    let (gate, holder) = setup.hold_thread();
    let mixed = setup.mixed.clone();
    let caller = std::thread::spawn(move || mixed.quick(1).wait());
    eventually("the message waits for the thread", || setup.pool().queued == 1);
    setup.mixed.note("second".into()).tell().unwrap();
    // A transient actor is restarted after a kill; its queue stays.
    setup.mixed.kill();
    gate.open();
    holder.join().unwrap().unwrap();
    assert_eq!(caller.join().unwrap().unwrap().0, 1);
    eventually("the second comes after it", || setup.log.len() == 2);
    assert_eq!(setup.log.entries(), ["quick 1", "second"]);
    let stats = setup.mixed.mailbox();
    assert_eq!((stats.accepted, stats.handled, stats.dead), (2, 2, 0));
}

#[test]
fn a_message_that_waits_for_a_thread_when_its_actor_ends_is_a_dead_letter() {
    let setup = setup_narrow(0);
    let (gate, holder) = setup.hold_thread();
    let mixed = setup.mixed.clone();
    let caller = std::thread::spawn(move || mixed.quick(1).wait());
    eventually("the message waits for the thread", || setup.pool().queued == 1);
    let monitor = setup.mixed.monitor();
    // Not to come back.
    setup.mixed.stop();
    setup.mixed.kill();
    gate.open();
    holder.join().unwrap().unwrap();
    assert!(monitor.wait_within(LIMIT).is_some());
    assert!(matches!(caller.join().unwrap(), Err(AskError::Undelivered)));
    let stats = setup.mixed.mailbox();
    assert_eq!((stats.accepted, stats.handled, stats.dead), (1, 0, 1));
    assert_eq!(setup.system.dead_letters().count(), 1);
}

#[test]
fn a_timers_message_for_a_blocking_handler_runs_there_too() {
    let setup = setup();
    setup.mixed.later(1).tell().unwrap();
    eventually("it is handled", || setup.log.entries() == ["quick 99"]);
    eventually("its thread is done", || setup.pool().done == 1);
}

#[test]
fn a_pinned_actor_blocks_its_own_thread() {
    let system = system(1);
    let mixed = mixed().0;
    let mixed = system.actor(move || mixed.clone()).pinned().spawn().unwrap();
    let own = mixed.note("first".into()).wait().unwrap();
    assert_eq!(mixed.quick(1).wait().unwrap().1, own);
    assert_eq!(system.snapshot().blocking.threads, 0);
}

#[test]
fn many_actors_block_at_a_time_and_all_get_on() {
    let system = builder(2).max_blocking(8).build().unwrap();
    let (mixed, gate, log) = mixed();
    let spawn = |mixed: Mixed| system.spawn(move || mixed.clone()).unwrap();
    let actors: Vec<_> = (0..200).map(|_| spawn(mixed.clone())).collect();
    for (n, actor) in (0..).zip(&actors) {
        actor.export(n).tell().unwrap();
        actor.note("after".into()).tell().unwrap();
    }
    eventually("all threads block", || system.snapshot().blocking.running == 8);
    eventually("the others wait", || system.snapshot().blocking.queued == 192);
    assert!(others_are_answered(&system));
    gate.open();
    eventually("all come to their ends", || log.len() == 600);
    eventually("all threads are idle", || system.snapshot().blocking.idle == 8);
    assert!(system.snapshot().blocking.threads <= 8);
}

// ---- closures --------------------------------------------------------------------------------

#[test]
fn a_handler_waits_for_its_closure_and_the_worker_does_not() {
    let setup = setup();
    let mixed = setup.mixed.clone();
    let caller = std::thread::spawn(move || mixed.by_closure(4).wait());
    setup.gate.somebody_waits();
    assert!(others_are_answered(&setup.system));
    setup.gate.open();
    assert_eq!(caller.join().unwrap().unwrap(), 4);
    assert_eq!(setup.log.entries(), ["closure 4"]);
}

#[test]
fn a_closures_panic_is_its_handlers() {
    let setup = setup();
    assert!(matches!(setup.mixed.by_closure_that_panics().wait(), Err(AskError::Lost)));
    setup.mixed.note("alive".into()).wait().unwrap();
    assert_eq!(setup.log.entries(), ["stopped: panicked: on purpose", "alive"]);
    // And outside of an actor, who awaits it.
    let system = setup.system.handle();
    let outside = std::thread::spawn(move || pollster::block_on(system.blocking(|| panic!("{ON_PURPOSE}"))));
    assert_eq!(*outside.join().unwrap_err().downcast::<String>().unwrap(), ON_PURPOSE);
}

#[test]
fn a_dropped_closure_that_has_not_begun_does_not_run() {
    let setup = setup_narrow(10);
    let (gate, holder) = setup.hold_thread();
    setup.mixed.by_closure(1).tell().unwrap();
    eventually("it waits for the thread", || setup.pool().queued == 1);
    setup.mixed.kill();
    setup.mixed.note("restarted".into()).wait().unwrap();
    gate.open();
    holder.join().unwrap().unwrap();
    eventually("its turn has passed", || setup.pool().done == 2);
    assert_eq!(setup.log.entries(), ["restarted"]);
}

#[test]
fn a_dropped_closure_that_has_begun_runs_on_and_its_result_is_dropped() {
    let setup = setup();
    setup.mixed.by_closure(1).tell().unwrap();
    setup.gate.somebody_waits();
    setup.mixed.kill();
    setup.mixed.note("restarted".into()).wait().unwrap();
    assert_eq!(setup.log.entries(), ["closure 1", "restarted"]);
    setup.gate.open();
    eventually("it ends", || setup.log.len() == 3);
    assert_eq!(setup.log.entries(), ["closure 1", "restarted", "result dropped"]);
}

#[test]
fn a_closure_too_many_is_refused_and_counted() {
    let setup = setup_narrow(1);
    let (gate, holder) = setup.hold_thread();
    let system = setup.system.handle();
    let second = std::thread::spawn(move || pollster::block_on(system.blocking(|| 2)));
    eventually("one waits", || setup.pool().queued == 1);
    let third = pollster::block_on(setup.system.blocking(|| 3)).unwrap_err();
    assert!(matches!(third, BlockingError::Full { queue: 1 }), "{third}");
    assert!(third.to_string().contains("Builder::blocking_queue"));
    assert_eq!(setup.pool().refused, 1);
    gate.open();
    holder.join().unwrap().unwrap();
    assert_eq!(second.join().unwrap().unwrap(), 2);
    // A message is not refused: it waits in its mailbox. See the other tests.
    assert_eq!(setup.mixed.quick(1).wait().unwrap().0, 1);
}

#[test]
fn a_system_that_has_ended_takes_no_closure() {
    let setup = setup();
    let system = setup.system.handle();
    assert!(setup.system.shutdown().is_clean());
    let ran = Arc::<AtomicU32>::default();
    let inside = ran.clone();
    let refused = pollster::block_on(system.blocking(move || inside.fetch_add(1, Ordering::Relaxed)));
    assert!(matches!(refused, Err(BlockingError::Closed)));
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

// ---- the end ---------------------------------------------------------------------------------

fn hurried(max_blocking: usize) -> Setup {
    let builder = builder(1).max_blocking(max_blocking).stop_within(Duration::from_millis(100));
    setup_on(builder.build().unwrap())
}

#[test]
fn a_shutdown_waits_for_a_blocking_handler() {
    let setup = setup();
    setup.mixed.export(1).tell().unwrap();
    setup.gate.somebody_waits();
    let ending = std::thread::spawn(move || setup.system.shutdown());
    eventually("the stop has come", || matches!(setup.mixed.quick(0).tell(), Err(TellError::Closed(_))));
    setup.gate.open();
    assert!(ending.join().unwrap().is_clean());
    let log = setup.log.entries();
    assert_eq!((&*log[0], &*log[1], &**log.last().unwrap()), ("export 1", "exported 1", "stopped: shutdown"));
}

#[test]
fn a_blocking_handler_that_does_not_return_is_reported_and_left_alone() {
    let setup = hurried(4);
    setup.mixed.export(1).tell().unwrap();
    setup.gate.somebody_waits();
    let report = setup.system.shutdown();
    assert!(!report.is_clean());
    assert_eq!(report.stuck_workers, 1, "{report}");
    setup.gate.open();
    eventually("it ends when it can", || setup.pool().threads == 0);
    assert_eq!(setup.log.entries(), ["export 1", "exported 1"]);
}

/// An ask always ends, even if all threads are held up for ever.
#[test]
fn what_waits_for_a_pool_that_is_held_up_comes_to_its_end_with_the_system() {
    let setup = hurried(1);
    let (gate, holder) = setup.hold_thread();
    let mixed = setup.mixed.clone();
    let caller = std::thread::spawn(move || mixed.quick(1).wait());
    eventually("the message waits for the thread", || setup.pool().queued == 1);
    let report = setup.system.shutdown();
    assert_eq!(report.stuck_workers, 1, "{report}");
    assert!(matches!(caller.join().unwrap(), Err(AskError::Undelivered)));
    gate.open();
    holder.join().unwrap().unwrap();
}
