//! A thread that runs workers, as others see it: what it is about, its claim, and what it is ordered to do next.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use tracing::Level;

use crate::cell::ActorId;
use crate::cell::kind::Kind;
use crate::cell::task::Task;
use crate::log;
#[cfg(feature = "stacks")]
use crate::observe::{Stack, StackError};
use crate::platform::thread::{self as platform, ThreadId, Usage};
use crate::scheduler::claim::Claim;
use crate::scheduler::local;
use crate::sync::{AtomicPtr, AtomicU64, Condvar, Mutex, OnceLock, Ordering, fence};

/// What a thread is to do next.
pub(super) enum Order {
    /// Run the worker with this number.
    Run(usize),
    /// Run actors of the background lane.
    Background,
    /// Be the courier.
    Carry,
    End,
}

pub(super) struct Hand {
    pub(super) doing: Doing,
    /// What the thread is called, before its number.
    prefix: Arc<str>,
    number: usize,
    /// What the thread has told of itself.
    thread: OnceLock<Thread>,
    orders: Mutex<Option<Order>>,
    ordered: Condvar,
    /// Held while it is demoted, and while it looks whether it was.
    demoted: Mutex<bool>,
}

struct Thread {
    id: ThreadId,
    /// An address near the outer end of its stack.
    #[cfg(feature = "stacks")]
    outer: usize,
}

/// What a thread runs: its claim, and what it notes for others, with stores alone. A cache line of its own, since the
/// thread writes to it in each turn, and others look at it once a millisecond or less often.
#[repr(align(64))]
pub(super) struct Doing {
    pub(super) claim: Claim,
    /// The turn that was asked last to end, by another thread: the soft flag is up in that one.
    asked: AtomicU64,
    /// Whose turn it is.
    actor: AtomicU64,
    kind: AtomicPtr<Kind>,
    /// The message whose handler runs.
    message: AtomicPtr<&'static str>,
}

/// Whose turn a thread runs.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) actor: ActorId,
    /// There is none if it has not been noted yet.
    pub(super) kind: Option<&'static Kind>,
    /// The message whose handler runs.
    pub(super) message: Option<&'static str>,
}

impl Hand {
    pub(super) fn new(prefix: Arc<str>, number: usize) -> Self {
        Hand {
            prefix,
            doing: Doing::new(),
            number,
            thread: OnceLock::new(),
            orders: Mutex::new(None),
            ordered: Condvar::new(),
            demoted: Mutex::new(false),
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// What the thread is called.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.prefix, self.number)
    }

    /// Called by the thread, first of all.
    pub(super) fn begins(&self) {
        let id = platform::current();
        self.thread.get_or_init(|| Thread {
            id,
            #[cfg(feature = "stacks")]
            outer: ptr::from_ref(&id).addr(),
        });
    }

    /// Gives the thread something to do. It must be spare.
    pub(super) fn order(&self, order: Order) {
        if matches!(order, Order::Run(_)) {
            self.doing.claim.renew();
        }
        *self.orders.lock() = Some(order);
        self.ordered.notify_one();
    }

    /// Waits for an order; called by the thread.
    pub(super) fn wait(&self) -> Order {
        let mut order = self.orders.lock();
        loop {
            match order.take() {
                Some(order) => return order,
                None => order = self.ordered.wait(order).unwrap_or_else(|e| e.into_inner()),
            }
        }
    }

    /// Runs a turn on this thread, which runs no worker. Tells whose it was.
    pub(super) fn run_turn(&self, task: Task) -> Option<Subject> {
        local::turn_begins();
        self.doing.begin(&task);
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            log::say(Level::ERROR, || {
                move || tracing::error!("a turn panicked outside of any handler: a bug in the runtime")
            });
        }
        let subject = self.doing.subject(self.doing.turn());
        self.doing.end();
        subject
    }

