//! What can be wrong with supervisors and their children.

use std::error::Error;
use std::fmt;

use crate::reason::StopReason;
use crate::supervisor::ChildState;

/// Why a supervisor cannot be as it was described. Found when the tree is built, before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A child's id is no name.
    BadId(String),
    /// Two children have this id.
    IdTaken(String),
    /// A significant child is permanent, so it never ends by itself for good.
    PermanentSignificant(String),
    /// A child is significant, and its supervisor never shuts down for that.
    NothingToShutDown(String),
    /// A temporary child has a backoff, and is never restarted.
    TemporaryBackoff(String),
    /// It is said what becomes of a child that is silent for longer than its limit, and it has none.
    NoSilence(String),
    /// The intensity allows restarts within no time.
    NoWindow,
    /// A dynamic supervisor was given children with slots, or a strategy for them.
    DynamicSlots,
    /// A dynamic supervisor was to shut down with significant children, which it cannot have.
    DynamicShutdown,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeError::BadId(id) => {
                write!(f, "{id:?} is no id of a child: 1 to 255 bytes, without '/' or control characters")
            }
            TreeError::IdTaken(id) => write!(f, "two children are called {id:?}; give one another id"),
            TreeError::PermanentSignificant(id) => write!(
                f,
                "the child {id:?} is significant and permanent, so it never ends for good: make it transient or \
                 temporary"
            ),
            TreeError::NothingToShutDown(id) => write!(
                f,
                "the child {id:?} is significant, but its supervisor never shuts down by itself: set \
                 `auto_shutdown`, or leave `significant` out"
            ),
            TreeError::TemporaryBackoff(id) => write!(
                f,
                "the child {id:?} has a backoff, but a temporary child is never restarted: leave the backoff out, \
                 or make it transient"
            ),
            TreeError::NoSilence(id) => write!(
                f,
                "the child {id:?} has an `on_silence`, and no limit for silence that it could exceed: say `silence` \
                 too, or leave `on_silence` out"
            ),
            TreeError::NoWindow => f.write_str(
                "an intensity needs a window of time: with a window of zero it would allow any number of restarts",
            ),
            TreeError::DynamicSlots => f.write_str(
                "a dynamic supervisor has no slots: leave `dynamic` out, or spawn the children when it runs",
            ),
            TreeError::DynamicShutdown => f.write_str(
                "a dynamic supervisor has no significant children: leave `dynamic` or `auto_shutdown` out",
            ),
        }
    }
}

impl Error for TreeError {}

/// Why a supervisor did not do what it was asked about a child.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ChildError {
    /// It has no slot of this id.
    NotFound(String),
    /// It has a slot of this id already.
    IdTaken {
        /// The id.
        id: String,
        /// What it is at with the child that is there.
        state: ChildState,
    },
    /// The slot has a child, or will have one again: terminate it first.
    NotStopped {
        /// The id of the slot.
        id: String,
        /// What the supervisor is at with the child.
        state: ChildState,
    },
    /// The child was started and has ended before it was there.
    Failed(StopReason),
    /// The supervisor cannot have such a child.
    Tree(TreeError),
    /// It is dynamic and has no slots.
    Dynamic,
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildError::NotFound(id) => write!(f, "there is no child {id:?}"),
            ChildError::IdTaken { id, state } => {
                write!(f, "there is a child {id:?} already; it is {state:?}")
            }
            ChildError::NotStopped { id, state } => {
                write!(f, "the child {id:?} is {state:?}; terminate it first")
            }
            ChildError::Failed(why) => write!(f, "the child {why}"),
            ChildError::Tree(error) => error.fmt(f),
            ChildError::Dynamic => {
                f.write_str("a dynamic supervisor has no slots: spawn the child under it instead")
            }
        }
    }
}

impl Error for ChildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ChildError::Tree(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a supervisor did not start: a child of it did not. In the [`Failure`](crate::Failure) of its
/// [`StopReason::StartFailed`].
#[derive(Clone, Debug)]
pub struct StartError {
    /// The child's id.
    pub child: String,
    /// Why it did not start.
    pub cause: StopReason,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the child {:?} {}", self.child, self.cause)
    }
}

impl Error for StartError {}
