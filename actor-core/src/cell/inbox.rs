//! The inbox: where all senders push and one receiver takes; its head word carries the run token.
//!
//! | head | meaning |
//! |---|---|
//! | `IDLE` | empty, nobody has the token: who pushes takes it and must schedule the actor |
//! | null | empty, somebody has the token |
//! | a node | pushed last; somebody has the token, and has taken it or will |
//! | any of the last two, with `CALLED` | and something else than messages has come for the actor |
//! | any of the last three, with `CLOSED` | and pushes are refused |
//!
//! A push is one compare-and-swap, and learns from it whether to schedule. The receiver takes nodes
//! without one: it remembers up to which node it has taken (the *stub*, whose item is out), and what
//! lies above that is new. Only giving the token back takes the stub off, with the one compare-and-swap
//! of a turn. So a message to an idle actor costs two of them, and the others one.
//!
//! This is Treiber's stack, but for the stub; its usual trouble, a node that is freed and comes back
//! (ABA), is none here, because nodes are never popped singly: a head that is the same pointer again *is*
//! the newest node again. And no node is freed while the head word leads to it.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;
mod taken;

use std::ptr::{self, NonNull};

use crate::pool;
use crate::sync::{AtomicPtr, Ordering};

pub(crate) use taken::{InHand, Taken};

pub(crate) struct Node<T> {
    next: *mut Node<T>,
    item: T,
}

impl<T> Node<T> {
    /// A node with an item, which leads nowhere yet: its `next` is not written.
    ///
    /// The item is made when there is a place for it, and written there piece by piece. Made before, and moved
    /// there in larger pieces, it would be read from where those small writes have not arrived yet, and each
    /// message would wait for that.
    #[inline(always)]
    fn new(make: impl FnOnce() -> T) -> NonNull<Node<T>> {
        let node = pool::allocate::<Node<T>>();
        // SAFETY: the memory is for a node.
        let item = unsafe { &raw mut (*node.as_ptr()).item };
        // SAFETY: as above, and not initialised.
        unsafe { item.write(make()) };
        node
    }

    /// Gives its item out.
    ///
    /// # Safety
    /// The node comes from `new`, nobody else has it, and its item was not given out.
    unsafe fn item(node: NonNull<Node<T>>) -> T {
        // SAFETY: the caller owns the node.
        let item = unsafe { &raw const (*node.as_ptr()).item };
        // SAFETY: as above, and what is read out is not used again.
        unsafe { item.read() }
    }

    /// Gives the item out and frees the node.
    ///
    /// # Safety
    /// As for `item`.
    #[cold]
    unsafe fn open(node: NonNull<Node<T>>) -> T {
        // SAFETY: passed on to the caller.
        let item = unsafe { Node::item(node) };
        // SAFETY: as above.
        unsafe { Node::free(node) };
        item
    }

    /// Frees a node whose item is out.
    ///
    /// # Safety
    /// The node comes from `new`, and nobody else has it.
    unsafe fn free(node: NonNull<Node<T>>) {
        // SAFETY: see above; the memory comes from the pool.
        unsafe { pool::release(node) };
    }
}

/// Items most of which are of one kind: those are handed out without a move of the whole item, so that they go from
/// their place straight to their handler.
///
/// # Safety
/// What `usual` leads to is all that there is in the item: with it gone, nothing is left to be dropped.
pub(crate) unsafe trait Usually {
    type Usual;
    fn usual(&self) -> Option<&Self::Usual>;
}

/// What handles such an item.
pub(crate) trait Handle<U> {
    type Outcome;
    fn handle(&mut self, usual: U) -> Self::Outcome;
}

/// What became of giving the token back.
pub(crate) enum Rest<T> {
    /// The token is given back.
    Idle,
    /// The caller has it still: there is something to take, or the inbox is closed.
    Messages(Stub<T>),
    /// The caller has it still: somebody has called, so it looks again at what is there.
    Called(Stub<T>),
}

/// What became of a push.
enum Pushed {
    Seen,
    /// The token was taken.
    Schedule,
    /// It was refused.
    Closed,
}

