//! Blocks of memory for what comes and goes with every message: nodes of mailboxes, reply slots,
//! futures of async handlers; and for what comes and goes with every actor, its incarnation.
//!
//! * Each thread has two small stacks of free blocks per class of size, in [`Local`]. What was freed
//!   last is used first, while it is in the cache.
//! * What one thread allocates another often frees, so blocks wander: a thread that has too many
//!   brings a batch to the class's [`depot`], and one that has none fetches a batch from there. So
//!   there is one lock per batch, and per block neither a lock nor an atomic operation.
//! * The depot cuts blocks out of [`chunk`]s. A chunk whose blocks are all back can be freed, so what
//!   a crowd of messages needed goes back to the allocator when the crowd is gone.
//!
//! What is kept though nobody uses it, for each class that was ever used: a thread's stacks, at most
//! 2 batches of 64 blocks; in the depot 64 batches, 4 empty chunks of 64 KiB and one more for every 4
//! that are in use; and, as in every pool, chunks of which some blocks are still in use. A thread
//! that ends gives back all that it has; blocks in use can be freed by any thread at any time.
#![allow(unsafe_code)]

mod chunk;
mod depot;
mod memory;

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::mem;
use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use chunk::{Free, Fresh, Stack};
use depot::{Depot, Taken};

/// Blocks come in multiples of this, and are aligned so.
const STEP: usize = 16;
/// The largest block that is pooled; beyond it the allocator serves.
const LARGEST: usize = 512;
const CLASSES: usize = LARGEST / STEP;
/// How many blocks change hands at a time.
const BATCH: usize = 64;
/// How many fresh blocks are cut off at a time. So few that they are in the cache when they are used.
const AT_ONCE: usize = 16;
/// The most whole batches that a depot keeps.
const BATCHES: usize = 64;

/// A thread's free blocks of one class. Blocks come and go at the first stack; with two, a thread that
/// frees and allocates about a batch's end does not go to the depot each time.
///
/// It is *closed* as long as nobody has seen to it that what is in it is given back when the thread ends, and after that. Its
/// first stack looks empty to who takes a block, and full to who brings one: so both come to where that is looked at.
struct Pair {
    first: Stack,
    /// A whole batch, or nothing.
    second: Stack,
    /// For when both are empty.
    fresh: Fresh,
}

struct Local {
    pairs: UnsafeCell<[Pair; CLASSES]>,
}

thread_local! {
    // Without a destructor, so that an access is one instruction: every message has two.
    static LOCAL: Local = const { Local { pairs: UnsafeCell::new([Pair::CLOSED; CLASSES]) } };
    static GIVES_BACK: GivesBack = const { GivesBack };
}

/// Gives back what the thread has, when that ends.
struct GivesBack;

static DEPOTS: [CachePadded<Depot>; CLASSES] = [const { CachePadded::new(Depot::new()) }; CLASSES];

impl Pair {
    const EMPTY: Pair = Pair { first: Stack::EMPTY, second: Stack::EMPTY, fresh: Fresh::NONE };
    const CLOSED: Pair = Pair { first: Stack { top: ptr::null_mut(), len: BATCH }, ..Pair::EMPTY };

    /// Opens it, if need be. False if the thread is ending.
    fn open(&mut self) -> bool {
        if self.first.len < BATCH || !self.first.top.is_null() {
            return true;
        }
        let opens = GIVES_BACK.try_with(|_| ()).is_ok();
        if opens {
            self.first.len = 0;
        }
        opens
    }

    #[inline]
    fn pop(&mut self, class: usize) -> NonNull<Free> {
        match self.first.pop() {
            Some(block) => block,
            None => self.refill(class),
        }
    }

