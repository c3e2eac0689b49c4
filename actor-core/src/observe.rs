//! Looking in: what workers and actors have done and are doing, read from outside.
//!
//! [`SystemHandle::snapshot`](crate::SystemHandle::snapshot) gives a [`Snapshot`], and
//! `ACTOR_SCHEDTRACE` or [`Builder::schedtrace`](crate::Builder::schedtrace) prints a line about the
//! workers every so often.
//!
//! Reading costs the reader. Each worker writes a block of memory of its own, with plain loads and
//! stores; the reader sums up. What happens with every turn or message is counted in memory that no
//! other thread sees, and added to the block now and then (see `counters`); times are measured for a
//! sample only (see `sample`). So a snapshot is not of one moment: what it says of a busy worker is some
//! 100 us old, or as old as the turn under way, and its figures need not agree with each other to the
//! last unit.

mod census;
mod counters;
mod histogram;
mod preemption;
pub(crate) mod sample;
mod snapshot;
#[cfg(feature = "stacks")]
mod stack;
pub(crate) mod topic;
pub(crate) mod trace;

use std::time::Duration;

pub use crate::asks::{AskCounts, Asking, WaitingAsk};
pub use crate::leaks::growth::Growing;
pub use crate::leaks::overdue::OverdueMessage;
pub use crate::leaks::{Leak, LeakCounts};
pub use crate::silence::Silence;
pub use counters::Counters;
pub(crate) use counters::{Count, add, count};
pub use histogram::Histogram;
pub(crate) use preemption::Tallies;
pub use preemption::{Event, Events, Failed, LongTurn, Preemptions, Stall};
pub use snapshot::{ActorGroup, BlockingSnapshot, Snapshot, WorkerSnapshot};
#[cfg(feature = "stacks")]
pub use stack::{Frame, Stack, StackError, SystemCall};
pub use topic::Topic;

use crate::cell::kind::Kind;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};
use census::Census;
use counters::Block;
use histogram::Recorder;

/// What a worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It runs actors.
    Running,
    /// It has run out of work and looks for some.
    Searching,
    /// It sleeps in its driver, until there is work, an event, or a timer due.
    Parked,
}

const STATES: [WorkerState; 3] = [WorkerState::Running, WorkerState::Searching, WorkerState::Parked];

/// What one worker has written down for those who look in. Written by that worker alone.
pub(crate) struct Record {
    counters: Block,
    /// An index into `STATES`.
    state: AtomicUsize,
    actors: Census,
    delays: Recorder,
    turns: Recorder,
    waits: Recorder,
}

impl Record {
    pub(crate) fn new() -> Self {
        Record {
            counters: Block::new(),
            state: AtomicUsize::new(WorkerState::Searching as usize),
            actors: Census::new(),
            delays: Recorder::new(),
            turns: Recorder::new(),
            waits: Recorder::new(),
        }
    }

    fn set_state(&self, state: WorkerState) {
        // Relaxed: it orders nothing.
        self.state.store(state as usize, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> WorkerState {
        STATES[self.state.load(Ordering::Relaxed)]
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.read()
    }

    /// Records a sampled turn: how long it was runnable before it ran, and how long it ran.
    pub(crate) fn turn_sampled(&self, delay: Duration, took: Duration, weight: u64) {
        self.delays.record(delay, weight);
        self.turns.record(took, weight);
    }

    /// Records how long a sampled message was in its mailbox.
    pub(crate) fn message_sampled(&self, waited: Duration, weight: u64) {
        self.waits.record(waited, weight);
    }
}

/// What a system has for those who look in, beside its workers' records.
pub(crate) struct Outside {
    /// Actors that began or ended on threads that are not workers of the system.
    actors: Census,
    /// Workers that such threads have woken.
    wakes: AtomicU64,
    /// What threads have counted that had lost their worker, or ran turns in the background lane.
    counters: Block,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Outside { actors: Census::new(), wakes: AtomicU64::new(0), counters: Block::new() }
    }

    /// Counts a wake-up that was sent: to the worker that this thread is, or here.
    pub(crate) fn wake_sent(&self, on_worker: bool) {
        if on_worker {
            count(Count::WakesSent);
        } else {
            self.wakes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds what this thread has counted, which is no worker's (any more).
    pub(crate) fn add_counted(&self) {
        self.counters.add_counted_anywhere();
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.read()
    }

    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// Counts an actor that begins. `here` is the record of the worker that this thread is.
    pub(crate) fn actor_started(&self, here: Option<&Record>, kind: &'static Kind) {
        match here {
            Some(record) => record.actors.started(kind.index()),
            None => self.actors.started_anywhere(kind.index()),
        }
    }

    /// Counts an actor that has ended, as above.
    pub(crate) fn actor_ended(&self, here: Option<&Record>, kind: &'static Kind) {
        match here {
            Some(record) => record.actors.ended(kind.index()),
            None => self.actors.ended_anywhere(kind.index()),
        }
    }

    /// How many actors of the kind with this index there are, and how many there have been.
    pub(crate) fn population<'a>(
        &'a self,
        records: impl Iterator<Item = &'a Record> + Clone,
        kind: usize,
    ) -> (u64, u64) {
        let all = records.map(|record| &record.actors).chain([&self.actors]);
        let (started, ended) = Census::sum(all, kind);
        (started.saturating_sub(ended), started)
    }
}

/// A worker's own side of its record: called by the worker loop.
pub(crate) struct Watch<'a> {
    record: &'a Record,
    /// The worker was woken and has found nothing since.
    woken: bool,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        Watch { record, woken: false }
    }

    /// The worker has run out of work.
    pub(crate) fn searches(&self) {
        self.record.set_state(WorkerState::Searching);
    }

    /// The worker has found work after a search.
    pub(crate) fn found(&mut self) {
        self.woken = false;
        self.record.set_state(WorkerState::Running);
    }

    /// The worker is about to rest, having found nothing.
    pub(crate) fn rests(&mut self) {
        if std::mem::take(&mut self.woken) {
            count(Count::IdleWakes);
        }
    }

    /// The worker parks.
    pub(crate) fn parks(&mut self) {
        count(Count::Parks);
        self.woken = true;
        self.record.set_state(WorkerState::Parked);
        self.publish();
    }

    /// The worker goes searching after a rest.
    pub(crate) fn wakes(&self) {
        self.record.set_state(WorkerState::Searching);
        sample::slept();
    }

    /// Adds what this thread has counted to the record.
    pub(crate) fn publish(&self) {
        self.record.counters.add_counted();
    }
}
