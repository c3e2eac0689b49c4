//! The blocking pool: threads for work that is known to block, so that no worker waits for it.
//!
//! A thread is started when there is a job and no thread is free, up to a limit, and ends when it has been free
//! for [`IDLE`]. What waits, and how many threads there are, is under one lock: a job of this pool takes far
//! longer than the lock does. A thread that finds nothing counts itself as idle, under the lock, and waits
//! at a channel; whoever has a job for it takes it off that count and sends it there. So each idle thread gets
//! one job at most, and none is sent where nobody waits.
//!
//! A job is a closure ([`future`]) or a turn of an actor whose next message has a blocking handler. Closures that
//! wait are limited in number, and refused beyond. Turns are not: there is one at most for each actor, and
//! its message has to wait somewhere.

pub(crate) mod future;
mod thread;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use tracing::Level;

use crate::cell::task::Task;
use crate::log;
use crate::observe::BlockingSnapshot;
use crate::scheduler::{Scheduler, local, stalls};
use crate::sync::{Condvar, Mutex};
use crate::system::SystemHandle;
use crate::wait::wait_while;
use future::BlockingError;
pub(crate) use thread::{any_driver, is_of_pool, may_block};

/// The most threads unless said.
pub(crate) const THREADS: usize = 64;
/// The most closures that wait unless said.
pub(crate) const QUEUE: usize = 10_000;
/// How long a thread stays that has nothing to do.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Pool {
    limits: Limits,
    state: Mutex<State>,
    /// Where idle threads wait.
    hand_over: Receiver<Job>,
    /// A thread has ended, of a pool that is closed.
    ended: Condvar,
}

/// What a pool may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    /// How many closures may wait.
    pub(crate) queue: usize,
    pub(crate) idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { threads: THREADS, queue: QUEUE, idle: IDLE }
    }
}

struct State {
    /// To the idle threads; gone when the pool is closed.
    idle: Option<Sender<Job>>,
    /// The threads that wait, less those that something was sent for.
    idle_count: usize,
    /// All threads, with those that are about to be started, and without those that condemned handlers hold up.
    threads: usize,
    /// How many are held up by condemned handlers. Below zero, if one has come back before this was told that it was.
    condemned: isize,
    starting: usize,
    /// Those that have not looked for their first job yet: one that waits is for them.
    fresh: usize,
    /// Those that sysmon is to start: who has the jobs for them must not, as a new thread has the priority of its
    /// maker.
    wanted: usize,
    waiting: VecDeque<Job>,
    /// How many of those are closures.
    closures: usize,
    done: u64,
    refused: u64,
}

pub(crate) type Closure = Box<dyn FnOnce() + Send>;

/// Something to be run on a thread of the pool.
enum Job {
    Closure(Closure),
    /// The next turn of an actor.
    Turn(Task),
}

