//! A walk over all actors of a system: over the tables of each supervisor, a few places at a time.

use std::sync::Arc;

use crate::cell::{Cell, Control};
use crate::supervisor::Supervisor;
use crate::supervisor::children::{Children, Picked, Picks};
use crate::system::SystemHandle;

/// How many places of a table are looked at in one hold of its lock.
const AT_A_TIME: usize = 64;

/// Whom a walk leads to. To no supervisor in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    All,
    WithoutSlot,
}

pub(super) struct Walk {
    whom: Whom,
    /// The supervisor whose children are walked over, and those that come after.
    at: Option<Arc<Children>>,
    left: Vec<Arc<Children>>,
    from: Picked,
    picks: Picks,
}

/// What a part of a walk has come to.
pub(super) enum Walked {
    Actor(Arc<dyn Control>),
    /// To no actor so far.
    On,
    End,
}

impl Walk {
    pub(super) fn new(system: &SystemHandle, whom: Whom) -> Walk {
        let at = system.root().and_then(|root| root.cell().children_if_made().cloned());
        Walk { whom, at, left: Vec::new(), from: Picked::default(), picks: Picks::default() }
    }

    /// Goes on to the next actor, or as far as one part goes: there may be many supervisors in between.
    pub(super) fn go_on(&mut self) -> Walked {
        if let Some(actor) = self.picks.actors.pop() {
            return Walked::Actor(actor);
        }
        let Some(children) = &self.at else { return Walked::End };
        match children.pick(self.from, AT_A_TIME, self.whom == Whom::All, &mut self.picks) {
            Some(from) => self.from = from,
            None => (self.at, self.from) = (self.left.pop(), Picked::default()),
        }
        self.left.extend(self.picks.supervisors.drain(..).filter_map(children_of));
        self.picks.actors.pop().map_or(Walked::On, Walked::Actor)
    }
}

fn children_of(supervisor: Arc<dyn Control>) -> Option<Arc<Children>> {
    let supervisor = supervisor.as_any().downcast::<Cell<Supervisor>>().ok()?;
    supervisor.children_if_made().cloned()
}
