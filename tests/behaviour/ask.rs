//! An ask always ends: with a reply, or with an error that says how it went.

use std::time::{Duration, Instant};

use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, ON_PURPOSE, system};

#[derive(Actor)]
struct Oracle {
    gate: Gate,
    kept: Vec<Reply<u32>>,
}

#[derive(Debug, PartialEq)]
struct Unknown(u32);

#[messages]
impl Oracle {
    #[message]
    fn answer(&mut self, question: u32) -> u32 {
        question + 1
    }

    #[message]
    fn doubt(&mut self, question: u32) -> Result<u32, Unknown> {
        Err(Unknown(question))
    }

    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }

    #[message]
    fn drop_it(&mut self, reply: Reply<u32>) {
        drop(reply);
    }

    #[message]
    fn release(&mut self) {
        for reply in self.kept.drain(..) {
            reply.send(7);
        }
    }

    #[message]
    fn crash(&mut self) -> u32 {
        panic!("{ON_PURPOSE}")
    }
}

fn oracle(system: &System) -> (OracleRef, Gate) {
    let gate = Gate::default();
    let inside = gate.clone();
    let oracle = system.spawn(move || Oracle { gate: inside.clone(), kept: Vec::new() }).unwrap();
    (oracle, gate)
}

#[test]
fn a_reply_and_a_handlers_error() {
    let system = system(2);
    let (oracle, _) = oracle(&system);
    assert_eq!(oracle.answer(1).wait().unwrap(), 2);
    assert_eq!(pollster::block_on(async { oracle.answer(2).await }).unwrap(), 3);
    assert_eq!(oracle.doubt(5).wait().unwrap_err().into_failed(), Some(Unknown(5)));
    assert!(oracle.is_alive(), "an error is a reply, not a crash");
}

#[test]
fn a_deferred_reply_comes_when_the_actor_likes() {
    let system = system(2);
    let (oracle, _) = oracle(&system);
    let asking = oracle.clone();
    let asker = std::thread::spawn(move || asking.keep().wait());
    crate::support::eventually("the ask is in", || oracle.mailbox().handled == 1);
    oracle.release().tell().unwrap();
    assert_eq!(asker.join().unwrap().unwrap(), 7);
}

#[test]
fn a_dead_actor_gives_the_question_back() {
    let system = system(2);
    let (oracle, _) = oracle(&system);
    oracle.stop();
    assert!(oracle.monitor().wait_within(LIMIT).is_some());
    match oracle.answer(41).wait() {
        Err(AskError::Closed(message)) => assert_eq!(message.question, 41),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_actor_that_dies_with_the_ask_in_its_mailbox_has_not_handled_it() {
    let system = system(2);
    let gate = Gate::default();
    let inside = gate.clone();
    let spawn = system.actor(move || Oracle { gate: inside.clone(), kept: Vec::new() });
    let oracle = spawn.restart(Restart::Temporary).spawn().unwrap();
    oracle.block().tell().unwrap();
    gate.somebody_waits();
    let asking = oracle.clone();
    let asker = std::thread::spawn(move || asking.answer(1).wait());
    crate::support::eventually("the ask is queued", || oracle.mailbox().queued == 1);
    oracle.kill();
    gate.open();
    assert!(matches!(asker.join().unwrap(), Err(AskError::Undelivered)));
}

#[test]
fn a_dropped_reply_is_lost() {
    let system = system(2);
    let (oracle, _) = oracle(&system);
    assert!(matches!(oracle.drop_it().wait(), Err(AskError::Lost)));
    assert!(matches!(oracle.crash().wait(), Err(AskError::Lost)), "a panic may have come after any effect");
}

#[test]
fn a_deadline_ends_the_wait_on_a_thread_and_in_an_executor() {
    let system = system(2);
    let (oracle, _) = oracle(&system);
    let start = Instant::now();
    let limit = Duration::from_millis(20);
    assert!(matches!(oracle.keep().within(limit).wait(), Err(AskError::TimedOut)));
    assert!(matches!(
        pollster::block_on(async { oracle.keep().within(limit).await }),
        Err(AskError::TimedOut)
    ));
    assert!(start.elapsed() >= 2 * limit);
    oracle.release().wait().unwrap();
}

#[test]
fn a_full_mailbox_gives_the_question_back() {
    let system = system(2);
    let gate = Gate::default();
    let inside = gate.clone();
    let oracle =
        system.actor(move || Oracle { gate: inside.clone(), kept: Vec::new() }).mailbox(1).spawn().unwrap();
    oracle.block().tell().unwrap();
    gate.somebody_waits();
    oracle.answer(1).tell().unwrap();
    match oracle.answer(2).wait() {
        Err(AskError::Full(message)) => assert_eq!(message.question, 2),
        other => panic!("{other:?}"),
    }
    gate.open();
}

#[derive(Actor)]
struct Waiter {
    oracle: OracleRef,
}

#[messages]
impl Waiter {
    #[message]
    fn ask_waiting(&mut self) -> bool {
        matches!(self.oracle.answer(1).wait(), Err(AskError::Deadlock(_)))
    }

    #[message]
    fn send_waiting(&mut self) -> bool {
        matches!(self.oracle.answer(1).send().wait(), Err(SendError::Deadlock(_)))
    }

    #[message]
    async fn ask_awaiting(&mut self) -> Result<u32, String> {
        self.oracle.answer(1).await.map_err(|error| error.to_string())
    }
}

#[test]
fn waiting_on_a_worker_is_an_error_and_awaiting_is_not() {
    let system = system(1);
    let (oracle, _) = oracle(&system);
    let waiter = system.spawn(move || Waiter { oracle: oracle.clone() }).unwrap();
    assert!(waiter.ask_waiting().wait().unwrap());
    assert!(waiter.send_waiting().wait().unwrap());
    assert_eq!(waiter.ask_awaiting().wait().unwrap(), 2);
}
