//! A test with a system of its own, which is looked at when the test has returned.

mod findings;
mod outside;
#[cfg(feature = "sim")]
mod simulated;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::dead_letter::DeadLetter;
use crate::leaks;
use crate::observe::Event;
use crate::system::{Builder, Report, System, SystemHandle};
use crate::wait;
use findings::Seen;
pub(crate) use outside::Outside;

/// How many events, and how many dead letters, are kept for the story. More are counted.
const KEPT: usize = 4096;

/// How long actors may take to come to rest before it is looked which are leaked. Those that do not are not.
const REST: Duration = Duration::from_millis(200);

/// What `#[actor_test]` makes of its settings: runs a test with a system of its own, and fails it if that does not come
/// out clean. For tests that the attribute cannot be put on, such as those of a property:
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::testing::ActorTest;
///
/// #[derive(Actor)]
/// struct Echo;
///
/// #[messages]
/// impl Echo {
///     #[message]
///     fn echo(&self, n: u64) -> u64 {
///         n
///     }
/// }
///
/// for n in [0, 1, u64::MAX] {
///     ActorTest::new().run(|system| {
///         let echo = system.spawn(|| Echo).unwrap();
///         assert_eq!(echo.echo(n).wait().unwrap(), n);
///     });
/// }
/// ```
#[derive(Debug)]
#[must_use = "a test that is not run tests nothing"]
pub struct ActorTest {
    builder: Builder,
    settle: Duration,
    allowed: Allowed,
}

/// What may go wrong, by name.
#[derive(Clone, Copy, Debug, Default)]
struct Allowed {
    dead_letters: &'static [&'static str],
    failures: &'static [&'static str],
    leaks: &'static [&'static str],
    unanswered: &'static [&'static str],
}

impl Default for ActorTest {
    fn default() -> Self {
        ActorTest::new()
    }
}

impl ActorTest {
    /// A test whose system has two workers and ends within 5 s, and where nothing may go wrong.
    pub fn new() -> Self {
        // The limit is there to have asks listed, which deadlocks are not enough for in release builds.
        let watched = System::builder().overdue_asks(Duration::from_secs(3600));
        let builder = watched.workers(2).stop_within(Duration::from_secs(5));
        ActorTest { builder, settle: Duration::from_secs(1), allowed: Allowed::default() }
    }

    /// Other settings of the system.
    pub fn build(mut self, change: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// How long asks that are under way when the test returns may take to be answered; 1 s unless said. It is not
    /// waited for if there are none.
    pub fn settle(mut self, limit: Duration) -> Self {
        self.settle = limit;
        self
    }

    /// Messages of these names may become dead letters.
    pub fn dead_letters(mut self, messages: &'static [&'static str]) -> Self {
        self.allowed.dead_letters = messages;
        self
    }

    /// Actors of these types may panic, fail, and stall, and the messages with which they do may become dead letters.
    pub fn failures(mut self, actors: &'static [&'static str]) -> Self {
        self.allowed.failures = actors;
        self
    }

    /// Actors of these types may be leaked.
    pub fn leaks(mut self, actors: &'static [&'static str]) -> Self {
        self.allowed.leaks = actors;
        self
    }

    /// Asks with messages of these names need not be answered.
    pub fn unanswered(mut self, messages: &'static [&'static str]) -> Self {
        self.allowed.unanswered = messages;
        self
    }

    /// Runs the test on this thread, then ends the system, and fails if something went wrong that was not allowed:
    ///
    /// * *Unanswered asks*: asks under way when the test had returned, whoever's, that have not ended within the
    ///   [`settle`](Self::settle) time; and asks that were refused since they could never have been answered.
    /// * *Leaked actors*: those that live when the test has returned, come to rest within 200 ms, and that nobody can get
    ///   at any more, as [`Leaks`](crate::Leaks) has it. The test need not stop what it has spawned: actors that were spawned by code that
    ///   is no handler, on whatever thread, count as if somebody had a ref to them, and so does what these have refs to.
    ///   So it is about actors that handlers have spawned and lost.
    /// * *Failures*: incarnations that have panicked, failed, stalled or could not start. Kills are none, nor are ends that
    ///   follow from another actor's.
    /// * *Dead letters*, of whatever reason, those of the end included.
    /// * *Late actors*: those that did not end in time, and handlers that have not returned.
    /// * An end of the system that nobody has asked for.
    ///
    /// A test that has panicked, or has returned an `Err`, has failed by that; what went wrong besides is printed to
    /// the standard error.
    ///
    /// # Panics
    /// If the test does, with the same payload; if something went wrong, with a list of it; and if the system cannot be
    /// built.
    #[track_caller]
    pub fn run<R: Outcome>(self, test: impl FnOnce(&System) -> R) -> R {
        let ActorTest { builder, settle, allowed } = self;
        let system = builder.build().unwrap_or_else(|error| panic!("no system for the test: {error}"));
        let watch = Watch::new(&system);
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&system)));
        let findings = watch.end(settle, || system.shutdown()).findings(&allowed);
        match outcome {
            Ok(outcome) if outcome.failure().is_none() => {
                assert!(findings.is_empty(), "{findings}");
                outcome
            }
            Ok(failed) => {
                findings.print();
                failed
            }
            Err(payload) => {
                findings.print();
                resume_unwind(payload)
            }
        }
    }
}

/// Who listens while the test runs.
struct Watch {
    system: SystemHandle,
    letters: Receiver<DeadLetter>,
    events: Receiver<Event>,
}

impl Watch {
    fn new(system: &SystemHandle) -> Watch {
        system.spawned_outside().begin();
        Watch {
            system: system.clone(),
            letters: system.dead_letters().subscribe(KEPT),
            events: system.events().subscribe(KEPT),
        }
    }

    /// Ends the system, and tells what was seen. Nothing takes longer than `settle` to come to rest.
    fn end(self, settle: Duration, shutdown: impl FnOnce() -> Report) -> Seen {
        let system = &self.system;
        let unanswered = system.asks().left_after(settle);
        leaks::look_now(system, REST.min(settle), |cell| system.spawned_outside().has(cell));
        system.spawned_outside().end();
        let report = shutdown();
        Seen {
            unanswered,
            report,
            letters: self.letters.try_iter().collect(),
            events: self.events.try_iter().collect(),
            missed: system.dead_letters().missed() + system.events().missed(),
        }
    }
}

/// A test that panics is not looked at.
impl Drop for Watch {
    fn drop(&mut self) {
        self.system.spawned_outside().end();
    }
}

/// What a test may return: nothing, or a `Result` whose error is `Debug`.
#[diagnostic::on_unimplemented(
    message = "a test of actors cannot return `{Self}`",
    label = "nobody could tell whether the test has failed",
    note = "return nothing, or a `Result` whose error is `Debug`"
)]
pub trait Outcome {
    /// What the test has failed with, if it has.
    fn failure(&self) -> Option<String>;
}

impl Outcome for () {
    fn failure(&self) -> Option<String> {
        None
    }
}

impl<T, E: fmt::Debug> Outcome for Result<T, E> {
    fn failure(&self) -> Option<String> {
        self.as_ref().err().map(|error| format!("{error:?}"))
    }
}

/// Waits on this thread for a future that needs no other executor: for asks, sends, monitors and the like. Not for
/// handlers.
pub fn block_on<F: Future>(future: F) -> F::Output {
    wait::block_on(future, None)
}
