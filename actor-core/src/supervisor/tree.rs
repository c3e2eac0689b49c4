//! Trees as structs: what `#[derive(Supervisor)]` implements, and what its fields can be.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Messages;
use crate::error::SpawnError;
use crate::remedy::Remedy;
use crate::spawn::Spawn;
use crate::supervisor::spec::MakeSupervisor;
use crate::supervisor::{Backoff, Child, ChildSpec, Restart, STOP_WITHIN, SupervisorBuilder, SupervisorRef};
use crate::sync::Mutex;

/// A struct whose fields are the children of a supervisor, in the order of their start.
///
/// Derive it with `#[derive(Supervisor)]`; [`SupervisorBuilder::tree`] makes the supervisor, and the struct stays
/// with who made it, as the way to the children.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tree of children",
    label = "this type does not derive `Supervisor`",
    note = "add `#[derive(Supervisor)]` to the struct, with a `Child<..>` field for each child"
)]
pub trait Tree: Send + Sync + 'static {
    /// Gives a supervisor its strategy and its children.
    fn build(&self, builder: SupervisorBuilder) -> SupervisorBuilder;
}

/// What a field of a [`Tree`] can be: a [`Child`], [`Children`] or a [`Subtree`].
#[diagnostic::on_unimplemented(
    message = "a field of a supervisor cannot be a `{Self}`",
    label = "this is no child",
    note = "make it a `Child<..>` of an actor, a `Children<..>` for any number of them, or a `Subtree<..>` of a struct that derives `Supervisor`"
)]
pub trait Slot {
    /// What can be said about it.
    type Settings;

    /// Whether the type of the actor may have a limit for silence; for the derive.
    #[doc(hidden)]
    const MAY_LIMIT_SILENCE: bool = true;

    /// What the supervisor has to know of it; `id` is the field's name.
    fn spec(&self, id: &str, say: impl FnOnce(Self::Settings) -> Self::Settings) -> ChildSpec;
}

impl<A: Messages> Slot for Child<A> {
    type Settings = ChildSpec;
    const MAY_LIMIT_SILENCE: bool = A::MAY_LIMIT_SILENCE;

    fn spec(&self, id: &str, say: impl FnOnce(ChildSpec) -> ChildSpec) -> ChildSpec {
        say(Child::spec(self, id))
    }
}

/// Any number of actors of a type in a tree, added when it runs, with a supervisor of their own in the slot.
///
/// Clones are the same children. They are restarted one by one, and stopped all at once when the slot is; after
/// that there are none.
pub struct Children<A: Messages>(Arc<Shared>, PhantomData<fn() -> A>);

struct Shared {
    /// Where the children's field was made.
    site: &'static Location<'static>,
    /// The supervisor in the slot, or the last one that was.
    supervisor: Mutex<Option<SupervisorRef>>,
    each: Mutex<Each>,
}

/// What holds for each child.
#[derive(Clone, Copy)]
struct Each {
    restart: Restart,
    stop_within: Duration,
    stall: Option<Duration>,
    silence: Option<Duration>,
    on_silence: Option<Remedy>,
}

impl Default for Each {
    fn default() -> Self {
        Each {
            restart: Restart::Permanent,
            stop_within: STOP_WITHIN,
            stall: None,
            silence: None,
            on_silence: None,
        }
    }
}

impl<A: Messages> Children<A> {
    /// No children yet.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        let (supervisor, each) = (Mutex::default(), Mutex::default());
        Children(Arc::new(Shared { site: Location::caller(), supervisor, each }), PhantomData)
    }

    /// Spawns a child, if the tree runs. See [`SupervisorRef::spawn`].
    ///
    /// # Errors
    /// [`SpawnError::Closed`] before the tree has started and when it has ended, or is being restarted;
    /// [`SpawnError::TooManyChildren`].
    #[track_caller]
    pub fn spawn(&self, factory: impl FnMut() -> A + Send + 'static) -> Result<A::Ref, SpawnError> {
        self.actor(factory).spawn()
    }

    /// A child to be spawned, with settings of its own.
    #[track_caller]
    pub fn actor(&self, factory: impl FnMut() -> A + Send + 'static) -> Spawn<A> {
        let Each { restart, stop_within, stall, silence, on_silence } = *self.0.each.lock();
        let mut spawn = Spawn::new(self.supervisor(), factory).restart(restart).stop_within(stop_within);
        if let Some(limit) = stall {
            spawn = spawn.stall(limit);
        }
        if let Some(limit) = silence {
            spawn = spawn.silence(limit);
        }
        if let Some(remedy) = on_silence {
            spawn = spawn.on_silence(remedy);
        }
        spawn
    }

    /// The supervisor in the slot; `None` before it is started and when it has ended.
    #[must_use]
    pub fn supervisor(&self) -> Option<SupervisorRef> {
        let supervisor = self.0.supervisor.lock().clone();
        supervisor.filter(|supervisor| supervisor.is_alive())
    }

    /// The settings of the slot, under this id; [`ChildrenSpec::build`] makes a spec of them.
    pub fn settings(&self, id: impl Into<String>) -> ChildrenSpec {
        ChildrenSpec {
            id: id.into(),
            name: None,
            each: Each::default(),
            limit_of_type: A::settings().silence,
            max: usize::MAX,
            backoff: None,
            intensity: None,
            shared: self.0.clone(),
        }
    }
}

