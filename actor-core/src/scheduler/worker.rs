//! The worker loop: [`Worker::next`], [`Worker::run`], [`Worker::rest`].

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::task::Task;
use crate::clock;
use crate::driver::Driver;
use crate::log;
use crate::observe::{self, Count, Watch};
use crate::reply;
use crate::scheduler::hand::Hand;
use crate::scheduler::local::{self, Post};
use crate::scheduler::pace::{FromGlobal, Pace};
use crate::scheduler::watched::Watched;
use crate::scheduler::{Queue, Scheduler};
use crate::sync::Ordering;
use crate::system::SystemHandle;

/// How much work a worker's queue holds, by what turns took there of late, when one that naps is woken for it.
const WORTH_WAKING: Duration = Duration::from_micros(200);
/// How long a searching worker naps, where others run and have not that much: then it looks whether they get on with
/// what they have. A driver may round it up to a millisecond.
pub(super) const NAP: Duration = Duration::from_micros(500);
/// So many naps in a row are enough if there is nothing at all to be taken.
const MOST_NAPS: u32 = 4;

/// Runs a worker until its system stops, or until this thread has lost it to another one and its handler has returned.
pub(super) fn run(system: &SystemHandle, index: usize, hand: &Arc<Hand>) {
    system.placement().settle(system.placement().core(index));
    let scheduler = system.scheduler();
    let remote = scheduler.remote(index);
    let post = Post { scheduler, remote, hand, index, active: Cell::new(true), much: Cell::new(1) };
    // SAFETY: this thread has just got the claim on the worker, and is inside. From here on the queue is used between
    // turns only, and not after the claim was found to be lost.
    #[allow(unsafe_code)]
    let queue = unsafe { remote.queue.get() };
    let outcome = local::with_post_of(&post, || {
        Worker {
            post: &post,
            scheduler,
            queue,
            driver: &*remote.driver,
            pace: Pace::new(),
            global_due: false,
            from_global: None,
            in_a_row: 0,
            searching: false,
            naps: 0,
            watched: Watched::default(),
            watch: Watch::new(&remote.record),
        }
        .run_all()
    });
    match outcome {
        Outcome::Stopped => scheduler.worker_ended(index),
        Outcome::Lost => {
            local::ends_afar(scheduler);
            scheduler.outside.add_counted();
        }
    }
}

/// Why a thread has ceased to run a worker.
#[derive(PartialEq, Eq)]
enum Outcome {
    Stopped,
    /// Another thread runs it, since a handler took long on this one. Nothing of the worker may be touched.
    Lost,
}

struct Worker<'a> {
    post: &'a Post<'a>,
    scheduler: &'a Scheduler,
    queue: &'a Queue<Task>,
    driver: &'a dyn Driver,
    pace: Pace,
    /// Whether the global queue comes first now.
    global_due: bool,
    /// When the turn that runs began, if it is the first of what was taken from the global queue.
    from_global: Option<FromGlobal>,
    /// How many turns in a row were of actors that were scheduled last.
    in_a_row: u32,
    /// Whether this worker counts as searching in `Sleep`.
    searching: bool,
    /// How many naps there were in a row.
    naps: u32,
    /// How far the others have got.
    watched: Watched,
    watch: Watch<'a>,
}

