//! The mailbox: user messages, the system lane beside them, and the answer to the one question that
//! every push asks: must the actor be scheduled?
//!
//! * [`inbox`](super::inbox): where senders push, with the run token;
//! * [`control`](super::control): flags for everything that is no message;
//! * [`line`](super::line): senders that wait for room;
//! * [`ring`](super::ring): the queue of a mailbox that drops its oldest;
//! * [`rare`](super::rare): what most mailboxes never need;
//! * [`receiver`](super::receiver): what the running side takes out;
//! * [`push`]: whether a message is taken, and what the overflow policy says;
//! * [`room`]: the places of a bounded mailbox;
//! * [`rest`]: the end of a turn;
//! * here: orders, and everything else that is no message.

#[cfg(all(test, loom))]
mod model;
mod push;
mod rest;
mod room;

use crate::actor::Settings;
use crate::cell::Control;
use crate::cell::control::{Asked, ControlWord, Done, Flags, Raised};
use crate::cell::inbox::{Inbox, Taken, Usually};
use crate::cell::rare::Rare;
use crate::cell::receiver::Receiver;
use crate::monitor::Down;
use crate::observe::sample::Stamp;
use crate::port::Ready;
use crate::reason::StopReason;
use crate::slab::Key;
use crate::sync::{AtomicU32, AtomicU64, OnceBox, Ordering};
use room::Limits;

pub(crate) use crate::cell::line::Ticket;
pub(crate) use push::{Pushed, Refusal};
pub(crate) use rest::Mode;

/// What has happened to the messages of one actor so far. `accepted` is always the sum of
/// `handled`, `queued` and `dead`.
///
/// For an unbounded mailbox, messages that the actor has not taken notice of yet are not counted:
/// counting them would make each of them dearer. While a handler runs, up to an eighth of a bounded
/// mailbox's capacity may still be counted as queued although it was given to handlers. When the actor has ended the
/// account is closed: nothing is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxStats {
    /// Taken into the mailbox.
    pub accepted: u64,
    /// Given to a handler which did not fail (or still runs).
    pub handled: u64,
    /// Waiting in the mailbox.
    pub queued: u64,
    /// Accepted, then made a dead letter: dropped by the overflow policy, left over at the end of
    /// the actor, or its handler failed.
    pub dead: u64,
    /// Refused because the mailbox was full, and given back.
    pub rejected: u64,
}

/// What the system lane carries. It has no limit of its own: there is at most one entry for each
/// armed timer and each monitor, which their owner made. Most Downs come by the inbox.
pub(crate) enum Signal<M> {
    Timer {
        timer: Key,
        incarnation: u64,
    },
    Down {
        incarnation: u64,
        down: Down,
    },
    /// It is time to look how long the actor has been silent.
    Silence {
        incarnation: u64,
    },
    /// A message that is made when it is handled; none is made if the actor has ended.
    Made(MakeMessage<M>),
}

pub(crate) type MakeMessage<M> = Box<dyn FnOnce() -> M + Send>;

/// What a supervisor decides about a failed child.
pub(crate) enum Verdict {
    Restart,
    End(StopReason),
}

/// A request to end, from outside.
pub(crate) struct Order {
    pub(crate) why: Asked,
    pub(crate) fate: Fate,
}

/// What becomes of an actor after an order to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// What its restart type says.
    ByType,
    /// From the supervisor: it is not to come back, whatever its restart type.
    Last,
    /// From the supervisor: it waits to be started again, whatever its restart type.
    Returns,
}

impl Fate {
    fn flags(self) -> Flags {
        match self {
            Fate::ByType => Flags::NONE,
            Fate::Last => Flags::LAST,
            Fate::Returns => Flags::RETURNS,
        }
    }
}

/// What comes first for an open actor.
pub(crate) enum Came {
    /// A message: see [`Receiver::hand_out`].
    Message,
    Nothing,
    /// See [`Receiver::next`].
    Other,
}

/// The next thing for an open actor to do.
pub(crate) enum Work<M> {
    Kill(StopReason),
    Signal(Signal<M>),
    Stop(Asked),
    Message(M),
    Nothing,
}

