//! What all connections of a server have in common, or those of one client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actor_core::port;

use super::crowd::Crowd;
use super::ends::Ends;
use super::evicting::{Evicting, Load};
use super::reason::CloseReason;
use crate::options::Options;

/// Shared by the connections; made once.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) options: Options,
    /// Under a lock, since connections seldom end.
    ends: Mutex<Ends>,
    pub(crate) crowd: Crowd,
    /// If some may have to go for others.
    pub(super) evicting: Option<Evicting>,
    /// When it was made.
    origin: Instant,
    /// Some were asked to move to another worker, ever.
    pub(super) has_moved: AtomicBool,
    /// Nothing new is to be begun.
    draining: AtomicBool,
}

impl Common {
    pub(crate) fn new(options: Options, evicting: Option<Evicting>) -> Common {
        Common {
            options,
            ends: Mutex::default(),
            crowd: Crowd::default(),
            evicting,
            origin: port::now(),
            has_moved: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// Has a connection go that is in the way, if the policy has one. Not under a lock of a connection's.
    pub(crate) fn evict(&self, load: Load) -> bool {
        self.evicting.as_ref().is_some_and(|evicting| evicting.evict(load, &self.crowd))
    }

    /// The time in milliseconds. What is 49 days ago is taken for now.
    pub(super) fn millis(&self) -> u32 {
        port::now().saturating_duration_since(self.origin).as_millis() as u32
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        // Nothing in here panics half-way through a change.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ends(&self) -> Ends {
        *self.lock()
    }

    pub(crate) fn is_draining(&self) -> bool {
        // Relaxed: who is told of it is flagged afterwards, and looks then.
        self.draining.load(Ordering::Relaxed)
    }

    /// Has all finish what is in flight, and waits for that. Says how long that took.
    pub(crate) fn drain(&self, limit: Duration) -> Duration {
        // Relaxed: as above.
        self.draining.store(true, Ordering::Relaxed);
        self.crowd.drain(limit)
    }

    pub(super) fn count_lagged(&self, missed: u64) {
        self.lock().lagged += missed;
    }

    pub(super) fn count(&self, why: &CloseReason) {
        self.lock().count(why);
    }
}
