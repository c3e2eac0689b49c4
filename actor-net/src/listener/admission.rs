//! Who may come in, as the acceptor and the connections of a server share it: the limits, what is
//! counted, and who is told.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actor_core::observe::Topic;
use actor_core::port::{Readiness, Ready, say};
use tracing::Level;

use super::event::ListenerEvent;
use super::limits::{Limit, Limits, Occupancy};
use crate::connection::Held;
use crate::stream::Peer;

/// How long nothing is said aloud after a refusal that was.
const QUIET: Duration = Duration::from_secs(1);

/// One server's.
#[derive(Debug)]
pub(super) struct Admission {
    state: Mutex<State>,
    pub(super) events: Arc<Topic<ListenerEvent>>,
}

/// What the lock protects. It is taken when a connection comes, is past its handshake and goes.
#[derive(Debug)]
struct State {
    occupancy: Occupancy,
    accepted: u64,
    refused: [u64; Limit::ALL],
    /// When a refusal was last said aloud.
    warned: Option<Instant>,
    /// Acceptors that wait for a descriptor.
    waiting: Vec<Readiness>,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Arc<Admission> {
        let state = State {
            occupancy: Occupancy::new(limits),
            accepted: 0,
            refused: [0; Limit::ALL],
            warned: None,
            waiting: Vec::new(),
        };
        Arc::new(Admission { state: Mutex::new(state), events: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self) -> usize {
        self.lock().occupancy.open()
    }

    pub(super) fn handshakes(&self) -> usize {
        self.lock().occupancy.handshakes()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(super) fn refused(&self, limit: Limit) -> u64 {
        self.lock().refused[limit as usize]
    }

    pub(super) fn all_refused(&self) -> u64 {
        self.lock().refused.iter().sum()
    }

    /// Counts a connection in, until what it gives is dropped; `None`, counted and told if it may not. If only the number of
    /// connections is in the way, `evict` may have one go.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: &Peer,
        now: Instant,
        evict: impl FnOnce() -> bool,
    ) -> Option<(Place, Handshake)> {
        let from = peer.ip();
        let mut admitted = self.lock().occupancy.admit(from, now);
        if admitted == Err(Limit::Connections) && self.lock().occupancy.may_evict() && evict() {
            let mut state = self.lock();
            state.occupancy.evicted();
            admitted = state.occupancy.admit(from, now);
        }
        match admitted {
            Ok(()) => {
                let mut state = self.lock();
                state.accepted += 1;
                let from = from.filter(|_| state.occupancy.counts_addresses()).map(Box::new);
                drop(state);
                Some((Place { admission: self.clone(), from }, Handshake(self.clone())))
            }
            Err(limit) => {
                self.refuse(peer.clone(), limit, now);
                None
            }
        }
    }

    /// Wakes an acceptor as soon as a connection has ended.
    pub(super) fn tell_of_room(&self, acceptor: &Readiness) {
        self.lock().waiting.push(acceptor.clone());
    }

    /// Counts a refusal and tells of it.
    pub(super) fn refuse(&self, peer: Peer, limit: Limit, now: Instant) {
        let aloud = {
            let mut state = self.lock();
            state.refused[limit as usize] += 1;
            let quiet = state.warned.is_some_and(|at| now.saturating_duration_since(at) < QUIET);
            if !quiet {
                state.warned = Some(now);
            }
            !quiet
        };
        // Without the lock: what listens to events is foreign code.
        if aloud {
            say(Level::WARN, || {
                let peer = peer.clone();
                move || tracing::warn!(%peer, "refused a connection: {limit}")
            });
        } else {
            tracing::debug!(%peer, "refused a connection: {limit}");
        }
        self.events.publish(|| ListenerEvent::Refused { peer, limit });
    }
}

/// A connection's place among those there may be.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    /// If addresses are counted.
    from: Option<Box<IpAddr>>,
}

impl Held for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.admission.lock();
            state.occupancy.leave(self.from.as_deref().copied());
            std::mem::take(&mut state.waiting)
        };
        for acceptor in waiting {
            acceptor.set(Ready::WAKE);
        }
    }
}

/// A connection's handshake: dropped when that is over, however it ends.
#[derive(Debug)]
pub(crate) struct Handshake(Arc<Admission>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.lock().occupancy.past_handshake();
    }
}
