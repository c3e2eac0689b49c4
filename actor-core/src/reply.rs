//! The way back of an ask: a slot that the handler's side fills once and the asker's side waits on.
//!
//! A slot is a block of pooled memory with a state word. The reply's end touches it once, to fill it, and leaves it by
//! that. So the last to have it is the asker, unless it has given up before: then the reply's end frees it.
//!
//! | bit | set by | means |
//! |---|---|---|
//! | `FILLED` | the reply | the outcome is there, for the asker to take; that end is gone |
//! | `WAITING` | the asker | its waker is there, for the reply to take by filling the slot |
//! | `LEFT` | the asker | that end touches the slot no more |
//! | `ACTOR` | the asker | the waker is that of an actor: see [`kept`] |
//! | `GUARDED` | the asker, when it makes the slot | there may be a third party: see [`guard`] |
//! | the others | the asker | which waker it is: they change with it |
//!
//! An ask has the asker's waker from the start, so showing it costs nothing. The reply reads the waker first, which is
//! in two atomic words, and takes it by the same compare-and-swap that fills the slot: if the asker has put another one
//! there meanwhile, the swap fails.
#![allow(unsafe_code)]

pub(crate) mod guard;
mod kept;
#[cfg(all(test, loom))]
mod model;

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::pool;
use crate::scheduler::{local, stalls};
use crate::sync::{AtomicPtr, AtomicU32, Ordering, UnsafeCell};
use crate::wait;
use guard::Shares;

pub(crate) use kept::forget as forget_waker;

/// The handler's end of an ask. A handler that takes a `Reply<T>` as its last argument answers when
/// it likes, from wherever it likes, as a `gen_server` that returns `noreply` does.
///
/// Dropped without an answer, the asker gets [`AskError::Lost`](crate::AskError::Lost). For a
/// message that was told, not asked, every answer goes nowhere.
pub struct Reply<T, E = Infallible> {
    slot: Option<NonNull<Slot<T, E>>>,
    owns: PhantomData<Outcome<T, E>>,
}

/// The asker's end.
pub(crate) struct Answer<T, E> {
    slot: NonNull<Slot<T, E>>,
    owns: PhantomData<Outcome<T, E>>,
}

struct Slot<T, E> {
    state: AtomicU32,
    /// Of a guarded slot.
    shares: Shares,
    waker: Place,
    outcome: UnsafeCell<Option<Outcome<T, E>>>,
}

const FILLED: u32 = 1;
const WAITING: u32 = 2;
const LEFT: u32 = 4;
const ACTOR: u32 = 8;
const GUARDED: u32 = 16;
/// Added for each waker that takes the place of another.
const ANOTHER: u32 = 32;

/// A place for a waker, which may be read while another is put there.
struct Place {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<RawWakerVTable>,
}

impl Place {
    fn empty() -> Place {
        Place { data: AtomicPtr::new(ptr::null_mut()), vtable: AtomicPtr::new(ptr::null_mut()) }
    }

    fn of(waker: Waker) -> Place {
        let waker = ManuallyDrop::new(waker);
        let vtable = ptr::from_ref(waker.vtable()).cast_mut();
        Place { data: AtomicPtr::new(waker.data().cast_mut()), vtable: AtomicPtr::new(vtable) }
    }

    /// Puts a waker there. What was there has been taken, or there was nothing.
    fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        // Relaxed: published by `WAITING`.
        self.data.store(waker.data().cast_mut(), Ordering::Relaxed);
        self.vtable.store(ptr::from_ref(waker.vtable()).cast_mut(), Ordering::Relaxed);
    }

    /// The words that are there. They are those of a waker only for who takes it by the state word.
    fn words(&self) -> (*const (), *const RawWakerVTable) {
        // Relaxed: the state word tells whether these are right.
        (self.data.load(Ordering::Relaxed), self.vtable.load(Ordering::Relaxed))
    }

    /// Whether the waker that is there is this one. For the asker, who alone puts one there.
    fn is(&self, waker: &Waker) -> bool {
        self.words() == (waker.data(), ptr::from_ref(waker.vtable()))
    }
}

