//! What users say that has to hold: looked at between two steps.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::engine::Engine;
use super::run::text_of;
use crate::actor::Messages;
use crate::actor_ref::ActorRef;
use crate::system::SystemHandle;

/// A simulation between two steps, for an [invariant](super::Sim::invariant) to look at. What a system can tell is told by the
/// [`SystemHandle`] that it dereferences to.
pub struct Between<'a> {
    engine: &'a Engine,
}

impl Between<'_> {
    /// How much time has passed in the simulation.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.engine.world().passed()
    }

    /// Looks at an actor's state: see [`Sim::look`](super::Sim::look).
    pub fn look<A: Messages, R>(&self, actor: &ActorRef<A>, look: impl FnOnce(&A) -> R) -> Option<R> {
        self.engine.look(actor, look)
    }

    /// Whether nobody has anything to do before time passes.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.engine.rests()
    }
}

impl Deref for Between<'_> {
    type Target = SystemHandle;

    fn deref(&self) -> &SystemHandle {
        self.engine.system()
    }
}

impl std::fmt::Debug for Between<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Between").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// What has to hold.
pub(super) struct Invariant {
    name: String,
    holds: Box<dyn Fn(&Between<'_>)>,
}

impl Invariant {
    pub(super) fn new(name: String, holds: impl Fn(&Between<'_>) + 'static) -> Invariant {
        Invariant { name, holds: Box::new(holds) }
    }

    /// What does not hold, in a sentence.
    pub(super) fn broken(&self, engine: &Engine) -> Option<String> {
        let looked = catch_unwind(AssertUnwindSafe(|| (self.holds)(&Between { engine })));
        let why = looked.err()?;
        Some(format!("it does not hold that {}: {}", self.name, text_of(&*why)))
    }
}
