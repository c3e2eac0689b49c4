//! The invariants that hold whatever happens: each sender's order, and every message's account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use actor_core::prelude::*;
use actor_core::{Overflow, System};
use proptest::prelude::*;

use crate::support::{LIMIT, Log, ON_PURPOSE, eventually, system};

/// What one sender did, by number.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    sender: usize,
    number: u32,
}

#[derive(Actor)]
struct Recorder {
    log: Log<Mark>,
    failed: Arc<AtomicU64>,
}

#[messages]
impl Recorder {
    #[message]
    fn note(&mut self, mark: Mark) {
        self.log.push(mark);
    }

    #[message]
    async fn note_slowly(&mut self, mark: Mark, ctx: &mut Context<Self>) {
        ctx.system().sleep(std::time::Duration::ZERO).await;
        yield_once().await;
        self.log.push(mark);
    }

    #[message]
    fn crash(&mut self, mark: Mark) {
        self.log.push(mark);
        self.failed.fetch_add(1, Ordering::Relaxed);
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn fail(&mut self, mark: Mark, ctx: &mut Context<Self>) {
        self.log.push(mark);
        self.failed.fetch_add(1, Ordering::Relaxed);
        ctx.fail(ON_PURPOSE);
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Tell,
    TellSlow,
    Send,
    Ask,
    Crash,
    Fail,
    Kill,
    Stop,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => Just(Act::Tell),
        5 => Just(Act::TellSlow),
        5 => Just(Act::Send),
        5 => Just(Act::Ask),
        2 => Just(Act::Crash),
        1 => Just(Act::Fail),
        1 => Just(Act::Kill),
        1 => Just(Act::Stop),
    ]
}

#[derive(Clone, Debug)]
struct Plan {
    mailbox: usize,
    overflow: Overflow,
    restart: Restart,
    /// For each sender, what it does to which actor.
    senders: Vec<Vec<(usize, Act)>>,
}

const ACTORS: usize = 3;

fn plan() -> impl Strategy<Value = Plan> {
    let sender = prop::collection::vec((0..ACTORS, act()), 1..60);
    let overflow = prop_oneof![
        Just(Overflow::Reject),
        Just(Overflow::Wait),
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest)
    ];
    let restart = prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    (1usize..20, overflow, restart, prop::collection::vec(sender, 1..4))
        .prop_map(|(mailbox, overflow, restart, senders)| Plan { mailbox, overflow, restart, senders })
}

struct Subject {
    actor: RecorderRef,
    log: Log<Mark>,
    failed: Arc<AtomicU64>,
}

fn subject(system: &System, plan: &Plan) -> Subject {
    let (log, failed) = (Log::default(), Arc::new(AtomicU64::new(0)));
    let (inside, count) = (log.clone(), failed.clone());
    let actor = system
        .actor(move || Recorder { log: inside.clone(), failed: count.clone() })
        .mailbox(plan.mailbox)
        .overflow(plan.overflow)
        .restart(plan.restart)
        .spawn()
        .unwrap();
    Subject { actor, log, failed }
}

/// Does one act; true if the mailbox took a message.
fn perform(actor: &RecorderRef, act: Act, mark: Mark) -> bool {
    match act {
        Act::Tell => actor.note(mark).tell().is_ok(),
        Act::TellSlow => actor.note_slowly(mark).tell().is_ok(),
        Act::Send => actor.note(mark).send().wait().is_ok(),
        Act::Ask => match actor.note(mark).within(LIMIT).wait() {
            Ok(()) | Err(AskError::Undelivered | AskError::Lost) => true,
            Err(AskError::Full(_) | AskError::Closed(_)) => false,
            Err(other) => panic!("an ask ended with {other:?}"),
        },
        Act::Crash => actor.crash(mark).tell().is_ok(),
        Act::Fail => actor.fail(mark).tell().is_ok(),
        Act::Kill => {
            actor.kill();
            false
        }
        Act::Stop => {
            actor.stop();
            false
        }
    }
}

fn check(plan: &Plan, workers: usize) -> Result<(), TestCaseError> {
    let system = system(workers);
    let letters = system.dead_letters().subscribe(100_000);
    let subjects: Vec<_> = (0..ACTORS).map(|_| subject(&system, plan)).collect();
    let accepted: Vec<_> = (0..ACTORS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for (sender, acts) in plan.senders.iter().enumerate() {
            let (subjects, accepted) = (&subjects, &accepted);
            scope.spawn(move || {
                for (number, (to, act)) in acts.iter().enumerate() {
                    let mark = Mark { sender, number: number as u32 };
                    if perform(&subjects[*to].actor, *act, mark) {
                        accepted[*to].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for subject in &subjects {
        eventually("the mailbox is empty", || subject.actor.mailbox().queued == 0);
    }
    prop_assert!(system.shutdown().is_clean());

    let mut dead = 0;
    for (subject, accepted) in subjects.iter().zip(&accepted) {
        let stats = subject.actor.mailbox();
        let (seen, failed) = (subject.log.entries(), subject.failed.load(Ordering::Relaxed));
        prop_assert_eq!(stats.queued, 0);
        prop_assert_eq!(stats.accepted, accepted.load(Ordering::Relaxed), "{:?}", stats);
        prop_assert_eq!(stats.accepted, stats.handled + stats.dead, "{:?}", stats);
        // What handlers saw is what was handled, plus what they failed on.
        prop_assert_eq!(seen.len() as u64, stats.handled + failed, "{:?}", stats);
        dead += stats.dead;
        for sender in 0..plan.senders.len() {
            let numbers: Vec<_> = seen.iter().filter(|m| m.sender == sender).map(|m| m.number).collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b), "sender {}: {:?}", sender, numbers);
        }
    }
    prop_assert_eq!(system.dead_letters().count(), dead);
    prop_assert_eq!(letters.len() as u64, dead);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_account_hold_with_2_workers(plan in plan()) {
        check(&plan, 2)?;
    }

    #[test]
    fn order_and_account_hold_with_8_workers(plan in plan()) {
        check(&plan, 8)?;
    }
}
