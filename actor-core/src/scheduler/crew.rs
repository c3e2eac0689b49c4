//! The threads that run workers: who runs which, who waits as a spare to take over, and how many there may be.
//!
//! A thread is a [`Hand`]. It runs a worker until the system ends, or until it has lost its claim on the worker and its
//! handler returns; then it waits as a *spare*, if there are not enough of these and it was not demoted, or ends. Hands
//! are started by threads that were never demoted, since a new thread has its maker's priority.

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::cell::ActorId;
use crate::driver::Driver;
use crate::scheduler::hand::{Hand, Order};
use crate::scheduler::{Scheduler, background, courier, local, worker};
use crate::sync::{self, AtomicUsize, Condvar, Mutex, Ordering, thread_local};
use crate::system::SystemHandle;
use crate::wait::wait_while;

/// So many spares are kept when their handlers have returned, and are there when a turn has taken long: one, and one more
/// since a thread that has just been started may have to wait long for its first look at a processor where all are busy.
const SPARES: usize = 2;

pub(super) struct Crew {
    state: Mutex<State>,
    ended: Condvar,
    /// How many threads are in long turns beside the workers, and have scheduled something in them.
    afar: AtomicUsize,
    /// How many threads have the lowest priority.
    demoted: AtomicUsize,
}

struct State {
    /// The most threads at a time.
    max: usize,
    /// All that have not ended.
    hands: Vec<Arc<Hand>>,
    /// Those that wait for something to do; who has just come back is the last, and is taken first.
    spares: Vec<Arc<Hand>>,
    /// How many have been started.
    started: usize,
    /// No more are started, and spares end.
    over: bool,
}

/// Why there is no spare thread.
pub(super) enum NoSpare {
    /// There are as many threads as there may be.
    AtLimit { max: usize },
    /// None could be started.
    Failed(io::Error),
    /// The system is ending.
    Over,
}

impl Crew {
    pub(super) fn new(max: usize) -> Self {
        let state = State { max, hands: Vec::new(), spares: Vec::new(), started: 0, over: false };
        let (afar, demoted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Crew { state: Mutex::new(state), ended: Condvar::new(), afar, demoted }
    }

    /// A thread that has nothing to do, for one order. Not for threads that were demoted.
    pub(super) fn spare(&self, system: &SystemHandle) -> Result<Arc<Hand>, NoSpare> {
        self.waiting().map_or_else(|| self.start_spare(system), Ok)
    }

    /// A new thread, for one order.
    pub(super) fn start_spare(&self, system: &SystemHandle) -> Result<Arc<Hand>, NoSpare> {
        let hand = {
            let mut state = self.state.lock();
            if state.over {
                return Err(NoSpare::Over);
            }
            if state.hands.len() >= state.max {
                return Err(NoSpare::AtLimit { max: state.max });
            }
            let hand = Arc::new(Hand::new(system.scheduler().recipe.name.clone(), state.started));
            state.started += 1;
            state.hands.push(hand.clone());
            hand
        };
        match start(system, &hand) {
            Ok(()) => Ok(hand),
            Err(error) => {
                self.remove(&hand);
                Err(NoSpare::Failed(error))
            }
        }
    }

    /// A thread that has nothing to do, if one waits.
    pub(super) fn waiting(&self) -> Option<Arc<Hand>> {
        self.state.lock().spares.pop()
    }

    /// From now on there may be so many threads more.
    pub(super) fn allow_more(&self, more: usize) {
        self.state.lock().max += more;
    }

    /// Takes a spare that is not needed now, and may be new.
    pub(super) fn put_back(&self, hand: Arc<Hand>) {
        let mut state = self.state.lock();
        if state.over {
            hand.order(Order::End);
        } else {
            state.spares.insert(0, hand);
        }
    }

    /// A thread has scheduled something in a long turn that no worker runs.
    pub(super) fn begins_afar(&self) {
        // Relaxed, as below: a hint, whether more is to be expected from one.
        self.afar.fetch_add(1, Ordering::Relaxed);
    }

    /// That turn has ended.
    pub(super) fn ends_afar(&self) {
        self.afar.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is such a thread, which may schedule more.
    pub(super) fn any_afar(&self) -> bool {
        self.afar.load(Ordering::Relaxed) > 0
    }

    /// Gives a thread the lowest priority, if it still is in this turn. True if it did.
    pub(super) fn demote(&self, hand: &Hand, turn: u64) -> bool {
        let demoted = hand.demote(turn);
        if demoted {
            // Relaxed, as below: a hint, whether a thread that is woken may be slow to get a processor.
            self.demoted.fetch_add(1, Ordering::Relaxed);
        }
        demoted
    }

    /// Whether any thread has the lowest priority.
    pub(super) fn any_demoted(&self) -> bool {
        self.demoted.load(Ordering::Relaxed) > 0
    }

    /// Whether one can have a thread and leave one for a worker to be taken over.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.spares.len() + state.max.saturating_sub(state.hands.len()) >= 2
    }

    /// Whether as many spares wait as are kept.
    pub(super) fn has_spares(&self) -> bool {
        self.state.lock().spares.len() >= SPARES
    }

    /// A thread has come to the end of what it was ordered to do. True if it is to wait as a spare.
    fn comes_back(&self, hand: &Arc<Hand>) -> bool {
        let mut state = self.state.lock();
        let stays = !state.over && state.spares.len() < SPARES && !hand.is_demoted();
        if stays {
            state.spares.push(hand.clone());
        }
        stays
    }

    fn remove(&self, hand: &Arc<Hand>) {
        if hand.is_demoted() {
            self.demoted.fetch_sub(1, Ordering::Relaxed);
        }
        self.state.lock().hands.retain(|other| !Arc::ptr_eq(other, hand));
        self.ended.notify_all();
    }

    /// The names of the threads that are in a turn.
    pub(super) fn in_turn(&self) -> Vec<String> {
        let state = self.state.lock();
        state.hands.iter().filter(|hand| hand.doing.is_in_turn()).map(|hand| hand.name()).collect()
    }

    /// The message whose handler runs in the turn of this actor, if one of the threads is in that.
    pub(super) fn message_of(&self, actor: ActorId) -> Option<&'static str> {
        let state = self.state.lock();
        let subjects = state.hands.iter().filter_map(|hand| hand.doing.subject(hand.doing.turn()));
        subjects.filter(|subject| subject.actor == actor).find_map(|subject| subject.message)
    }

