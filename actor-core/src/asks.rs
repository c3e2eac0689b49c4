//! Asks under way, where they are watched: who waits for whom, and since when.
//!
//! Each ask that waits is listed, by the actor whose handler awaits it. One that is about to wait looks first whether
//! whom it asks waits for its own actor already, perhaps through others: then it could never be answered, and is
//! refused. All of that is under one lock, so of those that would close a circle together the last one sees the others.
//! It costs each ask some 100 ns, and is there only where it is asked for.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::ActorId;
use crate::clock;
use crate::log;
use crate::observe::{Event, Events};
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, StaticBool};

/// What is watched of asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchedAsks {
    /// Those that could never be answered are refused.
    pub(crate) deadlocks: bool,
    /// After how long an ask is overdue.
    pub(crate) limit: Option<Duration>,
}

/// The asks of a system.
pub(crate) struct Asks {
    watched: WatchedAsks,
    table: Mutex<Table>,
    /// Notified when the last one has left.
    none_left: Condvar,
    deadlocks: AtomicU64,
    overdue: AtomicU64,
}

#[derive(Default)]
struct Table {
    entered: u64,
    /// In the order of their actors, so that those of one are together.
    waiting: BTreeMap<(ActorId, NonZeroU64), Waiting>,
}

struct Waiting {
    ask: WaitingAsk,
    since: Instant,
    /// Whether it has a deadline, and so ends by itself.
    ends: bool,
    /// Whether it was said that it is overdue.
    reported: bool,
}

/// Where an ask is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    by: ActorId,
    number: NonZeroU64,
}

/// An actor at one end of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The actor.
    pub actor: ActorId,
    /// The name of its type, without its path.
    pub name: &'static str,
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.actor)
    }
}

/// An ask that waits for its reply, or for room in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingAsk {
    /// Whose handler awaits it; `None` if it is not awaited in a handler.
    pub by: Option<Asking>,
    /// Whom it asks.
    pub to: Asking,
    /// The message.
    pub message: &'static str,
    /// How long it has waited.
    pub waited: Duration,
}

impl fmt::Display for WaitingAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            Some(by) => write!(f, "{by}")?,
            None => f.write_str("who is no actor")?,
        }
        write!(f, " asks {} for {}", self.to, self.message)
    }
}

/// What was seen of asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskCounts {
    /// Asks that were refused, since they could never have been answered.
    pub deadlocks: u64,
    /// Asks that were overdue.
    pub overdue: u64,
}

/// An ask that is about to wait.
pub(crate) struct NewAsk {
    pub(crate) by: Option<Asking>,
    pub(crate) to: Asking,
    pub(crate) message: &'static str,
    pub(crate) ends: bool,
}

/// Whether there is, or was, a system in this process that watches asks: a look that costs the others' asks next to
/// nothing.
static ANY_WATCHED: StaticBool = StaticBool::new(false);

#[inline]
pub(crate) fn any_watched() -> bool {
    // Relaxed: set before there is anything to ask in the system that it is set for.
    ANY_WATCHED.load(Ordering::Relaxed)
}

