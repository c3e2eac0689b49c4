//! A connection's deadlines: what is noted for them, and the timer.

use std::time::Instant;

use actor_core::Timer;
use actor_core::port::{self, Readiness};

use super::{ConnectionPort, Held, Phase};
use crate::codec::{Codec, Stage};
use crate::connection::Connection;
use crate::connection::deadlines::{Deadline, Due, Seen};
use crate::connection::reason::CloseReason;
use crate::connection::shared::Shared;

/// The deadlines of a connection that has any just now, and the timer that is armed for the next.
#[derive(Default)]
pub(super) struct Watch {
    due: Due,
    timer: Option<(Timer, Instant)>,
}

impl Watch {
    fn note(&mut self, seen: Seen, shared: &Shared, readiness: &Readiness) -> Option<Deadline> {
        let now = port::now();
        let expired = self.due.note(seen, &shared.options().within, now);
        if expired.is_none() {
            self.arm(readiness, now);
        }
        expired
    }

    /// A timer that is early is left alone: when it fires this is called again.
    fn arm(&mut self, readiness: &Readiness, now: Instant) {
        let Some(next) = self.due.next() else { return };
        if self.timer.as_ref().is_none_or(|(_, at)| *at <= now || *at > next) {
            let timer = readiness.after(next.saturating_duration_since(now));
            self.timer = timer.map(|timer| (timer, next));
        }
    }
}

impl<C: Connection, H: Held> ConnectionPort<C, H> {
    /// What is expected of the peer, as far as it is the peer's part.
    fn expected(&self) -> Option<Deadline> {
        if !matches!(self.phase, Phase::Open) || self.shared.is_paused() {
            return None;
        }
        match self.codec.as_ref()?.stage() {
            Stage::Handshake => Some(Deadline::Handshake),
            Stage::Frame => Some(Deadline::Frame),
            Stage::Between if !self.heard => Some(Deadline::FirstByte),
            Stage::Between => (!self.inbox.is_empty()).then_some(Deadline::Frame),
        }
    }

    /// Stores what is due, and says what has been for too long.
    pub(super) fn watch(&mut self, mut seen: Seen) -> Option<Deadline> {
        if let Phase::Connecting { .. } = self.phase {
            return None; // It has a deadline of its own.
        }
        let within = &self.shared.options().within;
        seen.expected = self.expected().filter(|what| within.limits(*what));
        (seen.waits, seen.sent) = self.shared.outbound();
        if self.watch.is_none() {
            let writes = seen.waits && within.limits(Deadline::Write);
            if seen.expected.is_none() && !writes && !within.limits(Deadline::Idle) {
                return None;
            }
            self.watch = Some(Box::default());
        }
        self.watch.as_mut()?.note(seen, &self.shared, &self.readiness)
    }

    /// At the end of a turn, when something is left for the socket; the actor cannot be told of the end.
    pub(super) fn watch_writes(&mut self) {
        if self.shared.options().within.limits(Deadline::Write) && self.watch(Seen::default()).is_some() {
            self.wake();
        }
    }

    /// The peer was too slow.
    pub(super) fn expire(&mut self, deadline: Deadline) {
        let why = CloseReason::Expired(deadline);
        self.say_farewell(&why);
        self.shared.end(why);
    }
}
