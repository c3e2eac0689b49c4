//! What a handler can do about its own actor.

mod checkpoint;
mod redelivery;
mod timers;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::actor::{Accepts, Messages};
use crate::actor_ref::ActorRef;
use crate::blocking::future::Blocking;
use crate::cell::home::Home;
use crate::cell::{ActorId, Cell, Control, Path};
use crate::error::SpawnError;
use crate::message::Message;
use crate::monitor::{MonitorId, Watcher};
use crate::platform::prefetch::Hint;
use crate::reason::{Failure, StopReason};
use crate::scheduler::{soft, stalls};
use crate::slab::Key;
use crate::spawn::Spawn;
use crate::sync::Mutex;
use crate::system::SystemHandle;
use crate::timer::{Armed, Target, When};
pub use checkpoint::Checkpoint;
pub use timers::TimerKey;
use timers::{Due, Timers};

/// What a handler can do about its own actor: stop, timers, monitors, spawning.
///
/// A context belongs to one incarnation; with it end its timers and monitors.
pub struct Context<A: Messages> {
    cell: Home<A>,
    incarnation: u32,
    exit: Exit,
    /// What few actors have, so that the others pay a word for it.
    extras: Option<Box<Extras<A>>>,
}

/// What a handler has asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    No,
    Normal,
    /// In `#[started]`: the actor is not needed.
    Ignored,
    /// For the reason in the extras.
    Because,
}

struct Extras<A: Messages> {
    exit: Option<StopReason>,
    /// A copy of the message in work, to be delivered again up to so many times if its handler fails. In a mutex for
    /// the same reason as the timers.
    kept: Mutex<Option<(u32, A::Message)>>,
    /// The message that comes next is delivered again, and may be so many times more.
    redelivery: Option<u32>,
    /// Never locked: the mutex is there because messages need not be `Sync`, and a context is, so that
    /// an async handler may hold a `&Context` while it waits.
    timers: Mutex<Timers<A>>,
    monitors: HashMap<MonitorId, Weak<dyn Control>>,
}

/// A timer of a context, for [`Context::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    timer: Key,
    incarnation: u32,
}

impl<A: Messages> Context<A> {
    pub(crate) fn new(cell: Home<A>, incarnation: u32) -> Self {
        Context { cell, incarnation, exit: Exit::No, extras: None }
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<A>> {
        &self.cell
    }

    /// A ref to this actor.
    #[must_use]
    pub fn me(&self) -> A::Ref {
        self.actor_ref().into()
    }

    /// A ref to this actor, of the type that all refs are made of.
    #[must_use]
    pub fn actor_ref(&self) -> ActorRef<A> {
        ActorRef::new(Arc::clone(&self.cell))
    }

    /// The actor's number.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.cell.id()
    }

