//! A walk over all actors of a system: down the tree, and over the tables of each supervisor, a few places at a time.

use std::sync::Arc;

use crate::cell::{Cell, Control};
use crate::supervisor::Supervisor;
use crate::supervisor::children::{Children, Picked, Picks};
use crate::system::SystemHandle;

/// How many places of a table are looked at in one hold of its lock.
const AT_A_TIME: usize = 64;

pub(super) struct Walk {
    /// The supervisors whose children are still to be walked over; the last one's are in part.
    left: Vec<Arc<Children>>,
    from: Picked,
    picks: Picks,
}

impl Walk {
    pub(super) fn new(system: &SystemHandle) -> Walk {
        let root = system.root().and_then(|root| root.cell().children_if_made().cloned());
        Walk { left: root.into_iter().collect(), from: Picked::default(), picks: Picks::default() }
    }

    /// The next actor that is no supervisor and has no slot.
    pub(super) fn next(&mut self) -> Option<Arc<dyn Control>> {
        loop {
            if let Some(actor) = self.picks.actors.pop() {
                return Some(actor);
            }
            let children = self.left.last()?.clone();
            match children.pick(self.from, AT_A_TIME, &mut self.picks) {
                Some(from) => self.from = from,
                None => {
                    self.left.pop();
                    self.from = Picked::default();
                    let supervisors = std::mem::take(&mut self.picks.supervisors);
                    self.left.extend(supervisors.into_iter().filter_map(children_of));
                }
            }
        }
    }
}

fn children_of(supervisor: Arc<dyn Control>) -> Option<Arc<Children>> {
    let supervisor = supervisor.as_any().downcast::<Cell<Supervisor>>().ok()?;
    supervisor.children_if_made().cloned()
}
