//! Who is told of an actor's end: the list of its watchers, against the end.
//!
//! A watcher enters the list first and marks the actor as watched then; who ends the actor marks it as
//! ended first and looks at the list then. Both marks are in one word, the control word, so one of the two
//! sees the other's. If both do, the lock of the list decides: each watcher is taken out of it once.

#[cfg(all(test, loom))]
mod model;

use std::collections::BTreeMap;

use crate::cell::control::Done;
use crate::cell::mailbox::Mailbox;
use crate::monitor::{MonitorId, Watcher};
use crate::reason::StopReason;

impl<M> Mailbox<M> {
    /// Adds a watcher. If it comes too late to be told by who ends the actor, it is given back, with why the
    /// actor has ended: the caller tells it.
    pub(super) fn watch(&self, monitor: MonitorId, watcher: Watcher) -> Option<(Watcher, StopReason)> {
        #[cfg(feature = "sim")]
        crate::sim::seam::watches(monitor);
        let watchers = &self.rare().watchers;
        watchers.lock().list.insert(monitor, watcher);
        let done = self.mark_watched()?;
        // It has ended: either the one who ended it has seen this watcher, and tells it, or it is still
        // in the list.
        let missed = watchers.lock().take(monitor)?;
        Some((missed, self.reason(done)))
    }

    /// Takes a watcher out, if it is still there, to be dropped without the lock.
    pub(super) fn unwatch(&self, monitor: MonitorId) -> Option<Watcher> {
        let watcher = self.rare_if_made()?.watchers.lock().take(monitor);
        #[cfg(feature = "sim")]
        if watcher.is_some() {
            crate::sim::seam::forgets(monitor);
        }
        watcher
    }

    /// Marks the actor as ended, for `reason`; gives out the watchers, if there are any, for the caller to tell them.
    pub(super) fn end_watches(&self, reason: &StopReason) -> Option<BTreeMap<MonitorId, Watcher>> {
        let done = Done::of(reason);
        if done == Done::Other {
            self.rare().watchers.lock().why = Some(reason.clone());
        }
        self.mark_done(done).then(|| std::mem::take(&mut self.rare().watchers.lock().list))
    }

    /// Why the actor has ended.
    pub(super) fn reason(&self, done: Done) -> StopReason {
        match done {
            Done::As(asked) => asked.into(),
            Done::Other => self.rare().watchers.lock().why.clone().expect("noted before it was done"),
        }
    }
}