/// What to do with a job, as of a look at the state.
enum Place {
    /// It has been handed over, or waits for a thread that is busy.
    Taken,
    /// A thread is to be started for it, and is counted already.
    NewThread(Job),
    /// It waits for a thread that sysmon is to start.
    Wanted,
    Refused(Job, BlockingError),
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        let (idle, hand_over) = crossbeam_channel::unbounded();
        let state = State {
            idle: Some(idle),
            idle_count: 0,
            threads: 0,
            condemned: 0,
            starting: 0,
            fresh: 0,
            wanted: 0,
            waiting: VecDeque::new(),
            closures: 0,
            done: 0,
            refused: 0,
        };
        Pool { limits, state: Mutex::new(state), hand_over, ended: Condvar::new() }
    }

    /// Runs a closure that catches its own panics.
    fn run(system: &SystemHandle, closure: Box<dyn FnOnce() + Send>) -> Result<(), BlockingError> {
        if stalls::condemned() {
            return Err(BlockingError::Condemned);
        }
        system.blocking_pool().submit(system, Job::Closure(closure)).map_err(|(_dropped, why)| why)
    }

    /// Runs an actor's next turn, for the holder of its run token: the cell may be gone when this returns. If
    /// there can be no thread for it, or the pool is closed, runs it right here.
    pub(crate) fn run_turn(system: &SystemHandle, task: Task) {
        if let Err((job, why)) = system.blocking_pool().submit(system, Job::Turn(task)) {
            if !matches!(why, BlockingError::Closed) {
                log::say(
                    Level::ERROR,
                    || move || tracing::error!(%why, "a blocking handler holds a worker up"),
                );
            }
            thread::blocking_here(|| job.run());
        }
    }

    fn submit(&self, system: &SystemHandle, job: Job) -> Result<(), (Job, BlockingError)> {
        // Bound, so that the lock is free again: starting a thread takes long.
        let mut place = self.state.lock().place(job, self.limits, !local::makes_no_threads());
        if let Place::NewThread(job) = place {
            let started = thread::start(system);
            place = self.state.lock().add_started(job, started);
        }
        match place {
            Place::Refused(job, why) => Err((job, why)),
            Place::Wanted => {
                system.scheduler().wake_sysmon();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether sysmon is to start threads.
    pub(crate) fn wants_threads(&self) -> bool {
        self.state.lock().wanted > 0
    }

    /// Starts the threads that are wanted. Called by sysmon. If one cannot be had, it is still wanted.
    pub(crate) fn tend(&self, system: &SystemHandle) -> io::Result<()> {
        // The lock is free while a thread is started.
        while self.begin_wanted() {
            let started = thread::start(system);
            self.state.lock().wanted_started(started)?;
        }
        Ok(())
    }

    fn begin_wanted(&self) -> bool {
        self.state.lock().begin_wanted(self.limits)
    }

    /// A thread has been started and looks for its first job.
    fn thread_began(&self) {
        self.state.lock().fresh -= 1;
    }

    /// The next job for a thread of the pool; `None`, and the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        if let Some(job) = state.take() {
            return Some(job);
        }
        if state.idle.is_some() {
            state.idle_count += 1;
            drop(state);
            // It ends early when the pool is closed.
            if let Ok(job) = self.hand_over.recv_timeout(self.limits.idle) {
                return Some(job);
            }
            state = self.state.lock();
            // Sent after the time was over, but before the lock.
            if let Ok(job) = self.hand_over.try_recv() {
                return Some(job);
            }
            state.idle_count -= 1;
            if let Some(job) = state.take() {
                return Some(job);
            }
        }
        state.threads -= 1;
        drop(state);
        self.ended.notify_all();
        None
    }

    /// A handler on one of the threads was condemned: another may take the thread's place. Called by sysmon.
    pub(crate) fn loses_thread(&self) {
        let mut state = self.state.lock();
        state.threads -= 1;
        state.condemned += 1;
        state.wanted += usize::from(!state.waiting.is_empty());
    }

    /// That thread has come back, and ends.
    fn comes_back(&self) {
        self.state.lock().condemned -= 1;
        self.ended.notify_all();
    }

    /// The job that has waited longest, to be run somewhere else: a simulation's pool has no threads.
    #[cfg(feature = "sim")]
    pub(crate) fn take_job(&self) -> Option<impl FnOnce(&SystemHandle) + Send + use<>> {
        let job = self.state.lock().take()?;
        Some(move |system: &SystemHandle| {
            thread::blocking_here(|| job.run());
            system.blocking_pool().job_done();
        })
    }

    fn job_done(&self) {
        self.state.lock().done += 1;
    }

    /// Takes nothing more, and ends each thread when it has nothing to run. What waits is not run here any
    /// more, since the threads may be held up for ever: closures are given out to be dropped, turns go to a worker, where an
    /// actor that was killed comes to its end.
    #[must_use]
    pub(crate) fn close(&self, scheduler: &Scheduler) -> Vec<Closure> {
        let waiting = {
            let mut state = self.state.lock();
            state.idle = None;
            state.wanted = 0;
            state.closures = 0;
            std::mem::take(&mut state.waiting)
        };
        let mut closures = Vec::new();
        for job in waiting {
            match job {
                Job::Turn(task) => scheduler.schedule(task),
                Job::Closure(closure) => closures.push(closure),
            }
        }
        closures
    }

    /// Waits for the threads until `until`; returns how many have not ended.
    pub(crate) fn wait(&self, until: Instant) -> usize {
        wait_while(&self.ended, self.state.lock(), until, |state| state.all() > 0).all()
    }

    pub(crate) fn snapshot(&self) -> BlockingSnapshot {
        let state = self.state.lock();
        BlockingSnapshot {
            threads: state.threads,
            idle: state.idle_count,
            queued: state.waiting.len(),
            running: state.threads - state.idle_count,
            done: state.done,
            refused: state.refused,
        }
    }
}

