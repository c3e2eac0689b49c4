//! Connections move from one worker's driver to another's.
//!
//! Each moves in a turn of its actor's, by its port, so nothing is read or written meanwhile. Where to, it finds out then: the
//! plan only says how many of which driver should.

use actor_core::SystemHandle;

use super::crowd::Crowd;
use super::reason::CloseReason;
use super::shared::Shared;
use crate::driver::{self, Berth};

impl Crowd {
    /// Asks connections of drivers that have too many to move. Says how many.
    pub(crate) fn rebalance(&self, system: &SystemHandle) -> usize {
        let mut surplus = driver::surplus(system);
        if surplus.is_empty() {
            return 0;
        }
        let mut asked = 0;
        for shared in self.connections().iter().filter_map(std::sync::Weak::upgrade) {
            let over = shared.whose().and_then(|whose| surplus.get_mut(&whose)).filter(|over| **over > 0);
            if let Some(over) = over
                && shared.ask_to_move()
            {
                *over -= 1;
                asked += 1;
            }
        }
        asked
    }
}

impl Shared {
    /// Goes to the worker that waits for the fewest, if it was asked to. True if what has come may not be flagged yet.
    pub(super) fn moves(&self, system: &SystemHandle) -> bool {
        if !self.was_asked_to_move() {
            return false;
        }
        // Counted before it is compared, so that many at a time do not all go to the same.
        match Berth::least_loaded(system).and_then(|berth| self.relocate(berth, system)) {
            Ok(moved) => moved,
            Err(error) => {
                self.end(CloseReason::Io { kind: error.kind(), text: error.to_string() });
                false
            }
        }
    }
}
