//! Actors that are leaked: they live, and nobody can get at them any more.
//!
//! * [`trace`]: which refs are in an actor's fields;
//! * [`scan`]: what is done, in which order, in steps; [`walk`]: over all actors;
//! * [`graph`]: trial deletion, which finds suspects;
//! * [`judge`]: holds suspects, and says which of them are leaked;
//! * [`growth`]: kinds of actors of which there are ever more;
//! * [`overdue`]: messages that wait too long at the heads of their mailboxes;
//! * [`table`]: tables that grow in small pieces; [`piece`]: these;
//! * here: settings, what is said, and when steps are taken.

mod graph;
pub(crate) mod growth;
mod judge;
pub(crate) mod overdue;
mod piece;
mod scan;
mod table;
pub(crate) mod trace;
mod walk;

use std::fmt;
use std::panic::Location;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::ActorId;
#[cfg(feature = "testing")]
use crate::cell::{Control, held::Held};
use crate::clock;
use crate::log;
use crate::observe::Event;
use crate::platform;
use crate::remedy::Remedy;
use crate::silence::Silence;
use crate::sync::Mutex;
#[cfg(feature = "testing")]
use crate::sync::thread;
use crate::system::SystemHandle;
use judge::Known;
use overdue::OverdueMessage;
use scan::{Scan, Step};
use table::Map;
#[cfg(feature = "testing")]
use walk::{Walk, Walked, Whom};

pub use growth::Growth;
pub(crate) use trace::{Found, Shared};
pub use trace::{Trace, Tracer};

/// How long a step takes, about.
const STEP: Duration = Duration::from_micros(250);

/// Looks for actors that are leaked: nobody has a ref to them but others that are leaked with them, they rest, nothing is
/// in their mailboxes, and nothing can come. For [`Builder::leaks`](crate::Builder::leaks).
///
/// Refs in the fields of actors are seen where [`Trace`] tells of them. Each other ref keeps its actor: in a message,
/// in a handler that is pending, in a field that is not traced, in the *factory* of an actor that may be restarted, on a
/// thread. So an actor that can be reached is never taken for one that is leaked, but some that are leaked are not
/// found. Never leaked is an actor
///
/// * with a name, a slot in its supervisor or a thread of its own; a supervisor;
/// * with a message or anything else in its mailbox, or whose handler runs or is pending;
/// * with a timer, a socket or another port, a link, a monitor of another or one on it, or that is the member of a group;
/// * to which a [`WeakRef`](crate::WeakRef) was ever made.
///
/// A scan goes over all actors in steps of some 250 us, with rests in between. It looks at an actor's fields only while
/// that rests, and messages that come for it then wait for a moment. What a scan suspects, the next one confirms: it holds
/// all actors of a group at once, so that none of them can change, and counts the refs again.
#[derive(Clone, Copy, Debug)]
pub struct Leaks {
    pub(crate) on_leak: Remedy,
    pub(crate) every: Duration,
    pub(crate) share: u32,
}

impl Leaks {
    /// Leaked actors are found, and so treated.
    #[must_use]
    pub const fn new(on_leak: Remedy) -> Self {
        Leaks { on_leak, every: Duration::from_secs(30), share: 2 }
    }

    /// How long after one scan the next one begins; 30 s unless said.
    #[must_use]
    pub const fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// How much of one processor a scan takes while it goes on, in per cent, 1 to 100; 2 unless said. Two scans of a
    /// million actors take about three seconds of a processor.
    #[must_use]
    pub const fn share(mut self, percent: u32) -> Self {
        self.share = if percent < 1 {
            1
        } else if percent > 100 {
            100
        } else {
            percent
        };
        self
    }
}

/// An actor that was found to be leaked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leak {
    /// The actor.
    pub actor: ActorId,
    /// The name of its type, without its path.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// How many are leaked together, this one included, since they have refs to one another.
    pub group: usize,
    /// What was done.
    pub done: Remedy,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leak { actor, name, site, group, .. } = self;
        write!(f, "{name}{actor}, spawned at {}:{}", site.file(), site.line())?;
        if *group > 1 { write!(f, ", with {} others", group - 1) } else { Ok(()) }
    }
}

/// What the scans have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakCounts {
    /// Scans that have ended.
    pub scans: u64,
    /// Actors that were found to be leaked; those that were only reported once each.
    pub found: u64,
    /// How often it was said of a kind of actors that there are ever more; see [`Growth`](crate::Growth).
    pub growing: u64,
    /// How often actors were silent for longer than their limits; see [`Spawn::silence`](crate::Spawn::silence).
    pub silent: u64,
    /// Messages that have waited too long at the heads of their mailboxes; see
    /// [`Builder::overdue_messages`](crate::Builder::overdue_messages).
    pub overdue: u64,
    /// The longest step of a scan, where each counts as long as it has taken at most: by the clock, or in processor time of its
    /// thread, whichever is less. By the clock it may have waited for a processor; and of processor time it may have been
    /// charged for an interrupt, or for what the host of a virtual machine did.
    pub longest_step: Duration,
    /// The longest by the clock.
    pub longest_step_real: Duration,
    /// The longest in processor time, where that is known (on Linux).
    pub longest_step_charged: Duration,
}

