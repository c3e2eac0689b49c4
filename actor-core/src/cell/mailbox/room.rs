//! Room: the places of a bounded mailbox, who takes and gives them back, and the senders that wait for one.

use std::task::Waker;

use crate::actor::{Overflow, Settings};
use crate::cell::control::Flags;
use crate::cell::line::{Line, Ticket};
use crate::cell::mailbox::Mailbox;
use crate::sync::Ordering;
use crate::wait;

/// The capacity and the overflow policy in one word.
#[derive(Clone, Copy)]
pub(in crate::cell) struct Limits(u32);

impl Limits {
    const BITS: u32 = 30;
    const UNBOUNDED: u32 = (1 << Limits::BITS) - 1;

    pub(super) fn new(settings: Settings) -> Limits {
        let capacity = match settings.mailbox {
            Settings::UNBOUNDED => Limits::UNBOUNDED,
            capacity => u32::try_from(capacity).unwrap_or(u32::MAX).clamp(1, Limits::UNBOUNDED - 1),
        };
        let overflow = match settings.overflow {
            Overflow::Reject => 0,
            Overflow::Wait => 1,
            Overflow::DropNewest => 2,
            Overflow::DropOldest => 3,
        };
        Limits(overflow << Limits::BITS | capacity)
    }

    #[inline]
    pub(in crate::cell) fn capacity(self) -> u32 {
        self.0 & Limits::UNBOUNDED
    }

    #[inline]
    pub(in crate::cell) fn is_bounded(self) -> bool {
        self.capacity() != Limits::UNBOUNDED
    }

    pub(super) fn overflow(self) -> Overflow {
        match self.0 >> Limits::BITS {
            0 => Overflow::Reject,
            1 => Overflow::Wait,
            2 => Overflow::DropNewest,
            _ => Overflow::DropOldest,
        }
    }
}

impl<M> Mailbox<M> {
    /// Whether messages are in the ring, for senders to drop the oldest.
    pub(in crate::cell) fn has_ring(&self) -> bool {
        self.limits.overflow() == Overflow::DropOldest && self.limits.is_bounded()
    }

    /// Whether an ask that finds the mailbox full waits for room.
    pub(crate) fn asks_wait(&self) -> bool {
        self.limits.overflow() == Overflow::Wait
    }

    /// Takes the place that was granted to a sender in line, or one that is free. A sender that gets
    /// one stands in line no more: another grant would be lost with it.
    pub(super) fn take_place_in_line(&self, ticket: Ticket) -> bool {
        let (placed, _waker) = {
            let mut line = self.rare().line.lock();
            let placed = line.use_grant(ticket) || self.take_place();
            // The waker is dropped without the lock, as all that is a user's.
            (placed, if placed { line.leave(ticket).1 } else { None })
        };
        placed
    }

    /// Takes a place in the queue if one is free.
    pub(super) fn take_place(&self) -> bool {
        // SeqCst for those who stand in line; see `queue_for_room`. Never more than there are, not
        // even for a moment: who looks for a free place at that moment would miss one.
        let one_more = |used| (used < self.limits.capacity()).then_some(used + 1);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Puts a sender in the line for room, or refreshes its waker. True: push again, with this
    /// ticket (the push may still be refused as closed).
    pub(crate) fn queue_for_room(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let waker = waker.clone();
        let _before;
        let woken = {
            let mut line = self.rare().line.lock();
            let (granted, before) = line.join(ticket, waker);
            // Declared before the lock was taken, so dropped after it is free.
            _before = before;
            if granted {
                return true;
            }
            // SeqCst, here and in `give_places`: the receiver frees places and then looks for the
            // line, this shows the line and then looks for places. The same with closing.
            self.control.raise(Flags::LINE);
            if self.is_closed() {
                return true;
            }
            self.grant(&mut line)
        };
        // Whoever was granted a place is woken, this one perhaps: its next poll finds the grant.
        wake_all(woken);
        false
    }

    /// Leaves the line; a grant not used goes to the next.
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        let (had_grant, _waker) = self.rare().line.lock().leave(ticket);
        if had_grant {
            self.give_places(1);
        }
    }

    pub(in crate::cell) fn give_places(&self, places: u32) {
        self.used.fetch_sub(places, Ordering::SeqCst);
        if self.control.has_line() {
            let woken = self.grant(&mut self.rare().line.lock());
            wake_all(woken);
        }
    }

    /// Grants the free places to those first in line, who are to be woken.
    fn grant(&self, line: &mut Line) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !line.is_empty() {
            if !self.take_place() {
                return woken;
            }
            woken.extend(line.grant());
        }
        self.control.lower(Flags::LINE);
        woken
    }

    /// Takes back places without a look at who waits for one: the mailbox has ended.
    pub(in crate::cell) fn forget_places(&self, places: u32) {
        self.used.fetch_sub(places, Ordering::Relaxed);
    }

    pub(in crate::cell) fn disperse_line(&self) {
        // As in `give_places`: this has closed, and looks for the line. That there is a `rare` would
        // say nothing: a thread may see that late.
        if self.control.has_line() {
            let woken = self.rare().line.lock().disperse();
            wake_all(woken);
        }
    }
}

fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        wait::wake(waker);
    }
}
