//! The queue of a mailbox that drops its oldest: senders must get at the head, so it is under a lock.

use std::collections::VecDeque;

pub(super) struct Ring<M> {
    pub(super) queue: VecDeque<M>,
    pub(super) closed: bool,
    /// How many of the messages came before the stop, if there is one.
    pub(super) before_stop: Option<usize>,
}

impl<M> Ring<M> {
    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<M> {
        let message = self.queue.pop_front()?;
        if let Some(before) = &mut self.before_stop {
            *before = before.saturating_sub(1);
        }
        Some(message)
    }
}

impl<M> Default for Ring<M> {
    fn default() -> Self {
        Ring { queue: VecDeque::new(), closed: false, before_stop: None }
    }
}
