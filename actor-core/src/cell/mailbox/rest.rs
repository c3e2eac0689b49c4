//! The end of a turn: the run token is given back, or kept for what the actor waits for.
//!
//! Unsafe here: what only the holder of the token may call.

use crate::cell::control::Flags;
use crate::cell::inbox::Rest;
use crate::cell::mailbox::Mailbox;
use crate::port::Ready;

/// What the actor can use at the moment; decides what schedules it when it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Between two handlers: everything.
    Open,
    /// An async handler is pending: its wake-up, and a kill.
    Busy,
    /// The incarnation has failed: its supervisor's verdict.
    Failed,
    /// Its port finishes: readiness, and a kill.
    Draining,
    /// A message that was taken out and has to be handled on another kind of thread: nothing before that.
    Elsewhere,
    /// Nothing, for ever.
    Ended,
    /// A handler was condemned: the token is another's already.
    Condemned,
}

impl<M> Mailbox<M> {
    /// Gives the run token back, unless there is something to do in `mode` (or `again` says so):
    /// then the caller keeps it and must schedule the actor again.
    ///
    /// # Safety
    /// The caller holds the run token, and no [`Receiver`] is left: when this returns false, the
    /// token may be another thread's already.
    #[allow(unsafe_code)]
    // Always, as what it calls: each turn ends here. Who has held an actor calls it as well, so it would not be inlined.
    #[inline(always)]
    pub(crate) unsafe fn end_turn(&self, mode: Mode, again: Ready) -> bool {
        if !again.is_empty() {
            self.control.raise(Flags::ready(again.bits()));
        }
        if mode == Mode::Open {
            // SAFETY: passed on to the caller.
            return !unsafe { self.rest() };
        }
        // SAFETY: as above.
        unsafe { self.park(mode) }
    }

    /// Keeps the token, and rests for what `mode` waits for, unless it is there.
    ///
    /// # Safety
    /// As for `end_turn`.
    #[allow(unsafe_code)]
    unsafe fn park(&self, mode: Mode) -> bool {
        let wanted = match mode {
            Mode::Open | Mode::Ended | Mode::Condemned => return false,
            Mode::Busy => Flags::WAKE,
            Mode::Failed => Flags::VERDICT.and(Flags::LAST),
            Mode::Draining => Flags::READY,
            Mode::Elsewhere => {
                // SAFETY: as above.
                unsafe { self.receiver() }.give_places();
                return true;
            }
        };
        // It may be parked for long, and senders need not wait for places that are free.
        // SAFETY: as above.
        unsafe { self.receiver() }.give_places();
        !self.control.park(wanted.and(Flags::KILL))
    }

    /// Gives the token back if there is nothing to do for an open actor.
    ///
    /// # Safety
    /// As for `end_turn`.
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn rest(&self) -> bool {
        // SAFETY: passed on to the caller. Each of these borrows is gone before the token is.
        let mut stub = match unsafe { self.receiver() }.take_stub() {
            Some(stub) => stub,
            None => return false,
        };
        while !self.control.flags().any(Flags::OPEN) {
            stub = match self.inbox.rest(stub) {
                Rest::Idle => return true,
                Rest::Called(stub) => stub,
                Rest::Messages(back) => {
                    stub = back;
                    break;
                }
            };
        }
        // SAFETY: as above; the token is still ours.
        unsafe { self.receiver() }.taken.put_stub(stub);
        false
    }
}
