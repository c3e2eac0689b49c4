//! Actors that hear of nobody for too long: what becomes of them, and what is said of them. How that is seen:
//! `cell/silence.rs`.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::cell::ActorId;

/// What becomes of an actor that is silent for longer than its limit; see [`Spawn::silence`](crate::Spawn::silence).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnSilence {
    /// It is reported, once for each time that it falls silent.
    Report,
    /// It is stopped for good, as its supervisor would: `#[stopped]` runs, a connection is closed in good order, and a
    /// permanent actor does not come back.
    #[default]
    Stop,
    /// Its incarnation fails with [`StopReason::Silent`](crate::StopReason::Silent): that is the supervisor's business, as a
    /// panic is.
    Restart,
}

/// An actor that has been silent for longer than its limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Silence {
    /// The actor.
    pub actor: ActorId,
    /// The name of its type, without its path.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// Its limit.
    pub limit: Duration,
    /// What was done.
    pub done: OnSilence,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silence { actor, name, site, limit, .. } = self;
        write!(f, "{name}{actor}, spawned at {}:{}, for {limit:?}", site.file(), site.line())
    }
}
