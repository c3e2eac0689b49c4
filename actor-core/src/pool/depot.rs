//! A depot: what all threads share of the blocks of one class.
//!
//! Whole batches lie here as they were brought, to be fetched again while they are warm. When there
//! are enough of them, the blocks of further ones go home, each into its chunk; and a chunk that has
//! all of its blocks back is empty. Some empty chunks are kept, so that a use that goes up and down
//! does not run to the allocator and back; the others are freed.
//!
//! All of this is under a lock, taken once per batch and held for a bounded number of steps.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use std::ptr;

use crate::pool::chunk::{Chunk, Free, Fresh, Stack, State};
use crate::pool::{BATCH, BATCHES};
use crate::sync::StaticMutex;

/// So many empty chunks are always kept.
#[cfg(not(loom))]
const EMPTY: usize = 4;
#[cfg(loom)]
const EMPTY: usize = 0;
/// And beyond these, one for so many that are in use.
const IN_USE: usize = 4;

/// What a depot gives out.
pub(super) enum Taken {
    /// At least one block.
    Blocks(Stack),
    Fresh(Fresh),
}

pub(super) struct Depot {
    inner: StaticMutex<Inner>,
}

struct Inner {
    /// Batches of `BATCH` blocks, the newest on top.
    batches: *mut Free,
    /// How many.
    kept: usize,
    /// Chunks that have blocks to give and blocks that are out.
    open: Option<Chunk>,
    /// Chunks of which no block is out.
    empty: Option<Chunk>,
    empties: usize,
    /// How many chunks have blocks that are out.
    in_use: usize,
}

// SAFETY: a depot owns its blocks and chunks, which are nothing but memory.
unsafe impl Send for Inner {}

impl Depot {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Depot { inner: StaticMutex::new(Inner::NEW) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Depot { inner: StaticMutex::new(Inner::NEW) }
    }

    /// Gives out some blocks, or the fresh ones of a chunk.
    pub(super) fn take(&self, block: usize) -> Taken {
        if let Some(taken) = self.inner.lock().take(block) {
            return taken;
        }
        // Made without the lock: the allocator may take its time.
        let chunk = Chunk::new(block);
        self.inner.lock().in_use += 1;
        // SAFETY: nobody else knows the chunk before its blocks are out.
        Taken::Fresh(unsafe { chunk.with(|state| state.take_fresh()) })
    }

    /// Takes back what of a chunk is still fresh.
    pub(super) fn give_fresh(&self, fresh: Fresh) {
        let Some(chunk) = fresh.chunk() else { return };
        let mut freed = None;
        self.inner.lock().change(chunk, &mut freed, |state| state.put_fresh(fresh));
        free_all(freed);
    }

    /// Takes blocks back, best a batch.
    pub(super) fn give(&self, batch: Stack) {
        if batch.len == 0 {
            return;
        }
        let mut freed = None;
        {
            let mut inner = self.inner.lock();
            if batch.len == BATCH && inner.kept < BATCHES {
                inner.keep(batch);
                return;
            }
            inner.put_home(batch, &mut freed);
            // Use is going down. What is kept in batches would hold its chunks for ever.
            if freed.is_some()
                && let Some(batch) = inner.fetch()
            {
                inner.put_home(batch, &mut freed);
            }
        }
        free_all(freed);
    }

    /// Puts home and frees all that can be.
    #[cfg(test)]
    pub(super) fn clear(&self) {
        let mut freed = None;
        {
            let mut inner = self.inner.lock();
            while let Some(batch) = inner.fetch() {
                inner.put_home(batch, &mut freed);
            }
            while let Some(chunk) = inner.empty {
                // SAFETY: the lock is held, and what is in the list is there.
                inner.empty = unsafe { chunk.with(|state| std::mem::replace(&mut state.next, freed)) };
                inner.empties -= 1;
                freed = Some(chunk);
            }
        }
        free_all(freed);
    }

    /// How many chunks there are: in use, and empty.
    #[cfg(test)]
    pub(super) fn chunks(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.in_use, inner.empties)
    }
}

/// Frees chunks that are linked by `next`. Without the lock, as the allocator may take its time.
fn free_all(mut chunks: Option<Chunk>) {
    while let Some(chunk) = chunks {
        // SAFETY: the chunk was taken out of all lists, so it is ours alone.
        chunks = unsafe { chunk.with(|state| state.next) };
        // SAFETY: as above, and none of its blocks is out.
        unsafe { chunk.free() };
    }
}

