//! What a caller is told when a message or an actor could not be had. Refused messages come back.

mod tree;

pub use tree::{ChildError, StartError, TreeError};

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::message::Message;
use crate::reason::StopReason;

/// Why [`tell`](crate::Call::tell) did not take the message. All cases give it back.
pub enum TellError<M> {
    /// The mailbox is full and its policy is to refuse.
    Full(M),
    /// The actor has ended, or is about to and takes nothing more.
    Closed(M),
    /// The handler that tells it has [stalled](crate::Spawn::stall), and was condemned.
    Condemned(M),
}

impl<M> TellError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            TellError::Full(message) | TellError::Closed(message) | TellError::Condemned(message) => message,
        }
    }
}

impl<M> fmt::Display for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TellError::Full(_) => FULL,
            TellError::Closed(_) => "the actor has ended",
            TellError::Condemned(_) => CONDEMNED,
        })
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TellError::Full(_) => "Full(..)",
            TellError::Closed(_) => "Closed(..)",
            TellError::Condemned(_) => "Condemned(..)",
        })
    }
}

impl<M> Error for TellError<M> {}

/// Why [`send`](crate::Call::send) did not take the message. All cases give it back.
pub enum SendError<M> {
    /// The actor has ended, or is about to and takes nothing more.
    Closed(M),
    /// `.wait()` was called on a worker, whose other actors would have waited too, the receiver
    /// perhaps among them. Use `.await` in an async handler.
    Deadlock(M),
    /// The handler that sends it has [stalled](crate::Spawn::stall), and was condemned.
    Condemned(M),
}

impl<M> SendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            SendError::Closed(message) | SendError::Deadlock(message) | SendError::Condemned(message) => {
                message
            }
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closed(_) => "the actor has ended",
            SendError::Deadlock(_) => DEADLOCK,
            SendError::Condemned(_) => CONDEMNED,
        })
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closed(_) => "Closed(..)",
            SendError::Deadlock(_) => "Deadlock(..)",
            SendError::Condemned(_) => "Condemned(..)",
        })
    }
}

impl<M> Error for SendError<M> {}

const FULL: &str = "the mailbox is full; .send() waits for room, and so do asks where the policy is \"wait\"";

const CONDEMNED: &str = "this handler was condemned: it has exceeded its actor's limit, and another incarnation goes on; return from it";

const DEADLOCK: &str =
    "this would wait for ever, or hold up a worker: in a handler await other actors, with .await";

/// How an ask ended without a reply. An ask always ends.
pub enum AskError<M: Message> {
    /// The mailbox is full and its policy is to refuse, or there was no room within the deadline.
    /// The message comes back; no handler has seen it.
    Full(M),
    /// The actor has ended, or is about to and takes nothing more. The message comes back.
    Closed(M),
    /// The ask could not have ended: `.wait()` was called on a worker, whose other actors would have
    /// waited too, the receiver perhaps among them (use `.await` in an async handler); or an actor
    /// awaited an answer of its own. Where [asks are watched](crate::Builder::deadlocks), as in debug builds, also
    /// because whom it asks waits for who asks, perhaps through others; an
    /// [event](crate::observe::Event::Deadlock) has the whole circle. The message comes back.
    Deadlock(M),
    /// The message was accepted but became a dead letter before a handler saw it: the actor ended
    /// with it in its mailbox, or its overflow policy dropped it.
    Undelivered,
    /// The handler panicked, or dropped its [`Reply`](crate::Reply). It may have run in part.
    Lost,
    /// There was no reply within the deadline. The handler may still run.
    TimedOut,
    /// The handler has exceeded its actor's [limit](crate::Spawn::stall), or has been condemned by a kill. It may have run
    /// in part.
    Stalled,
    /// The handler that asks has itself exceeded its limit, and was condemned. The message comes back.
    Condemned(M),
    /// The handler returned this error.
    Failed(M::Error),
}

impl<M: Message> AskError<M> {
    /// The message, where it was not accepted.
    pub fn into_message(self) -> Option<M> {
        match self {
            AskError::Full(message)
            | AskError::Closed(message)
            | AskError::Deadlock(message)
            | AskError::Condemned(message) => Some(message),
            _ => None,
        }
    }

    /// The error that the handler returned, if that is what this is.
    pub fn into_failed(self) -> Option<M::Error> {
        match self {
            AskError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<M: Message> fmt::Display for AskError<M>
where
    M::Error: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            AskError::Full(_) => FULL,
            AskError::Closed(_) => "the actor has ended",
            AskError::Deadlock(_) => DEADLOCK,
            AskError::Undelivered => "the actor ended before it handled the message",
            AskError::Lost => "the handler ended without a reply",
            AskError::TimedOut => "no reply within the deadline",
            AskError::Stalled => "the handler has exceeded its limit",
            AskError::Condemned(_) => CONDEMNED,
            AskError::Failed(error) => return error.fmt(f),
        };
        write!(f, "{}: {text}", M::NAME)
    }
}

