//! The thread that watches turns: it asks those that take long to end, has spare threads take over the workers of those
//! that do not, and gives those that burn processor time meanwhile the lowest priority. After Go's `sysmon`.
//!
//! It looks at what each thread notes of its turns once a millisecond while a turn runs on, less often while all turns are
//! short ([`rhythm`]), and sleeps without a limit while all are idle. What it thinks of what it sees is [`watch`]'s, which is pure.
//!
//! A kind of actors may have quanta of its own. No quantum is less than the millisecond between two looks, so it looks
//! no more often for those that are shorter than the system's.

mod carry;
mod escalation;
mod rhythm;
mod watch;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::ActorId;
use crate::cell::kind::Kind;
use crate::clock;
use crate::log;
use crate::observe::{Event, LongTurn};
use crate::scheduler::Scheduler;
use crate::scheduler::crew::NoSpare;
use crate::scheduler::doze::Doze;
use crate::scheduler::hand::{Hand, Order};
use crate::scheduler::stalls;
use crate::sync::{self, Condvar, Mutex, thread_local};
use crate::system::SystemHandle;
use crate::wait::wait_while;
use escalation::Escalation;
pub use escalation::OutOfThreads;
use rhythm::{Rhythm, Sight};
use watch::{Advice, Seen};

/// So much at most is taken to have passed between two looks.
const PASSES_AT_MOST: Duration = Duration::from_millis(20);
/// After a thread could not be started, this long no other one is tried.
const AFTER_FAILURE: Duration = Duration::from_millis(if cfg!(shuttle) { 1 } else { 100 });

/// After how long what is done about a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quanta {
    /// It is asked to end.
    pub(crate) soft: Duration,
    /// Its worker is taken over.
    pub(crate) hard: Duration,
}

impl Quanta {
    /// Those of a kind of actors: what it has of its own holds, and the system's give way to that.
    fn of(self, kind: Option<&Kind>) -> Quanta {
        match kind.map(Kind::quanta) {
            None | Some((None, None)) => self,
            Some((Some(soft), hard)) => Quanta { soft, hard: hard.unwrap_or(self.hard).max(soft) },
            Some((None, Some(hard))) => Quanta { soft: self.soft.min(hard), hard },
        }
    }
}

pub(super) struct Sysmon {
    doze: Doze,
    quanta: Quanta,
    out_of_threads: OutOfThreads,
    /// Whether the thread runs.
    runs: Mutex<bool>,
    ended: Condvar,
    /// Turns that have exceeded the soft quantum, on workers and on threads that have lost theirs: for the snapshot.
    long: Mutex<Vec<LongTurn>>,
}

impl Sysmon {
    pub(super) fn new(quanta: Quanta, out_of_threads: OutOfThreads) -> Self {
        let (runs, ended) = (Mutex::new(false), Condvar::new());
        Sysmon { doze: Doze::default(), quanta, out_of_threads, runs, ended, long: Mutex::default() }
    }

    /// A worker has left the idle list, and passed a full fence since.
    #[inline]
    pub(super) fn worker_woke(&self) {
        self.doze.worker_woke();
    }

    /// Has it look now: a spare has come, or there is something to start a thread for.
    pub(super) fn wake(&self) {
        self.doze.wake();
    }

    fn set_runs(&self, runs: bool) {
        *self.runs.lock() = runs;
        self.ended.notify_all();
    }

    /// Waits until the thread has ended, or until `until`.
    pub(super) fn wait(&self, until: Instant) {
        drop(wait_while(&self.ended, self.runs.lock(), until, |runs| *runs));
    }

    /// The quanta of a kind of actors.
    pub(super) fn quanta_of(&self, kind: Option<&Kind>) -> Quanta {
        self.quanta.of(kind)
    }

    /// Those of the turn that was seen on a thread.
    fn quanta_in(&self, hand: &Hand, turn: u64) -> Quanta {
        self.quanta.of(hand.doing.subject(turn).and_then(|subject| subject.kind))
    }

    /// The turns that have exceeded the soft quantum, as of the last look.
    pub(super) fn long_turns(&self) -> Vec<LongTurn> {
        self.long.lock().clone()
    }
}

impl Scheduler {
    /// Those of the long turns whose threads have not ended.
    pub(crate) fn stuck_turns(&self) -> Vec<LongTurn> {
        let mut turns = self.sysmon.long_turns();
        let in_turn = self.crew.in_turn();
        turns.retain(|turn| in_turn.contains(&turn.thread));
        turns
    }

