//! The cell: the runtime's record of an actor, which outlives its incarnations.
//!
//! * [`mailbox`]: the queues, the run token, and what a push has to do;
//! * [`incarnation`]: the actor's lives, one after the other, with the future of the handler in work;
//! * [`aside`]: a message for another kind of thread;
//! * [`limited`]: handlers that may take so long and no longer;
//! * [`turn`]: what a worker does with a cell, from the first message of a turn to the last;
//! * [`kind`]: what cells of a type that were spawned at one place share;
//! * [`watching`]: who is told of the end, and [`links`]: who shares it;
//! * [`path`]: its number, and where it stands in the tree;
//! * [`untyped`]: a cell seen without its actor's type;
//! * [`silence`]: actors that hear of nobody for too long;
//! * [`held`]: an actor that rests, held by one who looks at its state;
//! * [`ending`]: from a handler's failure or a stop to the restart or the end.

mod aside;
pub(crate) mod control;
pub(crate) mod ending;
pub(crate) mod held;
pub(crate) mod home;
mod husk;
mod inbox;
pub(crate) mod incarnation;
pub(crate) mod kind;
mod limited;
mod line;
pub(crate) mod links;
pub(crate) mod mailbox;
mod path;
pub(crate) mod pending;
mod rare;
mod receiver;
mod ring;
mod silence;
pub(crate) mod task;
pub(crate) mod turn;
mod untyped;
mod waker;
mod watching;

use std::panic::Location;
use std::sync::Arc;

use crate::actor::{Messages, Settings};
use crate::blocking::{self, Pool};
use crate::cell::mailbox::{
    Fate, Mailbox, MailboxStats, MakeMessage, Order, Pushed, Refusal, Signal, Ticket,
};
use crate::cell::task::{Header, Task};
use crate::cell::turn::Life;
use crate::dead_letter::DeadLetterReason;
use crate::message::Envelope;
use crate::monitor::Down;
use crate::reason::StopReason;
use crate::scheduler::PinnedThread;
use crate::supervisor::children::{Children, Nursery};
use crate::supervisor::{Restart, Supervisor};
use crate::sync::{AtomicU32, UnsafeCell};
use crate::system::SystemHandle;

pub use path::{ActorId, Path};
pub(crate) use untyped::Control;

/// What an idle actor costs is this, its incarnation, and a place in its supervisor's list; so there is
/// no word in here that few actors need: see [`rare::Rare`] and [`turn::life::Uncommon`].
#[repr(C)]
pub(crate) struct Cell<A: Messages> {
    /// First, so that a queued task, which knows no type, finds it.
    pub(crate) header: Header,
    pub(crate) mailbox: Mailbox<A::Message>,
    /// The list of the supervisor that the actor is in.
    pub(crate) nursery: Arc<Nursery>,
    /// Where it is there.
    pub(crate) place: AtomicU32,
    pub(crate) restart: Restart,
    /// Whether it has a thread of its own, which is in [`rare::Rare`] then.
    pinned: bool,
    /// Whether a restart clears the queue.
    clears: bool,
    /// Whether its handlers have a limit, which is in [`limited::Limited`] then.
    limited: bool,
    /// For the worker that has the run token.
    pub(crate) life: UnsafeCell<Life<A>>,
}

#[cfg(all(not(any(loom, shuttle)), target_pointer_width = "64"))]
const _: () = {
    use crate::cell::turn::Life;
    use crate::supervisor::Supervisor;
    // With the two counts of its `Arc`, a cell fills a block of the allocator that is a multiple of 16
    // bytes with a word of the allocator's own in it.
    assert!(size_of::<Cell<Supervisor>>() + 2 * size_of::<usize>() <= 136);
    assert!(size_of::<Life<Supervisor>>() <= 40);
    // What senders write to is at the beginning, in one cache line as a rule.
    assert!(std::mem::offset_of!(Cell<Supervisor>, mailbox) == 16);
};

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
    pub(crate) nursery: Arc<Nursery>,
    pub(crate) restart: Restart,
    pub(crate) settings: Settings,
    pub(crate) pinned: Option<PinnedThread>,
    /// Where it is spawned.
    pub(crate) site: &'static Location<'static>,
    pub(crate) life: Life<A>,
}

