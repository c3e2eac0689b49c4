//! A chunk: a piece of memory from the allocator that is cut into blocks of one size. It begins at a
//! multiple of its size, so the address of a block tells its chunk.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::{self, NonNull};

use crate::observe::{self, Count};
use crate::pool::memory;
use crate::sync::UnsafeCell;

/// Chunks begin at multiples of this, in bytes.
#[cfg(not(loom))]
pub(super) const SPAN: usize = 64 * 1024;
/// Three of a model's blocks fill a chunk.
#[cfg(loom)]
pub(super) const SPAN: usize = 4096;
/// A little less than the span: an allocator that puts a few bytes of its own before each piece can
/// then put one chunk behind another without a gap.
#[cfg(not(loom))]
const SIZE: usize = SPAN - 64;
#[cfg(loom)]
const SIZE: usize = FIRST + 3 * super::LARGEST;
/// Where the first block begins: behind the header, and at a cache line.
#[cfg(not(loom))]
const FIRST: usize = 64;
/// The checker's cell is larger.
#[cfg(loom)]
const FIRST: usize = 512;

const LAYOUT: Layout = match Layout::from_size_align(SIZE, SPAN) {
    Ok(layout) => layout,
    Err(_) => panic!("a chunk's layout is valid"),
};

/// A free block begins with this.
pub(super) struct Free {
    pub(super) next: *mut Free,
    /// For the first block of a batch that lies in a depot: the batch below.
    pub(super) below: *mut Free,
}

/// Free blocks, linked; any of one class.
pub(super) struct Stack {
    pub(super) top: *mut Free,
    pub(super) len: usize,
}

// SAFETY: a stack owns its blocks, which are nothing but memory.
unsafe impl Send for Stack {}
// SAFETY: the same.
unsafe impl Send for Fresh {}

impl Stack {
    pub(super) const EMPTY: Stack = Stack { top: ptr::null_mut(), len: 0 };

    #[inline]
    pub(super) fn push(&mut self, block: NonNull<Free>) {
        // SAFETY: the block is free, of at least the size of a `Free`, and ours.
        unsafe { block.write(Free { next: self.top, below: ptr::null_mut() }) };
        self.top = block.as_ptr();
        self.len += 1;
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonNull<Free>> {
        let block = NonNull::new(self.top)?;
        // SAFETY: a block on the stack is free and begins with a `Free`.
        self.top = unsafe { block.as_ref() }.next;
        self.len -= 1;
        Some(block)
    }
}

/// The blocks of a chunk that were never used, from some on. They are cut off one by one, so that
/// nobody touches memory before it is needed.
pub(super) struct Fresh {
    next: NonNull<u8>,
    left: usize,
}

impl Fresh {
    pub(super) const NONE: Fresh = Fresh { next: NonNull::dangling(), left: 0 };

    #[cfg(not(loom))]
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The chunk, if there is a block.
    pub(super) fn chunk(&self) -> Option<Chunk> {
        (self.left > 0).then(|| Chunk::of(self.next.cast()))
    }

    /// Moves up to `most` blocks of a size to a stack, the first of them on top.
    pub(super) fn cut(&mut self, most: usize, block: usize, to: &mut Stack) {
        let count = most.min(self.left);
        for index in (0..count).rev() {
            // SAFETY: the block lies within the chunk, which has so many left.
            to.push(unsafe { self.next.add(index * block) }.cast());
        }
        // SAFETY: at most the end of the last block.
        self.next = unsafe { self.next.add(count * block) };
        self.left -= count;
    }
}

/// A chunk, by its header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk(NonNull<Header>);

// SAFETY: a chunk is memory; what is in its header is used by who holds the lock of its depot.
unsafe impl Send for Chunk {}

struct Header(UnsafeCell<State>);

/// What a depot knows of a chunk.
pub(super) struct State {
    /// Its neighbours among the chunks that have something to give, or the next in another list.
    pub(super) next: Option<Chunk>,
    pub(super) previous: Option<Chunk>,
    /// Blocks that have come back.
    free: Stack,
    /// Blocks that were never out.
    fresh: Fresh,
    /// How many blocks are out.
    pub(super) out: usize,
}

impl Chunk {
    /// A new chunk, all of whose blocks are fresh.
    pub(super) fn new(block: usize) -> Chunk {
        const { assert!(size_of::<Header>() <= FIRST) };
        observe::count(Count::PoolMisses);
        let base = memory::allocate(LAYOUT);
        let fresh = fresh(base, block);
        let state = State { next: None, previous: None, free: Stack::EMPTY, fresh, out: 0 };
        let header = base.cast::<Header>();
        // SAFETY: the memory is ours, aligned, and larger than a header.
        unsafe { header.write(Header(UnsafeCell::new(state))) };
        Chunk(header)
    }

