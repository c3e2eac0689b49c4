//! The system lane: nothing that users send can hold up kill and timers, and a full mailbox refuses
//! neither a stop nor a Down, which keep their place in the order.

use std::time::Duration;

use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, Log, eventually, system};

#[derive(Actor)]
#[actor(mailbox = 1000)]
struct Flooded {
    gate: Gate,
    log: Log<&'static str>,
}

#[messages]
impl Flooded {
    #[message]
    fn block(&mut self, other: Option<FloodedRef>, ctx: &mut Context<Self>) {
        ctx.after(Duration::ZERO, FloodedTick);
        if let Some(other) = other {
            ctx.monitor(&other);
        }
        self.gate.pass();
    }

    #[message]
    fn mail(&mut self) {
        self.log.push("mail");
    }

    #[message]
    fn tick(&mut self) {
        self.log.push("tick");
    }

    #[down]
    fn gone(&mut self, _down: Down) {
        self.log.push("down");
    }
}

fn flooded(system: &System) -> (FloodedRef, Gate, Log<&'static str>) {
    let (gate, log) = (Gate::default(), Log::default());
    let (inside, inner) = (gate.clone(), log.clone());
    let flooded = system
        .actor(move || Flooded { gate: inside.clone(), log: inner.clone() })
        .restart(Restart::Temporary)
        .spawn()
        .unwrap();
    (flooded, gate, log)
}

fn fill(flooded: &FloodedRef) {
    while flooded.mail().tell().is_ok() {}
}

#[test]
fn timers_and_downs_come_before_a_full_mailbox() {
    let system = system(2);
    let (flooded_one, gate, log) = flooded(&system);
    let (other, _, _) = flooded(&system);
    flooded_one.block(Some(other.clone())).tell().unwrap();
    gate.somebody_waits();
    other.stop();
    assert!(other.monitor().wait_within(LIMIT).is_some());
    fill(&flooded_one);
    gate.open();
    eventually("everything is handled", || log.len() == 1002);
    let entries = log.entries();
    // The other ended before the mail was told, so its Down comes first; and the mail had all the room
    // there is. The timer was due when the gate opened, and comes when the worker next looks at its
    // timers, not when the mail is through.
    let first = |what| entries.iter().position(|entry| *entry == what).unwrap();
    assert!(first("down") < first("mail"));
    assert!(first("tick") < 900, "the timer came as number {}", first("tick"));
}

#[test]
fn a_kill_does_not_wait_for_the_mail() {
    let system = system(2);
    let (flooded, gate, log) = flooded(&system);
    flooded.block(None).tell().unwrap();
    gate.somebody_waits();
    fill(&flooded);
    flooded.kill();
    gate.open();
    assert!(matches!(flooded.monitor().wait_within(LIMIT).unwrap().reason, StopReason::Killed));
    assert_eq!(log.len(), 0);
    assert_eq!(flooded.mailbox().dead, 1000);
}

#[test]
fn a_stop_gets_through_a_full_mailbox_and_keeps_the_order() {
    let system = system(2);
    let (flooded, gate, log) = flooded(&system);
    flooded.block(None).tell().unwrap();
    gate.somebody_waits();
    fill(&flooded);
    flooded.stop();
    assert!(matches!(flooded.mail().tell(), Err(TellError::Closed(_))), "closed, not full");
    gate.open();
    assert!(matches!(flooded.monitor().wait_within(LIMIT).unwrap().reason, StopReason::Normal));
    assert_eq!(log.entries().iter().filter(|entry| **entry == "mail").count(), 1000);
}
