//! A message that was taken out of the mailbox and waits to be handled: on the wrong kind of thread, because it is
//! for a blocking handler on a worker, or for any other on the blocking pool; or because its handler has failed, and
//! it is to be delivered again.
//!
//! It is put aside, where it is the next to be handled, and the turn ends with the run token in its hands: the
//! actor goes to the pool, or back to a worker, as to any other queue. So a handler that blocks has the state
//! as all others do, nothing is borrowed across threads, and a kill, which waits for its return there, finds
//! state and mailbox in order.

use tracing::Level;

use crate::actor::Messages;
use crate::blocking;
use crate::cell::incarnation::Incarnation;
use crate::cell::turn::{Life, Next, Turn, Way, quietly};
use crate::dead_letter::DeadLetterReason;
use crate::log;
use crate::message::Envelope;
use crate::reason::StopReason;

/// A message that was taken out of the mailbox and not handled.
pub(crate) struct Aside<M> {
    message: M,
    /// If it came through the mailbox, the counts of that have it as handled.
    by: Way,
    /// It is delivered again, and may be so many times more.
    again: Option<u32>,
}

impl<A: Messages> Life<A> {
    fn take_aside(&mut self) -> Option<Aside<A::Message>> {
        self.uncommon.as_mut()?.aside.take()
    }

    /// Whether a message is put aside. Costs nothing for actors without blocking handlers.
    #[inline]
    pub(crate) fn has_aside(&self) -> bool {
        (A::Message::HAS_BLOCKING || A::Message::IS_REDELIVERED)
            && self.uncommon.as_ref().is_some_and(|uncommon| uncommon.aside.is_some())
    }
}

impl<A: Messages> Turn<'_, A> {
    /// Whether this thread is not for the message's handler. A pinned actor's is for all.
    #[inline]
    pub(crate) fn belongs_elsewhere(&self, message: &A::Message) -> bool {
        A::Message::HAS_BLOCKING && message.is_blocking() != blocking::may_block() && !self.cell.pinned
    }

    /// Whether this thread is not for the handler of the message that the receiver has found.
    #[inline(always)]
    pub(crate) fn next_belongs_elsewhere(&self) -> bool {
        A::Message::HAS_BLOCKING && self.receiver.message().is_some_and(|next| self.belongs_elsewhere(next))
    }

    #[cold]
    pub(crate) fn put_aside(&mut self, message: A::Message, by: Way) -> Next {
        self.life.uncommon.get_or_insert_default().aside = Some(Aside { message, by, again: None });
        Next::Rest
    }

    /// Whether what is put aside is for another kind of thread.
    pub(crate) fn is_for_another_thread(&self) -> bool {
        let aside = self.life.uncommon.as_ref().and_then(|uncommon| uncommon.aside.as_ref());
        aside.is_some_and(|aside| self.belongs_elsewhere(&aside.message))
    }

    /// Puts the message aside whose handler has failed, if it is to be delivered again.
    #[cold]
    pub(crate) fn keep_to_redeliver(&mut self, by: Way, why: &StopReason) -> bool {
        if !A::Message::IS_REDELIVERED || !self.life.incarnation.as_ref().is_some_and(Incarnation::is_alive) {
            return false;
        }
        let Some((left, message)) = self.context(|ctx| ctx.take_failed()) else { return false };
        let Some(left) = left.checked_sub(1) else {
            quietly(&**self.cell, "dropping a message", || drop(message));
            return false;
        };
        log::say(Level::WARN, || {
            let (message, why) = (message.name(), why.to_string());
            move || tracing::warn!(message, why, left, "delivering again")
        });
        #[cfg(feature = "sim")]
        if by == Way::Mailbox {
            crate::sim::seam::enter_in_books(
                self.cell.id(),
                message.label(),
                crate::sim::seam::Fate::PutBack,
            );
        }
        self.life.uncommon.get_or_insert_default().aside = Some(Aside { message, by, again: Some(left) });
        true
    }

    /// Handles the message that was put aside. A kill comes first; what came through the mailbox is still there for
    /// the next incarnation, a timer's message is not.
    #[cold]
    pub(crate) fn handle_aside(&mut self) -> Next {
        let kill = self.receiver.take_kill();
        let Some(Aside { message, by, again }) = self.life.take_aside() else { return Next::More };
        let Some(reason) = kill else {
            if again.is_some() && !self.belongs_elsewhere(&message) {
                self.context(|ctx| ctx.note_redelivery(again));
            }
            let next = self.handle_other(message, by);
            if let Some(aside) = self.life.uncommon.as_mut().and_then(|uncommon| uncommon.aside.as_mut()) {
                // It was put aside for another kind of thread.
                aside.again = aside.again.or(again);
            }
            return next;
        };
        if by == Way::Mailbox {
            self.life.uncommon.get_or_insert_default().aside = Some(Aside { message, by, again });
        } else {
            quietly(&**self.cell, "dropping a timer's message", || drop(message));
        }
        self.note_killed();
        self.finish(reason)
    }

    /// Makes the message that was put aside a dead letter: the actor ends.
    pub(crate) fn end_aside(&mut self, reason: &StopReason) {
        let Some(Aside { message, by, again }) = self.life.take_aside() else { return };
        if by == Way::Mailbox {
            self.receiver.count_failed();
        }
        let why = match again {
            Some(_) => DeadLetterReason::HandlerFailed(reason.clone()),
            None => DeadLetterReason::Stopped(reason.clone()),
        };
        self.cell.dead_letter(message, why);
    }
}
