//! The other end of a connection, in the hands of a test.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actor_core::sim::outside;
use memchr::memchr;

use super::wire::{At, Change, End, Owner, Wire};
use crate::stream::Peer;

/// For how much of the simulation's time one waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the wire has of a remote.
pub(super) struct Script {
    number: u32,
    /// It takes what arrives.
    reads: bool,
    /// What it has taken, and the test has not.
    got: Vec<u8>,
    /// What it sends when there is room.
    outbox: Vec<u8>,
    /// It sends no more than that.
    finishes: bool,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remote {}", self.number)
    }
}

impl Change<'_> {
    /// Has a remote send what there is room for.
    pub(super) fn pump(&mut self, at: At) {
        let open = self.state.is_open(at.link);
        let Some(End { owner: Owner::Remote(script), gone: false, .. }) = self.state.end_mut(at) else {
            return;
        };
        if !open {
            return;
        }
        let (mut bytes, finishes) = (std::mem::take(&mut script.outbox), script.finishes);
        if !bytes.is_empty()
            && let Ok(taken) = self.write(at, &bytes)
        {
            bytes.drain(..taken);
        }
        if bytes.is_empty() && finishes {
            // It has a link, which is open.
            let _ = self.shut(at);
        }
        if let Some(script) = self.script(at) {
            script.outbox = bytes;
        }
    }

    /// Has a remote take what has arrived, if it reads.
    pub(super) fn collect(&mut self, at: At) {
        if let Some(End { owner: Owner::Remote(script), pipe, .. }) = self.state.end_mut(at)
            && script.reads
            && !pipe.arrived.is_empty()
        {
            script.got.extend(pipe.arrived.drain(..));
            self.carry(at);
        }
    }

    fn script(&mut self, at: At) -> Option<&mut Script> {
        match &mut self.state.end_mut(at)?.owner {
            Owner::Remote(script) => Some(script),
            Owner::System(_) => None,
        }
    }
}

/// How the connection of a [`Remote`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The peer has said that it sends no more.
    Finished,
    /// It was reset.
    Reset,
    /// Nobody listens there.
    Refused,
    /// It was given up, since nothing was answered.
    TimedOut,
}

/// Somebody at the other end of a connection who does what the test says: a test's stream socket. It
/// [connects](super::Network::connect) to a listener of the system that is simulated.
///
/// What arrives it reads at once, unless it is told not to, and keeps for the test. What it sends waits in it until the connection
/// takes it. So nothing here has the simulation go on but [`line`](Self::line), [`until`](Self::until) and [`rest`](Self::rest), which
/// wait for what must come. Dropping it closes the connection.
pub struct Remote {
    wire: Arc<Wire>,
    at: At,
    number: u32,
    addr: SocketAddr,
}

impl Remote {
    pub(super) fn connect(wire: Arc<Wire>, from: Option<IpAddr>, to: Peer) -> Remote {
        let (at, number, addr) = wire.change(|change| {
            change.state.remotes += 1;
            let number = change.state.remotes;
            let ip = from.unwrap_or_else(|| own_address(number));
            let addr = SocketAddr::new(ip, change.state.port());
            let script = Script { number, reads: true, got: Vec::new(), outbox: Vec::new(), finishes: false };
            (change.connect(Peer::Ip(addr), to, Owner::Remote(script)), number, addr)
        });
        Remote { wire, at, number, addr }
    }

