//! Dead letters: messages that were accepted and that no handler has dealt with, each with the
//! reason.

use std::fmt;

use crossbeam_channel::Receiver;

use tracing::Level;

use crate::cell::{ActorId, Control};
use crate::log;
use crate::observe::topic::Topic;
use crate::reason::StopReason;
use crate::sync::{AtomicU64, Ordering};

/// Why a message became a dead letter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The overflow policy of a full mailbox dropped it.
    MailboxFull,
    /// The actor ended with the message in its mailbox.
    Stopped(StopReason),
    /// Its handler panicked, failed the actor, or was cancelled by a kill.
    HandlerFailed(StopReason),
    /// It was queued when the incarnation ended, and the actor
    /// [clears its queue](crate::Settings::clear_on_restart) at restarts.
    Cleared(StopReason),
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterReason::MailboxFull => f.write_str("the mailbox was full"),
            DeadLetterReason::Stopped(why) => write!(f, "the actor ended ({why})"),
            DeadLetterReason::Cleared(why) => write!(f, "the actor is restarted with an empty queue ({why})"),
            DeadLetterReason::HandlerFailed(why) => write!(f, "its handler failed ({why})"),
        }
    }
}

/// A message that was accepted and that no handler has dealt with.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Whose message it was.
    pub actor: ActorId,
    /// That actor's path.
    pub path: String,
    /// The handler's name.
    pub message: &'static str,
    /// Why nobody dealt with it.
    pub reason: DeadLetterReason,
}

/// The dead letters of a system: counted always, and handed to those who subscribe.
///
/// Each is a `tracing` event as well: at `WARN` when a handler failed, at `DEBUG` otherwise.
#[derive(Debug, Default)]
pub struct DeadLetters {
    count: AtomicU64,
    topic: Topic<DeadLetter>,
}

impl DeadLetters {
    /// How many there have been.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// How many a subscriber did not get because its channel was full.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.topic.missed()
    }

    /// A channel that gets all dead letters from now on, and holds at most `capacity` of them;
    /// what finds it full is not waited for, but counted as [`missed`](Self::missed). Dropping the
    /// receiver ends the subscription.
    pub fn subscribe(&self, capacity: usize) -> Receiver<DeadLetter> {
        self.topic.subscribe(capacity)
    }

    pub(crate) fn announce(&self, cell: &dyn Control, message: &'static str, reason: DeadLetterReason) {
        // Relaxed: it orders nothing.
        self.count.fetch_add(1, Ordering::Relaxed);
        if matches!(reason, DeadLetterReason::HandlerFailed(_)) {
            log::say(Level::WARN, || {
                let (path, reason) = (cell.path().to_string(), reason.to_string());
                move || tracing::warn!(path, message, reason, "dead letter")
            });
        } else {
            tracing::debug!(path = %cell.path(), message, %reason, "dead letter");
        }
        #[cfg(feature = "sim")]
        crate::sim::seam::announces(&cell.path(), message, &reason);
        let (actor, path) = (cell.id(), || cell.path().to_string());
        self.topic.publish(|| DeadLetter { actor, path: path(), message, reason });
    }
}
