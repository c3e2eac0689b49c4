//! A connection's deadlines: what is noted for them, and the timer.

use std::time::Instant;

use actor_core::Timer;
use actor_core::port;
use bytes::Bytes;

use super::{ConnectionPort, Held, Phase};
use crate::codec::{Codec, Stage};
use crate::connection::Connection;
use crate::connection::deadlines::{Deadline, Due, Ring, Within};
use crate::connection::reason::CloseReason;
use crate::connection::shared::Shared;
use crate::options::Options;

/// The deadlines of a connection that has any just now, or had one until its timer fires.
pub(super) struct Watch {
    due: Due,
    timer: Option<(Timer, Instant)>,
    /// When bytes have gone over the connection last, to the tick.
    moved: u64,
}

impl Watch {
    fn begin(options: &Options) -> Box<Watch> {
        let mut due = Due::default();
        due.moved(&options.within, port::now);
        if options.heartbeat.is_some() {
            due.beats(options.next_beat(port::now()));
        }
        Box::new(Watch { due, timer: None, moved: port::ticks() })
    }

    /// Bytes have gone over the connection. With many frames in a tick the time is that of the first.
    fn moved(&mut self, within: &Within) {
        if within.limits(Deadline::Idle) {
            let ticks = port::ticks();
            if std::mem::replace(&mut self.moved, ticks) != ticks {
                self.due.moved(within, port::now);
            }
        }
    }

    /// The timer has fired.
    fn rings(&mut self, shared: &Shared) -> Ring {
        let within = &shared.options().within;
        let (waits, sent) = shared.outbound();
        self.due.writes(waits, sent, within, port::now);
        if sent {
            // By a room; nobody has noted when.
            self.moved(within);
        }
        let now = port::now();
        if shared.is_paused() {
            self.due.heard(|| shared.options().next_beat(now));
        }
        self.timer.take_if(|(_, at)| *at <= now);
        self.due.rings(within, || shared.options().next_beat(now), now)
    }

    /// A timer that is early is left alone: when it fires, what is due then decides.
    fn arm(&mut self, shared: &Shared) {
        let Some(next) = self.due.next() else { return };
        if self.timer.as_ref().is_none_or(|(_, at)| *at > next) {
            let timer = shared.readiness().after(next.saturating_duration_since(port::now()));
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

    /// Stores what the peer is expected to do. If the timer has fired, says what it has not done in time.
    pub(super) fn watch(&mut self, rings: bool) -> Option<Deadline> {
        if let Phase::Connecting { .. } = self.phase {
            return None; // It has a deadline of its own.
        }
        let (anew, heard) = (std::mem::take(&mut self.anew), std::mem::take(&mut self.moved));
        let options = self.shared.options();
        let within = &options.within;
        let expected = self.expected().filter(|what| within.limits(*what));
        let always = within.limits(Deadline::Idle) || options.heartbeat.is_some();
        if self.watch.is_none() && expected.is_none() && !always {
            return None;
        }
        let watch = self.watch.get_or_insert_with(|| Watch::begin(options));
        watch.due.expect(expected, anew, within, port::now);
        if heard {
            watch.moved(within);
            watch.due.heard(|| options.next_beat(port::now()));
        }
        if rings {
            match watch.rings(&self.shared) {
                Ring::Nothing => {}
                Ring::Ask => self.ask(),
                Ring::Expired(deadline) => return Some(deadline),
            }
        }
        let watch = self.watch.as_mut()?;
        watch.arm(&self.shared);
        if watch.timer.is_none() {
            self.watch = None;
        }
        None
    }

    /// Asks the peer whether it is still there, if there is a way to.
    fn ask(&mut self) {
        let words = self.codec.as_mut().and_then(Codec::ping);
        let said = self.shared.options().heartbeat.and_then(|heartbeat| heartbeat.words);
        match words.or_else(|| said.map(Bytes::from_static)) {
            Some(words) => {
                self.shared.write(words, None);
            }
            // Nobody answers what was not asked.
            None => {
                if let Some(watch) = &mut self.watch {
                    watch.due.heard(|| self.shared.options().next_beat(port::now()));
                }
            }
        }
    }

    /// At the end of a turn: what the turn has sent, and what the socket has refused (`waits`).
    pub(super) fn watch_writes(&mut self, waits: bool) {
        let within = &self.shared.options().within;
        let waits =
            waits && within.limits(Deadline::Write) && !matches!(self.phase, Phase::Connecting { .. });
        if waits && self.watch.is_none() {
            self.watch = Some(Watch::begin(self.shared.options()));
        }
        let Some(watch) = &mut self.watch else { return };
        let sent = self.shared.take_sent();
        if sent {
            watch.moved(within);
        }
        if waits {
            watch.due.writes(true, sent, within, port::now);
            watch.arm(&self.shared);
        }
    }

    /// The peer was too slow.
    pub(super) fn expire(&mut self, deadline: Deadline) {
        let why = CloseReason::Expired(deadline);
        self.say_farewell(&why);
        self.shared.end(why);
    }
}
