//! Who is to be told when a server drains, and who has something in flight then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actor_core::driver::{Driver, Parker};
use actor_core::port::{self, Readiness, Ready};
use slab::Slab;

use super::shared::Shared;

/// The ports of a server's connections, and of its acceptor.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ports: Slab<Member>,
    draining: bool,
    /// How many have something in flight, or have not said that they have not. Only while it drains.
    busy: usize,
    /// The threads that wait for nobody to be busy. Parkers, since a simulation has the others go on while one waits.
    waiting: Vec<Arc<Parker>>,
}

#[derive(Debug)]
struct Member {
    port: Whose,
    busy: bool,
}

#[derive(Clone, Debug)]
enum Whose {
    Acceptor(Readiness),
    Connection(Weak<Shared>),
}

impl Whose {
    fn readiness(&self) -> Option<Readiness> {
        match self {
            Whose::Acceptor(readiness) => Some(readiness.clone()),
            Whose::Connection(shared) => shared.upgrade().map(|shared| shared.readiness()),
        }
    }
}

impl Crowd {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an acceptor's port, which is to [leave](Self::leave) with the key that this gives.
    pub(crate) fn enter_acceptor(&self, readiness: Readiness) -> usize {
        self.enter(Whose::Acceptor(readiness))
    }

    /// The same with a connection's.
    pub(super) fn enter_connection(&self, shared: &Arc<Shared>) -> usize {
        self.enter(Whose::Connection(Arc::downgrade(shared)))
    }

    /// All connections there are.
    pub(super) fn connections(&self) -> Vec<Weak<Shared>> {
        let connection = |(_, member): (usize, &Member)| match &member.port {
            Whose::Connection(shared) => Some(shared.clone()),
            Whose::Acceptor(_) => None,
        };
        self.lock().ports.iter().filter_map(connection).collect()
    }

    fn enter(&self, port: Whose) -> usize {
        let mut inner = self.lock();
        inner.busy += usize::from(inner.draining);
        let busy = inner.draining;
        inner.ports.insert(Member { port, busy })
    }

    pub(crate) fn leave(&self, key: usize) {
        let member = {
            let mut inner = self.lock();
            let member = inner.ports.remove(key);
            has_ended(&mut inner, member.busy);
            member
        };
        drop(member);
    }

    /// A port has nothing in flight. It is counted once, whatever comes later.
    pub(crate) fn is_quiet(&self, key: usize) {
        let mut inner = self.lock();
        let busy = inner.ports.get_mut(key).is_some_and(|member| std::mem::take(&mut member.busy));
        has_ended(&mut inner, busy);
    }

    /// Tells all, and waits until none has anything in flight, or the time is over. Says how long that took.
    pub(crate) fn drain(&self, limit: Duration) -> Duration {
        let parker = Arc::new(Parker::default());
        let told: Vec<Whose> = {
            let mut inner = self.lock();
            inner.waiting.push(parker.clone());
            if !std::mem::replace(&mut inner.draining, true) {
                inner.busy = inner.ports.len();
                inner.ports.iter_mut().for_each(|(_, member)| member.busy = true);
            }
            inner.ports.iter().map(|(_, member)| member.port.clone()).collect()
        };
        for readiness in told.iter().filter_map(Whose::readiness) {
            readiness.set(Ready::WAKE);
        }
        let start = port::now();
        let waited = loop {
            let waited = port::now().saturating_duration_since(start);
            if self.lock().busy == 0 || waited >= limit {
                break waited;
            }
            parker.park(Some(limit - waited));
        };
        self.lock().waiting.retain(|other| !Arc::ptr_eq(other, &parker));
        waited
    }
}

fn has_ended(inner: &mut Inner, busy: bool) {
    inner.busy -= usize::from(busy);
    if busy && inner.busy == 0 {
        inner.waiting.iter().for_each(|waiting| waiting.unpark());
    }
}
