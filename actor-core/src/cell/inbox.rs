//! The inbox: where all senders push and one receiver takes everything at once; its head word
//! carries the run token.
//!
//! | head | meaning |
//! |---|---|
//! | `IDLE` | empty, nobody has the token: who pushes takes it and must schedule the actor |
//! | null | empty, somebody has the token |
//! | `CALLED` | as null, and something else than messages has come for the actor since |
//! | a node | messages, newest first; somebody has the token |
//! | any of the last three, with `CLOSED` | the same, and pushes are refused |
//!
//! A push is one compare-and-swap, and learns from it whether to schedule. The receiver takes all
//! nodes with another and reverses them. This is Treiber's stack; its usual trouble, a node that is
//! freed and comes back (ABA), is none here, because nodes are never popped singly: a head that is
//! the same pointer again *is* the newest node again.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use std::ptr::{self, NonNull};

use crate::pool;
use crate::sync::{AtomicPtr, Ordering};

pub(crate) struct Node<T> {
    next: *mut Node<T>,
    item: T,
}

impl<T> Node<T> {
    fn new(item: T) -> NonNull<Node<T>> {
        let node = pool::allocate::<Node<T>>();
        // SAFETY: the memory is for a node and not initialised.
        unsafe { node.write(Node { next: ptr::null_mut(), item }) };
        node
    }

    /// Frees the node and gives its item out.
    ///
    /// # Safety
    /// The node comes from `new` and nobody else has it.
    unsafe fn open(node: NonNull<Node<T>>) -> Node<T> {
        // SAFETY: the caller owns the node, so what is read out is not used again.
        let open = unsafe { node.read() };
        // SAFETY: as above; the memory comes from the pool.
        unsafe { pool::release(node) };
        open
    }
}

/// What became of giving the token back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The token is given back.
    Idle,
    /// The caller has it still: there is something to take, or the inbox is closed.
    Messages,
    /// The caller has it still: somebody has called, so it looks again at what is there.
    Called,
}

/// Where senders push.
pub(crate) struct Inbox<T> {
    head: AtomicPtr<Node<T>>,
}

// SAFETY: an inbox hands items from thread to thread and shares none.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Inbox<T> {}

const CLOSED: usize = 1;
const IDLE: usize = 2;
const CALLED: usize = 4;

fn idle<T>() -> *mut Node<T> {
    ptr::without_provenance_mut(IDLE)
}

fn called<T>() -> *mut Node<T> {
    ptr::without_provenance_mut(CALLED)
}

fn is_closed<T>(head: *mut Node<T>) -> bool {
    head.addr() & CLOSED != 0
}

/// The nodes below the marks.
fn nodes<T>(head: *mut Node<T>) -> *mut Node<T> {
    head.map_addr(|addr| addr & !(CLOSED | IDLE | CALLED))
}

impl<T> Inbox<T> {
    /// An inbox whose token its maker has.
    pub(crate) fn new() -> Self {
        Inbox { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Pushes. `Ok(true)`: the caller has taken the token and must schedule the actor.
    #[inline]
    pub(crate) fn push(&self, item: T) -> Result<bool, T> {
        self.push_then(item, 0)
    }

    /// Pushes a last item, after which pushes are refused.
    pub(crate) fn push_last(&self, item: T) -> Result<bool, T> {
        self.push_then(item, CLOSED)
    }

    #[inline]
    fn push_then(&self, item: T, mark: usize) -> Result<bool, T> {
        let node = Node::new(item);
        let marked = node.as_ptr().map_addr(|addr| addr | mark);
        // Relaxed: what is read is only compared, never followed.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if is_closed(head) {
                // SAFETY: the node was not pushed, so it is still ours.
                return Err(unsafe { Node::open(node) }.item);
            }
            // SAFETY: as above.
            unsafe { (*node.as_ptr()).next = nodes(head) };
            // Release: with the acquire of `take`, which reads the node. Acquire: with the release of
            // `rest`, if this takes the token. SeqCst: a last item closes; see `is_closed`.
            match self.head.compare_exchange_weak(head, marked, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Ok(head.addr() == IDLE),
                Err(now) => head = now,
            }
        }
    }

