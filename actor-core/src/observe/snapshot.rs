//! The snapshot: everything there is to see of a system, read at one time.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::asks::AskCounts;
use crate::cell::kind::Kind;
use crate::leaks::LeakCounts;
use crate::observe::{Counters, Histogram, LongTurn, Preemptions, Record, WorkerState};
use crate::scheduler::Scheduler;
use crate::system::SystemHandle;

/// What there is to see of a system: its workers, queues, times and actors.
///
/// Made by [`SystemHandle::snapshot`](crate::SystemHandle::snapshot). [`Display`](fmt::Display) shows it
/// to people, a line for each worker and each kind of actor. What each figure means, and what to do
/// about it, is in the guide's page on operating.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// How long ago the system was built.
    pub uptime: Duration,
    /// How many workers run actors at a time.
    pub parallelism: usize,
    /// The workers, by their numbers.
    pub workers: Vec<WorkerSnapshot>,
    /// How many tasks are in the global queue: from threads that are not workers.
    pub global_queue: usize,
    /// How many workers such threads have woken.
    pub wakes_from_outside: u64,
    /// What was counted by threads that had lost their worker to another one, and in the background lane.
    pub elsewhere: Counters,
    /// What was done about turns that took long.
    pub preemptions: Preemptions,
    /// The turns that have exceeded the soft quantum and have not ended, as of a millisecond or so ago. Those in the
    /// background lane are not among them.
    pub long_turns: Vec<LongTurn>,
    /// The threads that run workers, run or wait for the background lane, or are spare.
    pub threads: usize,
    /// Those that wait to take a worker over.
    pub spare_threads: usize,
    /// How many threads, of all kinds, have not come back from handlers that were condemned.
    pub condemned_threads: usize,
    /// Those that run actors in the background lane.
    pub background_threads: usize,
    /// How many turns wait in the background lane.
    pub background_queue: usize,
    /// The blocking pool.
    pub blocking: BlockingSnapshot,
    /// From the time that an actor is scheduled to the time that its turn begins.
    pub runnable_delay: Histogram,
    /// How long turns take.
    pub turn_time: Histogram,
    /// From the time that a message is accepted to the time that its handler is called.
    pub mailbox_wait: Histogram,
    /// Messages that were accepted and that no handler has dealt with.
    pub dead_letters: u64,
    /// Asks that were refused or overdue, where they are watched.
    pub asks: AskCounts,
    /// What scans for leaked actors have seen, if there are any.
    pub leaks: LeakCounts,
    /// The kinds of actors that this system has had, those with the most living actors first.
    pub actors: Vec<ActorGroup>,
}

/// What there is to see of a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// What it is about.
    pub state: WorkerState,
    /// How many tasks are in its queue, where others can steal them.
    pub queue: usize,
    /// How many timers are armed with it.
    pub timers: usize,
    /// What it has done.
    pub counters: Counters,
}

/// What there is to see of the blocking pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingSnapshot {
    /// How many threads it has: those that run something, and the idle ones.
    pub threads: usize,
    /// How many of them have nothing to run.
    pub idle: usize,
    /// How many of them run a closure or a blocking handler.
    pub running: usize,
    /// How many closures, and actors with a message for a blocking handler, wait for a thread.
    pub queued: usize,
    /// How many jobs have ended: closures, and turns of actors with blocking handlers.
    pub done: u64,
    /// How many closures were refused.
    pub refused: u64,
}

/// Actors of one type that were spawned at one place in the program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActorGroup {
    /// The name of the type, without its path.
    pub name: &'static str,
    /// Its full name.
    pub type_name: &'static str,
    /// Where they were spawned: the call of `spawn`, or of `actor`.
    pub site: &'static Location<'static>,
    /// How many have not ended, those included that are being restarted.
    pub alive: u64,
    /// How many there have been. A restart makes no new actor.
    pub started: u64,
}

impl Snapshot {
    pub(crate) fn of(system: &SystemHandle, uptime: Duration) -> Snapshot {
        let scheduler = system.scheduler();
        let records = || (0..scheduler.workers()).map(|worker| scheduler.record(worker));
        let merged = |of: fn(&Record, &mut Histogram)| {
            let mut histogram = Histogram::new();
            records().for_each(|record| of(record, &mut histogram));
            histogram
        };
        let (threads, spare_threads) = scheduler.threads();
        let (background_threads, background_queue) = scheduler.background_load();
        Snapshot {
            uptime,
            parallelism: scheduler.parallelism(),
            workers: (0..scheduler.workers()).map(|worker| WorkerSnapshot::of(scheduler, worker)).collect(),
            global_queue: scheduler.global_len(),
            wakes_from_outside: scheduler.outside().wakes(),
            elsewhere: scheduler.outside().counters(),
            preemptions: scheduler.preemptions(),
            long_turns: scheduler.long_turns(),
            threads,
            spare_threads,
            condemned_threads: scheduler.condemned_threads(),
            background_threads,
            background_queue,
            blocking: system.blocking_pool().snapshot(),
            runnable_delay: merged(|record, into| record.delays.add_to(into)),
            turn_time: merged(|record, into| record.turns.add_to(into)),
            mailbox_wait: merged(|record, into| record.waits.add_to(into)),
            dead_letters: system.dead_letters().count(),
            asks: system.asks().counts(),
            leaks: system.leaks_seen().counts(),
            actors: groups(scheduler),
        }
    }

