//! Messages that wait at the head of a mailbox for too long are reported, or their actors killed or restarted; actors that get
//! on are left alone.

use std::thread;
use std::time::{Duration, Instant};

use actor_core::observe::{Event, OverdueMessage};
use actor_core::prelude::*;
use actor_core::{Remedy, Restart, StopReason, System};

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, builder, eventually};

const OVERDUE: Duration = Duration::from_millis(60);

fn watching(remedy: Remedy) -> System {
    builder(2).overdue_messages(OVERDUE, remedy).build().unwrap()
}

/// What each of those does that get on takes: far less than the limit, which a busy machine does not reach either.
const SHORT: Duration = Duration::from_millis(5);

#[derive(Actor, Default)]
struct Clerk {
    gate: Gate,
    done: Log<u32>,
    stopped: Log<String>,
}

impl Clerk {
    fn with(
        gate: &Gate,
        done: &Log<u32>,
        stopped: &Log<String>,
    ) -> impl FnMut() -> Clerk + Send + 'static + use<> {
        let (gate, done, stopped) = (gate.clone(), done.clone(), stopped.clone());
        move || Clerk { gate: gate.clone(), done: done.clone(), stopped: stopped.clone() }
    }
}

#[messages]
impl Clerk {
    #[message]
    fn file(&mut self, number: u32) {
        self.done.push(number);
    }

    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn take(&mut self, long: Duration) {
        thread::sleep(long);
    }

    /// Waits for what does not come.
    #[message]
    async fn wait(&mut self) {
        std::future::pending().await
    }

    #[message]
    fn fail(&mut self) {
        thread::sleep(SHORT);
        panic!("{ON_PURPOSE}");
    }

    #[message]
    fn watch(&mut self, other: ClerkRef, ctx: &mut Context<Self>) {
        ctx.monitor(&other);
    }

    #[down]
    fn gone(&mut self, _: Down) {
        thread::sleep(SHORT);
        self.done.push(0);
    }

    #[stopped]
    fn ended(&mut self, why: &StopReason) {
        self.stopped.push(why.to_string());
    }
}

fn overdue(events: impl Iterator<Item = Event>) -> impl Iterator<Item = OverdueMessage> {
    events.filter_map(|event| match event {
        Event::MessageOverdue(message) => Some(message),
        _ => None,
    })
}

#[test]
fn what_waits_behind_a_stuck_handler_is_reported_once() {
    let system = watching(Remedy::Report);
    let events = system.events().subscribe(16);
    let (gate, done) = (Gate::default(), Log::default());
    let line = line!() + 1;
    let clerk = system.actor(Clerk::with(&gate, &done, &Log::default())).name("clerk").spawn().unwrap();
    let begin = Instant::now();
    clerk.block().tell().unwrap();
    clerk.file(1).tell().unwrap();
    eventually("it is reported", || system.snapshot().leaks.overdue == 1);
    assert!(begin.elapsed() >= OVERDUE);
    let message = overdue(events.try_iter()).next().unwrap();
    assert_eq!((message.actor, message.name), (clerk.id(), "Clerk"));
    assert_eq!((message.path.as_str(), message.site.line()), (clerk.path().to_string().as_str(), line));
    assert!(message.waited >= OVERDUE && message.waited <= begin.elapsed(), "{message}");
    assert_eq!(message.done, Remedy::Report);
    assert!(message.to_string().contains("clerk, spawned at "), "{message}");
    // Others are reported meanwhile, and it is not said again.
    let other = system.spawn(Clerk::with(&gate, &done, &Log::default())).unwrap();
    other.block().tell().unwrap();
    other.file(2).tell().unwrap();
    eventually("the other is reported", || system.snapshot().leaks.overdue == 2);
    assert!(overdue(events.try_iter()).all(|message| message.actor == other.id()));
    gate.open();
    eventually("both have got on", || done.len() == 2);
}

/// Nobody says it of one with nothing behind what it does.
#[test]
fn a_stuck_handler_with_nothing_behind_it_is_none_of_this() {
    let system = watching(Remedy::Stop);
    let (gate, done) = (Gate::default(), Log::default());
    let idle = system.spawn(Clerk::with(&gate, &done, &Log::default())).unwrap();
    let stuck = system.spawn(Clerk::with(&gate, &done, &Log::default())).unwrap();
    idle.file(1).wait().unwrap();
    stuck.block().tell().unwrap();
    gate.somebody_waits();
    let late = system.spawn(Clerk::with(&gate, &done, &Log::default())).unwrap();
    for _ in 0..2 {
        late.wait().tell().unwrap();
    }
    eventually("one with something behind it is found", || !late.is_alive());
    assert_eq!(system.snapshot().leaks.overdue, 1);
    gate.open();
    assert!(idle.file(2).wait().is_ok() && stuck.file(3).wait().is_ok());
}