impl Asks {
    pub(crate) fn new(watched: WatchedAsks) -> Self {
        let (deadlocks, overdue) = (AtomicU64::new(0), AtomicU64::new(0));
        let asks = Asks { watched, table: Mutex::default(), none_left: Condvar::new(), deadlocks, overdue };
        if asks.is_watched() {
            // Relaxed: as in `any_watched`.
            ANY_WATCHED.store(true, Ordering::Relaxed);
        }
        asks
    }

    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.deadlocks || self.watched.limit.is_some()
    }

    /// Those that wait.
    #[cfg(feature = "sim")]
    pub(crate) fn waiting(&self) -> Vec<WaitingAsk> {
        self.table.lock().waiting.values().map(|waiting| waiting.ask.clone()).collect()
    }

    pub(crate) fn limit(&self) -> Option<Duration> {
        self.watched.limit
    }

    /// Whether an ask that is listed there is listed for who awaits it.
    pub(crate) fn is_by(entry: Entry, by: Option<Asking>) -> bool {
        entry.by == listed_for(by)
    }

    /// Lists an ask; `None` if it could never be answered, which has been said then.
    pub(crate) fn enter(&self, ask: NewAsk, events: &Events) -> Option<Entry> {
        let NewAsk { by, to, message, ends } = ask;
        let ask = WaitingAsk { by, to, message, waited: Duration::ZERO };
        let now = clock::now();
        let circle = {
            let mut table = self.table.lock();
            match by.filter(|_| self.watched.deadlocks).and_then(|by| table.way(to.actor, by.actor, now)) {
                None => return Some(table.add(Waiting { ask, since: now, ends, reported: false })),
                Some(way) => way,
            }
        };
        let path: Vec<_> = std::iter::once(ask).chain(circle).collect();
        // Relaxed, here and below: these are counts.
        self.deadlocks.fetch_add(1, Ordering::Relaxed);
        log::say(Level::ERROR, || {
            let path = Circle(&path).to_string();
            move || tracing::error!(path, "an ask could never be answered: it is refused")
        });
        events.publish(|| Event::Deadlock(path));
        None
    }

    /// Takes an ask off the list.
    pub(crate) fn leave(&self, entry: Entry) {
        let mut table = self.table.lock();
        table.waiting.remove(&(entry.by, entry.number));
        if table.waiting.is_empty() {
            self.none_left.notify_all();
        }
    }

    /// Waits until there are none, for at most `limit`: those that are left.
    #[cfg(feature = "testing")]
    pub(crate) fn left_after(&self, limit: Duration) -> Vec<WaitingAsk> {
        let until = clock::later(clock::now(), limit);
        let some = |table: &Table| !table.waiting.is_empty();
        let table = crate::wait::wait_while(&self.none_left, self.table.lock(), until, some);
        let now = clock::now();
        let waited = |waiting: &Waiting| now.saturating_duration_since(waiting.since);
        table
            .waiting
            .values()
            .map(|waiting| WaitingAsk { waited: waited(waiting), ..waiting.ask.clone() })
            .collect()
    }

    /// Says which asks have become overdue.
    pub(crate) fn look(&self, now: Instant, events: &Events) {
        let Some(limit) = self.watched.limit else { return };
        let overdue = self.table.lock().overdue(now, limit);
        for ask in overdue {
            self.overdue.fetch_add(1, Ordering::Relaxed);
            log::say(Level::WARN, || {
                let ask = ask.clone();
                move || tracing::warn!(%ask, waited = ?ask.waited, "an ask is overdue")
            });
            events.publish(|| Event::AskOverdue(ask));
        }
    }

    pub(crate) fn counts(&self) -> AskCounts {
        AskCounts {
            deadlocks: self.deadlocks.load(Ordering::Relaxed),
            overdue: self.overdue.load(Ordering::Relaxed),
        }
    }
}

fn listed_for(by: Option<Asking>) -> ActorId {
    // Those that are not awaited in a handler are listed together.
    by.map_or(ActorId::NOBODY, |by| by.actor)
}

impl Table {
    fn add(&mut self, waiting: Waiting) -> Entry {
        self.entered += 1;
        let number = NonZeroU64::new(self.entered).expect("it counts from 1");
        let entry = Entry { by: listed_for(waiting.ask.by), number };
        self.waiting.insert((entry.by, number), waiting);
        entry
    }

    /// The asks of an actor, as far as they do not end by themselves.
    fn of(&self, actor: ActorId) -> impl Iterator<Item = &Waiting> {
        let all = (actor, NonZeroU64::MIN)..=(actor, NonZeroU64::MAX);
        self.waiting.range(all).map(|(_, waiting)| waiting).filter(|waiting| !waiting.ends)
    }

    /// The asks by which an actor waits for another, from the first to the last; none if it is the same one.
    fn way(&self, from: ActorId, to: ActorId, now: Instant) -> Option<Vec<WaitingAsk>> {
        let mut seen = HashSet::from([from]);
        let mut way: Vec<(&WaitingAsk, Duration, _)> = Vec::new();
        let (mut at, mut asks) = (from, self.of(from));
        while at != to {
            let waiting = match asks.next() {
                Some(waiting) => waiting,
                None => {
                    asks = way.pop()?.2;
                    continue;
                }
            };
            at = waiting.ask.to.actor;
            if seen.insert(at) {
                let waited = now.saturating_duration_since(waiting.since);
                way.push((&waiting.ask, waited, std::mem::replace(&mut asks, self.of(at))));
            }
        }
        Some(way.into_iter().map(|(ask, waited, _)| WaitingAsk { waited, ..ask.clone() }).collect())
    }

