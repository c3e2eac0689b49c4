//! The mailbox: user messages, the system lane beside them, and the answer to the one question that
//! every push asks: must the actor be scheduled?
//!
//! * [`inbox`](super::inbox): where senders push, with the run token;
//! * [`control`](super::control): flags for everything that is no message;
//! * [`line`](super::line): senders that wait for room;
//! * [`ring`](super::ring): the queue of a mailbox that drops its oldest;
//! * [`rare`](super::rare): what most mailboxes never need;
//! * [`receiver`](super::receiver): what the running side takes out;
//! * here: capacity, overflow, orders, and the end of a turn.

#[cfg(all(test, loom))]
mod model;

use std::task::Waker;

use crate::actor::{Overflow, Settings};
use crate::cell::control::{Asked, Control, Done, Flags, Raised};
use crate::cell::inbox::{Inbox, Rest, Taken, Usually};
use crate::cell::line::Line;
use crate::cell::rare::Rare;
use crate::cell::receiver::Receiver;
use crate::monitor::Down;
use crate::observe::sample::{self, Stamp};
use crate::port::Ready;
use crate::reason::StopReason;
use crate::slab::Key;
use crate::sync::{AtomicU32, AtomicU64, OnceBox, Ordering, UnsafeCell};
use crate::wait;

/// What has happened to the messages of one actor so far. `accepted` is always the sum of
/// `handled`, `queued` and `dead`.
///
/// For an unbounded mailbox, messages that the actor has not taken notice of yet are not counted:
/// counting them would make each of them dearer. While a handler runs, up to an eighth of a bounded
/// mailbox's capacity may still be counted as queued although it was given to handlers.
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
}

/// What the system lane carries. It has no limit of its own: there is at most one entry for each
/// armed timer and each monitor, which their owner made. Most Downs come by the inbox.
pub(crate) enum Signal {
    Timer { timer: Key, incarnation: u64 },
    Down { incarnation: u64, down: Down },
}

/// What a supervisor decides about a failed child.
pub(crate) enum Verdict {
    Restart,
    End(StopReason),
}

/// A request to end, from outside.
pub(crate) struct Order {
    pub(crate) why: Asked,
    /// From the supervisor: the actor is not to come back, whatever its restart type.
    pub(crate) last: bool,
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
    Kill(Asked),
    Signal(Signal),
    Stop(Asked),
    Message(M),
    Nothing,
}

/// Why a message was not taken.
pub enum Refusal<M> {
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

pub(crate) use crate::cell::line::Ticket;

pub(crate) struct Mailbox<M> {
    pub(super) inbox: Inbox<Item<M>>,
    pub(super) control: Control,
    pub(super) limits: Limits,
    /// Places in use, of a bounded mailbox: queued messages, grants, and what the receiver has taken
    /// out without having given the places back yet.
    used: AtomicU32,
    /// Places that are free again and not yet given back. Written by the receiver only, so that it
    /// needs no read-modify-write.
    pub(super) freed: AtomicU32,
    /// Written by the receiver only.
    pub(super) handled: AtomicU64,
    /// What the receiver has taken out of the inbox.
    taken: UnsafeCell<Taken<Item<M>>>,
    rare: OnceBox<Rare<M>>,
}

// SAFETY: messages go from thread to thread and are not shared; `taken` is used by the holder of the
// run token only (see `receiver`), the rest is `Sync` by itself.
#[allow(unsafe_code)]
unsafe impl<M: Send> Sync for Mailbox<M> {}

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

/// The capacity and the overflow policy in one word.
#[derive(Clone, Copy)]
pub(super) struct Limits(u32);

impl Limits {
    const BITS: u32 = 30;
    const UNBOUNDED: u32 = (1 << Limits::BITS) - 1;

