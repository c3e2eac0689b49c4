//! The mio driver: a worker of a system with sockets parks in its own mio poll.
//!
//! Each worker has one [`MioDriver`]. Its poll sits behind a lock, since a worker that has run dry
//! may look after the sockets of one that is busy. Sources are registered from any thread, once,
//! for reading and writing, and edge-triggered: an event sets flags in the actor's cell, and the
//! flags stay until the actor's port has found the socket to block.

mod berth;
mod sources;

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use actor_core::SystemHandle;
use actor_core::driver::Driver;
use actor_core::port::{Readiness, Ready, say};
use mio::event::Event;
use tracing::Level;

use crate::budget::Budget;

pub use berth::sockets;
pub(crate) use berth::{Berth, Quay, surplus};
pub(crate) use sources::{Socket, Source};

/// The builder of a system whose workers can wait for sockets.
///
/// ```
/// let system = actor_net::builder().workers(2).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn builder() -> actor_core::Builder {
    actor_core::System::builder().driver(driver())
}

/// Makes the drivers of a system with sockets, for a builder made elsewhere.
///
/// # Errors
///
/// The function it gives fails if the process has no descriptor left for a poll; building the
/// system fails with that error.
pub fn driver() -> impl Fn(usize) -> io::Result<Arc<dyn Driver>> + Send + Sync + 'static {
    drivers(Budget::default())
}

/// The same, with a [budget](Budget) for what waits to be sent in the system; otherwise it is
/// [`Budget::USUAL`].
///
/// # Errors
///
/// As for [`driver`].
pub fn driver_within(
    budget: &Budget,
) -> impl Fn(usize) -> io::Result<Arc<dyn Driver>> + Send + Sync + 'static {
    drivers(budget.clone())
}

fn drivers(budget: Budget) -> impl Fn(usize) -> io::Result<Arc<dyn Driver>> + Send + Sync + 'static {
    move |_worker| {
        let driver = MioDriver::within(budget.clone())?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    }
}

/// The driver of the worker this thread is.
///
/// # Errors
///
/// If this thread is no worker, or one of a system without sockets.
fn mine() -> io::Result<Arc<MioDriver>> {
    let driver = actor_core::driver::current().ok_or_else(no_driver)?;
    (driver as Arc<dyn Any + Send + Sync>).downcast().map_err(|_| no_driver())
}

/// Finds out early what [`mine`] would find in a worker of `system`.
pub(crate) fn check(system: &SystemHandle) -> io::Result<()> {
    #[cfg(feature = "sim")]
    if actor_core::sim::outside::is_here() {
        return Ok(());
    }
    match system.driver(0) {
        Some(driver) if (&**driver as &dyn Any).is::<MioDriver>() => Ok(()),
        _ => Err(no_driver()),
    }
}

fn no_driver() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "the workers of this system cannot wait for sockets: \
         build the system with actor_net::builder()",
    )
}

/// The token of the waker; no source gets it, since slots end before it.
const WAKER: mio::Token = mio::Token(usize::MAX);

/// How many events one system call may bring.
const EVENTS: usize = 256;

/// The worker runs, or looks at the sockets without waiting.
const AWAKE: u8 = 0;
/// The worker is in the poll, or on its way into it.
const PARKED: u8 = 1;
/// Someone called `unpark`; the next park, or the present one, ends at once.
const NOTIFIED: u8 = 2;

/// What one worker parks in: a mio poll and the sources registered with it.
pub struct MioDriver {
    poll: Mutex<Polled>,
    /// What it shares with its sockets.
    quay: Arc<Quay>,
    waker: mio::Waker,
    /// `AWAKE`, `PARKED` or `NOTIFIED`. Saves the system call of waking a worker that is awake,
    /// and keeps a notification from being lost to another worker that polls in between.
    state: AtomicU8,
}

/// What only the thread that polls may touch.
struct Polled {
    poll: mio::Poll,
    events: mio::Events,
    /// The events of one poll with whom they are for; empty between polls.
    found: Vec<(Readiness, Ready)>,
}

impl MioDriver {
    /// A driver with a poll of its own.
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left for it.
    pub fn new() -> io::Result<MioDriver> {
        MioDriver::within(Budget::default())
    }