impl<M: Message> fmt::Debug for AskError<M>
where
    M::Error: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskError::Full(_) => f.write_str("Full(..)"),
            AskError::Closed(_) => f.write_str("Closed(..)"),
            AskError::Deadlock(_) => f.write_str("Deadlock(..)"),
            AskError::Undelivered => f.write_str("Undelivered"),
            AskError::Lost => f.write_str("Lost"),
            AskError::TimedOut => f.write_str("TimedOut"),
            AskError::Stalled => f.write_str("Stalled"),
            AskError::Condemned(_) => f.write_str("Condemned(..)"),
            AskError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<M: Message> Error for AskError<M> where M::Error: fmt::Debug + fmt::Display {}

/// Why an actor was not spawned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// Another living actor has this name.
    NameTaken(String),
    /// Names have 1 to 255 bytes and no `/` or control character.
    BadName(String),
    /// The supervisor that was to have the new actor has ended or is about to.
    Closed,
    /// The actor ended before it had started: its factory panicked, `#[started]` panicked or
    /// returned an error, or it was killed. The actor is gone.
    Failed(StopReason),
    /// `.start().wait()` was called on a worker. The actor was not spawned.
    Deadlock,
    /// The actor was to be [pinned](crate::Spawn::pinned), and there are as many pinned actors as the system
    /// may have. The actor was not spawned.
    TooManyPinned {
        /// The most there may be; see [`Builder::max_pinned`](crate::Builder::max_pinned).
        max: usize,
    },
    /// The actor was to be [pinned to a core](crate::Spawn::pinned_to) outside of the affinity mask of the
    /// process. The actor was not spawned.
    CoreNotAllowed {
        /// The number of the core.
        core: usize,
    },
    /// The thread of a pinned actor could not be started. The actor was not spawned.
    Thread(Arc<io::Error>),
    /// The supervisor has as many children as it may have.
    TooManyChildren {
        /// The most there may be; see [`SupervisorBuilder::max_children`](crate::SupervisorBuilder::max_children).
        max: usize,
    },
    /// It was said what [becomes](crate::Spawn::on_silence) of the actor when it is silent for longer than its limit, and it
    /// has none. The actor was not spawned.
    NoSilence,
    /// The actor was to be a supervisor, whose settings contradict each other.
    Tree(Arc<TreeError>),
    /// The handler that spawns it has [stalled](crate::Spawn::stall), and was condemned. The actor was not spawned.
    Condemned,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::NameTaken(name) => write!(f, "the name {name:?} is taken by a living actor"),
            SpawnError::BadName(name) => {
                write!(f, "{name:?} is no name: 1 to 255 bytes, without '/' or control characters")
            }
            SpawnError::Closed => f.write_str("the supervisor has ended"),
            SpawnError::Failed(why) => write!(f, "the actor {why}"),
            SpawnError::Deadlock => f.write_str(DEADLOCK),
            SpawnError::TooManyPinned { max } => {
                write!(f, "there are {max} pinned actors already; Builder::max_pinned makes room for more")
            }
            SpawnError::CoreNotAllowed { core } => {
                write!(f, "the process's affinity mask does not allow core {core}")
            }
            SpawnError::Condemned => f.write_str(CONDEMNED),
            SpawnError::Thread(error) => write!(f, "a thread for the actor could not be started: {error}"),
            SpawnError::TooManyChildren { max } => {
                write!(f, "the supervisor has {max} children already; a higher `max` makes room for more")
            }
            SpawnError::NoSilence => f.write_str(
                "the actor has an `on_silence`, and no limit for silence that it could exceed: say `silence` too, or leave \
                 `on_silence` out",
            ),
            SpawnError::Tree(error) => error.fmt(f),
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SpawnError::Thread(error) => Some(&**error),
            SpawnError::Tree(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why [`lookup`](crate::SystemHandle::lookup) found no ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No living actor has this name.
    NotFound(String),
    /// The actor of this name is of another type.
    WrongType {
        /// The name.
        name: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// The type that has the name.
        found: &'static str,
    },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookupError::NotFound(name) => write!(f, "no living actor is called {name:?}"),
            LookupError::WrongType { name, wanted, found } => {
                write!(f, "{name:?} is a {found}, not a {wanted}")
            }
        }
    }
}

impl Error for LookupError {}
