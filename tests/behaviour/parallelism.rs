//! Parallelism that changes while the system runs: nothing is lost, and no more workers run actors than wanted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use actor_core::{ParallelismError, prelude::*};

use crate::support::{Log, builder, eventually, patient, system};

/// Tells on what it is told, so that work comes from workers as well as from outside.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Relay {
    to: ReceiverRef,
}

#[messages]
impl Relay {
    #[message]
    fn relay(&mut self, sender: usize, number: u64) {
        self.to.take(sender, number).tell().unwrap();
    }
}

#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Receiver {
    /// The last number of each sender.
    last: Vec<u64>,
    handling: Arc<AtomicUsize>,
}

#[messages]
impl Receiver {
    #[message]
    fn take(&mut self, sender: usize, number: u64) {
        self.handling.fetch_add(1, Ordering::Relaxed);
        assert_eq!(number, self.last[sender] + 1, "each message of sender {sender} once, in its order");
        self.last[sender] = number;
    }

    #[message]
    fn last_of(&mut self, sender: usize) -> u64 {
        self.last[sender]
    }
}

const SENDERS: usize = 4;
const PAIRS: usize = 24;

/// Tells all relays until `done` is set; waits now and then, so that no mailbox grows without end. Gives the last
/// number.
fn keep_sending(sender: usize, pairs: &[(RelayRef, ReceiverRef)], done: &AtomicBool) -> u64 {
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        for _ in 0..4 {
            number += 1;
            for (relay, _) in pairs {
                relay.relay(sender, number).tell().unwrap();
            }
        }
        // An answer is a wake-up too that must not be lost.
        for (_, receiver) in pairs.iter().skip(sender).step_by(SENDERS) {
            receiver.last_of(sender).wait().unwrap();
        }
    }
    number
}

#[test]
fn nothing_is_lost_while_the_parallelism_changes_a_thousand_times() {
    let system = system(1);
    let (handled, done) = (Arc::<AtomicUsize>::default(), AtomicBool::new(false));
    let pairs: Vec<_> = (0..PAIRS)
        .map(|_| {
            let handling = handled.clone();
            let receiver = move || Receiver { last: vec![0; SENDERS], handling: handling.clone() };
            let receiver = system.spawn(receiver).unwrap();
            let to = receiver.clone();
            (system.spawn(move || Relay { to: to.clone() }).unwrap(), receiver)
        })
        .collect();
    let sent: Vec<u64> = std::thread::scope(|scope| {
        let senders = [0, 1, 2, 3].map(|sender| {
            let (pairs, done) = (&pairs, &done);
            scope.spawn(move || keep_sending(sender, pairs, done))
        });
        for _ in 0..1000 {
            let before = handled.load(Ordering::Relaxed);
            for parallelism in [1, 8, 2] {
                system.set_parallelism(parallelism).unwrap();
                assert_eq!(system.parallelism(), parallelism);
            }
            // Under load: the next change comes when the workers have got somewhere after this one.
            eventually("more is handled", || handled.load(Ordering::Relaxed) > before);
        }
        done.store(true, Ordering::Relaxed);
        senders.map(|sender| sender.join().unwrap()).into()
    });
    let all = sent.iter().sum::<u64>() * PAIRS as u64;
    eventually("all is handled", || handled.load(Ordering::Relaxed) as u64 == all);
    for (_, receiver) in &pairs {
        for (sender, sent) in sent.iter().enumerate() {
            assert_eq!(receiver.last_of(sender).wait().unwrap(), *sent);
        }
    }
    assert_eq!(system.workers(), 8);
    assert!(system.shutdown().is_clean());
}

/// Notes on which thread it runs.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Visitor {
    threads: Log<String>,
    rang: Arc<AtomicUsize>,
}

#[messages]
impl Visitor {
    #[message]
    fn visit(&mut self) {
        self.threads.push(std::thread::current().name().unwrap_or_default().to_owned());
        std::thread::yield_now();
    }

    /// Arms a timer, on a worker that no other who comes to the barrier has.
    #[message]
    fn arm(&mut self, barrier: Arc<Barrier>, ctx: &mut Context<Self>) {
        ctx.after(Duration::from_millis(20), VisitorRing {});
        barrier.wait();
    }

    #[message]
    fn hold(&mut self, arrived: Arc<Barrier>, go: Arc<Barrier>) {
        arrived.wait();
        go.wait();
    }

    #[message]
    fn ring(&mut self) {
        self.visit();
        // Last: who sees it counted sees the visit in the log. Release, pairs with the wait for all that have rung.
        self.rang.fetch_add(1, Ordering::Release);
    }
}

fn visitors(system: &System, count: usize) -> (Vec<VisitorRef>, Log<String>, Arc<AtomicUsize>) {
    let (threads, rang) = (Log::default(), Arc::<AtomicUsize>::default());
    let spawn = || {
        let (threads, rang) = (threads.clone(), rang.clone());
        system.spawn(move || Visitor { threads: threads.clone(), rang: rang.clone() }).unwrap()
    };
    ((0..count).map(|_| spawn()).collect(), threads, rang)
}