    #[inline]
    fn push(&mut self, class: usize, block: NonNull<Free>) {
        if self.first.len == BATCH {
            return self.push_full(class, block);
        }
        self.first.push(block);
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, class: usize) -> NonNull<Free> {
        if !self.open() {
            return one_of_depot(class);
        }
        mem::swap(&mut self.first, &mut self.second);
        loop {
            if let Some(block) = self.first.pop() {
                return block;
            }
            if self.fresh.is_empty() {
                match DEPOTS[class].take(size_of_class(class)) {
                    Taken::Blocks(blocks) => self.first = blocks,
                    Taken::Fresh(fresh) => self.fresh = fresh,
                }
            }
            self.fresh.cut(AT_ONCE, size_of_class(class), &mut self.first);
        }
    }

    /// Adds a block to a first stack that is full, or closed.
    #[cold]
    #[inline(never)]
    fn push_full(&mut self, class: usize, block: NonNull<Free>) {
        if !self.open() {
            return one_to_depot(class, block);
        }
        if self.first.len == BATCH {
            let full = mem::replace(&mut self.first, Stack::EMPTY);
            let before = mem::replace(&mut self.second, full);
            if before.len > 0 {
                DEPOTS[class].give(before);
            }
        }
        self.first.push(block);
    }
}

impl Drop for GivesBack {
    fn drop(&mut self) {
        for (class, depot) in DEPOTS.iter().enumerate() {
            let Pair { first, second, fresh } = with_pair(class, |pair| mem::replace(pair, Pair::CLOSED));
            for stack in [first, second] {
                // A closed one has none, whatever its length says.
                if !stack.top.is_null() {
                    depot.give(stack);
                }
            }
            depot.give_fresh(fresh);
        }
    }
}

/// Lends this thread's blocks of a class to `f`, which does not come back here.
#[inline(always)]
fn with_pair<R>(class: usize, f: impl FnOnce(&mut Pair) -> R) -> R {
    LOCAL.with(|local| {
        // SAFETY: the stacks are this thread's, and nothing in `f` calls back.
        let pairs = unsafe { &mut *local.pairs.get() };
        f(&mut pairs[class])
    })
}

/// The class of blocks for a layout; `None` if it is too large or aligned too strictly.
const fn class_of(layout: Layout) -> Option<usize> {
    let size = if layout.size() == 0 { 1 } else { layout.size() };
    if size <= LARGEST && layout.align() <= STEP { Some((size - 1) / STEP) } else { None }
}

const fn size_of_class(class: usize) -> usize {
    (class + 1) * STEP
}

/// Memory for a `T`, not initialised.
#[inline]
pub(crate) fn allocate<T>() -> NonNull<T> {
    const { assert!(size_of::<Free>() <= STEP && align_of::<Free>() <= STEP) };
    match const { class_of(Layout::new::<T>()) } {
        Some(class) => with_pair(class, |pair| pair.pop(class)).cast(),
        None => memory::allocate(Layout::new::<T>()).cast(),
    }
}

/// Frees memory of [`allocate`].
///
/// # Safety
/// `block` comes from `allocate::<T>`, on any thread, and is not used any more.
#[inline]
pub(crate) unsafe fn release<T>(block: NonNull<T>) {
    match const { class_of(Layout::new::<T>()) } {
        Some(class) => with_pair(class, |pair| pair.push(class, block.cast())),
        // SAFETY: what is not pooled comes from the allocator, with this layout.
        None => unsafe { memory::free(block.cast(), Layout::new::<T>()) },
    }
}

/// For a thread that is ending and has no stacks any more.
#[cold]
fn one_of_depot(class: usize) -> NonNull<Free> {
    let mut pair = Pair::EMPTY;
    let block = pair.pop(class);
    DEPOTS[class].give(pair.first);
    DEPOTS[class].give_fresh(pair.fresh);
    block
}

#[cold]
fn one_to_depot(class: usize, block: NonNull<Free>) {
    let mut stack = Stack::EMPTY;
    stack.push(block);
    DEPOTS[class].give(stack);
}

#[cfg(test)]
mod tests;