    /// The same, whose connections may have so much waiting, with those of the system's other workers.
    fn within(budget: Budget) -> io::Result<MioDriver> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        let events = mio::Events::with_capacity(EVENTS);
        Ok(MioDriver {
            poll: Mutex::new(Polled { poll, events, found: Vec::new() }),
            quay: Arc::new(Quay::new(Some(registry), budget)),
            waker,
            state: AtomicU8::new(AWAKE),
        })
    }

    /// Polls once and sets the flags of what was found.
    fn turn(&self, polled: &mut Polled, timeout: Option<Duration>) {
        match polled.poll.poll(&mut polled.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => {
                // No cause of this is known. If there is one, it must not become a busy loop.
                say(Level::ERROR, || {
                    let error = error.to_string();
                    move || tracing::error!(error, "waiting for sockets failed")
                });
                std::thread::park_timeout(timeout.unwrap_or(FAILED).min(FAILED));
                return;
            }
        }
        self.quay.sources.find(&polled.events, &mut polled.found);
        for (readiness, ready) in polled.found.drain(..) {
            readiness.set(ready);
        }
    }
}

/// How long a worker rests after its poll has failed.
const FAILED: Duration = Duration::from_millis(10);

impl Driver for MioDriver {
    fn park(&self, timeout: Option<Duration>) {
        // A poisoned lock means that a panic passed through `Readiness::set`; the poll is whole.
        let mut polled = self.poll.lock().unwrap_or_else(PoisonError::into_inner);
        // Acquire, with the release in `unpark`: who sees the notification sees what it is about.
        let parked = self.state.compare_exchange(AWAKE, PARKED, Ordering::Acquire, Ordering::Acquire);
        let timeout = if parked.is_ok() { timeout } else { Some(Duration::ZERO) };
        self.turn(&mut polled, timeout);
        // Acquire as above. From here on an `unpark` is for the next park.
        self.state.swap(AWAKE, Ordering::Acquire);
    }

    fn unpark(&self) {
        // Release, with the acquires in `park`. While the state is `PARKED` its worker holds the
        // poll's lock, so no other can take this wake-up out of the poll.
        if self.state.swap(NOTIFIED, Ordering::Release) == PARKED
            && let Err(error) = self.waker.wake()
        {
            say(Level::ERROR, || {
                let error = error.to_string();
                move || tracing::error!(error, "waking a worker failed")
            });
        }
    }

    fn poll(&self) {
        let mut polled = match self.poll.try_lock() {
            Ok(polled) => polled,
            Err(TryLockError::Poisoned(polled)) => polled.into_inner(),
            // Someone else is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        self.turn(&mut polled, Some(Duration::ZERO));
    }
}

impl std::fmt::Debug for MioDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MioDriver").finish_non_exhaustive()
    }
}

/// The flags of an event. An error makes a socket both readable and writable: whichever call the
/// port makes next gives the error itself. The end of what comes is a wake-up as well: there is no other event after it, so
/// the port has to read until it finds it.
fn flags(event: &Event) -> Ready {
    let mut ready = Ready::NONE;
    if event.is_readable() || event.is_read_closed() || event.is_error() {
        ready |= Ready::READABLE;
    }
    if event.is_read_closed() || event.is_error() {
        ready |= Ready::WAKE;
    }
    if event.is_writable() || event.is_write_closed() || event.is_error() {
        ready |= Ready::WRITABLE;
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_unpark_that_came_first_ends_the_next_park() {
        let driver = MioDriver::new().unwrap();
        let start = Instant::now();
        driver.unpark();
        driver.park(Some(LONG));
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn an_unpark_is_not_lost_to_another_poller() {
        let driver = Arc::new(MioDriver::new().unwrap());
        let done = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let other = {
            let (driver, done) = (driver.clone(), done.clone());
            std::thread::spawn(move || {
                for _ in 0..2000 {
                    driver.poll();
                    driver.unpark();
                    driver.poll();
                }
                done.store(true, Ordering::Relaxed);
                driver.unpark();
            })
        };
        // Who parks before the last unpark must be woken by it, and then sees what came before it.
        while !done.load(Ordering::Relaxed) {
            driver.park(Some(LONG));
        }
        other.join().unwrap();
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_park_ends_when_its_time_is_over() {
        let driver = MioDriver::new().unwrap();
        driver.park(Some(Duration::from_millis(1)));
    }
}
