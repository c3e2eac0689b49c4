//! Threads that have one actor each, and run nothing but its turns.
//!
//! An actor is scheduled once at a time, so what waits for its thread is one task or none: a lock and a
//! condition do for a queue. The thread is there before the actor, so that an actor whose thread cannot be
//! had never exists, and stays until the actor has ended for good or the system has; restarts are turns
//! like others. What this thread schedules goes to the global queue, as from any thread that is no worker.

use std::cell::OnceCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::Level;

use crate::cell::task::Task;
use crate::driver::Driver;
use crate::error::SpawnError;
use crate::log;
use crate::observe::sample;
use crate::scheduler::local;
use crate::sync::{Condvar, Mutex, thread, thread_local};
use crate::system::SystemHandle;
use crate::wait::wait_while;

/// The threads of a system's pinned actors.
pub(super) struct Pinned {
    max: usize,
    threads: Mutex<Threads>,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Threads {
    /// Those whose actors have not ended: no more than the limit.
    seats: Vec<Arc<Seat>>,
    /// All that have not ended. Those of actors that have just ended may be more than the limit.
    live: usize,
}

/// What an actor's thread shares with the others.
#[derive(Default)]
struct Seat {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    task: Option<Task>,
    /// The thread is to end once it finds nothing to run.
    over: bool,
    /// It has found nothing to run, and runs nothing any more.
    gone: bool,
}

impl Pinned {
    pub(super) fn new(max: usize) -> Self {
        Pinned { max, threads: Mutex::default(), ended: Condvar::new() }
    }

    /// Ends each thread as soon as it finds nothing to run. The scheduler is marked as stopping: no thread
    /// is added after this.
    pub(super) fn stop(&self) {
        let seats = self.threads.lock().seats.clone();
        seats.iter().for_each(|seat| seat.end());
    }

    /// Waits for the threads until `until`; returns how many have not ended.
    pub(super) fn wait(&self, until: Instant) -> usize {
        wait_while(&self.ended, self.threads.lock(), until, |threads| threads.live > 0).live
    }

    /// Takes a place under the limit, for a thread that is about to be started.
    fn add(&self, is_stopping: impl FnOnce() -> bool) -> Result<Arc<Seat>, SpawnError> {
        let mut threads = self.threads.lock();
        // With the lock: either `stop` sees the new one, or this sees that the end has begun.
        if is_stopping() {
            return Err(SpawnError::Closed);
        }
        if threads.seats.len() >= self.max {
            return Err(SpawnError::TooManyPinned { max: self.max });
        }
        let seat = Arc::new(Seat::default());
        threads.seats.push(seat.clone());
        threads.live += 1;
        Ok(seat)
    }

    /// Gives the place under the limit back, once.
    fn remove(&self, seat: &Arc<Seat>) {
        self.threads.lock().seats.retain(|other| !Arc::ptr_eq(other, seat));
    }

