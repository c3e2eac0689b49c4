//! The control word: what has happened to an actor beside its messages, and what it rests for.
//!
//! The lower half holds *flags*, raised by anybody. The upper half is empty unless the actor is
//! *parked*: it keeps its run token, because messages are not to schedule it (an async handler is
//! pending, its supervisor decides, its port drains), and rests until one of the flags in the upper
//! half is raised. Who raises one of those takes the upper half away and schedules the actor.

#[cfg(all(test, loom))]
mod model;

use crate::sync::{AtomicU32, Ordering};

/// A set of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u32);

impl Flags {
    /// The four kinds of readiness, as `Ready` has them.
    pub(crate) const READY: Flags = Flags(0b1111);
    /// The waker of the pending handler was called.
    pub(crate) const WAKE: Flags = Flags(1 << 4);
    /// There is a kill order.
    pub(crate) const KILL: Flags = Flags(1 << 5);
    /// There is something in the system lane.
    pub(crate) const SIGNAL: Flags = Flags(1 << 6);
    /// There is something in the ring of a mailbox that drops its oldest.
    pub(crate) const RING: Flags = Flags(1 << 7);
    /// The supervisor has decided.
    pub(crate) const VERDICT: Flags = Flags(1 << 8);
    /// The supervisor has ordered the actor not to come back. Stays.
    pub(crate) const LAST: Flags = Flags(1 << 9);
    /// Senders wait for room. Schedules nobody.
    pub(crate) const LINE: Flags = Flags(1 << 10);
    /// The actor has ended. Stays.
    pub(crate) const ENDED: Flags = Flags(1 << 11);

    /// What an actor between two handlers has to look at.
    pub(crate) const OPEN: Flags = Flags(Self::READY.0 | Self::KILL.0 | Self::SIGNAL.0 | Self::RING.0);

    const ALL: u32 = 0xffff;

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

pub(crate) struct Control(AtomicU32);

const PARKED: u32 = 16;

impl Control {
    pub(crate) fn new() -> Self {
        Control(AtomicU32::new(0))
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

    /// Raises flags.
    pub(crate) fn raise(&self, flags: Flags) -> Raised {
        // SeqCst: a sender that joins the line; see `Mailbox::queue_for_room`. Release: with `flags`.
        let before = self.0.fetch_or(flags.0, Ordering::SeqCst);
        if Flags(before).any(Flags::ENDED) {
            return Raised::Seen;
        }
        let parked_for = before >> PARKED;
        if parked_for == 0 {
            return if flags.any(Flags::OPEN) { Raised::Claim } else { Raised::Seen };
        }
        if parked_for & flags.0 == 0 {
            return Raised::Seen;
        }
        // Several may come here; one takes the upper half. Acquire: with the release of `park`, so
        // that the next turn sees the last. SeqCst is for nothing more than that.
        let taken = self.0.fetch_and(Flags::ALL, Ordering::AcqRel);
        if taken >> PARKED != 0 { Raised::Schedule } else { Raised::Seen }
    }

    /// Lowers flags; says which of them were up. For the holder of the token, or with the lock that
    /// guards what the flag stands for.
    pub(crate) fn lower(&self, flags: Flags) -> Flags {
        // AcqRel: the acquire as in `flags`.
        Flags(self.0.fetch_and(!flags.0, Ordering::AcqRel) & flags.0)
    }

    /// Parks the actor until one of `wanted` is raised; false if one is up. For the holder of the
    /// token.
    pub(crate) fn park(&self, wanted: Flags) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            if Flags(now).any(wanted) {
                return false;
            }
            let parked = now | wanted.0 << PARKED;
            // Release: with the acquire in `raise`.
            match self.0.compare_exchange_weak(now, parked, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }
}
