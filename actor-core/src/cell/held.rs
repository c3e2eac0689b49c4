//! Actors that rest, held by one who looks at their state: with the run token in hand, so nobody runs them.
//!
//! What comes for an actor meanwhile waits, and schedules it when it is let go. Whether a held actor can still be
//! reached is told by the counts of its cell, see [`Held::is_held_only_by`].
#![allow(unsafe_code)]

use std::sync::Arc;

use crate::actor::Messages;
use crate::cell::control::Flags;
use crate::cell::mailbox::Mode;
use crate::cell::task::Task;
use crate::cell::turn::caught;
use crate::cell::{Cell, Control};
use crate::leaks::{Found, Tracer};
use crate::port::Ready;
use crate::sync::{Ordering, fence};

/// What counts a cell of an actor that lives and rests, beside refs: its life, who holds it, and where its handlers have a
/// limit its context (`home`).
fn counts(cell: &Arc<dyn Control>) -> usize {
    2 + usize::from(cell.is_limited())
}

/// An actor that rests, and is run by nobody until this is dropped.
pub(crate) struct Held {
    cell: Arc<dyn Control>,
}

impl Held {
    /// Holds an actor; gives it back if it does not rest, or is one that is never leaked: it has a name, a slot or a
    /// thread of its own.
    pub(crate) fn of(cell: Arc<dyn Control>) -> Result<Held, Arc<dyn Control>> {
        if cell.hold() { Ok(Held { cell }) } else { Err(cell) }
    }

    /// How many refs there are to an actor, if it lives and rests, and the caller has this one beside them.
    pub(crate) fn refs_to(cell: &Arc<dyn Control>) -> Option<usize> {
        Arc::strong_count(cell).checked_sub(counts(cell))
    }

    pub(crate) fn cell(&self) -> &Arc<dyn Control> {
        &self.cell
    }

    /// The cell, by its address.
    pub(crate) fn address(&self) -> usize {
        address_of(&self.cell)
    }

    /// Adds the refs in the actor's fields; false if it has more than fields: a port, perhaps.
    pub(crate) fn trace(&self, found: &mut Vec<Found>) -> bool {
        // SAFETY: the token is held.
        unsafe { self.cell.trace_held(found) }
    }

    /// Whether nobody can get at the actor but by these refs, which are in the fields of actors that are held as well;
    /// and nothing has come for it.
    ///
    /// The counts are read when all of them are held and traced. A ref is only made of another, so each that there is
    /// descends from one that was in a field, and was made in a turn, or before it came to the field: so before its
    /// holder's token was taken, and the count that is read includes it. If there are as many as there are in the
    /// fields, there is none elsewhere, and none can be made while the fields are held.
    ///
    /// A ref that does not count becomes one that does. Those of users are ruled out by a mark, which is made before
    /// the ref is, and stays. Those of the runtime (timers, monitors, links, groups, ports) are ruled out by their
    /// count: one that is used up has put what it brought into the mailbox or the control word before its count went
    /// down, and those are looked at last.
    pub(crate) fn is_held_only_by(&self, refs: usize) -> bool {
        let counted =
            Arc::strong_count(&self.cell) == counts(&self.cell) + refs && Arc::weak_count(&self.cell) == 0;
        // Acquire: with the releases of the decrements of both counts, for what their owners did before.
        fence(Ordering::Acquire);
        counted && self.cell.is_unstirred()
    }
}

/// A cell, by its address.
pub(crate) fn address_of(cell: &Arc<dyn Control>) -> usize {
    Arc::as_ptr(cell).cast::<()>().addr()
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the token is held, and is not used any more.
        unsafe { self.cell.clone().let_go() };
    }
}

/// What there is for [`Held`], which keeps to the conditions.
impl<A: Messages> Cell<A> {
    pub(super) fn take_hold(&self) -> bool {
        self.is_plain() && self.mailbox.inbox.hold()
    }

    /// Whether it has no name, no slot and no thread of its own, by which it could be got at.
    pub(super) fn is_plain(&self) -> bool {
        !self.pinned && !self.nursery.has_slots() && self.name().is_none()
    }

    /// # Safety
    /// The caller has the run token by `take_hold`.
    pub(super) unsafe fn trace_fields(&self, found: &mut Vec<Found>) -> bool {
        // SAFETY: only the holder of the token gets at the life.
        let life = self.life.with_mut(|life| unsafe { &mut *life });
        if !life.phase.is_running() || !life.is_plain() {
            return false;
        }
        // A trace may be a user's code.
        caught(|| life.alive().with(|state, _| state.trace(&mut Tracer::new(found)))).is_ok()
    }

    /// Whether nothing has come for an actor that is held, and nothing could without a ref that counts.
    pub(super) fn rests_unstirred(&self) -> bool {
        self.mailbox.inbox.is_untouched() && !self.mailbox.control.flags().any(Flags::STIRRED)
    }

    /// # Safety
    /// As for `trace_fields`; the caller has the token no more afterwards.
    pub(super) unsafe fn end_hold(self: &Arc<Self>) {
        // SAFETY: passed on to the caller.
        if unsafe { self.mailbox.end_turn(Mode::Open, Ready::NONE) } {
            self.system().scheduler().schedule_held(Task::of(self));
        }
    }

    /// Lends the state, between two handlers: of an actor that rests, or whose next turn this is. `None` of any other, and of
    /// one that has not started, or has ended.
    #[cfg(feature = "sim")]
    pub(crate) fn look<R>(self: &Arc<Self>, turn: Option<&Task>, look: impl FnOnce(&A) -> R) -> Option<R> {
        /// Lets it go even if `look` panics.
        struct LetGo<'a, A: Messages>(&'a Arc<Cell<A>>);
        impl<A: Messages> Drop for LetGo<'_, A> {
            fn drop(&mut self) {
                // SAFETY: the token was taken for this, and is not used any more.
                unsafe { self.0.end_hold() };
            }
        }
        let _held = match turn {
            Some(turn) => {
                assert!(turn.is_of(self), "the turn of another actor");
                None
            }
            None => Some(self.mailbox.inbox.hold().then(|| LetGo(self))?),
        };
        // SAFETY: only the holder of the run token gets at the life. Whoever has the turn has that, and lends it here; or it was taken.
        let life = self.life.with_mut(|life| unsafe { &mut *life });
        let running = life.phase.is_running();
        let alive = life.incarnation.as_mut().filter(|alive| running && alive.is_alive() && !alive.is_busy());
        Some(alive?.with(|state, _| look(state)))
    }
}
