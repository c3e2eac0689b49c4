//! Names: one living actor each, found by lookup. A name belongs to the cell, not to an
//! incarnation, and is free again before the first `Down` is sent.

use std::any::Any;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::actor::Messages;
use crate::actor_ref::ActorRef;
use crate::cell::ActorId;
use crate::error::{LookupError, SpawnError};

#[derive(Default)]
pub(crate) struct Names(DashMap<Arc<str>, Named>);

struct Named {
    id: ActorId,
    of: &'static str,
    /// An `ActorRef<A>`.
    actor: Box<dyn Any + Send + Sync>,
}

impl Names {
    pub(crate) fn claim<A: Messages>(&self, name: &Arc<str>, actor: ActorRef<A>) -> Result<(), SpawnError> {
        match self.0.entry(name.clone()) {
            Entry::Occupied(_) => Err(SpawnError::NameTaken(name.to_string())),
            Entry::Vacant(free) => {
                free.insert(Named { id: actor.id(), of: std::any::type_name::<A>(), actor: Box::new(actor) });
                Ok(())
            }
        }
    }

    pub(crate) fn release(&self, name: &str, id: ActorId) {
        // Bound, so that the ref is dropped after the map's lock is free.
        let _released = self.0.remove_if(name, |_, named| named.id == id);
    }

    pub(crate) fn lookup<A: Messages>(&self, name: &str) -> Result<ActorRef<A>, LookupError> {
        let Some(named) = self.0.get(name) else {
            return Err(LookupError::NotFound(name.to_owned()));
        };
        match named.actor.downcast_ref::<ActorRef<A>>() {
            Some(actor) => Ok(actor.clone()),
            None => Err(LookupError::WrongType {
                name: name.to_owned(),
                wanted: std::any::type_name::<A>(),
                found: named.of,
            }),
        }
    }
}