    /// Takes the token if nobody has it: true, and the caller must schedule the actor. Otherwise
    /// sees to it that who has the token looks, before it gives it back, at what the caller has put
    /// there for the actor.
    pub(crate) fn claim(&self) -> bool {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = match head.addr() {
                IDLE => ptr::null_mut(),
                0 => called(),
                // Called already, or there is something to take. Written again, for the release.
                _ => head,
            };
            // Release: with the acquires of `take` and `rest`, for what was put there. Acquire: with
            // the release of `rest`, if this takes the token.
            match self.head.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return head.addr() == IDLE,
                Err(now) => head = now,
            }
        }
    }

    /// Whether pushes are refused.
    pub(crate) fn is_closed(&self) -> bool {
        // SeqCst: a sender that stands in line for room looks here after it has shown itself; the
        // one that closes looks for such senders afterwards.
        is_closed(self.head.load(Ordering::SeqCst))
    }

    /// Takes all items, in the order in which they came. For the holder of the token.
    #[inline]
    pub(crate) fn take(&self) -> Batch<T> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if nodes(head).is_null() {
                return Batch::EMPTY;
            }
            let rest = ptr::without_provenance_mut(head.addr() & CLOSED);
            // Acquire: with the release of the pushes, all of which this synchronises with, since
            // pushes form one release sequence.
            match self.head.compare_exchange_weak(head, rest, Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: the nodes were pushed, and are nobody else's now.
                Ok(_) => return unsafe { Batch::reversed(nodes(head)) },
                Err(now) => head = now,
            }
        }
    }

    /// Gives the token back, unless something has come. After [`Rest::Idle`] the actor may run on
    /// another thread, end there, and be gone: the caller touches nothing of it any more.
    ///
    /// The caller has looked at what else than messages could be there for the actor. Who puts
    /// something there does so first and claims then, which either takes the token or keeps this
    /// from giving it back.
    pub(crate) fn rest(&self) -> Rest {
        // Release: what this turn did is seen by the next, which begins with taking the token.
        match self.head.compare_exchange(ptr::null_mut(), idle(), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return Rest::Idle,
            Err(head) if head != called() => return Rest::Messages,
            Err(_) => {}
        }
        // Acquire: with the release in `claim`.
        match self.head.compare_exchange(called(), ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Rest::Called,
            Err(_) => Rest::Messages,
        }
    }

    /// Refuses pushes from now on and takes what is there. For the holder of the token.
    pub(crate) fn close(&self) -> Batch<T> {
        let closed = ptr::without_provenance_mut(CLOSED);
        // Acquire as in `take`; SeqCst: see `is_closed`.
        let head = self.head.swap(closed, Ordering::SeqCst);
        // SAFETY: as in `take`.
        unsafe { Batch::reversed(nodes(head)) }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Items that were taken, oldest first.
pub(crate) struct Batch<T> {
    first: *mut Node<T>,
}

// SAFETY: a batch owns its nodes.
unsafe impl<T: Send> Send for Batch<T> {}

impl<T> Batch<T> {
    pub(crate) const EMPTY: Batch<T> = Batch { first: ptr::null_mut() };

    /// # Safety
    /// The nodes from `newest` on are linked by `next` and belong to the caller.
    unsafe fn reversed(newest: *mut Node<T>) -> Batch<T> {
        let (mut first, mut next) = (ptr::null_mut(), newest);
        while !next.is_null() {
            let node = next;
            // SAFETY: the caller owns the node.
            next = unsafe { (*node).next };
            // SAFETY: as above.
            unsafe { (*node).next = first };
            first = node;
        }
        Batch { first }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let node = NonNull::new(self.first)?;
        // SAFETY: a batch owns its nodes.
        let Node { next, item } = unsafe { Node::open(node) };
        self.first = next;
        Some(item)
    }
}

impl<T> Batch<T> {
    #[cold]
    fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

impl<T> Drop for Batch<T> {
    /// Most are empty by then, which costs a look.
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.clear();
        }
    }
}
