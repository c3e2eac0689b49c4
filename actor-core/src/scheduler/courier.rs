//! The courier: a thread beside the workers for what comes from outside while they are held up.
//!
//! What a thread schedules that runs no worker goes to the global queue. While all workers are in long turns, they come
//! to it only when one of these ends. And while threads of the lowest priority keep the processors busy, a worker that is
//! woken may wait for one for milliseconds all the same: an operating system that shares fairly owes them something where it
//! has moved them to, and pays before it looks at priorities. So who pushes then calls the courier as well, and in the second
//! case to the very processor that it runs on itself, where nothing is owed before it. Who gets a processor first has the
//! work.
//!
//! It is there while it is wanted, and takes part for a short while at a time: the parallelism says how many threads run
//! actors, and this one is to help with a few short turns. Its thread is one of the [crew](super::crew); in a turn that takes
//! long, sysmon finds another one for its place.

#[cfg(all(test, loom))]
mod model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::observe::{self, Count};
use crate::scheduler::hand::{Hand, Order};
use crate::scheduler::{Remote, Scheduler};
use crate::sync::{AtomicU32, Mutex, Ordering, fence};
use crate::system::SystemHandle;
use crate::wait::Token;

/// Where turns take so long, those of a worker hold up what comes from outside, which it comes to every 100 us otherwise.
const LONG_TURN: Duration = Duration::from_micros(20);
/// Where the hard quantum is so long, it is nobody's business how long a turn takes, and there is no courier.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how long it takes turns when it was called.
const STINT: Duration = Duration::from_micros(100);
/// How long it cannot be called after a stint in which it has not come to the end.
const REST: Duration = Duration::from_millis(1);
/// A courier that was not called for this long leaves.
const IDLE_FOR: Duration = Duration::from_millis(100);

/// There is none.
const NONE: u32 = 0;
/// There is none, and sysmon is to find one.
const WANTED: u32 = 1;
/// It waits to be called.
const WAITS: u32 = 2;
/// It takes turns, or rests.
const RUNS: u32 = 3;
/// It was called, and may run on one processor only until it has come.
const FETCHED: u32 = 4;

pub(super) struct Courier {
    /// The hard quantum.
    hard: Duration,
    /// What it does. Its thread and sysmon change it under the lock of `hand`; who calls it without. Relaxed everywhere:
    /// which thread it is, the lock tells, and what it is called for is in the queue, which has fences of its own; see
    /// `call` and `calls_itself`.
    state: AtomicU32,
    hand: Mutex<Option<Arc<Hand>>>,
    /// Set once for each call, and at the end.
    called: Token,
}

impl Courier {
    pub(super) fn new(hard: Duration) -> Self {
        let (hand, called) = (Mutex::new(None), Token::default());
        Courier { hard, state: AtomicU32::new(NONE), hand, called }
    }

    /// Whether turns that take so many nanoseconds hold up others, and end before something else is done about them.
    pub(super) fn helps_with(&self, turn_nanos: u32) -> bool {
        (LONG_TURN..self.hard).contains(&Duration::from_nanos(turn_nanos.into()))
    }

    /// Has it look into the global queue, if it waits: `here`, where this thread runs, or anywhere. True if there is none,
    /// and sysmon must be woken to find one. What it is to find was pushed before, with a full fence since.
    pub(super) fn call(&self, here: bool) -> bool {
        // Relaxed, here and below: a hint, since the workers come to the queue too.
        loop {
            match self.state.load(Ordering::Relaxed) {
                WAITS if here && self.becomes(WAITS, FETCHED) => {
                    // Without the lock, for which sysmon waits, too. It stays the courier until it was called.
                    if let Some(hand) = self.hand() {
                        hand.fetch();
                    }
                    self.called.set();
                }
                WAITS if !here && self.becomes(WAITS, RUNS) => self.called.set(),
                NONE if self.hard < PATIENCE && self.becomes(NONE, WANTED) => return true,
                // It has changed since: it may just have left.
                WAITS => continue,
                _ => {}
            }
            return false;
        }
    }

