//! What a thread knows of the worker that it runs: where it puts what is scheduled, and how its turns go.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use crate::blocking;
use crate::cell::ActorId;
use crate::cell::kind::Kind;
use crate::cell::task::{self, Task};
use crate::clock;
use crate::driver::Driver;
use crate::observe::Record;
use crate::scheduler::claim::Scheduling;
use crate::scheduler::crew::{self, Helper};
use crate::scheduler::hand::{Doing, Hand};
use crate::scheduler::{Queue, Remote, Scheduler, pinned};
use crate::sync::thread_local;

/// So many times a turn of the background lane has a worker woken for what it schedules at once. Where the two share a
/// processor, each time interrupts it for a message or two.
const WAKES_OF_A_TURN: u32 = 32;

thread_local! {
    /// Whether turns on this thread have taken long of late.
    static SLOW: Cell<bool> = const { Cell::new(false) };
    /// What the coarse clock said before the turn that runs on this thread, or a few turns before.
    static TURN_BEGAN: Cell<u64> = const { Cell::new(0) };
    /// How many steps the last turn on this thread took.
    static STEPS: Cell<u32> = const { Cell::new(0) };
    /// The actor whose turn runs on this thread, by the address of its cell.
    static CURRENT: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Whether turns on this thread have taken long of late, so that a look at the clock costs little.
pub(crate) fn is_slow() -> bool {
    SLOW.get()
}

pub(super) fn set_slow(slow: bool) {
    SLOW.set(slow);
}

/// Whether the coarse clock has ticked since the turn on this thread began.
pub(crate) fn turn_is_long() -> bool {
    clock::coarse() != TURN_BEGAN.get()
}

/// Whether the coarse clock has ticked since it was last asked so, or a turn after a rest began.
pub(super) fn coarse_ticked() -> bool {
    let now = clock::coarse();
    TURN_BEGAN.replace(now) != now
}

/// Notes that a turn begins, after a rest.
pub(crate) fn turn_begins() {
    TURN_BEGAN.set(clock::coarse());
}

/// Notes how many steps the turn on this thread took.
#[inline]
pub(crate) fn set_steps(steps: u32) {
    STEPS.set(steps);
}

/// How many steps the last turn on this thread took.
#[inline]
pub(super) fn steps() -> u32 {
    STEPS.get()
}

/// Notes whose turn runs on this thread: the actor's cell, by its address.
#[inline]
pub(crate) fn begin_turn_of(cell: *const ()) {
    CURRENT.set(cell);
}

/// Notes that the turn on this thread is this task's after all, which was around another one.
pub(crate) fn note_subject(task: &Task) {
    with_doing(|doing| doing.set_subject(task));
}

/// The soft quantum of the turn on this thread, as far as it knows; zero if it knows none.
#[cold]
pub(super) fn soft_quantum() -> Duration {
    let mut kind = None;
    with_doing(|doing| kind = doing.subject(doing.turn()).and_then(|subject| subject.kind));
    let own = || kind?.quanta().0;
    with_post(|post| post.scheduler.sysmon.quanta_of(kind).soft).or_else(own).unwrap_or_default()
}

/// Whether the turn on this thread was asked to end: its soft flag is up.
#[inline]
pub(super) fn is_flag_raised() -> bool {
    let mut raised = false;
    with_doing(|doing| raised = doing.is_raised());
    raised
}

/// Lowers this thread's soft flag.
pub(super) fn lower_flag() {
    with_doing(Doing::lower);
}

/// Notes which message's handler runs now.
#[inline]
pub(crate) fn note_message(label: &'static &'static str) {
    #[cfg(feature = "sim")]
    crate::sim::seam::handles(label);
    with_doing(|doing| doing.set_message(label));
}

/// Notes that the turn has ended.
#[inline]
pub(crate) fn end_turn() {
    CURRENT.set(ptr::null());
}

/// Whether the turn that runs on this thread, if there is one, is this actor's.
pub(crate) fn is_turn_of(cell: *const ()) -> bool {
    CURRENT.get() == cell
}

/// The actor whose turn runs on this thread.
pub(crate) fn turn_of() -> Option<(ActorId, &'static Kind)> {
    let cell = NonNull::new(CURRENT.get().cast_mut())?;
    // SAFETY: it was put there for this turn, which has not ended, so the cell is there.
    Some(unsafe { task::subject_at(cell) })
}

/// The worker that this thread runs, for as long as it does.
pub(super) struct Post<'a> {
    pub(super) scheduler: &'a Scheduler,
    pub(super) remote: &'a Remote,
    pub(super) hand: &'a Hand,
    pub(super) index: usize,
    /// Whether the worker runs actors, and so takes what is scheduled.
    pub(super) active: Cell<bool>,
    /// How many turns, at the present pace, are worth stealing.
    pub(super) much: Cell<usize>,
}

