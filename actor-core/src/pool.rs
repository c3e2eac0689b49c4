//! Blocks of memory for what comes and goes with every message: nodes of mailboxes, reply slots,
//! futures of async handlers.
//!
//! Each thread has a stack of free blocks per size class. What one thread allocates another often
//! frees, so blocks wander; a thread that has too many gives a batch to a shared stack, and one that
//! has none takes a batch from there. Locks are taken once per batch. The shared stacks are bounded,
//! what does not fit goes back to the allocator.
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

use crate::observe::{self, Count};
use crate::sync::Mutex;

/// Blocks come in multiples of this.
const STEP: usize = 32;
/// How they are aligned: as much as allocators do without being asked, which is fast.
const ALIGN: usize = 16;
/// The largest block that is pooled; beyond it the allocator serves.
const LARGEST: usize = 512;
const CLASSES: usize = LARGEST / STEP;
/// How many blocks change hands at a time.
const BATCH: usize = 64;
/// The most batches that a shared stack keeps.
const SHARED: usize = 2048;

/// A free block begins with a pointer to the next.
struct Free {
    next: *mut Free,
}

/// Free blocks of one class, linked.
struct Stack {
    top: *mut Free,
    len: usize,
}

impl Stack {
    const EMPTY: Stack = Stack { top: ptr::null_mut(), len: 0 };

    fn push(&mut self, block: NonNull<Free>) {
        // SAFETY: the block is free, of at least the size of a `Free`, and ours.
        unsafe { block.write(Free { next: self.top }) };
        self.top = block.as_ptr();
        self.len += 1;
    }

    fn pop(&mut self) -> Option<NonNull<Free>> {
        let block = NonNull::new(self.top)?;
        // SAFETY: a block on the stack is free and begins with a `Free`.
        self.top = unsafe { block.as_ref() }.next;
        self.len -= 1;
        Some(block)
    }

    /// Takes off a batch.
    fn split(&mut self) -> Stack {
        let mut batch = Stack::EMPTY;
        while batch.len < BATCH
            && let Some(block) = self.pop()
        {
            batch.push(block);
        }
        batch
    }
}

// SAFETY: a stack owns its blocks, which are nothing but memory.
unsafe impl Send for Stack {}

struct Local {
    stacks: UnsafeCell<[Stack; CLASSES]>,
}

thread_local!(static LOCAL: Local = const { Local { stacks: UnsafeCell::new([Stack::EMPTY; CLASSES]) } });

static SHARED_STACKS: [Mutex<Vec<Stack>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

impl Drop for Local {
    fn drop(&mut self) {
        for (class, stack) in self.stacks.get_mut().iter_mut().enumerate() {
            while stack.len > 0 {
                give_back(class, stack.split());
            }
        }
    }
}

/// The class of blocks for a layout; `None` if it is too large or aligned too strictly.
const fn class_of(layout: Layout) -> Option<usize> {
    let size = if layout.size() == 0 { 1 } else { layout.size() };
    if size <= LARGEST && layout.align() <= ALIGN { Some((size - 1) / STEP) } else { None }
}

fn layout_of(class: usize) -> Layout {
    Layout::from_size_align((class + 1) * STEP, ALIGN).expect("a block's layout is valid")
}

/// Memory for a `T`, not initialised.
#[inline]
pub(crate) fn allocate<T>() -> NonNull<T> {
    const { assert!(size_of::<Free>() <= STEP) };
    let layout = Layout::new::<T>();
    match const { class_of(Layout::new::<T>()) } {
        Some(class) => {
            let block = LOCAL.try_with(|local| {
                // SAFETY: the stacks are this thread's, and nothing in here calls back.
                let stacks = unsafe { &mut *local.stacks.get() };
                stacks[class].pop().unwrap_or_else(|| refill(class, &mut stacks[class]))
            });
            block.unwrap_or_else(|_thread_is_ending| from_allocator(layout_of(class)).cast()).cast()
        }
        None => from_allocator(layout).cast(),
    }
}

/// Frees memory of [`allocate`].
///
/// # Safety
/// `block` comes from `allocate::<T>`, on any thread, and is not used any more.
#[inline]
pub(crate) unsafe fn release<T>(block: NonNull<T>) {
    match const { class_of(Layout::new::<T>()) } {
        Some(class) => {
            let block = block.cast::<Free>();
            let kept = LOCAL.try_with(|local| {
                // SAFETY: as in `allocate`.
                let stacks = unsafe { &mut *local.stacks.get() };
                let stack = &mut stacks[class];
                stack.push(block);
                if stack.len >= 2 * BATCH {
                    give_back(class, stack.split());
                }
            });
            if kept.is_err() {
                // SAFETY: all blocks of a class have its layout.
                unsafe { alloc::dealloc(block.as_ptr().cast(), layout_of(class)) };
            }
        }
        // SAFETY: what is not pooled comes from the allocator, with this layout.
        None => unsafe { alloc::dealloc(block.as_ptr().cast(), Layout::new::<T>()) },
    }
}

#[cold]
fn refill(class: usize, stack: &mut Stack) -> NonNull<Free> {
    if let Some(batch) = SHARED_STACKS[class].lock().pop() {
        *stack = batch;
    }
    stack.pop().unwrap_or_else(|| {
        observe::count(Count::PoolMisses);
        from_allocator(layout_of(class)).cast()
    })
}

#[cold]
fn give_back(class: usize, mut batch: Stack) {
    let mut shared = SHARED_STACKS[class].lock();
    if shared.len() < SHARED {
        shared.push(batch);
        return;
    }
    drop(shared);
    while let Some(block) = batch.pop() {
        // SAFETY: all blocks of a class have its layout.
        unsafe { alloc::dealloc(block.as_ptr().cast(), layout_of(class)) };
    }
}

fn from_allocator(layout: Layout) -> NonNull<u8> {
    // SAFETY: layouts here have a size above zero: classes begin at `STEP`, and a type that is not
    // pooled is larger than `LARGEST` or its alignment.
    let block = unsafe { alloc::alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}
