//! The mailbox: user messages, the system lane beside them, and the answer to the one question that
//! every push asks: must the actor be scheduled?
//!
//! * [`inbox`](super::inbox): where senders push, with the run token;
//! * [`control`](super::control): flags for everything that is no message;
//! * [`line`](super::line): senders that wait for room;
//! * here: capacity, overflow, and what the running side takes out.
//!
//! Everybody uses [`Mailbox`]; the holder of the run token alone uses [`Receiver`].

#[cfg(all(test, loom))]
mod model;

use std::collections::VecDeque;
use std::task::Waker;

use crate::actor::{Overflow, Settings};
use crate::cell::control::{Control, Flags, Raised};
use crate::cell::inbox::{Batch, Inbox, Rest};
use crate::cell::line::Line;
use crate::monitor::Down;
use crate::observe::sample::{self, Stamp};
use crate::observe::{self, Count};
use crate::port::Ready;
use crate::reason::StopReason;
use crate::slab::Key;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, OnceLock, Ordering, UnsafeCell};
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
    pub(crate) reason: StopReason,
    /// From the supervisor: the actor is not to come back, whatever its restart type.
    pub(crate) last: bool,
}

/// The next thing for an open actor to do.
pub(crate) enum Work<M> {
    Kill(StopReason),
    Signal(Signal),
    Stop(StopReason),
    Message(M),
    Nothing,
}

/// Why a message was not taken.
pub enum Refusal<M> {
    Full(M),
    Closed(M),
}

/// What a push did.
pub(crate) struct Pushed<M> {
    /// The actor got work while it rested: the caller must schedule it.
    pub(crate) schedule: bool,
    /// Made a dead letter by the overflow policy, for the caller to announce.
    pub(crate) dropped: Option<M>,
}

pub(crate) use crate::cell::line::Ticket;

pub(crate) struct Mailbox<M> {
    inbox: Inbox<Item<M>>,
    control: Control,
    settings: Settings,
    /// Places in use, of a bounded mailbox: queued messages, grants, and what the receiver has taken
    /// out without having given the places back yet.
    used: AtomicUsize,
    /// Written by the receiver only, so that it needs no read-modify-write.
    handled: AtomicU64,
    dead: AtomicU64,
    receiving: UnsafeCell<Receiving<M>>,
    /// What most mailboxes never need.
    rare: OnceLock<Box<Rare<M>>>,
}

// SAFETY: messages go from thread to thread and are not shared; `receiving` is used by the holder of
// the run token only (see `receiver`), the rest is `Sync` by itself.
#[allow(unsafe_code)]
unsafe impl<M: Send> Sync for Mailbox<M> {}

/// What is in the inbox: messages, and what has its place among them.
enum Item<M> {
    Message(M),
    /// A message whose wait in the mailbox is measured.
    Stamped(Box<(Stamp, M)>),
    Stop,
    /// Behind what the one that has ended told before. Takes no place of the capacity.
    Down(Box<(u64, Down)>),
}

/// What the receiver has taken out of the inbox.
struct Receiving<M> {
    batch: Batch<Item<M>>,
    /// Places that are free again and not yet given back.
    freed: usize,
}

struct Rare<M> {
    signals: Mutex<VecDeque<Signal>>,
    orders: Mutex<Orders>,
    line: Mutex<Line>,
    ring: Mutex<Ring<M>>,
    rejected: AtomicU64,
}

#[derive(Default)]
struct Orders {
    kill: Option<StopReason>,
    stop: Option<StopReason>,
    verdict: Option<Verdict>,
}

/// The queue of a mailbox that drops its oldest: senders must get at the head, so it is under a lock.
struct Ring<M> {
    queue: VecDeque<M>,
    closed: bool,
    /// How many of the messages came before the stop, if there is one.
    before_stop: Option<usize>,
}

impl<M> Default for Rare<M> {
    fn default() -> Self {
        Rare {
            signals: Mutex::default(),
            orders: Mutex::default(),
            line: Mutex::default(),
            ring: Mutex::new(Ring { queue: VecDeque::new(), closed: false, before_stop: None }),
            rejected: AtomicU64::new(0),
        }
    }
}

impl<M> Mailbox<M> {
    /// A mailbox whose cell is about to be scheduled for the first time.
    pub(crate) fn new(settings: Settings) -> Self {
        Mailbox {
            inbox: Inbox::new(),
            control: Control::new(),
            settings: settings.mailbox(settings.mailbox),
            used: AtomicUsize::new(0),
            handled: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            receiving: UnsafeCell::new(Receiving { batch: Batch::EMPTY, freed: 0 }),
            rare: OnceLock::new(),
        }
    }

