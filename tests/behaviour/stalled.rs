//! Handlers that exceed their actor's limit: the actor goes on without them.

use std::hint::spin_loop;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::observe::{Event, Stall};
use actor_core::prelude::*;
use actor_core::{AskError, DeadLetterReason, System};

use crate::support::{Gate, LIMIT, Log, builder, eventually, system};

const LIMIT_OF_ACTORS: Duration = Duration::from_millis(100);

/// In which incarnation what was handled, or that it has returned.
type Entry = (u64, u64);

/// What a handler waits for that never comes, until the test is over.
#[derive(Clone, Default)]
struct Never {
    over: Arc<AtomicBool>,
    lock: Arc<Mutex<()>>,
    returned: Log<u64>,
}

#[derive(Actor)]
#[actor(mailbox = "unbounded", stall = "100ms")]
struct Worker {
    never: Never,
    log: Log<Entry>,
}

#[messages]
impl Worker {
    #[message]
    fn note(&mut self, number: u64, ctx: &mut Context<Self>) -> u64 {
        self.log.push((ctx.incarnation(), number));
        ctx.incarnation()
    }

    #[message]
    fn spin(&mut self, ctx: &mut Context<Self>) {
        while !self.never.over.load(Ordering::Relaxed) {
            spin_loop();
        }
        self.never.returned.push(ctx.incarnation());
    }

    #[message]
    fn sleep(&mut self) {
        thread::sleep(Duration::from_secs(3600));
    }

    #[message]
    fn read(&mut self, mut from: TcpStream, ctx: &mut Context<Self>) {
        let _ = from.read(&mut [0]);
        self.never.returned.push(ctx.incarnation());
    }

    #[message]
    fn lock(&mut self, ctx: &mut Context<Self>) {
        drop(self.never.lock.lock());
        self.never.returned.push(ctx.incarnation());
    }

    /// On the blocking pool.
    #[message(blocking)]
    fn block(&mut self, gate: Gate, ctx: &mut Context<Self>) {
        gate.pass();
        self.never.returned.push(ctx.incarnation());
    }

    /// Waits for so long, in so many pieces, and not on its thread.
    #[message]
    async fn wait(&mut self, pieces: u32, each: Duration, ctx: &mut Context<Self>) -> u64 {
        for _ in 0..pieces {
            ctx.system().sleep(each).await;
        }
        ctx.incarnation()
    }

    /// Does not come to its first wait.
    #[message]
    async fn spin_and_wait(&mut self, ctx: &mut Context<Self>) {
        while !self.never.over.load(Ordering::Relaxed) {
            spin_loop();
        }
        ctx.system().sleep(Duration::ZERO).await;
    }

    #[stopped]
    fn stopped(&mut self, why: &StopReason, ctx: &mut Context<Self>) {
        if matches!(why, StopReason::Stalled { .. }) {
            self.log.push((ctx.incarnation(), u64::MAX));
        }
    }
}

fn worker(system: &System) -> (WorkerRef, Never, Log<Entry>) {
    let (never, log) = (Never::default(), Log::default());
    let state = (never.clone(), log.clone());
    let spawned = system.spawn(move || Worker { never: state.0.clone(), log: state.1.clone() });
    (spawned.unwrap(), never, log)
}

/// Tells the worker what does not return, and a thousand messages behind it; they are handled in order by the next
/// incarnation. Then `release` releases the first, which changes nothing.
fn goes_on(
    system: &System,
    stall: impl FnOnce(&WorkerRef, &Never) -> thread::JoinHandle<bool>,
    release: Option<impl FnOnce(&Never)>,
) {
    let (worker, never, log) = worker(system);
    let id = worker.id();
    let stalled = stall(&worker, &never);
    for number in 0..1000 {
        worker.note(number).tell().unwrap();
    }
    assert!(stalled.join().unwrap(), "who asked gets `Stalled`");
    eventually("all is handled", || log.len() == 1000);
    assert_eq!(log.entries(), (0..1000).map(|number| (2, number)).collect::<Vec<_>>());
    assert_eq!((worker.note(1000).wait().unwrap(), worker.id()), (2, id));
    let before = worker.mailbox();
    assert_eq!((before.handled, before.dead), (1001, 1), "{before:?}");
    if let Some(release) = release {
        let returned = never.returned.len();
        release(&never);
        eventually("it returns", || never.returned.len() == returned + 1);
        eventually("its thread is free", || system.snapshot().condemned_threads == 0);
    }
    assert_eq!(worker.note(1001).wait().unwrap(), 2);
    assert_eq!(log.len(), 1002);
    assert_eq!(worker.mailbox().handled, before.handled + 1);
}

