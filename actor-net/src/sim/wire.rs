//! The connections of a simulation, and what is under way on them.
//!
//! A *link* has two ends, and to each leads a pipe: bytes that are under way, as many as the sender's buffer takes, and those
//! that have arrived, as many as fit into the receiver's. Carrying from the one to the other is a step.

mod carry;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actor_core::port::{Readiness, Ready};
use actor_core::sim::outside;

use super::Faults;
use super::remote::Script;
use crate::budget::Budget;
use crate::driver::Quay;
use crate::stream::Peer;

/// How many bytes a sender's buffer takes, and a receiver's, unless said.
const BUFFER: usize = 64 << 10;

/// How many connections wait to be accepted.
const BACKLOG: usize = 4096;

/// When what was lost is sent again, for the first time; then after twice as long each time. RFC 6298 has a second, systems less.
const AGAIN: Duration = Duration::from_millis(200);

/// How often in a row a segment is lost.
const LOSSES: u32 = 5;

/// After how long a sender gives up that hears nothing, unless its options say so; Linux's is about that.
const GIVE_UP: Duration = Duration::from_secs(15 * 60);

/// The address of the system, for connections that it makes.
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The connections of a simulation, and its listeners.
#[derive(Default)]
pub(crate) struct Wire {
    state: Mutex<State>,
}

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) link: u64,
    /// 0 is who has connected.
    pub(super) side: usize,
}

impl At {
    pub(super) fn other(self) -> At {
        At { side: 1 - self.side, ..self }
    }
}

pub(super) struct State {
    pub(super) links: BTreeMap<u64, Link>,
    listeners: HashMap<Peer, Waiting>,
    pub(super) faults: Faults,
    /// Between which addresses nothing passes; and a number for each, since it may heal and be cut again.
    cuts: BTreeMap<(IpAddr, IpAddr), u64>,
    cuts_so_far: u64,
    /// How many bytes a second pass to and from these.
    pub(super) slow: BTreeMap<IpAddr, u32>,
    pub(super) buffer: usize,
    /// Where sockets have their places, for the budget that they share: new ones at the last.
    pub(super) quays: Vec<Arc<Quay>>,
    links_so_far: u64,
    ports: u16,
    pub(super) remotes: u32,
}

impl Default for State {
    fn default() -> State {
        State {
            links: BTreeMap::new(),
            listeners: HashMap::new(),
            faults: Faults::new(),
            cuts: BTreeMap::new(),
            cuts_so_far: 0,
            slow: BTreeMap::new(),
            buffer: BUFFER,
            quays: vec![Arc::new(Quay::new(None, Budget::default()))],
            links_so_far: 0,
            ports: 0,
            remotes: 0,
        }
    }
}

/// A socket that listens.
#[derive(Default)]
struct Waiting {
    readiness: Option<Readiness>,
    queue: VecDeque<u64>,
}

pub(super) struct Link {
    pub(super) ends: [End; 2],
    /// The peer has answered.
    pub(super) open: bool,
}

pub(super) struct End {
    pub(super) addr: Peer,
    pub(super) owner: Owner,
    /// What comes to it.
    pub(super) pipe: Pipe,
    pub(super) error: Option<io::ErrorKind>,
    /// Nothing goes in or out any more.
    pub(super) gone: bool,
    /// Nobody has it any more.
    pub(super) closed: bool,
    /// It sends no more than what is under way.
    pub(super) shut: bool,
    /// A write found too little room.
    wants_room: bool,
    pub(super) patience: Patience,
    /// The last cut in which it will give up what it has sent.
    impatient: u64,
}

/// After how long a socket gives its peer up.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// When what it has sent is not taken.
    pub(super) sent: Duration,
    /// When it hears nothing.
    pub(super) idle: Option<Duration>,
}

impl Patience {
    /// Of these options, where they say anything.
    pub(crate) fn new(sent: Option<Duration>, idle: Option<Duration>) -> Patience {
        Patience { sent: sent.unwrap_or(GIVE_UP), idle }
    }
}

/// Who has an end.
pub(super) enum Owner {
    /// The system, once it is registered with this.
    System(Option<Readiness>),
    /// The test.
    Remote(Script),
}

#[derive(Default)]
pub(super) struct Pipe {
    under_way: VecDeque<u8>,
    pub(super) arrived: VecDeque<u8>,
    /// That was all, and it has arrived.
    pub(super) ended: bool,
    /// There is a step for it.
    moving: bool,
}

/// What is done when the lock is not held any more.
enum Effect {
    Flag(Readiness, Ready),
    Step(Duration, Move),
}

/// What a step is about.
#[derive(Clone, Copy, Debug)]
enum Move {
    Connect(u64),
    /// To this end.
    Carry(At),
    Reset(At),
    /// This end has heard nothing since this cut.
    GiveUp(At, u64, Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sent,
    Idle,
}

/// The state, while it is changed, and what comes of that.
pub(super) struct Change<'a> {
    pub(super) state: MutexGuard<'a, State>,
    effects: Vec<Effect>,
}

impl Wire {
    /// Those of the simulation that this thread is in.
    pub(crate) fn here() -> Option<Arc<Wire>> {
        if outside::is_here() { outside::kept() } else { None }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut Change<'_>) -> R) -> R {
        let mut changing = Change { state: self.lock(), effects: Vec::new() };
        let result = change(&mut changing);
        let Change { state, effects } = changing;
        // Flags are set without the lock: that may end an actor, whose sockets take it then.
        drop(state);
        self.perform(effects);
        result
    }