    /// The message whose handler runs in the turn of this actor, if one does.
    pub(crate) fn message_of(&self, actor: ActorId) -> Option<&'static str> {
        self.crew.message_of(actor)
    }

    /// The stack of the thread that runs this turn.
    #[cfg(feature = "stacks")]
    pub(crate) fn stack_of(
        &self,
        turn: &LongTurn,
    ) -> Result<crate::observe::Stack, crate::observe::StackError> {
        let hand = self.crew.hand_named(&turn.thread).ok_or(crate::observe::StackError::Ended)?;
        hand.stack_of(turn.actor)
    }

    /// Asks a turn to end at its next safepoint, and says so.
    fn ask(&self, hand: &Hand, turn: Option<LongTurn>) {
        hand.doing.raise();
        self.tallies.soft.count();
        self.events.publish_some(turn.map(Event::SoftPreempted));
    }
}

/// Starts the thread, which ends after the last worker.
pub(crate) fn start(system: SystemHandle) -> io::Result<()> {
    let name = format!("{}-sysmon", system.scheduler().recipe.name);
    let sysmon = system.clone();
    sysmon.scheduler().sysmon.set_runs(true);
    let started = sync::start(name, move || {
        run(&system);
        system.scheduler().sysmon.set_runs(false);
    });
    if started.is_err() {
        sysmon.scheduler().sysmon.set_runs(false);
    }
    started
}

thread_local!(static HERE: Cell<bool> = const { Cell::new(false) });

/// Whether this thread is a system's sysmon, on which no user's code may run: as long as that takes, nobody is watched.
pub(super) fn is_here() -> bool {
    HERE.get()
}

/// Does at the end of the system what may run users' code. If there is no thread for that this one does it, which has
/// nobody to watch any more.
fn start_apart<F: FnOnce() + Send + 'static>(system: &SystemHandle, last: F) {
    fn run<F: FnOnce()>(last: &Mutex<Option<F>>) {
        let last = last.lock().take();
        last.into_iter().for_each(|last| last());
    }
    let last = Arc::new(Mutex::new(Some(last)));
    let there = last.clone();
    if sync::start(format!("{}-last", system.scheduler().recipe.name), move || run(&there)).is_err() {
        run(&last);
    }
}

fn run(system: &SystemHandle) {
    HERE.set(true);
    let scheduler = system.scheduler();
    let mut watcher = Watcher::new(system);
    while !scheduler.is_over() {
        watcher.look();
        let may_sleep = watcher.rhythm.is_quiet() && watcher.sees_nothing();
        scheduler.sysmon.doze.sleep(watcher.rhythm.until_look(), || {
            may_sleep && scheduler.is_idle() && !scheduler.is_stopping() && watcher.limits_nothing()
        });
    }
    // What the workers did last is over: who asks from now on sees those turns that are left.
    watcher.look();
    // What this thread has scheduled since the last worker went.
    if !scheduler.global.is_empty() {
        let system = system.clone();
        start_apart(&system.clone(), move || system.scheduler().run_leftovers());
    }
}

/// A thread that lost its worker, and is in the turn for which it did.
struct Stuck {
    hand: Arc<Hand>,
    seen: Seen,
}

struct Watcher<'a> {
    system: &'a SystemHandle,
    scheduler: &'a Scheduler,
    last: Instant,
    /// What was seen of the threads that run workers, by the numbers of these.
    seen: HashMap<usize, Seen>,
    stuck: Vec<Stuck>,
    /// What was seen of the courier.
    courier: Option<Seen>,
    /// What was seen of handlers with limits.
    stalls: stalls::Watch,
    rhythm: Rhythm,
    /// No thread is started before this.
    not_before: Instant,
    /// The end that has begun because there are no threads left.
    escalation: Option<Escalation>,
}

impl<'a> Watcher<'a> {
    fn new(system: &'a SystemHandle) -> Self {
        let now = clock::now();
        Watcher {
            system,
            scheduler: system.scheduler(),
            last: now,
            seen: HashMap::new(),
            stuck: Vec::new(),
            courier: None,
            stalls: stalls::Watch::default(),
            rhythm: Rhythm::default(),
            not_before: now,
            escalation: None,
        }
    }

    fn sees_nothing(&self) -> bool {
        let busy = self.courier.is_some() || self.escalation.is_some();
        self.seen.is_empty() && self.stuck.is_empty() && !busy
    }

    /// Whether no handler with a limit runs or is pending.
    fn limits_nothing(&self) -> bool {
        self.stalls.sees_nothing(&self.scheduler.stalls)
    }