    /// The chunk of a block.
    #[inline]
    pub(super) fn of(block: NonNull<Free>) -> Chunk {
        let header = block.as_ptr().map_addr(|addr| addr & !(SPAN - 1));
        // SAFETY: a chunk begins at the last multiple of `SPAN`, and none at address 0.
        Chunk(unsafe { NonNull::new_unchecked(header) }.cast())
    }

    /// Lends what is known of the chunk.
    ///
    /// # Safety
    /// The chunk has not been freed, and nobody else is doing this: the caller has its depot's lock,
    /// or has just made the chunk.
    #[inline]
    pub(super) unsafe fn with<R>(self, f: impl FnOnce(&mut State) -> R) -> R {
        // SAFETY: the header is there as long as the chunk.
        let header = unsafe { self.0.as_ref() };
        // SAFETY: nobody else has it, says the caller.
        header.0.with_mut(|state| f(unsafe { &mut *state }))
    }

    /// All blocks have come back: they are as good as fresh.
    ///
    /// # Safety
    /// As for `with`.
    pub(super) unsafe fn refresh(self, block: usize) {
        let fresh = fresh(self.0.cast(), block);
        // SAFETY: passed on.
        unsafe { self.with(|state| (state.free, state.fresh) = (Stack::EMPTY, fresh)) };
    }

    /// Frees the chunk.
    ///
    /// # Safety
    /// No block is out, and no list has it.
    pub(super) unsafe fn free(self) {
        // SAFETY: the header is there, and is not used again.
        unsafe { self.0.drop_in_place() };
        // SAFETY: it was allocated with this layout.
        unsafe { memory::free(self.0.cast(), LAYOUT) };
    }
}

/// The blocks of a chunk.
fn fresh(base: NonNull<u8>, block: usize) -> Fresh {
    // SAFETY: a chunk is larger than its header.
    Fresh { next: unsafe { base.add(FIRST) }, left: (SIZE - FIRST) / block }
}

impl State {
    /// Gives out up to `most` blocks that have come back.
    pub(super) fn take(&mut self, most: usize) -> Stack {
        let mut taken = Stack::EMPTY;
        while taken.len < most
            && let Some(block) = self.free.pop()
        {
            taken.push(block);
        }
        self.out += taken.len;
        taken
    }

    /// Gives out all that is fresh.
    pub(super) fn take_fresh(&mut self) -> Fresh {
        self.out += self.fresh.left;
        std::mem::replace(&mut self.fresh, Fresh::NONE)
    }

    /// Takes back what of `take_fresh` was not cut off.
    pub(super) fn put_fresh(&mut self, fresh: Fresh) {
        self.out -= fresh.left;
        self.fresh = fresh;
    }

    /// Takes a block back that came from this chunk.
    #[inline]
    pub(super) fn put(&mut self, block: NonNull<Free>) {
        self.free.push(block);
        self.out -= 1;
    }

    /// Whether it has a block to give.
    pub(super) fn has_room(&self) -> bool {
        self.free.len > 0 || self.fresh.left > 0
    }
}
