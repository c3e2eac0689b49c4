//! Timers: a queue of deadlines per worker, and the handle that cancels one when it is dropped.
//!
//! A queue is a [`wheel`] with a tick of a millisecond, under a lock that is held for a bounded
//! number of steps. Cancelling removes the timer, so a deadline that is far away and no longer
//! wanted costs nothing.

#[cfg(all(test, loom))]
mod model;
mod wheel;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::Control;
use crate::cell::task;
use crate::cell::turn::caught;
use crate::clock;
use crate::log;
use crate::observe::{self, Count};
use crate::platform::prefetch::Hint;
use crate::port::Ready;
use crate::scheduler::{local, soft};
use crate::slab::Key;
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::system::SystemHandle;
use crate::wait;
use wheel::Wheel;

/// How many timers are taken, or moved within the wheel, in one hold of the lock.
const BATCH: usize = 1024;

/// How many timers ahead what firing them needs is fetched.
const AHEAD: usize = 8;

/// What happens when a timer is due.
pub(crate) enum Target {
    /// A timer of an actor's context: goes to its system lane.
    Actor {
        cell: Weak<dyn Control>,
        timer: Key,
        incarnation: u32,
        /// Where the context has what it says.
        entry: Hint,
    },
    /// Time to look how long an actor has been silent.
    Silence { cell: Weak<dyn Control>, incarnation: u32 },
    /// A timer of a port.
    Ready(Weak<dyn Control>),
    /// A deadline of a future that an actor's own turn polls, with the actor's own waker.
    Wake(Waker),
    /// A deadline of any other future. Its waker may do anything, and is called in a turn.
    WakeOther(Waker, SystemHandle),
}

impl Target {
    /// Has what will be needed fetched: with many timers little of it is in the cache.
    fn fetch(&self) {
        if let Target::Actor { cell, entry, .. } = self {
            task::fetch(Hint::at(cell.as_ptr()));
            entry.fetch(0);
            entry.fetch(64);
        }
    }

    fn fire(self) {
        match self {
            Target::Actor { cell, timer, incarnation, .. } => {
                if let Some(cell) = cell.upgrade() {
                    cell.timer_due(timer, incarnation.into());
                }
            }
            Target::Silence { cell, incarnation } => {
                if let Some(cell) = cell.upgrade() {
                    cell.look_for_silence(incarnation.into());
                }
            }
            Target::Ready(cell) => {
                if let Some(cell) = cell.upgrade() {
                    cell.set_ready(Ready::TIMER);
                }
            }
            Target::Wake(waker) => wait::wake(waker),
            Target::WakeOther(waker, system) => system.scheduler().wake_apart(waker),
        }
    }
}

/// When a timer is due.
#[derive(Clone, Copy)]
pub(crate) enum When {
    /// When the worker next looks at its timers: there is no tick to wait for.
    AtOnce,
    At(Instant),
}

impl When {
    pub(crate) fn after(delay: Duration) -> When {
        if delay.is_zero() { When::AtOnce } else { When::At(clock::later(clock::now(), delay)) }
    }
}

/// The timers of one worker. Any thread may arm, cancel and fire.
pub(crate) struct TimerQueue {
    /// When tick 0 was.
    origin: Instant,
    inner: Mutex<Inner>,
    /// How many are armed, for those who look in without the lock. Written under it.
    armed: AtomicUsize,
}

struct Inner {
    wheel: Wheel<Target>,
    /// The tick by which the worker will look at its timers without being told.
    looks_at: u64,
    /// For the next batch; kept for its memory.
    spare: Vec<Target>,
}

impl TimerQueue {
    pub(crate) fn new(now: Instant) -> Self {
        let inner = Inner { wheel: Wheel::new(), looks_at: u64::MAX, spare: Vec::new() };
        TimerQueue { origin: now, inner: Mutex::new(inner), armed: AtomicUsize::new(0) }
    }

    fn arm(&self, when: When, target: Target) -> Key {
        let tick = self.first_tick_after(when);
        let mut inner = self.inner.lock();
        let key = inner.wheel.arm(tick, target);
        self.note_armed(&inner);
        key
    }

