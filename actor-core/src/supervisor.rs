//! Supervisors: actors that start their children, start them again when these fail, and stop them in order.
//! The semantics are those of OTP's `supervisor`.
//!
//! * [`slots`]: what a supervisor decides about children that have a slot;
//! * [`keeper`]: carries that out, and answers requests ([`requests`]);
//! * [`children`], [`crowd`]: children without a slot, which can be very many;
//! * [`starting`], [`stopping`]: its own beginning and end;
//! * [`intensity`], [`backoff`]: whether a restart is one too many, and when it comes;
//! * [`spec`], [`tree`], [`builder`]: what it is made of.
//!
//! A child's cell tells its supervisor by a message that an incarnation has ended ([`Event::Exited`]), and keeps
//! its mailbox, name and refs until the verdict is there.

pub(crate) mod backoff;
pub(crate) mod builder;
pub(crate) mod children;
mod crowd;
pub(crate) mod intensity;
mod keeper;
mod reference;
mod requests;
pub(crate) mod slots;
mod spec;
mod starting;
mod stopping;
mod tree;

pub use backoff::Backoff;
pub use builder::SupervisorBuilder;
pub use reference::SupervisorRef;
pub use requests::{
    ChildCount, ChildInfo, ChildState, CountChildren, DeleteChild, RestartChild, StartChild, TerminateChild,
    WhichChildren,
};
pub use spec::{Child, ChildSpec};
pub use stopping::{Late, Whereabouts};
pub use tree::{Children, ChildrenSpec, Slot, Subtree, Tree};

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Accepts, Actor, Messages, Overflow, Settings, Step, async_handler};
use crate::cell::mailbox::Verdict;
use crate::cell::{ActorId, Control};
use crate::context::Context;
use crate::message::{Envelope, Message};
use crate::reason::{Failure, StopReason};
use crate::reply::Reply;
use builder::Blueprint;
use keeper::Keeper;
use requests::Request;

/// How long a supervisor waits for a child's end unless the child says otherwise; OTP's 5 s.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// When a supervisor starts a child again. The words and their meaning are OTP's restart types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an abnormal end: a panic, a failure, a kill.
    #[default]
    Transient,
    /// Never. When it has ended, its slot goes.
    Temporary,
}

/// Which of a supervisor's slots are restarted when the child of one fails. The words and their meaning are OTP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// That one.
    #[default]
    OneForOne,
    /// All: the others are stopped in reverse order of their start, then all are started in that order. If one
    /// does not start, those that have are stopped first when it is tried again.
    OneForAll,
    /// That one and those behind it: these are stopped in reverse order, then started in order. If one does not
    /// start, it is tried again from there.
    RestForOne,
}

/// Whether a supervisor ends when [significant](ChildSpec::significant) children have ended by themselves, for
/// good. Its reason is [`StopReason::Shutdown`] then. OTP's `auto_shutdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one has.
    AnySignificant,
    /// When the last has.
    AllSignificant,
}

/// An actor that supervises others. Made by [`SystemHandle::supervisor`](crate::SystemHandle::supervisor).
pub struct Supervisor {
    keeper: Keeper,
}

impl Supervisor {
    pub(crate) fn new(blueprint: Arc<Blueprint>) -> Self {
        Supervisor { keeper: Keeper::new(blueprint) }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("blueprint", self.keeper.blueprint()).finish_non_exhaustive()
    }
}

/// A message to a supervisor: from its children's cells, or a request.
#[doc(hidden)]
pub struct SupervisorMessage(Event);

pub(crate) enum Event {
    /// An incarnation is gone and the cell waits for a verdict.
    Exited {
        child: Arc<dyn Control>,
        reason: StopReason,
    },
    /// A child that has a slot has ended for good.
    Ended {
        child: Arc<dyn Control>,
        reason: StopReason,
    },
    /// A child is there, which has a slot, or has been restarted.
    Started(ActorId),
    /// A deadline is over.
    Due,
    Asked(Request),
}

/// What a supervisor's timer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due;

impl Message for Due {
    type Reply = ();
    type Error = Infallible;
    const NAME: &'static str = "due";
}

#[diagnostic::do_not_recommend]
impl Accepts<Due> for Supervisor {
    fn wrap(_: Due, _: Reply<()>) -> SupervisorMessage {
        SupervisorMessage(Event::Due)
    }

    fn unwrap(message: SupervisorMessage) -> Option<Due> {
        matches!(message.0, Event::Due).then_some(Due)
    }
}

#[diagnostic::do_not_recommend]
impl Envelope for SupervisorMessage {
    fn label(&self) -> &'static &'static str {
        match &self.0 {
            Event::Exited { .. } | Event::Ended { .. } => &"exited",
            Event::Started(_) => &"started",
            Event::Due => &Due::NAME,
            Event::Asked(request) => request.label(),
        }
    }

    fn is_internal(&self) -> bool {
        !matches!(self.0, Event::Asked(_))
    }

    /// The supervisor has ended before it knew: the child shares its fate.
    fn undelivered(self) {
        match self.0 {
            Event::Exited { child, reason } => child.decide(Verdict::End(reason)),
            Event::Ended { .. } | Event::Started(_) | Event::Due => {}
            Event::Asked(request) => request.undelivered(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl Actor for Supervisor {
    type Ref = SupervisorRef;
    const NAME: &'static str = "Supervisor";

    /// Unbounded, because a child's end must not find the mailbox full; what it holds is bounded by
    /// the number of children.
    fn settings() -> Settings {
        Settings::DEFAULT.mailbox(Settings::UNBOUNDED).overflow(Overflow::Reject)
    }
}

#[diagnostic::do_not_recommend]
impl Messages for Supervisor {
    type Message = SupervisorMessage;

    fn handle<'a>(&'a mut self, message: SupervisorMessage, ctx: &'a mut Context<Self>) -> Step<'a> {
        match message.0 {
            Event::Exited { child, reason } => self.keeper.exited(ctx, child, reason, true),
            Event::Ended { child, reason } => self.keeper.exited(ctx, child, reason, false),
            Event::Started(child) => self.keeper.started(ctx, child),
            Event::Due => self.keeper.due(ctx),
            Event::Asked(request) => self.keeper.asked(ctx, request),
        }
        Step::Done(())
    }

    fn started<'a>(&'a mut self, ctx: &'a mut Context<Self>) -> Step<'a, Result<(), Failure>> {
        if self.keeper.blueprint().specs.is_empty() {
            return Step::Done(Ok(()));
        }
        async_handler(self.keeper.start_all(ctx))
    }

    fn stopped<'a>(&'a mut self, _why: &'a StopReason, ctx: &'a mut Context<Self>) -> Step<'a> {
        if ctx.cell().is_root() {
            // Perhaps of its own accord: who is late from here on is in the report.
            ctx.system().mark_ending();
        }
        let children = ctx.cell().children().clone();
        let (slots, at_once) = (self.keeper.in_slots(), self.keeper.blueprint().dynamic);
        async_handler(stopping::stop_children(children, slots, at_once, ctx.system().clone()))
    }
}
