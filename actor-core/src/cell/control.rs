//! The control word: what has happened to an actor beside its messages, and what it rests for.
//!
//! The lower 24 bits are *flags*, raised by anybody. The upper 8 are empty unless the actor is
//! *parked*: it keeps its run token, because messages are not to schedule it (an async handler is
//! pending, its supervisor decides, its port drains), and rests until one of the first 8 flags that is
//! marked in the upper bits is raised. Who raises one of those takes the marks away and schedules the
//! actor.
//!
//! Orders to end, and how the actor has ended, are flags too where the reason carries nothing: so
//! stopping millions of actors needs memory for none of them.

#[cfg(all(test, loom))]
mod model;

use crate::reason::StopReason;
use crate::sync::{AtomicU32, Ordering};

/// A set of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    // The first 8 can end the rest of a parked actor.
    /// The four kinds of readiness, as `Ready` has them.
    pub(crate) const READY: Flags = Flags(0b1111);
    /// The waker of the pending handler was called.
    pub(crate) const WAKE: Flags = Flags(1 << 4);
    /// There is a kill order.
    pub(crate) const KILL: Flags = Flags(1 << 5);
    /// The supervisor has decided.
    pub(crate) const VERDICT: Flags = Flags(1 << 6);
    /// The supervisor has ordered the actor not to come back. Stays.
    pub(crate) const LAST: Flags = Flags(1 << 7);

    /// There is something in the system lane.
    pub(crate) const SIGNAL: Flags = Flags(1 << 8);
    /// There is something in the ring of a mailbox that drops its oldest.
    pub(crate) const RING: Flags = Flags(1 << 9);
    /// Senders wait for room. Schedules nobody.
    pub(crate) const LINE: Flags = Flags(1 << 10);
    /// The mailbox has ended. Stays.
    pub(crate) const ENDED: Flags = Flags(1 << 11);
    /// There is a stop whose place has not come; with `Normal` or `Shutdown` for its reason.
    const STOP_NORMAL: Flags = Flags(1 << 12);
    const STOP_SHUTDOWN: Flags = Flags(1 << 13);
    const STOP: Flags = Flags::STOP_NORMAL.and(Flags::STOP_SHUTDOWN);
    /// The reason of the kill order is `Shutdown`.
    const KILL_SHUTDOWN: Flags = Flags(1 << 14);
    /// Somebody is to be told of the end.
    const WATCHED: Flags = Flags(1 << 15);
    /// The actor has ended and will tell nobody any more. Stays, as do the three that say why: in two
    /// bits, `Other` for a reason that is kept elsewhere.
    const DONE: Flags = Flags(1 << 16);
    const WHY: u32 = 17;
    /// The kill was ordered; otherwise a linked actor's end is behind it, which [`Flags::LINKED`] says.
    const ORDERED: Flags = Flags(1 << 20);
    /// A linked actor has ended, and the incarnation with it.
    const LINKED: Flags = Flags(1 << 21);
    /// The supervisor has ended the incarnation to start the actor again, whatever its restart type.
    pub(crate) const RETURNS: Flags = Flags(1 << 19);
    /// A handler was condemned although too many were: the supervisor is not to restart the actor. Stays.
    pub(crate) const LAST_STRAW: Flags = Flags(1 << 22);
    /// There is, or was, a ref that does not count. Stays.
    const WEAKLY_HELD: Flags = Flags(1 << 23);

    /// What keeps an actor that rests from being held: something has come for it, or it is ending, or it can be got
    /// at by a ref that does not count.
    pub(crate) const STIRRED: Flags = Flags(Self::OPEN.0 | Self::STOP.0 | Self::WEAKLY_HELD.0)
        .and(Self::LAST)
        .and(Self::RETURNS)
        .and(Self::ENDED)
        .and(Self::LINE);

    /// What comes before the messages in the inbox.
    pub(crate) const URGENT: Flags = Flags(Self::KILL.0 | Self::SIGNAL.0 | Self::RING.0);
    /// What an actor between two handlers has to look at.
    pub(crate) const OPEN: Flags = Flags(Self::READY.0 | Self::URGENT.0);

    pub(crate) const NONE: Flags = Flags(0);
    const ALL: u32 = (1 << PARKED) - 1;

    pub(crate) const fn ready(bits: u8) -> Flags {
        Flags(bits as u32 & Self::READY.0)
    }

    pub(crate) const fn ready_bits(self) -> u8 {
        (self.0 & Self::READY.0) as u8
    }

    pub(crate) const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn any(self, of: Flags) -> bool {
        self.0 & of.0 != 0
    }
}

