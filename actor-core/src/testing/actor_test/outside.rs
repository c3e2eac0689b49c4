//! Actors that were spawned by code that is no handler: they are the test's.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cell::{ActorId, Control};
use crate::scheduler::local;
use crate::sync::{Mutex, OnceLock};

/// Keeps them, so that they count as if the test had a ref to each.
#[derive(Default)]
pub(crate) struct Outside(OnceLock<Mutex<BTreeMap<ActorId, Arc<dyn Control>>>>);

impl Outside {
    pub(super) fn begin(&self) {
        self.0.get_or_init(Mutex::default);
    }

    /// An actor is spawned on this thread.
    pub(crate) fn spawned(&self, cell: impl FnOnce() -> Arc<dyn Control>) {
        if let Some(kept) = self.0.get()
            && local::turn_of().is_none()
        {
            let cell = cell();
            kept.lock().insert(cell.id(), cell);
        }
    }

    pub(super) fn has(&self, cell: &Arc<dyn Control>) -> bool {
        self.0.get().is_some_and(|kept| kept.lock().contains_key(&cell.id()))
    }

    /// They have the system, and the system has them.
    pub(super) fn end(&self) {
        let kept = self.0.get().map(|kept| std::mem::take(&mut *kept.lock()));
        drop(kept);
    }
}
