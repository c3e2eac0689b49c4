//! What a supervisor decides about its slots: when the child of each is to be started, stopped, killed or
//! given up. Pure: events and `now` come in, [`Action`]s come out, and [`keeper`](super::keeper) carries them
//! out. The semantics are those of OTP's `supervisor`, but that starting and stopping do not hold it up: it
//! takes other events meanwhile, and the states say what is under way.
//!
//! ARCHITECTURE.md has the states as a table.

mod group;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::clock::later;
use crate::supervisor::backoff::{Backoff, Chance};
use crate::supervisor::intensity::Intensity;
use crate::supervisor::{AutoShutdown, Restart, Strategy};
use group::Group;

/// How long a killed child may take: its handler may have to come to its end first. One with a limit that does not is
/// condemned far sooner.
pub(crate) const AFTER_KILL: Duration = Duration::from_millis(200);

/// Tells slots apart; in the order of their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotKey(u64);

/// What of a child spec matters for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
    /// Zero: it is killed at once.
    pub(crate) stop_within: Duration,
    pub(crate) start_within: Duration,
    pub(crate) backoff: Option<Backoff>,
}

/// A child is killed if it is not through by `until`; if it is killed already, it is given up then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) until: Instant,
    pub(crate) killed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no child, until somebody asks for one.
    Stopped,
    /// The child's first start, which somebody has asked for. If it fails there is no retry, and the slot goes
    /// unless it is to `stay`.
    Starting {
        limit: Limit,
        stay: bool,
    },
    Running {
        since: Instant,
    },
    /// To be started again when its turn comes in a restart of several.
    Waiting,
    /// To be started again later: backoff.
    Delayed {
        until: Instant,
    },
    /// Started again, but not there yet.
    Restarting {
        limit: Limit,
    },
    /// Asked to stop. What comes after, and by when; no limit for what has only to be told that it has ended.
    Stopping {
        limit: Option<Limit>,
        then: Then,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Restart,
    Stop,
}

/// How an incarnation of a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) why: Why,
    /// Whether the actor waits for a verdict; otherwise it has ended for good.
    pub(crate) waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Normal,
    Abnormal,
    /// Its start said that it is not needed.
    Ignored,
}

/// When something happens, and a chance to go with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) chance: Chance,
}

/// What is to be done about a slot's child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start it, a new actor if there is none that waits.
    Start(SlotKey),
    /// Ask it to stop; `last`: for good.
    Stop {
        slot: SlotKey,
        last: bool,
    },
    Kill {
        slot: SlotKey,
        last: bool,
    },
    /// It waits for a verdict: end it.
    End(SlotKey),
    /// It does not even end when it is killed, since nobody can take it from its handler: go on without it.
    GiveUp(SlotKey),
    /// The slot is gone, and its spec with it.
    Remove(SlotKey),
    /// One restart too many.
    Escalate(SlotKey),
    /// A significant child has ended: the supervisor ends too.
    Shutdown,
}

#[derive(Debug)]
struct Slot {
    rules: Rules,
    state: State,
    /// Whether there is an actor that has not ended.
    has_actor: bool,
    /// Since it was healthy.
    failures: u32,
    /// It was terminated by request while a restart of several was under way, which is to leave it so.
    left_out: bool,
}

pub(crate) struct Slots {
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    intensity: Intensity,
    slots: BTreeMap<SlotKey, Slot>,
    next: u64,
    /// The deadlines of the slots' states.
    due: BTreeSet<(Instant, SlotKey)>,
    /// The restart of several that is under way.
    group: Option<Group>,
    actions: Vec<Action>,
}

impl State {
    fn deadline(&self) -> Option<Instant> {
        match self {
            State::Starting { limit, .. } | State::Restarting { limit } => Some(limit.until),
            State::Delayed { until } => Some(*until),
            State::Stopping { limit, .. } => limit.map(|limit| limit.until),
            State::Stopped | State::Running { .. } | State::Waiting => None,
        }
    }

    /// Whether the child is down and is to be started again.
    fn is_to_start(&self) -> bool {
        matches!(self, State::Waiting | State::Delayed { .. })
    }

    /// Whether nothing of the child runs.
    fn is_down(&self) -> bool {
        self.is_to_start() || matches!(self, State::Stopped)
    }
}

impl Slots {
    pub(crate) fn new(strategy: Strategy, auto_shutdown: AutoShutdown, intensity: Intensity) -> Self {
        Slots {
            strategy,
            auto_shutdown,
            intensity,
            slots: BTreeMap::new(),
            next: 0,
            due: BTreeSet::new(),
            group: None,
            actions: Vec::new(),
        }
    }

    // ---- what is asked for -----------------------------------------------------------------------

