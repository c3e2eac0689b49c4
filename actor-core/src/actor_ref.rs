//! Refs: the address of an actor, typed by its actor or by one of its messages.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::actor::{Accepts, Messages};
use crate::call::{Call, Deliver, Sealed};
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, MailboxStats, Order, Refusal, Ticket};
use crate::cell::{ActorId, Cell, Control, Path};
use crate::leaks::Shared;
use crate::message::Message;
use crate::monitor::Monitor;
use crate::reply::Reply;
use crate::scheduler::{local, stalls};
use crate::system::SystemHandle;

/// The address of an actor. It stays good through restarts, may be cloned and sent anywhere, and
/// does not keep the actor from ending.
///
/// `#[derive(Actor)]` wraps it in a newtype, on which `#[messages]` puts a method per message; that
/// dereferences to this one. Two refs are equal if they address the same actor.
pub struct ActorRef<A: Messages>(Arc<Cell<A>>);

impl<A: Messages> ActorRef<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>) -> Self {
        ActorRef(cell)
    }

    /// The cell, by its address.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<A>> {
        &self.0
    }

    /// A message on its way: the caller of this decides whether to tell, send or ask it.
    pub fn call<M: Message>(&self, message: M) -> Call<'_, Self, M>
    where
        A: Accepts<M>,
    {
        Call::new(self, message)
    }

    /// The actor's number.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.0.id()
    }

    /// Where the actor stands in the tree.
    #[must_use]
    pub fn path(&self) -> Path<'_> {
        self.0.path()
    }

    /// The system that the actor belongs to.
    #[must_use]
    pub fn system(&self) -> &SystemHandle {
        self.0.system()
    }

    /// Whether the actor has not ended. It may end before the caller has looked at the answer.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.mailbox.done().is_none()
    }

    /// Ends the actor once the messages that it has now have been handled; from now on it takes no
    /// more (a permanent one does, and is restarted). Returns at once.
    pub fn stop(&self) {
        if stalls::condemned() {
            return;
        }
        self.0.order_stop(Order { why: Asked::Stop, fate: Fate::ByType });
    }

    /// Ends the actor as soon as the handler in work has ended; an async handler is dropped where
    /// it waits, and one of an actor with a [limit](crate::Spawn::stall) that keeps its thread is condemned
    /// after 10 ms. `#[stopped]` does not run. An abnormal end: a transient actor is restarted.
    /// Returns at once.
    pub fn kill(&self) {
        if stalls::condemned() {
            return;
        }
        let order = Order { why: Asked::Kill, fate: Fate::ByType };
        self.0.clone().kill(order);
    }

    /// A future that is ready when the actor has ended.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.0.clone())
    }

    /// What has happened to the actor's messages so far.
    #[must_use]
    pub fn mailbox(&self) -> MailboxStats {
        self.0.stats()
    }

    /// A ref for one kind of message, whatever the actor.
    #[must_use]
    pub fn recipient<M: Message>(&self) -> Recipient<M>
    where
        A: Accepts<M>,
    {
        Recipient(Arc::new(self.clone()))
    }

    /// A ref that does not keep the actor's record in memory once it has ended.
    #[must_use]
    pub fn downgrade(&self) -> WeakRef<A> {
        self.0.mailbox.mark_weakly_held();
        WeakRef(Arc::downgrade(&self.0))
    }
}

impl<A: Messages> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        ActorRef(self.0.clone())
    }
}

impl<A: Messages> PartialEq for ActorRef<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<A: Messages> Eq for ActorRef<A> {}

impl<A: Messages> Hash for ActorRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl<A: Messages> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef({})", self.path())
    }
}

impl<A: Messages> Sealed for ActorRef<A> {}

impl<A: Accepts<M>, M: Message> Deliver<M> for ActorRef<A> {
    #[inline(always)]
    fn offer(
        &self,
        message: M,
        reply: Reply<M::Reply, M::Error>,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<M>> {
        if stalls::condemned() {
            return Err(refused_by_sender(message, reply));
        }
        let back = |message| A::unwrap(message).expect("the mailbox gives back what it was given");
        self.0.push(|| A::wrap(message, reply), ticket, waits).map_err(|refusal| match refusal {
            Refusal::Full(message) => Refusal::Full(back(message)),
            Refusal::Closed(message) => Refusal::Closed(back(message)),
            Refusal::Condemned(message) => Refusal::Condemned(back(message)),
        })
    }

    fn queue_for_room(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        self.0.mailbox.queue_for_room(ticket, waker)
    }

    fn leave_line(&self, ticket: Ticket) {
        self.0.mailbox.leave_line(ticket);
    }

    fn asks_wait(&self) -> bool {
        self.0.mailbox.asks_wait()
    }

    fn is_limited(&self) -> bool {
        self.0.is_limited()
    }

    fn is_running_here(&self) -> bool {
        local::is_turn_of(Arc::as_ptr(&self.0).cast())
    }

    fn system_of(&self) -> &SystemHandle {
        self.0.system()
    }

    fn path_of(&self) -> Path<'_> {
        self.0.path()
    }

    fn address_of(&self) -> usize {
        self.address()
    }
}

/// The handler that sends it was condemned.
#[cold]
#[inline(never)]
fn refused_by_sender<M: Message>(message: M, reply: Reply<M::Reply, M::Error>) -> Refusal<M> {
    reply.refused();
    Refusal::Condemned(message)
}

/// A ref that does not keep the actor's record in memory once it has ended.
pub struct WeakRef<A: Messages>(Weak<Cell<A>>);

impl<A: Messages> WeakRef<A> {
    /// The ref, unless the actor has ended.
    #[must_use]
    pub fn upgrade(&self) -> Option<A::Ref> {
        let actor = ActorRef(self.0.upgrade()?);
        actor.is_alive().then(|| actor.into())
    }
}

impl<A: Messages> Clone for WeakRef<A> {
    fn clone(&self) -> Self {
        WeakRef(self.0.clone())
    }
}

impl<A: Messages> fmt::Debug for WeakRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.upgrade() {
            Some(cell) => write!(f, "WeakRef({})", cell.path()),
            None => f.write_str("WeakRef(gone)"),
        }
    }
}

/// The address of an actor as a taker of one kind of message, for tell and for ask.
pub struct Recipient<M: Message>(Arc<dyn Deliver<M>>);

impl<M: Message> Recipient<M> {
    /// A message on its way: the caller of this decides whether to tell, send or ask it.
    pub fn call(&self, message: M) -> Call<'_, dyn Deliver<M>, M> {
        Call::new(&*self.0, message)
    }

    /// The cell that it leads to, and what its clones share, by their addresses.
    pub(crate) fn addresses(&self) -> (usize, Shared) {
        let (at, clones) = (Arc::as_ptr(&self.0).cast::<()>().addr(), Arc::strong_count(&self.0));
        (self.0.address_of(), Shared { at, clones })
    }

    /// Tells the message. See [`Call::tell`].
    ///
    /// # Errors
    /// Gives the message back if the mailbox is full or the actor has ended.
    pub fn tell(&self, message: M) -> Result<(), crate::TellError<M>> {
        self.call(message).tell()
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Recipient(self.0.clone())
    }
}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({}, {})", self.0.path_of(), M::NAME)
    }
}
