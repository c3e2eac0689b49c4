//! Why an actor ended.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::log;
use crate::observe::LongTurn;

/// The error behind a failure, shared by all who are told of it.
#[derive(Clone)]
pub struct Failure(Arc<Shared>);

struct Shared {
    /// `None` only while it is dropped.
    error: Option<Box<dyn Error + Send + Sync>>,
    /// What it says of itself, asked for once, by whoever made the failure: what a user's `Display`
    /// does must not happen to those who are told.
    text: Box<str>,
}

/// The last to be told may be a supervisor, and a user's `Drop` that panics must not bring it down.
impl Drop for Shared {
    fn drop(&mut self) {
        let error = self.error.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(error))) {
            log::say(Level::ERROR, || {
                let failure = self.text.clone();
                move || tracing::error!(failure, "panicked while dropping an error")
            });
            std::mem::forget(payload);
        }
    }
}

impl Failure {
    /// A failure because of `error`: an error type, or a text.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let text = error.to_string().into();
        Failure(Arc::new(Shared { error: Some(error), text }))
    }

    /// The error, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.error.as_ref()?.downcast_ref()
    }

    /// What a panic carried: its text, or a note that it carried something else.
    pub(crate) fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let text = match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(other) => {
                    // Dropping a payload may panic in turn; nobody is left to catch that.
                    std::mem::forget(other);
                    "a panic with a payload that is not text".to_owned()
                }
            },
        };
        Failure::new(text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Why an actor, or one incarnation of it, ended. The words are OTP's exit reasons.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to, by [`stop`](crate::ActorRef::stop) or [`Context::stop`](crate::Context::stop).
    Normal,
    /// Its supervisor or the system shut it down.
    Shutdown,
    /// It was ended at once, by [`kill`](crate::ActorRef::kill) or because a deadline had passed.
    Killed,
    /// A handler panicked.
    Panicked(Failure),
    /// A handler called [`Context::fail`](crate::Context::fail).
    Failed(Failure),
    /// The factory panicked, or `#[started]` panicked or returned an error.
    StartFailed(Failure),
    /// `#[started]` called [`Context::ignore`](crate::Context::ignore): the actor is not needed.
    Ignored,
    /// An actor that this one was linked to has ended.
    Linked {
        /// The path of the other.
        actor: String,
        /// Why that one has ended.
        cause: Arc<StopReason>,
    },
    /// It had ended before: the cause that a link to such an actor has. Erlang's `noproc`.
    Gone,
    /// An actor that this one monitors has ended, and it has no `#[down]`.
    DeathPact {
        /// The path of the other.
        actor: String,
    },
    /// A handler has exceeded the actor's limit; see [`Spawn::stall`](crate::Spawn::stall).
    Stalled {
        /// The limit.
        limit: Duration,
    },
    /// It has heard of nobody for longer than its limit, and is to be restarted for that; see
    /// [`Spawn::silence`](crate::Spawn::silence).
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// A supervisor gave up: its children failed more often than its intensity allows.
    Escalated {
        /// The path of the child whose failure was one too many.
        child: String,
        /// Why that child failed.
        cause: Arc<StopReason>,
    },
    /// The system has ended because handlers hold up as many threads as there may be, and
    /// [`OutOfThreads::Escalate`](crate::OutOfThreads::Escalate) is the policy for that.
    OutOfThreads {
        /// The most threads; see [`Builder::max_threads`](crate::Builder::max_threads).
        max: usize,
        /// The turn whose worker could not be taken over.
        turn: Arc<LongTurn>,
    },
}

impl StopReason {
    /// Whether this is an ordinary end, after which a transient child is not restarted.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        matches!(self, StopReason::Normal | StopReason::Shutdown | StopReason::Ignored)
    }

    /// Whether it is the failure of a handler, whose message goes with it.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, StopReason::Failed(_) | StopReason::Panicked(_))
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Normal => f.write_str("normal"),
            StopReason::Shutdown => f.write_str("shutdown"),
            StopReason::Killed => f.write_str("killed"),
            StopReason::Panicked(why) => write!(f, "panicked: {why}"),
            StopReason::Failed(why) => write!(f, "failed: {why}"),
            StopReason::StartFailed(why) => write!(f, "failed to start: {why}"),
            StopReason::Ignored => f.write_str("is not needed"),
            StopReason::Linked { actor, cause } => write!(f, "was linked to {actor}, which {cause}"),
            StopReason::Gone => f.write_str("had ended before"),
            StopReason::DeathPact { actor } => {
                write!(f, "monitors {actor}, which has ended, and has no #[down]")
            }
            StopReason::Stalled { limit } => write!(f, "stalled: a handler took longer than {limit:?}"),
            StopReason::Silent { limit } => write!(f, "silent: it has heard of nobody for {limit:?}"),
            StopReason::Escalated { child, cause } => {
                write!(f, "gave up on {child}, which {cause}")
            }
            StopReason::OutOfThreads { max, turn } => {
                write!(f, "out of threads, of which there may be {max}: {turn}")
            }
        }
    }
}
