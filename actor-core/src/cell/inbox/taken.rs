//! What the receiver has taken out of the inbox. It is used by the holder of the run token only; but others may look whether
//! there is any.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicPtr;

use crate::cell::inbox::{Handle, Node, Stub, Usually};
use crate::sync::{Ordering, UnsafeCell};

/// What was taken, oldest first. The last node is kept when its item is handed out, as the *stub*: the inbox's head word may
/// lead to it.
pub(crate) struct Taken<T> {
    /// Marked with `SPENT` when it is the stub, or null. Others may look whether it is, and compare it.
    ///
    /// From the standard library even in models: what others see of it orders nothing.
    first: AtomicPtr<Node<T>>,
    /// Has models see who uses it.
    used: UnsafeCell<()>,
}

// SAFETY: this owns its nodes, and only the holder of the token uses them.
unsafe impl<T: Send> Send for Taken<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Taken<T> {}

const SPENT: usize = 1;

fn spent<T>(stub: *mut Node<T>) -> *mut Node<T> {
    stub.map_addr(|addr| addr | SPENT)
}

fn is_spent<T>(first: *mut Node<T>) -> bool {
    first.addr() & SPENT != 0
}

/// The stub, or null.
fn unspent<T>(first: *mut Node<T>) -> *mut Node<T> {
    first.map_addr(|addr| addr & !SPENT)
}

impl<T> Taken<T> {
    /// With nothing in it.
    pub(crate) fn new() -> Self {
        let first = AtomicPtr::new(spent(ptr::null_mut()));
        Taken { first, used: UnsafeCell::new(()) }
    }

    /// # Safety
    /// The caller holds the token for as long as it uses what it gets.
    #[inline(always)]
    pub(crate) unsafe fn by_holder(&self) -> InHand<'_, T> {
        self.used.with_mut(|_| ());
        self.in_hand()
    }

    /// For who has it alone.
    pub(crate) fn alone(&mut self) -> InHand<'_, T> {
        self.in_hand()
    }

    #[inline(always)]
    fn in_hand(&self) -> InHand<'_, T> {
        // Relaxed, here and where it is written: the token passes on what the last holder did, and who looks follows nothing.
        InHand { first: self.first.load(Ordering::Relaxed), taken: self }
    }

    /// Whether there is something to be handed out, if the inbox's head word leads to `newest`. For anybody.
    pub(super) fn is_below(&self, newest: *mut Node<T>) -> bool {
        // Relaxed: it is compared, and not followed.
        let first = self.first.load(Ordering::Relaxed);
        !is_spent(first) || !newest.is_null() && newest != unspent(first)
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        self.alone().clear();
    }
}

/// What was taken out, in the hand of who holds the token.
pub(crate) struct InHand<'a, T> {
    /// As it is in `taken`, so that it need not be read there with each message.
    first: *mut Node<T>,
    taken: &'a Taken<T>,
}