    fn overdue(&mut self, now: Instant, limit: Duration) -> Vec<WaitingAsk> {
        let late = |waiting: &mut Waiting| {
            let waited = now.saturating_duration_since(waiting.since);
            let is_new = waited >= limit && !std::mem::replace(&mut waiting.reported, waited >= limit);
            is_new.then(|| WaitingAsk { waited, ..waiting.ask.clone() })
        };
        self.waiting.values_mut().filter_map(late).collect()
    }
}

/// Asks that wait for one another, for people.
pub(crate) struct Circle<'a>(pub(crate) &'a [WaitingAsk]);

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, ask) in self.0.iter().enumerate() {
            match number {
                0 => write!(f, "{ask}")?,
                _ => write!(f, ", which asks {} for {}", ask.to, ask.message)?,
            }
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn actor(id: u64) -> Asking {
        Asking { actor: ActorId(id), name: "Node" }
    }

    fn asks(limit: Option<Duration>) -> Asks {
        Asks::new(WatchedAsks { deadlocks: true, limit })
    }

    fn new(by: u64, to: u64) -> NewAsk {
        NewAsk { by: Some(actor(by)), to: actor(to), message: "next", ends: false }
    }

    #[test]
    fn the_last_of_a_circle_is_refused_with_its_path() {
        let (asks, events) = (asks(None), Events::default());
        let heard = events.subscribe(4);
        // A branch that leads nowhere comes before the one that leads back.
        for (by, to) in [(2, 9), (2, 3), (9, 8), (3, 4)] {
            assert!(asks.enter(new(by, to), &events).is_some());
        }
        assert_eq!(asks.enter(new(4, 2), &events), None);
        let Ok(Event::Deadlock(path)) = heard.try_recv() else { panic!("no event") };
        let pairs: Vec<_> = path.iter().map(|ask| (ask.by.map(|by| by.actor.0), ask.to.actor.0)).collect();
        assert_eq!(pairs, [(Some(4), 2), (Some(2), 3), (Some(3), 4)]);
        assert_eq!(
            Circle(&path).to_string(),
            "Node#4 asks Node#2 for next, which asks Node#3 for next, which asks Node#4 for next"
        );
        assert_eq!(asks.counts().deadlocks, 1);
    }

    #[test]
    fn what_has_left_or_ends_by_itself_closes_no_circle() {
        let (asks, events) = (asks(None), Events::default());
        let entry = asks.enter(new(1, 2), &events).unwrap();
        asks.leave(entry);
        assert!(asks.enter(new(2, 1), &events).is_some());
        assert!(asks.enter(NewAsk { ends: true, ..new(3, 4) }, &events).is_some());
        assert!(asks.enter(new(4, 3), &events).is_some());
    }

    #[test]
    fn whom_no_actor_asks_may_ask_on() {
        let (asks, events) = (asks(None), Events::default());
        assert!(asks.enter(NewAsk { by: None, ..new(0, 1) }, &events).is_some());
        assert!(asks.enter(new(1, 2), &events).is_some());
        assert_eq!(asks.enter(NewAsk { ends: true, ..new(2, 1) }, &events), None, "it cannot be answered");
        assert_eq!(asks.enter(new(5, 5), &events), None, "an actor that asks itself");
    }

    #[test]
    fn an_overdue_ask_is_reported_once() {
        let limit = Duration::from_secs(5);
        let (asks, events) = (asks(Some(limit)), Events::default());
        let heard = events.subscribe(4);
        let _entry = asks.enter(new(1, 2), &events).unwrap();
        let now = clock::now();
        asks.look(now, &events);
        assert!(heard.try_recv().is_err(), "it has just begun");
        for _ in 0..2 {
            asks.look(now + 2 * limit, &events);
        }
        let Ok(Event::AskOverdue(ask)) = heard.try_recv() else { panic!("no event") };
        assert_eq!((ask.by, ask.to, ask.message), (Some(actor(1)), actor(2), "next"));
        assert!(ask.waited > limit);
        assert_eq!((heard.len(), asks.counts().overdue), (0, 1));
    }
}