    /// How the thread has spent its time so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        platform::usage(self.thread.get()?.id)
    }

    /// Has the thread, which waits, come to the processor that this thread runs on, and to no other until it says so itself.
    pub(super) fn fetch(&self) {
        if let Some(thread) = self.thread.get() {
            platform::fetch(thread.id);
        }
    }

    pub(super) fn is_demoted(&self) -> bool {
        *self.demoted.lock()
    }

    /// Gives the thread the lowest priority for the rest of its life, if it still is in this turn. True if it did.
    pub(super) fn demote(&self, turn: u64) -> bool {
        let mut demoted = self.demoted.lock();
        // The thread looks whether it was demoted after its turn: so it either has not got there, or is left alone.
        if *demoted || self.doing.turn() != turn {
            return false;
        }
        *demoted = self.thread.get().is_some_and(|thread| platform::demote(thread.id).is_ok());
        *demoted
    }

    /// The thread's stack, in a turn of this actor's.
    #[cfg(feature = "stacks")]
    pub(super) fn stack_of(&self, actor: ActorId) -> Result<Stack, StackError> {
        let turn = self.doing.turn();
        let is_its = self.doing.is_in_turn() && self.doing.subject(turn).is_some_and(|of| of.actor == actor);
        let thread = self.thread.get().filter(|_| is_its).ok_or(StackError::Ended)?;
        let stack = Stack::of(self.name(), thread.id, thread.outer)?;
        // If another turn has begun meanwhile, it may be that one's.
        if self.doing.turn() == turn { Ok(stack) } else { Err(StackError::Ended) }
    }
}

/// There are never so many turns.
const NO_TURN: u64 = u64::MAX;

impl Doing {
    pub(super) fn new() -> Self {
        Doing {
            claim: Claim::none(),
            asked: AtomicU64::new(NO_TURN),
            actor: AtomicU64::new(0),
            kind: AtomicPtr::new(ptr::null_mut()),
            message: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A turn begins, of this task's actor: the thread goes outside.
    #[inline]
    pub(super) fn begin(&self, task: &Task) {
        self.set_subject(task);
        self.claim.leave();
    }

    /// A turn has ended: the thread comes inside. False if it has no claim on a worker.
    #[inline]
    pub(super) fn end(&self) -> bool {
        self.claim.enter()
    }

    /// Which turn runs: odd, or between which two none does.
    #[inline]
    pub(super) fn turn(&self) -> u64 {
        self.claim.turn()
    }

    #[inline]
    pub(super) fn is_in_turn(&self) -> bool {
        self.turn() % 2 == 1
    }

    /// Whose turn it was a moment ago, if `turn` still runs.
    pub(super) fn subject(&self, turn: u64) -> Option<Subject> {
        // What was noted for this turn, or later.
        if self.claim.turn_with_all_before() != turn {
            return None;
        }
        // Relaxed, all three: see the fence.
        let actor = ActorId(self.actor.load(Ordering::Relaxed));
        let kind = self.kind.load(Ordering::Relaxed);
        // SAFETY: it was made of a static reference, whoever reads it.
        let kind = unsafe { kind.as_ref() };
        let message = self.message.load(Ordering::Relaxed);
        // SAFETY: as above.
        let message = unsafe { message.as_ref() }.copied();
        // Acquire: with the fence in `note`. Who has read what was noted for a later turn sees here that this one has ended.
        fence(Ordering::Acquire);
        Some(Subject { actor, kind, message }).filter(|_| self.turn() == turn)
    }

    /// Notes whose turn it is.
    #[inline]
    pub(super) fn set_subject(&self, task: &Task) {
        self.note(task.actor(), task.kind());
    }

    #[inline]
    fn note(&self, actor: ActorId, kind: *const Kind) {
        // Release: the end of the turn before is seen by who sees any of this, and of the message that is noted later.
        fence(Ordering::Release);
        // Relaxed: see the fence, and the release in `Claim::leave`. The subject of a turn is noted once, before it begins,
        // but for a task around another one, which is seen for a moment, by nobody who has seen the turn twice.
        self.actor.store(actor.0, Ordering::Relaxed);
        self.kind.store(kind.cast_mut(), Ordering::Relaxed);
        self.message.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Asks the turn that runs now to end at its next safepoint: raises the soft flag. If it ends before it sees that,
    /// nothing comes of it.
    pub(super) fn raise(&self) {
        // Relaxed: it tells nothing but itself.
        self.asked.store(self.turn(), Ordering::Relaxed);
    }

    /// Whether the turn that runs was asked to end. For the thread.
    #[inline]
    pub(super) fn is_raised(&self) -> bool {
        // Relaxed: as in `raise`.
        self.asked.load(Ordering::Relaxed) == self.turn()
    }

    /// Lowers the soft flag. For the thread.
    #[inline]
    pub(super) fn lower(&self) {
        if self.is_raised() {
            // Relaxed: as in `raise`.
            self.asked.store(NO_TURN, Ordering::Relaxed);
        }
    }

    /// Notes which message's handler runs.
    #[inline]
    pub(super) fn set_message(&self, label: &'static &'static str) {
        // Relaxed: see the fence in `note`; and what it points at has always been there.
        self.message.store(ptr::from_ref(label).cast_mut(), Ordering::Relaxed);
    }
}
