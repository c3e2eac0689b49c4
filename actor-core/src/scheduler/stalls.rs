//! Stalls: handlers that take longer than the limit that their actor has for them.
//!
//! An async handler that waits is dropped by its actor's own turn, when a timer has it look (`cell/limited.rs`). One
//! that does not give its thread back cannot be dropped by anybody. It is *condemned*: whoever watches takes the actor
//! away from it, and the actor goes on with another incarnation, while the thread is left to itself.
//!
//! What does a running handler hold? The state and the context, which are in an allocation of their own, apart from the
//! cell; the message, and with it the reply; and the actor's run token, which nobody else has as long as the thread does.
//! The stack below the handler leads into the cell: to the life, and to what was taken out of the mailbox. So before the
//! handler of an actor with a limit is called, the turn takes the incarnation out of the cell and keeps it, leaves life and
//! mailbox in order for another turn, and puts the right to them, the run token, on its thread's [`leash`]:
//!
//! ```text
//!      the turn, on its thread                       sysmon, once a millisecond
//!      takes the incarnation out of the cell
//!      puts the run token on the leash   ─────────▶  sees the stint, and counts its time
//!      runs the handler                              at the limit:
//!                                                    cuts the leash (compare-and-swap)
//!      takes the leash off (compare-and-swap)          │
//!        │                                             ├─ has lost: the handler has returned
//!        ├─ has won: puts the incarnation back,        └─ has won: has the run token
//!        │    goes on as if nothing were                  tells the asker `Stalled`
//!        └─ has lost: drops the incarnation;              schedules the actor: its next turn fails
//!             touches nothing of the cell                 the message and asks the supervisor
//! ```
//!
//! A condemned handler goes on as long as it likes, and can do nothing: what it calls of ours looks at the leash first
//! ([`condemned`]). That is a thread's own, so what a handler has given to a thread of its own making is out of reach;
//! only a context knows by itself that its incarnation was condemned.
//!
//! Time passes here only as far as sysmon sees it pass: so much at most between two looks. A process that was stopped,
//! or a machine that was paused, has no stalled handlers when it goes on.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::blocking;
use crate::cell::Control;
use crate::log;
use crate::observe::{Event, Stall};
use crate::reply::guard::Guard;
use crate::scheduler::Scheduler;
use crate::scheduler::leash::{Leash, Stint, Worn};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering, StaticU64, fence, thread, thread_local};
use crate::system::SystemHandle;

/// After a pinned actor could not be given another thread, this long it is not tried again.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// A handler whose actor was killed is given so long to return.
const AFTER_KILL: Duration = Duration::from_millis(10);

/// What happens when a handler has exceeded its limit, and there are as many condemned ones as there may be; see
/// [`Builder::max_condemned`](crate::Builder::max_condemned).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooManyCondemned {
    /// The handler is not condemned: its actor waits for it, until it returns, or another one does. It is counted and
    /// reported.
    #[default]
    Report,
    /// The handler is condemned all the same, and the actor's supervisor fails, as if its intensity were exceeded: what
    /// cannot be put right here is for those further up, and at last for who runs the system.
    Escalate,
    /// The process is aborted, for something outside to start it again.
    Abort,
}

/// What is on a leash: what is needed to go on without the handler.
pub(crate) struct Load {
    pub(crate) cell: Arc<dyn Control>,
    pub(crate) incarnation: u32,
    /// The message whose handler runs.
    pub(crate) message: Option<&'static str>,
    /// For who asked.
    pub(crate) guard: Option<Guard>,
}

pub(crate) struct Stalls {
    /// Tells systems apart, whose leashes a thread may have had.
    system: u64,
    max: usize,
    too_many: TooManyCondemned,
    /// Leashes that sysmon has not taken notice of.
    fresh: Mutex<Vec<Leashed>>,
    /// Actors with a limit that were killed while they ran, and that sysmon has not taken notice of.
    killed: Mutex<Vec<Arc<dyn Control>>>,
    /// How much time has passed as far as sysmon has seen, in nanoseconds.
    watched: AtomicU64,
    /// How many async handlers with a limit are pending.
    pending: AtomicUsize,
    condemned: AtomicUsize,
}

