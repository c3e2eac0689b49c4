//! The line of senders that wait for room in a bounded mailbox.
//!
//! A grant is one place in the queue that is kept for its holder; it counts as used. Who takes places
//! back looks whether somebody stands in line ([`Flags::LINE`](super::control::Flags)); who joins the
//! line shows itself first and then looks whether there is room. One of the two sees the other.

use std::collections::VecDeque;
use std::task::Waker;

/// A sender's place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

#[derive(Default)]
pub(crate) struct Line {
    waiting: VecDeque<(u64, Waker)>,
    granted: Vec<u64>,
    next: u64,
}

impl Line {
    /// Joins the line, or refreshes the waker of one who stands in it. True if that one has a grant.
    /// A waker that is not needed (any more) is given out, to be dropped without the lock.
    pub(crate) fn join(&mut self, ticket: &mut Option<Ticket>, waker: Waker) -> (bool, Option<Waker>) {
        let id = ticket.get_or_insert_with(|| {
            self.next += 1;
            Ticket(self.next)
        });
        if self.granted.contains(&id.0) {
            return (true, Some(waker));
        }
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == id.0) {
            Some((_, known)) => (false, Some(std::mem::replace(known, waker))),
            None => {
                self.waiting.push_back((id.0, waker));
                (false, None)
            }
        }
    }

    /// Leaves the line. True if there was a grant, whose place is free now. The waker is given out, to
    /// be dropped without the lock.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> (bool, Option<Waker>) {
        let at = self.waiting.iter().position(|(id, _)| *id == ticket.0);
        let waker = at.and_then(|at| self.waiting.remove(at)).map(|(_, waker)| waker);
        (self.use_grant(ticket), waker)
    }

    pub(crate) fn use_grant(&mut self, ticket: Ticket) -> bool {
        let Some(at) = self.granted.iter().position(|id| *id == ticket.0) else { return false };
        self.granted.swap_remove(at);
        true
    }

    /// Gives a place to the first in line, who is to be woken.
    pub(crate) fn grant(&mut self) -> Option<Waker> {
        let (id, waker) = self.waiting.pop_front()?;
        self.granted.push(id);
        Some(waker)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Sends everybody away.
    pub(crate) fn disperse(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, waker)| waker)
    }
}