impl<T> InHand<'_, T> {
    #[inline(always)]
    fn set_first(&mut self, first: *mut Node<T>) {
        self.first = first;
        self.taken.first.store(first, Ordering::Relaxed);
    }

    /// The stub, if there is one; there is nothing else.
    pub(super) fn stub(&self) -> *mut Node<T> {
        debug_assert!(self.is_empty());
        unspent(self.first)
    }

    /// Takes the stub out, for [`Inbox::rest`](super::Inbox::rest). There is nothing else.
    #[inline]
    pub(crate) fn take_stub(&mut self) -> Stub<T> {
        let stub = self.stub();
        self.set_first(spent(ptr::null_mut()));
        Stub(stub)
    }

    /// Puts it back.
    pub(crate) fn put_stub(&mut self, stub: Stub<T>) {
        self.set_first(spent(stub.0));
    }

    /// Drops what there is. The inbox has been closed.
    pub(crate) fn clear(&mut self) {
        while self.pop().is_some() {}
        // SAFETY: the inbox was closed, so its head word leads nowhere.
        unsafe { self.take_stub().free() };
    }

    /// Adds the nodes from `newest` down to the last that was taken.
    ///
    /// # Safety
    /// They are linked by `next` and belong to the caller; there is at least one.
    #[inline(always)]
    pub(super) unsafe fn add(&mut self, newest: *mut Node<T>) {
        // SAFETY: passed on to the caller.
        if self.first.addr() == SPENT && unsafe { (*newest).next }.is_null() {
            // One message to an actor that rested.
            self.set_first(newest);
        } else {
            // SAFETY: as above.
            unsafe { self.add_all(newest) };
        }
    }

    /// # Safety
    /// As for `add`.
    #[inline(never)]
    unsafe fn add_all(&mut self, newest: *mut Node<T>) {
        if self.is_empty() {
            let stub = Stub(self.stub());
            // SAFETY: passed on to the caller.
            self.set_first(unsafe { reversed(newest, stub.0) });
            // SAFETY: the head word leads to a node above the stub, or nowhere.
            unsafe { stub.free() };
        } else {
            // SAFETY: passed on to the caller.
            unsafe { self.append(newest) };
        }
    }

    /// Adds to what there is, when the inbox is closed.
    ///
    /// # Safety
    /// As for `add`.
    #[cold]
    unsafe fn append(&mut self, newest: *mut Node<T>) {
        // SAFETY: what is not empty begins with a node of ours, and ends with one that leads nowhere.
        let last = unsafe { last_of(self.first) };
        // SAFETY: passed on to the caller.
        let rest = unsafe { reversed(newest, last) };
        // SAFETY: as above.
        unsafe { (*last).next = rest };
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        is_spent(self.first)
    }

    /// The oldest, where it lies.
    #[inline]
    pub(crate) fn first(&self) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: the node is ours, and its item was not given out.
        Some(unsafe { &(*self.first).item })
    }

    /// Hands out the oldest, of which the caller has seen that it is as most are. Not as a result or to a closure:
    /// it would be moved once more.
    #[inline(always)]
    pub(crate) fn pop_usual<H>(&mut self, to: &mut H) -> H::Outcome
    where
        T: Usually,
        H: Handle<T::Usual>,
    {
        let usual = self.first().and_then(T::usual).expect("the caller has looked");
        // SAFETY: this is all that the item has, which nobody uses any more.
        let usual = unsafe { ptr::read(usual) };
        self.spend();
        to.handle(usual)
    }

    /// Whether there is more than one.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        // SAFETY: what is not empty begins with a node of ours.
        !self.is_empty() && !unsafe { (*self.first).next }.is_null()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let node = NonNull::new(self.first)?;
        // SAFETY: the node is ours, and its item was not given out.
        let item = unsafe { Node::item(node) };
        self.spend();
        Some(item)
    }

    /// The oldest has been handed out.
    #[inline]
    fn spend(&mut self) {
        let Some(node) = NonNull::new(self.first) else { return };
        // SAFETY: the node is ours.
        let next = unsafe { node.as_ref() }.next;
        if next.is_null() {
            self.set_first(spent(node.as_ptr()));
        } else {
            self.set_first(next);
            // SAFETY: only the last can have the head word lead to it.
            unsafe { Node::free(node) };
        }
    }
}

/// The nodes from `newest` down to the one before `end`, the other way round.
///
/// # Safety
/// They are linked by `next` and belong to the caller; there is at least one.
#[inline]
unsafe fn reversed<T>(newest: *mut Node<T>, end: *mut Node<T>) -> *mut Node<T> {
    let (mut first, mut next) = (ptr::null_mut(), newest);
    while next != end && !next.is_null() {
        let node = next;
        // SAFETY: the caller owns the node.
        next = unsafe { (*node).next };
        // SAFETY: as above.
        unsafe { (*node).next = first };
        first = node;
    }
    first
}

/// # Safety
/// The nodes are linked by `next`, belong to the caller, and the last leads nowhere.
unsafe fn last_of<T>(mut node: *mut Node<T>) -> *mut Node<T> {
    loop {
        // SAFETY: see above.
        let next = unsafe { (*node).next };
        if next.is_null() {
            return node;
        }
        node = next;
    }
}
