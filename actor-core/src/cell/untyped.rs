//! A cell seen without its actor's type.
#![allow(unsafe_code)]

use std::any::Any;
use std::sync::Arc;

use crate::actor::Messages;
use crate::cell::control::Flags;
use crate::cell::kind::Kind;
use crate::cell::mailbox::{Order, Signal, Verdict};
use crate::cell::{ActorId, Cell, Path};
use crate::error::SpawnError;
use crate::leaks::Found;
use crate::monitor::{Down, MonitorId, Watcher};
use crate::port::Ready;
use crate::reason::StopReason;
use crate::slab::Key;
use crate::supervisor::Whereabouts;
use crate::sync::Ordering;
use crate::system::SystemHandle;

/// What can be done with any cell.
pub(crate) trait Control: Send + Sync + 'static {
    fn id(&self) -> ActorId;
    fn path(&self) -> Path<'_>;
    fn system(&self) -> &SystemHandle;
    /// Whether the actor has ended, or was told not to come back.
    fn is_last(&self) -> bool;
    fn watch(&self, monitor: MonitorId, watcher: Watcher);
    fn unwatch(&self, monitor: MonitorId);
    fn set_ready(self: Arc<Self>, ready: Ready);
    fn timer_due(self: Arc<Self>, timer: Key, incarnation: u64);
    fn down(self: Arc<Self>, incarnation: u64, down: Down);
    /// Has an actor with a limit for silence look how long it has been silent.
    fn look_for_silence(self: Arc<Self>, incarnation: u64);
    fn stop(self: Arc<Self>, order: Order);
    fn kill(self: Arc<Self>, order: Order);
    fn decide(self: Arc<Self>, verdict: Verdict);
    /// Adds a link to another; false if this one has ended.
    fn link(&self, other: &Arc<dyn Control>) -> bool;
    /// Takes a link away; false if there is none.
    fn unlink(&self, other: ActorId) -> bool;
    /// The incarnation of a linked one has ended.
    fn linked_end(self: Arc<Self>, other: &dyn Control, reason: &StopReason);
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn kind(&self) -> &'static Kind;
    /// Has the actor go on without a condemned handler of `incarnation`, from which the caller has taken the run token.
    /// With `last_straw` the supervisor is not to restart it. Fails if there can be no other thread for a pinned one;
    /// then it can be tried again.
    fn go_on(self: Arc<Self>, incarnation: u32, last_straw: bool) -> Result<(), SpawnError>;
    /// Whether the supervisor is to fail, instead of restarting the actor.
    fn is_last_straw(&self) -> bool;
    /// Whether there is a kill order that the actor has not come to.
    fn is_killed(&self) -> bool;
    /// What it was at when it was killed for good, if it was.
    fn killed_at(&self) -> Option<Whereabouts>;
    /// Whether its handlers have a limit.
    fn is_limited(&self) -> bool;
    /// How many messages have been handed out so far.
    fn handed_out(&self) -> u64;
    /// The number of what has waited longest in the mailbox, if something does; see there.
    fn head_of_queue(&self) -> Option<u64>;
    /// Whether it is not one that is never leaked.
    #[cfg(feature = "testing")]
    fn may_leak(&self) -> bool;
    /// Takes the run token of an actor that rests. This and the next three are for [`Held`](crate::cell::held::Held).
    fn hold(&self) -> bool;
    /// # Safety
    /// The caller has the token by `hold`.
    unsafe fn trace_held(&self, found: &mut Vec<Found>) -> bool;
    fn is_unstirred(&self) -> bool;
    /// # Safety
    /// The caller has the token by `hold`, and has it no more afterwards.
    unsafe fn let_go(self: Arc<Self>);
}

impl<A: Messages> Control for Cell<A> {
    fn id(&self) -> ActorId {
        self.id()
    }

