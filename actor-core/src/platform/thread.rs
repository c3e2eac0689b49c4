//! A thread of ours as the operating system sees it: how much processor time it has had, whether it waits for a
//! processor, its priority; and the barrier by which one thread orders itself with all others.
//!
//! Linux has all of this. Elsewhere, and where threads are simulated, nothing is known of threads and their priorities
//! stay; the barrier is a fence that each side pays for.
#![allow(unsafe_code)]

use std::time::Duration;

use crate::sync::{Ordering, fence};

/// What a thread is called by the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(#[cfg_attr(not(target_os = "linux"), allow(dead_code))] i32);

#[cfg(all(feature = "stacks", target_os = "linux", target_arch = "x86_64"))]
impl ThreadId {
    pub(super) fn number(self) -> i32 {
        self.0
    }
}

/// How a thread has spent its time, up to some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time that it has had.
    pub(crate) cpu: Duration,
    /// It has something to run, and runs or waits for a processor. Not if it sleeps in a system call.
    pub(crate) runnable: bool,
}

/// The thread that calls this.
#[cfg(target_os = "linux")]
pub(crate) fn current() -> ThreadId {
    ThreadId(rustix::thread::gettid().as_raw_nonzero().get())
}

/// How the thread has spent its time so far; `None` if that cannot be told, or it has ended.
#[cfg(all(target_os = "linux", not(shuttle)))]
pub(crate) fn usage(thread: ThreadId) -> Option<Usage> {
    let of = format!("/proc/self/task/{}", thread.0);
    let cpu = std::fs::read_to_string(format!("{of}/schedstat")).ok()?;
    let state = std::fs::read_to_string(format!("{of}/stat")).ok()?;
    Some(Usage { cpu: cpu_of(&cpu)?, runnable: is_runnable(&state)? })
}

/// Has the thread run only where no other wants to (`SCHED_IDLE`): it gives way at once to any that wakes up, which a
/// thread that is merely nice does not do before the end of its slice. It cannot have its old priority back without
/// privilege.
#[cfg(all(target_os = "linux", not(shuttle)))]
pub(crate) fn demote(thread: ThreadId) -> std::io::Result<()> {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are there for the length of the call, and of the right type. What the thread does is not
    // changed but for when it is done.
    match unsafe { libc::sched_setscheduler(thread.0, libc::SCHED_IDLE, &raw const priority) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Has the thread, when it wakes up, run on the processor that this thread runs on now, and on no other until its affinity
/// mask is changed again. If that cannot be, it runs where it likes.
#[cfg(all(target_os = "linux", not(shuttle)))]
pub(crate) fn fetch(thread: ThreadId) {
    use rustix::thread::{CpuSet, Pid, sched_getcpu, sched_setaffinity};
    let here = sched_getcpu();
    if here < CpuSet::MAX_CPU {
        let mut mask = CpuSet::new();
        mask.set(here);
        let _ = sched_setaffinity(Pid::from_raw(thread.0), &mask);
    }
}

#[cfg(all(target_os = "linux", not(shuttle)))]
fn cpu_of(schedstat: &str) -> Option<Duration> {
    Some(Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?))
}

/// The state is the first word after the thread's name, which is in parentheses and may contain any character.
#[cfg(all(target_os = "linux", not(shuttle)))]
fn is_runnable(stat: &str) -> Option<bool> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().next()? == "R")
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn current() -> ThreadId {
    ThreadId(0)
}

#[cfg(not(all(target_os = "linux", not(shuttle))))]
pub(crate) fn usage(_thread: ThreadId) -> Option<Usage> {
    None
}

#[cfg(not(all(target_os = "linux", not(shuttle))))]
pub(crate) fn fetch(_thread: ThreadId) {}

#[cfg(not(all(target_os = "linux", not(shuttle))))]
pub(crate) fn demote(_thread: ThreadId) -> std::io::Result<()> {
    Ok(())
}