    /// The thread with this name.
    #[cfg(feature = "stacks")]
    pub(super) fn hand_named(&self, name: &str) -> Option<Arc<Hand>> {
        self.state.lock().hands.iter().find(|hand| hand.name() == name).cloned()
    }

    /// How many threads there are, and how many of them are spare.
    pub(super) fn count(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.hands.len(), state.spares.len())
    }

    /// Ends the spares; the others end when they have done what they were ordered to.
    pub(super) fn stop(&self) {
        let spares = {
            let mut state = self.state.lock();
            state.over = true;
            std::mem::take(&mut state.spares)
        };
        spares.iter().for_each(|hand| hand.order(Order::End));
    }

    /// Waits until all have ended, or until `until`; returns how many have not.
    pub(super) fn wait(&self, until: Instant) -> usize {
        wait_while(&self.ended, self.state.lock(), until, |state| !state.hands.is_empty()).hands.len()
    }
}

fn start(system: &SystemHandle, hand: &Arc<Hand>) -> io::Result<()> {
    let (system, hand) = (system.clone(), hand.clone());
    sync::start(hand.name(), move || {
        hand.begins();
        let _runtimes = system.enter_runtimes();
        local::with_doing_of(&hand.doing, || run(&system, &hand));
        system.scheduler().crew.remove(&hand);
    })
}

/// Does what the thread is ordered to, until there is nothing more for it.
fn run(system: &SystemHandle, hand: &Arc<Hand>) {
    loop {
        match hand.wait() {
            Order::Run(index) => worker::run(system, index, hand),
            Order::Background => as_helper(system, Helper::Background, || background::run(system, hand)),
            Order::Carry => as_helper(system, Helper::Courier, || courier::run(system, hand)),
            Order::End => return,
        }
        if !system.scheduler().crew.comes_back(hand) {
            return;
        }
        // A turn may be waiting for one to take its worker over.
        system.scheduler().sysmon.wake();
    }
}

/// What a thread does that runs actors beside the workers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    /// It runs the background lane.
    Background,
    Courier,
}

thread_local! {
    /// The system that this thread helps.
    static HELPED: RefCell<Option<SystemHandle>> = const { RefCell::new(None) };
    /// What it does there; apart, for a look that costs nothing.
    static HELPER: Cell<Option<Helper>> = const { Cell::new(None) };
}

fn as_helper(system: &SystemHandle, helper: Helper, run: impl FnOnce()) {
    HELPED.with(|helped| helped.replace(Some(system.clone())));
    HELPER.set(Some(helper));
    run();
    HELPER.set(None);
    HELPED.with(|helped| helped.replace(None));
}

/// What this thread does beside the workers of a system, if it does.
#[inline]
pub(super) fn helper() -> Option<Helper> {
    HELPER.get()
}

/// Whether this thread helps `scheduler` so.
pub(super) fn helps(scheduler: &Scheduler, so: Helper) -> bool {
    helper() == Some(so) && helped(|system| std::ptr::eq(system.scheduler(), scheduler)) == Some(true)
}

/// The driver of one of the active workers, for an actor that opens a socket on a thread that helps them.
pub(super) fn any_driver() -> Option<Arc<dyn Driver>> {
    helped(|system| system.scheduler().any_driver()).flatten()
}

fn helped<R>(f: impl FnOnce(&SystemHandle) -> R) -> Option<R> {
    helper()?;
    HELPED.with(|helped| helped.borrow().as_ref().map(f))
}
