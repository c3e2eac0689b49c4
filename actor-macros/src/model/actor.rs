//! The actor that `#[derive(Actor)]` makes.

use std::time::Duration;

use syn::{Data, Generics, Ident, Visibility};

/// A type that is to be an actor.
pub(crate) struct Actor {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    pub(crate) settings: Settings,
    /// Its fields, for the trace of the refs in them.
    pub(crate) data: Data,
    /// Whether fields may not be borrowed, since they are packed.
    pub(crate) is_packed: bool,
}

/// What `#[actor(..)]` set; `None` where the default holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) soft_quantum: Option<Duration>,
    pub(crate) hard_quantum: Option<Duration>,
    pub(crate) clear_on_restart: bool,
    pub(crate) stall: Option<Duration>,
    pub(crate) silence: Option<Duration>,
    pub(crate) on_silence: Option<Remedy>,
}

/// What becomes of an actor that nobody else would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Report,
    Stop,
    Restart,
}

impl Remedy {
    /// The policies as users write them, in the order of [`ALL`](Self::ALL).
    pub(crate) const NAMES: [&str; 3] = ["report", "stop", "restart"];

    const ALL: [Remedy; 3] = [Remedy::Report, Remedy::Stop, Remedy::Restart];

    pub(crate) fn named(name: &str) -> Option<Remedy> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Some(Self::ALL[place])
    }
}

/// How many messages may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mailbox {
    Unbounded,
    Room(u32),
}

/// What happens to a message that finds the mailbox full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    Reject,
    Wait,
    DropNewest,
    DropOldest,
}

impl Overflow {
    /// The policies as users write them, in the order of [`ALL`](Self::ALL).
    pub(crate) const NAMES: [&str; 4] = ["reject", "wait", "drop_newest", "drop_oldest"];

    const ALL: [Overflow; 4] = [Overflow::Reject, Overflow::Wait, Overflow::DropNewest, Overflow::DropOldest];

    pub(crate) fn named(name: &str) -> Option<Overflow> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Some(Self::ALL[place])
    }
}
