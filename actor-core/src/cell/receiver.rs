//! The mailbox as the holder of the run token sees it: what comes next, and what is left at the end.

use std::collections::VecDeque;

use crate::cell::control::{Asked, Flags, Killed};
use crate::cell::inbox::{Handle, InHand, Stub, Usually};
use crate::cell::mailbox::{Came, Item, Mailbox, Signal, Verdict, Work};
use crate::observe::sample::{self, Stamp};
use crate::observe::{self, Count};
use crate::port::Ready;
use crate::reason::StopReason;
use crate::sync::Ordering;

/// The mailbox as the holder of the run token sees it.
pub(crate) struct Receiver<'a, M> {
    pub(super) mailbox: &'a Mailbox<M>,
    /// What has been taken out of the inbox.
    pub(super) taken: InHand<'a, Item<M>>,
}

impl<M> Receiver<'_, M> {
    /// Looks for what comes first.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Came {
        if self.mailbox.control.flags().any(Flags::URGENT) {
            return Came::Other;
        }
        if self.taken.is_empty() && !self.mailbox.inbox.take(&mut self.taken) {
            return Came::Nothing;
        }
        if self.message().is_some() { Came::Message } else { Came::Other }
    }

    /// The message that comes first, if [`look`](Self::look) has found one.
    #[inline(always)]
    pub(crate) fn message(&self) -> Option<&M> {
        self.taken.first().and_then(Item::usual)
    }

    /// Hands out the message that [`look`](Self::look) has found.
    #[inline(always)]
    pub(crate) fn hand_out<H: Handle<M>>(&mut self, to: &mut H) -> H::Outcome {
        self.count_taken(|taken| taken.has_more());
        self.taken.pop_usual(to)
    }

    /// The next thing to do for an open actor: kill, system lane, then messages in their order, the
    /// place of a stop among them.
    #[cold]
    #[inline(never)]
    pub(crate) fn next(&mut self) -> Work<M> {
        if self.mailbox.control.flags().any(Flags::URGENT)
            && let Some(work) = self.next_urgent()
        {
            return work;
        }
        loop {
            if self.taken.is_empty() {
                self.mailbox.inbox.take(&mut self.taken);
            }
            match self.taken.pop() {
                Some(Item::Message(message)) => {
                    self.count_taken(|taken| !taken.is_empty());
                    return Work::Message(message);
                }
                Some(Item::Stamped(stamped)) => {
                    self.count_taken(|taken| !taken.is_empty());
                    return Work::Message(unstamped(*stamped));
                }
                None => return Work::Nothing,
                Some(Item::Down(parts)) => {
                    self.mailbox.rare().others_out.fetch_add(1, Ordering::Relaxed);
                    let (incarnation, down) = *parts;
                    return Work::Signal(Signal::Down { incarnation, down });
                }
                Some(Item::Stop) => {
                    if let Some(reason) = self.take_stop() {
                        return Work::Stop(reason);
                    }
                }
            }
        }
    }

    fn next_urgent(&mut self) -> Option<Work<M>> {
        if let Some(reason) = self.take_kill() {
            return Some(Work::Kill(reason));
        }
        if let Some(signal) = self.take_signal() {
            return Some(Work::Signal(signal));
        }
        let rare = self.mailbox.rare();
        let message = {
            let mut ring = rare.ring.lock();
            if ring.before_stop == Some(0) {
                ring.before_stop = None;
                drop(ring);
                return self.take_stop().map(Work::Stop);
            }
            let message = ring.pop();
            if message.is_none() {
                self.mailbox.control.lower(Flags::RING);
            }
            message?
        };
        self.count_taken(|taken| !taken.is_empty());
        Some(Work::Message(message))
    }

    fn take_signal(&mut self) -> Option<Signal<M>> {
        if !self.mailbox.control.flags().any(Flags::SIGNAL) {
            return None;
        }
        let mut signals = self.mailbox.rare().signals.lock();
        let signal = signals.pop_front();
        if signals.is_empty() {
            // With the lock, so that none is overlooked.
            self.mailbox.control.lower(Flags::SIGNAL);
        }
        signal
    }

    /// Counts a message that is given to its handler; `has_more` tells whether there is one behind it.
    #[inline(always)]
    fn count_taken(&mut self, has_more: impl FnOnce(&InHand<'_, Item<M>>) -> bool) {
        observe::count(Count::Messages);
        let handed_out = &self.mailbox.handed_out;
        handed_out.store(handed_out.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.mailbox.limits.is_bounded() {
            let freed = self.mailbox.freed.load(Ordering::Relaxed) + 1;
            self.mailbox.freed.store(freed, Ordering::Relaxed);
            // A few at a time, so that receiver and senders do not fight over the count; but all of
            // them before a handler that may take long and has nothing queued behind it.
            if freed > self.mailbox.limits.capacity() / 8 || !has_more(&self.taken) {
                self.give_places();
            }
        }
    }

    /// Gives back the places of what was handed on.
    pub(super) fn give_places(&mut self) {
        let freed = self.take_freed();
        if freed > 0 {
            self.mailbox.give_places(freed);
        }
    }

    fn take_freed(&mut self) -> u32 {
        let freed = self.mailbox.freed.load(Ordering::Relaxed);
        if freed > 0 {
            self.mailbox.freed.store(0, Ordering::Relaxed);
        }
        freed
    }

    /// The stub, if all that was taken out of the inbox has been handed on.
    pub(super) fn take_stub(&mut self) -> Option<Stub<Item<M>>> {
        if !self.taken.is_empty() {
            return None;
        }
        self.give_places();
        Some(self.taken.take_stub())
    }

    /// The message that was handed out last failed: it counts as a dead letter.
    pub(crate) fn count_failed(&mut self) {
        let rare = self.mailbox.rare();
        rare.failed.fetch_add(1, Ordering::Relaxed);
        rare.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// Why the actor is to end at once, if it is. A link that was taken away since has no effect.
    pub(crate) fn take_kill(&mut self) -> Option<StopReason> {
        match self.mailbox.control.take_kill()? {
            Killed::As(asked) => Some(asked.into()),
            Killed::Linked => self.mailbox.take_linked_end(),
        }
    }

    /// The stop whose place in the queue has come. If nothing more is taken either, this was the
    /// last that the actor did, whatever happens to it from here on.
    fn take_stop(&mut self) -> Option<Asked> {
        let closed = self.mailbox.is_closed();
        let stop = match self.mailbox.control.take_stop() {
            // A new incarnation has begun while it was on its way, and has taken its reason. Behind it nothing comes.
            None if closed && self.taken.is_empty() => Asked::Stop,
            stop => stop?,
        };
        if closed {
            self.mailbox.control.raise(Flags::LAST);
        }
        Some(stop)
    }

    /// Whether a readiness flag is raised.
    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        self.mailbox.control.flags().any(Flags::READY)
    }

    /// The readiness flags, which are cleared.
    pub(crate) fn take_ready(&mut self) -> Ready {
        if !self.mailbox.control.flags().any(Flags::READY) {
            return Ready::NONE;
        }
        Ready::from_bits(self.mailbox.control.lower(Flags::READY).ready_bits())
    }

    /// The supervisor's verdict on a failed actor; an order to end for good is one too.
    pub(crate) fn take_verdict(&mut self) -> Option<Verdict> {
        let last = self.mailbox.is_last();
        match self.take_kill() {
            Some(kill) if last => return Some(Verdict::End(kill)),
            // There is no incarnation that could be killed.
            _ => {}
        }
        match self.take_decision() {
            Some(Verdict::End(reason)) => Some(Verdict::End(reason)),
            restart if !last => restart,
            restart => self.mailbox.control.take_stop().map(|stop| Verdict::End(stop.into())).or(restart),
        }
    }

    /// A new incarnation begins. What the last one was ordered to return by does not concern it: where that stop
    /// is in the queue still, it is passed over. Not so the stop behind which nothing more is taken: it is another's, and
    /// who passed it over would wait for ever for what cannot come.
    pub(crate) fn begin_incarnation(&mut self) {
        if self.mailbox.returns() {
            self.mailbox.control.lower(Flags::RETURNS);
            if !self.mailbox.is_closed() {
                self.mailbox.control.take_stop();
            }
        }
    }

    fn take_decision(&mut self) -> Option<Verdict> {
        if !self.mailbox.control.flags().any(Flags::VERDICT) {
            return None;
        }
        let mut verdict = self.mailbox.rare().verdict.lock();
        // With the lock, so that none is overlooked.
        self.mailbox.control.lower(Flags::VERDICT);
        verdict.take()
    }

    /// Clears the wake-up before the handler is polled, so that one during the poll is seen.
    pub(crate) fn begin_poll(&mut self) {
        if self.mailbox.control.flags().any(Flags::WAKE) {
            self.mailbox.control.lower(Flags::WAKE);
        }
    }

    /// Gives out what is queued, counted as dead letters. What is queued with it goes: Downs are news for an
    /// incarnation that has ended, and a stop has come.
    pub(crate) fn clear(&mut self) -> VecDeque<M> {
        let mailbox = self.mailbox;
        let mut left = VecDeque::new();
        while !self.taken.is_empty() || mailbox.inbox.take(&mut self.taken) {
            match self.taken.pop() {
                Some(Item::Message(message)) => left.push_back(message),
                Some(Item::Stamped(stamped)) => left.push_back(stamped.1),
                Some(Item::Stop) => drop(self.take_stop()),
                Some(Item::Down(_)) | None => {}
            }
        }
        if mailbox.has_ring() {
            let mut ring = mailbox.rare().ring.lock();
            left.extend(std::mem::take(&mut ring.queue));
            ring.before_stop = ring.before_stop.map(|_| 0);
        }
        if !left.is_empty() {
            let rare = mailbox.rare();
            rare.dead.fetch_add(left.len() as u64, Ordering::Relaxed);
            rare.others_out.fetch_add(left.len() as u64, Ordering::Relaxed);
            if mailbox.limits.is_bounded() {
                let freed = mailbox.freed.load(Ordering::Relaxed) + left.len() as u32;
                mailbox.freed.store(freed, Ordering::Relaxed);
                self.give_places();
            }
        }
        left
    }

    /// Ends the mailbox: takes nothing more and gives out what is left, counted as dead letters.
    pub(crate) fn end(&mut self) -> VecDeque<M> {
        let mailbox = self.mailbox;
        mailbox.control.raise(Flags::ENDED);
        let mut left = VecDeque::new();
        mailbox.inbox.close(&mut self.taken);
        while let Some(item) = self.taken.pop() {
            match item {
                Item::Message(message) => left.push_back(message),
                Item::Stamped(stamped) => left.push_back(stamped.1),
                Item::Stop | Item::Down(_) => {}
            }
        }
        self.taken.clear();
        if mailbox.has_ring() {
            // Made if need be: who comes to the ring later must find it closed.
            let mut ring = mailbox.rare().ring.lock();
            ring.closed = true;
            left.extend(std::mem::take(&mut ring.queue));
        }
        if let Some(rare) = mailbox.rare_if_made() {
            // Dropped outside of the lock.
            let _signals = std::mem::take(&mut *rare.signals.lock());
        }
        mailbox.disperse_line();
        if !left.is_empty() {
            mailbox.rare().dead.fetch_add(left.len() as u64, Ordering::Relaxed);
        }
        if mailbox.limits.is_bounded() {
            // Those on their way to a closed mailbox give back what they have taken themselves.
            mailbox.forget_places(self.take_freed() + left.len() as u32);
        }
        left
    }
}

/// A measured message is about to be handled.
#[cold]
#[inline(never)]
fn unstamped<M>((stamp, message): (Stamp, M)) -> M {
    sample::message_taken(stamp);
    message
}