    /// A new slot, behind all others, without a child.
    pub(crate) fn add(&mut self, rules: Rules) -> SlotKey {
        let key = SlotKey(self.next);
        self.next += 1;
        let slot = Slot { rules, state: State::Stopped, has_actor: false, failures: 0, left_out: false };
        self.slots.insert(key, slot);
        key
    }

    /// Starts the child of a slot that has none. If that fails, the slot goes, unless it is to `stay`.
    pub(crate) fn start(&mut self, key: SlotKey, stay: bool, now: Instant) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.failures = 0;
        slot.left_out = false;
        let limit = limit(now, slot.rules.start_within);
        self.set(key, State::Starting { limit, stay });
        self.bring_up(key);
    }

    /// Stops a slot's child, or has it not started again.
    pub(crate) fn terminate(&mut self, key: SlotKey, now: Instant) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.left_out = true;
        match slot.state {
            State::Stopped => return,
            State::Waiting | State::Delayed { .. } => self.lay_down(key),
            State::Running { .. } | State::Starting { .. } | State::Restarting { .. } => {
                self.stop(key, Then::Stop, now);
            }
            State::Stopping { limit, .. } => {
                self.set(key, State::Stopping { limit, then: Then::Stop });
                self.actions.push(Action::Stop { slot: key, last: true });
            }
        }
        self.go_on(now);
    }

    /// Removes a slot that has no child.
    pub(crate) fn remove(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.remove(&key)
            && let Some(at) = slot.state.deadline()
        {
            self.due.remove(&(at, key));
        }
    }

    // ---- what happens ----------------------------------------------------------------------------

    /// A child is there.
    pub(crate) fn started(&mut self, key: SlotKey, now: Instant) {
        let Some(slot) = self.slots.get(&key) else { return };
        if let State::Starting { .. } | State::Restarting { .. } = slot.state {
            self.set(key, State::Running { since: now });
            self.go_on(now);
        }
    }

    /// An incarnation of a child has ended.
    pub(crate) fn exited(&mut self, key: SlotKey, exit: Exit, at: Moment) {
        let stopping = self.group_stops(key);
        let Some(slot) = self.slots.get_mut(&key) else { return };
        slot.has_actor = exit.waits;
        match slot.state {
            // It would have been stopped and started again in any case.
            State::Running { .. } if stopping => self.is_to_come_back(key),
            State::Running { since } => return self.ended_by_itself(key, exit.why, since, at),
            State::Starting { stay, .. } => self.did_not_start(key, stay, exit.why),
            State::Restarting { .. } if exit.why == Why::Ignored => self.lay_down(key),
            State::Restarting { .. } => return self.restart(key, at),
            State::Stopping { then: Then::Restart, .. } => self.is_to_come_back(key),
            State::Stopping { then: Then::Stop, .. } => self.lay_down(key),
            State::Stopped | State::Waiting | State::Delayed { .. } => {}
        }
        self.go_on(at.now);
    }

    /// The earliest deadline.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub(crate) fn due(&mut self, at: Moment) {
        while let Some((_, key)) = self.due.first().copied().filter(|(when, _)| *when <= at.now) {
            self.overdue(key, at);
        }
    }

    fn overdue(&mut self, key: SlotKey, at: Moment) {
        let state = self.slots[&key].state;
        let limit = limit(at.now, AFTER_KILL);
        let killed = |limit| Some(Limit { killed: true, ..limit });
        let (next, last) = match state {
            State::Delayed { .. } if self.strategy == Strategy::OneForOne => {
                return self.start_again(key, at.now);
            }
            State::Delayed { .. } => {
                self.set(key, State::Waiting);
                return self.go_on(at.now);
            }
            State::Starting { limit: over, stay } if !over.killed => {
                (State::Starting { limit: Limit { killed: true, ..limit }, stay }, false)
            }
            State::Restarting { limit: over } if !over.killed => {
                (State::Restarting { limit: Limit { killed: true, ..limit } }, false)
            }
            State::Stopping { limit: Some(over), then } if !over.killed => {
                (State::Stopping { limit: killed(limit), then }, then == Then::Stop)
            }
            _ => {
                self.actions.push(Action::GiveUp(key));
                return self.exited(key, Exit { why: Why::Abnormal, waits: false }, at);
            }
        };
        self.set(key, next);
        self.actions.push(Action::Kill { slot: key, last });
    }

    // ---- looking in ------------------------------------------------------------------------------

    pub(crate) fn state(&self, key: SlotKey) -> Option<State> {
        self.slots.get(&key).map(|slot| slot.state)
    }

    pub(crate) fn rules(&self, key: SlotKey) -> Option<Rules> {
        self.slots.get(&key).map(|slot| slot.rules)
    }

    /// In the order of their start.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = SlotKey> + '_ {
        self.slots.keys().copied()
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn intensity(&mut self) -> &mut Intensity {
        &mut self.intensity
    }

    // ---- decisions -------------------------------------------------------------------------------

    fn ended_by_itself(&mut self, key: SlotKey, why: Why, since: Instant, at: Moment) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let rules = slot.rules;
        let comes_back = match rules.restart {
            Restart::Permanent => true,
            Restart::Transient => why == Why::Abnormal,
            Restart::Temporary => false,
        };
        if comes_back {
            let ran = at.now.saturating_duration_since(since);
            if rules.backoff.is_some_and(|backoff| backoff.is_over(ran)) {
                slot.failures = 0;
            }
            return self.restart(key, at);
        }
        self.lay_down(key);
        if rules.significant && self.is_shutdown_due(key) {
            self.actions.push(Action::Shutdown);
        }
        self.go_on(at.now);
    }

    /// A child has failed, or its restart has: it is started again, now or later, and others with it.
    fn restart(&mut self, key: SlotKey, at: Moment) {
        if !self.intensity.allows(at.now) {
            if self.slots[&key].has_actor {
                self.actions.push(Action::End(key));
            }
            return self.actions.push(Action::Escalate(key));
        }
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let delay =
            slot.rules.backoff.map_or(Duration::ZERO, |backoff| backoff.delay(slot.failures, at.chance));
        slot.failures = slot.failures.saturating_add(1);
        let is_delayed = !delay.is_zero();
        self.set(
            key,
            if is_delayed { State::Delayed { until: later(at.now, delay) } } else { State::Waiting },
        );
        match self.strategy {
            Strategy::OneForOne if is_delayed => {}
            Strategy::OneForOne => self.start_again(key, at.now),
            Strategy::OneForAll => self.restart_from(SlotKey(0), at.now),
            Strategy::RestForOne => self.restart_from(key, at.now),
        }
    }

    fn start_again(&mut self, key: SlotKey, now: Instant) {
        let limit = limit(now, self.slots[&key].rules.start_within);
        self.set(key, State::Restarting { limit });
        self.bring_up(key);
    }

    fn bring_up(&mut self, key: SlotKey) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.has_actor = true;
        }
        self.actions.push(Action::Start(key));
    }

    fn did_not_start(&mut self, key: SlotKey, stay: bool, why: Why) {
        let temporary = self.slots[&key].rules.restart == Restart::Temporary;
        let stays = stay || why == Why::Ignored && !temporary;
        self.lay_down(key);
        if !stays && matches!(self.state(key), Some(State::Stopped)) {
            self.remove(key);
            self.actions.push(Action::Remove(key));
        } else if !stays && let Some(slot) = self.slots.get_mut(&key) {
            // It is told to end first; as a temporary one it takes its slot with it.
            slot.rules.restart = Restart::Temporary;
        }
    }

    /// Asks a child to stop; kills it if it is only starting, or is to be killed.
    fn stop(&mut self, key: SlotKey, then: Then, now: Instant) {
        let slot = &self.slots[&key];
        let starts = !matches!(slot.state, State::Running { .. });
        let (last, within) = (then == Then::Stop, slot.rules.stop_within);
        if starts || within.is_zero() {
            let limit = Limit { killed: true, ..limit(now, AFTER_KILL) };
            self.set(key, State::Stopping { limit: Some(limit), then });
            return self.actions.push(Action::Kill { slot: key, last });
        }
        self.set(key, State::Stopping { limit: Some(limit(now, within)), then });
        self.actions.push(Action::Stop { slot: key, last });
    }

    /// There is to be no child. A temporary one's slot goes.
    fn lay_down(&mut self, key: SlotKey) {
        let slot = &self.slots[&key];
        if slot.has_actor {
            self.set(key, State::Stopping { limit: None, then: Then::Stop });
            return self.actions.push(Action::End(key));
        }
        if slot.rules.restart == Restart::Temporary {
            self.remove(key);
            return self.actions.push(Action::Remove(key));
        }
        self.set(key, State::Stopped);
    }

    /// Whether the end of this significant child, which has ended by itself, ends the supervisor.
    fn is_shutdown_due(&self, ended: SlotKey) -> bool {
        match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self
                .slots
                .iter()
                .any(|(key, slot)| *key != ended && slot.rules.significant && slot.state != State::Stopped),
        }
    }

    fn set(&mut self, key: SlotKey, state: State) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if let Some(at) = slot.state.deadline() {
            self.due.remove(&(at, key));
        }
        slot.state = state;
        if let Some(at) = state.deadline() {
            self.due.insert((at, key));
        }
    }
}

fn limit(now: Instant, within: Duration) -> Limit {
    Limit { until: later(now, within), killed: false }
}
