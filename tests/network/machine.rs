//! What the machine does while a test measures how late something is: for how long it gives no processor to a thread that
//! wants one, be it that other programs have them, or that the host has taken them from a virtual machine.

use std::sync::Mutex;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// How long a thread that watches sleeps.
const NAP: Duration = Duration::from_millis(1);
/// So late a thread comes back from its nap at any time.
const USUAL: Duration = Duration::from_millis(1);

/// When the machine did not run a plain thread, of common priority, that was to run.
#[derive(Default)]
pub(crate) struct Machine(Mutex<Vec<(Instant, Instant)>>);

impl Machine {
    /// Watches each processor that this thread may use, until it is over.
    pub(crate) fn watch<'a>(
        &'a self,
        scope: &'a Scope<'a, '_>,
        is_over: impl Fn() -> bool + Copy + Send + 'a,
    ) {
        for settle in on_each_processor() {
            scope.spawn(move || {
                settle();
                while !is_over() {
                    let due = Instant::now() + NAP;
                    thread::sleep(NAP);
                    let came = Instant::now();
                    if came > due + USUAL {
                        self.0.lock().unwrap().push((due, came));
                    }
                }
            });
        }
    }

    /// For how long it did not, on any processor, in this time.
    pub(crate) fn paused(&self, from: Instant, until: Instant) -> Duration {
        let mut pauses = self.0.lock().unwrap().clone();
        pauses.sort();
        let (mut at, mut paused) = (from, Duration::ZERO);
        for (begun, ended) in pauses {
            let (begun, ended) = (begun.max(at), ended.min(until));
            if begun < ended {
                paused += ended - begun;
                at = ended;
            }
        }
        paused
    }
}

/// What settles a thread on a processor, for each that this thread may use.
#[cfg(target_os = "linux")]
fn on_each_processor() -> impl Iterator<Item = impl FnOnce() + Send> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None).expect("a thread has a mask");
    (0..CpuSet::MAX_CPU).filter(move |core| allowed.is_set(*core)).map(|core| {
        move || {
            let mut one = CpuSet::new();
            one.set(core);
            sched_setaffinity(None, &one).expect("a part of the mask");
        }
    })
}

/// Elsewhere there is one thread, which runs where it likes.
#[cfg(not(target_os = "linux"))]
fn on_each_processor() -> impl Iterator<Item = impl FnOnce() + Send> {
    std::iter::once(|| ())
}

#[test]
fn pauses_count_once_and_within_the_time_that_is_asked_for() {
    let begin = Instant::now();
    let at = |ms| begin + Duration::from_millis(ms);
    let machine =
        Machine(Mutex::new(vec![(at(50), at(60)), (at(10), at(20)), (at(12), at(25)), (at(24), at(25))]));
    let paused = |from, until| machine.paused(at(from), at(until)).as_millis();
    assert_eq!([paused(0, 100), paused(0, 10), paused(15, 55), paused(30, 40)], [25, 0, 15, 0]);
}
