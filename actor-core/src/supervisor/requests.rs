//! What a supervisor can be asked for, and what it answers.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use crate::actor::{Accepts, Messages};
use crate::actor_ref::ActorRef;
use crate::cell::{ActorId, Cell, Control};
use crate::error::ChildError;
use crate::message::Message;
use crate::reply::Reply;
use crate::supervisor::slots::State;
use crate::supervisor::{ChildSpec, Event, Supervisor, SupervisorMessage};

/// What a supervisor is at with a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChildState {
    /// The slot has no actor, until [`restart_child`](crate::SupervisorRef::restart_child) or a restart of several:
    /// it was terminated, ended by itself, or its start said that it is not needed.
    Stopped,
    /// Its first start is under way.
    Starting,
    /// It is there.
    Running,
    /// Its incarnation has ended and the next one is not there yet.
    Restarting,
    /// It is restarted when its backoff is over.
    Delayed,
    /// It was asked to stop and has not ended.
    Stopping,
}

impl From<State> for ChildState {
    fn from(state: State) -> Self {
        match state {
            State::Stopped => ChildState::Stopped,
            State::Starting { .. } => ChildState::Starting,
            State::Running { .. } => ChildState::Running,
            State::Waiting | State::Restarting { .. } => ChildState::Restarting,
            State::Delayed { .. } => ChildState::Delayed,
            State::Stopping { .. } => ChildState::Stopping,
        }
    }
}

/// How many children a supervisor has; OTP's `count_children`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildCount {
    /// All that it would stop at its end: slots, with or without an actor, and children without a slot.
    pub specs: usize,
    /// Those that are running.
    pub active: usize,
    /// Those that are supervisors, running or not.
    pub supervisors: usize,
    /// Those that are not.
    pub workers: usize,
}

/// One child of a supervisor; OTP's `which_children` gives such.
#[derive(Clone)]
#[non_exhaustive]
pub struct ChildInfo {
    /// The id of its slot; `None` if it has none.
    pub id: Option<Arc<str>>,
    /// What the supervisor is at with it.
    pub state: ChildState,
    /// Whether it is a supervisor.
    pub is_supervisor: bool,
    pub(super) cell: Option<Arc<dyn Control>>,
}

impl ChildInfo {
    /// The number of its actor, if there is one.
    #[must_use]
    pub fn actor_id(&self) -> Option<ActorId> {
        self.cell.as_ref().map(|cell| cell.id())
    }

    /// The path of its actor, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.cell.as_ref().map(|cell| cell.path().to_string())
    }

    /// The ref of its actor, if there is one and it is an `A`.
    #[must_use]
    pub fn actor<A: Messages>(&self) -> Option<A::Ref> {
        let cell: Arc<dyn Any + Send + Sync> = self.cell.clone()?.as_any();
        cell.downcast::<Cell<A>>().ok().map(|cell| ActorRef::new(cell).into())
    }
}

impl fmt::Debug for ChildInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildInfo")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("is_supervisor", &self.is_supervisor)
            .field("path", &self.path())
            .finish()
    }
}

/// Something that a supervisor is asked for.
pub(crate) enum Request {
    Start(ChildSpec, Reply<ChildState, ChildError>),
    Restart(String, Reply<ChildState, ChildError>),
    Terminate(String, Reply<(), ChildError>),
    Delete(String, Reply<(), ChildError>),
    Count(Reply<ChildCount>),
    Which(Reply<Vec<ChildInfo>>),
}

impl Request {
    pub(super) fn label(&self) -> &'static &'static str {
        match self {
            Request::Start(..) => &StartChild::NAME,
            Request::Restart(..) => &RestartChild::NAME,
            Request::Terminate(..) => &TerminateChild::NAME,
            Request::Delete(..) => &DeleteChild::NAME,
            Request::Count(_) => &CountChildren::NAME,
            Request::Which(_) => &WhichChildren::NAME,
        }
    }

    pub(super) fn undelivered(self) {
        match self {
            Request::Start(_, reply) | Request::Restart(_, reply) => reply.undelivered(),
            Request::Terminate(_, reply) | Request::Delete(_, reply) => reply.undelivered(),
            Request::Count(reply) => reply.undelivered(),
            Request::Which(reply) => reply.undelivered(),
        }
    }
}

/// A message to supervisors, and the request that carries it.
macro_rules! request {
    ($(#[$doc:meta])* $message:ident($($of:ty)?), $name:literal, $reply:ty, $error:ty, $request:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $message$((pub $of))?;

        impl Message for $message {
            type Reply = $reply;
            type Error = $error;
            const NAME: &'static str = $name;
        }

        #[diagnostic::do_not_recommend]
        impl Accepts<$message> for Supervisor {
            request!(@accepts $message($($of)?) $reply, $error, $request);
        }
    };
    (@accepts $message:ident() $reply:ty, $error:ty, $request:ident) => {
        fn wrap(_: $message, reply: Reply<$reply, $error>) -> SupervisorMessage {
            SupervisorMessage(Event::Asked(Request::$request(reply)))
        }

        fn unwrap(message: SupervisorMessage) -> Option<$message> {
            let Event::Asked(Request::$request(reply)) = message.0 else { return None };
            reply.refused();
            Some($message)
        }
    };
    (@accepts $message:ident($of:ty) $reply:ty, $error:ty, $request:ident) => {
        fn wrap(message: $message, reply: Reply<$reply, $error>) -> SupervisorMessage {
            SupervisorMessage(Event::Asked(Request::$request(message.0, reply)))
        }

        fn unwrap(message: SupervisorMessage) -> Option<$message> {
            let Event::Asked(Request::$request(of, reply)) = message.0 else { return None };
            reply.refused();
            Some($message(of))
        }
    };
}

request! {
    /// Asks a supervisor for one more child, in a slot behind the others.
    StartChild(ChildSpec), "start_child", ChildState, ChildError, Start
}
request! {
    /// Asks a supervisor to start the child of a slot that has none, by its id.
    RestartChild(String), "restart_child", ChildState, ChildError, Restart
}
request! {
    /// Asks a supervisor to stop the child of a slot, by its id.
    TerminateChild(String), "terminate_child", (), ChildError, Terminate
}
request! {
    /// Asks a supervisor to forget a slot that has no child, by its id.
    DeleteChild(String), "delete_child", (), ChildError, Delete
}
request! {
    /// Asks a supervisor for the number of its children.
    CountChildren(), "count_children", ChildCount, Infallible, Count
}
request! {
    /// Asks a supervisor for its children.
    WhichChildren(), "which_children", Vec<ChildInfo>, Infallible, Which
}