thread_local! {
    // Without a destructor, so that an access is one instruction: every schedule has one.
    static POST: Cell<*const Post<'static>> = const { Cell::new(ptr::null()) };
    /// What this thread notes for others of the turns that it runs.
    static DOING: Cell<*const Doing> = const { Cell::new(ptr::null()) };
    /// Whether the turn on this thread has scheduled something from afar.
    static AFAR: Cell<bool> = const { Cell::new(false) };
    /// How many times the turn that the background lane runs on this thread has woken a worker.
    static WAKES: Cell<u32> = const { Cell::new(0) };
}

/// Makes `post` this thread's, while `f` runs.
pub(super) fn with_post_of<R>(post: &Post<'_>, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            POST.set(ptr::null());
        }
    }
    let _leave = Leave;
    POST.set(ptr::from_ref(post).cast());
    f()
}

/// Calls `f` with this thread's post, if it has one.
#[inline]
fn with_post<R>(f: impl FnOnce(&Post<'_>) -> R) -> Option<R> {
    let post = POST.get();
    // SAFETY: `with_post_of` borrows the post for as long as it is there, on this very thread.
    unsafe { post.as_ref() }.map(f)
}

impl Post<'_> {
    fn is_of(&self, scheduler: &Scheduler) -> bool {
        ptr::eq(self.scheduler, scheduler)
    }

    /// Calls `f` while the thread is inside with its claim on the worker.
    #[inline]
    fn inside<R>(&self, f: impl FnOnce() -> R) -> Option<R> {
        let _inside = self.hand.doing.claim.inside()?;
        Some(f())
    }
}

/// What is scheduled here goes to the worker that this thread runs, which nobody takes over meanwhile.
pub(super) struct Opening<'a> {
    post: &'a Post<'a>,
    _inside: Scheduling<'a>,
}

/// The opening of this thread, if it runs an active worker of `scheduler`.
#[inline]
pub(super) fn opening(scheduler: &Scheduler) -> Option<Opening<'_>> {
    let post = active_post(scheduler)?;
    let _inside = post.hand.doing.claim.schedules()?;
    Some(Opening { post, _inside })
}

impl Opening<'_> {
    #[inline]
    fn queue(&self) -> &Queue<Task> {
        // SAFETY: the claim is on this worker, and this thread is inside for as long as the opening is there.
        unsafe { self.post.remote.queue.get() }
    }

    /// Makes the task the next that this thread runs, and gives out the one that was.
    #[inline]
    pub(super) fn replace_next(&self, task: Task) -> Option<Task> {
        self.queue().replace_next(task)
    }

    /// Whether nothing is in the queue.
    pub(super) fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    /// Puts a task at the end of the queue. True if that holds so much now that others should help.
    #[inline]
    pub(super) fn push(self, task: Task) -> bool {
        let queue = self.queue();
        queue.push(task, &self.post.scheduler.global);
        queue.len() >= self.post.much.get()
    }
}

