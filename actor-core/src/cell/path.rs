//! An actor's number, and where it stands in the tree.

use std::fmt;

use crate::asks::Asking;

/// Tells actors apart; the same through all incarnations. Unique within a system, in the order of
/// spawning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(pub(crate) u64);

impl ActorId {
    /// That of no actor.
    pub(crate) const NOBODY: ActorId = ActorId(u64::MAX);
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where an actor stands in the tree: its supervisors' names and its own, or its type and number.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    /// The supervisor's path, as far as it is part of this one; `None` for the root.
    pub(super) prefix: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) of: &'static str,
    pub(super) id: ActorId,
}

impl Path<'_> {
    /// The actor, as one end of an ask.
    pub(crate) fn asking(&self) -> Asking {
        Asking { actor: self.id, name: self.of }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix, self.name) {
            (None, _) => f.write_str("/"),
            (Some(prefix), Some(name)) => write!(f, "{prefix}/{name}"),
            (Some(prefix), None) => write!(f, "{prefix}/{}{}", self.of, self.id),
        }
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
