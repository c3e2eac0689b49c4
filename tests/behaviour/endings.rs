//! Ends that cross: stops, kills and failures at the worst moment, and users' code that panics in odd
//! places. Nobody else notices, and everything comes to its end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use actor_core::SupervisorRef;
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor)]
struct Subject {
    log: Log<String>,
    gate: Gate,
    lingers: bool,
    replies: Vec<Reply<u32>>,
}

#[messages]
impl Subject {
    #[message]
    fn ping(&self) -> u32 {
        1
    }

    #[message]
    fn block(&self) {
        self.gate.pass();
    }

    #[message]
    fn keep(&mut self, reply: Reply<u32>) {
        self.replies.push(reply);
    }

    #[message]
    fn fail(&mut self, error: Box<dyn std::error::Error + Send + Sync>, ctx: &mut Context<Self>) {
        ctx.fail(error);
    }

    #[message]
    async fn ask_myself(&mut self, ctx: &mut Context<Self>) -> bool {
        matches!(ctx.me().ping().await, Err(AskError::Deadlock(_)))
    }

    #[message]
    fn watch(&mut self, other: SubjectRef, ctx: &mut Context<Self>) {
        ctx.monitor(&other);
    }

    #[message]
    fn tell_and_end(&mut self, to: SubjectRef, ctx: &mut Context<Self>) {
        for n in 0..3 {
            to.note(format!("message {n}")).tell().unwrap();
        }
        ctx.stop();
    }

    #[message]
    fn note(&mut self, text: String) {
        self.log.push(text);
    }

    #[down]
    fn gone(&mut self, _down: Down) {
        self.log.push("down".to_owned());
    }

    #[stopped]
    async fn close(&mut self) {
        if self.lingers {
            self.log.push("stopping".to_owned());
            std::future::pending::<()>().await;
        }
    }
}

fn subject() -> Subject {
    Subject { log: Log::default(), gate: Gate::default(), lingers: false, replies: Vec::new() }
}

#[test]
fn a_kill_while_it_stops_is_the_end() {
    let system = system(2);
    let log = Log::default();
    let inside = log.clone();
    let actor = system.spawn(move || Subject { log: inside.clone(), lingers: true, ..subject() }).unwrap();
    actor.stop();
    eventually("it stops", || log.len() == 1);
    actor.kill();
    assert!(actor.monitor().wait_within(LIMIT).is_some());
}

#[test]
fn a_stopped_supervisor_that_is_killed_does_not_come_back_empty() {
    let system = system(2);
    let supervisor: SupervisorRef = system.supervisor().name("twice").spawn().unwrap();
    let log = Log::default();
    let inside = log.clone();
    let child =
        supervisor.spawn(move || Subject { log: inside.clone(), lingers: true, ..subject() }).unwrap();
    child.ping().wait().unwrap();
    supervisor.stop();
    eventually("the child stops", || log.len() == 1);
    supervisor.kill();
    assert!(supervisor.monitor().wait_within(LIMIT).is_some());
    assert!(child.monitor().wait_within(LIMIT).is_some());
    system.supervisor().name("twice").spawn().expect("the name is free");
}

#[test]
fn a_permanent_actor_survives_any_number_of_kills() {
    let system = system(2);
    let actor = system.actor(subject).restart(Restart::Permanent).spawn().unwrap();
    for _ in 0..20_000 {
        actor.kill();
    }
    assert!(actor.is_alive());
    eventually("it answers", || actor.ping().within(LIMIT).wait().is_ok());
}

#[derive(Debug)]
struct Nasty {
    display: bool,
}

impl std::fmt::Display for Nasty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.display {
            panic!("{ON_PURPOSE}");
        }
        f.write_str("nasty")
    }
}

impl std::error::Error for Nasty {}

impl Drop for Nasty {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{ON_PURPOSE}");
        }
    }
}

