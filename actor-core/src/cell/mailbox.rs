//! The mailbox: the bounded queue of user messages, the system lane beside it, and the answer to
//! the one question that every push asks: must the actor be scheduled?
//!
//! Everything sits behind one short lock, so a push, the end of a turn and a stop cannot miss each
//! other: whoever changes something sees, in the same critical section, whether the actor is
//! scheduled already (`scheduled`, the run token) and whether what it did is of interest to it now
//! (`mode`). No code of a user's runs under this lock; what must be dropped or woken is handed out.

use std::collections::VecDeque;
use std::task::Waker;

use crate::actor::Overflow;
use crate::monitor::Down;
use crate::port::Ready;
use crate::reason::StopReason;
use crate::slab::Key;
use crate::sync::Mutex;

/// What has happened to the messages of one actor so far. `accepted` is always the sum of
/// `handled`, `queued` and `dead`.
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

/// What the actor can use at the moment; decides whether a push must schedule it.
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
/// armed timer and each monitor, which their owner made.
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

pub(crate) struct Mailbox<M> {
    inner: Mutex<Inner<M>>,
    capacity: usize,
    overflow: Overflow,
}

struct Inner<M> {
    user: VecDeque<M>,
    system: VecDeque<Signal>,
    mode: Mode,
    /// The run token: the cell is in a run queue or on a worker.
    scheduled: bool,
    /// No more user messages, for good.
    closed: bool,
    /// The waker of the pending handler was called.
    woken: bool,
    ready: Ready,
    kill: Option<StopReason>,
    stop: Option<StopReason>,
    /// How many of the queued messages came before the stop.
    before_stop: usize,
    /// A stop or kill came from the supervisor.
    last: bool,
    verdict: Option<Verdict>,
    room: Option<Box<Room>>,
    stats: MailboxStats,
}

/// Senders that wait for room. A grant is one place in the queue that is kept for its holder.
#[derive(Default)]
struct Room {
    waiting: VecDeque<(u64, Waker)>,
    granted: Vec<u64>,
    next: u64,
}

