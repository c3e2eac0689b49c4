//! A push: whether a message is taken, what the overflow policy says if there is no room, and whether the actor
//! must be scheduled.

use crate::actor::Overflow;
use crate::cell::control::Flags;
use crate::cell::line::Ticket;
use crate::cell::mailbox::{Item, Mailbox};
use crate::observe::sample;
use crate::sync::Ordering;

/// Why a message was not taken.
pub enum Refusal<M> {
    /// By who sends it, whose handler was condemned; never by the mailbox.
    Condemned(M),
    Full(M),
    Closed(M),
}

/// What a push did. Hardly ever more than its tag is written.
pub(crate) enum Pushed<M> {
    /// Taken. If so it says, the actor got work while it rested: the caller must schedule it.
    Taken { schedule: bool },
    /// Taken; and by the overflow policy this one, or one before it, is a dead letter, for the caller to
    /// announce.
    Instead { of: M, schedule: bool },
    /// Not taken.
    Refused(Refusal<M>),
}

impl<M> Mailbox<M> {
    /// Adds a user message, which `make` makes where it is to lie. `ticket` is a grant to use, if the sender
    /// has waited for one; a sender that `waits` is refused where the overflow policy would drop something.
    #[inline(always)]
    pub(crate) fn push(&self, make: impl FnOnce() -> M, ticket: Option<Ticket>, waits: bool) -> Pushed<M> {
        if self.limits.is_bounded() {
            if self.has_ring() {
                return self.push_ring(make(), ticket, waits);
            }
            let placed = match ticket {
                Some(ticket) => self.take_place_in_line(ticket),
                None => self.take_place(),
            };
            if !placed {
                return self.overflow(make(), waits);
            }
        }
        if sample::message_due() {
            return self.push_stamped(make());
        }
        self.push_item(|| Item::Message(make()))
    }

    /// Pushes what has its place, if it needs one.
    #[inline(always)]
    fn push_item(&self, make: impl FnOnce() -> Item<M>) -> Pushed<M> {
        match self.inbox.push(make) {
            Ok(schedule) => Pushed::Taken { schedule },
            Err(item) => self.refused(item),
        }
    }

    /// Pushes a message whose wait is to be measured.
    #[cold]
    #[inline(never)]
    fn push_stamped(&self, message: M) -> Pushed<M> {
        let stamped = Box::new((sample::message_stamp(), message));
        self.push_item(|| Item::Stamped(stamped))
    }

    /// The mailbox is closed: its place is given back, and the message.
    #[cold]
    #[inline(never)]
    fn refused(&self, item: Item<M>) -> Pushed<M> {
        if self.limits.is_bounded() {
            self.give_places(1);
        }
        Pushed::Refused(Refusal::Closed(item.into_message()))
    }

    /// Whether a message that does not wait is refused where there is no room.
    #[cfg(feature = "sim")]
    pub(crate) fn may_refuse(&self) -> bool {
        self.limits.is_bounded() && matches!(self.limits.overflow(), Overflow::Reject | Overflow::Wait)
    }

    #[cold]
    #[inline(never)]
    fn overflow(&self, message: M, waits: bool) -> Pushed<M> {
        if self.inbox.is_closed() {
            return Pushed::Refused(Refusal::Closed(message));
        }
        if self.limits.overflow() == Overflow::DropNewest && !waits {
            self.rare().dead.fetch_add(1, Ordering::Relaxed);
            return Pushed::Instead { of: message, schedule: false };
        }
        if !waits {
            self.rare().rejected.fetch_add(1, Ordering::Relaxed);
        }
        Pushed::Refused(Refusal::Full(message))
    }

    #[inline(never)]
    fn push_ring(&self, message: M, ticket: Option<Ticket>, waits: bool) -> Pushed<M> {
        let placed = ticket.is_some_and(|ticket| self.take_place_in_line(ticket));
        let mut dropped = None;
        {
            let mut ring = self.rare().ring.lock();
            if ring.closed {
                drop(ring);
                if placed {
                    self.give_places(1);
                }
                return Pushed::Refused(Refusal::Closed(message));
            }
            // Who stands in line takes a place there only.
            if !placed && (ticket.is_some() || !self.take_place()) {
                if waits {
                    return Pushed::Refused(Refusal::Full(message));
                }
                match ring.pop() {
                    // Counted with the lock, so before the end.
                    Some(oldest) => {
                        self.rare().dead.fetch_add(1, Ordering::Relaxed);
                        dropped = Some(oldest);
                    }
                    // All places are granted: the new one is the oldest of those without.
                    None => {
                        self.rare().dead.fetch_add(1, Ordering::Relaxed);
                        return Pushed::Instead { of: message, schedule: false };
                    }
                }
            }
            ring.queue.push_back(message);
        }
        let schedule = self.raise(Flags::RING);
        match dropped {
            None => Pushed::Taken { schedule },
            Some(of) => Pushed::Instead { of, schedule },
        }
    }
}

impl<M> Item<M> {
    fn into_message(self) -> M {
        match self {
            Item::Message(message) => message,
            Item::Stamped(stamped) => stamped.1,
            Item::Stop | Item::Down(_) => unreachable!("only messages are pushed where one comes back"),
        }
    }
}