/// This thread's post, if it is an active worker of `scheduler`. Not to be kept beyond the caller.
#[inline]
fn active_post<'a>(scheduler: &'a Scheduler) -> Option<&'a Post<'a>> {
    let post = POST.get();
    // SAFETY: as in `with_post`; the caller runs within what `with_post_of` runs, and returns before that does.
    let post: &Post<'_> = unsafe { post.as_ref() }?;
    (ptr::eq(post.scheduler, scheduler) && post.active.get()).then_some(post)
}

/// Whether this thread runs actors, of any system: as a worker's, or a pinned actor's.
pub(crate) fn is_current() -> bool {
    #[cfg(feature = "sim")]
    if crate::sim::seam::in_turn() {
        return true;
    }
    with_post(|_| ()).is_some() || crew::helper().is_some() || pinned::is_current()
}

/// Whether this thread runs a worker of `scheduler`, or did when the turn on it began.
pub(super) fn is_worker_of(scheduler: &Scheduler) -> bool {
    with_post(|post| post.is_of(scheduler)) == Some(true)
}

/// Whether what this thread schedules comes from a long turn beside the workers, and more may come from there: it has lost
/// its worker, or it is run by the background lane and has woken workers often. Called when it could not be pushed here.
pub(super) fn schedules_from_afar(scheduler: &Scheduler) -> bool {
    let lost = with_post(|post| post.is_of(scheduler) && post.hand.doing.claim.inside().is_none());
    let afar =
        lost.unwrap_or_else(|| WAKES.get() >= WAKES_OF_A_TURN && crew::helps(scheduler, Helper::Background));
    if afar && !AFAR.replace(true) {
        scheduler.crew.begins_afar();
    }
    afar
}

/// This thread has woken a worker. Counted where the background lane runs a turn.
pub(super) fn has_woken(scheduler: &Scheduler) {
    if crew::helps(scheduler, Helper::Background) {
        WAKES.set(WAKES.get().saturating_add(1));
    }
}

/// A turn beside the workers has ended, which may have scheduled something from afar.
pub(super) fn ends_afar(scheduler: &Scheduler) {
    WAKES.set(0);
    if AFAR.replace(false) {
        scheduler.crew.ends_afar();
    }
}

/// Calls `f` with this thread's post, while nobody else can take its worker over; `None` if it runs none of this system.
#[inline]
pub(super) fn inside_as<R>(scheduler: &Scheduler, f: impl FnOnce(&Post<'_>) -> R) -> Option<R> {
    with_post(|post| post.is_of(scheduler).then(|| post.inside(|| f(post))).flatten()).flatten()
}

pub(crate) fn current_driver() -> Option<Arc<dyn Driver>> {
    let own = with_post(|post| post.inside(|| post.remote.driver.clone())).flatten();
    own.or_else(crew::any_driver).or_else(pinned::any_driver).or_else(blocking::any_driver)
}

/// Calls `f` with the record of the worker that this thread runs, if it does.
pub(crate) fn with_record(f: impl FnOnce(&Record)) {
    with_post(|post| post.inside(|| f(&post.remote.record)));
}

/// Whether this thread must not start others, which would have its low priority.
pub(crate) fn makes_no_threads() -> bool {
    crew::helper() == Some(Helper::Background) || with_post(|post| post.hand.is_demoted()) == Some(true)
}

/// Has this thread note its turns in `doing`, while `f` runs.
pub(super) fn with_doing_of(doing: &Doing, f: impl FnOnce()) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            DOING.set(ptr::null());
        }
    }
    let _leave = Leave;
    DOING.set(ptr::from_ref(doing));
    f();
}

#[inline]
fn with_doing(f: impl FnOnce(&Doing)) {
    let doing = DOING.get();
    // SAFETY: `with_doing_of` borrows it for as long as it is there, on this very thread.
    if let Some(doing) = unsafe { doing.as_ref() } {
        f(doing);
    }
}