/// All visit; on which threads?
fn threads_of_a_visit(visitors: &[VisitorRef], threads: &Log<String>) -> Vec<String> {
    let before = threads.len();
    for visitor in visitors {
        visitor.visit().tell().unwrap();
    }
    // Or more: timers that were armed before make visits too.
    eventually("all have visited", || threads.len() >= before + visitors.len());
    threads.entries().split_off(before)
}

/// Longer than any turn here takes, and not so long that it means nobody minds.
const LONG: Duration = Duration::from_millis(900);

#[test]
fn retired_workers_run_no_actors_and_come_back() {
    // No worker is taken over, so that threads can be told by their names; there may be a courier beside them, but not
    // while any is retired.
    let system = builder(4).name("coming").soft_quantum(LONG).hard_quantum(LONG).build().unwrap();
    let (visitors, threads, _) = visitors(&system, 200);
    for _ in 0..5 {
        system.set_parallelism(1).unwrap();
        let only_the_first =
            || threads_of_a_visit(&visitors, &threads).iter().all(|thread| thread == "coming-0");
        eventually("the others have retired", only_the_first);
        assert!(only_the_first());
        system.set_parallelism(4).unwrap();
        // Opens only if four run at a time.
        let barrier = Arc::new(Barrier::new(4));
        for visitor in &visitors[..4] {
            visitor.arm(barrier.clone()).tell().unwrap();
        }
        for visitor in &visitors[..4] {
            visitor.visit().wait().unwrap();
        }
    }
}

#[test]
fn timers_of_retired_workers_ring() {
    const WORKERS: usize = 6;
    let system = system(WORKERS);
    let (visitors, threads, rang) = visitors(&system, WORKERS);
    let barrier = Arc::new(Barrier::new(WORKERS));
    for visitor in &visitors {
        visitor.arm(barrier.clone()).tell().unwrap();
    }
    for visitor in &visitors {
        visitor.visit().wait().unwrap();
    }
    system.set_parallelism(1).unwrap();
    eventually("all have rung", || rang.load(Ordering::Acquire) == WORKERS);
    assert_eq!(threads.len(), 2 * WORKERS);
}

#[test]
fn a_worker_held_up_by_a_handler_retires_after_it() {
    let system = system(2);
    let (visitors, threads, _) = visitors(&system, 3);
    let (arrived, go) = (Arc::new(Barrier::new(3)), Arc::new(Barrier::new(3)));
    for visitor in &visitors[..2] {
        visitor.hold(arrived.clone(), go.clone()).tell().unwrap();
    }
    arrived.wait();
    // Both workers are held up, and behind them there is work.
    system.set_parallelism(1).unwrap();
    visitors[2].visit().tell().unwrap();
    assert_eq!(threads.len(), 0);
    go.wait();
    eventually("it has visited", || threads.len() >= 1);
    assert!(system.shutdown().is_clean());
}

#[test]
fn what_is_out_of_range_is_refused_with_the_limit() {
    let system = System::builder().workers(2).max_workers(3).build().unwrap();
    for asked in [0, 4, usize::MAX] {
        let error = system.set_parallelism(asked).unwrap_err();
        assert!(matches!(error, ParallelismError::OutOfRange { max: 3, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&asked.to_string()) && text.contains("1 to 3"), "{text}");
    }
    assert_eq!(system.parallelism(), 2);
    system.set_parallelism(3).unwrap();
    let error = System::builder().workers(2).max_workers(1).build().unwrap_err();
    assert!(error.to_string().contains("begins with 2"), "{error}");
    system.shutdown();
    assert!(matches!(system.set_parallelism(1), Err(ParallelismError::Ended)));
}

#[test]
fn retired_workers_do_not_hold_up_the_end() {
    let system = system(8);
    system.set_parallelism(1).unwrap();
    let report = system.shutdown();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn blocked_handlers_get_more_workers_if_the_parallelism_is_automatic() {
    let system = patient(2).max_workers(9).automatic_parallelism(1).build().unwrap();
    let (visitors, ..) = visitors(&system, 4);
    for round in 0..3 {
        system.set_parallelism(2).unwrap();
        // Opens only if four run at a time.
        let barrier = Arc::new(Barrier::new(4));
        for visitor in &visitors {
            visitor.arm(barrier.clone()).tell().unwrap();
        }
        for visitor in &visitors {
            visitor.visit().wait().unwrap();
        }
        let parallelism = system.parallelism();
        // Later, a worker that is about to retire may take a visitor before it does: then fewer are enough.
        let least = if round == 0 { 4 } else { 2 };
        assert!((least..=9).contains(&parallelism), "{parallelism} in round {round}");
    }
    assert!(system.shutdown().is_clean());
    let error = System::builder().workers(2).automatic_parallelism(3).build().unwrap_err();
    assert!(error.to_string().contains("1 to 2"), "{error}");
}
