//! The address of a supervisor.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::actor::Messages;
use crate::actor_ref::ActorRef;
use crate::call::Call;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::cell::{Cell, Control};
use crate::error::SpawnError;
use crate::spawn::Spawn;
use crate::supervisor::requests::{
    CountChildren, DeleteChild, RestartChild, StartChild, TerminateChild, WhichChildren,
};
use crate::supervisor::{ChildSpec, Event, Supervisor, SupervisorMessage};
use crate::sync::Ordering;

/// The address of a supervisor.
///
/// A supervisor answers at any time, also while it restarts or stops children.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SupervisorRef(ActorRef<Supervisor>);

impl SupervisorRef {
    // ---- children without a slot -------------------------------------------------------------------

    /// Spawns an actor under this supervisor. See [`SystemHandle::spawn`](crate::SystemHandle::spawn).
    ///
    /// It has no slot: it is restarted alone, whatever the strategy, and gone with its end. There can be very
    /// many of this kind, and neither their start nor their end costs the supervisor a message.
    ///
    /// # Errors
    /// [`SpawnError::Closed`] if the supervisor has ended, or is stopping its children;
    /// [`SpawnError::TooManyChildren`] if there are as many as it
    /// [may have](crate::SupervisorBuilder::max_children).
    #[track_caller]
    pub fn spawn<A: Messages>(
        &self,
        factory: impl FnMut() -> A + Send + 'static,
    ) -> Result<A::Ref, SpawnError> {
        self.actor(factory).spawn()
    }

    /// An actor to be spawned under this supervisor, with settings of its own.
    #[track_caller]
    pub fn actor<A: Messages>(&self, factory: impl FnMut() -> A + Send + 'static) -> Spawn<A> {
        Spawn::new(Some(self.clone()), factory)
    }

    /// Stops a child by its ref, as the supervisor's end would, for good: asks it to stop, kills it if it has not
    /// by its deadline, and is ready when it has ended. For children without a slot;
    /// [`terminate_child`](Self::terminate_child) is for the others. False if it is no child of this supervisor.
    ///
    /// Dropped before it is ready, the child was asked to stop and nobody kills it.
    pub async fn terminate<A: Messages>(&self, child: &ActorRef<A>) -> bool {
        let cell = child.cell();
        if cell.nursery.has_slots() || cell.nursery.supervisor().as_ref() != Some(self) {
            return false;
        }
        // Relaxed: written before the first turn was scheduled, and before there were refs.
        let within = cell.nursery.stop_within(cell.place.load(Ordering::Relaxed));
        if !within.is_zero() {
            cell.order_stop(Order { why: Asked::Shutdown, fate: Fate::Last });
        }
        if child.monitor().within(within).await.is_none() {
            cell.clone().kill(Order { why: Asked::Kill, fate: Fate::Last });
            child.monitor().await;
        }
        true
    }

    // ---- slots -------------------------------------------------------------------------------------

    /// Starts one more child, in a slot behind the others; answers when it has started. If its start fails
    /// there is no slot. [`ChildState::Stopped`](crate::ChildState::Stopped) is the answer if its start said that
    /// it is not needed.
    ///
    /// The slot lasts as long as this incarnation of the supervisor; one that is restarted begins with the
    /// children that it was built with, as in OTP.
    ///
    /// # Errors
    /// [`ChildError::IdTaken`](crate::ChildError::IdTaken), [`ChildError::Failed`](crate::ChildError::Failed),
    /// [`ChildError::Tree`](crate::ChildError::Tree) if the supervisor cannot have such a child, and
    /// [`ChildError::Dynamic`](crate::ChildError::Dynamic) if it has no slots.
    pub fn start_child(&self, spec: ChildSpec) -> Call<'_, ActorRef<Supervisor>, StartChild> {
        self.0.call(StartChild(spec))
    }

    /// Starts the child of a slot that has none, as a new actor; answers when it has started.
    ///
    /// # Errors
    /// [`ChildError::NotFound`](crate::ChildError::NotFound); [`ChildError::NotStopped`](crate::ChildError::NotStopped),
    /// also while it is being restarted or delayed; [`ChildError::Failed`](crate::ChildError::Failed).
    pub fn restart_child(&self, id: impl Into<String>) -> Call<'_, ActorRef<Supervisor>, RestartChild> {
        self.0.call(RestartChild(id.into()))
    }

    /// Stops the child of a slot, as the supervisor's end would; answers when it has ended. The slot stays,
    /// that of a temporary child excepted. A restart that is under way, or delayed, is called off.
    ///
    /// # Errors
    /// [`ChildError::NotFound`](crate::ChildError::NotFound).
    pub fn terminate_child(&self, id: impl Into<String>) -> Call<'_, ActorRef<Supervisor>, TerminateChild> {
        self.0.call(TerminateChild(id.into()))
    }

    /// Forgets a slot that has no child.
    ///
    /// # Errors
    /// [`ChildError::NotFound`](crate::ChildError::NotFound) and
    /// [`ChildError::NotStopped`](crate::ChildError::NotStopped).
    pub fn delete_child(&self, id: impl Into<String>) -> Call<'_, ActorRef<Supervisor>, DeleteChild> {
        self.0.call(DeleteChild(id.into()))
    }

    /// How many children the supervisor has, and how many of them run.
    pub fn count_children(&self) -> Call<'_, ActorRef<Supervisor>, CountChildren> {
        self.0.call(CountChildren)
    }

    /// The supervisor's children: its slots in the order of their start, then those without one.
    pub fn which_children(&self) -> Call<'_, ActorRef<Supervisor>, WhichChildren> {
        self.0.call(WhichChildren)
    }

    // ---- for the rest of the crate ---------------------------------------------------------------------

    pub(crate) fn of(cell: Arc<Cell<Supervisor>>) -> Self {
        SupervisorRef(ActorRef::new(cell))
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<Supervisor>> {
        self.0.cell()
    }

    /// Tells the supervisor about a child; gives the news back if the supervisor has ended.
    pub(crate) fn post(&self, event: Event) -> Result<(), Box<Event>> {
        use crate::cell::mailbox::Refusal;
        self.cell().push(|| SupervisorMessage(event), None, false).map_err(|refusal| match refusal {
            Refusal::Full(back) | Refusal::Closed(back) | Refusal::Condemned(back) => Box::new(back.0),
        })
    }
}

impl Deref for SupervisorRef {
    type Target = ActorRef<Supervisor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<ActorRef<Supervisor>> for SupervisorRef {
    fn from(actor: ActorRef<Supervisor>) -> Self {
        SupervisorRef(actor)
    }
}

impl fmt::Debug for SupervisorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupervisorRef({})", self.path())
    }
}