#[test]
fn a_suspended_handler_is_dropped_and_what_has_waited_is_handled_after_a_restart() {
    let system = watching(Remedy::Restart);
    let done = Log::default();
    let clerk = system.spawn(Clerk::with(&Gate::default(), &done, &Log::default())).unwrap();
    clerk.wait().tell().unwrap();
    (1..=3).for_each(|number| clerk.file(number).tell().unwrap());
    eventually("what has waited is handled", || done.len() == 3);
    assert_eq!(done.entries(), [1, 2, 3]);
    assert_eq!((clerk.mailbox().dead, system.snapshot().leaks.overdue), (1, 1));
}

#[test]
fn who_is_to_be_stopped_does_not_come_back() {
    let system = watching(Remedy::Stop);
    let stopped = Log::default();
    let clerk = system.actor(Clerk::with(&Gate::default(), &Log::default(), &stopped));
    let clerk = clerk.restart(Restart::Permanent).spawn().unwrap();
    let down = clerk.monitor();
    clerk.wait().tell().unwrap();
    clerk.file(1).tell().unwrap();
    let down = down.wait();
    assert!(matches!(down.reason, StopReason::Shutdown), "{down:?}");
    assert_eq!(clerk.mailbox().dead, 2);
}

/// One that does not return is condemned, if it has a limit, however long.
#[test]
fn a_handler_with_a_limit_that_does_not_return_is_condemned() {
    let system = watching(Remedy::Restart);
    let (gate, done) = (Gate::default(), Log::default());
    let clerk = system.actor(Clerk::with(&gate, &done, &Log::default())).stall(LIMIT).spawn().unwrap();
    clerk.block().tell().unwrap();
    clerk.file(1).tell().unwrap();
    eventually("what has waited is handled", || done.len() == 1);
    assert_eq!(system.snapshot().preemptions.condemned, 1);
    gate.open();
}

#[test]
fn a_mailbox_that_drops_its_oldest_is_looked_at_too() {
    let system = watching(Remedy::Report);
    let gate = Gate::default();
    let clerk = system.actor(Clerk::with(&gate, &Log::default(), &Log::default()));
    let clerk = clerk.mailbox(4).overflow(actor_core::Overflow::DropOldest).spawn().unwrap();
    clerk.block().tell().unwrap();
    eventually("it is reported", || {
        clerk.file(1).tell().unwrap();
        // More than one on a machine so busy that the first message waited too.
        system.snapshot().leaks.overdue >= 1
    });
    gate.open();
}

/// What each of them does takes far longer than the limit, but no single message does.
#[test]
fn who_gets_on_is_left_alone() {
    let (limit, many) = (Duration::from_millis(400), 150);
    let system = builder(2).overdue_messages(limit, Remedy::Stop).build().unwrap();
    let (done, stopped) = (Log::default(), Log::default());
    let make = || Clerk::with(&Gate::default(), &done, &stopped);
    let [busy, failing, watching] = [(); 3].map(|()| system.spawn(make()).unwrap());
    let others: Vec<_> = (0..many).map(|_| system.spawn(Clerk::default).unwrap()).collect();
    for other in &others {
        watching.watch(other.clone()).wait().unwrap();
    }
    for other in &others {
        other.stop();
        busy.take(SHORT).tell().unwrap();
        failing.fail().tell().unwrap();
    }
    busy.file(1).wait().unwrap();
    failing.file(2).wait().unwrap();
    eventually("all Downs are handled", || {
        assert_eq!(system.snapshot().leaks.overdue, 0);
        done.len() == many + 2
    });
    assert_eq!(stopped.len(), many, "the failing one's incarnations");
}

#[cfg(unix)]
#[test]
fn a_paused_process_has_no_overdue_messages() {
    const CHILD: &str = "OVERDUE_IS_PAUSED";
    const TEST: &str = "overdue::a_paused_process_has_no_overdue_messages";
    if std::env::var_os(CHILD).is_none() {
        let (status, pauses) = crate::processes::child(TEST, CHILD).ends_between_pauses();
        assert!(status.success() && pauses >= 2, "{status} after {pauses} pauses");
        return;
    }
    let system = builder(2).overdue_messages(Duration::from_millis(400), Remedy::Report).build().unwrap();
    let clerk = system.spawn(Clerk::default).unwrap();
    (0..8).for_each(|_| clerk.take(Duration::from_millis(100)).tell().unwrap());
    clerk.file(1).wait().unwrap();
    if system.snapshot().leaks.overdue > 0 {
        std::process::exit(1);
    }
    // What is really overdue is found still.
    clerk.wait().tell().unwrap();
    clerk.file(2).tell().unwrap();
    eventually("it is reported", || system.snapshot().leaks.overdue == 1);
    std::process::exit(0);
}