    fn thread_ended(&self) {
        self.threads.lock().live -= 1;
        self.ended.notify_all();
    }
}

impl Seat {
    /// Gives the task back if the thread runs nothing any more.
    fn push(&self, task: Task) -> Result<(), Task> {
        let mut state = self.state.lock();
        if state.gone {
            return Err(task);
        }
        state.task = Some(task);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for the next turn; `None` when there will be no more.
    fn next(&self) -> Option<Task> {
        let mut state = self.state.lock();
        loop {
            if let Some(task) = state.task.take() {
                return Some(task);
            }
            if state.over {
                state.gone = true;
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
            sample::slept();
        }
    }

    fn end(&self) {
        self.state.lock().over = true;
        self.changed.notify_one();
    }
}

/// An actor's thread, as its cell has it: ends with this.
pub(crate) struct PinnedThread {
    system: SystemHandle,
    name: Box<str>,
    core: Option<usize>,
    /// None while a thread that does not come back from its handler has not been replaced.
    seat: Mutex<Option<Arc<Seat>>>,
}

impl PinnedThread {
    /// Starts a thread for an actor of this name, which stays on `core` if one is given.
    pub(crate) fn start(system: &SystemHandle, name: &str, core: Option<usize>) -> Result<Self, SpawnError> {
        if let Some(core) = core
            && !system.placement().allows(core)
        {
            return Err(SpawnError::CoreNotAllowed { core });
        }
        Self::start_as(system, name, core, |name| thread::Builder::new().name(name))
    }

    fn start_as(
        system: &SystemHandle,
        name: &str,
        core: Option<usize>,
        thread: impl FnOnce(String) -> thread::Builder,
    ) -> Result<Self, SpawnError> {
        let seat = take_seat(system, thread(name.to_owned()), core)?;
        Ok(PinnedThread { system: system.clone(), name: name.into(), core, seat: Mutex::new(Some(seat)) })
    }

    /// Queues a turn of the actor; gives it back if the thread has ended with the system.
    pub(crate) fn push(&self, task: Task) -> Result<(), Task> {
        match &*self.seat.lock() {
            Some(seat) => seat.push(task),
            None => Err(task),
        }
    }

    /// The actor has ended: its thread ends after this turn, and the place under the limit is free.
    pub(crate) fn end(&self) {
        let seat = self.seat.lock().take();
        if let Some(seat) = seat {
            self.system.scheduler().pinned.remove(&seat);
            seat.end();
        }
    }

    /// Starts another thread for the actor: the one that it has does not come back from its handler, and ends when it
    /// does. For the holder of the run token. In a system that is ending workers run the actor's turns from now on.
    pub(crate) fn replace(&self) -> Result<(), SpawnError> {
        self.end();
        let thread = thread::Builder::new().name(self.name.to_string());
        match take_seat(&self.system, thread, self.core) {
            Ok(seat) => *self.seat.lock() = Some(seat),
            Err(SpawnError::Closed) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Starts a thread, with a place under the limit.
fn take_seat(
    system: &SystemHandle,
    thread: thread::Builder,
    core: Option<usize>,
) -> Result<Arc<Seat>, SpawnError> {
    let pinned = &system.scheduler().pinned;
    let seat = pinned.add(|| system.scheduler().is_stopping())?;
    let started = {
        let (system, seat) = (system.clone(), seat.clone());
        thread.spawn(move || {
            system.placement().settle(core);
            run(&system, &seat);
            system.scheduler().pinned.thread_ended();
        })
    };
    match started {
        Ok(_) => Ok(seat),
        Err(error) => {
            pinned.remove(&seat);
            pinned.thread_ended();
            Err(SpawnError::Thread(Arc::new(error)))
        }
    }
}

impl Drop for PinnedThread {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for PinnedThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedThread").finish_non_exhaustive()
    }
}

// The system, if this thread is a pinned actor's.
thread_local!(static HERE: OnceCell<SystemHandle> = const { OnceCell::new() });

fn with_here<R>(f: impl FnOnce(&SystemHandle) -> R) -> Option<R> {
    HERE.try_with(|here| here.get().map(f)).ok().flatten()
}

/// Whether this thread is a pinned actor's, of any system.
pub(super) fn is_current() -> bool {
    with_here(|_| ()).is_some()
}

/// The driver of one of the active workers, for a pinned actor that has a socket: it has no driver of its own.
pub(super) fn any_driver() -> Option<Arc<dyn Driver>> {
    with_here(|system| system.scheduler().any_driver()).flatten()
}

fn run(system: &SystemHandle, seat: &Seat) {
    HERE.with(|here| drop(here.set(system.clone())));
    let _runtimes = system.enter_runtimes();
    while let Some(task) = seat.next() {
        local::turn_begins();
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            log::say(Level::ERROR, || {
                move || tracing::error!("a turn panicked outside of any handler: a bug in the runtime")
            });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{System, clock};

    fn seats(system: &System) -> (usize, usize) {
        let threads = system.scheduler().pinned.threads.lock();
        (threads.seats.len(), threads.live)
    }

    #[test]
    fn a_thread_ends_with_its_handle_and_its_place_is_free_at_once() {
        let system = System::builder().workers(1).build().expect("a system");
        let thread = PinnedThread::start(&system, "pinned", None).expect("a thread");
        assert_eq!(seats(&system), (1, 1));
        drop(thread);
        assert_eq!(seats(&system).0, 0);
        let until = clock::now() + std::time::Duration::from_secs(30);
        assert_eq!(system.scheduler().pinned.wait(until), 0);
    }

    /// A stack that no address space has room for.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    #[test]
    fn a_thread_that_cannot_be_started_takes_no_place() {
        let system = System::builder().workers(1).build().expect("a system");
        let thread = |_| thread::Builder::new().stack_size(1 << 60);
        let error = PinnedThread::start_as(&system, "pinned", None, thread).expect_err("no room");
        assert!(matches!(error, SpawnError::Thread(_)), "{error:?}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(seats(&system), (0, 0));
        assert!(system.shutdown().is_clean());
    }

    #[test]
    fn an_ending_system_starts_no_threads() {
        let system = System::builder().workers(1).build().expect("a system");
        assert!(system.shutdown().is_clean());
        let error = PinnedThread::start(&system, "late", None).expect_err("it has ended");
        assert!(matches!(error, SpawnError::Closed), "{error:?}");
        assert_eq!(seats(&system), (0, 0));
    }
}