impl Inner {
    const NEW: Inner =
        Inner { batches: ptr::null_mut(), kept: 0, open: None, empty: None, empties: 0, in_use: 0 };

    fn take(&mut self, block: usize) -> Option<Taken> {
        if let Some(batch) = self.fetch() {
            return Some(Taken::Blocks(batch));
        }
        if let Some(chunk) = self.open {
            let taken = |state: &mut State| match state.take(BATCH) {
                Stack { len: 0, .. } => Taken::Fresh(state.take_fresh()),
                blocks => Taken::Blocks(blocks),
            };
            // SAFETY: the lock is held (as everywhere in here), and what is in a list is there.
            let (taken, has_room) = unsafe { chunk.with(|state| (taken(state), state.has_room())) };
            if !has_room {
                self.unlink(chunk);
            }
            return Some(taken);
        }
        let chunk = self.empty?;
        // SAFETY: as above.
        self.empty = unsafe { chunk.with(|state| state.next.take()) };
        self.empties -= 1;
        self.in_use += 1;
        // SAFETY: as above.
        unsafe { chunk.refresh(block) };
        // SAFETY: as above.
        Some(Taken::Fresh(unsafe { chunk.with(|state| state.take_fresh()) }))
    }

    fn keep(&mut self, batch: Stack) {
        // SAFETY: a batch is not empty, and its blocks are free and ours.
        unsafe { (*batch.top).below = self.batches };
        self.batches = batch.top;
        self.kept += 1;
    }

    fn fetch(&mut self) -> Option<Stack> {
        if self.batches.is_null() {
            return None;
        }
        let top = self.batches;
        // SAFETY: batches are made of free blocks.
        self.batches = unsafe { (*top).below };
        self.kept -= 1;
        Some(Stack { top, len: BATCH })
    }

    fn put_home(&mut self, mut batch: Stack, freed: &mut Option<Chunk>) {
        while let Some(block) = batch.pop() {
            self.change(Chunk::of(block), freed, |state| state.put(block));
        }
    }

    /// Puts back what of a chunk was out.
    #[inline]
    fn change(&mut self, chunk: Chunk, freed: &mut Option<Chunk>, put: impl FnOnce(&mut State)) {
        let change = |state: &mut State| {
            let had_room = state.has_room();
            put(state);
            (had_room, state.out == 0)
        };
        // SAFETY: a block is out, so the chunk is there; the lock is held.
        let (had_room, is_empty) = unsafe { chunk.with(change) };
        if is_empty {
            if had_room {
                self.unlink(chunk);
            }
            self.emptied(chunk, freed);
        } else if !had_room {
            self.link(chunk);
        }
    }

    /// A chunk that is in no list has all of its blocks.
    fn emptied(&mut self, chunk: Chunk, freed: &mut Option<Chunk>) {
        self.in_use -= 1;
        // SAFETY: the lock is held.
        unsafe { chunk.with(|state| state.next = self.empty.replace(chunk)) };
        self.empties += 1;
        // With each chunk that falls empty the limit falls a little too, so this ends soon.
        while self.empties > EMPTY + self.in_use / IN_USE
            && let Some(chunk) = self.empty
        {
            // SAFETY: as above.
            self.empty = unsafe { chunk.with(|state| std::mem::replace(&mut state.next, freed.take())) };
            self.empties -= 1;
            *freed = Some(chunk);
        }
    }

    /// Puts a chunk first among the open ones.
    fn link(&mut self, chunk: Chunk) {
        let next = self.open.replace(chunk);
        // SAFETY: the lock is held, and chunks in a list are there.
        unsafe { chunk.with(|state| (state.next, state.previous) = (next, None)) };
        if let Some(next) = next {
            // SAFETY: as above.
            unsafe { next.with(|state| state.previous = Some(chunk)) };
        }
    }

    fn unlink(&mut self, chunk: Chunk) {
        // SAFETY: as in `link`.
        let (next, previous) = unsafe { chunk.with(|state| (state.next.take(), state.previous.take())) };
        match previous {
            // SAFETY: as in `link`.
            Some(previous) => unsafe { previous.with(|state| state.next = next) },
            None => self.open = next,
        }
        if let Some(next) = next {
            // SAFETY: as in `link`.
            unsafe { next.with(|state| state.previous = previous) };
        }
    }
}