/// Asks on a thread of its own, and says whether the answer is `Stalled`.
fn asks(
    worker: &WorkerRef,
    ask: impl FnOnce(WorkerRef) -> Result<(), AskError<WorkerSpin>> + Send + 'static,
) -> thread::JoinHandle<bool> {
    let worker = worker.clone();
    let asked = AtomicBool::new(false);
    let asked = Arc::new(asked);
    let asking = asked.clone();
    let thread = thread::spawn(move || {
        asking.store(true, Ordering::Release);
        matches!(ask(worker), Err(AskError::Stalled))
    });
    eventually("it asks", || asked.load(Ordering::Acquire));
    thread
}

/// The same answer, as that of one kind of message.
fn same<M: actor_core::Message>(result: Result<M::Reply, AskError<M>>) -> Result<(), AskError<WorkerSpin>> {
    match result {
        Ok(_) => Ok(()),
        Err(AskError::Stalled) => Err(AskError::Stalled),
        Err(_) => Err(AskError::Lost),
    }
}

/// Waits until the worker handles something, so that what is told next is behind it.
fn is_in_work(worker: &WorkerRef) {
    eventually("it is in work", || worker.mailbox().handled == 1);
}

#[test]
fn an_endless_loop() {
    for workers in [2, 1] {
        let spin = |worker: &WorkerRef, _: &Never| {
            let asking = asks(worker, |worker| same(worker.spin().wait()));
            is_in_work(worker);
            asking
        };
        goes_on(&system(workers), spin, Some(|never: &Never| never.over.store(true, Ordering::Relaxed)));
    }
}

#[test]
fn a_sleep_of_an_hour() {
    for workers in [2, 1] {
        let system = system(workers);
        let sleep = |worker: &WorkerRef, _: &Never| {
            let asking = asks(worker, |worker| same(worker.sleep().wait()));
            is_in_work(worker);
            asking
        };
        goes_on(&system, sleep, None::<fn(&Never)>);
        let report = system.shutdown();
        assert!(report.ended && report.late.is_empty(), "{report}");
        assert_eq!(report.stuck_workers, 1, "its thread is left alone: {report}");
    }
}

#[test]
fn a_read_that_is_never_answered() {
    for workers in [2, 1] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut silent, _) = listener.accept().unwrap();
        let read = move |worker: &WorkerRef, _: &Never| {
            let asking = asks(worker, |worker| same(worker.read(from).wait()));
            is_in_work(worker);
            asking
        };
        goes_on(&system(workers), read, Some(|_: &Never| silent.write_all(b"x").unwrap()));
    }
}

#[test]
fn a_lock_that_is_never_released() {
    for workers in [2, 1] {
        let (held, release) = (Gate::default(), Gate::default());
        let lock = |worker: &WorkerRef, never: &Never| {
            let (lock, held, release) = (never.lock.clone(), held.clone(), release.clone());
            thread::spawn({
                let held = held.clone();
                move || {
                    let _lock = lock.lock().unwrap();
                    held.open();
                    release.pass();
                }
            });
            held.pass();
            let asking = asks(worker, |worker| same(worker.lock().wait()));
            is_in_work(worker);
            asking
        };
        let let_go = release.clone();
        goes_on(&system(workers), lock, Some(move |_: &Never| let_go.open()));
    }
}