    fn becomes(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The thread that is the courier now.
    pub(super) fn hand(&self) -> Option<Arc<Hand>> {
        self.hand.lock().clone()
    }

    /// Takes a thread for it if one is wanted. Called by sysmon, which tries again with the next look where there is none.
    pub(super) fn tend(&self, scheduler: &Scheduler, spare: impl FnOnce() -> Option<Arc<Hand>>) {
        let wanted = self.state.load(Ordering::Relaxed) == WANTED && !scheduler.is_stopping();
        if !wanted || !scheduler.crew.has_room() {
            return;
        }
        let Some(spare) = spare() else { return };
        self.give(&spare);
        spare.order(Order::Carry);
    }

    /// Gives the place, which is wanted, to a thread.
    fn give(&self, hand: &Arc<Hand>) {
        let mut current = self.hand.lock();
        *current = Some(hand.clone());
        self.state.store(RUNS, Ordering::Relaxed);
    }

    /// Takes its place away from a thread whose turn takes long. False if that turn has ended.
    pub(super) fn loses(&self, hand: &Hand, turn: u64) -> bool {
        let mut current = self.hand.lock();
        let stuck = is(&current, hand) && hand.doing.turn() == turn;
        if stuck {
            *current = None;
            self.state.store(NONE, Ordering::Relaxed);
        }
        stuck
    }

    /// Ends the wait of a courier at the end of the system.
    pub(super) fn stop(&self) {
        self.called.set();
    }

    /// Whether this thread is the courier still, after a turn.
    fn goes_on(&self, hand: &Hand) -> bool {
        is(&self.hand.lock(), hand)
    }

    /// Waits to be called. False if the thread is to do something else.
    fn waits(&self, system: &SystemHandle, hand: &Hand) -> bool {
        let scheduler = system.scheduler();
        if !self.can_be_called(hand) {
            return false;
        }
        if self.calls_itself(|| scheduler.global.is_empty() || !scheduler.is_full()) {
            return true;
        }
        let until = clock::now() + IDLE_FOR;
        let mut limit = Some(IDLE_FOR);
        while !self.called.wait(limit) {
            limit = Some(until.saturating_duration_since(clock::now()));
            if limit == Some(Duration::ZERO) {
                if self.leaves() {
                    return false;
                }
                // It is being called at this moment.
                limit = None;
            }
        }
        if self.becomes(FETCHED, RUNS) {
            system.placement().settle(None);
        }
        !scheduler.is_stopping()
    }

    /// From now on it can be called. False if this thread is not the courier any more.
    fn can_be_called(&self, hand: &Hand) -> bool {
        let current = self.hand.lock();
        let stays = is(&current, hand);
        if stays {
            self.state.store(WAITS, Ordering::Relaxed);
        }
        stays
    }

    /// Looks once more, since it can be called, whether there is something to do. False as well if it is being called.
    fn calls_itself(&self, is_empty: impl FnOnce() -> bool) -> bool {
        // Pairs with the fence between a push and `call`: either that sees it wait, or this sees the push.
        fence(Ordering::SeqCst);
        !is_empty() && self.becomes(WAITS, RUNS)
    }

    /// The courier leaves, unless it was called at the last moment.
    fn leaves(&self) -> bool {
        let mut current = self.hand.lock();
        let leaves = self.becomes(WAITS, NONE);
        if leaves {
            *current = None;
        }
        leaves
    }

    /// This thread is to do something else, if it is the courier still.
    fn forgets(&self, hand: &Hand) {
        let mut current = self.hand.lock();
        if is(&current, hand) {
            *current = None;
            self.state.store(NONE, Ordering::Relaxed);
        }
    }
}

fn is(current: &Option<Arc<Hand>>, hand: &Hand) -> bool {
    current.as_ref().is_some_and(|current| std::ptr::eq(&**current, hand))
}

impl Scheduler {
    /// Calls the courier if what was pushed may wait long for a worker: all are in turns, and these are long; or the one that
    /// was woken is not alone in wanting a processor. Not where some are retired: fewer threads are to run actors there than
    /// there are workers, and it would be one more.
    pub(super) fn call_courier(&self) {
        if !self.is_full() {
            return;
        }
        let rivals = self.crew.any_demoted();
        let all_run = self.sleep.idle() == 0 && !self.sleep.is_searching();
        // Relaxed: an estimate.
        let is_slow = |remote: &Remote| self.courier.helps_with(remote.turn_nanos.load(Ordering::Relaxed));
        let held_up = if all_run { self.remotes().take(self.parallelism()).all(is_slow) } else { rivals };
        if held_up && self.courier.call(rivals) {
            self.sysmon.wake();
        }
    }
}

/// Is the courier until it is no longer wanted, or a turn has taken long.
pub(super) fn run(system: &SystemHandle, hand: &Hand) {
    let scheduler = system.scheduler();
    system.placement().settle(None);
    while stint(scheduler, hand) && !scheduler.is_stopping() && scheduler.courier.waits(system, hand) {}
    scheduler.courier.forgets(hand);
}

/// Runs what waits in the global queue, for a while. False if the thread is no longer the courier.
fn stint(scheduler: &Scheduler, hand: &Hand) -> bool {
    let until = clock::now() + STINT;
    let mut goes_on = true;
    while goes_on
        && scheduler.is_full()
        && let Some(task) = scheduler.global.pop()
    {
        observe::count(Count::Turns);
        hand.run_turn(task);
        goes_on = scheduler.courier.goes_on(hand);
        if goes_on && clock::now() >= until {
            rest(scheduler);
            break;
        }
    }
    scheduler.outside.add_counted();
    goes_on
}

/// Leaves the processor to the workers, which may have more to do than this is there for.
fn rest(scheduler: &Scheduler) {
    let until: Instant = clock::now() + REST;
    while !scheduler.is_stopping() && clock::now() < until {
        scheduler.courier.called.wait(Some(until.saturating_duration_since(clock::now())));
    }
}
