//! Supervisors to be spawned, and the settings of those that are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{SpawnError, TreeError};
use crate::spawn::{Spawn, Start};
use crate::supervisor::intensity::Intensity;
use crate::supervisor::{
    AutoShutdown, Backoff, ChildSpec, Restart, Strategy, Supervisor, SupervisorRef, Tree,
};
use crate::system::SystemHandle;

/// What a supervisor is to do, the same through all its incarnations.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(super) strategy: Strategy,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) restarts: u32,
    pub(super) window: Duration,
    /// Whether the children are stopped all at once, not one after the other.
    pub(super) dynamic: bool,
    /// The most children that are added at run time without a slot.
    pub(super) max: usize,
    /// Of those.
    pub(super) backoff: Option<Backoff>,
    pub(super) specs: Vec<ChildSpec>,
}

impl Blueprint {
    /// A supervisor that has no slots yet and restarts one by one.
    pub(crate) fn new(restarts: u32, window: Duration) -> Blueprint {
        Blueprint {
            strategy: Strategy::default(),
            auto_shutdown: AutoShutdown::default(),
            restarts,
            window,
            dynamic: false,
            max: usize::MAX,
            backoff: None,
            specs: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), TreeError> {
        if self.restarts > 0 && self.window.is_zero() {
            return Err(TreeError::NoWindow);
        }
        if self.dynamic && (!self.specs.is_empty() || self.strategy != Strategy::OneForOne) {
            return Err(TreeError::DynamicSlots);
        }
        if self.dynamic && self.auto_shutdown != AutoShutdown::Never {
            return Err(TreeError::DynamicShutdown);
        }
        let mut ids = HashSet::new();
        for spec in &self.specs {
            spec.check(self.auto_shutdown != AutoShutdown::Never)?;
            if !ids.insert(&*spec.id) {
                return Err(TreeError::IdTaken(spec.id.to_string()));
            }
        }
        Ok(())
    }
}

/// A supervisor to be spawned: its strategy, its children, and what else OTP has in the supervisor flags.
///
/// Children that are known beforehand have a slot each, in the order in which they are given
/// ([`child`](Self::child)). [`start`](Self::start) starts them one after the other and is ready when all are
/// there. Others are added at run time: with a slot by
/// [`start_child`](SupervisorRef::start_child), without one by [`spawn`](SupervisorRef::spawn). Those without
/// are restarted one by one, whatever the strategy, and can be very many.
#[must_use = "nothing is spawned until `spawn` or `start` is called"]
#[derive(Debug)]
pub struct SupervisorBuilder {
    system: SystemHandle,
    parent: Option<SupervisorRef>,
    name: Option<String>,
    restart: Restart,
    blueprint: Blueprint,
}

impl SupervisorBuilder {
    pub(crate) fn new(system: SystemHandle) -> Self {
        SupervisorBuilder {
            system,
            parent: None,
            name: None,
            restart: Restart::Transient,
            blueprint: Blueprint::new(Intensity::RESTARTS, Intensity::WINDOW),
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

    /// The strategy and the children that a struct describes which derives `Supervisor`.
    pub fn tree(self, tree: &impl Tree) -> Self {
        tree.build(self)
    }

    /// A child that has a slot, behind those given before.
    pub fn child(mut self, spec: ChildSpec) -> Self {
        self.blueprint.specs.push(spec);
        self
    }

    /// Which of the slots are restarted when the child of one fails; [`Strategy::OneForOne`] unless said.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.blueprint.strategy = strategy;
        self
    }

    /// The most restarts within `window`; 5 in 10 s unless said. Starts that fail during a restart count too.
    /// One more, and the supervisor stops its children and fails with
    /// [`StopReason::Escalated`](crate::StopReason::Escalated), which is its own supervisor's business then.
    pub fn intensity(mut self, restarts: u32, window: Duration) -> Self {
        self.blueprint.restarts = restarts;
        self.blueprint.window = window;
        self
    }

    /// When this supervisor itself is started again, with the children that were given here;
    /// [`Restart::Transient`] unless said.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Whether the supervisor ends when children that are
    /// [significant](ChildSpec::significant) have; [`AutoShutdown::Never`] unless said.
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.blueprint.auto_shutdown = when;
        self
    }

    /// The children are many and alike, and have no slots: at the end they are stopped all at once, each with
    /// its own deadline, not one after the other in reverse order of their start. OTP's
    /// `simple_one_for_one`.
    pub fn dynamic(mut self) -> Self {
        self.blueprint.dynamic = true;
        self
    }

    /// The most children without a slot at a time; no limit unless said. One that ends makes room for another.
    pub fn max_children(mut self, max: usize) -> Self {
        self.blueprint.max = max;
        self
    }

    /// Children without a slot are started again after a delay; at once unless said. For the others it is in
    /// their [spec](ChildSpec::backoff).
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Self {
        self.blueprint.backoff = Some(backoff.into());
        self
    }

    /// Spawns the supervisor and returns at once. If the start of a child fails, those that were started before
    /// are stopped in reverse order, and the supervisor ends with
    /// [`StopReason::StartFailed`](crate::StopReason::StartFailed).
    ///
    /// # Errors
    /// [`SpawnError::Tree`] if the settings contradict each other; [`SpawnError::NameTaken`],
    /// [`SpawnError::BadName`], and [`SpawnError::Closed`] if the supervisor above is ending.
    #[track_caller]
    pub fn spawn(self) -> Result<SupervisorRef, SpawnError> {
        self.into_spawn()?.spawn()
    }

    /// Spawns the supervisor and waits until it has started its children. Await it, or `.wait()` for it on a
    /// plain thread. Dropped before that, the supervisor goes on without anybody waiting.
    ///
    /// Its errors are those of [`spawn`](Self::spawn), and [`SpawnError::Failed`] if a child did not start.
    #[track_caller]
    pub fn start(self) -> Start<Supervisor> {
        match self.into_spawn() {
            Ok(spawn) => spawn.start(),
            Err(error) => Start::refused(error),
        }
    }

    #[track_caller]
    pub(super) fn into_spawn(self) -> Result<Spawn<Supervisor>, SpawnError> {
        self.blueprint.check().map_err(|error| SpawnError::Tree(Arc::new(error)))?;
        let max = self.blueprint.max;
        let blueprint = Arc::new(self.blueprint);
        let spawn = self.system.actor(move || Supervisor::new(blueprint.clone()));
        let spawn = match &self.parent {
            Some(parent) => spawn.under(parent),
            None => spawn,
        };
        let spawn = match self.name {
            Some(name) => spawn.name(name),
            None => spawn,
        };
        // It waits for its children, each of which has a deadline of its own.
        Ok(spawn.restart(self.restart).stop_within(Duration::MAX).room(max))
    }
}