    fn rare(&self) -> &Rare<M> {
        self.rare.get_or_init(Box::default)
    }

    fn is_bounded(&self) -> bool {
        self.settings.mailbox != Settings::UNBOUNDED
    }

    /// Whether messages are in the ring, for senders to drop the oldest.
    fn has_ring(&self) -> bool {
        self.settings.overflow == Overflow::DropOldest && self.is_bounded()
    }

    /// Whether an ask that finds the mailbox full waits for room.
    pub(crate) fn asks_wait(&self) -> bool {
        self.settings.overflow == Overflow::Wait
    }

    // ---- pushing -------------------------------------------------------------------------------

    /// Adds a user message. `ticket` is a grant to use, if the sender has waited for one; a sender
    /// that `waits` is refused where the overflow policy would drop something.
    #[inline]
    pub(crate) fn push(
        &self,
        message: M,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<Pushed<M>, Refusal<M>> {
        if self.is_bounded() {
            return self.push_bounded(message, ticket, waits);
        }
        match self.inbox.push(Item::of(message)) {
            Ok(schedule) => Ok(Pushed { schedule, dropped: None }),
            Err(item) => Err(Refusal::Closed(item.into_message())),
        }
    }

    fn push_bounded(&self, message: M, ticket: Option<Ticket>, waits: bool) -> Result<Pushed<M>, Refusal<M>> {
        if self.has_ring() {
            return self.push_ring(message, ticket, waits);
        }
        let placed = match ticket {
            Some(ticket) => self.take_place_in_line(ticket),
            None => self.take_place(),
        };
        if !placed {
            return self.overflow(message, waits);
        }
        match self.inbox.push(Item::of(message)) {
            Ok(schedule) => Ok(Pushed { schedule, dropped: None }),
            Err(item) => {
                self.give_places(1);
                Err(Refusal::Closed(item.into_message()))
            }
        }
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
        let one_more = |used| (used < self.settings.mailbox).then_some(used + 1);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    fn overflow(&self, message: M, waits: bool) -> Result<Pushed<M>, Refusal<M>> {
        if self.inbox.is_closed() {
            return Err(Refusal::Closed(message));
        }
        if self.settings.overflow == Overflow::DropNewest && !waits {
            self.dead.fetch_add(1, Ordering::Relaxed);
            return Ok(Pushed { schedule: false, dropped: Some(message) });
        }
        if !waits {
            self.rare().rejected.fetch_add(1, Ordering::Relaxed);
        }
        Err(Refusal::Full(message))
    }

    fn push_ring(&self, message: M, ticket: Option<Ticket>, waits: bool) -> Result<Pushed<M>, Refusal<M>> {
        let placed = ticket.is_some_and(|ticket| self.take_place_in_line(ticket));
        let mut dropped = None;
        {
            let mut ring = self.rare().ring.lock();
            if ring.closed {
                drop(ring);
                if placed {
                    self.give_places(1);
                }
                return Err(Refusal::Closed(message));
            }
            // Who stands in line takes a place there only.
            if !placed && (ticket.is_some() || !self.take_place()) {
                if waits {
                    return Err(Refusal::Full(message));
                }
                match ring.pop() {
                    Some(oldest) => dropped = Some(oldest),
                    // All places are granted: the new one is the oldest of those without.
                    None => {
                        self.dead.fetch_add(1, Ordering::Relaxed);
                        return Ok(Pushed { schedule: false, dropped: Some(message) });
                    }
                }
            }
            ring.queue.push_back(message);
        }
        if dropped.is_some() {
            self.dead.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Pushed { schedule: self.raise(Flags::RING), dropped })
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

    fn give_places(&self, places: usize) {
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
        match self.control.raise(flags) {
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
        match self.inbox.push(Item::Down(Box::new((incarnation, down)))) {
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
        let _before = self.rare().orders.lock().verdict.replace(verdict);
        self.raise(Flags::VERDICT)
    }

    /// Orders the actor to end once the messages that are queued now have been handled. With
    /// `close` it takes no more from now on. A second order only adds that it is the last.
    pub(crate) fn stop(&self, order: Order, close: bool) -> bool {
        if self.has_ended() {
            return false;
        }
        let first = {
            let mut orders = self.rare().orders.lock();
            let first = orders.stop.is_none();
            orders.stop.get_or_insert(order.reason);
            first
        };
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
        let pushed = if close { self.inbox.push_last(Item::Stop) } else { self.inbox.push(Item::Stop) };
        pushed.unwrap_or(false)
    }

    /// Orders the actor to end at the next opportunity: between two messages, or by dropping the
    /// pending handler.
    pub(crate) fn kill(&self, order: Order) -> bool {
        if self.has_ended() {
            return false;
        }
        self.rare().orders.lock().kill.get_or_insert(order.reason);
        let flags = if order.last { Flags::KILL.and(Flags::LAST) } else { Flags::KILL };
        self.raise(flags)
    }

    fn disperse_line(&self) {
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

    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.is_closed() || self.rare.get().is_some_and(|rare| rare.ring.lock().closed)
    }

    /// Whether the supervisor has ordered the actor not to come back.
    pub(crate) fn is_last(&self) -> bool {
        self.control.flags().any(Flags::LAST)
    }

    pub(crate) fn stats(&self) -> MailboxStats {
        let (rejected, granted) = self
            .rare
            .get()
            .map_or((0, 0), |rare| (rare.rejected.load(Ordering::Relaxed), rare.line.lock().granted()));
        let handled = self.handled.load(Ordering::Relaxed);
        let dead = self.dead.load(Ordering::Relaxed);
        let used = self.used.load(Ordering::Relaxed).min(self.settings.mailbox);
        let queued = used.saturating_sub(granted) as u64;
        MailboxStats { accepted: handled + queued + dead, handled, queued, dead, rejected }
    }

    /// The receiving side.
    ///
    /// # Safety
    /// The caller holds the run token for as long as it uses what it gets.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn receiver(&self) -> Receiver<'_, M> {
        // SAFETY: only the holder of the token gets here, and there is one.
        let receiving = self.receiving.with_mut(|receiving| unsafe { &mut *receiving });
        Receiver { mailbox: self, receiving }
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
        let wanted = match mode {
            Mode::Open => {
                // SAFETY: passed on to the caller; it is gone again when `is_done` returns.
                let done = unsafe { self.receiver() }.is_done();
                return !done || !self.rest();
            }
            Mode::Ended => return false,
            Mode::Busy => Flags::WAKE,
            Mode::Failed => Flags::VERDICT.and(Flags::LAST),
            Mode::Draining => Flags::READY,
        };
        // It may be parked for long, and senders need not wait for places that are free.
        // SAFETY: as above.
        unsafe { self.receiver() }.give_places();
        !self.control.park(wanted.and(Flags::KILL))
    }

    /// Gives the token back if there is nothing to do for an open actor.
    fn rest(&self) -> bool {
        loop {
            if self.control.flags().any(Flags::OPEN) {
                return false;
            }
            match self.inbox.rest() {
                Rest::Idle => return true,
                Rest::Messages => return false,
                Rest::Called => {}
            }
        }
    }
}

/// The mailbox as the holder of the run token sees it.
pub(crate) struct Receiver<'a, M> {
    mailbox: &'a Mailbox<M>,
    receiving: &'a mut Receiving<M>,
}

impl<M> Receiver<'_, M> {
    /// The next thing to do for an open actor: kill, system lane, then messages in their order, the
    /// place of a stop among them.
    #[inline]
    pub(crate) fn next(&mut self) -> Work<M> {
        if self.mailbox.control.flags().any(Flags::KILL.and(Flags::SIGNAL).and(Flags::RING))
            && let Some(work) = self.next_urgent()
        {
            return work;
        }
        loop {
            if self.receiving.batch.is_empty() {
                self.receiving.batch = self.mailbox.inbox.take();
            }
            match self.receiving.batch.pop() {
                Some(Item::Message(message)) => {
                    self.count_taken();
                    return Work::Message(message);
                }
                Some(Item::Stamped(stamped)) => {
                    self.count_taken();
                    return Work::Message(unstamped(*stamped));
                }
                None => return Work::Nothing,
                Some(Item::Down(parts)) => {
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

    #[cold]
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
        self.count_taken();
        Some(Work::Message(message))
    }

    fn take_signal(&mut self) -> Option<Signal> {
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

    /// Counts a message that is given to its handler.
    #[inline]
    fn count_taken(&mut self) {
        observe::count(Count::Messages);
        let handled = &self.mailbox.handled;
        handled.store(handled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if self.mailbox.is_bounded() {
            self.receiving.freed += 1;
            // A few at a time, so that receiver and senders do not fight over the count; but all of
            // them before a handler that may take long and has nothing queued behind it.
            let enough = self.mailbox.settings.mailbox / 8;
            if self.receiving.freed > enough || self.receiving.batch.is_empty() {
                self.give_places();
            }
        }
    }

    fn give_places(&mut self) {
        let freed = std::mem::take(&mut self.receiving.freed);
        if freed > 0 {
            self.mailbox.give_places(freed);
        }
    }

    /// Whether all that was taken out of the inbox has been handed on.
    fn is_done(&mut self) -> bool {
        let done = self.receiving.batch.is_empty();
        if done {
            self.give_places();
        }
        done
    }

    /// The message that was handed out last failed: it counts as a dead letter.
    pub(crate) fn count_failed(&mut self) {
        let handled = &self.mailbox.handled;
        handled.store(handled.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        self.mailbox.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// The kill order, if there is one.
    pub(crate) fn take_kill(&mut self) -> Option<StopReason> {
        if !self.mailbox.control.flags().any(Flags::KILL) {
            return None;
        }
        self.mailbox.control.lower(Flags::KILL);
        self.mailbox.rare().orders.lock().kill.take()
    }

    /// The stop whose place in the queue has come. If nothing more is taken either, this was the
    /// last that the actor did, whatever happens to it from here on.
    fn take_stop(&mut self) -> Option<StopReason> {
        let reason = self.mailbox.rare().orders.lock().stop.take()?;
        if self.mailbox.is_closed() {
            self.mailbox.control.raise(Flags::LAST);
        }
        Some(reason)
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
            Some(reason) if last => return Some(Verdict::End(reason)),
            // There is no incarnation that could be killed.
            _ => {}
        }
        let mut orders = self.mailbox.rare().orders.lock();
        self.mailbox.control.lower(Flags::VERDICT);
        match orders.verdict.take() {
            Some(Verdict::End(reason)) => Some(Verdict::End(reason)),
            restart if !last => restart,
            restart => orders.stop.take().map(Verdict::End).or(restart),
        }
    }

    /// Clears the wake-up before the handler is polled, so that one during the poll is seen.
    pub(crate) fn begin_poll(&mut self) {
        self.mailbox.control.lower(Flags::WAKE);
    }

    /// Ends the mailbox: takes nothing more and gives out what is left, counted as dead letters.
    pub(crate) fn end(&mut self) -> VecDeque<M> {
        let mailbox = self.mailbox;
        mailbox.control.raise(Flags::ENDED);
        let mut left = VecDeque::new();
        for mut batch in [std::mem::replace(&mut self.receiving.batch, Batch::EMPTY), mailbox.inbox.close()] {
            while let Some(item) = batch.pop() {
                match item {
                    Item::Message(message) => left.push_back(message),
                    Item::Stamped(stamped) => left.push_back(stamped.1),
                    Item::Stop | Item::Down(_) => {}
                }
            }
        }
        if mailbox.has_ring() {
            // Made if need be: who comes to the ring later must find it closed.
            let mut ring = mailbox.rare().ring.lock();
            ring.closed = true;
            left.extend(std::mem::take(&mut ring.queue));
        }
        if let Some(rare) = mailbox.rare.get() {
            // Dropped outside of the lock.
            let _signals = std::mem::take(&mut *rare.signals.lock());
        }
        mailbox.disperse_line();
        mailbox.dead.fetch_add(left.len() as u64, Ordering::Relaxed);
        if mailbox.is_bounded() {
            // Those on their way to a closed mailbox give back what they have taken themselves.
            let freed = std::mem::take(&mut self.receiving.freed) + left.len();
            mailbox.used.fetch_sub(freed, Ordering::Relaxed);
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

impl<M> Item<M> {
    #[inline]
    fn of(message: M) -> Self {
        if sample::message_due() { Item::stamped(message) } else { Item::Message(message) }
    }

    #[cold]
    #[inline(never)]
    fn stamped(message: M) -> Self {
        Item::Stamped(Box::new((sample::message_stamp(), message)))
    }

    fn into_message(self) -> M {
        match self {
            Item::Message(message) => message,
            Item::Stamped(stamped) => stamped.1,
            Item::Stop | Item::Down(_) => unreachable!("only messages are pushed where one comes back"),
        }
    }
}

impl<M> Ring<M> {
    fn pop(&mut self) -> Option<M> {
        let message = self.queue.pop_front()?;
        if let Some(before) = &mut self.before_stop {
            *before = before.saturating_sub(1);
        }
        Some(message)
    }
}

fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        wait::wake(waker);
    }
}
