//! Something that threads subscribe to: each subscriber has a channel of its own, and is never waited for.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};

/// Something that threads subscribe to, such as the [events](crate::SystemHandle::events) of a system. Each subscriber
/// has a channel of its own, and nobody waits for one that does not take what it is sent.
#[derive(Debug)]
pub struct Topic<T> {
    missed: AtomicU64,
    /// The length of `subscribers`, so that nobody locks them in vain.
    subscribed: AtomicUsize,
    subscribers: Mutex<Vec<Sender<T>>>,
}

impl<T> Default for Topic<T> {
    fn default() -> Self {
        Topic {
            missed: AtomicU64::new(0),
            subscribed: AtomicUsize::new(0),
            subscribers: Mutex::new(Vec::new()),
        }
    }
}

impl<T: Clone> Topic<T> {
    /// How many a subscriber did not get because its channel was full.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// A channel that gets all that is published from now on, and holds at most `capacity` of it, which is at least 1;
    /// what finds it full is not waited for, but counted as [`missed`](Self::missed). Dropping the receiver ends the
    /// subscription.
    pub fn subscribe(&self, capacity: usize) -> Receiver<T> {
        let (sender, receiver) = bounded(capacity.max(1));
        let mut subscribers = self.subscribers.lock();
        subscribers.push(sender);
        self.subscribed.store(subscribers.len(), Ordering::Relaxed);
        receiver
    }

    /// Gives all subscribers what `make` makes, which is not called if there are none.
    pub fn publish(&self, make: impl FnOnce() -> T) {
        // Relaxed throughout: the counts order nothing, and one who subscribes at this moment may or may not get it.
        if self.subscribed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let value = make();
        let mut subscribers = self.subscribers.lock();
        subscribers.retain(|subscriber| match subscriber.try_send(value.clone()) {
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
