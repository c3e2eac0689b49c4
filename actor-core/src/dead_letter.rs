//! Dead letters: messages that were accepted and that no handler has dealt with, each with the
//! reason.

use std::fmt;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::cell::{ActorId, Control};
use crate::reason::StopReason;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};

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
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterReason::MailboxFull => f.write_str("the mailbox was full"),
            DeadLetterReason::Stopped(why) => write!(f, "the actor ended ({why})"),
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
    missed: AtomicU64,
    /// The length of `subscribers`, so that nobody locks them in vain.
    subscribed: AtomicUsize,
    subscribers: Mutex<Vec<Sender<DeadLetter>>>,
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
        self.missed.load(Ordering::Relaxed)
    }

    /// A channel that gets all dead letters from now on, and holds at most `capacity` of them;
    /// what finds it full is not waited for, but counted as [`missed`](Self::missed). Dropping the
    /// receiver ends the subscription.
    pub fn subscribe(&self, capacity: usize) -> Receiver<DeadLetter> {
        let (sender, receiver) = bounded(capacity.max(1));
        let mut subscribers = self.subscribers.lock();
        subscribers.push(sender);
        self.subscribed.store(subscribers.len(), Ordering::Relaxed);
        receiver
    }

    pub(crate) fn announce(&self, cell: &dyn Control, message: &'static str, reason: DeadLetterReason) {
        // Relaxed throughout: the counts order nothing, and one who subscribes while a letter is on
        // its way may or may not get it.
        self.count.fetch_add(1, Ordering::Relaxed);
        if matches!(reason, DeadLetterReason::HandlerFailed(_)) {
            tracing::warn!(path = %cell.path(), message, %reason, "dead letter");
        } else {
            tracing::debug!(path = %cell.path(), message, %reason, "dead letter");
        }
        if self.subscribed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let letter = DeadLetter { actor: cell.id(), path: cell.path().to_string(), message, reason };
        let mut subscribers = self.subscribers.lock();
        subscribers.retain(|subscriber| match subscriber.try_send(letter.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
        self.subscribed.store(subscribers.len(), Ordering::Relaxed);
    }
}
