//! The soft quantum, as the thread that runs a turn sees it: a flag that another thread raises when the
//! turn has taken long enough, and a budget of what is ready at once.
//!
//! Safepoints look at both: the turn between two messages, every future of ours that a handler awaits, and
//! whoever asks ([`Checkpoint`](crate::Checkpoint), [`Context::should_yield`](crate::Context::should_yield)). A look is
//! a load of a thread-local pointer and of what it points to.
//!
//! The flag is in what a thread that runs workers notes of its turns ([`Doing`](crate::scheduler::hand::Doing)): the
//! number of the turn that was asked to end. So it need not be lowered when the next turn begins, and one that is raised
//! too late meets nobody. Other threads have none, since nobody watches them.

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::clock;
use crate::scheduler::local;
use crate::sync::thread_local;

/// How many futures of ours may be ready at once, one after the other, in a turn.
const READY_AT_ONCE: u32 = 128;
/// How many looks there are, at most, between two looks at the coarse clock.
const CLOCK_EVERY: u32 = 8;

thread_local! {
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

/// Whether this thread's flag is up.
#[inline]
pub(crate) fn raised() -> bool {
    local::is_flag_raised()
}

/// A turn begins on this thread, with a full budget.
#[inline]
pub(crate) fn turn_begins() {
    LEFT.set(Left::FULL);
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
    LEFT.set(Left::FULL);
    local::lower_flag();
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
    use crate::scheduler::hand::Doing;

    fn poll_ready() -> Poll<()> {
        charged(&mut Context::from_waker(std::task::Waker::noop()), |_| Poll::Ready(()))
    }

    #[test]
    fn a_flag_is_seen_by_its_thread_alone_and_in_one_turn() {
        let doing = Doing::new();
        local::with_doing_of(&doing, || {
            assert!(!raised(), "no turn runs");
            doing.claim.leave();
            assert!(!raised());
            thread::scope(|scope| scope.spawn(|| doing.raise()).join()).expect("it raises the flag");
            assert!(raised() && is_over());
            assert!(!thread::spawn(raised).join().expect("it looks"));
            doing.claim.enter();
            doing.claim.leave();
            assert!(!raised(), "it was another turn's");
        });
    }

    #[test]
    fn a_flag_that_is_raised_between_two_turns_is_neithers() {
        let doing = Doing::new();
        local::with_doing_of(&doing, || {
            doing.claim.leave();
            doing.claim.enter();
            doing.raise();
            doing.claim.leave();
            assert!(!raised());
        });
        assert!(!raised(), "a thread without a flag sees none");
    }

    #[test]
    fn a_flag_is_seen_once_by_who_yields() {
        let doing = Doing::new();
        local::with_doing_of(&doing, || {
            turn_begins();
            doing.claim.leave();
            doing.raise();
            assert!(poll_ready().is_pending());
            assert!(!raised() && poll_ready().is_ready(), "what polls in a loop gets on");
        });
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
