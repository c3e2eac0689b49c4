//! What becomes of messages when an incarnation fails: the one in work, and those that are queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actor_core::prelude::*;
use actor_core::{ChildSpec, DeadLetterReason};

use crate::support::{Gate, LIMIT, Log, ON_PURPOSE, eventually, system};

#[derive(Actor)]
struct Shaky {
    log: Log<String>,
    gate: Gate,
    /// How many handlers from now on fail.
    failing: Arc<AtomicU32>,
}

impl Shaky {
    fn try_it(&self) -> bool {
        self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[messages]
impl Shaky {
    #[message(redeliver = 2)]
    fn work(&mut self, job: String, ctx: &mut Context<Self>) -> String {
        self.log.push(format!("{job} in {}", ctx.incarnation()));
        assert!(self.try_it(), "{ON_PURPOSE}");
        format!("{job} done")
    }

    #[message(redeliver = 2)]
    async fn later(&mut self, job: u32, ctx: &mut Context<Self>) -> Result<u32, String> {
        ctx.system().clone().sleep(std::time::Duration::from_millis(1)).await;
        assert!(self.try_it(), "{ON_PURPOSE}");
        if job == 13 { Err("unlucky".to_owned()) } else { Ok(job) }
    }

    #[message(redeliver = 1)]
    fn give_up(&mut self, ctx: &mut Context<Self>) -> u64 {
        if !self.try_it() {
            ctx.fail("given up");
        }
        ctx.incarnation()
    }

    #[message(redeliver = 1, blocking)]
    fn block(&mut self) -> u32 {
        assert!(self.try_it(), "{ON_PURPOSE}");
        7
    }

    #[message]
    fn once(&mut self) {
        assert!(self.try_it(), "{ON_PURPOSE}");
    }

    #[message]
    fn pass(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }
}

struct Setup {
    system: System,
    log: Log<String>,
    gate: Gate,
    failing: Arc<AtomicU32>,
}

impl Setup {
    fn new() -> Setup {
        Setup { system: system(2), log: Log::default(), gate: Gate::default(), failing: Arc::default() }
    }

    fn shaky(&self) -> actor_core::Spawn<Shaky> {
        let (log, gate, failing) = (self.log.clone(), self.gate.clone(), self.failing.clone());
        self.system.actor(move || Shaky { log: log.clone(), gate: gate.clone(), failing: failing.clone() })
    }

    fn fail(&self, handlers: u32) {
        self.failing.store(handlers, Ordering::SeqCst);
    }
}

#[test]
fn a_message_is_delivered_again_before_all_others_and_the_ask_waits() {
    let setup = Setup::new();
    let actor = setup.shaky().spawn().unwrap();
    setup.fail(2);
    for job in ["a", "b"] {
        actor.work(job.to_owned()).tell().unwrap();
    }
    assert_eq!(actor.work("c".to_owned()).within(LIMIT).wait().unwrap(), "c done");
    assert_eq!(setup.log.entries(), ["a in 1", "a in 2", "a in 3", "b in 3", "c in 3"]);
    let stats = actor.mailbox();
    assert_eq!((stats.dead, stats.queued), (0, 0));
    assert_eq!(setup.system.dead_letters().count(), 0);
    setup.fail(2);
    assert_eq!(actor.work("d".to_owned()).within(LIMIT).wait().unwrap(), "d done");
    assert_eq!(setup.failing.load(Ordering::SeqCst), 0, "each message has tries of its own");
}

#[test]
fn after_the_last_try_it_is_a_dead_letter() {
    let setup = Setup::new();
    let actor = setup.shaky().spawn().unwrap();
    let letters = setup.system.dead_letters().subscribe(8);
    setup.fail(3);
    assert!(matches!(actor.work("a".to_owned()).within(LIMIT).wait(), Err(AskError::Lost)));
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert_eq!(letter.message, "work");
    assert!(matches!(letter.reason, DeadLetterReason::HandlerFailed(StopReason::Panicked(_))));
    eventually("it is back", || actor.incarnation().within(LIMIT).wait().unwrap() == 4);
    assert_eq!(actor.mailbox().dead, 1);
    assert_eq!(setup.system.dead_letters().count(), 1);
}

#[test]
fn other_kinds_of_handlers_and_failures() {
    let setup = Setup::new();
    let actor = setup.shaky().spawn().unwrap();
    setup.fail(2);
    assert_eq!(actor.later(1).within(LIMIT).wait().unwrap(), 1);
    setup.fail(1);
    let unlucky = actor.later(13).within(LIMIT).wait();
    assert!(matches!(unlucky, Err(AskError::Failed(why)) if why == "unlucky"), "an Err is a reply");
    setup.fail(1);
    assert_eq!(actor.give_up().within(LIMIT).wait().unwrap(), 5);
    setup.fail(1);
    assert_eq!(actor.block().within(LIMIT).wait().unwrap(), 7);
    assert_eq!(actor.mailbox().dead, 0);
    setup.fail(1);
    assert!(matches!(actor.once().within(LIMIT).wait(), Err(AskError::Lost)), "unless asked for it is lost");
}

#[test]
fn an_actor_that_does_not_come_back_leaves_it_as_a_dead_letter() {
    let setup = Setup::new();
    let actor = setup.shaky().restart(Restart::Temporary).spawn().unwrap();
    let letters = setup.system.dead_letters().subscribe(8);
    setup.fail(1);
    let answer = actor.work("a".to_owned()).within(LIMIT).wait();
    assert!(matches!(answer, Err(AskError::Lost | AskError::Undelivered)), "{answer:?}");
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert!(matches!(letter.reason, DeadLetterReason::HandlerFailed(_)), "{:?}", letter.reason);
    assert_eq!(actor.mailbox().dead, 1);
}

#[test]
fn a_restart_clears_the_queue_if_it_was_asked_for() {
    let setup = Setup::new();
    let actor = setup.shaky().mailbox(64).clear_on_restart().spawn().unwrap();
    let letters = setup.system.dead_letters().subscribe(64);
    actor.pass().tell().unwrap();
    setup.gate.somebody_waits();
    setup.fail(1);
    actor.once().tell().unwrap();
    for _ in 0..10 {
        actor.once().tell().unwrap();
    }
    setup.gate.open();
    eventually("it is back", || actor.incarnation().within(LIMIT).wait().is_ok_and(|number| number == 2));
    let letters: Vec<_> = letters.try_iter().collect();
    assert!(matches!(letters[0].reason, DeadLetterReason::HandlerFailed(_)));
    let cleared = letters.iter().filter(|letter| matches!(letter.reason, DeadLetterReason::Cleared(_)));
    // An incarnation that was asked for in between was cleared too.
    assert!(cleared.count() >= 10);
    let stats = actor.mailbox();
    assert_eq!(stats.queued, 0);
    assert_eq!(stats.dead as usize, letters.len());
}

#[test]
fn a_spec_and_a_type_can_ask_for_it_too() {
    #[derive(Actor)]
    #[actor(clear_on_restart, overflow = "drop_oldest", mailbox = 16)]
    struct Forgetful(Gate, Log<u32>);
    #[messages]
    impl Forgetful {
        #[message]
        fn note(&mut self, number: u32) {
            self.1.push(number);
        }
        #[message]
        fn fail(&mut self, ctx: &mut Context<Self>) {
            self.0.pass();
            ctx.fail("on purpose");
        }
    }
    let system = system(2);
    let (gate, log) = (Gate::default(), Log::default());
    let parts = (gate.clone(), log.clone());
    let child = Child::new(move || Forgetful(parts.0.clone(), parts.1.clone()));
    let spec: ChildSpec = child.spec("forgetful").clear_on_restart();
    system.supervisor().child(spec).start().wait().unwrap();
    let actor = child.get().unwrap();
    actor.fail().tell().unwrap();
    gate.somebody_waits();
    (0..5).for_each(|number| actor.note(number).tell().unwrap());
    gate.open();
    eventually("it is cleared", || actor.mailbox().dead == 6);
    actor.note(7).wait().unwrap();
    assert_eq!(log.entries(), [7]);
}
