//! Which actors run in the background lane, by how long their turns have taken of late.
//!
//! An actor goes there when a second turn of its was too long within 10 s, and comes back when 16 of its turns in a
//! row were short. If one in 64 actors of a kind (a type, spawned at one place), and 4 at least, have had too
//! long a turn within 10 s, the whole kind goes there before each of its actors has held up a worker, and comes back
//! when of 64 of its turns fewer than an eighth were long. A kind most of whose turns were short of late does not go: of the
//! connections of a service a few may have handlers that never return, behind which all others would wait in the lane.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::ActorId;
use crate::cell::kind::Kind;
use crate::log;
use crate::observe::Event;
use crate::scheduler::Scheduler;
use crate::scheduler::hand::Subject;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// For how long a turn that was too long is remembered.
const MEMORY: Duration = Duration::from_secs(10);
/// So many turns of an actor were too long: it goes.
const TIMES: u32 = 2;
/// So many of its turns in a row were short: it comes back.
const GOOD_IN_A_ROW: u32 = 16;
/// So many actors of a kind at least, and one in so many of those that live, have had too long a turn: it goes.
const FEW_OF_A_KIND: usize = 4;
const ONE_IN: u64 = 64;
/// After so many turns of a kind it is judged again; it comes back if fewer than one in so many were long.
const TURNS_OF_A_KIND: u32 = 64;
const GOOD_KIND: u32 = 8;

#[derive(Default)]
pub(crate) struct Conduct {
    state: Mutex<State>,
    /// A bit for each actor that is in the lane, which others may share: most are told apart without the lock.
    filter: AtomicU64,
}

#[derive(Default)]
struct State {
    actors: HashMap<ActorId, Actor>,
    /// By their indices.
    kinds: HashMap<usize, Of>,
    swept: Option<Instant>,
}

/// How an actor has behaved.
struct Actor {
    kind: usize,
    /// How many of its turns were too long.
    times: u32,
    last: Instant,
    good_in_a_row: u32,
    slow: bool,
}

/// How a kind has behaved.
#[derive(Default)]
struct Of {
    /// When each of its actors had its first long turn.
    long: Vec<Instant>,
    slow: bool,
    /// Turns since it was judged last, and how many of them were long.
    turns: u32,
    bad: u32,
    /// How many of its actors are in the lane for what they did themselves.
    slow_actors: usize,
}

fn bit_of(actor: ActorId) -> u64 {
    // The high bits of a product with an odd number depend on all bits of the id.
    1 << (actor.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58)
}

impl Conduct {
    /// Whether the actor's turns belong into the lane. Only asked for kinds that are watched.
    pub(crate) fn is_slow(&self, actor: ActorId, kind: &Kind) -> bool {
        // Relaxed: who sees a change late sends an actor to the wrong place once more.
        if self.filter.load(Ordering::Relaxed) & bit_of(actor) == 0 && !kind.is_slow_somewhere() {
            return false;
        }
        let state = self.state.lock();
        let slow = |of: &Of| of.slow;
        state.actors.get(&actor).is_some_and(|actor| actor.slow)
            || state.kinds.get(&kind.index()).is_some_and(slow)
    }

    /// A turn whose worker was taken over has exceeded the hard quantum. False if that is to be said again with the next
    /// look: a thread of the lane is at it, and may be there for long.
    pub(in crate::scheduler) fn exceeded(
        &self,
        scheduler: &Scheduler,
        subject: Subject,
        now: Instant,
    ) -> bool {
        let Some(kind) = subject.kind.filter(|kind| kind.is_of_actors()) else { return true };
        let alive = scheduler.alive(kind);
        let events = {
            let Some(mut state) = self.state.try_lock() else { return false };
            let events = state.exceeded(subject.actor, kind, alive, now);
            self.refilter(&state);
            events
        };
        announce(scheduler, events);
        true
    }

    /// A turn has ended in the lane.
    pub(in crate::scheduler) fn ended(&self, scheduler: &Scheduler, subject: Subject, took: Duration) {
        let Some(kind) = subject.kind else { return };
        let good = took < scheduler.sysmon.quanta_of(subject.kind).soft;
        let events = {
            let mut state = self.state.lock();
            let events = state.ended(subject.actor, kind, good);
            self.refilter(&state);
            events
        };
        announce(scheduler, events);
    }

