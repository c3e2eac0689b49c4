//! Which worker waits for a socket.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actor_core::SystemHandle;

use super::MioDriver;
use super::sources::Sources;
use crate::budget::Budget;

/// What a driver and its sockets share.
pub(crate) struct Quay {
    /// The poll's registry, so that registering does not wait for a worker that is parked. In a simulation there is no poll.
    pub(super) registry: Option<mio::Registry>,
    pub(super) sources: Sources,
    /// How many sources have a berth here: those that are registered, and those on their way.
    berthed: AtomicUsize,
    /// What its connections may have waiting.
    budget: Budget,
}

impl Quay {
    pub(crate) fn new(registry: Option<mio::Registry>, budget: Budget) -> Quay {
        Quay { registry, sources: Sources::default(), berthed: AtomicUsize::new(0), budget }
    }

    /// How many sockets are here.
    pub(crate) fn berthed(&self) -> usize {
        // Relaxed, here and below: a number that guards nothing.
        self.berthed.load(Ordering::Relaxed)
    }
}

/// A socket's place with a driver: taken when the driver is chosen, so that of many sockets that are
/// accepted at once each sees those before it.
pub(crate) struct Berth(Arc<Quay>);

impl Berth {
    /// One with the driver of this worker.
    ///
    /// # Errors
    ///
    /// If this thread is no worker of a system with sockets.
    pub(crate) fn mine() -> io::Result<Berth> {
        #[cfg(feature = "sim")]
        if let Some(berth) = Berth::simulated() {
            return Ok(berth);
        }
        Ok(Berth::at(&super::mine()?.quay))
    }

    /// One with the driver that has the fewest, of those of active workers.
    ///
    /// # Errors
    ///
    /// If the workers of the system cannot wait for sockets.
    pub(crate) fn least_loaded(system: &SystemHandle) -> io::Result<Berth> {
        #[cfg(feature = "sim")]
        if let Some(berth) = Berth::simulated() {
            return Ok(berth);
        }
        let active = (0..system.parallelism()).filter_map(|worker| of(system, worker));
        let driver = active.min_by_key(|driver| driver.quay.berthed());
        driver.map(|driver| Berth::at(&driver.quay)).ok_or_else(super::no_driver)
    }

    /// One with the driver of an active worker: the same one for the same number, as long as there are as many.
    ///
    /// # Errors
    ///
    /// As with [`least_loaded`](Self::least_loaded).
    pub(crate) fn of_shard(system: &SystemHandle, shard: usize) -> io::Result<Berth> {
        #[cfg(feature = "sim")]
        if let Some(berth) = Berth::simulated() {
            return Ok(berth);
        }
        let driver = of(system, shard % system.parallelism());
        driver.map(|driver| Berth::at(&driver.quay)).ok_or_else(super::no_driver)
    }

    /// The driver that it is with: the same number for the same driver.
    pub(crate) fn whose(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether a socket of this berth would be better off in the other, which is taken for it: the worker is retired, or waits for
    /// more than the other does with it.
    pub(super) fn is_worse_than(&self, other: &Berth, system: &SystemHandle) -> bool {
        let mut active = (0..system.parallelism()).filter_map(|worker| of(system, worker));
        let is_retired = !active.any(|driver| Arc::ptr_eq(&driver.quay, &self.0));
        self.whose() != other.whose() && (is_retired || self.0.berthed() > other.0.berthed())
    }

    fn at(quay: &Arc<Quay>) -> Berth {
        quay.berthed.fetch_add(1, Ordering::Relaxed);
        Berth(quay.clone())
    }

    /// One in the simulation that this thread is in.
    #[cfg(feature = "sim")]
    fn simulated() -> Option<Berth> {
        crate::sim::quay().map(|quay| Berth::at(&quay))
    }

    pub(super) fn quay(&self) -> &Quay {
        &self.0
    }

    /// What the connections of the system may have waiting.
    pub(super) fn budget(&self) -> &Budget {
        &self.0.budget
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.0.berthed.fetch_sub(1, Ordering::Relaxed);
    }
}

fn of(system: &SystemHandle, worker: usize) -> Option<Arc<MioDriver>> {
    let driver = system.driver(worker)?.clone();
    (driver as Arc<dyn Any + Send + Sync>).downcast().ok()
}

/// How many sockets each worker of `system` waits for, those of listeners included; 0 for each that
/// cannot wait for any.
///
/// ```
/// let system = actor_net::builder().workers(2).build()?;
/// assert_eq!(actor_net::sockets(&system), [0, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn sockets(system: &SystemHandle) -> Vec<usize> {
    #[cfg(feature = "sim")]
    if let Some(berthed) = crate::sim::berthed() {
        return vec![berthed];
    }
    let count = |worker| of(system, worker).map_or(0, |driver| driver.quay.berthed());
    (0..system.workers()).map(count).collect()
}

/// How many sockets each driver has too many: over what each active worker would have if all had as many. All of those of retired
/// workers. By [`Berth::whose`].
pub(crate) fn surplus(system: &SystemHandle) -> HashMap<usize, usize> {
    let drivers: Vec<_> = (0..system.workers()).filter_map(|worker| of(system, worker)).collect();
    let count = |driver: &Arc<MioDriver>| driver.quay.berthed();
    let active = system.parallelism().min(drivers.len()).max(1);
    let each = drivers.iter().map(count).sum::<usize>().div_ceil(active);
    let over = drivers.iter().enumerate().map(|(worker, driver)| {
        let most = if worker < active { each } else { 0 };
        (Arc::as_ptr(&driver.quay).addr(), count(driver).saturating_sub(most))
    });
    over.filter(|(_, over)| *over > 0).collect()
}