impl State {
    /// All threads that have not ended.
    fn all(&self) -> usize {
        self.threads.saturating_add_signed(self.condemned)
    }

    /// Finds the place for a job of a thread that may start others, or must not.
    fn place(&mut self, job: Job, limits: Limits, may_start: bool) -> Place {
        if self.idle.is_none() {
            return self.refuse(job, BlockingError::Closed);
        }
        if self.idle_count == 0 && !may_start && self.threads + self.wanted < limits.threads {
            self.wanted += 1;
            return match self.add(job) {
                Place::Taken => Place::Wanted,
                refused => refused,
            };
        }
        if self.idle_count == 0 && may_start && self.threads < limits.threads {
            self.threads += 1;
            self.starting += 1;
            self.fresh += 1;
            return Place::NewThread(job);
        }
        let waits = self.idle_count == 0 && matches!(job, Job::Closure(_));
        if waits && self.closures.saturating_sub(self.fresh + self.wanted) >= limits.queue {
            return self.refuse(job, BlockingError::Full { queue: limits.queue });
        }
        self.add(job)
    }

    /// Counts a thread that is wanted as one that is about to be started.
    fn begin_wanted(&mut self, limits: Limits) -> bool {
        if self.threads >= limits.threads {
            // Others have started them meanwhile: each looks for what waits.
            self.wanted = 0;
        }
        let begins = self.wanted > 0;
        if begins {
            self.wanted -= 1;
            self.threads += 1;
            self.starting += 1;
            self.fresh += 1;
        }
        begins
    }

    /// A thread that was wanted has been started, or has not.
    fn wanted_started(&mut self, started: io::Result<()>) -> io::Result<()> {
        self.starting -= 1;
        if started.is_err() {
            self.threads -= 1;
            self.fresh -= 1;
            self.wanted += usize::from(self.idle.is_some());
        }
        started
    }

    /// The thread for a job has been started, or has not.
    fn add_started(&mut self, job: Job, started: io::Result<()>) -> Place {
        self.starting -= 1;
        if let Err(error) = started {
            self.threads -= 1;
            self.fresh -= 1;
            // Another thread will come to it, if one is there.
            if self.threads == self.starting {
                return self.refuse(job, BlockingError::Thread(Arc::new(error)));
            }
        }
        self.add(job)
    }

    /// Hands a job to a thread that is idle, or has it wait for one of the others: each looks for what
    /// waits before it is idle, and before it ends.
    fn add(&mut self, job: Job) -> Place {
        let Some(idle) = &self.idle else {
            return self.refuse(job, BlockingError::Closed);
        };
        if self.idle_count > 0 {
            self.idle_count -= 1;
            idle.send(job).expect("the pool has the other end");
        } else {
            self.closures += usize::from(matches!(job, Job::Closure(_)));
            self.waiting.push_back(job);
        }
        Place::Taken
    }

    fn refuse(&mut self, job: Job, why: BlockingError) -> Place {
        self.refused += u64::from(matches!(job, Job::Closure(_)));
        Place::Refused(job, why)
    }

    fn take(&mut self) -> Option<Job> {
        let job = self.waiting.pop_front()?;
        self.closures -= usize::from(matches!(job, Job::Closure(_)));
        Some(job)
    }
}

impl Job {
    fn run(self) {
        match self {
            Job::Closure(closure) => closure(),
            Job::Turn(task) => task.run(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
