//! What is done with the connections of a simulation, by their ends and in steps.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use actor_core::port::{Readiness, Ready};
use actor_core::sim::outside;

use super::{
    AGAIN, At, BACKLOG, Change, Effect, End, Kind, LOSSES, Link, Move, Owner, Patience, State, pair,
};
use crate::stream::Peer;

impl Change<'_> {
    /// Takes a step.
    pub(super) fn step(&mut self, what: Move) {
        match what {
            Move::Connect(link) => self.answer(link),
            Move::Carry(to) => self.arrive(to),
            Move::Reset(to) => self.reset_arrives(to),
            Move::GiveUp(at, cut, kind) => self.give_up(at, cut, kind),
        }
    }

    /// Begins a link.
    pub(in crate::sim) fn connect(&mut self, from: Peer, to: Peer, owner: Owner) -> At {
        self.state.links_so_far += 1;
        let link = self.state.links_so_far;
        let ends = [End::new(from, owner), End::new(to, Owner::System(None))];
        self.state.links.insert(link, Link { ends, open: false });
        self.ask(link, Duration::ZERO);
        At { link, side: 0 }
    }

    /// Asks whether a link may be, unless nothing passes.
    fn ask(&mut self, link: u64, after: Duration) {
        if self.state.cut(link).is_none() {
            let after = after + self.delay(At { link, side: 1 }, 0);
            self.effects.push(Effect::Step(after, Move::Connect(link)));
        }
    }

    /// Somebody listens, or nobody does.
    fn answer(&mut self, link: u64) {
        let Some([from, to]) =
            self.state.links.get(&link).map(|link| link.ends.each_ref().map(|end| end.addr.clone()))
        else {
            return;
        };
        // It may have been asked again while it was on its way.
        if self.state.cut(link).is_some() || self.state.is_open(link) {
            return;
        }
        let at = At { link, side: 0 };
        let name = self.state.name(at);
        match self.state.listener(&to) {
            Some(waiting) if waiting.queue.len() >= BACKLOG => return self.ask(link, 5 * AGAIN),
            Some(waiting) => {
                waiting.queue.push_back(link);
                let readiness = waiting.readiness.clone();
                self.effects.extend(readiness.map(|readiness| Effect::Flag(readiness, Ready::READABLE)));
                outside::tell(|| format!("{name} ({from}) connects to {to}"));
                if let Some(link) = self.state.links.get_mut(&link) {
                    link.open = true;
                }
            }
            None => {
                outside::tell(|| format!("{name} finds nobody at {to}"));
                self.fail(at, io::ErrorKind::ConnectionRefused);
            }
        }
        outside::note(link);
        self.flag(at, Ready::WRITABLE);
        self.pump(at);
    }

    /// Sends as much as the buffer takes.
    pub(in crate::sim) fn write(&mut self, from: At, bytes: &[u8]) -> io::Result<usize> {
        let (buffer, short) = (self.state.buffer, self.state.faults.short);
        let open = self.state.is_open(from.link);
        let Some(end) = self.state.end_mut(from) else { return Err(io::ErrorKind::NotConnected.into()) };
        if let Some(error) = end.error.take() {
            return Err(error.into());
        }
        if end.gone || end.shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !open {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(other) = self.state.end_mut(from.other()) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut taken = buffer.saturating_sub(other.pipe.under_way.len()).min(bytes.len());
        if taken > 1 && outside::happens(short) {
            taken = 1 + outside::chance(taken - 1);
            outside::tell(|| {
                format!("{} gets rid of {taken} of {} bytes", self.state.name(from), bytes.len())
            });
        }
        if let Some(other) = self.state.end_mut(from.other()) {
            other.pipe.under_way.extend(&bytes[..taken]);
        }
        if let Some(end) = self.state.end_mut(from) {
            end.wants_room = taken < bytes.len();
        }
        self.carry(from.other());
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Gives what has arrived.
    pub(in crate::sim) fn read(&mut self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        let Some(end) = self.state.end_mut(at) else { return Err(io::ErrorKind::NotConnected.into()) };
        if end.pipe.arrived.is_empty() {
            return match end.error.take() {
                Some(error) => Err(error.into()),
                None if end.pipe.ended || end.gone => Ok(0),
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let read = io::Read::read(&mut end.pipe.arrived, buf)?;
        self.carry(at);
        Ok(read)
    }

    /// Says that this end sends no more.
    pub(in crate::sim) fn shut(&mut self, at: At) -> io::Result<()> {
        let open = self.state.is_open(at.link);
        match self.state.end_mut(at).filter(|end| open && !end.gone) {
            Some(end) => end.shut = true,
            None => return Err(io::ErrorKind::NotConnected.into()),
        }
        self.carry(at.other());
        Ok(())
    }

    /// Nobody has this end any more. What was not read has the peer see a reset, as Linux does it.
    pub(in crate::sim) fn close(&mut self, at: At, reset: bool) {
        let Some(link) = self.state.links.get_mut(&at.link) else { return };
        let open = link.open;
        let end = &mut link.ends[at.side];
        end.closed = true;
        let reset = reset || !end.pipe.arrived.is_empty();
        end.pipe.arrived.clear();
        if let Owner::System(readiness) = &mut end.owner {
            // Still there for its name; flagged no more.
            drop(readiness.take());
        }
        let gone = end.gone;
        end.shut = true;
        if !open || link.ends.iter().all(|end| end.closed) {
            self.state.links.remove(&at.link);
        } else if !gone {
            if reset { self.reset(at.other()) } else { self.carry(at.other()) }
        }
    }

    /// Breaks a link off, as far as this end is to hear of it.
    pub(in crate::sim) fn reset(&mut self, to: At) {
        if let Some(end) = self.state.end_mut(to.other()) {
            end.gone = true;
        }
        if let Some(end) = self.state.end_mut(to) {
            end.pipe.under_way.clear();
        }
        if self.state.cut(to.link).is_none() {
            self.effects.push(Effect::Step(Duration::ZERO, Move::Reset(to)));
        }
    }

    fn reset_arrives(&mut self, to: At) {
        if self.state.cut(to.link).is_none() && self.state.end(to).is_some_and(|end| !end.gone) {
            outside::tell(|| format!("{} hears that its connection is reset", self.state.name(to)));
            outside::note(to.link << 1 | to.side as u64);
            self.fail(to, io::ErrorKind::ConnectionReset);
        }
    }

    /// Nothing goes in or out any more.
    fn fail(&mut self, at: At, error: io::ErrorKind) {
        if let Some(end) = self.state.end_mut(at) {
            end.gone = true;
            end.error = Some(error);
            end.pipe.under_way.clear();
        }
        if let Some(other) = self.state.end_mut(at.other()) {
            other.pipe.under_way.clear();
        }
        self.flag(at, Ready::READABLE | Ready::WRITABLE);
        self.collect(at);
    }

    /// Has what is under way to this end carried on, if anything is and it can be.
    pub(in crate::sim) fn carry(&mut self, to: At) {
        let buffer = self.state.buffer;
        let Some(link) = self.state.links.get(&to.link) else { return };
        let (end, sender) = (&link.ends[to.side], &link.ends[1 - to.side]);
        let ends = sender.shut && !sender.gone && !end.pipe.ended;
        let something = if end.pipe.under_way.is_empty() { ends } else { end.pipe.arrived.len() < buffer };
        if end.pipe.moving || !link.open || !something {
            return;
        }
        let (bytes, gone) = (end.pipe.under_way.len().min(self.state.piece(to.link)), end.gone);
        match self.state.cut(to.link) {
            Some(cut) => return self.grow_impatient(to.other(), cut, Kind::Sent),
            // It has given up, and its peer did not hear of that.
            None if gone => return self.reset(to.other()),
            None => {}
        }
        let after = self.delay(to, bytes);
        if let Some(end) = self.state.end_mut(to) {
            end.pipe.moving = true;
        }
        self.effects.push(Effect::Step(after, Move::Carry(to)));
    }

    /// How long what goes to this end is under way: as long as it takes, and longer if it is delayed or lost.
    fn delay(&mut self, to: At, bytes: usize) -> Duration {
        let mut delay = self.state.takes(to.link, bytes);
        let faults = self.state.faults;
        if outside::happens(faults.delayed) {
            let late = faults.longest / 1000 * outside::chance(1000) as u32;
            outside::tell(|| format!("what {} sends is late by {late:?}", self.state.name(to.other())));
            delay += late;
        }
        let mut again = AGAIN;
        for _ in 0..LOSSES {
            if !outside::happens(faults.lost) {
                break;
            }
            outside::tell(|| {
                format!("what {} sends is lost, and sent again after {again:?}", self.state.name(to.other()))
            });
            delay += again;
            again *= 2;
        }
        delay
    }

    /// Some of what is under way to this end arrives.
    fn arrive(&mut self, to: At) {
        let (buffer, faults, piece) = (self.state.buffer, self.state.faults, self.state.piece(to.link));
        let Some(end) = self.state.end_mut(to) else { return };
        end.pipe.moving = false;
        let gone = end.gone;
        if gone || self.state.cut(to.link).is_some() {
            // It is sent again when the cut has healed.
            return self.carry(to);
        }
        if outside::happens(faults.resets) {
            outside::tell(|| {
                format!("a reset comes between {} and {}", self.state.name(to.other()), self.state.name(to))
            });
            self.fail(to, io::ErrorKind::ConnectionReset);
            return self.fail(to.other(), io::ErrorKind::ConnectionReset);
        }
        let Some(link) = self.state.links.get_mut(&to.link) else { return };
        let sender = &link.ends[1 - to.side];
        if sender.gone {
            // A reset comes instead.
            return;
        }
        let shut = sender.shut;
        let end = &mut link.ends[to.side];
        let all = end.pipe.under_way.len();
        let mut bytes = all.min(piece).min(buffer - end.pipe.arrived.len().min(buffer));
        if bytes > 1 && outside::happens(faults.cuts) {
            bytes = 1 + outside::chance(bytes - 1);
        }
        let carried = end.pipe.under_way.drain(..bytes);
        if end.closed {
            drop(carried);
        } else {
            end.pipe.arrived.extend(carried);
        }
        end.pipe.ended = shut && bytes == all;
        let (closed, ended) = (end.closed, end.pipe.ended);
        outside::note(to.link << 1 | to.side as u64);
        outside::note(bytes as u64);
        outside::tell(|| self.says_that_arrives(to, bytes, all));
        if closed && bytes > 0 {
            // Nobody is there to take it.
            return self.reset(to.other());
        }
        self.flag(to, Ready::READABLE);
        if bytes > 0 {
            self.has_room(to.other());
        }
        self.collect(to);
        if !ended {
            self.carry(to);
        }
    }

    fn says_that_arrives(&self, to: At, bytes: usize, all: usize) -> String {
        let (from, name) = (self.state.name(to.other()), self.state.name(to));
        let ended = self.state.end(to).is_some_and(|end| end.pipe.ended);
        let last = if ended { ", its last" } else { "" };
        match all {
            0 => format!("{name} hears that {from} sends no more"),
            _ if bytes == all => format!("{bytes} bytes from {from} reach {name}{last}"),
            _ => format!("{bytes} of {all} bytes from {from} reach {name}"),
        }
    }

    /// The sender has room again.
    fn has_room(&mut self, at: At) {
        if self.state.end_mut(at).is_some_and(|end| std::mem::take(&mut end.wants_room)) {
            self.flag(at, Ready::WRITABLE);
        }
        self.pump(at);
    }

    pub(in crate::sim) fn flag(&mut self, at: At, ready: Ready) {
        if let Some(End { owner: Owner::System(Some(readiness)), .. }) = self.state.end(at) {
            self.effects.push(Effect::Flag(readiness.clone(), ready));
        }
    }

    /// Has what happens at this end flagged, beginning with what is so.
    pub(in crate::sim) fn watch(&mut self, at: At, readiness: &Readiness) {
        let open = self.state.is_open(at.link);
        let Some(end) = self.state.end_mut(at) else { return };
        let mut ready = if open || end.gone { Ready::WRITABLE } else { Ready::NONE };
        if end.gone || end.pipe.ended || !end.pipe.arrived.is_empty() {
            ready |= Ready::READABLE;
        }
        end.owner = Owner::System(Some(readiness.clone()));
        if !ready.is_empty() {
            self.flag(at, ready);
        }
    }

    /// Nothing passes between two addresses.
    pub(in crate::sim) fn cut(&mut self, a: IpAddr, b: IpAddr) {
        if self.state.cuts.contains_key(&pair(a, b)) {
            return;
        }
        outside::tell(|| format!("nothing passes between {a} and {b}"));
        self.state.cuts_so_far += 1;
        let cut = self.state.cuts_so_far;
        self.state.cuts.insert(pair(a, b), cut);
        for link in self.links_of(|state, link| state.cut(link) == Some(cut)) {
            for side in [0, 1] {
                self.grow_impatient(At { link, side }, cut, Kind::Idle);
                self.grow_impatient(At { link, side }, cut, Kind::Sent);
            }
        }
    }

    /// Something passes again, between those of which this is so.
    pub(in crate::sim) fn heal(&mut self, which: impl Fn(IpAddr, IpAddr) -> bool) {
        self.state.cuts.retain(|(a, b), _| {
            let heals = which(*a, *b);
            if heals {
                outside::tell(|| format!("what is sent passes between {a} and {b} again"));
            }
            !heals
        });
        for link in self.links_of(|state, link| state.cut(link).is_none()) {
            if !self.state.is_open(link) {
                self.ask(link, Duration::ZERO);
            }
            for side in [0, 1] {
                self.carry(At { link, side });
                self.ask_whether_there(At { link, side });
            }
        }
    }

    /// Has the keep-alive of this end find out that its peer is gone, which a cut has kept from it.
    fn ask_whether_there(&mut self, at: At) {
        let gone = self.state.end(at.other()).is_some_and(|other| other.gone);
        let idle = self
            .state
            .end(at)
            .filter(|end| gone && !end.gone && !end.closed)
            .and_then(|end| end.patience.idle);
        if let Some(after) = idle {
            self.effects.push(Effect::Step(after, Move::Reset(at)));
        }
    }

    /// After how long this end gives its peer up.
    pub(in crate::sim) fn set_patience(&mut self, at: At, patience: Patience) {
        if let Some(end) = self.state.end_mut(at) {
            end.patience = patience;
        }
        if let Some(cut) = self.state.cut(at.link) {
            self.grow_impatient(at, cut, Kind::Idle);
        }
        self.ask_whether_there(at);
    }

    fn links_of(&self, which: impl Fn(&State, u64) -> bool) -> Vec<u64> {
        self.state.links.keys().copied().filter(|link| which(&self.state, *link)).collect()
    }

    /// Has this end give up some time after the cut began, or after it has sent something in it.
    fn grow_impatient(&mut self, at: At, cut: u64, kind: Kind) {
        let Some(end) = self.state.end(at).filter(|end| !end.gone && !end.closed) else { return };
        let Patience { sent, idle } = end.patience;
        let waits = match kind {
            Kind::Idle => idle,
            Kind::Sent => (end.impatient < cut && self.has_sent(at)).then_some(sent),
        };
        if let Some(end) = self.state.end_mut(at).filter(|_| kind == Kind::Sent && waits.is_some()) {
            end.impatient = cut;
        }
        if let Some(after) = waits {
            self.effects.push(Effect::Step(after, Move::GiveUp(at, cut, kind)));
        }
    }

    /// Whether something that this end has sent is under way.
    fn has_sent(&self, at: At) -> bool {
        self.state.end(at.other()).is_some_and(|other| !other.pipe.under_way.is_empty())
    }

    fn give_up(&mut self, at: At, cut: u64, kind: Kind) {
        let lives = self.state.end(at).is_some_and(|end| !end.gone && !end.closed);
        if lives && self.state.cut(at.link) == Some(cut) && (kind == Kind::Idle || self.has_sent(at)) {
            outside::tell(|| format!("{} gives its peer up, which does not answer", self.state.name(at)));
            outside::note(at.link << 1 | at.side as u64);
            self.fail(at, io::ErrorKind::TimedOut);
        }
    }
}
