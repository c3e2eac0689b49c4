//! What most cells never need: made, in one piece, by the first who does.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cell::line::Line;
use crate::cell::links::Links;
use crate::cell::mailbox::{Signal, Verdict};
use crate::cell::ring::Ring;
use crate::monitor::Watchers;
use crate::scheduler::PinnedThread;
use crate::supervisor::Whereabouts;
use crate::supervisor::children::{Children, Room};
use crate::sync::{AtomicU32, AtomicU64, Mutex, OnceLock};

pub(crate) struct Rare<M> {
    // ---- the mailbox's ---------------------------------------------------------------------------
    pub(super) signals: Mutex<VecDeque<Signal<M>>>,
    pub(super) verdict: Mutex<Option<Verdict>>,
    pub(super) line: Mutex<Line>,
    pub(super) ring: Mutex<Ring<M>>,
    pub(super) rejected: AtomicU64,
    pub(super) dead: AtomicU64,
    /// Messages whose handlers failed.
    pub(super) failed: AtomicU64,
    /// What else was taken out than messages for handlers: Downs, and what a restart has cleared.
    pub(super) others_out: AtomicU64,
    // ---- the cell's ------------------------------------------------------------------------------
    pub(crate) name: OnceLock<Arc<str>>,
    pub(crate) watchers: Mutex<Watchers>,
    pub(super) links: Mutex<Links>,
    /// A supervisor's.
    pub(crate) children: OnceLock<Arc<Children>>,
    /// A supervisor's that has a limit on its children: set before it has begun.
    pub(crate) room: OnceLock<Arc<Room>>,
    /// A pinned actor's: set before its first turn is scheduled.
    pub(crate) pinned: OnceLock<PinnedThread>,
    /// What the actor was at when it was killed for good.
    pub(crate) killed_at: OnceLock<Whereabouts>,
    /// The last incarnation of which a handler was condemned.
    pub(crate) condemned: AtomicU32,
}

impl<M> Default for Rare<M> {
    fn default() -> Self {
        Rare {
            signals: Mutex::default(),
            verdict: Mutex::default(),
            line: Mutex::default(),
            ring: Mutex::default(),
            rejected: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            others_out: AtomicU64::new(0),
            name: OnceLock::new(),
            watchers: Mutex::default(),
            links: Mutex::default(),
            children: OnceLock::new(),
            room: OnceLock::new(),
            pinned: OnceLock::new(),
            killed_at: OnceLock::new(),
            condemned: AtomicU32::new(0),
        }
    }
}
