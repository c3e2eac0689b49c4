//! Groups: actors that get what is published to all of them, each through its own mailbox.
//!
//! A publisher waits for nobody. A member whose mailbox is full is *slow*, and what becomes of it is its own policy
//! ([`Slow`]); whatever that is, it is told how many messages it has missed, by the system lane, which is never full.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::{Arc, Weak};

use dashmap::DashMap;

use tracing::Level;

use crate::actor::{Accepts, Messages};
use crate::actor_ref::ActorRef;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order, Refusal};
use crate::cell::{ActorId, Cell, Control};
use crate::error::LookupError;
use crate::log;
use crate::message::Message;
use crate::monitor::{MonitorId, Watcher};
use crate::reply::Reply;
use crate::scheduler::stalls;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::system::SystemHandle;

/// What becomes of a member of a group whose mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Slow {
    /// It misses what is published until there is room, and is told how much that was.
    #[default]
    Skip,
    /// It leaves the group, and is told of the message that it has missed.
    Leave,
    /// It leaves the group and is killed: its supervisor's business.
    Kill,
}

/// How many members a message went to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// They have it in their mailboxes.
    pub delivered: usize,
    /// Their mailboxes were full.
    pub missed: usize,
}

/// Actors that get what is published to all of them: the members of a group for one kind of message. Made by
/// [`SystemHandle::group`], which gives out the same group for the same name. A clone is the same group.
///
/// Messages of one publisher come to each member in their order. A member stays one through restarts, and leaves with
/// its end. A group is there for as long as it has members, or somebody has it at hand.
pub struct Group<M: Message>(Arc<Shared<M>>);

struct Shared<M: Message> {
    name: Box<str>,
    system: SystemHandle,
    /// Replaced when it changes, so that publishers go over it without the lock.
    members: Mutex<Arc<Vec<Arc<Member<M>>>>>,
}

struct Member<M: Message> {
    id: ActorId,
    /// What takes it out when it ends.
    monitor: MonitorId,
    slow: Slow,
    missed: AtomicU64,
    actor: Box<dyn Subscriber<M>>,
}

/// A member without its actor's type.
trait Subscriber<M: Message>: Send + Sync {
    /// Gives the message to the actor; false if its mailbox is full, `None` if it has ended.
    fn offer(&self, message: M) -> Option<bool>;
    /// Tells it that it has missed messages; it asks how many when it has a turn.
    fn tell_missed(&self, member: &Arc<Member<M>>);
    fn control(&self) -> Option<Arc<dyn Control>>;
}

struct Subscription<A: Messages> {
    cell: Weak<Cell<A>>,
    /// Makes the message that says how many were missed.
    missed: Arc<dyn Fn(u64) -> A::Message + Send + Sync>,
}

impl<M: Message, A: Accepts<M>> Subscriber<M> for Subscription<A> {
    fn offer(&self, message: M) -> Option<bool> {
        let cell = self.cell.upgrade()?;
        // As one that waits, so that the mailbox drops nothing by a policy of its own.
        match cell.push(|| A::wrap(message, Reply::nowhere()), None, true) {
            Ok(()) => Some(true),
            Err(Refusal::Full(_)) => Some(false),
            Err(Refusal::Closed(_) | Refusal::Condemned(_)) => None,
        }
    }

    fn tell_missed(&self, member: &Arc<Member<M>>) {
        let Some(cell) = self.cell.upgrade() else { return };
        let (member, make) = (member.clone(), self.missed.clone());
        cell.signal_made(Box::new(move || {
            // Relaxed: it is a count; who adds to it from zero tells again.
            make(member.missed.swap(0, Ordering::Relaxed))
        }));
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        let cell: Arc<dyn Control> = self.cell.upgrade()?;
        Some(cell)
    }
}

impl<M: Message> Group<M> {
    /// Makes an actor a member, through restarts and until it [leaves](Self::leave) or ends. `missed` makes the
    /// message by which it is told how many it has missed because its mailbox was full. An actor that is a member
    /// already goes on with the new policy. In a handler that was [condemned](crate::Spawn::stall) this does nothing.
    pub fn join<A, L>(
        &self,
        actor: &ActorRef<A>,
        slow: Slow,
        missed: impl Fn(u64) -> L + Send + Sync + 'static,
    ) where
        L: Message,
        A: Accepts<M> + Accepts<L>,
    {
        if stalls::condemned() {
            return;
        }
        let missed = Arc::new(move |number| A::wrap(missed(number), Reply::nowhere()));
        let subscription = Subscription { cell: Arc::downgrade(actor.cell()), missed };
        let monitor = MonitorId::new();
        let member = Member {
            id: actor.id(),
            monitor,
            slow,
            missed: AtomicU64::new(0),
            actor: Box::new(subscription),
        };
        let before = self.0.exchange(|other| other.id == actor.id(), Some(Arc::new(member)));
        if let Some(before) = before {
            Control::unwatch(&**actor.cell(), before.monitor);
        }
        // One that has ended leaves at once.
        let group: Arc<dyn Leave> = self.0.clone();
        Control::watch(&**actor.cell(), monitor, Watcher::Group(group));
    }

