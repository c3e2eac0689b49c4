//! The tree that `#[derive(Supervisor)]` describes.

use std::time::Duration;

use syn::{Generics, Ident, Type};

use crate::model::Remedy;

/// A struct whose fields are children.
pub(crate) struct Tree {
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) intensity: Option<Intensity>,
    pub(crate) auto_shutdown: Option<AutoShutdown>,
    pub(crate) children: Vec<Child>,
}

/// A field.
pub(crate) struct Child {
    pub(crate) field: Ident,
    pub(crate) ty: Type,
    pub(crate) restart: Option<Restart>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) significant: bool,
    pub(crate) stop: Option<Stop>,
    pub(crate) start: Option<Stop>,
    pub(crate) stall: Option<Duration>,
    pub(crate) silence: Option<Duration>,
    pub(crate) on_silence: Option<Remedy>,
    pub(crate) name: Option<String>,
    pub(crate) max: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Permanent,
    Transient,
    Temporary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoShutdown {
    Never,
    Any,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intensity {
    pub(crate) restarts: u32,
    pub(crate) window: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Within(Duration),
    AtOnce,
    Never,
}

impl Strategy {
    pub(crate) const NAMES: [(&str, Strategy); 3] = [
        ("one_for_one", Strategy::OneForOne),
        ("one_for_all", Strategy::OneForAll),
        ("rest_for_one", Strategy::RestForOne),
    ];
}

impl Restart {
    pub(crate) const NAMES: [(&str, Restart); 3] = [
        ("permanent", Restart::Permanent),
        ("transient", Restart::Transient),
        ("temporary", Restart::Temporary),
    ];
}

impl AutoShutdown {
    pub(crate) const NAMES: [(&str, AutoShutdown); 3] = [
        ("never", AutoShutdown::Never),
        ("any_significant", AutoShutdown::Any),
        ("all_significant", AutoShutdown::All),
    ];
}

impl Child {
    pub(crate) fn of(field: Ident, ty: Type) -> Child {
        Child {
            field,
            ty,
            restart: None,
            backoff: None,
            significant: false,
            stop: None,
            start: None,
            stall: None,
            silence: None,
            on_silence: None,
            name: None,
            max: None,
        }
    }

    /// Whether the field is any number of children, as far as its type tells.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.type_name().is_some_and(|name| name == "Children")
    }

    /// The last part of the type's name.
    pub(crate) fn type_name(&self) -> Option<&Ident> {
        match &self.ty {
            Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
            _ => None,
        }
    }
}