impl Stalls {
    pub(super) fn new(max: usize, too_many: TooManyCondemned) -> Self {
        static NEXT: StaticU64 = StaticU64::new(0);
        Stalls {
            // Relaxed: only uniqueness is asked for.
            system: NEXT.fetch_add(1, Ordering::Relaxed),
            max,
            too_many,
            fresh: Mutex::default(),
            killed: Mutex::default(),
            watched: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            condemned: AtomicUsize::new(0),
        }
    }

    /// The time, as far as it passes for handlers.
    pub(crate) fn watched(&self) -> Duration {
        // Relaxed: it orders nothing; and what is old by a look only grants as much.
        Duration::from_nanos(self.watched.load(Ordering::Relaxed))
    }

    /// How many threads have not come back from handlers that were condemned.
    pub(super) fn condemned(&self) -> usize {
        // Relaxed: written by sysmon, for people to look at.
        self.condemned.load(Ordering::Relaxed)
    }

    fn leash(&self) -> Worn<Load> {
        let worn = Worn::new();
        let thread = thread::current().name().unwrap_or("(no name)").into();
        let of_pool = blocking::is_of_pool();
        self.fresh.lock().push(Leashed::new(worn.leash().clone(), thread, of_pool));
        worn
    }
}

thread_local! {
    // Without a destructor, so that an access is one instruction: every message sent has one.
    /// The leash that the handler on this thread runs on.
    static ON: Cell<*const Leash<Load>> = const { Cell::new(ptr::null()) };
    /// Whether a handler on this thread was condemned.
    static LOST: Cell<bool> = const { Cell::new(false) };
}
thread_local! {
    /// This thread's leash, while nothing runs on it, and the number of the system that knows it.
    static SPARE: Cell<Option<(u64, Worn<Load>)>> = const { Cell::new(None) };
}

/// Whether the handler that runs on this thread was condemned: nothing that it begins takes effect.
#[inline]
pub(crate) fn condemned() -> bool {
    let leash = ON.get();
    !leash.is_null() && is_cut(leash)
}

#[inline(never)]
fn is_cut(leash: *const Leash<Load>) -> bool {
    // SAFETY: it is there while a handler runs on it, on this very thread; see `OnLeash`.
    unsafe { &*leash }.is_cut()
}

/// Whether a handler on this thread was condemned since this was asked last.
pub(crate) fn take_lost() -> bool {
    LOST.replace(false)
}

/// Runs another actor's turn within a handler, which is not the one that may have been condemned.
pub(super) fn apart(f: impl FnOnce()) {
    let before = ON.replace(ptr::null());
    f();
    ON.set(before);
}

/// A handler runs on this thread's leash.
pub(crate) struct OnLeash<'a> {
    scheduler: &'a Scheduler,
    worn: Worn<Load>,
    /// Where turns are nested, the leash of the one around this.
    before: *const Leash<Load>,
}

/// The handler that has just returned was condemned: the cell is another's. What is left of its incarnation is to be
/// dropped while this is there.
pub(crate) struct Condemned<'a>(OnLeash<'a>);