    /// Takes an actor out. False if it is no member, and in a handler that was [condemned](crate::Spawn::stall), for which
    /// it stays one. Messages that it has in its mailbox stay there.
    pub fn leave<A: Messages>(&self, actor: &ActorRef<A>) -> bool {
        if stalls::condemned() {
            return false;
        }
        let Some(member) = self.0.take(|member| member.id == actor.id()) else { return false };
        Control::unwatch(&**actor.cell(), member.monitor);
        true
    }

    /// Gives a clone of the message to each member, without waiting; to none, in a handler that was
    /// [condemned](crate::Spawn::stall).
    pub fn publish(&self, message: M) -> Published
    where
        M: Clone,
    {
        let mut published = Published::default();
        if stalls::condemned() {
            return published;
        }
        let members = self.0.members.lock().clone();
        for member in members.iter() {
            match member.actor.offer(message.clone()) {
                Some(true) => published.delivered += 1,
                Some(false) => {
                    published.missed += 1;
                    self.0.is_slow(member);
                }
                // It is ending; its monitor takes it out.
                None => {}
            }
        }
        published
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.members.lock().len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the group is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl<M: Message> Shared<M> {
    /// Takes a member out and puts another one in, both at once.
    fn exchange(
        &self,
        out: impl Fn(&Member<M>) -> bool,
        new: Option<Arc<Member<M>>>,
    ) -> Option<Arc<Member<M>>> {
        // Bound, so that what is replaced is dropped without the lock.
        let (_before, taken) = {
            let mut members = self.members.lock();
            let mut next = Vec::clone(&members);
            let taken = next.iter().position(|member| out(member)).map(|at| next.remove(at));
            next.extend(new);
            (std::mem::replace(&mut *members, Arc::new(next)), taken)
        };
        taken
    }

    fn take(&self, which: impl Fn(&Member<M>) -> bool) -> Option<Arc<Member<M>>> {
        self.exchange(which, None)
    }

    fn is_slow(&self, member: &Arc<Member<M>>) {
        // Relaxed: it is a count. Who makes it more than none tells, and the member asks for it later.
        let before = member.missed.fetch_add(1, Ordering::Relaxed);
        if before == 0 && member.slow != Slow::Kill {
            member.actor.tell_missed(member);
        }
        if member.slow == Slow::Skip {
            return;
        }
        let Some(member) = self.take(|other| other.monitor == member.monitor) else { return };
        let Some(actor) = member.actor.control() else { return };
        actor.unwatch(member.monitor);
        if member.slow == Slow::Kill {
            log::say(Level::WARN, || {
                let (group, actor) = (self.name.clone(), actor.path().to_string());
                move || tracing::warn!(%group, actor, "a slow member is killed")
            });
            actor.kill(Order { why: Asked::Kill, fate: Fate::ByType });
        }
    }
}

/// A group without the type of its messages.
pub(crate) trait Leave: Send + Sync {
    /// A member has ended.
    fn ended(&self, monitor: MonitorId);
}

impl<M: Message> Leave for Shared<M> {
    fn ended(&self, monitor: MonitorId) {
        let _gone = self.take(|member| member.monitor == monitor);
    }
}

impl<M: Message> Drop for Shared<M> {
    fn drop(&mut self) {
        self.system.groups().forget(&self.name);
    }
}

impl<M: Message> Clone for Group<M> {
    fn clone(&self) -> Self {
        Group(self.0.clone())
    }
}

impl<M: Message> fmt::Debug for Group<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.0.name).field("members", &self.len()).finish()
    }
}

/// The groups of a system.
#[derive(Default)]
pub(crate) struct Groups(DashMap<Box<str>, Named>);

struct Named {
    of: TypeId,
    message: &'static str,
    /// A `Weak<Shared<M>>`.
    group: Box<dyn Any + Send + Sync>,
    /// Whether the group is gone.
    is_gone: fn(&(dyn Any + Send + Sync)) -> bool,
}

impl Groups {
    /// The group of this name, made if need be.
    pub(crate) fn get<M: Message>(&self, name: &str, system: &SystemHandle) -> Result<Group<M>, LookupError> {
        // Made before, and dropped after, the map's lock.
        let mut made =
            Some(Arc::new(Shared { name: name.into(), system: system.clone(), members: Mutex::default() }));
        let mut named = self.0.entry(name.into()).or_insert_with(|| Named::of(made.as_ref()));
        // Looked at once: one that is there now may be gone the next moment, and what is given out must be what is named.
        let there = named.group.downcast_ref::<Weak<Shared<M>>>().and_then(Weak::upgrade);
        if there.is_none() && (named.is_gone)(&*named.group) {
            *named = Named::of(made.as_ref());
        }
        if named.of != TypeId::of::<M>() {
            return Err(LookupError::WrongType {
                name: name.to_owned(),
                wanted: type_name::<M>(),
                found: named.message,
            });
        }
        drop(named);
        Ok(Group(there.or_else(|| made.take()).expect("one of the two is there")))
    }

    /// A group is gone.
    fn forget(&self, name: &str) {
        let _gone = self.0.remove_if(name, |_, named| (named.is_gone)(&*named.group));
    }
}

impl Named {
    fn of<M: Message>(group: Option<&Arc<Shared<M>>>) -> Named {
        Named {
            of: TypeId::of::<M>(),
            message: type_name::<M>(),
            group: Box::new(group.map(Arc::downgrade).unwrap_or_default()),
            is_gone: |group| {
                group.downcast_ref::<Weak<Shared<M>>>().is_none_or(|group| group.strong_count() == 0)
            },
        }
    }
}
