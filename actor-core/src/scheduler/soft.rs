//! The soft quantum, as the thread that runs a turn sees it: a flag that another thread raises when the
//! turn has taken long enough, and a budget of what is ready at once.
//!
//! Safepoints look at both: the turn between two messages, every future of ours that a handler awaits, and
//! whoever asks ([`Checkpoint`](crate::Checkpoint), [`Context::should_yield`](crate::Context::should_yield)). A look is
//! a load of a thread-local pointer and of what it points to.
//!
//! A thread that runs actors [adopts](adopt) a flag for its life. Flags are never freed, since somebody may raise one
//! at any time; the next thread takes those of threads that have ended. A flag that is raised too late meets
//! the next turn, or the next thread, and costs it one yield.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crossbeam_utils::CachePadded;

use crate::clock;
use crate::scheduler::local;
use crate::sync::{Ordering, StaticBool, thread_local};

/// How many futures of ours may be ready at once, one after the other, in a turn.
const READY_AT_ONCE: u32 = 128;
/// How many looks there are, at most, between two looks at the coarse clock.
const CLOCK_EVERY: u32 = 8;

/// A thread's flag, for those who raise it.
#[derive(Clone, Copy)]
pub(crate) struct Flag(&'static CachePadded<StaticBool>);

/// The flag of threads that have adopted none.
static NOBODYS: CachePadded<StaticBool> = CachePadded::new(StaticBool::new(false));
/// The flags of threads that have ended. From the standard library even in models, which end while this stays.
static SPARE: Mutex<Vec<Flag>> = Mutex::new(Vec::new());

fn spare() -> MutexGuard<'static, Vec<Flag>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static FLAG: Cell<Flag> = const { Cell::new(Flag(&NOBODYS)) };
    static LEFT: Cell<Left> = const { Cell::new(Left::FULL) };
    /// What the coarse clock said at the turn's first look at it.
    static FIRST_LOOK: Cell<u64> = const { Cell::new(0) };
}

/// What is left of a turn's budget. One word, since every turn writes it.
#[derive(Clone, Copy)]
struct Left {
    ready: u32,
    looks: u32,
}

impl Left {
    const FULL: Left = Left { ready: READY_AT_ONCE, looks: 0 };
}

impl Flag {
    /// Asks the turn that runs on the flag's thread to come to an end at its next safepoint.
    pub(crate) fn raise(self) {
        // Relaxed: it tells nothing but itself.
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_raised(self) -> bool {
        // Relaxed: as in `raise`.
        self.0.load(Ordering::Relaxed)
    }
}

/// A flag for as long as a thread runs actors.
pub(crate) struct Adopted(Flag);

/// Gives this thread a flag of its own.
pub(crate) fn adopt() -> Adopted {
    let spare = spare().pop();
    let flag = spare.unwrap_or_else(|| Flag(Box::leak(Box::default())));
    FLAG.set(flag);
    lower();
    Adopted(flag)
}

impl Adopted {
    /// The flag, for those who raise it.
    pub(crate) fn flag(&self) -> Flag {
        self.0
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        FLAG.set(Flag(&NOBODYS));
        spare().push(self.0);
    }
}

/// Whether this thread's flag is up.
#[inline]
pub(crate) fn raised() -> bool {
    FLAG.get().is_raised()
}

/// Lowers this thread's flag.
#[inline]
pub(crate) fn lower() {
    let flag = FLAG.get();
    // A look first: the flag's cache line stays shared if nobody has raised it.
    if flag.is_raised() {
        // Relaxed: as in `raise`.
        flag.0.store(false, Ordering::Relaxed);
    }
}

/// A turn begins on this thread: with a full budget and the flag down.
#[inline]
pub(crate) fn turn_begins() {
    LEFT.set(Left::FULL);
    lower();
}

/// Whether the turn on this thread has been long enough. Looks at the coarse clock now and then, soon at first,
/// since who raises the flag may be late, or not there at all: that tells when a quantum is over by a tick.
#[inline]
pub(crate) fn is_over() -> bool {
    raised() || count_look() && clock_ticked()
}

/// Counts a look at the flag; true if the clock is to be looked at too.
#[inline]
fn count_look() -> bool {
    let Left { ready, looks } = LEFT.get();
    LEFT.set(Left { ready, looks: looks.wrapping_add(1) });
    looks.is_multiple_of(CLOCK_EVERY) || looks < CLOCK_EVERY && looks.is_power_of_two()
}

#[cold]
fn clock_ticked() -> bool {
    let now = clock::coarse();
    if LEFT.get().looks == 1 {
        FIRST_LOOK.set(now);
    }
    let passed = now.wrapping_sub(FIRST_LOOK.get());
    passed != 0 && u128::from(passed) >= local::soft_quantum().as_nanos()
}

/// Yields: the task goes to the back of the queue, and begins with a full budget when it comes to its turn again.
pub(crate) fn yield_now<T>(cx: &mut Context<'_>) -> Poll<T> {
    turn_begins();
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Polls a future of ours, which is charged for if it is ready. Once the budget is used up, or the flag
/// raised, the next one is pending once, so that a loop over futures that are ready at once ends its turn.
#[inline]
pub(crate) fn charged<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    if LEFT.get().ready == 0 || raised() {
        // The budget is full again after this: something that polls it in a loop, such as a `block_on` in a
        // handler, must not wait for ever.
        return yield_now(cx);
    }
    let polled = poll(cx);
    if polled.is_ready() {
        let Left { ready, looks } = LEFT.get();
        LEFT.set(Left { ready: ready.saturating_sub(1), looks });
    }
    polled
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    fn poll_ready() -> Poll<()> {
        charged(&mut Context::from_waker(std::task::Waker::noop()), |_| Poll::Ready(()))
    }

    #[test]
    fn a_flag_is_seen_by_its_thread_alone_and_until_the_next_turn() {
        let adopted = adopt();
        let flag = adopted.flag();
        turn_begins();
        assert!(!raised());
        thread::scope(|scope| scope.spawn(|| flag.raise()).join()).expect("it raises the flag");
        assert!(raised() && is_over());
        assert!(!thread::spawn(raised).join().expect("it looks"));
        turn_begins();
        assert!(!raised());
    }

    #[test]
    fn flags_are_used_again_and_come_lowered() {
        let first = adopt();
        let flag = first.flag();
        drop(first);
        flag.raise();
        assert!(!raised(), "a thread without a flag sees none");
        // Other tests adopt flags too, so this may not be the same one.
        let second = adopt();
        assert!(!raised());
        drop(second);
    }

    #[test]
    fn what_is_ready_at_once_is_pending_now_and_then() {
        turn_begins();
        for round in 0..3 {
            let ready = (0..1000).take_while(|_| poll_ready().is_ready()).count();
            assert_eq!(ready, READY_AT_ONCE as usize, "in round {round}");
        }
    }

    #[test]
    fn what_is_pending_costs_nothing() {
        turn_begins();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..1000 {
            assert!(charged(&mut cx, |_| Poll::<()>::Pending).is_pending());
        }
        assert_eq!(LEFT.get().ready, READY_AT_ONCE);
    }

    #[test]
    fn without_anybody_who_raises_it_the_clock_ends_a_turn() {
        turn_begins();
        assert!(!is_over(), "the first look is not late");
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !is_over() {
            assert!(std::time::Instant::now() < limit, "the coarse clock ticks");
        }
    }
}