impl<A: Messages> Slot for Children<A> {
    type Settings = ChildrenSpec;
    const MAY_LIMIT_SILENCE: bool = A::MAY_LIMIT_SILENCE;

    fn spec(&self, id: &str, say: impl FnOnce(ChildrenSpec) -> ChildrenSpec) -> ChildSpec {
        say(self.settings(id)).build()
    }
}

impl<A: Messages> Clone for Children<A> {
    fn clone(&self) -> Self {
        Children(self.0.clone(), PhantomData)
    }
}

impl<A: Messages> Default for Children<A> {
    #[track_caller]
    fn default() -> Self {
        Children::new()
    }
}

impl<A: Messages> fmt::Debug for Children<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Children").field(&*self.0.supervisor.lock()).finish()
    }
}

/// The settings of [`Children`].
#[must_use = "nothing is made of them until `build` is called"]
pub struct ChildrenSpec {
    id: String,
    name: Option<String>,
    each: Each,
    /// How long the type says that each may hear of nobody.
    limit_of_type: Option<Duration>,
    max: usize,
    backoff: Option<Backoff>,
    intensity: Option<(u32, Duration)>,
    shared: Arc<Shared>,
}

impl ChildrenSpec {
    /// When each child is started again; [`Restart::Permanent`] unless said.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.each.restart = restart;
        self
    }

    /// How long each child may take to stop; 5 s unless said. With zero it is killed at once.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.each.stop_within = limit;
        self
    }

    /// How long a handler of each child may take; what the type says, or no limit, unless said. See [`Spawn::stall`].
    pub fn stall(mut self, limit: Duration) -> Self {
        self.each.stall = Some(limit);
        self
    }

    /// How long each child may hear of nobody; what the type says, or no limit, unless said. See [`Spawn::silence`].
    pub fn silence(mut self, limit: Duration) -> Self {
        self.each.silence = Some(limit);
        self
    }

    /// What becomes of a child that has exceeded that; what the type says unless said. Without a limit, of the type or
    /// said here, that is a [`TreeError::NoSilence`](crate::TreeError::NoSilence).
    pub fn on_silence(mut self, remedy: Remedy) -> Self {
        self.each.on_silence = Some(remedy);
        self
    }

    /// Each child is started again after a delay; at once unless said.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.backoff = Some(backoff.into());
        self
    }

    /// The most children at a time; no limit unless said.
    pub fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// The most restarts of these children within `window`; 5 in 10 s unless said. One more, and their supervisor
    /// fails, which the one above counts as one failure.
    pub fn intensity(mut self, restarts: u32, window: Duration) -> Self {
        self.intensity = Some((restarts, window));
        self
    }

    /// A name to look the children's supervisor up by.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The spec.
    pub fn build(self) -> ChildSpec {
        let ChildrenSpec { id, name, each, limit_of_type, max, backoff, intensity, shared } = self;
        *shared.each.lock() = each;
        let site = shared.site;
        let settings = move |supervisor: SupervisorBuilder| {
            let supervisor = supervisor.dynamic().max_children(max);
            let supervisor = match intensity {
                Some((restarts, window)) => supervisor.intensity(restarts, window),
                None => supervisor,
            };
            match backoff {
                Some(backoff) => supervisor.backoff(backoff),
                None => supervisor,
            }
        };
        let started = move |supervisor: &SupervisorRef| {
            let _before = shared.supervisor.lock().replace(supervisor.clone());
        };
        let mut spec = ChildSpec::of_supervisor(id, MakeSupervisor { settings, started }, site);
        // Said for the check of the tree; each child has its own from here.
        (spec.settings.silence, spec.settings.on_silence) = (each.silence.or(limit_of_type), each.on_silence);
        match name {
            Some(name) => spec.name(name),
            None => spec,
        }
    }
}

impl fmt::Debug for ChildrenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildrenSpec").field("id", &self.id).field("max", &self.max).finish_non_exhaustive()
    }
}

/// A tree in a slot of another one. Dereferences to the struct, and with it to its children.
pub struct Subtree<T>(Arc<T>, &'static Location<'static>);

impl<T: Tree> Subtree<T> {
    /// What `tree` describes, as a child.
    #[track_caller]
    pub fn new(tree: T) -> Self {
        Subtree(Arc::new(tree), Location::caller())
    }
}

impl<T: Tree> Slot for Subtree<T> {
    type Settings = ChildSpec;

    fn spec(&self, id: &str, say: impl FnOnce(ChildSpec) -> ChildSpec) -> ChildSpec {
        let tree = self.0.clone();
        let settings = move |builder| tree.build(builder);
        let make = MakeSupervisor { settings, started: |_: &SupervisorRef| {} };
        say(ChildSpec::of_supervisor(id, make, self.1))
    }
}

impl<T> Deref for Subtree<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Subtree<T> {
    fn clone(&self) -> Self {
        Subtree(self.0.clone(), self.1)
    }
}

impl<T: fmt::Debug> fmt::Debug for Subtree<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subtree").field(&self.0).finish()
    }
}
