//! What is registered with a driver, and for whom.

use std::io;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actor_core::SystemHandle;
use actor_core::port::{Readiness, Ready};
use mio::{Events, Interest, Token};
use slab::Slab;

use super::{Berth, Quay, WAKER, flags};
use crate::budget::Budget;

/// A token is a slot in its lower half and a generation in its upper half. The generation tells a
/// source from the one that had the slot before, whose last events may still be under way.
const SLOT_BITS: u32 = usize::BITS / 2;
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;

/// The token of what no driver waits for, as in a simulation.
const NONE: Token = WAKER;

/// The sources of one driver.
#[derive(Default)]
pub(super) struct Sources(Mutex<Slots<Readiness>>);

/// Values by token, in slots that are used again.
struct Slots<T> {
    slots: Slab<(Token, T)>,
    generation: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { slots: Slab::new(), generation: 0 }
    }
}

impl<T> Slots<T> {
    /// `None` if there is no slot left.
    fn insert(&mut self, value: T) -> Option<Token> {
        let slot = self.slots.vacant_key();
        // The last slot stays free: its token could be the waker's.
        if slot >= SLOT_MASK {
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        let token = Token(self.generation << SLOT_BITS | slot);
        self.slots.insert((token, value));
        Some(token)
    }

    fn get(&self, token: Token) -> Option<&T> {
        let (at, value) = self.slots.get(token.0 & SLOT_MASK)?;
        (*at == token).then_some(value)
    }

    fn remove(&mut self, token: Token) -> Option<T> {
        self.get(token)?;
        Some(self.slots.remove(token.0 & SLOT_MASK).1)
    }
}

impl Sources {
    fn lock(&self) -> MutexGuard<'_, Slots<Readiness>> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, readiness: Readiness) -> io::Result<Token> {
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, "too many sockets in a worker");
        self.lock().insert(readiness).ok_or_else(full)
    }

    fn remove(&self, token: Token) {
        // Bound, so that it is dropped after the lock.
        let _removed = self.lock().remove(token);
    }

    /// Looks up whom the events are for. Events for sources that are gone are dropped.
    ///
    /// The flags are set later, without the lock: setting one may end an actor, whose sockets
    /// then take the lock to leave.
    pub(super) fn find(&self, events: &Events, found: &mut Vec<(Readiness, Ready)>) {
        if events.is_empty() {
            return;
        }
        let slots = self.lock();
        for event in events.iter().filter(|event| event.token() != WAKER) {
            if let Some(readiness) = slots.get(event.token()) {
                found.push((readiness.clone(), flags(event)));
            }
        }
    }
}

/// A socket that a driver waits for.
pub(crate) trait Socket: mio::event::Source {
    /// The same in a simulation, without a driver: what happens at the socket is flagged at `readiness`, beginning with what is so
    /// already.
    #[cfg(feature = "sim")]
    fn watch(&self, readiness: &Readiness) -> io::Result<()>;
}

/// A socket that leaves its driver when it is dropped.
pub(crate) struct Source<S: Socket> {
    inner: S,
    registered: Option<(Berth, Token)>,
}

impl<S: Socket> Source<S> {
    /// A socket that is with no driver yet.
    pub(crate) fn new(inner: S) -> Source<S> {
        Source { inner, registered: None }
    }

    /// Registers with a driver. From now on what happens at the socket is flagged at
    /// `readiness`, beginning with what is so already.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub(crate) fn register(&mut self, berth: Berth, readiness: Readiness) -> io::Result<()> {
        let Quay { registry, sources, .. } = berth.quay();
        let Some(registry) = registry else {
            #[cfg(feature = "sim")]
            self.inner.watch(&readiness)?;
            self.registered = Some((berth, NONE));
            return Ok(());
        };
        let token = sources.insert(readiness)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = registry.register(&mut self.inner, token, interest) {
            sources.remove(token);
            return Err(error);
        }
        self.registered = Some((berth, token));
        Ok(())
    }
}

impl<S: Socket> Source<S> {
    /// Moves to the driver of another berth, unless that is no better; says whether it has. What happens meanwhile is not lost: the
    /// new driver flags what is so when the socket comes.
    ///
    /// # Errors
    ///
    /// If the system refuses; then it is with no driver.
    pub(crate) fn relocate(
        &mut self,
        berth: Berth,
        readiness: Readiness,
        system: &SystemHandle,
    ) -> io::Result<bool> {
        let Some((old, token)) = self.registered.take_if(|(old, _)| old.is_worse_than(&berth, system)) else {
            return Ok(false);
        };
        // Events that the old driver has found already still come to the actor; later ones find no source.
        if let Quay { registry: Some(registry), sources, .. } = old.quay() {
            sources.remove(token);
            registry.deregister(&mut self.inner)?;
        }
        self.register(berth, readiness)?;
        Ok(true)
    }

    /// The driver that it is with, by [`Berth::whose`].
    pub(crate) fn whose(&self) -> Option<usize> {
        self.registered.as_ref().map(|(berth, _)| berth.whose())
    }

    /// What the driver's connections may have waiting; `None` before it is registered.
    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.registered.as_ref().map(|(berth, _)| berth.budget())
    }
}

impl<S: Socket> Deref for Source<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.inner
    }
}

impl<S: Socket> Drop for Source<S> {
    fn drop(&mut self) {
        if let Some((berth, token)) = self.registered.take()
            && let Quay { registry: Some(registry), sources, .. } = berth.quay()
        {
            sources.remove(token);
            if let Err(error) = registry.deregister(&mut self.inner) {
                tracing::debug!(%error, "a socket did not leave its poll");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_but_its_old_token_means_nothing() {
        let mut slots = Slots::default();
        let first = slots.insert("first").unwrap();
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second").unwrap();
        assert_eq!(second.0 & SLOT_MASK, first.0 & SLOT_MASK);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
    }
}
