//! Which worker waits for a socket.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actor_core::SystemHandle;

use super::MioDriver;
use crate::budget::Budget;

/// A socket's place with a driver: taken when the driver is chosen, so that of many sockets that are
/// accepted at once each sees those before it.
pub(crate) struct Berth(With);

enum With {
    Driver(Arc<MioDriver>),
    /// No driver, but a simulation.
    #[cfg(feature = "sim")]
    Simulation(crate::sim::Berth),
}

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
        super::mine().map(Berth::with)
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
        // Relaxed: a number that guards nothing.
        let driver = active.min_by_key(|driver| driver.berthed.load(Ordering::Relaxed));
        driver.map(Berth::with).ok_or_else(super::no_driver)
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
        of(system, shard % system.parallelism()).map(Berth::with).ok_or_else(super::no_driver)
    }

    fn with(driver: Arc<MioDriver>) -> Berth {
        // Relaxed, here and below: it guards nothing.
        driver.berthed.fetch_add(1, Ordering::Relaxed);
        Berth(With::Driver(driver))
    }

    /// One in the simulation that this thread is in.
    #[cfg(feature = "sim")]
    fn simulated() -> Option<Berth> {
        crate::sim::Berth::here().map(|berth| Berth(With::Simulation(berth)))
    }

    /// The driver; none in a simulation.
    pub(super) fn driver(&self) -> Option<&MioDriver> {
        match &self.0 {
            With::Driver(driver) => Some(driver),
            #[cfg(feature = "sim")]
            With::Simulation(_) => None,
        }
    }

    /// What the connections of the system may have waiting.
    pub(super) fn budget(&self) -> &Budget {
        match &self.0 {
            With::Driver(driver) => &driver.budget,
            #[cfg(feature = "sim")]
            With::Simulation(berth) => berth.budget(),
        }
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        if let Some(driver) = self.driver() {
            driver.berthed.fetch_sub(1, Ordering::Relaxed);
        }
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
    if let Some(berthed) = crate::sim::Berth::all_here() {
        return vec![berthed];
    }
    let count = |worker| of(system, worker).map_or(0, |driver| driver.berthed.load(Ordering::Relaxed));
    (0..system.workers()).map(count).collect()
}