    fn path(&self) -> Path<'_> {
        Path {
            prefix: self.nursery.path(),
            name: self.name().map(|name| &**name),
            of: A::NAME,
            id: self.id(),
        }
    }

    fn system(&self) -> &SystemHandle {
        self.system()
    }

    fn is_last(&self) -> bool {
        self.mailbox.is_last() || self.mailbox.has_ended()
    }

    fn watch(&self, monitor: MonitorId, watcher: Watcher) {
        if let Some((watcher, why)) = self.mailbox.watch(monitor, watcher) {
            watcher.tell(Down::of(self, monitor, why));
        }
    }

    fn unwatch(&self, monitor: MonitorId) {
        drop(self.mailbox.unwatch(monitor));
    }

    fn set_ready(self: Arc<Self>, ready: Ready) {
        self.schedule_if(self.mailbox.set_ready(ready));
    }

    fn timer_due(self: Arc<Self>, timer: Key, incarnation: u64) {
        self.schedule_if(self.mailbox.signal(Signal::Timer { timer, incarnation }));
    }

    fn down(self: Arc<Self>, incarnation: u64, down: Down) {
        self.schedule_if(self.mailbox.down(incarnation, down));
    }

    fn look_for_silence(self: Arc<Self>, incarnation: u64) {
        self.schedule_if(self.mailbox.signal(Signal::Silence { incarnation }));
    }

    fn stop(self: Arc<Self>, order: Order) {
        self.order_stop(order);
    }

    fn kill(self: Arc<Self>, order: Order) {
        let rests = self.mailbox.kill(order);
        self.killed(rests);
    }

    fn decide(self: Arc<Self>, verdict: Verdict) {
        self.schedule_if(self.mailbox.decide(verdict));
    }

    fn link(&self, other: &Arc<dyn Control>) -> bool {
        self.mailbox.link(other)
    }

    fn unlink(&self, other: ActorId) -> bool {
        self.mailbox.unlink(other)
    }

    fn linked_end(self: Arc<Self>, other: &dyn Control, reason: &StopReason) {
        let rests = self.mailbox.linked_end(other, reason);
        self.killed(rests);
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn kind(&self) -> &'static Kind {
        self.header.kind()
    }

    fn go_on(self: Arc<Self>, incarnation: u32, last_straw: bool) -> Result<(), SpawnError> {
        // Relaxed: it tells nothing but itself.
        self.mailbox.rare().condemned.store(incarnation, Ordering::Relaxed);
        if last_straw {
            self.mailbox.control.raise(Flags::LAST_STRAW);
        }
        if let Some(thread) = self.thread() {
            thread.replace()?;
        }
        self.schedule_if(true);
        Ok(())
    }

    fn is_last_straw(&self) -> bool {
        self.mailbox.control.flags().any(Flags::LAST_STRAW)
    }

    fn is_killed(&self) -> bool {
        // One that comes too late for the end stays.
        let flags = self.mailbox.control.flags();
        flags.any(Flags::KILL) && !flags.any(Flags::ENDED)
    }

    fn killed_at(&self) -> Option<Whereabouts> {
        self.mailbox.rare_if_made()?.killed_at.get().copied()
    }

    fn is_limited(&self) -> bool {
        self.is_limited()
    }

    fn handed_out(&self) -> u64 {
        self.mailbox.handed_out()
    }

    fn head_of_queue(&self) -> Option<u64> {
        self.mailbox.head_of_queue()
    }

    #[cfg(feature = "testing")]
    fn may_leak(&self) -> bool {
        self.is_plain()
    }

    fn hold(&self) -> bool {
        self.take_hold()
    }

    unsafe fn trace_held(&self, found: &mut Vec<Found>) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { self.trace_fields(found) }
    }

    fn is_unstirred(&self) -> bool {
        self.rests_unstirred()
    }

    unsafe fn let_go(self: Arc<Self>) {
        // SAFETY: passed on to the caller.
        unsafe { self.end_hold() };
    }
}