/// What the scans of a system have seen so far.
#[derive(Default)]
pub(crate) struct Seen(Mutex<LeakCounts>);

impl Seen {
    pub(crate) fn counts(&self) -> LeakCounts {
        *self.0.lock()
    }

    fn stepped(&self, step: Step, took: Duration, charged: Option<Duration>) {
        let mut counts = self.0.lock();
        counts.scans += u64::from(step == Step::Over);
        counts.longest_step_real = counts.longest_step_real.max(took);
        counts.longest_step_charged = counts.longest_step_charged.max(charged.unwrap_or_default());
        counts.longest_step = counts.longest_step.max(charged.map_or(took, |charged| charged.min(took)));
    }

    fn grows(&self) {
        self.0.lock().growing += 1;
    }

    pub(crate) fn silent(&self, silence: Silence, system: &SystemHandle) {
        self.0.lock().silent += 1;
        log::say(Level::WARN, || {
            let silence = silence.clone();
            move || tracing::warn!(%silence, done = ?silence.done, "an actor is silent")
        });
        system.events().publish(|| Event::Silent(silence));
    }

    fn overdue(&self, message: OverdueMessage, system: &SystemHandle) {
        self.0.lock().overdue += 1;
        log::say(Level::WARN, || {
            let message = message.clone();
            move || tracing::warn!(%message, done = ?message.done, "a message is overdue")
        });
        system.events().publish(|| Event::MessageOverdue(message));
    }

    fn leaked(&self, leak: Leak, system: &SystemHandle) {
        self.0.lock().found += 1;
        log::say(Level::WARN, || {
            let leak = leak.clone();
            move || tracing::warn!(%leak, done = ?leak.done, "an actor is leaked")
        });
        system.events().publish(|| Event::Leaked(leak));
    }
}

/// Whether a step that began then takes long enough. In a simulation no time passes in a step; there each is as small as can be.
fn is_over(began: Instant) -> bool {
    #[cfg(feature = "sim")]
    if crate::sim::seam::is_here() {
        return true;
    }
    clock::now().saturating_duration_since(began) >= STEP
}

/// How long to rest after a step that took so long, if they are to take so many per cent of a processor.
fn rest_after(took: Duration, share: u32) -> Duration {
    took * (100 - share) / share
}

/// Scans twice, on this thread and without a pause, and reports what is leaked: the second scan confirms what the first
/// suspects. Before, those that may be leaked and are not `kept` are waited for, if they have something to do: for at
/// most `limit` altogether.
#[cfg(feature = "testing")]
pub(crate) fn look_now(system: &SystemHandle, limit: Duration, kept: impl Fn(&Arc<dyn Control>) -> bool) {
    let until = clock::later(clock::now(), limit);
    let mut walk = Walk::new(system, Whom::WithoutSlot);
    loop {
        let cell = match walk.go_on() {
            Walked::Actor(cell) => cell,
            Walked::On => continue,
            Walked::End => break,
        };
        if !cell.may_leak() || kept(&cell) {
            continue;
        }
        // Nothing tells when an actor has come to rest, and mostly it has.
        while Held::of(cell.clone()).is_err() && clock::now() < until {
            thread::yield_now();
        }
    }
    let mut suspects = Map::default();
    for _ in 0..2 {
        let mut scan = Scan::new(system, Remedy::Report, suspects);
        while scan.step(system, || false) != Step::Over {}
        suspects = scan.into_suspects();
    }
}

/// When which step of which scan is taken.
pub(crate) struct Scans {
    leaks: Leaks,
    scan: Option<Scan>,
    suspects: Map<Known>,
    /// When there is something to do.
    next: Instant,
}

impl Scans {
    pub(crate) fn new(leaks: Leaks, now: Instant) -> Self {
        let next = clock::later(now, leaks.every);
        Scans { leaks, scan: None, suspects: Map::default(), next }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Takes a step, if it is time.
    pub(crate) fn tend(&mut self, system: &SystemHandle, now: Instant) {
        if now < self.next {
            return;
        }
        if system.is_ending() {
            // Those that are held are let go.
            self.scan = None;
            self.next = clock::later(now, self.leaks.every);
            return;
        }
        let Leaks { on_leak, every, share } = self.leaks;
        let suspects = &mut self.suspects;
        let began = platform::own_time();
        let scan = self.scan.get_or_insert_with(|| Scan::new(system, on_leak, std::mem::take(suspects)));
        let step = scan.step(system, || is_over(now));
        let after = clock::now();
        let took = after.saturating_duration_since(now);
        let charged = began.zip(platform::own_time()).map(|(began, ended)| ended.saturating_sub(began));
        system.leaks_seen().stepped(step, took, charged);
        self.next = match step {
            Step::Hurry => after,
            Step::Rest => clock::later(after, rest_after(took, share)),
            Step::Over => {
                self.suspects = self.scan.take().map(Scan::into_suspects).unwrap_or_default();
                clock::later(after, every)
            }
        };
    }
}