pub(crate) struct Mailbox<M> {
    pub(super) inbox: Inbox<Item<M>>,
    pub(super) control: ControlWord,
    pub(super) limits: Limits,
    /// Places in use, of a bounded mailbox: queued messages, grants, and what the receiver has taken
    /// out without having given the places back yet.
    used: AtomicU32,
    /// Places that are free again and not yet given back. Written by the receiver only, so that it
    /// needs no read-modify-write.
    pub(super) freed: AtomicU32,
    /// How many messages were given to handlers, those that failed included. Written by the receiver only.
    pub(super) handed_out: AtomicU64,
    /// What the receiver has taken out of the inbox.
    taken: Taken<Item<M>>,
    rare: OnceBox<Rare<M>>,
}

/// What is in the inbox: messages, and what has its place among them.
pub(super) enum Item<M> {
    Message(M),
    /// A message whose wait in the mailbox is measured.
    Stamped(Box<(Stamp, M)>),
    Stop,
    /// Behind what the one that has ended told before. Takes no place of the capacity.
    Down(Box<(u64, Down)>),
}

// SAFETY: an item that is a message has nothing else.
#[allow(unsafe_code)]
unsafe impl<M> Usually for Item<M> {
    type Usual = M;

    #[inline]
    fn usual(&self) -> Option<&M> {
        if let Item::Message(message) = self { Some(message) } else { None }
    }
}

impl<M> Mailbox<M> {
    /// A mailbox whose cell is about to be scheduled for the first time.
    pub(crate) fn new(settings: Settings) -> Self {
        Mailbox {
            inbox: Inbox::new(),
            control: ControlWord::new(),
            limits: Limits::new(settings),
            used: AtomicU32::new(0),
            freed: AtomicU32::new(0),
            handed_out: AtomicU64::new(0),
            taken: Taken::new(),
            rare: OnceBox::new(),
        }
    }

    /// What most mailboxes never need, made now if need be.
    pub(crate) fn rare(&self) -> &Rare<M> {
        self.rare.get_or_init(Box::default)
    }

    /// What most mailboxes never need, if this one has needed it.
    pub(crate) fn rare_if_made(&self) -> Option<&Rare<M>> {
        self.rare.get()
    }

    // ---- everything else from outside --------------------------------------------------------------

    /// Raises flags; true if the caller must schedule the actor.
    fn raise(&self, flags: Flags) -> bool {
        self.claim_if(self.control.raise(flags))
    }

    fn claim_if(&self, raised: Raised) -> bool {
        match raised {
            Raised::Schedule => true,
            Raised::Claim => self.inbox.claim(),
            Raised::Seen => false,
        }
    }

    /// Adds a Down, in its order with the messages. Where there is no such order (see [`ring`](super::ring)), or no
    /// more messages are taken, it goes to the system lane: it is not lost, and comes once.
    pub(crate) fn down(&self, incarnation: u64, down: Down) -> bool {
        if self.has_ring() {
            return self.signal(Signal::Down { incarnation, down });
        }
        match self.inbox.push(|| Item::Down(Box::new((incarnation, down)))) {
            Ok(schedule) => schedule,
            Err(Item::Down(parts)) => self.signal(Signal::Down { incarnation: parts.0, down: parts.1 }),
            Err(_) => unreachable!("a refused push gives back what was pushed"),
        }
    }

    /// Adds to the system lane.
    pub(crate) fn signal(&self, signal: Signal<M>) -> bool {
        if self.has_ended() {
            return false;
        }
        self.rare().signals.lock().push_back(signal);
        self.raise(Flags::SIGNAL)
    }

    /// Adds readiness flags.
    pub(crate) fn set_ready(&self, ready: Ready) -> bool {
        self.raise(Flags::ready(ready.bits()))
    }

    /// Notes that the pending handler wants to be polled.
    pub(crate) fn wake(&self) -> bool {
        self.raise(Flags::WAKE)
    }

    /// Notes the supervisor's verdict.
    pub(crate) fn decide(&self, verdict: Verdict) -> bool {
        let _before = self.rare().verdict.lock().replace(verdict);
        self.raise(Flags::VERDICT)
    }

    /// Orders the actor to end once the messages that are queued now have been handled. With
    /// `close` it takes no more from now on. A second order only adds that it is the last.
    pub(crate) fn stop(&self, order: Order, close: bool) -> bool {
        if self.has_ended() {
            return false;
        }
        let first = self.control.order_stop(order.why);
        let fate = order.fate.flags();
        let last = fate != Flags::NONE && self.raise(fate);
        let stop = first && self.push_stop(close);
        if close {
            self.disperse_line();
        }
        last || stop
    }