#[test]
fn an_error_that_panics_harms_nobody_else() {
    let system = system(1);
    let bystander = system.spawn(subject).unwrap();
    for display in [false, true] {
        let actor = system.spawn(subject).unwrap();
        actor.fail(Box::new(Nasty { display })).tell().unwrap();
        eventually("it is restarted", || actor.ping().within(LIMIT).wait().is_ok());
    }
    assert_eq!(bystander.ping().wait().unwrap(), 1);
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("{ON_PURPOSE}");
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    let system = system(1);
    let gate = Gate::default();
    let inside = gate.clone();
    let actor =
        system.actor(move || Subject { gate: inside.clone(), ..subject() }).mailbox(1).spawn().unwrap();
    let waker = Waker::from(Arc::new(PanickingWaker));
    let mut cx = TaskContext::from_waker(&waker);
    actor.block().tell().unwrap();
    gate.somebody_waits();
    actor.ping().tell().unwrap();
    let mut send = pin!(actor.ping().send());
    assert!(send.as_mut().poll(&mut cx).is_pending());
    let mut sleep = pin!(system.sleep(Duration::from_millis(1)));
    assert!(sleep.as_mut().poll(&mut cx).is_pending());
    let mut monitor = pin!(actor.monitor());
    assert!(monitor.as_mut().poll(&mut cx).is_pending());
    gate.open();
    let mut patient = TaskContext::from_waker(Waker::noop());
    eventually("the send is through", || send.as_mut().poll(&mut patient).is_ready());
    eventually("the sleep is over", || sleep.as_mut().poll(&mut patient).is_ready());
    actor.stop();
    eventually("the monitor answers", || monitor.as_mut().poll(&mut patient).is_ready());
    assert_eq!(system.spawn(subject).unwrap().ping().wait().unwrap(), 1);
}

/// Looks at the mailbox when it is dropped, which takes its locks.
struct Looks(SubjectRef);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Looks {
    fn drop(&mut self) {
        let _ = self.0.mailbox();
    }
}

#[test]
fn a_waker_is_never_dropped_under_a_lock() {
    let system = system(2);
    let gate = Gate::default();
    let inside = gate.clone();
    let actor =
        system.actor(move || Subject { gate: inside.clone(), ..subject() }).mailbox(1).spawn().unwrap();
    actor.block().tell().unwrap();
    gate.somebody_waits();
    actor.ping().tell().unwrap();
    let mut send = Box::pin(actor.ping().send());
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(Looks(actor.clone())));
        assert!(send.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_pending());
    }
    drop(send);
    gate.open();
}

#[test]
fn deadlines_end_with_the_system_in_any_executor() {
    let system = system(2);
    let actor = system.spawn(subject).unwrap();
    let mut ask = Box::pin(actor.keep().within(Duration::from_secs(3600)).into_future());
    let mut sleep = Box::pin(system.sleep(Duration::from_secs(3600)));
    let woken = Arc::new(Token::default());
    let waker = Waker::from(woken.clone());
    let mut cx = TaskContext::from_waker(&waker);
    assert!(ask.as_mut().poll(&mut cx).is_pending() && sleep.as_mut().poll(&mut cx).is_pending());
    eventually("the reply is kept", || actor.mailbox().handled == 1);
    assert!(system.shutdown().is_clean());
    eventually("it is woken", || woken.0.load(std::sync::atomic::Ordering::SeqCst));
    assert!(matches!(ask.as_mut().poll(&mut cx), Poll::Ready(Err(AskError::Lost))));
    assert!(sleep.as_mut().poll(&mut cx).is_ready());
}

#[derive(Default)]
struct Token(std::sync::atomic::AtomicBool);

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn an_actor_that_awaits_itself_is_told() {
    let system = system(2);
    assert!(system.spawn(subject).unwrap().ask_myself().within(LIMIT).wait().unwrap());
}

#[test]
fn a_down_comes_after_what_was_told_before() {
    let system = system(4);
    for _ in 0..50 {
        let log = Log::default();
        let inside = log.clone();
        let watcher = system.spawn(move || Subject { log: inside.clone(), ..subject() }).unwrap();
        let ender = system.spawn(subject).unwrap();
        watcher.watch(ender.clone()).wait().unwrap();
        ender.tell_and_end(watcher.clone()).tell().unwrap();
        eventually("all is there", || log.len() == 4);
        assert_eq!(log.entries(), ["message 0", "message 1", "message 2", "down"]);
    }
}

#[test]
fn slow_handlers_hold_their_neighbours_up_for_a_few_of_them_only() {
    #[derive(Actor)]
    struct Slow;
    #[messages]
    impl Slow {
        #[message]
        fn work(&self) {
            // Time is what is tested.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let system = system(1);
    let (slow, neighbour) = (system.spawn(|| Slow).unwrap(), system.spawn(subject).unwrap());
    for _ in 0..300 {
        slow.work().tell().unwrap();
    }
    eventually("it works", || slow.mailbox().handled > 0);
    let start = Instant::now();
    neighbour.ping().wait().unwrap();
    // All of them would take 3 s.
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    slow.kill();
}

#[test]
fn a_shutdown_that_ran_into_its_deadline_is_not_clean() {
    let system = System::builder().workers(2).stop_within(Duration::from_millis(50)).build().unwrap();
    let stubborn = system.actor(|| Subject { lingers: true, ..subject() }).name("stubborn");
    stubborn.start().wait().unwrap();
    let report = system.shutdown();
    assert!(!report.is_clean(), "{report}");
    assert!(report.late.iter().any(|late| late.path == "/stubborn"), "{report}");
}
