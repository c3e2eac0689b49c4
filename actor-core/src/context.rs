//! What a handler can do about its own actor.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::actor::{Accepts, Messages};
use crate::actor_ref::ActorRef;
use crate::cell::{ActorId, Cell, Control, Path};
use crate::clock;
use crate::error::SpawnError;
use crate::message::Message;
use crate::monitor::{MonitorId, Watcher};
use crate::reason::{Failure, StopReason};
use crate::reply::Reply;
use crate::spawn::Spawn;
use crate::sync::Mutex;
use crate::system::SystemHandle;
use crate::timer::{Target, Timer};

/// What a handler can do about its own actor: stop, timers, monitors, spawning.
///
/// A context belongs to one incarnation; with it end its timers and monitors.
pub struct Context<A: Messages> {
    cell: Arc<Cell<A>>,
    incarnation: u64,
    exit: Option<StopReason>,
    next_timer: u64,
    /// Never locked: the mutex is there because messages need not be `Sync`, and a context is, so that
    /// an async handler may hold a `&Context` while it waits.
    timers: Mutex<HashMap<u64, Armed<A>>>,
    keys: HashMap<TimerKey, u64>,
    monitors: HashMap<MonitorId, Weak<dyn Control>>,
}

/// A timer of a context, for [`Context::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    id: u64,
    incarnation: u64,
}

/// The key of a timer of which an actor has one at most: a name or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimerKey {
    /// A name.
    Name(&'static str),
    /// A number, of a request for instance.
    Number(u64),
}

impl From<&'static str> for TimerKey {
    fn from(name: &'static str) -> Self {
        TimerKey::Name(name)
    }
}

impl From<u64> for TimerKey {
    fn from(number: u64) -> Self {
        TimerKey::Number(number)
    }
}

struct Armed<A: Messages> {
    due: Due<A>,
    key: Option<TimerKey>,
    /// Cancels itself when this entry goes.
    _timer: Timer,
}

enum Due<A: Messages> {
    Once(A::Message),
    Every { at: Instant, period: Duration, make: Box<dyn FnMut() -> A::Message + Send> },
}