    fn push_stop(&self, close: bool) -> bool {
        if self.has_ring() {
            {
                let mut ring = self.rare().ring.lock();
                ring.closed |= close;
                let len = ring.queue.len();
                ring.before_stop.get_or_insert(len);
            }
            return self.raise(Flags::RING);
        }
        let pushed = if close { self.inbox.push_last(Item::Stop) } else { self.inbox.push(|| Item::Stop) };
        pushed.unwrap_or(false)
    }

    /// Orders the actor to end at the next opportunity: between two messages, or by dropping the
    /// pending handler.
    pub(crate) fn kill(&self, order: Order) -> bool {
        if self.has_ended() {
            return false;
        }
        self.claim_if(self.control.order_kill(order.why, order.fate.flags()))
    }

    /// A linked actor has ended; that ends this one as a kill does, if the link is there still.
    pub(crate) fn linked_end(&self, other: &dyn Control, reason: &StopReason) -> bool {
        !self.has_ended() && self.note_linked_end(other, reason) && self.claim_if(self.control.linked_end())
    }

    pub(crate) fn mark_weakly_held(&self) {
        self.control.mark_weakly_held();
    }

    // ---- looking in --------------------------------------------------------------------------------

    pub(crate) fn has_ended(&self) -> bool {
        self.control.flags().any(Flags::ENDED)
    }

    /// How the actor has ended, if it has: nobody is told any more.
    pub(crate) fn done(&self) -> Option<Done> {
        self.control.done()
    }

    pub(crate) fn mark_done(&self, done: Done) -> bool {
        self.control.mark_done(done)
    }

    pub(crate) fn mark_watched(&self) -> Option<Done> {
        self.control.mark_watched()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.is_closed() || self.rare.get().is_some_and(|rare| rare.ring.lock().closed)
    }

    /// Whether the supervisor has ordered the actor not to come back.
    pub(crate) fn is_last(&self) -> bool {
        self.control.flags().any(Flags::LAST)
    }

    /// Whether the supervisor has ended the incarnation to start the actor again.
    pub(crate) fn returns(&self) -> bool {
        self.control.flags().any(Flags::RETURNS)
    }

    /// How many messages have been handed out so far.
    pub(crate) fn handed_out(&self) -> u64 {
        // Relaxed: it is a count.
        self.handed_out.load(Ordering::Relaxed)
    }

    /// If something waits in the mailbox, the number of what has waited longest: how much was taken out before it. What makes
    /// room for others ([`ring`](super::ring)) is not counted.
    ///
    /// Seen from outside, without the token. What changes at this moment may be seen in part; at the next look it is seen
    /// wholly.
    pub(crate) fn head_of_queue(&self) -> Option<u64> {
        let rare = self.rare_if_made();
        // Relaxed: a count, as above.
        let out = || self.handed_out() + rare.map_or(0, |rare| rare.others_out.load(Ordering::Relaxed));
        let before = out();
        let waits = self.inbox.holds_any(&self.taken)
            || self.has_ring() && rare.is_some_and(|rare| !rare.ring.lock().queue.is_empty());
        (waits && out() == before).then_some(before)
    }

    pub(crate) fn stats(&self) -> MailboxStats {
        // First, since it synchronises with the end: what that has counted is seen.
        let has_ended = self.done().is_some();
        let (rejected, dead, failed, granted) = self.rare.get().map_or((0, 0, 0, 0), |rare| {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            (read(&rare.rejected), read(&rare.dead), read(&rare.failed), rare.line.lock().granted() as u64)
        });
        let handled = self.handed_out().saturating_sub(failed);
        let used = self.used.load(Ordering::Relaxed).min(self.limits.capacity());
        // After the end, places are those of senders who are about to find that out.
        let queued = if has_ended { 0 } else { u64::from(used).saturating_sub(granted) };
        MailboxStats { accepted: handled + queued + dead, handled, queued, dead, rejected }
    }

    /// The receiving side.
    ///
    /// # Safety
    /// The caller holds the run token for as long as it uses what it gets.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn receiver(&self) -> Receiver<'_, M> {
        // SAFETY: passed on to the caller.
        let taken = unsafe { self.taken.by_holder() };
        Receiver { mailbox: self, taken }
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        let inbox = &self.inbox;
        if inbox.is_spent() {
            return;
        }
        // Nobody else is left. What was not taken is taken now, to be dropped with the rest.
        inbox.close(&mut self.taken.alone());
    }
}