/// Why an actor is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By anybody, to stop.
    Stop,
    /// By its supervisor or the system.
    Shutdown,
    /// By anybody, at once.
    Kill,
}

impl From<Asked> for StopReason {
    fn from(asked: Asked) -> StopReason {
        match asked {
            Asked::Stop => StopReason::Normal,
            Asked::Shutdown => StopReason::Shutdown,
            Asked::Kill => StopReason::Killed,
        }
    }
}

/// Whose doing a kill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killed {
    As(Asked),
    Linked,
}

/// How an actor has ended, as far as the control word can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    As(Asked),
    /// For a reason that is kept elsewhere.
    Other,
}

impl Done {
    pub(crate) fn of(reason: &StopReason) -> Done {
        match reason {
            StopReason::Normal => Done::As(Asked::Stop),
            StopReason::Shutdown => Done::As(Asked::Shutdown),
            StopReason::Killed => Done::As(Asked::Kill),
            _ => Done::Other,
        }
    }
}

/// What raising a flag asks of the one who did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raised {
    /// The actor was parked for this: schedule it.
    Schedule,
    /// It is not parked: if it rests otherwise, its token must be claimed.
    Claim,
    /// Nothing.
    Seen,
}

pub(crate) struct ControlWord(AtomicU32);

/// Where the marks of a parked actor begin; there are as many as there are bits left.
const PARKED: u32 = 24;