/// # Safety
/// The words are those of a waker that was in its [`Place`], and was taken from there by the caller alone.
unsafe fn waker_of((data, vtable): (*const (), *const RawWakerVTable)) -> Waker {
    // SAFETY: these are the two parts of a waker, whose table is there for ever.
    let vtable: &'static RawWakerVTable = unsafe { &*vtable };
    // SAFETY: as above, and it is the only one that is made of them.
    unsafe { Waker::from_raw(RawWaker::new(data, vtable)) }
}

// SAFETY: what goes through the slot is sent from the one end to the other, never shared; the waker
// is `Send` and `Sync`.
unsafe impl<T: Send, E: Send> Send for Reply<T, E> {}
// SAFETY: a shared `Reply` allows nothing but `is_wanted`, a look at the state.
unsafe impl<T: Send, E: Send> Sync for Reply<T, E> {}
// SAFETY: as for `Reply`.
unsafe impl<T: Send, E: Send> Send for Answer<T, E> {}
// SAFETY: a shared `Answer` allows nothing.
unsafe impl<T: Send, E: Send> Sync for Answer<T, E> {}

/// How an accepted ask ended.
pub(crate) enum Outcome<T, E> {
    Replied(Result<T, E>),
    /// The reply was dropped; the handler may have run.
    Lost,
    /// The message became a dead letter before a handler saw it.
    Undelivered,
    /// The handler has exceeded its limit.
    Stalled,
}

/// Both ends of an ask.
pub(crate) fn pair<T, E>() -> (Reply<T, E>, Answer<T, E>) {
    pair_with(0, Place::empty())
}

/// Both ends of an ask whose asker waits by this waker: it will be called, whether the asker polls or not. `guarded`, if
/// the handler may have a limit.
pub(crate) fn pair_for<T, E>(waker: &Waker, guarded: bool) -> (Reply<T, E>, Answer<T, E>) {
    let (data, guarded) = (waker.data(), if guarded { GUARDED } else { 0 });
    if !data.is_null() && local::is_turn_of(data) {
        return pair_with(WAITING | ACTOR | guarded, Place::of(kept::clone_of(waker)));
    }
    pair_with(WAITING | guarded, Place::of(waker.clone()))
}

#[inline]
fn pair_with<T, E>(state: u32, waker: Place) -> (Reply<T, E>, Answer<T, E>) {
    let slot = pool::allocate::<Slot<T, E>>();
    let outcome = UnsafeCell::new(None);
    let new = Slot { state: AtomicU32::new(state), shares: Shares::new(), waker, outcome };
    // SAFETY: the memory is for a slot and not initialised.
    unsafe { slot.write(new) };
    (Reply { slot: Some(slot), owns: PhantomData }, Answer { slot, owns: PhantomData })
}

/// Frees a slot.
///
/// # Safety
/// Both ends have left, and it is the caller's alone.
unsafe fn free<T, E>(slot: NonNull<Slot<T, E>>) {
    // SAFETY: see above.
    unsafe { slot.drop_in_place() };
    // SAFETY: as above; it comes from the pool.
    unsafe { pool::release(slot) };
}

impl<T, E> Reply<T, E> {
    /// The way back of a message that was told: there is none.
    #[inline]
    pub(crate) fn nowhere() -> Self {
        Reply { slot: None, owns: PhantomData }
    }

    /// Answers with a value.
    #[inline(always)]
    pub fn send(self, value: T) {
        self.complete(Ok(value));
    }