    /// Where the actor stands in the tree.
    #[must_use]
    pub fn path(&self) -> Path<'_> {
        self.cell.path()
    }

    /// How many times the actor has been started: 1, and one more for each restart.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation.into()
    }

    /// The system that the actor belongs to.
    #[must_use]
    pub fn system(&self) -> &SystemHandle {
        self.cell.system()
    }

    // ---- ending ------------------------------------------------------------------------------

    /// Ends this actor with [`StopReason::Normal`] once the handler has ended. What is still in its
    /// mailbox then becomes dead letters, unless it is permanent and will be back.
    pub fn stop(&mut self) {
        if self.exit == Exit::No {
            self.exit = Exit::Normal;
        }
    }

    /// Ends this actor for `reason` once the handler has ended: whether its supervisor starts it again is said
    /// by the restart type and [`StopReason::is_normal`]. Erlang's `exit/1`; [`stop`](Self::stop) and
    /// [`fail`](Self::fail) are for the reasons that are needed most.
    pub fn exit(&mut self, reason: StopReason) {
        self.exit_because(reason);
    }

    /// Says in `#[started]` that this actor is not needed, because a feature is off perhaps. It ends with
    /// [`StopReason::Ignored`] before it has started, and its supervisor goes on as if it had: it keeps the
    /// child's slot, empty, but that of a temporary child. What an OTP process says by returning `ignore` from
    /// `init`. In other handlers it is an ordinary end.
    pub fn ignore(&mut self) {
        if self.exit == Exit::No {
            self.exit = Exit::Ignored;
        }
    }

    pub(crate) fn is_ignored(&self) -> bool {
        self.exit == Exit::Ignored
    }

    /// Fails this actor once the handler has ended: the same as a panic for its supervisor, with an
    /// error of a user's own and without unwinding. The message in work becomes a dead letter, even if
    /// the handler goes on to reply.
    pub fn fail(&mut self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        self.exit_because(StopReason::Failed(Failure::new(error)));
    }

    /// Whether this handler has asked for the actor's end: it called [`stop`](Self::stop) or
    /// [`fail`](Self::fail).
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.exit != Exit::No
    }

    /// Whether this incarnation has been given up, since a handler has exceeded the actor's
    /// [limit](crate::Spawn::stall): another one goes on, and nothing that this one begins takes effect. To be looked
    /// at in loops that may take long; then return. The only thing that knows it on threads of a handler's own as well.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.cell.is_limited() && (stalls::condemned() || self.cell.has_condemned(self.incarnation))
    }

    pub(crate) fn exit_because(&mut self, reason: StopReason) {
        self.exit = Exit::Because;
        self.extras.get_or_insert_default().exit = Some(reason);
    }

    pub(crate) fn take_exit(&mut self) -> Option<StopReason> {
        match std::mem::replace(&mut self.exit, Exit::No) {
            Exit::No => None,
            Exit::Normal => Some(StopReason::Normal),
            Exit::Ignored => Some(StopReason::Ignored),
            Exit::Because => self.extras.as_mut().and_then(|extras| extras.exit.take()),
        }
    }

    // ---- letting others run ------------------------------------------------------------------

    /// A point at which an async handler lets others run, to be awaited in loops that take long: if the
    /// actor's turn has used up its quantum, it goes on when the actors that wait have had a turn, and a
    /// kill takes effect here; otherwise at once. It costs about three nanoseconds then.
    ///
    /// Whatever else of this crate a handler awaits (asks, sends, sleeps, starts, monitors) is such a
    /// point too, and lets others run after at most 128 of them that were ready at once. Futures of other
    /// crates are not seen: in a loop over those, await a checkpoint.
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[derive(Actor)]
    /// # struct Index { words: Vec<String> }
    /// # #[messages]
    /// # impl Index {
    /// #[message]
    /// async fn count(&mut self, letter: char, ctx: &mut Context<Self>) -> usize {
    ///     let mut count = 0;
    ///     for word in &self.words {
    ///         ctx.checkpoint().await;
    ///         count += word.matches(letter).count();
    ///     }
    ///     count
    /// }
    /// # }
    /// # let system = System::new().unwrap();
    /// # let index = system.spawn(|| Index { words: vec!["aha".to_owned(); 10] }).unwrap();
    /// # assert_eq!(index.count('a').wait().unwrap(), 20);
    /// ```
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::default()
    }

    /// Whether the actor's turn has used up its quantum, so that a sync handler had better come to an end:
    /// by returning, perhaps with a message to itself for the rest of the work. A look costs a nanosecond or
    /// two.
    #[must_use]
    pub fn should_yield(&self) -> bool {
        soft::is_over()
    }

    /// Runs a closure that may block on the blocking pool: the handler waits, and with it the mailbox, but no
    /// worker. A handler all of which blocks is better marked `#[message(blocking)]`, which has `&mut self`.
    ///
    /// A panic of the closure goes on here, so it fails the actor as one of the handler does. If the handler is
    /// dropped, by a kill, a closure that has not begun does not run; one that has runs on.
    ///
    /// # Errors
    /// As for [`SystemHandle::blocking`].
    ///
    /// ```
    /// # use actor_core::prelude::*;
    /// # #[derive(Actor)]
    /// # struct Settings { text: String }
    /// # #[messages]
    /// # impl Settings {
    /// #[message]
    /// async fn reload(&mut self, ctx: &mut Context<Self>) -> Result<usize, Failure> {
    ///     let read = ctx.blocking(|| std::fs::read_to_string("/etc/hosts")).await;
    ///     self.text = read.map_err(Failure::new)?.map_err(Failure::new)?;
    ///     Ok(self.text.len())
    /// }
    /// # }
    /// # let system = System::new().unwrap();
    /// # let settings = system.spawn(|| Settings { text: String::new() }).unwrap();
    /// # let _ = settings.reload().wait();
    /// ```
    pub fn blocking<F, T>(&self, closure: F) -> Blocking<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.system().blocking(closure)
    }

    // ---- spawning ----------------------------------------------------------------------------

    /// Spawns an actor under this actor's supervisor, with the settings of its type. See
    /// [`SystemHandle::spawn`].
    ///
    /// # Errors
    /// [`SpawnError::Closed`] if the supervisor is ending.
    #[track_caller]
    pub fn spawn<B: Messages>(
        &self,
        factory: impl FnMut() -> B + Send + 'static,
    ) -> Result<B::Ref, SpawnError> {
        self.actor(factory).spawn()
    }

    /// An actor to be spawned under this actor's supervisor, with settings of its own.
    #[track_caller]
    pub fn actor<B: Messages>(&self, factory: impl FnMut() -> B + Send + 'static) -> Spawn<B> {
        Spawn::new(self.cell.nursery.supervisor(), factory).condemned(self.is_revoked())
    }

    // ---- timers ------------------------------------------------------------------------------

    /// Sends this actor `message` after `delay`, once. It comes by the system lane, so a full
    /// mailbox does not delay it. The timer ends with the incarnation.
    ///
    /// Timers are kept to the millisecond: the message is never early, and with nothing else to do
    /// for the worker it is at most about that late.
    pub fn after<M: Message>(&mut self, delay: Duration, message: M) -> TimerId
    where
        A: Accepts<M>,
    {
        self.arm(When::after(delay), Due::once(message), None)
    }

    /// Sends this actor what `make` gives, every `period` (at least a millisecond), first after one
    /// period. Beats that come while the last one is not handled yet are skipped, not made up for.
    pub fn every<M: Message>(&mut self, period: Duration, make: impl FnMut() -> M + Send + 'static) -> TimerId
    where
        A: Accepts<M>,
    {
        let (at, due) = Due::every(period, make);
        self.arm(When::At(at), due, None)
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
        self.arm(When::after(delay), Due::once(message), Some(key.into()))
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
        let (at, due) = Due::every(period, make);
        self.arm(When::At(at), due, Some(key.into()))
    }

    /// Cancels a timer. After this its message does not come, even if it was due already. False if
    /// there was nothing to cancel: it has fired, was cancelled, or belongs to an older incarnation.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        if timer.incarnation != self.incarnation {
            return false;
        }
        let Some(extras) = &mut self.extras else { return false };
        extras.timers.get_mut().cancel(self.cell.system(), timer.timer)
    }

    /// Cancels the timer that has this key. False if none has.
    pub fn cancel_keyed(&mut self, key: impl Into<TimerKey>) -> bool {
        let Some(extras) = &mut self.extras else { return false };
        extras.timers.get_mut().cancel_keyed(self.cell.system(), &key.into())
    }

    fn arm(&mut self, when: When, due: Due<A>, key: Option<TimerKey>) -> TimerId {
        if self.is_revoked() {
            return TimerId { timer: Key::NOBODYS, incarnation: self.incarnation };
        }
        let Context { cell, incarnation, extras, .. } = self;
        let timers = extras.get_or_insert_default().timers.get_mut();
        let arm = |timer, entry| arm(cell, *incarnation, (timer, entry), when);
        TimerId { timer: timers.add(cell.system(), key, due, arm), incarnation: *incarnation }
    }

    /// The message of a timer that has fired; `None` if it was cancelled in the meantime.
    pub(crate) fn timer_due(&mut self, timer: Key) -> Option<A::Message> {
        let Context { cell, incarnation, extras, .. } = self;
        let timers = extras.as_mut()?.timers.get_mut();
        timers.due(timer, |next, entry| arm(cell, *incarnation, (timer, entry), When::At(next)))
    }

    // ---- links -------------------------------------------------------------------------------

    /// Links this actor and another: when an incarnation of one ends, for any reason but
    /// [`StopReason::Normal`], the other ends at once as if it was killed, with [`StopReason::Linked`]; then each is
    /// its supervisor's business. Erlang's `link/1`, without the trapping of exits, for which there are
    /// [monitors](Self::monitor).
    ///
    /// One link is enough for both, and a second one changes nothing. It ends with the incarnation of either: link
    /// again in `#[started]`. Of an actor that is just being restarted it is the next incarnation that is linked.
    /// A link to an actor that has ended is the end of this one, whatever the reason was.
    pub fn link<B: Messages>(&mut self, other: &ActorRef<B>) {
        let me: Arc<dyn Control> = Arc::<Cell<A>>::clone(&self.cell);
        let other: Arc<dyn Control> = other.cell().clone();
        if me.id() == other.id() || self.is_revoked() {
            return;
        }
        // The end of the other finds this one in its list only if that of this one has it.
        me.link(&other);
        if !other.link(&me) {
            me.linked_end(&*other, &StopReason::Gone);
        }
    }

    /// Takes a link away. After this the end of the other does not end this actor, even if it has ended already.
    /// False if there was none.
    pub fn unlink<B: Messages>(&mut self, other: &ActorRef<B>) -> bool {
        if self.is_revoked() {
            return false;
        }
        other.cell().unlink(self.cell.id());
        self.cell.unlink(other.id())
    }

    // ---- monitors ----------------------------------------------------------------------------

    /// Asks for a [`Down`](crate::Down), given to `#[down]`, when `other` has ended: exactly one
    /// for each call, at once if it has ended already. Restarts cause none. It comes after what the
    /// other has told this actor before its end, as in Erlang; only an actor that drops its oldest
    /// messages gets it ahead of them.
    pub fn monitor<B: Messages>(&mut self, other: &ActorRef<B>) -> MonitorId {
        let id = MonitorId::new();
        if self.is_revoked() {
            return id;
        }
        let other: Arc<dyn Control> = other.cell().clone();
        self.extras.get_or_insert_default().monitors.insert(id, Arc::downgrade(&other));
        let me: Arc<dyn Control> = Arc::<Cell<A>>::clone(&self.cell);
        other.watch(id, Watcher::Actor { cell: Arc::downgrade(&me), incarnation: self.incarnation() });
        id
    }

    /// Ends a monitor: after this its `Down` does not come, even if it was on its way. False if it
    /// has come already.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        let Some(other) = self.forget_monitor(monitor) else { return false };
        if let Some(other) = other.upgrade() {
            other.unwatch(monitor);
        }
        true
    }

    /// Whether the actor still waits for this monitor's `Down`; it comes once.
    pub(crate) fn take_monitor(&mut self, monitor: MonitorId) -> bool {
        self.forget_monitor(monitor).is_some()
    }

    fn forget_monitor(&mut self, monitor: MonitorId) -> Option<Weak<dyn Control>> {
        self.extras.as_mut()?.monitors.remove(&monitor)
    }
}

/// Arms a timer of an actor; what is left of it when it is due is its key, and where its entry is.
fn arm<A: Messages>(cell: &Arc<Cell<A>>, incarnation: u32, (timer, entry): (Key, Hint), when: When) -> Armed {
    let weak: Weak<Cell<A>> = Arc::downgrade(cell);
    Armed::new(cell.system(), when, Target::Actor { cell: weak, timer, incarnation, entry })
}

impl<A: Messages> Default for Extras<A> {
    fn default() -> Self {
        Extras {
            exit: None,
            kept: Mutex::default(),
            redelivery: None,
            timers: Mutex::default(),
            monitors: HashMap::new(),
        }
    }
}

impl<A: Messages> Drop for Context<A> {
    fn drop(&mut self) {
        let Some(extras) = &mut self.extras else { return };
        extras.timers.get_mut().cancel_all(self.cell.system());
        for (id, other) in extras.monitors.drain() {
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
