//! How workers fall asleep and are woken, without losing a wake-up and without waking in vain.
//!
//! A worker is *running* (has work), *searching* (looks for some) or *idle* (parked, or about to
//! be). One that searches may *nap*, where others run and there is nothing worth taking from them. The README beside this file tells the protocol and why it loses nothing.

#[cfg(all(test, loom))]
mod model;

use crate::sync::{AtomicUsize, Mutex, Ordering, fence};

#[derive(Default)]
pub(crate) struct Sleep {
    /// The numbers of the idle workers.
    idle: Mutex<Vec<usize>>,
    /// The length of `idle`, so that nobody locks it in vain.
    idle_count: AtomicUsize,
    /// How many workers are searching.
    searching: AtomicUsize,
    /// The number of the searching worker that naps, plus one; 0 if none does.
    napper: AtomicUsize,
}

impl Sleep {
    /// Work was pushed: the idle worker to wake for it, which counts as searching from here on.
    /// `None` if a searching worker will find it, or all are running.
    #[inline]
    pub(crate) fn worker_to_wake(&self) -> Option<usize> {
        // Pairs with the fence in `fall_asleep`: either this sees the worker idle and no longer
        // searching, or that worker, looking again, sees the work.
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) > 0 || self.idle_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.take_idle()
    }

    #[inline(never)]
    fn take_idle(&self) -> Option<usize> {
        let mut idle = self.idle.lock();
        let worker = idle.pop()?;
        self.idle_count.store(idle.len(), Ordering::Relaxed);
        self.searching.fetch_add(1, Ordering::Relaxed);
        Some(worker)
    }

    /// Work was pushed that cannot wait, and there was no [`worker_to_wake`](Self::worker_to_wake), whose fence
    /// this relies on: the napping worker, to be unparked. One push gets it.
    #[inline]
    pub(crate) fn napper_to_wake(&self) -> Option<usize> {
        if self.napper.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.napper.swap(0, Ordering::Relaxed).checked_sub(1)
    }

    /// A searching worker goes on searching, but naps before. False if another one naps. It must look
    /// once more before it parks.
    pub(crate) fn begin_nap(&self, worker: usize) -> bool {
        let begun = self.napper.compare_exchange(0, worker + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        // Pairs with the fence in `worker_to_wake`: either who pushes sees the nap, or this worker, looking
        // again, sees the work.
        fence(Ordering::SeqCst);
        begun
    }

    pub(crate) fn end_nap(&self, worker: usize) {
        // It is another's if this worker was unparked and that one naps since.
        let _ = self.napper.compare_exchange(worker + 1, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether a worker searches for work.
    pub(crate) fn is_searching(&self) -> bool {
        // Relaxed: a hint.
        self.searching.load(Ordering::Relaxed) > 0
    }

    /// How many workers are idle.
    pub(crate) fn idle(&self) -> usize {
        self.idle_count.load(Ordering::Relaxed)
    }

    /// A running worker has run out of work and looks for some.
    pub(crate) fn start_search(&self) {
        self.searching.fetch_add(1, Ordering::Relaxed);
    }

    /// A searching worker has found work. True if it was the last to search: pushes that relied on
    /// it have woken nobody, so it must see to it that somebody searches on if there is more.
    pub(crate) fn end_search(&self) -> bool {
        // Acquire: pairs with the Release in `fall_asleep`. Who is the last sees those idle that were not.
        let last = self.searching.fetch_sub(1, Ordering::Acquire) == 1;
        // Pairs with the fence in `worker_to_wake`. A push that still saw this search is in the queues that the
        // caller looks at next.
        fence(Ordering::SeqCst);
        last
    }

    /// A searching worker found nothing and becomes idle. It must look at all queues once more before it parks.
    /// True if it was the last to search; otherwise what is not worth taking is for those who search on.
    pub(crate) fn fall_asleep(&self, worker: usize) -> bool {
        let mut idle = self.idle.lock();
        idle.push(worker);
        self.idle_count.store(idle.len(), Ordering::Relaxed);
        drop(idle);
        // Release: pairs with the subtraction in `end_search`. Who searches longer sees this worker idle.
        let last = self.searching.fetch_sub(1, Ordering::Release) == 1;
        // Pairs with the fence in `worker_to_wake`.
        fence(Ordering::SeqCst);
        last
    }

    /// An idle worker goes searching: by itself, or because it was woken and counts already.
    pub(crate) fn wake_up(&self, worker: usize) {
        let mut idle = self.idle.lock();
        if let Some(at) = idle.iter().position(|idle| *idle == worker) {
            idle.swap_remove(at);
            self.idle_count.store(idle.len(), Ordering::Relaxed);
            self.searching.fetch_add(1, Ordering::Relaxed);
        }
    }
}
