//! What the tests share: waiting for conditions, holding a handler up, who is answered meanwhile, and panics on purpose.

use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Builder, Messages, System};

/// Far longer than anything here takes; a test that gets here has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// A system with `workers` workers and an intensity that no test exceeds unless it means to.
pub(crate) fn system(workers: usize) -> System {
    builder(workers).build().expect("a system")
}

/// The same, which takes no worker over from a handler that takes long.
pub(crate) fn patient(workers: usize) -> Builder {
    builder(workers).soft_quantum(2 * LIMIT).hard_quantum(2 * LIMIT)
}

/// The settings of [`system`].
pub(crate) fn builder(workers: usize) -> Builder {
    quiet_panics();
    System::builder().workers(workers).intensity(1_000_000, LIMIT)
}

/// The panic message that is not printed.
pub(crate) const ON_PURPOSE: &str = "on purpose";

/// Panics on purpose should not fill the output of the tests.
pub(crate) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let quiet = info.payload_as_str().is_some_and(|text| text.contains(ON_PURPOSE));
            if !quiet {
                print(info);
            }
        }));
    });
}

/// Holds up those who pass until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    /// Blocks the thread until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        self.0.1.notify_all();
        while !state.open {
            state = self.0.1.wait(state).unwrap();
        }
        state.waiting -= 1;
    }

    /// Waits until somebody stands before the gate.
    pub(crate) fn somebody_waits(&self) {
        let state = self.0.0.lock().unwrap();
        let (_state, timeout) =
            self.0.1.wait_timeout_while(state, LIMIT, |state| state.waiting == 0).unwrap();
        assert!(!timeout.timed_out(), "nobody came to the gate");
    }
}

/// An actor that answers at once, if it gets a worker.
#[derive(Actor)]
pub(crate) struct Responder;

#[messages]
impl Responder {
    #[message]
    pub(crate) fn ping(&self, n: u32) -> u32 {
        n + 1
    }

    #[message]
    pub(crate) fn thread(&self) -> ThreadId {
        thread::current().id()
    }
}

/// Whether a new actor gets a worker, again and again.
pub(crate) fn others_are_answered(system: &System) -> bool {
    let responder = system.spawn(|| Responder).unwrap();
    (0..3).all(|n| responder.ping(n).within(LIMIT).wait().is_ok_and(|answer| answer == n + 1))
}

/// An actor with a loop in a handler, on the only worker of a system. No thread may take that over, so who holds it holds
/// up all.
pub(crate) fn looper<A: Messages>(
    mut make: impl FnMut(Loop) -> A + Send + 'static,
) -> (System, A::Ref, Loop) {
    let (system, looping) = (builder(1).max_threads(1).build().unwrap(), Loop::default());
    let inside = looping.clone();
    let looper = system.spawn(move || make(inside.clone())).unwrap();
    (system, looper, looping)
}

/// A loop in a handler, which goes on until it is ended.
#[derive(Clone, Default)]
pub(crate) struct Loop(Arc<LoopState>);

#[derive(Default)]
struct LoopState {
    rounds: AtomicU64,
    ended: AtomicBool,
}

impl Loop {
    /// For the handler, once a round.
    pub(crate) fn goes_on(&self) -> bool {
        self.0.rounds.fetch_add(1, Ordering::Relaxed);
        !self.0.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }

    /// Waits until it has gone one more round.
    #[track_caller]
    pub(crate) fn runs(&self) {
        let rounds = || self.0.rounds.load(Ordering::Relaxed);
        let before = rounds();
        eventually("the loop goes one more round", || rounds() > before);
    }

    /// Others are answered while it goes on. Ends it, so that a test that fails does not wait for it for ever.
    #[track_caller]
    pub(crate) fn holds_nobody_up(&self, system: &System) {
        self.runs();
        let answered = others_are_answered(system);
        if answered {
            self.runs();
        }
        self.end();
        assert!(answered, "the loop has held the worker up");
    }
}

/// A list that actors write and tests read.
#[derive(Clone)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log(Arc::default())
    }
}

impl<T: Clone> Log<T> {
    pub(crate) fn push(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
