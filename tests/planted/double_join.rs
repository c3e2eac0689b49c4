//! A double join: it is looked whether somebody is in, then the door is asked, and he may have come twice by then.

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::{Outcome, settle};

#[derive(Actor)]
struct Gate;

#[messages]
impl Gate {
    #[message]
    fn check(&self, who: u8, to: Recipient<ClubAdmit>) {
        let _ = to.tell(ClubAdmit { who });
    }
}

#[derive(Actor)]
struct Club<const PLANTED: bool> {
    gate: GateRef,
    members: Vec<u8>,
}

#[messages]
impl<const PLANTED: bool> Club<PLANTED> {
    #[message]
    fn join(&mut self, who: u8, ctx: &mut Context<Self>) {
        if !self.members.contains(&who) {
            let _ = self.gate.check(who, ctx.actor_ref().recipient()).tell();
        }
    }

    #[message]
    fn admit(&mut self, who: u8) {
        if PLANTED || !self.members.contains(&who) {
            self.members.push(who);
        }
    }

    #[message]
    fn members(&self) -> Vec<u8> {
        self.members.clone()
    }
}

/// Who joins.
pub(crate) fn programs() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..20_u8, 0..12)
}

/// Nobody is in twice.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[u8]) -> Outcome {
    let gate = sim.spawn(|| Gate)?;
    let club = sim.spawn(move || Club::<PLANTED> { gate: gate.clone(), members: Vec::new() })?;
    for who in program {
        club.join(*who).tell()?;
    }
    settle(sim)?;
    let mut members = club.members().wait()?;
    members.sort_unstable();
    match members.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} is in twice", pair[0]).into()),
        None => Ok(()),
    }
}