impl Scheduler {
    /// Puts this thread on a leash, for a handler that may take so long.
    pub(crate) fn put_on_leash(&self, limit: Duration, load: Load) -> OnLeash<'_> {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let mut worn = match spare {
            Some((system, worn)) if system == self.stalls.system => worn,
            _ => self.stalls.leash(),
        };
        worn.put_on(load.cell.id().0, limit, load);
        let before = ON.replace(Arc::as_ptr(worn.leash()));
        self.wake_watcher();
        OnLeash { scheduler: self, worn, before }
    }

    /// An actor with a limit was killed while it ran: a handler that keeps its thread is condemned.
    pub(crate) fn limited_killed(&self, cell: Arc<dyn Control>) {
        self.stalls.killed.lock().push(cell);
        self.sysmon.wake();
    }

    /// An async handler with a limit is pending from now on.
    pub(crate) fn limited_begins(&self) {
        // Relaxed: see the fence.
        self.stalls.pending.fetch_add(1, Ordering::Relaxed);
        self.wake_watcher();
    }

    /// It is not any more.
    pub(crate) fn limited_ends(&self) {
        // Relaxed: sysmon looks once more than it has to.
        self.stalls.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sees to it that sysmon looks, since there is something to watch.
    fn wake_watcher(&self) {
        // Pairs with the fence in `Doze::limit`: either this sees it asleep, or it sees what there is to watch.
        fence(Ordering::SeqCst);
        self.sysmon.worker_woke();
    }
}

impl<'a> OnLeash<'a> {
    /// The handler has returned.
    pub(crate) fn take_off(mut self) -> Result<Load, Condemned<'a>> {
        let Some(load) = self.worn.take_off() else { return Err(Condemned(self)) };
        ON.set(self.before);
        let spare = (self.scheduler.stalls.system, self.worn);
        // A thread that ends has no use for it.
        let _ = SPARE.try_with(move |place| place.set(Some(spare)));
        Ok(load)
    }
}

impl Condemned<'_> {
    /// Nothing is left of the incarnation.
    pub(crate) fn end(self) {
        ON.set(self.0.before);
        LOST.set(true);
        self.0.worn.returned();
        self.0.scheduler.sysmon.wake();
    }
}

/// A leash, and what was seen of it.
struct Leashed {
    leash: Arc<Leash<Load>>,
    /// The name of its thread.
    thread: Arc<str>,
    /// Whether that is one of the blocking pool.
    of_pool: bool,
    stint: Option<Stint>,
    /// How long the stint was seen to run.
    took: Duration,
    /// It was said that it is not condemned, since too many are.
    reported: bool,
    /// The handler on it was condemned.
    stall: Option<Stall>,
}

impl Leashed {
    fn new(leash: Arc<Leash<Load>>, thread: Arc<str>, of_pool: bool) -> Self {
        Leashed { leash, thread, of_pool, stint: None, took: Duration::ZERO, reported: false, stall: None }
    }

    /// Whether its thread has it still, or has not come back from a condemned handler.
    fn is_in_use(&self) -> bool {
        self.stall.is_some() || Arc::strong_count(&self.leash) > 1
    }

    /// Time has passed: the stint that has used up its limit with that.
    fn passes(&mut self, passed: Duration) -> Option<Stint> {
        let now = self.leash.stint();
        match (self.stint, now) {
            (Some(before), Some(stint)) if before.is_same(stint) => self.took += passed,
            _ => (self.took, self.reported) = (Duration::ZERO, false),
        }
        self.stint = now;
        now.filter(|stint| self.took >= stint.limit)
    }
}

/// Sysmon's part: what it has seen of the leashes.
#[derive(Default)]
pub(crate) struct Watch {
    leashed: Vec<Leashed>,
    /// Pinned actors whose threads are held up by condemned handlers, and could not be replaced.
    homeless: Vec<Condemnation>,
    /// They are not tried again before this.
    not_before: Duration,
    /// Actors that were killed, and since when that is known.
    killed: Vec<(Arc<dyn Control>, Duration)>,
}

/// What an actor has to know that goes on without a handler.
struct Condemnation {
    cell: Arc<dyn Control>,
    incarnation: u32,
    /// Its supervisor is not to restart it.
    last_straw: bool,
}

