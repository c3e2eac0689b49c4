//! The port: an external source of events that is bound to one actor.
//!
//! Readiness is a flag in the actor's cell, not a message: the source's driver sets it, the actor
//! is scheduled, and in the actor's own turn the port reads its source and calls the actor's
//! methods directly. No mailbox hop, no allocation per event, and a full mailbox does not delay it.

use std::time::{Duration, Instant};

use crate::actor::Messages;
use crate::context::Context;
pub use crate::log::say;
use crate::reason::StopReason;
use crate::scheduler::stalls;

/// An external source bound to an actor. Core runs its methods in the actor's turns only, never
/// while a handler (an async one included) is in work.
pub trait Port<A: Messages>: Send + 'static {
    /// Something in `ready` was flagged since the last call. Works within a budget of its own
    /// choosing; [`Again::Yes`] asks for another call in a later turn with the same flags.
    ///
    /// A panic in here fails the incarnation, as a panic in a handler does.
    fn ready(&mut self, ready: Ready, actor: &mut A, ctx: &mut Context<A>) -> Again;

    /// The turn is over: the place to hand on what the handlers of this turn have written.
    /// Called once at the end of each turn, also when an async handler stays pending; that is why
    /// it cannot have the actor. A port that finds it must tell the actor something flags itself
    /// with [`Ready::WAKE`].
    fn turn_ended(&mut self);

    /// The actor has run `#[stopped]` because of `why`: finish what is under way.
    /// Called again whenever something is flagged, until it says [`Drain::Done`]; a kill ends it
    /// early by dropping the port. The actor's state is still there, so handles that it owns work.
    fn drain(&mut self, ready: Ready, why: &StopReason) -> Drain;

    /// What ends the source at once, from any thread, while [`ready`](Self::ready) does not return: called if the handler
    /// in it is condemned. The port itself is dropped on its thread, if that ever comes back. Asked for once.
    fn breaker(&self) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}

/// Whether the handler that runs on this thread was [condemned](crate::Spawn::stall). What a port's handles do for it
/// must not take effect then.
#[must_use]
pub fn is_condemned() -> bool {
    stalls::condemned()
}

/// The time by which timers of ports go.
#[must_use]
pub fn now() -> Instant {
    crate::clock::now()
}

/// A reading of a clock that is cheap to look at and ticks every few milliseconds: as long as it is the same, so much time at
/// most has passed. For ports that note with each event when it was.
#[must_use]
pub fn ticks() -> u64 {
    crate::clock::coarse()
}

/// Whether a port has more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The budget ended before the work did.
    Yes,
    /// Nothing to do until the next flag.
    No,
}

/// How far a port has come with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Nothing is left; the port may be dropped.
    Done,
    /// Call again when something is flagged.
    Wait,
}

/// A set of readiness flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ready(u8);

impl Ready {
    /// Nothing.
    pub const NONE: Ready = Ready(0);
    /// There may be something to read, an end of stream included.
    pub const READABLE: Ready = Ready(1);
    /// There may be room to write.
    pub const WRITABLE: Ready = Ready(2);
    /// A timer of [`Readiness::after`] is due.
    pub const TIMER: Ready = Ready(4);
    /// Raised by the port's own handles, for whatever they need a turn for.
    pub const WAKE: Ready = Ready(8);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Ready) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits)
    }

    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for Ready {
    type Output = Ready;
    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        self.0 |= other.0;
    }
}

/// The far end of a port: what a driver, or a handle of the port, uses to flag readiness.
///
/// It does not keep the actor alive; flags for an actor that has ended do nothing.
#[derive(Clone)]
pub struct Readiness {
    pub(crate) cell: std::sync::Weak<dyn crate::cell::Control>,
}

impl Readiness {
    /// Adds to the flags and schedules the actor if it has nothing else to do. From any thread;
    /// called on a worker, the actor goes to that worker's own queue.
    pub fn set(&self, ready: Ready) {
        if let Some(cell) = self.cell.upgrade() {
            cell.set_ready(ready);
        }
    }

    /// Flags [`Ready::TIMER`] after `delay`. The timer ends when it is dropped.
    #[must_use = "dropping the timer cancels it"]
    pub fn after(&self, delay: Duration) -> Option<crate::timer::Timer> {
        let cell = self.cell.upgrade()?;
        let target = crate::timer::Target::Ready(self.cell.clone());
        Some(crate::timer::Timer::arm(cell.system(), delay, target))
    }
}

/// Makes the port of an actor when an incarnation of it starts, on the worker that starts it.
/// Given to [`Spawn::port`](crate::Spawn::port).
pub type MakePort<A> = Box<dyn FnMut(Readiness) -> Box<dyn Port<A>> + Send>;

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.cell.upgrade().map(|cell| cell.path().to_string());
        f.debug_struct("Readiness").field("actor", &path).finish()
    }
}
