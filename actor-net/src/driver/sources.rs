//! What is registered with a driver, and for whom.

use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::port::{Readiness, Ready};
use mio::{Events, Interest, Token};
use slab::Slab;

use super::{MioDriver, WAKER, flags};

/// A token is a slot in its lower half and a generation in its upper half. The generation tells a
/// source from the one that had the slot before, whose last events may still be under way.
const SLOT_BITS: u32 = usize::BITS / 2;
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;

/// The sources of one driver.
#[derive(Default)]
pub(super) struct Sources(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    slots: Slab<Slot>,
    generation: usize,
}

struct Slot {
    token: Token,
    readiness: Readiness,
}

impl Sources {
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, readiness: Readiness) -> io::Result<Token> {
        let mut slots = self.lock();
        let slot = slots.slots.vacant_key();
        // The last slot stays free: its token could be the waker's.
        if slot >= SLOT_MASK {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "too many sockets in a worker",
            ));
        }
        slots.generation = slots.generation.wrapping_add(1);
        let token = Token(slots.generation << SLOT_BITS | slot);
        slots.slots.insert(Slot { token, readiness });
        Ok(token)
    }

    fn remove(&self, token: Token) {
        let mut slots = self.lock();
        let slot = token.0 & SLOT_MASK;
        if slots.slots.get(slot).is_some_and(|at| at.token == token) {
            slots.slots.remove(slot);
        }
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
            let slot = slots.slots.get(event.token().0 & SLOT_MASK);
            if let Some(slot) = slot.filter(|slot| slot.token == event.token()) {
                found.push((slot.readiness.clone(), flags(event)));
            }
        }
    }
}

/// A socket that leaves its driver when it is dropped.
pub(crate) struct Source<S: mio::event::Source> {
    inner: S,
    registered: Option<(Arc<MioDriver>, Token)>,
}

impl<S: mio::event::Source> Source<S> {
    /// A socket that is with no driver yet.
    pub(crate) fn new(inner: S) -> Source<S> {
        Source {
            inner,
            registered: None,
        }
    }

    /// Registers with the driver of this worker, once and for good. From now on what happens at
    /// the socket is flagged at `readiness`, beginning with what is so already.
    ///
    /// # Errors
    ///
    /// If this thread is no worker of a system with sockets, or the system refuses.
    pub(crate) fn register(&mut self, readiness: Readiness) -> io::Result<()> {
        let driver = super::mine()?;
        let token = driver.sources.insert(readiness)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = driver.registry.register(&mut self.inner, token, interest) {
            driver.sources.remove(token);
            return Err(error);
        }
        self.registered = Some((driver, token));
        Ok(())
    }
}

impl<S: mio::event::Source> Deref for Source<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.inner
    }
}

impl<S: mio::event::Source> Drop for Source<S> {
    fn drop(&mut self) {
        if let Some((driver, token)) = self.registered.take() {
            driver.sources.remove(token);
            if let Err(error) = driver.registry.deregister(&mut self.inner) {
                tracing::debug!(%error, "a socket did not leave its poll");
            }
        }
    }
}
