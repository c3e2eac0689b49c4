//! For crates that simulate what is around actors, as `actor-net` does its sockets: steps of their own, and what they keep
//! in a simulation. All of it is about the simulation that this thread is in; where there is none, nothing happens.
//!
//! ```
//! use std::time::Duration;
//!
//! use actor_core::sim::{Sim, outside};
//!
//! /// What has come from a line that is never quick.
//! #[derive(Default)]
//! struct Line(std::sync::Mutex<Vec<u8>>);
//!
//! fn send(byte: u8) {
//!     outside::step(Duration::from_millis(3), move || {
//!         outside::tell(|| format!("byte {byte} comes"));
//!         outside::note(byte.into());
//!         outside::kept::<Line>().unwrap().0.lock().unwrap().push(byte);
//!     });
//! }
//!
//! let sim = Sim::new([]);
//! send(7);
//! let came = || outside::kept::<Line>().unwrap().0.lock().unwrap().clone();
//! assert!(outside::run_until(Duration::from_secs(1), || !came().is_empty()));
//! assert_eq!((came(), sim.now()), (vec![7], Duration::from_millis(3)));
//! ```

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::faults;
use super::seam::{self, with};
use super::threads::Work;
use super::trace::Noted;
use crate::observe::Asking;
use crate::port::Readiness;

/// What other crates have in a simulation.
#[derive(Default)]
pub(super) struct Outside {
    /// By the time at which it can be taken, and in the order in which it was said.
    steps: BTreeMap<(Duration, u64), Work>,
    said: u64,
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Outside {
    /// A step that can be taken by now.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Work> {
        let first = self.steps.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// When the next one can be taken.
    pub(super) fn next(&self) -> Option<Duration> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }
}

/// Whether this thread is in a simulation.
#[must_use]
pub fn is_here() -> bool {
    seam::is_here()
}

/// Has something be a step of its own, which can be taken when so much time has passed. It is not in an actor's turn, and must
/// not wait.
pub fn step(after: Duration, what: impl FnOnce() + Send + 'static) {
    with(|world| {
        let at = world.passed().saturating_add(after);
        let mut outside = world.outside.lock();
        outside.said += 1;
        let key = (at, outside.said);
        outside.steps.insert(key, Box::new(what));
    });
}

/// A choice among `n`, from the tape: 0 when that has ended.
#[must_use]
pub fn chance(n: usize) -> usize {
    seam::chance(n).unwrap_or(0)
}

/// Whether something happens that does so `rate` times in a thousand, by the tape: not when that has ended. Takes nothing from
/// it for what never happens.
#[must_use]
pub fn happens(rate: u16) -> bool {
    with(|world| faults::happens(rate, &mut || world.tape.lock().next())).unwrap_or(false)
}

/// Makes this a part of the [trace](super::Trace): what a step was about, as far as two runs of the same tape do the same.
pub fn note(about: u64) {
    with(|world| world.trace.lock().note(Noted::Outside, about));
}

/// Adds a line to the [story](super::Sim::story), if that is told.
pub fn tell(line: impl FnOnce() -> String) {
    with(|world| world.tell(line));
}

/// What the simulation keeps of this type, which is made when it is asked for first and dropped with the simulation.
#[must_use]
pub fn kept<T: Any + Send + Sync + Default>() -> Option<Arc<T>> {
    let find = |kept: &[Arc<dyn Any + Send + Sync>]| {
        kept.iter().find_map(|kept| Arc::clone(kept).downcast::<T>().ok())
    };
    let found = with(|world| find(&world.outside.lock().kept))?;
    Some(found.unwrap_or_else(|| {
        // Made without the lock, since that is foreign code.
        let made = Arc::new(T::default());
        with(|world| world.outside.lock().kept.push(made.clone()));
        made
    }))
}

/// Has the simulation go on until the condition holds, which is asked between two steps: true if it does, false if it does not
/// within so much of the simulation's time. For the thread that has made the simulation.
///
/// # Panics
/// In an actor's turn, or in a step; and after too [many steps](super::Builder::steps).
#[must_use]
pub fn run_until(within: Duration, holds: impl FnMut() -> bool) -> bool {
    seam::wait(0, Some(within), holds)
}

/// How stories call the actor of a port; none if that has ended.
#[must_use]
pub fn name_of(port: &Readiness) -> Option<String> {
    let cell = port.cell.upgrade()?;
    Some(Asking { actor: cell.id(), name: cell.kind().name() }.to_string())
}
