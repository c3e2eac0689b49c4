//! Supervisors: actors that start their children again when these fail, and stop them in order.
//!
//! This is the one_for_one strategy of OTP's `supervisor`, for children added at run time. A
//! child's cell asks its supervisor what to do by a message ([`Event::Exited`]) and keeps its
//! mailbox, name and refs until the answer is there. Spawning and ending are no messages: see
//! [`children`].

pub(crate) mod children;
pub(crate) mod intensity;
mod stopping;

pub use stopping::Late;

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Accepts, Actor, Messages, Overflow, Settings, Step, async_handler};
use crate::actor_ref::ActorRef;
use crate::call::Call;
use crate::cell::mailbox::Verdict;
use crate::cell::{Cell, Control};
use crate::clock;
use crate::context::Context;
use crate::error::SpawnError;
use crate::message::{Envelope, Message};
use crate::reason::StopReason;
use crate::reply::Reply;
use crate::spawn::Spawn;
use crate::system::SystemHandle;
use intensity::Intensity;

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
    /// Never.
    Temporary,
}

/// An actor that supervises others. Made by [`SystemHandle::supervisor`].
pub struct Supervisor {
    intensity: Intensity,
    /// Whether the children are stopped all at once, not one after the other.
    dynamic: bool,
}

impl Supervisor {
    pub(crate) fn new(restarts: u32, window: Duration, dynamic: bool) -> Self {
        Supervisor { intensity: Intensity::new(restarts, window), dynamic }
    }

    fn exited(
        &mut self,
        ctx: &mut Context<Self>,
        child: Arc<dyn Control>,
        incarnation: u64,
        reason: StopReason,
    ) {
        if child.is_last() {
            // It was told to end meanwhile, by the supervisor before a restart of its own perhaps.
            return child.decide(Verdict::End(reason));
        }
        let path = child.path().to_string();
        if self.intensity.allows(clock::now()) {
            tracing::warn!(child = path, incarnation, %reason, "restarting");
            return child.decide(Verdict::Restart);
        }
        tracing::error!(child = path, %reason, limit = %self.intensity, "giving up: too many restarts");
        child.decide(Verdict::End(reason.clone()));
        ctx.exit_because(StopReason::Escalated { child: path, cause: Arc::new(reason) });
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("dynamic", &self.dynamic).finish_non_exhaustive()
    }
}

/// A message to a supervisor: from its children's cells, or [`CountChildren`].
#[doc(hidden)]
pub struct SupervisorMessage(Event);

pub(crate) enum Event {
    /// An incarnation is gone and the cell waits for a verdict.
    Exited {
        child: Arc<dyn Control>,
        incarnation: u64,
        reason: StopReason,
    },
    Count(Reply<usize>),
}

/// Asks a supervisor for the number of its children.
#[derive(Clone, Copy, Debug)]
pub struct CountChildren;

impl Message for CountChildren {
    type Reply = usize;
    type Error = Infallible;
    const NAME: &'static str = "count_children";
}

#[diagnostic::do_not_recommend]
impl Envelope for SupervisorMessage {
    fn label(&self) -> &'static &'static str {
        match &self.0 {
            Event::Exited { .. } => &"exited",
            Event::Count(_) => &CountChildren::NAME,
        }
    }

    fn is_internal(&self) -> bool {
        !matches!(self.0, Event::Count(_))
    }

    /// The supervisor has ended before it knew: the child shares its fate.
    fn undelivered(self) {
        match self.0 {
            Event::Exited { child, reason, .. } => child.decide(Verdict::End(reason)),
            Event::Count(reply) => reply.undelivered(),
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
            Event::Exited { child, incarnation, reason } => self.exited(ctx, child, incarnation, reason),
            Event::Count(reply) => reply.send(ctx.cell().children().len()),
        }
        Step::Done(())
    }

    fn stopped<'a>(&'a mut self, _why: &'a StopReason, ctx: &'a mut Context<Self>) -> Step<'a> {
        let children = ctx.cell().children().clone();
        async_handler(stopping::stop_children(children, self.dynamic, ctx.system().clone()))
    }
}

#[diagnostic::do_not_recommend]
impl Accepts<CountChildren> for Supervisor {
    fn wrap(_: CountChildren, reply: Reply<usize>) -> SupervisorMessage {
        SupervisorMessage(Event::Count(reply))
    }

    fn unwrap(message: SupervisorMessage) -> Option<CountChildren> {
        let Event::Count(reply) = message.0 else { return None };
        reply.refused();
        Some(CountChildren)
    }
}

/// The address of a supervisor.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SupervisorRef(ActorRef<Supervisor>);

impl SupervisorRef {
    /// Spawns an actor under this supervisor. See [`SystemHandle::spawn`].
    ///
    /// # Errors
    /// [`SpawnError::Closed`] if the supervisor has ended, or is stopping its children.
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

    /// How many children the supervisor has, those included that are being restarted.
    pub fn count_children(&self) -> Call<'_, ActorRef<Supervisor>, CountChildren> {
        self.0.call(CountChildren)
    }

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
            Refusal::Full(back) | Refusal::Closed(back) => Box::new(back.0),
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

/// A supervisor to be spawned: one_for_one, as OTP calls it, with children added at run time.
#[must_use = "nothing is spawned until `spawn` is called"]
#[derive(Debug)]
pub struct SupervisorBuilder {
    system: SystemHandle,
    parent: Option<SupervisorRef>,
    name: Option<String>,
    restart: Restart,
    restarts: u32,
    window: Duration,
    dynamic: bool,
}

impl SupervisorBuilder {
    pub(crate) fn new(system: SystemHandle) -> Self {
        SupervisorBuilder {
            system,
            parent: None,
            name: None,
            restart: Restart::default(),
            restarts: Intensity::RESTARTS,
            window: Intensity::WINDOW,
            dynamic: false,
        }
    }

    /// The supervisor's name, which is part of its children's paths.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The supervisor of this supervisor; the root unless said.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Self {
        self.parent = Some(supervisor.clone());
        self
    }

    /// The most restarts within `window`; 5 in 10 s unless said. One more, and the supervisor stops
    /// its children and fails with [`StopReason::Escalated`], which is its own supervisor's
    /// business then.
    pub fn intensity(mut self, restarts: u32, window: Duration) -> Self {
        self.restarts = restarts;
        self.window = window;
        self
    }

    /// When this supervisor itself is started again (without children);
    /// [`Restart::Transient`] unless said.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The children are many and alike: at the end they are stopped all at once, each with its own
    /// deadline, not one after the other in reverse order of their start.
    pub fn dynamic(mut self) -> Self {
        self.dynamic = true;
        self
    }

    /// Spawns the supervisor.
    ///
    /// # Errors
    /// [`SpawnError::NameTaken`], [`SpawnError::BadName`], and [`SpawnError::Closed`] if the
    /// supervisor above is ending.
    #[track_caller]
    pub fn spawn(self) -> Result<SupervisorRef, SpawnError> {
        let Self { restarts, window, dynamic, .. } = self;
        let spawn = self.system.actor(move || Supervisor::new(restarts, window, dynamic));
        let spawn = match &self.parent {
            Some(parent) => spawn.under(parent),
            None => spawn,
        };
        let spawn = match self.name {
            Some(name) => spawn.name(name),
            None => spawn,
        };
        // It waits for its children, each of which has a deadline of its own.
        spawn.restart(self.restart).stop_within(Duration::MAX).spawn()
    }
}