#[test]
fn a_blocking_handler_on_the_pool() {
    for workers in [2, 1] {
        // One thread, so that the next blocking handler needs another in its place.
        let system = builder(workers).max_blocking(1).build().unwrap();
        let gate = Gate::default();
        let held = gate.clone();
        let block = |worker: &WorkerRef, _: &Never| {
            let asking = asks(worker, move |worker| same(worker.block(held).wait()));
            gate.somebody_waits();
            asking
        };
        let worker = {
            let (worker, ..) = worker(&system);
            worker
        };
        let open = Gate::default();
        open.open();
        goes_on(
            &system,
            block,
            Some(|_: &Never| {
                worker.block(open).wait().expect("the pool has a thread");
                gate.open();
            }),
        );
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn a_pinned_actor_gets_another_thread() {
    #[derive(Actor)]
    #[actor(stall = "50ms")]
    struct Pinned(Gate);

    #[messages]
    impl Pinned {
        #[message]
        fn block(&mut self) {
            self.0.pass();
        }

        #[message]
        fn thread(&mut self) -> (thread::ThreadId, Option<String>) {
            (thread::current().id(), thread::current().name().map(str::to_owned))
        }
    }

    let system = builder(1).max_pinned(1).build().unwrap();
    let gate = Gate::default();
    let state = gate.clone();
    let pinned = system.actor(move || Pinned(state.clone())).name("alone").pinned().spawn().unwrap();
    let (before, _) = pinned.thread().wait().unwrap();
    assert!(matches!(pinned.block().wait(), Err(AskError::Stalled)));
    let (after, name) = pinned.thread().wait().unwrap();
    assert!(before != after && name.as_deref() == Some("alone"), "{name:?}");
    gate.open();
    eventually("the old thread has ended", || system.snapshot().condemned_threads == 0);
    assert_eq!(pinned.thread().wait().unwrap().0, after);
    assert!(system.shutdown().is_clean());
}

#[test]
fn an_async_handler_that_waits_is_dropped() {
    let system = system(2);
    let (worker, _, log) = worker(&system);
    let events = system.events().subscribe(100);
    let letters = system.dead_letters().subscribe(100);
    let asked = worker.clone();
    let asked = thread::spawn(move || asked.wait(1, Duration::from_secs(3600)).wait());
    eventually("it waits", || worker.mailbox().handled == 1);
    worker.note(1).tell().unwrap();
    assert!(matches!(asked.join().unwrap(), Err(AskError::Stalled)));
    eventually("the next is handled", || log.len() == 2);
    // `#[stopped]` has run, as after a panic.
    assert_eq!(log.entries(), [(1, u64::MAX), (2, 1)]);
    let letter = letters.recv_timeout(LIMIT).unwrap();
    let failed = matches!(letter.reason, DeadLetterReason::HandlerFailed(StopReason::Stalled { limit })
        if limit == LIMIT_OF_ACTORS);
    assert!(failed && letter.message == "wait", "{letter:?}");
    let stall = first_stall(events.try_iter());
    assert_eq!((stall.actor, stall.name, stall.message), (worker.id(), "Worker", Some("wait")));
    assert!(stall.thread.is_none() && stall.took >= LIMIT_OF_ACTORS, "{stall}");
    let now = system.snapshot();
    assert_eq!((now.preemptions.stalled, now.preemptions.condemned, now.condemned_threads), (1, 0, 0));
}

fn first_stall(mut events: impl Iterator<Item = Event>) -> Stall {
    let stall = events.find_map(|event| if let Event::Stalled(stall) = event { Some(stall) } else { None });
    stall.expect("a stall is an event")
}

#[test]
fn all_that_a_message_takes_counts() {
    let system = system(2);
    let (worker, ..) = worker(&system);
    let ms = Duration::from_millis;
    // Each wait is far from the limit, together they exceed it.
    assert!(matches!(worker.wait(100, ms(20)).wait(), Err(AskError::Stalled)));
    assert_eq!(worker.note(0).wait().unwrap(), 2);
    // Messages do not add up.
    for _ in 0..20 {
        assert_eq!(worker.wait(2, ms(10)).wait().unwrap(), 2);
    }
}

#[test]
fn an_async_handler_that_keeps_its_thread_is_condemned() {
    for workers in [2, 1] {
        let system = system(workers);
        let (worker, never, _) = worker(&system);
        assert!(matches!(worker.spin_and_wait().wait(), Err(AskError::Stalled)));
        assert_eq!(worker.note(0).wait().unwrap(), 2);
        assert_eq!(system.snapshot().preemptions.condemned, 1);
        never.over.store(true, Ordering::Relaxed);
        eventually("it has returned", || system.snapshot().condemned_threads == 0);
        assert_eq!(worker.note(0).wait().unwrap(), 2);
        assert!(system.shutdown().is_clean());
    }
}

#[test]
fn what_is_fast_enough_is_left_alone() {
    let system = system(2);
    let (worker, ..) = worker(&system);
    let until = Instant::now() + 5 * LIMIT_OF_ACTORS;
    while Instant::now() < until {
        assert_eq!(worker.note(0).wait().unwrap(), 1);
        assert_eq!(worker.wait(1, Duration::from_millis(1)).wait().unwrap(), 1);
    }
    assert_eq!(system.snapshot().preemptions.stalled, 0);
}

#[test]
fn a_spawn_can_set_the_limit() {
    let system = system(1);
    let (never, log) = (Never::default(), Log::default());
    let patient = system.actor(move || Worker { never: never.clone(), log: log.clone() });
    let patient = patient.stall(Duration::from_secs(3600)).spawn().unwrap();
    assert_eq!(patient.wait(3, LIMIT_OF_ACTORS).wait().unwrap(), 1);
}

#[test]
fn a_start_that_stalls_has_failed() {
    #[derive(Actor)]
    #[actor(stall = "50ms")]
    struct Slow(Gate, bool);

    #[messages]
    impl Slow {
        #[started]
        async fn started(&mut self, ctx: &mut Context<Self>) {
            if self.1 {
                ctx.system().sleep(LIMIT).await;
            }
            self.0.pass();
        }
    }

    let system = system(2);
    for waits in [false, true] {
        let gate = Gate::default();
        let state = gate.clone();
        let error = system.actor(move || Slow(state.clone(), waits)).start().wait().unwrap_err();
        assert!(error.to_string().contains("has not started within 50ms"), "{error}");
        gate.open();
    }
    // In the factory.
    let gate = Gate::default();
    let state = gate.clone();
    let late = move || {
        state.pass();
        Slow(state.clone(), false)
    };
    let error = system.actor(late).start().wait().unwrap_err();
    assert!(error.to_string().contains("has not started within 50ms"), "{error}");
    gate.open();
    eventually("all have returned", || system.snapshot().condemned_threads == 0);
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_stopped_handler_and_a_drop_that_stall_end_all_the_same() {
    #[derive(Actor)]
    #[actor(stall = "50ms")]
    struct Slow(Gate, bool);

    #[messages]
    impl Slow {
        #[stopped]
        fn stopped(&mut self) {
            if !self.1 {
                self.0.pass();
            }
        }
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.pass();
        }
    }

    let system = system(2);
    for in_drop in [false, true] {
        let gate = Gate::default();
        let state = gate.clone();
        let slow = system.actor(move || Slow(state.clone(), in_drop)).start().wait().unwrap();
        let monitor = slow.monitor();
        slow.stop();
        let down = monitor.wait_within(LIMIT).expect("it ends");
        assert!(matches!(down.reason, StopReason::Normal), "{down:?}");
        gate.open();
    }
    eventually("all have returned", || system.snapshot().condemned_threads == 0);
    assert_eq!(system.snapshot().preemptions.condemned, 2);
    assert!(system.shutdown().is_clean());
}
