//! A port that outlives its actor's incarnation, with the socket, what is queued, and what has come of a
//! frame.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use actor_core::port::{Again, Drain, Port, Ready, say};
use actor_core::{Context, StopReason};
use tracing::Level;

use super::begin::{boxed, closed};
use super::{ConnectionPort, Held, Phase};
use crate::connection::Connection;
use crate::connection::shared::Shared;

/// Where a port is between two incarnations. The actor's cell has it, and drops it at the actor's end.
pub(super) struct Slot<C: Connection, H>(Mutex<Option<Passed<C, H>>>);

impl<C: Connection, H> Default for Slot<C, H> {
    fn default() -> Self {
        Slot(Mutex::new(None))
    }
}

/// What one incarnation passes on to the next.
struct Passed<C: Connection, H> {
    port: ConnectionPort<C, H>,
    /// How often that may be done again.
    left: u32,
}

/// A port that goes into the slot when it is dropped, unless its connection has ended.
struct Kept<C: Connection, H> {
    passed: Option<Passed<C, H>>,
    slot: Weak<Slot<C, H>>,
}

impl<C: Connection, H: Held> Slot<C, H> {
    pub(super) fn keep(self: &Arc<Self>, port: ConnectionPort<C, H>, left: u32) -> Box<dyn Port<C>> {
        boxed(Kept { passed: Some(Passed { port, left }), slot: Arc::downgrade(self) })
    }

    /// The port of the next incarnation. If nothing was passed on, that of a connection that has ended.
    pub(super) fn next(self: &Arc<Self>, shared: &Arc<Shared>) -> Box<dyn Port<C>> {
        let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Passed { mut port, left }) = passed else {
            return closed::<C, H>(shared);
        };
        say(Level::WARN, || {
            let peer = shared.peer().clone();
            move || tracing::warn!(%peer, left, "a connection goes on with its actor's next incarnation")
        });
        port.resume();
        self.keep(port, left)
    }
}

impl<C: Connection, H> ConnectionPort<C, H> {
    /// The actor is another, and knows nothing of what was flagged, or that the last one has paused.
    fn resume(&mut self) {
        if !matches!(self.phase, Phase::Connecting { .. } | Phase::Fresh | Phase::Resumed(_)) {
            let phase = std::mem::replace(&mut self.phase, Phase::Open);
            self.phase = Phase::Resumed(Box::new(phase));
        }
        self.shared.resume();
        self.shared.set_writable();
        (self.readable, self.to_the_end) = (!self.eof, true);
        self.woken = true;
    }
}

impl<C: Connection, H> Drop for Kept<C, H> {
    fn drop(&mut self) {
        let Some(mut passed) = self.passed.take() else { return };
        let Some(left) = passed.left.checked_sub(1).filter(|_| !passed.port.shared.has_ended()) else {
            return;
        };
        // Without a slot the actor has ended, and the connection ends here.
        let Some(slot) = self.slot.upgrade() else { return };
        passed.left = left;
        *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(passed);
    }
}

impl<C: Connection, H: Held> Port<C> for Kept<C, H> {
    fn ready(&mut self, ready: Ready, actor: &mut C, ctx: &mut Context<C>) -> Again {
        self.passed.as_mut().map_or(Again::No, |passed| passed.port.ready(ready, actor, ctx))
    }

    fn turn_ended(&mut self) {
        if let Some(passed) = &mut self.passed {
            passed.port.turn_ended();
        }
    }

    fn drain(&mut self, ready: Ready, why: &StopReason) -> Drain {
        self.passed.as_mut().map_or(Drain::Done, |passed| passed.port.drain(ready, why))
    }

    fn breaker(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.passed.as_ref()?.port.breaker()
    }
}