    /// What all workers together have done, and what was counted [elsewhere](Self::elsewhere).
    #[must_use]
    pub fn totals(&self) -> Counters {
        self.workers.iter().fold(self.elsewhere, |mut sum, worker| {
            sum += worker.counters;
            sum
        })
    }

    /// How many workers are in this state.
    #[must_use]
    pub fn workers_that_are(&self, state: WorkerState) -> usize {
        self.workers.iter().filter(|worker| worker.state == state).count()
    }

    /// How many actors have not ended, supervisors included.
    #[must_use]
    pub fn actors_alive(&self) -> u64 {
        self.actors.iter().map(|group| group.alive).sum()
    }

    /// How many timers are armed.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.workers.iter().map(|worker| worker.timers).sum()
    }
}

impl WorkerSnapshot {
    fn of(scheduler: &Scheduler, worker: usize) -> Self {
        let record = scheduler.record(worker);
        WorkerSnapshot {
            state: record.state(),
            queue: scheduler.queue_len(worker),
            timers: scheduler.timers(worker).len(),
            counters: record.counters(),
        }
    }
}

fn groups(scheduler: &Scheduler) -> Vec<ActorGroup> {
    let records = (0..scheduler.workers()).map(|worker| scheduler.record(worker));
    let group = |kind: &'static Kind| {
        let (alive, started) = scheduler.outside().population(records.clone(), kind.index());
        let (name, type_name, site) = (kind.name(), kind.type_name(), kind.site());
        ActorGroup { name, type_name, site, alive, started }
    };
    let mut groups: Vec<_> = Kind::all().into_iter().map(group).filter(|group| group.started > 0).collect();
    groups.sort_by_key(|group| std::cmp::Reverse((group.alive, group.started)));
    groups
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WorkerState::Running => "running",
            WorkerState::Searching => "searching",
            WorkerState::Parked => "parked",
        })
    }
}

impl fmt::Display for BlockingSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BlockingSnapshot { threads, idle, running, queued, done, refused } = self;
        write!(f, "threads={threads} idle={idle} running={running} ")?;
        write!(f, "queued={queued} done={done} refused={refused}")
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = self.uptime.as_secs_f64();
        writeln!(f, "up {up:.1} s, parallelism {}", self.parallelism)?;
        writeln!(f, "global queue {}, wakes from outside {}", self.global_queue, self.wakes_from_outside)?;
        for (number, worker) in self.workers.iter().enumerate() {
            let WorkerSnapshot { state, queue, timers, counters } = worker;
            writeln!(f, "worker {number}: {state:<9} queue={queue} timers={timers} {counters}")?;
        }
        let Snapshot { threads, spare_threads, background_threads, background_queue, .. } = self;
        write!(
            f,
            "threads {threads}, {spare_threads} of them spare, {background_threads} for the background lane, "
        )?;
        writeln!(f, "where {background_queue} turns wait")?;
        if self.condemned_threads > 0 {
            writeln!(f, "condemned handlers that have not returned {}", self.condemned_threads)?;
        }
        writeln!(f, "preemptions: {}", self.preemptions)?;
        for turn in &self.long_turns {
            writeln!(f, "long turn: {turn}")?;
        }
        writeln!(f, "blocking pool: {}", self.blocking)?;
        writeln!(f, "runnable delay  {}", self.runnable_delay)?;
        writeln!(f, "turn time       {}", self.turn_time)?;
        writeln!(f, "mailbox wait    {}", self.mailbox_wait)?;
        let AskCounts { deadlocks, overdue } = self.asks;
        writeln!(f, "asks: deadlocks={deadlocks} overdue={overdue}")?;
        let LeakCounts { scans, found, growing, silent, overdue, longest_step, .. } = self.leaks;
        write!(f, "leaks: scans={scans} found={found} growing={growing} silent={silent} overdue={overdue} ")?;
        writeln!(f, "longest_step={longest_step:.1?}")?;
        writeln!(f, "dead letters {}, actors {}", self.dead_letters, self.actors_alive())?;
        for group in &self.actors {
            let ActorGroup { name, site, alive, started, .. } = group;
            writeln!(f, "{alive:>10} {name} of {started}, spawned at {}:{}", site.file(), site.line())?;
        }
        Ok(())
    }
}
