//! The global queue: work from threads that are no workers, and what is too much for a worker's own
//! queue. It is behind a lock, which is held for a few steps, and taken by nobody to see that it is empty.

use std::collections::VecDeque;

use crate::scheduler::queue::{LENGTH, Queue, Thin};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// For how many values memory is kept when there are none.
const KEPT: usize = 4096;

pub(crate) struct Global<T> {
    queue: Mutex<VecDeque<T>>,
    /// The length of `queue`. Written under the lock.
    length: AtomicUsize,
    /// How many were taken out so far; wraps around. Written under the lock.
    taken: AtomicUsize,
}

impl<T: Thin> Global<T> {
    pub(super) fn new() -> Self {
        Global { queue: Mutex::new(VecDeque::new()), length: AtomicUsize::new(0), taken: AtomicUsize::new(0) }
    }

    pub(super) fn push(&self, value: T) {
        self.push_batch([value]);
    }

    /// Puts all of them at the end, together.
    pub(super) fn push_batch(&self, values: impl IntoIterator<Item = T>) {
        let mut queue = self.queue.lock();
        queue.extend(values);
        // Relaxed, as everywhere here: who must not miss a push has a fence before he looks (`sleep`).
        self.length.store(queue.len(), Ordering::Relaxed);
    }

    /// Takes a fair share, if `sharers` workers take from here: gives the first, and puts the others into
    /// `into`, as far as there is room, and at most half of what it holds; not more than `most` in all.
    pub(super) fn take(&self, sharers: usize, most: usize, into: &Queue<T>) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.queue.lock();
        let share = (queue.len() / sharers.max(1)).min(LENGTH / 2).min(most);
        let first = queue.pop_front();
        for _ in 1..share {
            let Some(value) = queue.pop_front() else { break };
            if let Err(value) = into.try_push(value) {
                queue.push_front(value);
                break;
            }
        }
        self.note_taken(queue);
        first
    }

    /// Takes the first.
    pub(super) fn pop(&self) -> Option<T> {
        let mut queue = self.queue.lock();
        let first = queue.pop_front();
        self.note_taken(queue);
        first
    }

    fn note_taken(&self, mut queue: MutexGuard<'_, VecDeque<T>>) {
        let before = self.length.load(Ordering::Relaxed);
        self.taken.fetch_add(before - queue.len(), Ordering::Relaxed);
        self.length.store(queue.len(), Ordering::Relaxed);
        if queue.is_empty() && queue.capacity() > KEPT {
            // The memory of a rush is not kept for ever.
            *queue = VecDeque::new();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length.load(Ordering::Relaxed) == 0
    }

    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// How many were taken out so far. Wraps around.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}
