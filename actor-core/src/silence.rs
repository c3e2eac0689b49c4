//! Actors that hear of nobody for too long: what is said of them. How that is seen: `cell/silence.rs`.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::cell::ActorId;
use crate::remedy::Remedy;

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
    pub done: Remedy,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silence { actor, name, site, limit, .. } = self;
        write!(f, "{name}{actor}, spawned at {}:{}, for {limit:?}", site.file(), site.line())
    }
}