/// A sender's place in the line for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl<M> Mailbox<M> {
    /// A mailbox whose cell is about to be scheduled for the first time.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Mailbox {
            inner: Mutex::new(Inner {
                user: VecDeque::new(),
                system: VecDeque::new(),
                mode: Mode::Open,
                scheduled: true,
                closed: false,
                woken: false,
                ready: Ready::NONE,
                kill: None,
                stop: None,
                before_stop: 0,
                last: false,
                verdict: None,
                room: None,
                stats: MailboxStats::default(),
            }),
            capacity,
            overflow,
        }
    }

    /// Whether an ask that finds the mailbox full waits for room.
    pub(crate) fn asks_wait(&self) -> bool {
        self.overflow == Overflow::Wait
    }

    /// Adds a user message. `ticket` is a grant to use, if the sender has waited for one; a sender
    /// that `waits` is refused where the overflow policy would drop something.
    pub(crate) fn push(
        &self,
        message: M,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<Pushed<M>, Refusal<M>> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(Refusal::Closed(message));
        }
        let granted = ticket.is_some_and(|ticket| inner.use_grant(ticket));
        if granted || inner.user.len() + inner.granted() < self.capacity {
            inner.accept(message);
            return Ok(Pushed { schedule: inner.claim(), dropped: None });
        }
        let dropped = match self.overflow {
            Overflow::DropNewest if !waits => {
                inner.stats.accepted += 1;
                message
            }
            Overflow::DropOldest if !waits && !inner.user.is_empty() => {
                let oldest = inner.pop().expect("the queue is full");
                inner.accept(message);
                oldest
            }
            _ => {
                inner.stats.rejected += u64::from(!waits);
                return Err(Refusal::Full(message));
            }
        };
        inner.stats.dead += 1;
        Ok(Pushed { schedule: false, dropped: Some(dropped) })
    }

    /// Puts a sender in the line for room, or refreshes its waker. True: there is room now, push
    /// with this ticket (the push may still be refused as closed).
    pub(crate) fn queue_for_room(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed {
            return true;
        }
        let taken = inner.user.len();
        let room = inner.room.get_or_insert_default();
        let id = ticket.get_or_insert_with(|| {
            room.next += 1;
            Ticket(room.next)
        });
        if room.granted.contains(&id.0) {
            return true;
        }
        if let Some((_, known)) = room.waiting.iter_mut().find(|(waiting, _)| *waiting == id.0) {
            known.clone_from(waker);
            return false;
        }
        if room.waiting.is_empty() && taken + room.granted.len() < self.capacity {
            room.granted.push(id.0);
            return true;
        }
        room.waiting.push_back((id.0, waker.clone()));
        false
    }

    /// Leaves the line; a grant not used goes to the next.
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        let woken = {
            let mut inner = self.inner.lock();
            if let Some(room) = &mut inner.room {
                room.waiting.retain(|(id, _)| *id != ticket.0);
            }
            if inner.use_grant(ticket) { inner.grant(self.capacity) } else { None }
        };
        if let Some(waker) = woken {
            waker.wake();
        }
    }

    /// Adds to the system lane.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.change(|inner| inner.system.push_back(signal))
    }

    /// Adds readiness flags.
    pub(crate) fn set_ready(&self, ready: Ready) -> bool {
        self.change(|inner| inner.ready |= ready)
    }

    /// Notes that the pending handler wants to be polled.
    pub(crate) fn wake(&self) -> bool {
        self.change(|inner| inner.woken = true)
    }

    /// Notes the supervisor's verdict.
    pub(crate) fn decide(&self, verdict: Verdict) -> bool {
        self.change(|inner| inner.verdict = Some(verdict))
    }

    /// Orders the actor to end once the messages that are queued now have been handled. With
    /// `close` it takes no more from now on. A second order only adds that it is the last.
    pub(crate) fn stop(&self, order: Order, close: bool) -> bool {
        let (schedule, room) = {
            let mut inner = self.inner.lock();
            if inner.mode == Mode::Ended {
                return false;
            }
            if inner.stop.is_none() {
                inner.stop = Some(order.reason);
                inner.before_stop = inner.user.len();
            }
            inner.last |= order.last;
            let room = if close { inner.close() } else { None };
            (inner.claim(), room)
        };
        wake_all(room);
        schedule
    }

    /// Orders the actor to end at the next opportunity: between two messages, or by dropping the
    /// pending handler.
    pub(crate) fn kill(&self, order: Order) -> bool {
        self.change(|inner| {
            inner.last |= order.last;
            inner.kill.get_or_insert(order.reason);
        })
    }

    /// Takes the run token if the change gave a resting actor something to do.
    fn change(&self, f: impl FnOnce(&mut Inner<M>)) -> bool {
        let mut inner = self.inner.lock();
        if inner.mode == Mode::Ended {
            return false;
        }
        f(&mut inner);
        inner.claim()
    }

    // ---- the running side: only the holder of the run token calls these ----------------------

    /// The next thing to do for an open actor. System lane first, then what was queued before a
    /// stop, then the stop.
    pub(crate) fn next(&self) -> Work<M> {
        let (work, woken) = {
            let mut inner = self.inner.lock();
            if let Some(reason) = inner.kill.take() {
                return Work::Kill(reason);
            }
            if let Some(signal) = inner.system.pop_front() {
                return Work::Signal(signal);
            }
            if inner.before_stop == 0
                && let Some(reason) = inner.stop.take()
            {
                return Work::Stop(reason);
            }
            match inner.pop() {
                None => return Work::Nothing,
                Some(message) => {
                    inner.stats.handled += 1;
                    (Work::Message(message), inner.grant(self.capacity))
                }
            }
        };
        if let Some(waker) = woken {
            waker.wake();
        }
        work
    }

    /// The kill order, if there is one.
    pub(crate) fn take_kill(&self) -> Option<StopReason> {
        self.inner.lock().kill.take()
    }

    /// The readiness flags, which are cleared.
    pub(crate) fn take_ready(&self) -> Ready {
        std::mem::take(&mut self.inner.lock().ready)
    }

    /// The supervisor's verdict on a failed actor; an order to end for good is one too.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        let mut inner = self.inner.lock();
        if let Some(reason) = inner.kill.take() {
            return Some(Verdict::End(reason));
        }
        match inner.verdict.take() {
            Some(Verdict::End(reason)) => Some(Verdict::End(reason)),
            restart if !inner.last => restart,
            restart => inner.stop.take().map(Verdict::End).or(restart),
        }
    }

    /// Whether the supervisor has ordered the actor not to come back.
    pub(crate) fn is_last(&self) -> bool {
        self.inner.lock().last
    }

    /// The message that was handed out last failed: it counts as a dead letter.
    pub(crate) fn count_failed(&self) {
        let stats = &mut self.inner.lock().stats;
        stats.handled -= 1;
        stats.dead += 1;
    }

    /// Clears the wake-up before the handler is polled, so that one during the poll is seen.
    pub(crate) fn begin_poll(&self) {
        self.inner.lock().woken = false;
    }

    /// Gives the run token back, unless there is something to do in `mode` (or `again` says so):
    /// then the caller keeps it and must schedule the actor again.
    pub(crate) fn end_turn(&self, mode: Mode, again: Ready) -> bool {
        let mut inner = self.inner.lock();
        inner.mode = mode;
        inner.ready |= again;
        inner.scheduled = inner.runnable();
        inner.scheduled
    }

    /// Ends the mailbox: takes nothing more and gives out what is left, counted as dead letters.
    pub(crate) fn end(&self) -> VecDeque<M> {
        let (left, room) = {
            let mut inner = self.inner.lock();
            inner.mode = Mode::Ended;
            inner.system = VecDeque::new();
            let room = inner.close();
            let left = std::mem::take(&mut inner.user);
            inner.stats.dead += left.len() as u64;
            (left, room)
        };
        wake_all(room);
        left
    }

    // ---- looking in --------------------------------------------------------------------------

    pub(crate) fn stats(&self) -> MailboxStats {
        let inner = self.inner.lock();
        MailboxStats { queued: inner.user.len() as u64, ..inner.stats }
    }
}