    /// Answers with a handler's result; an `Err` reaches the asker as
    /// [`AskError::Failed`](crate::AskError::Failed). In a handler that was condemned it is the same as dropping it: the
    /// asker gets [`AskError::Stalled`](crate::AskError::Stalled).
    #[inline(always)]
    pub fn complete(mut self, result: Result<T, E>) {
        if let Some(slot) = self.slot.take() {
            let outcome = if stalls::condemned() { Outcome::Stalled } else { Outcome::Replied(result) };
            fill(slot, outcome).wake();
        }
    }

    /// Whether somebody still waits for the answer: false for a message that was told, once the asker has given up,
    /// and once it has been told that the handler has [stalled](crate::AskError::Stalled).
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let ended = LEFT | FILLED;
        // SAFETY: the slot is there until this end has left too.
        // Relaxed: the answer may be old when it is used, whatever the order.
        self.slot.is_some_and(|slot| unsafe { slot.as_ref() }.state.load(Ordering::Relaxed) & ended == 0)
    }

    #[doc(hidden)]
    pub fn undelivered(mut self) {
        if let Some(slot) = self.slot.take() {
            fill(slot, Outcome::Undelivered).wake();
        }
    }

    /// The message was not accepted, which its sender knows: nobody is woken for it.
    #[doc(hidden)]
    pub fn refused(mut self) {
        if let Some(slot) = self.slot.take() {
            drop(fill(slot, Outcome::Undelivered));
        }
    }
}

/// Who waits for what has been filled in.
#[must_use]
enum Asker {
    Nobody,
    Actor(Waker),
    Other(Waker),
}

impl Asker {
    #[inline]
    fn wake(self) {
        match self {
            Asker::Nobody => {}
            Asker::Actor(waker) => kept::wake(waker),
            Asker::Other(waker) => wait::wake(waker),
        }
    }
}

/// Fills the slot and leaves it. Called once, by the reply's end.
#[inline(never)]
fn fill<T, E>(slot: NonNull<Slot<T, E>>, outcome: Outcome<T, E>) -> Asker {
    // SAFETY: the slot is there until it is filled, or freed below.
    let shared = unsafe { slot.as_ref() };
    // Acquire: with the releases of the asker, for the waker, and for all that it did before it left.
    let state = shared.state.load(Ordering::Acquire);
    if state & GUARDED != 0 {
        return guard::fill(slot, outcome);
    }
    // SAFETY: the asker looks at the outcome only when the slot is filled, which nobody else does.
    if let Some(asker) = unsafe { shared.fill_in(state, outcome) } {
        return asker;
    }
    // SAFETY: the asker has left and this end is done.
    unsafe { free(slot) };
    Asker::Nobody
}

impl<T, E> Drop for Reply<T, E> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            lost(slot);
        }
    }
}

#[cold]
#[inline(never)]
fn lost<T, E>(slot: NonNull<Slot<T, E>>) {
    // The guard may not have come to say so yet; and what the state holds has none.
    let outcome = if stalls::condemned() { Outcome::Stalled } else { Outcome::Lost };
    fill(slot, outcome).wake();
}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("asked", &self.slot.is_some()).finish()
    }
}

impl<T, E> Answer<T, E> {
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        // SAFETY: the slot is there until this end has left.
        let slot = unsafe { self.slot.as_ref() };
        // Acquire: with the release in `fill`, for the outcome.
        let state = slot.state.load(Ordering::Acquire);
        if state & FILLED == 0 && slot.wait(state, cx.waker()) {
            return Poll::Pending;
        }
        // SAFETY: filled, so the reply's end does not touch the outcome any more.
        let outcome = unsafe { slot.take() };
        Poll::Ready(outcome.expect("an ask is not polled after it has ended"))
    }
}