    fn new(settings: Settings) -> Limits {
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
    pub(super) fn capacity(self) -> u32 {
        self.0 & Limits::UNBOUNDED
    }

    #[inline]
    pub(super) fn is_bounded(self) -> bool {
        self.capacity() != Limits::UNBOUNDED
    }

    fn overflow(self) -> Overflow {
        match self.0 >> Limits::BITS {
            0 => Overflow::Reject,
            1 => Overflow::Wait,
            2 => Overflow::DropNewest,
            _ => Overflow::DropOldest,
        }
    }
}

impl<M> Mailbox<M> {
    /// A mailbox whose cell is about to be scheduled for the first time.
    pub(crate) fn new(settings: Settings) -> Self {
        Mailbox {
            inbox: Inbox::new(),
            control: Control::new(),
            limits: Limits::new(settings),
            used: AtomicU32::new(0),
            freed: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            taken: UnsafeCell::new(Taken::NOTHING),
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

    /// Whether messages are in the ring, for senders to drop the oldest.
    pub(super) fn has_ring(&self) -> bool {
        self.limits.overflow() == Overflow::DropOldest && self.limits.is_bounded()
    }

    /// Whether an ask that finds the mailbox full waits for room.
    pub(crate) fn asks_wait(&self) -> bool {
        self.limits.overflow() == Overflow::Wait
    }

    // ---- pushing -------------------------------------------------------------------------------

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

    /// Takes the place that was granted to a sender in line, or one that is free. A sender that gets
    /// one stands in line no more: another grant would be lost with it.
    fn take_place_in_line(&self, ticket: Ticket) -> bool {
        let (placed, _waker) = {
            let mut line = self.rare().line.lock();
            let placed = line.use_grant(ticket) || self.take_place();
            // The waker is dropped without the lock, as all that is a user's.
            (placed, if placed { line.leave(ticket).1 } else { None })
        };
        placed
    }

    /// Takes a place in the queue if one is free.
    fn take_place(&self) -> bool {
        // SeqCst for those who stand in line; see `queue_for_room`. Never more than there are, not
        // even for a moment: who looks for a free place at that moment would miss one.
        let one_more = |used| (used < self.limits.capacity()).then_some(used + 1);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
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
                    Some(oldest) => dropped = Some(oldest),
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
            Some(of) => {
                self.rare().dead.fetch_add(1, Ordering::Relaxed);
                Pushed::Instead { of, schedule }
            }
        }
    }

    // ---- waiting for room ------------------------------------------------------------------------

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

    pub(super) fn give_places(&self, places: u32) {
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

    /// Adds a Down, in its order with the messages. Where there is no such order (see [`Ring`]), or no
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
    pub(crate) fn signal(&self, signal: Signal) -> bool {
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
        let last = order.last && self.raise(Flags::LAST);
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
        self.claim_if(self.control.order_kill(order.why, order.last))
    }

    pub(super) fn disperse_line(&self) {
        // As in `give_places`: this has closed, and looks for the line. That there is a `rare` would
        // say nothing: a thread may see that late.
        if self.control.has_line() {
            let woken = self.rare().line.lock().disperse();
            wake_all(woken);
        }
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

    pub(crate) fn stats(&self) -> MailboxStats {
        let (rejected, dead, granted) = self.rare.get().map_or((0, 0, 0), |rare| {
            let counts = (rare.rejected.load(Ordering::Relaxed), rare.dead.load(Ordering::Relaxed));
            (counts.0, counts.1, rare.line.lock().granted() as u64)
        });
        let handled = self.handled.load(Ordering::Relaxed);
        let used = self.used.load(Ordering::Relaxed).min(self.limits.capacity());
        let queued = u64::from(used).saturating_sub(granted);
        MailboxStats { accepted: handled + queued + dead, handled, queued, dead, rejected }
    }

    /// The receiving side.
    ///
    /// # Safety
    /// The caller holds the run token for as long as it uses what it gets.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn receiver(&self) -> Receiver<'_, M> {
        // SAFETY: only the holder of the token gets here, and there is one.
        let taken = self.taken.with_mut(|taken| unsafe { &mut *taken });
        Receiver { mailbox: self, taken }
    }

    /// Takes back places without a look at who waits for one: the mailbox has ended.
    pub(super) fn forget_places(&self, places: u32) {
        self.used.fetch_sub(places, Ordering::Relaxed);
    }
}

impl<M> Mailbox<M> {
    /// Gives the run token back, unless there is something to do in `mode` (or `again` says so):
    /// then the caller keeps it and must schedule the actor again.
    ///
    /// # Safety
    /// The caller holds the run token, and no [`Receiver`] is left: when this returns false, the
    /// token may be another thread's already.
    #[allow(unsafe_code)]
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
            Mode::Open | Mode::Ended => return false,
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

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        // Nobody else is left. What was not taken is taken now, to be dropped with the rest.
        let inbox = &self.inbox;
        // SAFETY: the borrow of the mailbox excludes all others.
        #[allow(unsafe_code)]
        self.taken.with_mut(|taken| inbox.close(unsafe { &mut *taken }));
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

fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        wait::wake(waker);
    }
}
