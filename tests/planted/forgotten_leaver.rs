//! A room that forgets a leaver: who leaves before the door has let him in is let in afterwards.

use std::collections::BTreeSet;

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::{Outcome, settle};

#[derive(Actor)]
struct Door;

#[messages]
impl Door {
    #[message]
    fn check(&self, who: u8, to: Recipient<RoomAdmit>) {
        let _ = to.tell(RoomAdmit { who });
    }
}

#[derive(Actor)]
struct Room<const PLANTED: bool> {
    door: DoorRef,
    waiting: BTreeSet<u8>,
    members: BTreeSet<u8>,
}

#[messages]
impl<const PLANTED: bool> Room<PLANTED> {
    #[message]
    fn join(&mut self, who: u8, ctx: &mut Context<Self>) {
        self.waiting.insert(who);
        let _ = self.door.check(who, ctx.actor_ref().recipient()).tell();
    }

    #[message]
    fn admit(&mut self, who: u8) {
        if self.waiting.remove(&who) || PLANTED {
            self.members.insert(who);
        }
    }

    #[message]
    fn leave(&mut self, who: u8) {
        self.waiting.remove(&who);
        self.members.remove(&who);
    }

    #[message]
    fn members(&self) -> BTreeSet<u8> {
        self.members.clone()
    }
}

/// Who comes, or goes.
pub(crate) fn programs() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec((0..3_u8, any::<bool>()), 0..12)
}

/// Who has joined, and has not left, is a member.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[(u8, bool)]) -> Outcome {
    let door = sim.spawn(|| Door)?;
    let room = sim.spawn(move || Room::<PLANTED> {
        door: door.clone(),
        waiting: BTreeSet::new(),
        members: BTreeSet::new(),
    })?;
    let mut should = BTreeSet::new();
    for (who, joins) in program {
        if *joins {
            room.join(*who).tell()?;
            should.insert(*who);
        } else {
            room.leave(*who).tell()?;
            should.remove(who);
        }
    }
    settle(sim)?;
    let members = room.members().wait()?;
    if members == should { Ok(()) } else { Err(format!("{members:?} are in, not {should:?}").into()) }
}
