//! Dead letters: every accepted message that no handler dealt with, with its reason.

use actor_core::prelude::*;
use actor_core::{DeadLetterReason, Overflow};

use crate::support::{Gate, LIMIT, ON_PURPOSE, eventually, system};

#[derive(Actor)]
struct Target {
    gate: Gate,
}

#[messages]
impl Target {
    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn work(&mut self) {}

    #[message]
    fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    fn give_up(&mut self, ctx: &mut Context<Self>) {
        ctx.fail("no way forward");
    }
}

#[test]
fn each_has_its_reason() {
    let system = system(2);
    let letters = system.dead_letters().subscribe(16);
    let gate = Gate::default();
    let inside = gate.clone();
    let target = system
        .actor(move || Target { gate: inside.clone() })
        .name("target")
        .mailbox(2)
        .overflow(Overflow::DropNewest)
        .spawn()
        .unwrap();
    target.block().tell().unwrap();
    gate.somebody_waits();
    target.crash().tell().unwrap();
    target.give_up().tell().unwrap();
    target.work().tell().unwrap();
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert_eq!((letter.path.as_str(), letter.message), ("/target", "work"));
    assert!(matches!(letter.reason, DeadLetterReason::MailboxFull));

    gate.open();
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert_eq!(letter.message, "crash");
    assert!(
        matches!(&letter.reason, DeadLetterReason::HandlerFailed(StopReason::Panicked(why)) if why.to_string() == ON_PURPOSE)
    );
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert_eq!(letter.message, "give_up");
    assert_eq!(letter.reason.to_string(), "its handler failed (failed: no way forward)");
    eventually("they are counted", || system.dead_letters().count() == 3);
}

#[test]
fn what_is_left_when_the_actor_ends() {
    let system = system(2);
    let letters = system.dead_letters().subscribe(16);
    let gate = Gate::default();
    let inside = gate.clone();
    let spawn = system.actor(move || Target { gate: inside.clone() });
    let target = spawn.restart(Restart::Temporary).spawn().unwrap();
    target.block().tell().unwrap();
    gate.somebody_waits();
    target.work().tell().unwrap();
    target.kill();
    gate.open();
    let letter = letters.recv_timeout(LIMIT).unwrap();
    assert!(matches!(letter.reason, DeadLetterReason::Stopped(StopReason::Killed)), "{letter:?}");
}

#[test]
fn a_subscriber_that_does_not_read_holds_nobody_up() {
    let system = system(2);
    let letters = system.dead_letters().subscribe(2);
    let target = system.spawn(|| Target { gate: Gate::default() }).unwrap();
    for _ in 0..5 {
        target.crash().tell().unwrap();
    }
    eventually("all are counted", || system.dead_letters().count() == 5);
    eventually("the rest is missed", || system.dead_letters().missed() == 3);
    assert_eq!(letters.len(), 2);
}