impl ControlWord {
    pub(crate) fn new() -> Self {
        ControlWord(AtomicU32::new(0))
    }

    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        // Acquire: with the release of `raise`, so that what was put there first is seen.
        Flags(self.0.load(Ordering::Acquire) & Flags::ALL)
    }

    /// Whether senders wait for room.
    pub(crate) fn has_line(&self) -> bool {
        // SeqCst: in one order with the places that the caller has given back; see
        // `Mailbox::queue_for_room`.
        Flags(self.0.load(Ordering::SeqCst)).any(Flags::LINE)
    }

    /// Raises flags. A wake-up that schedules a parked actor leaves no flag: the turn is for nothing else.
    #[inline]
    pub(crate) fn raise(&self, flags: Flags) -> Raised {
        self.update(|_| flags)
    }

    /// Raises what `flags` says, of the flags that are up. One read-modify-write, whatever there is to do.
    #[inline]
    fn update(&self, flags: impl Fn(Flags) -> Flags) -> Raised {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let more = flags(Flags(now));
            let ends_rest = now >> PARKED & more.0 != 0;
            let next = match ends_rest {
                // Who takes the marks away is the one to schedule the actor.
                true if more == Flags::WAKE => now & Flags::ALL,
                true => (now | more.0) & Flags::ALL,
                false => now | more.0,
            };
            // Release: with `flags`, for what was put there first. Acquire: with the release of `park`, so
            // that the next turn sees the last. SeqCst: a sender that joins the line; see
            // `Mailbox::queue_for_room`.
            match self.0.compare_exchange_weak(now, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) if Flags(now).any(Flags::ENDED) => return Raised::Seen,
                Ok(_) if ends_rest => return Raised::Schedule,
                Ok(_) if now >> PARKED == 0 && more.any(Flags::OPEN) => return Raised::Claim,
                Ok(_) => return Raised::Seen,
                Err(other) => now = other,
            }
        }
    }

    /// Lowers flags; says which of them were up. For the holder of the token, or with the lock that
    /// guards what the flag stands for.
    pub(crate) fn lower(&self, flags: Flags) -> Flags {
        // Acquire: as in `flags`. No release: who lowers a flag says nothing by that; and what was said by raising
        // others stays said, since this is a read-modify-write.
        Flags(self.0.fetch_and(!flags.0, Ordering::Acquire) & flags.0)
    }

    /// Parks the actor until one of `wanted` is raised; false if one is up. For the holder of the
    /// token.
    pub(crate) fn park(&self, wanted: Flags) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if Flags(now).any(wanted) {
                return false;
            }
            debug_assert!(wanted.0 < 1 << (32 - PARKED), "only the first flags end a rest");
            let parked = now | wanted.0 << PARKED;
            // Release: with the acquire in `raise`. No acquire: who parks looks at nothing more.
            match self.0.compare_exchange_weak(now, parked, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    /// Notes that somebody makes a ref that does not count.
    pub(crate) fn mark_weakly_held(&self) {
        // Release: with the acquire in `flags`, by way of the count of the ref that it is made of; see `held`.
        self.0.fetch_or(Flags::WEAKLY_HELD.0, Ordering::Release);
    }

    // ---- orders to end ---------------------------------------------------------------------------

    /// Notes the reason of a stop; false if there was one already, which keeps its reason.
    pub(crate) fn order_stop(&self, asked: Asked) -> bool {
        let stop = if asked == Asked::Shutdown { Flags::STOP_SHUTDOWN } else { Flags::STOP_NORMAL };
        let one_only = |now| (!Flags(now).any(Flags::STOP)).then_some(now | stop.0);
        // Relaxed: the stop's place in the inbox, which follows, gives the order.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_only).is_ok()
    }

    /// Takes the stop, if there is one.
    pub(crate) fn take_stop(&self) -> Option<Asked> {
        if !self.flags().any(Flags::STOP) {
            return None;
        }
        let stop = self.lower(Flags::STOP);
        Some(if stop.any(Flags::STOP_SHUTDOWN) { Asked::Shutdown } else { Asked::Stop })
    }

    /// Raises a kill order; one that is there already keeps its reason. `more` is raised with it.
    pub(crate) fn order_kill(&self, asked: Asked, more: Flags) -> Raised {
        let kill = Flags::KILL.and(Flags::ORDERED).and(more);
        let first = if asked == Asked::Shutdown { kill.and(Flags::KILL_SHUTDOWN) } else { kill };
        self.update(|now| if now.any(Flags::ORDERED) { kill } else { first })
    }

    /// A linked actor has ended: the same as a kill, for a reason that is kept elsewhere.
    pub(crate) fn linked_end(&self) -> Raised {
        self.raise(Flags::KILL.and(Flags::LINKED))
    }

    /// Takes the kill, if there is one: as it was ordered, or because of a link.
    pub(crate) fn take_kill(&self) -> Option<Killed> {
        if !self.flags().any(Flags::KILL) {
            return None;
        }
        let all = Flags::KILL.and(Flags::ORDERED).and(Flags::KILL_SHUTDOWN).and(Flags::LINKED);
        let kill = self.lower(all);
        match (kill.any(Flags::ORDERED), kill.any(Flags::KILL_SHUTDOWN)) {
            (false, _) => Some(Killed::Linked),
            (true, true) => Some(Killed::As(Asked::Shutdown)),
            (true, false) => Some(Killed::As(Asked::Kill)),
        }
    }

    // ---- the end, and who is told of it ------------------------------------------------------------

    /// Marks the actor as watched, by somebody who is in the list by now. How it has ended, if it has:
    /// then who ended it may not have seen the mark.
    pub(crate) fn mark_watched(&self) -> Option<Done> {
        // Acquire: with the release in `mark_done`, so that who learns of the end sees what the actor did. The list
        // has its lock, and that cannot be taken in an order which the marks contradict.
        Flags(self.0.fetch_or(Flags::WATCHED.0, Ordering::Acquire)).done()
    }

    /// Marks the actor as ended; true if it is watched.
    pub(crate) fn mark_done(&self, done: Done) -> bool {
        let why = match done {
            Done::As(Asked::Stop) => 0,
            Done::As(Asked::Shutdown) => 1,
            Done::As(Asked::Kill) => 2,
            Done::Other => 3,
        };
        // Release: with the acquires in `mark_watched` and `flags`. Both marks are on one word, so one of the two
        // sees the other.
        let before = self.0.fetch_or(Flags::DONE.0 | why << Flags::WHY, Ordering::Release);
        Flags(before).any(Flags::WATCHED)
    }

    /// How the actor has ended, if it has.
    pub(crate) fn done(&self) -> Option<Done> {
        self.flags().done()
    }
}

impl Flags {
    fn done(self) -> Option<Done> {
        if !self.any(Flags::DONE) {
            return None;
        }
        Some(match self.0 >> Flags::WHY & 0b11 {
            0 => Done::As(Asked::Stop),
            1 => Done::As(Asked::Shutdown),
            2 => Done::As(Asked::Kill),
            _ => Done::Other,
        })
    }
}