/// The node up to which everything was taken and handed out, if there is one.
pub(crate) struct Stub<T>(*mut Node<T>);

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

    /// Pushes what `make` makes, in its place. `Ok(true)`: the caller has taken the token and must schedule the
    /// actor.
    #[inline(always)]
    pub(crate) fn push(&self, make: impl FnOnce() -> T) -> Result<bool, T> {
        self.push_marked(make, 0)
    }

    /// Pushes a last item, after which pushes are refused.
    pub(crate) fn push_last(&self, item: T) -> Result<bool, T> {
        self.push_marked(|| item, CLOSED)
    }

    #[inline(always)]
    fn push_marked(&self, make: impl FnOnce() -> T, mark: usize) -> Result<bool, T> {
        let node = Node::new(make);
        match self.push_node(node, mark) {
            Pushed::Seen => Ok(false),
            Pushed::Schedule => Ok(true),
            // SAFETY: the node was not pushed, so it is still ours.
            Pushed::Closed => Err(unsafe { Node::open(node) }),
        }
    }

    fn push_node(&self, node: NonNull<Node<T>>, mark: usize) -> Pushed {
        let marked = node.as_ptr().map_addr(|addr| addr | mark);
        // Relaxed: what is read is only compared, never followed.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if is_closed(head) {
                return Pushed::Closed;
            }
            // SAFETY: the node is ours until it is pushed.
            unsafe { (*node.as_ptr()).next = nodes(head) };
            // Release: with the acquire of `take`, which reads the node. Acquire: with the release of
            // `rest`, if this takes the token. SeqCst: a last item closes; see `is_closed`.
            match self.head.compare_exchange_weak(head, marked, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) if head.addr() == IDLE => return Pushed::Schedule,
                Ok(_) => return Pushed::Seen,
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
                // Perhaps called already. Written again, for the release.
                _ => head.map_addr(|addr| addr | CALLED),
            };
            // Release: with the acquires of `take` and `rest`, for what was put there. Acquire: with
            // the release of `rest`, if this takes the token.
            match self.head.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return head.addr() == IDLE,
                Err(now) => head = now,
            }
        }
    }

    /// Takes the token if nobody has it, for who looks at an actor that rests, and gives it back.
    pub(crate) fn hold(&self) -> bool {
        // Acquire: with the release of `rest`, for what the last turn did.
        self.head.compare_exchange(idle(), ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether nothing has come since the token was taken by [`hold`](Self::hold). For the holder of the token.
    pub(crate) fn is_untouched(&self) -> bool {
        // Acquire: with the releases of `push_node` and `claim`: what they were called with is seen to have been there.
        self.head.load(Ordering::Acquire).is_null()
    }

    /// Whether pushes are refused.
    pub(crate) fn is_closed(&self) -> bool {
        // SeqCst: a sender that stands in line for room looks here after it has shown itself; the
        // one that closes looks for such senders afterwards.
        is_closed(self.head.load(Ordering::SeqCst))
    }

    /// Whether it is closed, and nothing is there that was not taken. For who has the inbox alone.
    pub(crate) fn is_spent(&self) -> bool {
        // Relaxed: there is nobody to read from.
        self.head.load(Ordering::Relaxed).addr() == CLOSED
    }

    /// Whether something is there that was not handed out, as far as somebody sees it who does not have the token. What
    /// changes meanwhile may be seen or not.
    pub(crate) fn holds_any(&self, taken: &Taken<T>) -> bool {
        // Relaxed: it is compared, and not followed.
        let newest = nodes(self.head.load(Ordering::Relaxed));
        taken.is_below(newest)
    }

    /// Takes what has come, if all that was taken before is handed out; false if nothing has. For the holder of the
    /// token.
    #[inline]
    pub(crate) fn take(&self, taken: &mut InHand<'_, T>) -> bool {
        debug_assert!(taken.is_empty(), "what was taken first is handed out first");
        // Acquire: with the release of the pushes, all of which this synchronises with, since
        // pushes form one release sequence.
        let newest = nodes(self.head.load(Ordering::Acquire));
        if newest == taken.stub() || newest.is_null() {
            return false;
        }
        // SAFETY: the nodes above the stub were pushed, and are ours to take.
        unsafe { taken.add(newest) };
        true
    }

    /// Gives the token back, unless something has come. After [`Rest::Idle`] the actor may run on
    /// another thread, end there, and be gone: the caller touches nothing of it any more. What was taken
    /// is handed out.
    ///
    /// The caller has looked at what else than messages could be there for the actor. Who puts
    /// something there does so first and claims then, which either takes the token or keeps this
    /// from giving it back.
    pub(crate) fn rest(&self, stub: Stub<T>) -> Rest<T> {
        // Release: what this turn did is seen by the next, which begins with taking the token.
        let head = match self.head.compare_exchange(stub.0, idle(), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => {
                // SAFETY: nothing leads to the stub any more.
                unsafe { stub.free() };
                return Rest::Idle;
            }
            Err(head) => head,
        };
        let called = stub.0.map_addr(|addr| addr | CALLED);
        if head != called {
            return Rest::Messages(stub);
        }
        // Acquire: with the release in `claim`.
        match self.head.compare_exchange(called, stub.0, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Rest::Called(stub),
            Err(_) => Rest::Messages(stub),
        }
    }

    /// Refuses pushes from now on and takes what is there. For the holder of the token, or when there
    /// is nobody else.
    pub(crate) fn close(&self, taken: &mut InHand<'_, T>) {
        let closed = ptr::without_provenance_mut(CLOSED);
        // Acquire as in `take`; SeqCst: see `is_closed`.
        let newest = nodes(self.head.swap(closed, Ordering::SeqCst));
        let is_stub = taken.is_empty() && newest == taken.stub();
        if !is_stub && !newest.is_null() {
            // SAFETY: as in `take`.
            unsafe { taken.add(newest) };
        }
    }
}

impl<T> Stub<T> {
    /// # Safety
    /// The head word does not lead to it.
    unsafe fn free(self) {
        if let Some(stub) = NonNull::new(self.0) {
            // SAFETY: the stub was the receiver's, and its item is out.
            unsafe { Node::free(stub) };
        }
    }
}