    /// Where it connects from: for one that was not told where, an address of its own in 10.0.0.0/8.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends bytes, behind those that were sent before.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.change(|script| script.outbox.extend_from_slice(bytes.as_ref()));
        self.wire.change(|change| change.pump(self.at));
    }

    /// Sends no more than what was sent so far, and goes on reading.
    pub fn half_close(&self) {
        self.change(|script| script.finishes = true);
        self.wire.change(|change| change.pump(self.at));
    }

    /// Closes the connection with a reset, which overtakes what is under way.
    pub fn reset(self) {
        self.wire.change(|change| change.close(self.at, true));
    }

    /// Reads no more, until it [goes on](Self::read_on): what comes waits, as far as there is room, and then with who sends it.
    pub fn stop_reading(&self) {
        self.change(|script| script.reads = false);
    }

    /// Reads again.
    pub fn read_on(&self) {
        self.change(|script| script.reads = true);
        self.wire.change(|change| change.collect(self.at));
    }

    /// Nothing passes any more between its address and that of its peer, until that is [healed](Self::heal).
    pub fn cut_off(&self) {
        let to = self.peer_ip();
        self.wire.change(|change| change.cut(self.addr.ip(), to));
    }

    /// What is sent passes again between its address and all others from which it was cut off.
    pub fn heal(&self) {
        let own = self.addr.ip();
        self.wire.change(|change| change.heal(|a, b| a == own || b == own));
    }

    /// What has come and was not taken yet.
    pub fn received(&mut self) -> Vec<u8> {
        self.change(|script| std::mem::take(&mut script.got)).unwrap_or_default()
    }

    /// The whole lines that have come and were not taken yet, without their ends.
    pub fn lines(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// The next line, without its end; `None` if the connection ends before that.
    ///
    /// # Panics
    /// If neither comes within a minute of the simulation's time.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        if !self.wire.waits_for(|| self.has_line() || self.ended().is_some()) {
            panic!("{self:?} has waited for a line for {PATIENCE:?}, and has {:?}", self.text());
        }
        self.next_line()
    }

    /// The first line that is as wanted; those before it are passed over.
    ///
    /// # Panics
    /// If it does not come within a minute of the simulation's time, or the connection ends before that.
    #[track_caller]
    pub fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        loop {
            if !self.wire.waits_for(|| self.has_line() || self.ended().is_some()) {
                panic!("{self:?} has waited for {PATIENCE:?} after {passed:#?}, and has {:?}", self.text());
            }
            match self.next_line() {
                Some(line) if wanted(&line) => return line,
                Some(line) => passed.push(line),
                None => panic!("{self:?} has ended ({:?}) after {passed:#?}", self.ended()),
            }
        }
    }

    /// What comes until the connection ends, and was not taken yet.
    ///
    /// # Panics
    /// If it does not end within a minute of the simulation's time.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        if !self.wire.waits_for(|| self.ended().is_some()) {
            panic!("{self:?} has waited for its end for {PATIENCE:?}, and has {:?}", self.text());
        }
        self.received()
    }

    /// How the connection has ended, if it has and all that has come was read.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        let state = self.wire.lock();
        let end = state.end(self.at)?;
        match end.error {
            Some(io::ErrorKind::ConnectionRefused) => Some(Ended::Refused),
            Some(io::ErrorKind::TimedOut) => Some(Ended::TimedOut),
            Some(_) => Some(Ended::Reset),
            None if end.gone => Some(Ended::Reset),
            None => (end.pipe.ended && end.pipe.arrived.is_empty()).then_some(Ended::Finished),
        }
    }

    fn has_line(&self) -> bool {
        self.with(|script| memchr(b'\n', &script.got).is_some()).unwrap_or(false)
    }

    fn next_line(&self) -> Option<String> {
        let line: Vec<u8> = self.change(|script| {
            let end = memchr(b'\n', &script.got)?;
            Some(script.got.drain(..=end).collect())
        })??;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\n');
        Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }

    /// What has come and was not taken, for failures.
    fn text(&self) -> String {
        self.with(|script| String::from_utf8_lossy(&script.got).into_owned()).unwrap_or_default()
    }

    fn peer_ip(&self) -> IpAddr {
        let state = self.wire.lock();
        let ip = state.end(self.at.other()).and_then(|end| end.addr.ip());
        ip.unwrap_or(self.addr.ip())
    }

    fn with<R>(&self, f: impl FnOnce(&Script) -> R) -> Option<R> {
        match &self.wire.lock().end(self.at)?.owner {
            Owner::Remote(script) => Some(f(script)),
            Owner::System(_) => None,
        }
    }

    fn change<R>(&self, f: impl FnOnce(&mut Script) -> R) -> Option<R> {
        self.wire.change(|change| change.script(self.at).map(f))
    }
}

impl Wire {
    fn waits_for(&self, holds: impl FnMut() -> bool) -> bool {
        outside::run_until(PATIENCE, holds)
    }
}

/// An address for a remote that was not given one.
fn own_address(number: u32) -> IpAddr {
    const FIRST: u32 = u32::from_be_bytes([10, 0, 0, 0]);
    Ipv4Addr::from(FIRST + number).into()
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.wire.change(|change| change.close(self.at, false));
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remote {} ({})", self.number, self.addr)
    }
}
