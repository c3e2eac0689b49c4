use std::sync::mpsc;

use super::*;
use crate::{System, clock};

const LIMIT: Duration = Duration::from_secs(30);

fn limits(threads: usize, queue: usize, idle: Duration) -> Limits {
    Limits { threads, queue, idle }
}

/// A system whose own pool is as said.
fn system(limits: Limits) -> System {
    let system = System::builder().workers(1).max_blocking(limits.threads).blocking_queue(limits.queue);
    system.blocking_idle(limits.idle).build().expect("a system")
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = clock::now() + LIMIT;
    while !condition() {
        assert!(clock::now() < until, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Holds a thread of the pool until the sender that it gives is dropped.
fn hold(system: &System) -> Result<mpsc::Sender<()>, BlockingError> {
    hold_and_say(system, || ())
}

/// The same, and calls `begun` on the thread.
fn hold_and_say(
    system: &System,
    begun: impl FnOnce() + Send + 'static,
) -> Result<mpsc::Sender<()>, BlockingError> {
    let (sender, held) = mpsc::channel::<()>();
    let job = move || {
        begun();
        assert!(held.recv().is_err());
    };
    Pool::run(system, Box::new(job))?;
    Ok(sender)
}

#[test]
fn threads_are_started_on_demand_up_to_the_limit_and_then_jobs_wait_up_to_theirs() {
    let system = system(limits(2, 3, LIMIT));
    let pool = system.blocking_pool();
    assert_eq!(pool.snapshot(), BlockingSnapshot::default());
    let held: Vec<_> = (0..5).map(|_| hold(&system).expect("room")).collect();
    let refused = hold(&system).expect_err("no room");
    assert!(matches!(refused, BlockingError::Full { queue: 3 }), "{refused:?}");
    eventually("both threads are held", || pool.snapshot().queued == 3);
    let now = pool.snapshot();
    assert_eq!((now.threads, now.running, now.idle, now.refused), (2, 2, 0, 1));
    drop(held);
    eventually("all are done", || pool.snapshot().done == 5);
    eventually("both threads are idle", || pool.snapshot().idle == 2);
    assert_eq!(pool.snapshot().threads, 2);
    // An idle thread takes the next: none is started, although there was none waiting.
    drop(hold(&system).expect("room"));
    eventually("it is done", || pool.snapshot().done == 6);
    assert!(system.shutdown().is_clean());
    assert_eq!(pool.snapshot().threads, 0);
}

#[test]
fn idle_threads_end_and_others_come_when_they_are_needed() {
    let system = system(limits(3, 10, Duration::from_millis(1)));
    let pool = system.blocking_pool();
    for round in 1..20 {
        let held: Vec<_> = (0..3).map(|_| hold(&system).expect("room")).collect();
        drop(held);
        eventually("all are done", || pool.snapshot().done == 3 * round);
        if round % 2 == 0 {
            eventually("the threads end", || pool.snapshot().threads == 0);
        }
    }
    assert!(system.shutdown().is_clean());
}

/// Threads that come to their end at the very time that jobs come take those with them.
#[test]
fn no_job_is_lost_between_an_idle_threads_last_look_and_its_end() {
    let system = system(limits(2, usize::MAX, Duration::from_nanos(1)));
    let (sender, received) = mpsc::channel();
    const JOBS: u32 = 20_000;
    for n in 0..JOBS {
        let sender = sender.clone();
        Pool::run(&system, Box::new(move || sender.send(n).expect("it is received"))).expect("room");
        if n % 64 == 0 {
            std::thread::yield_now();
        }
    }
    for _ in 0..JOBS {
        received.recv_timeout(LIMIT).expect("every job runs");
    }
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_closed_pool_drops_what_waits_and_takes_nothing() {
    let system = system(limits(1, 10, LIMIT));
    let (begin, begun) = mpsc::channel();
    let held = hold_and_say(&system, move || begin.send(()).expect("it is waited for")).expect("room");
    begun.recv_timeout(LIMIT).expect("the thread is held");
    let (sender, dropped) = mpsc::channel::<()>();
    Pool::run(&system, Box::new(move || drop(sender))).expect("room");
    let report = system.shutdown();
    assert_eq!(report.stuck_workers, 1, "{report}");
    assert_eq!(dropped.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
    assert!(matches!(hold(&system), Err(BlockingError::Closed)));
    drop(held);
    eventually("the thread ends", || system.blocking_pool().snapshot().threads == 0);
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_unless_there_is_another() {
    let error = || Err(io::Error::other("no thread"));
    let pool = Pool::new(Limits::default());
    let mut state = pool.state.lock();
    let job = || Job::Closure(Box::new(|| {}));
    // Two at a time, of which neither is started: neither relies on the other.
    for _ in 0..2 {
        assert!(matches!(state.place(job(), pool.limits, true), Place::NewThread(_)));
    }
    for _ in 0..2 {
        assert!(matches!(state.add_started(job(), error()), Place::Refused(_, BlockingError::Thread(_))));
    }
    assert_eq!((state.threads, state.starting, state.refused), (0, 0, 2));
    // Two, of which one is started: the other job waits for that one.
    for _ in 0..2 {
        assert!(matches!(state.place(job(), pool.limits, true), Place::NewThread(_)));
    }
    assert!(matches!(state.add_started(job(), Ok(())), Place::Taken));
    assert!(matches!(state.add_started(job(), error()), Place::Taken));
    assert_eq!((state.threads, state.closures), (1, 2));
}

#[test]
fn sysmon_starts_the_thread_that_a_demoted_one_must_not_start() {
    // No closure may wait but for a thread that comes.
    let system = system(limits(1, 0, LIMIT));
    let pool = system.blocking_pool();
    let (sender, ran) = mpsc::channel();
    let job = Job::Closure(Box::new(move || sender.send(()).expect("the test waits")));
    assert!(matches!(pool.state.lock().place(job, pool.limits, false), Place::Wanted));
    system.scheduler().wake_sysmon();
    ran.recv_timeout(LIMIT).expect("a thread has come");
    assert!(!pool.wants_threads());
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_wanted_thread_that_cannot_be_started_is_still_wanted() {
    let pool = Pool::new(limits(1, 0, LIMIT));
    let mut state = pool.state.lock();
    let job = || Job::Closure(Box::new(|| {}));
    assert!(matches!(state.place(job(), pool.limits, false), Place::Wanted));
    assert!(matches!(state.place(job(), pool.limits, false), Place::Refused(_, BlockingError::Full { .. })));
    assert!(state.begin_wanted(pool.limits));
    assert!(state.wanted_started(Err(io::Error::other("no thread"))).is_err());
    assert_eq!((state.threads, state.starting, state.fresh, state.wanted), (0, 0, 0, 1));
    assert!(state.begin_wanted(pool.limits));
    assert!(state.wanted_started(Ok(())).is_ok());
    assert!(!state.begin_wanted(pool.limits));
}