    /// Forgets what is long over, now and then.
    pub(in crate::scheduler) fn tend(&self, now: Instant) {
        let Some(mut state) = self.state.try_lock() else { return };
        if state.actors.is_empty() && state.kinds.is_empty() {
            return;
        }
        if state.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= MEMORY) {
            state.swept = Some(now);
            state.sweep(now);
            self.refilter(&state);
        }
    }

    fn refilter(&self, state: &State) {
        let slow = state.actors.iter().filter(|(_, actor)| actor.slow);
        self.filter.store(slow.fold(0, |bits, (id, _)| bits | bit_of(*id)), Ordering::Relaxed);
    }
}

impl State {
    fn exceeded(&mut self, id: ActorId, kind: &'static Kind, alive: u64, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        let of = self.kinds.entry(kind.index()).or_default();
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < MEMORY;
        let fresh = Actor { kind: kind.index(), times: 0, last: now, good_in_a_row: 0, slow: false };
        let actor = self.actors.entry(id).or_insert(fresh);
        if !is_recent(&actor.last) && !actor.slow {
            actor.times = 0;
        }
        if actor.times == 0 {
            of.long.push(now);
        }
        (actor.times, actor.last) = (actor.times + 1, now);
        if actor.times >= TIMES && !actor.slow {
            actor.slow = true;
            of.slow_actors += 1;
            kind.watch(1, 0);
            events.push(Event::ToBackground { actor: Some(id), name: kind.name(), site: kind.site() });
        }
        of.long.retain(is_recent);
        let long = of.long.len() as u64;
        let many = of.long.len() >= FEW_OF_A_KIND && long * ONE_IN >= alive;
        if !of.slow && many && long * u64::from(GOOD_KIND) >= kind.short_turns() {
            (of.slow, of.turns, of.bad) = (true, 0, 0);
            kind.watch(1, 1);
            events.push(Event::ToBackground { actor: None, name: kind.name(), site: kind.site() });
        }
        events
    }

    fn ended(&mut self, id: ActorId, kind: &'static Kind, good: bool) -> Vec<Event> {
        let mut events = Vec::new();
        let of = self.kinds.entry(kind.index()).or_default();
        if let Some(actor) = self.actors.get_mut(&id).filter(|actor| actor.slow) {
            actor.good_in_a_row = if good { actor.good_in_a_row + 1 } else { 0 };
            if actor.good_in_a_row >= GOOD_IN_A_ROW {
                self.actors.remove(&id);
                of.slow_actors -= 1;
                kind.watch(-1, 0);
                events.push(Event::FromBackground { actor: Some(id), name: kind.name(), site: kind.site() });
            }
        }
        if of.slow {
            of.turns += 1;
            of.bad += u32::from(!good);
            if of.turns == TURNS_OF_A_KIND {
                if of.bad * GOOD_KIND < of.turns {
                    of.slow = false;
                    of.long.clear();
                    kind.watch(-1, -1);
                    events.push(Event::FromBackground { actor: None, name: kind.name(), site: kind.site() });
                }
                (of.turns, of.bad) = (0, 0);
            }
        }
        events
    }

    /// Actors that are in the lane and have ended are forgotten with the rest: their memory of long turns is over.
    fn sweep(&mut self, now: Instant) {
        let State { actors, kinds, .. } = self;
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < MEMORY;
        actors.retain(|_, actor| {
            let stays = is_recent(&actor.last);
            if !stays && actor.slow {
                if let Some(of) = kinds.get_mut(&actor.kind) {
                    of.slow_actors -= 1;
                }
                Kind::with_index(actor.kind).inspect(|kind| kind.watch(-1, 0));
            }
            stays
        });
        kinds.retain(|_, of| {
            of.long.retain(is_recent);
            of.slow || of.slow_actors > 0 || !of.long.is_empty()
        });
    }
}

impl Drop for Conduct {
    /// Kinds are shared by all systems: what this one thinks of them ends with it.
    fn drop(&mut self) {
        for (index, of) in &self.state.get_mut().kinds {
            if let Some(kind) = Kind::with_index(*index) {
                let slow = i32::from(of.slow);
                kind.watch(-(of.slow_actors as i32 + slow), -slow);
            }
        }
    }
}

fn announce(scheduler: &Scheduler, events: Vec<Event>) {
    for event in events {
        log::say(Level::WARN, || {
            let event = event.clone();
            move || tracing::warn!(?event, "background lane")
        });
        scheduler.events.publish(|| event);
    }
}