impl Watch {
    /// Looks at all handlers with limits that run. So much time has passed since the last look, as far as it counts.
    pub(crate) fn look(&mut self, system: &SystemHandle, passed: Duration) {
        let stalls = &system.scheduler().stalls;
        let now = stalls.watched() + passed;
        // Relaxed: only sysmon writes it.
        stalls.watched.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Tried, as all locks in here that threads of the lowest priority use: this one must not wait for those.
        if let Some(mut fresh) = stalls.fresh.try_lock() {
            self.leashed.append(&mut fresh);
        }
        if !self.homeless.is_empty() && now >= self.not_before {
            for condemnation in std::mem::take(&mut self.homeless) {
                self.go_on(condemnation, now);
            }
        }
        if let Some(mut killed) = stalls.killed.try_lock() {
            self.killed.extend(killed.drain(..).map(|cell| (cell, now)));
        }
        // Once the kill is taken, what runs is the next incarnation.
        self.killed.retain(|(cell, _)| cell.is_killed());
        for at in 0..self.leashed.len() {
            let exceeded = self.leashed[at].passes(passed);
            if let Some(stint) = exceeded.or_else(|| self.outlives_kill(at, now)) {
                self.exceeded(system, at, stint, now);
            }
            self.look_for_return(system, at);
        }
        self.leashed.retain(Leashed::is_in_use);
    }

    /// The handler of an actor that was killed, if it has had its time to return.
    fn outlives_kill(&self, at: usize, now: Duration) -> Option<Stint> {
        let stint = self.leashed[at].stint?;
        let is_due = |(cell, since): &(Arc<dyn Control>, Duration)| {
            // The stint was seen first: what runs while the kill has not been taken is what is to be killed.
            cell.id().0 == stint.subject && now >= *since + AFTER_KILL && cell.is_killed()
        };
        self.killed.iter().any(is_due).then_some(stint)
    }

    /// How long it will be, as of the last look, until a look may condemn somebody.
    #[cfg(feature = "sim")]
    pub(crate) fn next(&self, stalls: &Stalls) -> Option<Duration> {
        let now = stalls.watched();
        let runs = |leashed: &&Leashed| leashed.leash.stint().is_some();
        let left = |leashed: &Leashed| {
            let limit = leashed.stint.map(|stint| stint.limit.saturating_sub(leashed.took));
            // Until it was killed long enough ago; what no look has seen yet is to be seen.
            let of_kill = |(_, since): &(_, Duration)| (*since + AFTER_KILL).saturating_sub(now);
            self.killed.iter().map(of_kill).chain(limit).filter(|left| !left.is_zero()).min()
        };
        let unseen = !stalls.killed.lock().is_empty() || !stalls.fresh.lock().is_empty();
        let next = self.leashed.iter().filter(runs).filter_map(left).min();
        if unseen { Some(Duration::ZERO) } else { next }
    }

    /// Whether there is nothing to watch, as of now.
    pub(super) fn sees_nothing(&self, stalls: &Stalls) -> bool {
        // Who has one of the locks is about to put something there.
        let no_news = stalls.killed.try_lock().is_some_and(|killed| killed.is_empty())
            && stalls.fresh.try_lock().is_some_and(|fresh| fresh.is_empty());
        no_news
            && self.homeless.is_empty()
            && self.killed.is_empty()
            // Relaxed: the caller has passed a fence; see `wake_watcher`.
            && stalls.pending.load(Ordering::Relaxed) == 0
            && self.leashed.iter().all(|leashed| leashed.leash.stint().is_none())
    }