impl<A: Messages> Cell<A> {
    /// A cell that its maker must schedule once.
    pub(crate) fn new(plan: Plan<A>) -> Arc<Self> {
        let mailbox = Mailbox::new(plan.settings);
        let header = Header::of::<A>(plan.id, plan.site);
        header.kind().set_quanta(&plan.settings);
        let pinned = plan.pinned.is_some();
        if let Some(thread) = plan.pinned {
            mailbox.rare().pinned.get_or_init(|| thread);
        }
        if let Some(name) = plan.name {
            mailbox.rare().name.get_or_init(|| name);
        }
        husk::fill(|| Cell {
            header,
            mailbox,
            nursery: plan.nursery,
            place: AtomicU32::new(Nursery::NOWHERE),
            restart: plan.restart,
            pinned,
            clears: plan.settings.clear_on_restart,
            limited: plan.life.is_limited(),
            life: UnsafeCell::new(plan.life),
        })
    }

    pub(crate) fn id(&self) -> ActorId {
        self.header.id
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.mailbox.rare_if_made()?.name.get()
    }

    pub(crate) fn system(&self) -> &SystemHandle {
        self.nursery.system()
    }

    /// Whether this is the root supervisor, which has none above it.
    pub(crate) fn is_root(&self) -> bool {
        self.nursery.path().is_none()
    }