    /// Arms a timer from a thread that is not the worker; true if that must be told.
    fn arm_from_afar(&self, when: When, target: Target) -> (Key, bool) {
        let tick = self.first_tick_after(when);
        let mut inner = self.inner.lock();
        let key = inner.wheel.arm(tick, target);
        self.note_armed(&inner);
        let sooner = tick < inner.looks_at;
        inner.looks_at = inner.looks_at.min(tick);
        (key, sooner)
    }

    fn cancel(&self, key: Key) {
        // Bound, so that it is dropped after the lock: a waker's drop is foreign code.
        let _cancelled = {
            let mut inner = self.inner.lock();
            let cancelled = inner.wheel.cancel(key);
            self.note_armed(&inner);
            cancelled
        };
    }

    /// Fires what is due and says when to call this again; until then, only a timer that another
    /// thread arms makes it necessary, and that unparks the worker.
    pub(crate) fn fire_due(&self, now: Instant) -> Option<Instant> {
        let tick = self.last_tick_before(now);
        let mut due = Vec::new();
        loop {
            {
                let mut inner = self.inner.lock();
                if due.capacity() == 0 {
                    due = std::mem::take(&mut inner.spare);
                }
                let more = inner.wheel.advance(tick, BATCH, &mut due);
                self.note_armed(&inner);
                if due.is_empty() && !more {
                    inner.spare = due;
                    let next = inner.wheel.next();
                    inner.looks_at = next.unwrap_or(u64::MAX);
                    return next.map(|tick| clock::later(self.origin, Duration::from_millis(tick)));
                }
            }
            observe::add(Count::TimersFired, due.len() as u64);
            let mut targets = due.drain(..);
            targets.as_slice().iter().take(AHEAD).for_each(Target::fetch);
            while let Some(target) = targets.next() {
                targets.as_slice().get(AHEAD).inspect(|later| later.fetch());
                // The others must not suffer from a waker that panics.
                if let Err(why) = caught(|| target.fire()) {
                    log::say(Level::ERROR, || {
                        let why = why.to_string();
                        move || tracing::error!(why, "panicked while firing a timer")
                    });
                }
            }
        }
    }

    /// From now on nobody fires anything: wakes the actors whose deadlines are here, and gives out the wakers of all others
    /// that wait for one.
    pub(crate) fn end(&self) -> Vec<Waker> {
        let mut left = Vec::new();
        {
            let mut inner = self.inner.lock();
            while let Some(next) = inner.wheel.next() {
                inner.wheel.advance(next, BATCH, &mut left);
            }
            self.note_armed(&inner);
        }
        let mut others = Vec::new();
        for target in left {
            match target {
                Target::Wake(waker) => wait::wake(waker),
                Target::WakeOther(waker, _) => others.push(waker),
                Target::Actor { .. } | Target::Silence { .. } | Target::Ready(_) => {}
            }
        }
        others
    }

    /// Whether a timer is due, as far as can be told without waiting for the lock.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let next = self.inner.try_lock().and_then(|inner| inner.wheel.next());
        next.is_some_and(|tick| tick <= self.last_tick_before(now))
    }

    /// When [`fire_due`](Self::fire_due) has something to do next.
    #[cfg(feature = "sim")]
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.len() == 0 {
            return None;
        }
        let tick = self.inner.lock().wheel.next()?;
        Some(clock::later(self.origin, Duration::from_millis(tick)))
    }

    fn note_armed(&self, inner: &Inner) {
        // Relaxed: it orders nothing.
        self.armed.store(inner.wheel.len(), Ordering::Relaxed);
    }

    /// How many timers are armed.
    pub(crate) fn len(&self) -> usize {
        self.armed.load(Ordering::Relaxed)
    }

    #[cfg(all(test, not(loom)))]
    fn places(&self) -> usize {
        self.inner.lock().wheel.places()
    }

    /// Rounded up, so that nothing is fired early.
    fn first_tick_after(&self, when: When) -> u64 {
        let When::At(at) = when else { return 0 };
        let since = at.saturating_duration_since(self.origin);
        let part = since.subsec_nanos().div_ceil(1_000_000);
        since.as_secs().saturating_mul(1000).saturating_add(part.into())
    }

    fn last_tick_before(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into())
    }
}

/// An armed timer, to be cancelled by who has the system at hand. One that has fired, or whose
/// owner is content with what it does, may just be forgotten.
#[derive(Clone, Copy)]
pub(crate) struct Armed {
    worker: u32,
    key: Key,
}

