//! The cell: the runtime's record of an actor, which outlives its incarnations.
//!
//! * [`mailbox`]: the queues, the run token, and what a push has to do;
//! * [`incarnation`]: one life of the actor, with the future of the handler in work;
//! * [`turn`]: what a worker does with a cell, from the first message of a turn to the last;
//! * [`kind`]: what cells of a type that were spawned at one place share;
//! * [`ending`]: from a handler's failure or a stop to the restart or the end.

mod control;
pub(crate) mod ending;
mod inbox;
pub(crate) mod incarnation;
pub(crate) mod kind;
mod line;
pub(crate) mod mailbox;
pub(crate) mod pending;
pub(crate) mod task;
pub(crate) mod turn;
mod waker;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::actor::{Messages, Settings};
use crate::cell::mailbox::{Mailbox, MailboxStats, Order, Pushed, Refusal, Signal, Ticket, Verdict};
use crate::cell::task::{Header, Task};
use crate::cell::turn::Life;
use crate::dead_letter::DeadLetterReason;
use crate::message::Envelope;
use crate::monitor::{Down, MonitorId, Watcher, Watchers};
use crate::port::Ready;
use crate::slab::Key;
use crate::supervisor::{Restart, SupervisorRef};
use crate::sync::UnsafeCell;
use crate::system::SystemHandle;

/// Tells actors apart; the same through all incarnations. Unique within a system, in the order of
/// spawning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(pub(crate) u64);

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[repr(C)]
pub(crate) struct Cell<A: Messages> {
    /// First, so that a queued task, which knows no type, finds it.
    header: Header,
    pub(crate) id: ActorId,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) system: SystemHandle,
    /// `None` for the root supervisor only.
    pub(crate) parent: Option<SupervisorRef>,
    pub(crate) restart: Restart,
    pub(crate) mailbox: Mailbox<A::Message>,
    pub(crate) watchers: Watchers,
    /// For the worker that has the run token.
    pub(crate) life: UnsafeCell<Life<A>>,
}

// SAFETY: what is in `life` is `Send` (asserted below) and used by the holder of the run token only;
// the token passes from thread to thread with release and acquire (`inbox`, `control`). The other
// parts are `Sync` by themselves.
#[allow(unsafe_code)]
unsafe impl<A: Messages> Sync for Cell<A> {}

const _: () = {
    const fn is_send<T: Send>() {}
    #[allow(dead_code)]
    fn life_is<A: Messages>() {
        is_send::<Life<A>>();
    }
};

/// What a new cell is made of.
pub(crate) struct Plan<A: Messages> {
    pub(crate) id: ActorId,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) system: SystemHandle,
    pub(crate) parent: Option<SupervisorRef>,
    pub(crate) restart: Restart,
    pub(crate) settings: Settings,
    /// Where it is spawned.
    pub(crate) site: &'static Location<'static>,
    pub(crate) life: Life<A>,
}

impl<A: Messages> Cell<A> {
    /// A cell that its maker must schedule once.
    pub(crate) fn new(plan: Plan<A>) -> Arc<Self> {
        Arc::new(Cell {
            header: Header::of::<A>(plan.site),
            id: plan.id,
            name: plan.name,
            system: plan.system,
            parent: plan.parent,
            restart: plan.restart,
            mailbox: Mailbox::new(plan.settings),
            watchers: Watchers::new(),
            life: UnsafeCell::new(plan.life),
        })
    }

    /// Puts a message into the mailbox and schedules the actor if it rested.
    pub(crate) fn push(
        self: &Arc<Self>,
        message: A::Message,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<A::Message>> {
        let Pushed { schedule, dropped } = self.mailbox.push(message, ticket, waits)?;
        self.schedule_if(schedule);
        if let Some(message) = dropped {
            self.dead_letter(message, DeadLetterReason::MailboxFull);
        }
        Ok(())
    }

    /// Ends an accepted message that no handler will see.
    pub(crate) fn dead_letter(&self, message: A::Message, why: DeadLetterReason) {
        if !message.is_internal() {
            self.system.dead_letters().announce(self, message.name(), why);
        }
        turn::quietly(self, "dropping a message", || message.undelivered());
    }

    /// Begins the actor's life: until it has ended, its record stays, whoever lets go of it.
    pub(crate) fn begin(self: &Arc<Self>) {
        std::mem::forget(self.clone());
        self.system.scheduler().actor_started(self.header.kind());
        self.schedule_if(true);
    }

    /// Queues the actor for a turn. The caller has just got the run token, or keeps it.
    #[inline]
    pub(crate) fn schedule_if(self: &Arc<Self>, schedule: bool) {
        if schedule {
            self.system.scheduler().schedule(Task::of(self));
        }
    }

    /// Orders an end after what is queued now. A permanent actor will be back, so it goes on
    /// taking messages; the others refuse from here on what no handler would see.
    pub(crate) fn order_stop(self: &Arc<Self>, order: Order) {
        let close = order.last || self.restart != Restart::Permanent;
        self.schedule_if(self.mailbox.stop(order, close));
    }

    /// Counts the actor among those that have ended.
    pub(crate) fn count_end(&self) {
        self.system.scheduler().actor_ended(self.header.kind());
    }

    pub(crate) fn stats(&self) -> MailboxStats {
        self.mailbox.stats()
    }
}

/// A cell seen without its actor's type.
pub(crate) trait Control: Send + Sync + 'static {
    fn id(&self) -> ActorId;
    fn path(&self) -> Path<'_>;
    fn system(&self) -> &SystemHandle;
    fn watch(&self, monitor: MonitorId, watcher: Watcher);
    fn unwatch(&self, monitor: MonitorId);
    fn set_ready(self: Arc<Self>, ready: Ready);
    fn timer_due(self: Arc<Self>, timer: Key, incarnation: u64);
    fn down(self: Arc<Self>, incarnation: u64, down: Down);
    fn stop(self: Arc<Self>, order: Order);
    fn kill(self: Arc<Self>, order: Order);
    fn decide(self: Arc<Self>, verdict: Verdict);
}

impl<A: Messages> Control for Cell<A> {
    fn id(&self) -> ActorId {
        self.id
    }

    fn path(&self) -> Path<'_> {
        Path { parent: self.parent.as_ref(), name: self.name.as_deref(), of: A::NAME, id: self.id }
    }

    fn system(&self) -> &SystemHandle {
        &self.system
    }

    fn watch(&self, monitor: MonitorId, watcher: Watcher) {
        self.watchers.add(self, monitor, watcher);
    }

    fn unwatch(&self, monitor: MonitorId) {
        self.watchers.remove(monitor);
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

    fn stop(self: Arc<Self>, order: Order) {
        self.order_stop(order);
    }

    fn kill(self: Arc<Self>, order: Order) {
        self.schedule_if(self.mailbox.kill(order));
    }

    fn decide(self: Arc<Self>, verdict: Verdict) {
        self.schedule_if(self.mailbox.decide(verdict));
    }
}

/// Where an actor stands in the tree: its supervisors' names and its own, or its type and number.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a SupervisorRef>,
    name: Option<&'a str>,
    of: &'static str,
    id: ActorId,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return f.write_str("/");
        };
        let parent = parent.cell().path();
        if parent.parent.is_some() {
            parent.fmt(f)?;
        }
        match self.name {
            Some(name) => write!(f, "/{name}"),
            None => write!(f, "/{}{}", self.of, self.id),
        }
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