impl<T, E> Slot<T, E> {
    /// Puts the outcome there, for an asker whose state was `state` a moment ago; `None` if it has left. The slot may be
    /// gone if it is filled.
    ///
    /// # Safety
    /// Nobody else fills the slot, or has.
    #[inline(always)]
    unsafe fn fill_in(&self, mut state: u32, outcome: Outcome<T, E>) -> Option<Asker> {
        // SAFETY: the asker looks at the outcome only when the slot is filled.
        self.outcome.with_mut(|place| unsafe { *place = Some(outcome) });
        while state & LEFT == 0 {
            let words = self.waker.words();
            // Release: with the acquires of the asker, for the outcome. Acquire: as in `fill`.
            match self.state.compare_exchange(state, state | FILLED, Ordering::Release, Ordering::Acquire) {
                Ok(_) if state & WAITING == 0 => return Some(Asker::Nobody),
                Ok(_) => {
                    // SAFETY: since the state has not changed, these are the words of the waker that waits; and the
                    // asker leaves it to who fills the slot.
                    let waker = unsafe { waker_of(words) };
                    return Some(if state & ACTOR == 0 { Asker::Other(waker) } else { Asker::Actor(waker) });
                }
                Err(now) => state = now,
            }
        }
        None
    }

    /// Takes the outcome out, if it is there.
    ///
    /// # Safety
    /// Nobody else touches it: it is the asker's once the slot is filled, and before that who fills it has it.
    unsafe fn take(&self) -> Option<Outcome<T, E>> {
        // SAFETY: see above.
        self.outcome.with_mut(|place| unsafe { (*place).take() })
    }

    /// Sees to it that this waker is called, for the asker, who has just read `state`; false if the slot is filled
    /// by now, which is all that can happen to the state meanwhile.
    fn wait(&self, mut state: u32, waker: &Waker) -> bool {
        if state & WAITING != 0 {
            if self.waker.is(waker) {
                return true;
            }
            let words = self.waker.words();
            let taken_back = (state & !(WAITING | ACTOR)).wrapping_add(ANOTHER);
            // Relaxed: what is taken back was put there by this end. Acquire: with the release in `fill`.
            if self.state.compare_exchange(state, taken_back, Ordering::Relaxed, Ordering::Acquire).is_err() {
                return false;
            }
            state = taken_back;
            // SAFETY: it waited, and was taken back before the slot was filled.
            drop(unsafe { waker_of(words) });
        }
        self.waker.put(waker.clone());
        // Release: with the acquires in `fill`, for the waker. Acquire: with the release there.
        let shown =
            self.state.compare_exchange(state, state | WAITING, Ordering::Release, Ordering::Acquire).is_ok();
        if !shown {
            // SAFETY: it was put there by this end, and nobody was told.
            drop(unsafe { waker_of(self.waker.words()) });
        }
        shown
    }
}

impl<T, E> Drop for Answer<T, E> {
    fn drop(&mut self) {
        // SAFETY: the slot is there until this end has left.
        let slot = unsafe { self.slot.as_ref() };
        // Acquire: with the release in `fill`, so that nothing it did comes after the free.
        let state = slot.state.load(Ordering::Acquire);
        let mut left = false;
        if state & FILLED == 0 {
            let words = slot.waker.words();
            let gone = LEFT | state & GUARDED;
            // Release: with the acquires in `fill`, which frees the slot then. Acquire: as above.
            left = slot.state.compare_exchange(state, gone, Ordering::Release, Ordering::Acquire).is_ok();
            if left && state & WAITING != 0 {
                // SAFETY: it waited, and nobody takes it who sees that the asker has left.
                drop(unsafe { waker_of(words) });
            }
        }
        if state & GUARDED != 0 {
            // Not for who leaves last, as in `guard::fill`.
            // SAFETY: filled, so no other end touches the outcome any more.
            let unwanted = if left { None } else { unsafe { slot.take() } };
            // SAFETY: this end is done, and gives up its share.
            unsafe { guard::leave(self.slot) };
            drop(unwanted);
        } else if !left {
            // SAFETY: filled, so the other end has left; this one is done.
            unsafe { free(self.slot) };
        }
    }
}