impl<A: Messages> Context<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>, incarnation: u64) -> Self {
        Context {
            cell,
            incarnation,
            exit: None,
            next_timer: 0,
            timers: Mutex::default(),
            keys: HashMap::new(),
            monitors: HashMap::new(),
        }
    }

    /// A ref to this actor.
    #[must_use]
    pub fn me(&self) -> A::Ref {
        self.actor_ref().into()
    }

    /// A ref to this actor, of the type that all refs are made of.
    #[must_use]
    pub fn actor_ref(&self) -> ActorRef<A> {
        ActorRef::new(self.cell.clone())
    }

    /// The actor's number.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.cell.id
    }

    /// Where the actor stands in the tree.
    #[must_use]
    pub fn path(&self) -> Path<'_> {
        self.cell.path()
    }

    /// How many times the actor has been started: 1, and one more for each restart.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The system that the actor belongs to.
    #[must_use]
    pub fn system(&self) -> &SystemHandle {
        &self.cell.system
    }

    // ---- ending ------------------------------------------------------------------------------

    /// Ends this actor with [`StopReason::Normal`] once the handler has ended. What is still in its
    /// mailbox then becomes dead letters, unless it is permanent and will be back.
    pub fn stop(&mut self) {
        self.exit.get_or_insert(StopReason::Normal);
    }

    /// Fails this actor once the handler has ended: the same as a panic for its supervisor, with an
    /// error of a user's own and without unwinding. The message in work becomes a dead letter.
    pub fn fail(&mut self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        self.exit_because(StopReason::Failed(Failure::new(error)));
    }

    /// Whether this handler has asked for the actor's end: it called [`stop`](Self::stop) or
    /// [`fail`](Self::fail).
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.exit.is_some()
    }

    pub(crate) fn exit_because(&mut self, reason: StopReason) {
        self.exit = Some(reason);
    }

    pub(crate) fn take_exit(&mut self) -> Option<StopReason> {
        self.exit.take()
    }

    // ---- spawning ----------------------------------------------------------------------------

    /// Spawns an actor under this actor's supervisor, with the settings of its type. See
    /// [`SystemHandle::spawn`].
    ///
    /// # Errors
    /// [`SpawnError::Closed`] if the supervisor is ending.
    pub fn spawn<B: Messages>(
        &self,
        factory: impl FnMut() -> B + Send + 'static,
    ) -> Result<B::Ref, SpawnError> {
        self.actor(factory).spawn()
    }

    /// An actor to be spawned under this actor's supervisor, with settings of its own.
    pub fn actor<B: Messages>(&self, factory: impl FnMut() -> B + Send + 'static) -> Spawn<B> {
        let spawn = self.cell.system.actor(factory);
        match &self.cell.parent {
            Some(parent) => spawn.under(parent),
            None => spawn,
        }
    }

    // ---- timers ------------------------------------------------------------------------------

    /// Sends this actor `message` after `delay`, once. It comes by the system lane, so a full
    /// mailbox does not delay it. The timer ends with the incarnation.
    pub fn after<M: Message>(&mut self, delay: Duration, message: M) -> TimerId
    where
        A: Accepts<M>,
    {
        self.arm(delay, Due::Once(A::wrap(message, Reply::nowhere())), None)
    }

    /// Sends this actor what `make` gives, every `period` (at least a millisecond), first after one
    /// period. Beats that come while the last one is not handled yet are skipped, not made up for.
    pub fn every<M: Message>(&mut self, period: Duration, make: impl FnMut() -> M + Send + 'static) -> TimerId
    where
        A: Accepts<M>,
    {
        let due = Due::every(period, make);
        self.arm(period, due, None)
    }

    /// [`after`](Self::after) with a key: replaces the timer that has it.
    pub fn after_keyed<M: Message>(
        &mut self,
        key: impl Into<TimerKey>,
        delay: Duration,
        message: M,
    ) -> TimerId
    where
        A: Accepts<M>,
    {
        self.arm(delay, Due::Once(A::wrap(message, Reply::nowhere())), Some(key.into()))
    }

    /// [`every`](Self::every) with a key: replaces the timer that has it.
    pub fn every_keyed<M: Message>(
        &mut self,
        key: impl Into<TimerKey>,
        period: Duration,
        make: impl FnMut() -> M + Send + 'static,
    ) -> TimerId
    where
        A: Accepts<M>,
    {
        let due = Due::every(period, make);
        self.arm(period, due, Some(key.into()))
    }

    /// Cancels a timer. After this its message does not come, even if it was due already. False if
    /// there was nothing to cancel: it has fired, was cancelled, or belongs to an older incarnation.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        if timer.incarnation != self.incarnation {
            return false;
        }
        let Some(armed) = self.timers.get_mut().remove(&timer.id) else {
            return false;
        };
        if let Some(key) = armed.key {
            self.keys.remove(&key);
        }
        true
    }

    /// Cancels the timer that has this key. False if none has.
    pub fn cancel_keyed(&mut self, key: impl Into<TimerKey>) -> bool {
        let Some(id) = self.keys.remove(&key.into()) else {
            return false;
        };
        self.timers.get_mut().remove(&id).is_some()
    }

    fn arm(&mut self, delay: Duration, due: Due<A>, key: Option<TimerKey>) -> TimerId {
        self.next_timer += 1;
        let id = self.next_timer;
        if let Some(key) = &key
            && let Some(replaced) = self.keys.insert(key.clone(), id)
        {
            self.timers.get_mut().remove(&replaced);
        }
        let at = clock::later(clock::now(), delay);
        let _timer = self.timer(id, at);
        self.timers.get_mut().insert(id, Armed { due, key, _timer });
        TimerId { id, incarnation: self.incarnation }
    }

    fn timer(&self, id: u64, at: Instant) -> Timer {
        let control: Arc<dyn Control> = self.cell.clone();
        let cell = Arc::downgrade(&control);
        Timer::arm_at(&self.cell.system, at, Target::Actor { cell, id, incarnation: self.incarnation })
    }

    /// The message of a timer that has fired; `None` if it was cancelled in the meantime.
    pub(crate) fn timer_due(&mut self, id: u64) -> Option<A::Message> {
        let Armed { due, key, .. } = self.timers.get_mut().remove(&id)?;
        match due {
            Due::Once(message) => {
                if let Some(key) = key {
                    self.keys.remove(&key);
                }
                Some(message)
            }
            Due::Every { at, period, mut make } => {
                let message = make();
                let (at, now) = (clock::later(at, period), clock::now());
                let at = if at > now { at } else { clock::later(now, period) };
                let _timer = self.timer(id, at);
                self.timers.get_mut().insert(id, Armed { due: Due::Every { at, period, make }, key, _timer });
                Some(message)
            }
        }
    }

    // ---- monitors ----------------------------------------------------------------------------

    /// Asks for a [`Down`](crate::Down), given to `#[down]`, when `other` has ended: exactly one
    /// for each call, at once if it has ended already. Restarts cause none.
    pub fn monitor<B: Messages>(&mut self, other: &ActorRef<B>) -> MonitorId {
        let id = MonitorId::new();
        let other: Arc<dyn Control> = other.cell().clone();
        self.monitors.insert(id, Arc::downgrade(&other));
        let me: Arc<dyn Control> = self.cell.clone();
        other.watch(id, Watcher::Actor { cell: Arc::downgrade(&me), incarnation: self.incarnation });
        id
    }

    /// Ends a monitor: after this its `Down` does not come, even if it was on its way. False if it
    /// has come already.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        let Some(other) = self.monitors.remove(&monitor) else {
            return false;
        };
        if let Some(other) = other.upgrade() {
            other.unwatch(monitor);
        }
        true
    }

    /// Whether the actor still waits for this monitor's `Down`; it comes once.
    pub(crate) fn take_monitor(&mut self, monitor: MonitorId) -> bool {
        self.monitors.remove(&monitor).is_some()
    }
}

impl<A: Messages> Due<A> {
    fn every<M: Message>(period: Duration, mut make: impl FnMut() -> M + Send + 'static) -> Self
    where
        A: Accepts<M>,
    {
        let period = period.max(Duration::from_millis(1));
        let make = Box::new(move || A::wrap(make(), Reply::nowhere()));
        Due::Every { at: clock::later(clock::now(), period), period, make }
    }
}

impl<A: Messages> Drop for Context<A> {
    fn drop(&mut self) {
        for (id, other) in self.monitors.drain() {
            if let Some(other) = other.upgrade() {
                other.unwatch(id);
            }
        }
    }
}

impl<A: Messages> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("actor", &self.path())
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
