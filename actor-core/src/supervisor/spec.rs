//! Child specs: what a supervisor has to know of a child to start it, stop it and start it again.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Messages, Overflow};
use crate::actor_ref::ActorRef;
use crate::cell::Control;
use crate::error::{SpawnError, TreeError};
use crate::reason::StopReason;
use crate::remedy::Remedy;
use crate::reply::Reply;
use crate::spawn::{Spawn, valid_name};
use crate::supervisor::slots::Rules;
use crate::supervisor::{Backoff, Restart, STOP_WITHIN, Supervisor, SupervisorBuilder, SupervisorRef};
use crate::sync::Mutex;

/// How long a child may take to start unless it says otherwise.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(30);

/// A child of a supervisor, with the slot it has there: OTP's child specification.
///
/// The slot is what is started, stopped and started again. Through a restart the actor's ref stays good; after
/// [`terminate_child`](SupervisorRef::terminate_child) and
/// [`restart_child`](SupervisorRef::restart_child) there is a new actor in it.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) rules: Rules,
    pub(super) settings: Overrides,
    /// Where it was written down, which is where its actor counts as spawned.
    pub(crate) site: &'static Location<'static>,
    make: Arc<dyn Make>,
}

/// What a spec says of the actor instead of the actor's type.
#[derive(Clone, Copy, Default)]
pub(super) struct Overrides {
    mailbox: Option<usize>,
    overflow: Option<Overflow>,
    stall: Option<Duration>,
    pub(super) silence: Option<Duration>,
    pub(super) on_silence: Option<Remedy>,
    clear_on_restart: bool,
}

/// How the actor of a slot is made.
pub(super) trait Make: Send + Sync + 'static {
    /// Spawns it; `spawner` is told when it has started.
    fn launch(
        &self,
        spec: &ChildSpec,
        under: &SupervisorRef,
        spawner: Option<Reply<(), StopReason>>,
    ) -> Result<Arc<dyn Control>, SpawnError>;

    fn is_supervisor(&self) -> bool;

    /// Whether its type has a limit for silence.
    fn limits_silence(&self) -> bool;
}

impl ChildSpec {
    /// A child that `factory` makes, for each incarnation anew. `id` tells it apart from the supervisor's other
    /// children and is the last part of its path. It is permanent unless said.
    #[track_caller]
    pub fn new<A: Messages>(id: impl Into<String>, factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        Child::new(factory).spec(id)
    }

    /// A child that is a supervisor; `settings` gives it its own children. Its own name, supervisor and restart
    /// type are the spec's. Its start takes as long as those of its children.
    #[track_caller]
    pub fn supervisor(
        id: impl Into<String>,
        settings: impl Fn(SupervisorBuilder) -> SupervisorBuilder + Send + Sync + 'static,
    ) -> Self {
        let make = MakeSupervisor { settings, started: |_: &SupervisorRef| {} };
        Self::of_supervisor(id, make, Location::caller())
    }

    pub(super) fn of_supervisor(
        id: impl Into<String>,
        make: impl Make,
        site: &'static Location<'static>,
    ) -> Self {
        let mut spec = ChildSpec::with(id.into(), Arc::new(make), site);
        spec.rules.start_within = Duration::MAX;
        spec.rules.stop_within = Duration::MAX;
        spec
    }

    fn with(id: String, make: Arc<dyn Make>, site: &'static Location<'static>) -> Self {
        let rules = Rules {
            restart: Restart::Permanent,
            significant: false,
            stop_within: STOP_WITHIN,
            start_within: START_WITHIN,
            backoff: None,
        };
        ChildSpec { id: id.into(), name: None, rules, settings: Overrides::default(), site, make }
    }

