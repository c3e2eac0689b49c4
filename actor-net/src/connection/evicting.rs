//! Who goes when there is no room: the policy, and how it is applied.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use actor_core::observe::Topic;
use actor_core::port;

use super::crowd::Crowd;
use super::shared::Shared;
use crate::listener::ListenerEvent;
use crate::stream::Peer;

/// At least so many are chosen at a time, and else one in so many: each look goes over all connections.
const AT_ONCE: usize = 16;

/// How long nobody is looked for after a look that has found nobody, so that a flood of those who come in vain costs little.
const RESTS: Duration = Duration::from_millis(100);

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Load {
    /// Connections: there are as many as [`Limits::connections`](crate::Limits::connections) allows, and one more has come.
    Connections,
    /// Bytes that wait to be sent: the [budget](crate::Budget) is used up.
    Bytes,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Load::Connections => "there are as many connections as there may be",
            Load::Bytes => "as many bytes wait to be sent as may",
        })
    }
}

/// A connection that may have to go, as a [policy](Evict) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// Who is at the other end.
    pub peer: Peer,
    /// How long ago its last whole frame came, or the connection if none has.
    pub idle: Duration,
    /// How many bytes wait for it to read.
    pub queued: usize,
}

/// Who goes when a server has no room: for a newcomer, or for bytes that wait to be sent. Given to
/// [`Listener::evict`](crate::Listener::evict).
#[derive(Clone)]
pub struct Evict(Rank);

#[derive(Clone)]
enum Rank {
    Idle { after: Duration },
    By(Arc<Ranking>),
}

type Ranking = dyn Fn(&Candidate) -> Option<u64> + Send + Sync;

impl Evict {
    /// Who has been idle for longest, if that is for `after` at least. If nobody has, the newcomer is refused: so a flood
    /// of connections does not drive out those that are in use.
    #[must_use]
    pub const fn idle_longest(after: Duration) -> Evict {
        Evict(Rank::Idle { after })
    }

    /// Whom `rank` gives the highest number; not those for whom it gives none. It is called for each connection of
    /// the server, in the turn of whoever needs the room, so it should be quick.
    #[must_use]
    pub fn by(rank: impl Fn(&Candidate) -> Option<u64> + Send + Sync + 'static) -> Evict {
        Evict(Rank::By(Arc::new(rank)))
    }

    fn rank(&self, candidate: &Candidate) -> Option<u64> {
        match &self.0 {
            Rank::Idle { after } if candidate.idle < *after => None,
            Rank::Idle { .. } => Some(u64::try_from(candidate.idle.as_millis()).unwrap_or(u64::MAX)),
            Rank::By(rank) => rank(candidate),
        }
    }
}

impl fmt::Debug for Evict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rank::Idle { after } => f.debug_struct("Evict").field("idle_longest", after).finish(),
            Rank::By(_) => f.debug_struct("Evict").finish_non_exhaustive(),
        }
    }
}

/// The policy of a server, and whom it has chosen.
#[derive(Debug)]
pub(crate) struct Evicting {
    policy: Evict,
    events: Arc<Topic<ListenerEvent>>,
    chosen: Mutex<[Chosen; 2]>,
}

/// Those who are next, first the one who goes first.
#[derive(Debug, Default)]
struct Chosen {
    next: VecDeque<(Weak<Shared>, u32)>,
    rests_until: Option<Instant>,
}

impl Evicting {
    pub(crate) fn new(policy: Evict, events: Arc<Topic<ListenerEvent>>) -> Evicting {
        Evicting { policy, events, chosen: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, [Chosen; 2]> {
        // Nothing in here panics half-way through a change.
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a connection of the crowd go, unless the policy spares them all. Not under a lock of a connection's.
    pub(crate) fn evict(&self, load: Load, crowd: &Crowd) -> bool {
        // Taken out while it is used: the policy is a user's.
        let mut next = std::mem::take(&mut self.lock()[load as usize].next);
        let evicted = self.first_of(&mut next, load) || {
            next = self.choose(load, crowd);
            self.first_of(&mut next, load)
        };
        self.lock()[load as usize].next = next;
        evicted
    }

    fn first_of(&self, next: &mut VecDeque<(Weak<Shared>, u32)>, load: Load) -> bool {
        while let Some((weak, spoke)) = next.pop_front() {
            // Who has said something since is not idle any more.
            let Some(shared) = weak.upgrade().filter(|shared| shared.spoke() == spoke) else { continue };
            let Some(candidate) = shared.candidate(load) else { continue };
            if self.policy.rank(&candidate).is_some() && shared.evict(load) {
                let Candidate { peer, idle, .. } = candidate;
                self.events.publish(|| ListenerEvent::Evicted { peer, idle, load });
                return true;
            }
        }
        false
    }

    fn choose(&self, load: Load, crowd: &Crowd) -> VecDeque<(Weak<Shared>, u32)> {
        let now = port::now();
        if self.lock()[load as usize].rests_until.is_some_and(|until| now < until) {
            return VecDeque::new();
        }
        let all = crowd.connections();
        let most = AT_ONCE.max(all.len() / AT_ONCE);
        let mut ranked: Vec<_> = all
            .into_iter()
            .filter_map(|weak| {
                let shared = weak.upgrade()?;
                let rank = self.policy.rank(&shared.candidate(load)?)?;
                Some((rank, weak, shared.spoke()))
            })
            .collect();
        ranked.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
        ranked.truncate(most);
        if ranked.is_empty() {
            self.lock()[load as usize].rests_until = Some(now + RESTS);
        }
        ranked.into_iter().map(|(_, weak, spoke)| (weak, spoke)).collect()
    }
}
