//! What all connections of a server have in common, or those of one client.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ends::Ends;
use super::reason::CloseReason;
use crate::options::Options;

/// Shared by the connections; made once.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) options: Options,
    /// Under a lock, since connections seldom end.
    ends: Mutex<Ends>,
}

impl Common {
    pub(crate) fn new(options: Options) -> Common {
        Common { options, ends: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        // Nothing in here panics half-way through a change.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ends(&self) -> Ends {
        *self.lock()
    }

    pub(super) fn count_lagged(&self, missed: u64) {
        self.lock().lagged += missed;
    }

    pub(super) fn count(&self, why: &CloseReason) {
        self.lock().count(why);
    }
}