    /// Gives the slot a name, by which [`lookup`](crate::SystemHandle::lookup) finds whatever actor is in it.
    /// While there is none, the name is free.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// When the child is started again; [`Restart::Permanent`] unless said.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.rules.restart = restart;
        self
    }

    /// The child is started again after a delay; at once unless said.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.rules.backoff = Some(backoff.into());
        self
    }

    /// The end of the child may be that of the supervisor; see
    /// [`auto_shutdown`](SupervisorBuilder::auto_shutdown).
    pub fn significant(mut self) -> Self {
        self.rules.significant = true;
        self
    }

    /// How long the supervisor waits for the child's start until it kills it, which is a failed start then;
    /// 30 s unless said, and without limit for a supervisor.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.rules.start_within = limit;
        self
    }

    /// How long the supervisor waits for the child's end until it kills it; 5 s unless said, and without limit
    /// for a supervisor. With zero the child is not asked but killed at once, which OTP calls `brutal_kill`.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.rules.stop_within = limit;
        self
    }

    /// Room for this many messages (at least one). Not for supervisors.
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.settings.mailbox = Some(capacity);
        self
    }

    /// What happens to a message that finds the mailbox full. Not for supervisors.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.overflow = Some(overflow);
        self
    }

    /// How long a handler may take, `#[started]` and `#[stopped]` included; what the type says, or no limit, unless
    /// said. One that does not return is condemned then, as it is 10 ms after a kill: so a child with a limit ends when
    /// it is told to, whatever it does, and its slot goes on with the same actor. See [`Spawn::stall`]. Not for
    /// supervisors.
    pub fn stall(mut self, limit: Duration) -> Self {
        self.settings.stall = Some(limit);
        self
    }

    /// How long it may hear of nobody; what the type says, or no limit, unless said. See [`Spawn::silence`]. Not for
    /// supervisors.
    pub fn silence(mut self, limit: Duration) -> Self {
        self.settings.silence = Some(limit);
        self
    }

    /// What becomes of it when it has exceeded that; what the type says unless said. Without a limit, of the type or of
    /// the spec, that is a [`TreeError::NoSilence`]. Not for supervisors.
    pub fn on_silence(mut self, remedy: Remedy) -> Self {
        self.settings.on_silence = Some(remedy);
        self
    }

    /// A restart makes the messages that are queued then dead letters; unless said, the next incarnation goes on
    /// with them. Not for supervisors.
    pub fn clear_on_restart(mut self) -> Self {
        self.settings.clear_on_restart = true;
        self
    }

    /// What the spec is called.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn launch(
        &self,
        under: &SupervisorRef,
        spawner: Option<Reply<(), StopReason>>,
    ) -> Result<Arc<dyn Control>, SpawnError> {
        self.make.launch(self, under, spawner)
    }

    pub(super) fn is_supervisor(&self) -> bool {
        self.make.is_supervisor()
    }

    /// Whether a supervisor can have this child.
    pub(super) fn check(&self, shuts_down: bool) -> Result<(), TreeError> {
        let Rules { restart, significant, backoff, .. } = self.rules;
        let id = || self.id.to_string();
        if valid_name(self.id.to_string()).is_err() {
            return Err(TreeError::BadId(id()));
        }
        if significant && restart == Restart::Permanent {
            return Err(TreeError::PermanentSignificant(id()));
        }
        if significant && !shuts_down {
            return Err(TreeError::NothingToShutDown(id()));
        }
        if backoff.is_some() && restart == Restart::Temporary {
            return Err(TreeError::TemporaryBackoff(id()));
        }
        let Overrides { silence, on_silence, .. } = self.settings;
        if on_silence.is_some() && silence.is_none() && !self.make.limits_silence() {
            return Err(TreeError::NoSilence(id()));
        }
        Ok(())
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("id", &self.id).field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// A child in the slot of a supervisor, of a known type: how to make it, and a way to it when it is there.
///
/// Clones are the same child. So the factory of one child can have a clone of another one before it is started,
/// and [`get`](Self::get) it when it runs.
pub struct Child<A: Messages>(Arc<Shared<A>>);

struct Shared<A: Messages> {
    factory: Box<dyn Fn() -> A + Send + Sync>,
    /// Where it was made.
    site: &'static Location<'static>,
    /// The actor in the slot, or the last one that was.
    actor: Mutex<Option<ActorRef<A>>>,
}

impl<A: Messages> Child<A> {
    /// A child that `factory` makes, for each incarnation anew.
    #[track_caller]
    pub fn new(factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        let site = Location::caller();
        Child(Arc::new(Shared { factory: Box::new(factory), site, actor: Mutex::default() }))
    }

    /// The spec to start it by, under this id. Start it under one supervisor.
    pub fn spec(&self, id: impl Into<String>) -> ChildSpec {
        ChildSpec::with(id.into(), Arc::new(self.clone()), self.0.site)
    }

    /// The actor in the slot; `None` before it is started and when it has ended. A restart keeps it.
    #[must_use]
    pub fn get(&self) -> Option<A::Ref> {
        let actor = self.0.actor.lock().clone();
        actor.filter(ActorRef::is_alive).map(Into::into)
    }
}

impl<A: Messages> Make for Child<A> {
    fn launch(
        &self,
        spec: &ChildSpec,
        under: &SupervisorRef,
        spawner: Option<Reply<(), StopReason>>,
    ) -> Result<Arc<dyn Control>, SpawnError> {
        let child = self.clone();
        let mut spawn = Spawn::new(Some(under.clone()), move || (child.0.factory)()).in_slot_of(spec);
        if let Some(capacity) = spec.settings.mailbox {
            spawn = spawn.mailbox(capacity);
        }
        if let Some(overflow) = spec.settings.overflow {
            spawn = spawn.overflow(overflow);
        }
        if let Some(limit) = spec.settings.stall {
            spawn = spawn.stall(limit);
        }
        if let Some(limit) = spec.settings.silence {
            spawn = spawn.silence(limit);
        }
        if let Some(remedy) = spec.settings.on_silence {
            spawn = spawn.on_silence(remedy);
        }
        if spec.settings.clear_on_restart {
            spawn = spawn.clear_on_restart();
        }
        let actor = spawn.launch(spawner)?;
        let cell: Arc<dyn Control> = actor.cell().clone();
        let _before = self.0.actor.lock().replace(actor);
        Ok(cell)
    }

    fn is_supervisor(&self) -> bool {
        false
    }

    fn limits_silence(&self) -> bool {
        A::settings().silence.is_some()
    }
}

impl<A: Messages> Clone for Child<A> {
    fn clone(&self) -> Self {
        Child(self.0.clone())
    }
}

impl<A: Messages + Default> Default for Child<A> {
    #[track_caller]
    fn default() -> Self {
        Child::new(A::default)
    }
}

impl<A: Messages> fmt::Debug for Child<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&*self.0.actor.lock()).finish()
    }
}

/// A child that is a supervisor, and who is told of each that is made.
pub(super) struct MakeSupervisor<F, S> {
    pub(super) settings: F,
    pub(super) started: S,
}

impl<F, S> Make for MakeSupervisor<F, S>
where
    F: Fn(SupervisorBuilder) -> SupervisorBuilder + Send + Sync + 'static,
    S: Fn(&SupervisorRef) + Send + Sync + 'static,
{
    fn launch(
        &self,
        spec: &ChildSpec,
        under: &SupervisorRef,
        spawner: Option<Reply<(), StopReason>>,
    ) -> Result<Arc<dyn Control>, SpawnError> {
        let builder = (self.settings)(SupervisorBuilder::new(under.system().clone())).under(under);
        let actor: ActorRef<Supervisor> = builder.into_spawn()?.in_slot_of(spec).launch(spawner)?;
        let cell: Arc<dyn Control> = actor.cell().clone();
        (self.started)(&actor.into());
        Ok(cell)
    }

    fn is_supervisor(&self) -> bool {
        true
    }

    fn limits_silence(&self) -> bool {
        false
    }
}