/// Half of a fence, for a thread that often stores and then loads: orders the two as if there were a full fence,
/// against a thread that calls [`heavy_barrier`] between a store and a load of its own. Costs nothing, since the heavy
/// one does all of the work; where that cannot ([`heavy_one_pays`]), it takes a full fence beside this.
#[inline(always)]
pub(crate) fn light_barrier() {
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Whether the heavy barrier does the work of both. It never changes after [`prepare_barriers`].
#[inline(always)]
pub(crate) fn heavy_one_pays() -> bool {
    asymmetric::is_there()
}

/// The other half: waits until each thread of the process that is running has passed a full fence. Takes some
/// microseconds.
pub(crate) fn heavy_barrier() {
    if !asymmetric::pass_all() {
        fence(Ordering::SeqCst);
    }
}

/// Linux can have all running threads of the process pass a fence (`membarrier`, since 4.14).
#[cfg(all(target_os = "linux", not(any(loom, shuttle))))]
mod asymmetric {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::thread::{MembarrierCommand, membarrier};

    static REGISTERED: AtomicBool = AtomicBool::new(false);

    /// Whether the process has registered for it.
    #[inline(always)]
    pub(super) fn is_there() -> bool {
        // Relaxed: set before the first thread that asks is started, and never changed after that.
        REGISTERED.load(Ordering::Relaxed)
    }

    pub(super) fn register() {
        let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok();
        REGISTERED.store(registered, Ordering::Relaxed);
    }

    pub(super) fn pass_all() -> bool {
        is_there() && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }
}

#[cfg(not(all(target_os = "linux", not(any(loom, shuttle)))))]
mod asymmetric {
    #[inline(always)]
    pub(super) fn is_there() -> bool {
        false
    }

    pub(super) fn register() {}

    pub(super) fn pass_all() -> bool {
        false
    }
}

/// To be called once, before the first use of the barriers.
pub(crate) fn prepare_barriers() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(asymmetric::register);
}

#[cfg(all(test, target_os = "linux", not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_spins_is_told_from_one_that_sleeps() {
        let before = usage(current()).expect("Linux tells");
        let begun = std::time::Instant::now();
        while usage(current()).expect("Linux tells").cpu < before.cpu + Duration::from_millis(5) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the time of this thread does not pass");
        }
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(current()).expect("it is waited for");
            ended.recv().ok()
        });
        let sleeper_id = told.recv().expect("it says so");
        while usage(sleeper_id).expect("Linux tells").runnable {
            std::thread::yield_now();
        }
        drop(end);
        sleeper.join().expect("it ends");
        assert!(usage(current()).expect("Linux tells").runnable);
    }

    #[test]
    fn a_thread_can_be_demoted_by_another_and_its_neighbours_are_not() {
        let policy = |thread: ThreadId| {
            // SAFETY: it takes a number and gives one.
            unsafe { libc::sched_getscheduler(thread.0) }
        };
        let own = policy(current());
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            tell.send(current()).expect("it is waited for");
            ended.recv().ok()
        });
        let id = told.recv().expect("it says so");
        demote(id).expect("downwards is always allowed");
        assert_eq!((policy(id), policy(current())), (libc::SCHED_IDLE, own));
        drop(end);
        other.join().expect("it ends");
    }

    #[test]
    fn a_thread_that_waits_is_fetched_to_the_processor_of_another() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let waiter = std::thread::spawn(move || {
            tell.send(current()).expect("it is waited for");
            ended.recv().ok();
            crate::platform::affinity::allowed().expect("Linux tells")
        });
        fetch(told.recv().expect("it says so"));
        drop(end);
        let cores = waiter.join().expect("it ends");
        assert_eq!(cores.len(), 1, "{cores:?}");
        assert!(crate::platform::affinity::allowed().expect("Linux tells").contains(&cores[0]));
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(cpu_of("1500000 79348 1\n"), Some(Duration::from_micros(1500)));
        assert_eq!(cpu_of(""), None);
        assert_eq!(is_runnable("12 (a (strange) R name) S 1 2"), Some(false));
        assert_eq!(is_runnable("12 (x) R 1 2"), Some(true));
        assert_eq!(is_runnable("12"), None);
    }

    #[test]
    fn the_heavy_barrier_is_there_or_a_fence_is() {
        prepare_barriers();
        heavy_barrier();
        light_barrier();
    }
}
