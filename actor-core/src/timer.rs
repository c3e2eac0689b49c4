//! Timers: a queue of deadlines per worker, and the handle that cancels one when it is dropped.
//!
//! A queue is a plain map from deadline to target, pure but for the lock around it: it takes `now`.
//! Cancelling removes the entry, so a deadline that is far away and no longer wanted costs nothing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::cell::Control;
use crate::clock;
use crate::port::Ready;
use crate::sync::Mutex;
use crate::system::SystemHandle;

/// What happens when a timer is due.
pub(crate) enum Target {
    /// A timer of an actor's context: goes to its system lane.
    Actor { cell: Weak<dyn Control>, id: u64, incarnation: u64 },
    /// A timer of a port.
    Ready(Weak<dyn Control>),
    /// A deadline of a future.
    Wake(Waker),
}

impl Target {
    fn fire(self) {
        match self {
            Target::Actor { cell, id, incarnation } => {
                if let Some(cell) = cell.upgrade() {
                    cell.timer_due(id, incarnation);
                }
            }
            Target::Ready(cell) => {
                if let Some(cell) = cell.upgrade() {
                    cell.set_ready(Ready::TIMER);
                }
            }
            Target::Wake(waker) => waker.wake(),
        }
    }
}

type Key = (Instant, u64);

/// The timers of one worker. Any thread may arm and cancel.
#[derive(Default)]
pub(crate) struct TimerQueue(Mutex<Deadlines>);

#[derive(Default)]
struct Deadlines {
    targets: BTreeMap<Key, Target>,
    /// Tells apart timers with the same deadline and keeps them in the order of arming.
    armed: u64,
}

impl TimerQueue {
    /// Adds a timer; true if it is the first to be due.
    fn arm(&self, at: Instant, target: Target) -> (Key, bool) {
        let mut deadlines = self.0.lock();
        deadlines.armed += 1;
        let key = (at, deadlines.armed);
        deadlines.targets.insert(key, target);
        (key, deadlines.targets.first_key_value().is_some_and(|(first, _)| *first == key))
    }

    fn cancel(&self, key: Key) {
        // Bound, so that it is dropped after the lock: a waker's drop is foreign code.
        let _cancelled = self.0.lock().targets.remove(&key);
    }

    /// Fires what is due and says when the next is.
    pub(crate) fn fire_due(&self, now: Instant) -> Option<Instant> {
        loop {
            let due = {
                let mut deadlines = self.0.lock();
                match deadlines.targets.first_entry() {
                    None => return None,
                    Some(first) if first.key().0 > now => return Some(first.key().0),
                    Some(first) => first.remove(),
                }
            };
            due.fire();
        }
    }
}

/// An armed timer. Dropping it cancels it.
pub struct Timer {
    system: SystemHandle,
    worker: usize,
    key: Key,
}

impl Timer {
    pub(crate) fn arm(system: &SystemHandle, delay: Duration, target: Target) -> Timer {
        Timer::arm_at(system, clock::later(clock::now(), delay), target)
    }

    pub(crate) fn arm_at(system: &SystemHandle, at: Instant, target: Target) -> Timer {
        let scheduler = system.scheduler();
        let here = scheduler.current_worker();
        let worker = here.unwrap_or_else(|| clock::below(scheduler.workers()));
        let (key, first) = scheduler.timers(worker).arm(at, target);
        // A worker looks at its own timers before it parks; another's must be told.
        if first && here.is_none() {
            scheduler.unpark(worker);
        }
        Timer { system: system.clone(), worker, key }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.system.scheduler().timers(self.worker).cancel(self.key);
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
    timer: Option<Timer>,
}

impl Deadline {
    /// Never, for `None`.
    pub(crate) fn after(delay: Option<Duration>) -> Self {
        Deadline { at: delay.map(|delay| clock::later(clock::now(), delay)), timer: None }
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    pub(crate) fn poll(&mut self, system: &SystemHandle, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        if clock::now() >= at {
            return Poll::Ready(());
        }
        // Armed anew at each poll, because the waker may be another one.
        self.timer = Some(Timer::arm_at(system, at, Target::Wake(cx.waker().clone())));
        Poll::Pending
    }
}

/// A future that is ready after a delay; made by [`SystemHandle::sleep`].
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
        this.deadline.poll(&this.system, cx)
    }
}