    fn look(&mut self) {
        let now = clock::now();
        // Where this thread was late itself (the machine was paused, say), the others may have been as well.
        let passed =
            now.saturating_duration_since(std::mem::replace(&mut self.last, now)).min(PASSES_AT_MOST);
        let mut any = false;
        for worker in 0..self.scheduler.workers() {
            any |= self.look_at(worker, passed, now);
        }
        any |= self.look_at_courier(passed);
        self.look_at_stuck(passed, now);
        let scheduler = self.scheduler;
        scheduler.background.tend(scheduler.parallelism(), now, || self.spare(now, None));
        scheduler.courier.tend(scheduler, || self.spare(now, None));
        self.stalls.look(self.system, passed);
        self.tend_blocking(now);
        if let Some(escalation) = &mut self.escalation {
            escalation.tend(self.system, now);
        }
        self.publish();
        self.rhythm.saw(self.sight(any));
    }

    /// What this look has seen, in all.
    fn sight(&self, any: bool) -> Sight {
        let runs_on = self.seen.values().chain(&self.courier).any(Seen::runs_on);
        let wants_threads = self.system.blocking_pool().wants_threads();
        match any {
            _ if runs_on || wants_threads || self.escalation.is_some() => Sight::Attention,
            true if self.limits_nothing() && self.stuck.is_empty() => Sight::ShortTurns,
            true => Sight::Attention,
            false => Sight::Nothing,
        }
    }

    /// Looks at a worker; whether a turn runs there.
    fn look_at(&mut self, worker: usize, passed: Duration, now: Instant) -> bool {
        let Some(hand) = self.scheduler.remote(worker).hand.lock().clone() else {
            self.man(worker, now);
            return false;
        };
        let turn = hand.doing.turn();
        if !hand.doing.is_in_turn() {
            self.seen.remove(&worker);
            return false;
        }
        let Some(seen) = watch::again(&mut self.seen, worker, &hand, turn) else { return true };
        seen.passes(passed);
        let waits = || self.scheduler.waits_for(worker, now);
        match seen.advise(self.scheduler.sysmon.quanta_in(&hand, turn), || hand.usage(), waits) {
            Advice::Leave => {}
            Advice::Ask => {
                self.scheduler.ask(&hand, seen.describe(&hand, Some(worker)));
                self.keep_warm(now);
            }
            Advice::Replace => self.replace(worker, &hand, now),
        }
        true
    }

    /// Has a spare thread take the worker over.
    fn replace(&mut self, worker: usize, hand: &Arc<Hand>, now: Instant) {
        let Some(spare) = self.spare(now, Some(worker)) else { return };
        if !hand.doing.claim.revoke() {
            // It is between two turns, or is just scheduling something. If it goes on, all is well.
            return self.scheduler.crew.put_back(spare);
        }
        let seen = self.seen.remove(&worker).expect("it is what the advice was about");
        // Before any work is done for which it was.
        self.scheduler.tallies.replaced.count();
        self.give(worker, spare);
        self.is_replaced(hand.clone(), seen);
    }

    /// Says that a turn has cost its thread what that was there for, and watches it until it returns.
    fn is_replaced(&mut self, hand: Arc<Hand>, mut seen: Seen) {
        if let Some(turn) = seen.describe(&hand, None) {
            log::say(Level::WARN, || {
                let turn = turn.clone();
                move || tracing::warn!(%turn, "a turn takes long: another thread takes the place of its own")
            });
            self.scheduler.events.publish(|| Event::Replaced(turn));
        }
        self.stuck.push(Stuck { hand, seen });
    }

    /// A thread that can take over, in hand before anything is taken from anybody. Without one it is said, once for the
    /// turn if that is because there may be no more.
    fn spare(&mut self, now: Instant, worker: Option<usize>) -> Option<Arc<Hand>> {
        // One that has come back is at hand even while none is started.
        self.scheduler.crew.waiting().or_else(|| self.start_spare(now, worker))
    }

    /// The same, if it must be a new one.
    fn start_spare(&mut self, now: Instant, worker: Option<usize>) -> Option<Arc<Hand>> {
        if now < self.not_before {
            return None;
        }
        match self.scheduler.crew.start_spare(self.system) {
            Ok(spare) => return Some(spare),
            Err(NoSpare::Over) => {}
            Err(NoSpare::Failed(error)) => {
                self.not_before = now + AFTER_FAILURE;
                self.scheduler.tallies.no_thread.count();
                log::say(Level::ERROR, || {
                    let error = error.to_string();
                    move || tracing::error!(error, "no thread can be started to take a worker over")
                });
                self.scheduler.events.publish(|| Event::NoThread { error: error.to_string() });
            }
            Err(NoSpare::AtLimit { max }) => {
                if let Some(worker) = worker {
                    self.out_of_threads(worker, max, now);
                }
            }
        }
        None
    }