impl Worker<'_> {
    fn run_all(&mut self) -> Outcome {
        // A turn catches what a user's code panics with; this is for a panic of our own, which must
        // not take the worker with it.
        let outcome = loop {
            match catch_unwind(AssertUnwindSafe(|| self.run_turns())) {
                Ok(outcome) => break outcome,
                Err(_) => {
                    log::say(Level::ERROR, || {
                        move || {
                            tracing::error!("a turn panicked outside of any handler: a bug in the runtime")
                        }
                    });
                    if self.post.hand.doing.is_in_turn() && !self.come_back() {
                        break Outcome::Lost;
                    }
                }
            }
        };
        if outcome == Outcome::Stopped {
            self.watch.publish();
        }
        outcome
    }

    fn run_turns(&mut self) -> Outcome {
        // If the worker was taken over, a handler has kept it from that for long.
        self.look_outside(clock::now());
        loop {
            if !self.scheduler.active.includes(self.post.index) && !self.scheduler.is_stopping() {
                self.retire();
            }
            match self.next() {
                Some(task) => {
                    if !self.run(task) {
                        return Outcome::Lost;
                    }
                }
                None if self.scheduler.is_stopping() => return Outcome::Stopped,
                None => self.rest(),
            }
        }
    }

    /// Comes inside after a turn. False if another thread has taken the worker over.
    #[inline]
    fn come_back(&self) -> bool {
        self.post.hand.doing.end()
    }

    /// Finds the next turn to run: here, in the global queue, or at another worker's.
    fn next(&mut self) -> Option<Task> {
        let queue = self.queue;
        let global_first = std::mem::take(&mut self.global_due);
        let global = if global_first { self.take_global() } else { None };
        let found = global.or_else(|| self.take_next()).or_else(|| queue.pop()).or_else(|| {
            if !self.searching {
                self.searching = true;
                self.scheduler.sleep.start_search();
                self.watch.searches();
            }
            let found = self.take_global();
            found.or_else(|| self.scheduler.steal_from_others(self.post.index, queue, &mut self.watched))
        });
        if found.is_some() && self.searching {
            self.searching = false;
            self.naps = 0;
            self.watch.found();
            self.scheduler.search_ended();
        }
        found
    }

    /// Takes some of the global queue. The first of it is measured.
    fn take_global(&mut self) -> Option<Task> {
        if self.scheduler.global.is_empty() {
            return None;
        }
        let before = self.queue.len();
        let first = self.scheduler.steal_global(self.queue, self.pace.batch(before))?;
        let behind = self.queue.len().saturating_sub(before);
        self.from_global = Some(FromGlobal { began: clock::now(), behind: behind as u32 });
        Some(first)
    }

    /// Takes the actor that was scheduled last, unless there were too many such turns in a row: two
    /// actors that keep each other busy must not keep the others waiting.
    fn take_next(&mut self) -> Option<Task> {
        let Some(task) = self.queue.take_next() else {
            self.ends_row();
            return None;
        };
        if self.in_a_row < self.pace.most_in_a_row() {
            self.in_a_row += 1;
            return Some(task);
        }
        self.ends_row();
        self.queue.push(task, &self.scheduler.global);
        None
    }

    /// The next turn is not one more of an actor that was scheduled last. Those are counted together.
    #[inline]
    fn ends_row(&mut self) {
        observe::add(Count::NextHits, self.in_a_row.into());
        self.in_a_row = 0;
    }

    /// Runs a turn, then looks outside if that is due. False if another thread has taken the worker over meanwhile.
    fn run(&mut self, task: Task) -> bool {
        observe::count(Count::Turns);
        self.post.hand.doing.begin(&task);
        task.run();
        if !self.come_back() {
            return false;
        }
        if self.from_global.is_some() || self.pace.turn_ended() {
            let from_global = self.from_global.take();
            let outside = self.pace.look(from_global.as_ref());
            self.publish_pace();
            self.global_due = self.pace.global_due(from_global);
            if let Some(now) = outside {
                self.look_outside(now);
            }
        }
        true
    }

    /// Fires the timers that are due, and polls the driver.
    fn look_outside(&mut self, now: Instant) {
        self.watch.publish();
        self.scheduler.timers(self.post.index).fire_due(now);
        self.driver.poll();
        observe::count(Count::DriverPolls);
    }

    fn publish_pace(&self) {
        let turn_nanos = self.pace.turn_nanos;
        // Relaxed: an estimate.
        self.post.remote.turn_nanos.store(turn_nanos, Ordering::Relaxed);
        self.post.much.set((WORTH_WAKING.as_nanos() as usize / turn_nanos as usize).max(1));
    }

    /// Parks until there is an event, a timer is due, or somebody has pushed work.
    fn rest(&mut self) {
        let (index, sleep) = (self.post.index, &self.scheduler.sleep);
        self.watch.rests();
        let next_timer = self.scheduler.timers(index).fire_due(clock::now());
        if self.queue.has_next() {
            return;
        }
        if self.should_nap() && sleep.begin_nap(index) {
            return self.nap(next_timer);
        }
        self.naps = 0;
        self.watched.forget();
        reply::forget_waker();
        let last = sleep.fall_asleep(index);
        if !self.is_wanted(last) && !self.scheduler.is_stopping() {
            self.watch.parks();
            self.driver.park(next_timer.map(|at| at.saturating_duration_since(clock::now())));
        }
        sleep.wake_up(index);
        self.scheduler.worker_woke();
        self.searching = true;
        self.watch.wakes();
        self.goes_on();
    }

    /// After a rest, which is no turn: fires what has become due meanwhile.
    fn goes_on(&mut self) {
        let now = clock::now();
        local::turn_begins();
        self.pace.rested(now);
        self.scheduler.timers(self.post.index).fire_due(now);
    }

    /// Whether to nap, not to sleep: while others run they may soon have more than they can do, and who naps need
    /// not be woken for each bit. As long as there is something in a queue, somebody has to see that it does
    /// not stay there.
    fn should_nap(&self) -> bool {
        let waits = self.naps < MOST_NAPS && self.scheduler.others_run() || self.scheduler.has_work();
        waits && !self.scheduler.is_stopping()
    }

    /// Whether there is something to do after all for this worker, which has fallen asleep. If others search on, what
    /// is not worth taking is theirs to watch: it would look at it again and again, and take none of it.
    fn is_wanted(&mut self, was_last: bool) -> bool {
        if was_last {
            self.scheduler.has_work()
        } else {
            self.scheduler.is_worth_searching(self.post.index, &mut self.watched)
        }
    }

    /// Naps, as a searching worker. It has just said so.
    fn nap(&mut self, next_timer: Option<Instant>) {
        let index = self.post.index;
        if !self.scheduler.is_worth_searching(index, &mut self.watched) && !self.scheduler.is_stopping() {
            let until_timer = next_timer.map_or(NAP, |at| at.saturating_duration_since(clock::now()));
            observe::count(Count::Naps);
            self.driver.park(Some(NAP.min(until_timer)));
        }
        self.scheduler.sleep.end_nap(index);
        self.naps += 1;
        self.goes_on();
    }

    /// Runs no more actors until this worker is active again, or the system stops and wants all of them to come
    /// to their ends. Meanwhile it serves the sockets and timers that it has; what they schedule goes to others.
    fn retire(&mut self) {
        self.post.active.set(false);
        self.scheduler.hand_over(self.queue.take_next(), self.queue);
        // Pushes may have relied on this search, or have chosen this worker to do one.
        if std::mem::take(&mut self.searching) {
            self.scheduler.search_ended();
        }
        let (index, timers) = (self.post.index, self.scheduler.timers(self.post.index));
        // An unpark between these looks and the park makes the park return at once.
        while !self.scheduler.active.includes(index) && !self.scheduler.is_stopping() {
            let next_timer = timers.fire_due(clock::now());
            self.watch.parks();
            self.driver.park(next_timer.map(|at| at.saturating_duration_since(clock::now())));
        }
        self.watch.wakes();
        self.post.active.set(true);
        self.goes_on();
    }
}