    fn perform(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Flag(readiness, ready) => readiness.set(ready),
                Effect::Step(after, what) => {
                    let wire = self.clone();
                    outside::step(after, move || wire.change(|change| change.step(what)));
                }
            }
        }
    }

    /// Listens at an address.
    pub(super) fn listen(&self, at: Peer) -> io::Result<Peer> {
        let mut state = self.lock();
        let at = match at {
            Peer::Ip(addr) if addr.port() == 0 => Peer::Ip(SocketAddr::new(addr.ip(), state.port())),
            at => at,
        };
        if state.listeners.contains_key(&at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(at.clone(), Waiting::default());
        Ok(at)
    }

    /// Has what waits to be accepted flagged.
    pub(super) fn watch_listener(self: &Arc<Self>, at: &Peer, readiness: &Readiness) {
        self.change(|change| {
            if let Some(waiting) = change.state.listeners.get_mut(at) {
                waiting.readiness = Some(readiness.clone());
                change.effects.push(Effect::Flag(readiness.clone(), Ready::READABLE));
            }
        });
    }

    pub(super) fn accept(&self, at: &Peer) -> io::Result<(At, Peer)> {
        let mut state = self.lock();
        let waiting = state.listeners.get_mut(at).ok_or(io::ErrorKind::NotConnected)?;
        let link = waiting.queue.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let peer = state.links[&link].ends[0].addr.clone();
        Ok((At { link, side: 1 }, peer))
    }

    /// Nobody listens any more. Those that wait are reset.
    pub(super) fn unlisten(self: &Arc<Self>, at: &Peer) {
        self.change(|change| {
            let waiting = change.state.listeners.remove(at).map(|waiting| waiting.queue).unwrap_or_default();
            for link in waiting {
                change.close(At { link, side: 1 }, true);
            }
        });
    }

    /// Begins to connect, from the system.
    pub(super) fn connect(self: &Arc<Self>, to: &Peer) -> At {
        let from = match to {
            Peer::Ip(_) => Peer::Ip(SocketAddr::new(OWN, self.lock().port())),
            Peer::Unix(_) => Peer::Unix(None),
        };
        self.change(|change| change.connect(from, to.clone(), Owner::System(None)))
    }
}

impl State {
    /// A port that nobody has.
    pub(super) fn port(&mut self) -> u16 {
        const FIRST: u16 = 49_152;
        self.ports = (self.ports + 1) % (u16::MAX - FIRST);
        FIRST + self.ports
    }

    pub(super) fn end(&self, at: At) -> Option<&End> {
        Some(&self.links.get(&at.link)?.ends[at.side])
    }

    pub(super) fn end_mut(&mut self, at: At) -> Option<&mut End> {
        Some(&mut self.links.get_mut(&at.link)?.ends[at.side])
    }

    pub(super) fn is_open(&self, link: u64) -> bool {
        self.links.get(&link).is_some_and(|link| link.open)
    }

    /// What of this is in the story.
    pub(super) fn name(&self, at: At) -> String {
        let Some(end) = self.end(at) else { return "nobody".to_owned() };
        match &end.owner {
            Owner::Remote(script) => script.to_string(),
            Owner::System(Some(readiness)) => {
                outside::name_of(readiness).unwrap_or_else(|| end.addr.to_string())
            }
            Owner::System(None) => end.addr.to_string(),
        }
    }

    /// The number of the cut that is between a link's ends.
    fn cut(&self, link: u64) -> Option<u64> {
        if self.cuts.is_empty() {
            return None;
        }
        let [a, b] = &self.links.get(&link)?.ends;
        self.cuts.get(&pair(a.addr.ip()?, b.addr.ip()?)).copied()
    }

    /// How long so many bytes take between a link's ends.
    fn takes(&self, link: u64, bytes: usize) -> Duration {
        if self.slow.is_empty() {
            return Duration::ZERO;
        }
        let ends = self.links.get(&link).map(|link| &link.ends).into_iter().flatten();
        let rates = ends.filter_map(|end| self.slow.get(&end.addr.ip()?));
        rates.min().map_or(Duration::ZERO, |rate| Duration::from_secs(bytes as u64) / (*rate).max(1))
    }

    /// The most bytes that go in one piece between a link's ends.
    fn piece(&self, link: u64) -> usize {
        /// What fits into a packet of Ethernet.
        const SEGMENT: usize = 1460;
        if self.takes(link, SEGMENT).is_zero() { usize::MAX } else { SEGMENT }
    }

    fn listener(&mut self, at: &Peer) -> Option<&mut Waiting> {
        if self.listeners.contains_key(at) {
            return self.listeners.get_mut(at);
        }
        let Peer::Ip(addr) = at else { return None };
        let any: IpAddr = if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0; 16].into() };
        self.listeners.get_mut(&Peer::Ip(SocketAddr::new(any, addr.port())))
    }
}

/// Two addresses, whichever is named first.
fn pair(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    (a.min(b), a.max(b))
}

impl End {
    fn new(addr: Peer, owner: Owner) -> End {
        End {
            addr,
            owner,
            pipe: Pipe::default(),
            error: None,
            gone: false,
            closed: false,
            shut: false,
            wants_room: false,
            patience: Patience { sent: GIVE_UP, idle: None },
            impatient: 0,
        }
    }
}