impl Armed {
    pub(crate) fn new(system: &SystemHandle, when: When, target: Target) -> Armed {
        let scheduler = system.scheduler();
        let target = Cell::new(Some(target));
        let take = || target.take().expect("it is armed once");
        // A worker looks at its own timers before it parks.
        let own = scheduler.as_worker(|here| (here, scheduler.timers(here).arm(when, take())));
        let (worker, key) = own.unwrap_or_else(|_| {
            let worker = clock::below(scheduler.parallelism());
            let (key, sooner) = scheduler.timers(worker).arm_from_afar(when, take());
            if sooner {
                scheduler.unpark(worker);
            }
            (worker, key)
        });
        Armed { worker: worker as u32, key }
    }

    pub(crate) fn cancel(self, system: &SystemHandle) {
        system.scheduler().timers(self.worker as usize).cancel(self.key);
    }
}

/// An armed timer. Dropping it cancels it.
pub struct Timer {
    system: SystemHandle,
    armed: Armed,
}

impl Timer {
    pub(crate) fn arm(system: &SystemHandle, delay: Duration, target: Target) -> Timer {
        Timer::arm_when(system, When::after(delay), target)
    }

    fn arm_when(system: &SystemHandle, when: When, target: Target) -> Timer {
        Timer { system: system.clone(), armed: Armed::new(system, when, target) }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.armed.cancel(&self.system);
    }
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

/// A deadline inside a future: tells whether it has come, and wakes the task when it does.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    alarm: Alarm,
}

/// Who sees to it that a future is polled when its deadline has come.
#[derive(Debug, Default)]
enum Alarm {
    /// Nobody yet.
    #[default]
    Unset,
    /// A timer, which wakes this waker.
    Timer { _timer: Timer, waker: Waker },
    /// The thread that waits for the future.
    Thread,
}

impl Deadline {
    /// Never, for `None`.
    pub(crate) fn after(delay: Option<Duration>) -> Self {
        Deadline { at: delay.map(|delay| clock::later(clock::now(), delay)), alarm: Alarm::Unset }
    }

    pub(crate) fn at(at: Instant) -> Self {
        Deadline { at: Some(at), alarm: Alarm::Unset }
    }

    pub(crate) fn is_never(&self) -> bool {
        self.at.is_none()
    }

    /// When it is, for a thread that will poll the future by itself then.
    pub(crate) fn kept_by_thread(&mut self) -> Option<Instant> {
        self.alarm = Alarm::Thread;
        self.at
    }

    #[inline]
    pub(crate) fn poll(&mut self, system: &SystemHandle, cx: &mut Context<'_>) -> Poll<()> {
        match self.at {
            None => Poll::Pending,
            Some(at) => self.poll_at(at, system, cx),
        }
    }

    #[inline(never)]
    fn poll_at(&mut self, at: Instant, system: &SystemHandle, cx: &mut Context<'_>) -> Poll<()> {
        if clock::now() >= at {
            return Poll::Ready(());
        }
        let armed = match &self.alarm {
            Alarm::Unset => false,
            Alarm::Timer { waker, .. } => waker.will_wake(cx.waker()),
            Alarm::Thread => true,
        };
        if !armed {
            let waker = cx.waker().clone();
            let target = if local::is_turn_of(waker.data()) {
                Target::Wake(waker.clone())
            } else {
                Target::WakeOther(waker.clone(), system.clone())
            };
            let _timer = Timer::arm_when(system, When::At(at), target);
            self.alarm = Alarm::Timer { _timer, waker };
        }
        // When the system has ended there is nobody to fire the timer, and nothing to wait for. A
        // look after the arming: either the end wakes this timer's task, or this sees the end.
        let ended = system.scheduler().is_stopping() && !matches!(self.alarm, Alarm::Thread);
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A future that is ready after a delay, or when the system has ended; made by
/// [`SystemHandle::sleep`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    system: SystemHandle,
    deadline: Deadline,
}

impl Sleep {
    pub(crate) fn new(system: SystemHandle, delay: Duration) -> Self {
        Sleep { system, deadline: Deadline::after(Some(delay)) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        soft::charged(cx, |cx| this.deadline.poll(&this.system, cx))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