impl<M> Inner<M> {
    fn accept(&mut self, message: M) {
        self.stats.accepted += 1;
        self.user.push_back(message);
    }

    fn pop(&mut self) -> Option<M> {
        let message = self.user.pop_front()?;
        self.before_stop = self.before_stop.saturating_sub(1);
        Some(message)
    }

    /// Takes the run token if the actor rests and has something to do.
    fn claim(&mut self) -> bool {
        let claimed = !self.scheduled && self.runnable();
        self.scheduled |= claimed;
        claimed
    }

    fn runnable(&self) -> bool {
        let killed = self.kill.is_some();
        match self.mode {
            Mode::Open => {
                let stop_due = self.stop.is_some() && self.before_stop == 0;
                let mail = !self.user.is_empty() || !self.system.is_empty();
                killed || stop_due || mail || !self.ready.is_empty()
            }
            Mode::Busy => killed || self.woken,
            Mode::Failed => killed || self.verdict.is_some() || (self.last && self.stop.is_some()),
            Mode::Draining => killed || !self.ready.is_empty(),
            Mode::Ended => false,
        }
    }

    fn granted(&self) -> usize {
        self.room.as_ref().map_or(0, |room| room.granted.len())
    }

    fn use_grant(&mut self, ticket: Ticket) -> bool {
        let Some(room) = &mut self.room else { return false };
        let Some(at) = room.granted.iter().position(|id| *id == ticket.0) else {
            return false;
        };
        room.granted.swap_remove(at);
        true
    }

    /// Keeps a free place for the first in the line and gives out its waker.
    fn grant(&mut self, capacity: usize) -> Option<Waker> {
        let taken = self.user.len() + self.granted();
        let room = self.room.as_mut()?;
        if taken >= capacity {
            return None;
        }
        let Some((id, waker)) = room.waiting.pop_front() else {
            if room.granted.is_empty() {
                self.room = None;
            }
            return None;
        };
        room.granted.push(id);
        Some(waker)
    }

    /// Refuses all further user messages; the line for room is to be told.
    fn close(&mut self) -> Option<Box<Room>> {
        self.closed = true;
        self.room.take()
    }
}

fn wake_all(room: Option<Box<Room>>) {
    for (_, waker) in room.into_iter().flat_map(|room| room.waiting) {
        waker.wake();
    }
}