    /// Puts the message that `make` makes into the mailbox and schedules the actor if it rested.
    #[inline(always)]
    pub(crate) fn push(
        self: &Arc<Self>,
        make: impl FnOnce() -> A::Message,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<A::Message>> {
        #[cfg(feature = "sim")]
        return self.push_seen(make, ticket, waits);
        #[cfg(not(feature = "sim"))]
        self.push_unseen(make, ticket, waits)
    }

    /// As [`push`](Self::push), where a simulation sees it.
    #[cfg(feature = "sim")]
    fn push_seen(
        self: &Arc<Self>,
        make: impl FnOnce() -> A::Message,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<A::Message>> {
        if !waits
            && self.mailbox.may_refuse()
            && crate::sim::seam::fault::<A>(Some(self.id()), crate::sim::Point::Push)
        {
            return Err(Refusal::Full(make()));
        }
        let make = || {
            let message = make();
            crate::sim::seam::sends(self, message.label());
            message
        };
        self.push_unseen(make, ticket, waits).inspect_err(|refusal| {
            let (Refusal::Full(message) | Refusal::Closed(message) | Refusal::Condemned(message)) = refusal;
            crate::sim::seam::enter_in_books(self.id(), message.label(), crate::sim::seam::Fate::Refused);
        })
    }

    #[inline(always)]
    fn push_unseen(
        self: &Arc<Self>,
        make: impl FnOnce() -> A::Message,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<A::Message>> {
        match self.mailbox.push(make, ticket, waits) {
            Pushed::Taken { schedule: false } => Ok(()),
            Pushed::Taken { schedule: true } => {
                self.schedule_if(true);
                Ok(())
            }
            Pushed::Instead { of, schedule } => {
                self.schedule_if(schedule);
                self.dead_letter(of, DeadLetterReason::MailboxFull);
                Ok(())
            }
            Pushed::Refused(refusal) => Err(refusal),
        }
    }

    /// Has the actor make a message and handle it, beside those in its mailbox.
    pub(crate) fn signal_made(self: &Arc<Self>, make: MakeMessage<A::Message>) {
        self.schedule_if(self.mailbox.signal(Signal::Made(make)));
    }

    /// Ends an accepted message that no handler will see.
    #[cold]
    #[inline(never)]
    pub(crate) fn dead_letter(&self, message: A::Message, why: DeadLetterReason) {
        #[cfg(feature = "sim")]
        crate::sim::seam::enter_in_books(self.id(), message.label(), crate::sim::seam::Fate::Dead);
        if !message.is_internal() {
            self.system().dead_letters().announce(self, message.name(), why);
        }
        turn::quietly(self, "dropping a message", || message.undelivered());
    }

    /// Begins the actor's life: until it has ended, its record stays, whoever lets go of it.
    pub(crate) fn begin(self: &Arc<Self>) {
        std::mem::forget(self.clone());
        self.system().scheduler().actor_started(self.header.kind());
        self.schedule_if(true);
    }

    /// Queues the actor for a turn. The caller has just got the run token, or keeps it.
    #[inline]
    pub(crate) fn schedule_if(self: &Arc<Self>, schedule: bool) {
        if schedule && !self.pinned {
            self.system().scheduler().schedule(Task::of(self));
        } else if schedule {
            self.schedule_pinned();
        }
    }

    /// Queues another turn, behind the others. For the holder of the run token, which passes it on: the
    /// cell may be gone when this returns.
    #[inline]
    pub(crate) fn schedule_again(self: &Arc<Self>) {
        if self.pinned {
            self.schedule_pinned();
        } else {
            self.system().scheduler().schedule_again(Task::of(self));
        }
    }

    /// Queues another turn, on the blocking pool, or on a worker if this one runs there. For the holder of the
    /// run token, as above.
    #[cold]
    pub(crate) fn schedule_elsewhere(self: &Arc<Self>) {
        if blocking::may_block() {
            self.schedule_again();
        } else {
            // The system must be there when the cell is gone.
            let system = self.system().clone();
            Pool::run_turn(&system, Task::of(self));
        }
    }

    /// Queues the actor for a turn on its own thread; anywhere, if that has ended with the system.
    #[cold]
    #[inline(never)]
    fn schedule_pinned(self: &Arc<Self>) {
        let scheduler = self.system().scheduler();
        let pushed = match self.thread() {
            Some(thread) => thread.push(Task::of(self)),
            None => Err(Task::of(self)),
        };
        if let Err(task) = pushed {
            scheduler.schedule(task);
        }
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// The thread of a pinned actor.
    fn thread(&self) -> Option<&PinnedThread> {
        self.mailbox.rare_if_made()?.pinned.get()
    }

    /// Ends a pinned actor's thread, after the turn that runs on it.
    pub(crate) fn leave_thread(&self) {
        if self.pinned
            && let Some(thread) = self.thread()
        {
            thread.end();
        }
    }

    /// Orders an end after what is queued now. An actor that will be back goes on
    /// taking messages; the others refuse from here on what no handler would see.
    pub(crate) fn order_stop(self: &Arc<Self>, order: Order) {
        let close = match order.fate {
            Fate::ByType => self.restart != Restart::Permanent,
            Fate::Last => true,
            Fate::Returns => false,
        };
        self.schedule_if(self.mailbox.stop(order, close));
    }

    /// Whether nothing can restart the actor: not its type, nor a restart of several, which is for slots.
    pub(crate) fn has_one_life(&self) -> bool {
        self.restart == Restart::Temporary && !self.nursery.has_slots()
    }

    /// Counts the actor among those that have ended.
    pub(crate) fn count_end(&self) {
        self.system().scheduler().actor_ended(self.header.kind());
    }

    pub(crate) fn stats(&self) -> MailboxStats {
        self.mailbox.stats()
    }

    /// A supervisor's children that were left are killed: nobody has stopped them.
    pub(crate) fn orphan_children(&self) {
        if let Some(children) = self.children_if_made() {
            children.orphan();
        }
    }

    /// A supervisor that begins takes children, again if need be.
    pub(crate) fn open_to_children(&self) {
        if let Some(children) = self.children_if_made() {
            children.open();
        }
    }

    pub(crate) fn children_if_made(&self) -> Option<&Arc<Children>> {
        self.mailbox.rare_if_made()?.children.get()
    }

    /// Tells all watchers that the actor has ended, once.
    pub(crate) fn tell_watchers(&self, reason: StopReason) {
        let Some(watchers) = self.mailbox.end_watches(&reason) else { return };
        for (monitor, watcher) in watchers {
            watcher.tell(Down::of(self, monitor, reason.clone()));
        }
    }
}

impl Cell<Supervisor> {
    /// The supervisor's children.
    pub(crate) fn children(self: &Arc<Self>) -> &Arc<Children> {
        self.mailbox.rare().children.get_or_init(|| Children::of(self))
    }
}