    /// A handler has exceeded its limit, or has not returned since its actor was killed.
    fn exceeded(&mut self, system: &SystemHandle, at: usize, stint: Stint, now: Duration) {
        let scheduler = system.scheduler();
        let (max, too_many) = (scheduler.stalls.max, scheduler.stalls.too_many);
        let over = scheduler.stalls.condemned() >= max;
        // What is said at the cap, and an abort, cannot be taken back: it is this stint that runs still, and its limit.
        if over && self.leashed[at].leash.stint() != Some(stint) {
            return;
        }
        if over && !std::mem::replace(&mut self.leashed[at].reported, true) {
            let thread = &self.leashed[at].thread;
            scheduler.tallies.too_many_condemned.count();
            log::say(Level::ERROR, || {
                let thread = thread.to_string();
                move || {
                    tracing::error!(
                        thread,
                        max,
                        "a handler has stalled, and there are as many condemned as there may be"
                    )
                }
            });
            let event = || Event::TooManyCondemned { thread: thread.to_string(), limit: stint.limit, max };
            scheduler.events.publish(event);
            if too_many == TooManyCondemned::Abort {
                log::then_abort();
            }
        }
        if over && too_many == TooManyCondemned::Report {
            return;
        }
        if let Some(condemnation) = self.condemn(system, at, stint, over) {
            self.go_on(condemnation, now);
        }
    }

    /// Takes the actor away from a handler, unless that has returned.
    fn condemn(
        &mut self,
        system: &SystemHandle,
        at: usize,
        stint: Stint,
        over: bool,
    ) -> Option<Condemnation> {
        let leashed = &mut self.leashed[at];
        let Load { cell, incarnation, message, guard } = leashed.leash.cut(stint)?;
        let kind = cell.kind();
        let stall = Stall {
            actor: cell.id(),
            name: kind.name(),
            site: kind.site(),
            message,
            took: leashed.took,
            thread: Some(leashed.thread.to_string()),
        };
        leashed.stall = Some(stall.clone());
        // Relaxed: see `condemned`. First of all, for who asked and then looks.
        system.scheduler().stalls.condemned.fetch_add(1, Ordering::Relaxed);
        if leashed.of_pool {
            system.blocking_pool().loses_thread();
        }
        system.scheduler().stalled(stall);
        // This thread watches all handlers: a waker may keep any other one.
        if let Some(waker) = guard.and_then(Guard::stall) {
            system.scheduler().wake_apart(waker);
        }
        Some(Condemnation { cell, incarnation, last_straw: over })
    }

    /// Has an actor go on without a condemned handler.
    fn go_on(&mut self, condemnation: Condemnation, now: Duration) {
        let Condemnation { cell, incarnation, last_straw } = &condemnation;
        if let Err(error) = cell.clone().go_on(*incarnation, *last_straw) {
            log::say(Level::ERROR, || {
                let (path, error) = (cell.path().to_string(), error.to_string());
                move || tracing::error!(path, error, "no other thread for a pinned actor that has stalled")
            });
            self.not_before = now + AFTER_FAILURE;
            self.homeless.push(condemnation);
        }
    }

    /// Says so if a condemned handler has returned.
    fn look_for_return(&mut self, system: &SystemHandle, at: usize) {
        let leashed = &mut self.leashed[at];
        if leashed.stall.is_some() && leashed.leash.has_returned() {
            let stall = leashed.stall.take().expect("it was looked at");
            log::say(Level::WARN, || {
                let stall = stall.clone();
                move || tracing::warn!(%stall, "a condemned handler has returned")
            });
            system.scheduler().events.publish(|| Event::CondemnedReturned(stall));
            system.scheduler().stalls.condemned.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Scheduler {
    /// Counts a handler that has exceeded its limit, and says so.
    pub(crate) fn stalled(&self, stall: Stall) {
        self.tallies.stalled.count();
        if stall.thread.is_some() {
            self.tallies.condemned.count();
        }
        log::say(Level::ERROR, || {
            let stall = stall.clone();
            move || tracing::error!(%stall, "stalled")
        });
        self.events.publish(|| Event::Stalled(stall));
    }

    /// How many threads have not come back from handlers that were condemned.
    pub(crate) fn condemned_threads(&self) -> usize {
        self.stalls.condemned()
    }

    pub(crate) fn stalls(&self) -> &Stalls {
        &self.stalls
    }
}

impl fmt::Debug for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stalls").field("condemned", &self.condemned()).finish_non_exhaustive()
    }
}