    fn out_of_threads(&mut self, worker: usize, max: usize, now: Instant) {
        let Some(seen) = self.seen.get_mut(&worker) else { return };
        if !seen.reports_limit() {
            return;
        }
        self.scheduler.tallies.out_of_threads.count();
        let hand = self.scheduler.remote(worker).hand.lock().clone();
        let turn = hand.and_then(|hand| seen.describe(&hand, Some(worker)));
        if let Some(turn) = &turn {
            log::say(Level::ERROR, || {
                let turn = turn.clone();
                move || tracing::error!(%turn, max, "a turn takes long, and there are as many threads as there may be")
            });
            self.scheduler.events.publish(|| Event::OutOfThreads { turn: turn.clone(), max });
        }
        match (self.scheduler.sysmon.out_of_threads, turn) {
            (OutOfThreads::Abort, _) => log::then_abort(),
            (OutOfThreads::Escalate, Some(turn)) if self.escalation.is_none() => {
                self.escalation = Some(Escalation::begin(self.system, turn, max, now));
            }
            _ => {}
        }
    }

    /// Sees to it that spares are there before they are needed.
    fn keep_warm(&mut self, now: Instant) {
        if !self.scheduler.crew.has_spares()
            && let Some(spare) = self.start_spare(now, None)
        {
            self.scheduler.crew.put_back(spare);
        }
    }

    /// Gives a thread to a worker that has none: it was to be started by a thread that must not do that.
    fn man(&mut self, worker: usize, now: Instant) {
        if self.scheduler.remote(worker).is_wanted()
            && let Some(spare) = self.spare(now, None)
        {
            self.give(worker, spare);
        }
    }

    /// Has a spare thread run a worker that no other runs.
    fn give(&self, worker: usize, spare: Arc<Hand>) {
        *self.scheduler.remote(worker).hand.lock() = Some(spare.clone());
        spare.order(Order::Run(worker));
    }

    /// Starts the threads of the blocking pool that are wanted by threads which must not do that.
    fn tend_blocking(&mut self, now: Instant) {
        if now < self.not_before {
            return;
        }
        if let Err(error) = self.system.blocking_pool().tend(self.system) {
            self.not_before = now + AFTER_FAILURE;
            log::say(Level::ERROR, || {
                let error = error.to_string();
                move || tracing::error!(error, "no thread can be started for the blocking pool")
            });
        }
    }

    /// Looks at the threads whose workers were taken over.
    fn look_at_stuck(&mut self, passed: Duration, now: Instant) {
        let scheduler = self.scheduler;
        self.stuck.retain_mut(|Stuck { hand, seen }| {
            if !seen.is_of(hand, hand.doing.turn()) {
                scheduler.tallies.returned.count();
                scheduler.events.publish_some(seen.described().map(Event::Returned));
                return false;
            }
            seen.passes(passed);
            let hard = scheduler.sysmon.quanta_in(hand, seen.turn()).hard;
            if seen.exceeds(hard)
                && let Some(subject) = hand.doing.subject(seen.turn())
                && scheduler.background.conduct.exceeded(scheduler, subject, now)
            {
                seen.was_noted();
            }
            if seen.is_to_be_demoted(hard, || hand.usage()) && scheduler.crew.demote(hand, seen.turn()) {
                scheduler.tallies.demoted.count();
                seen.was_demoted();
                if let Some(turn) = seen.describe(hand, None) {
                    log::say(Level::WARN, || {
let turn = turn.clone();
move || tracing::warn!(%turn, "a turn burns processor time: its thread has the lowest priority now")
});
                    scheduler.events.publish(|| Event::Demoted(turn));
                }
            }
            true
        });
    }

    /// Shows the long turns to those who look in.
    fn publish(&mut self) {
        let on_workers = self.seen.iter_mut().filter_map(|(worker, seen)| {
            if !seen.is_long() {
                return None;
            }
            let hand = self.scheduler.remote(*worker).hand.lock().clone()?;
            seen.describe(&hand, Some(*worker))
        });
        let mut long: Vec<_> = on_workers.collect();
        long.extend(self.stuck.iter_mut().filter_map(|Stuck { hand, seen }| seen.describe(hand, None)));
        *self.scheduler.sysmon.long.lock() = long;
    }
}
