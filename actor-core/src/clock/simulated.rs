//! Time and chance under a scheduler that makes up its schedules, so that each can be made again.
//!
//! Time stands still but for two things. Whoever reads the clock finds that some has passed, how much is chance. And
//! a thread of its own, the clock's, goes to the next alarm whenever it has its turn, which may be at once or when
//! nobody else can go on. What is [`NEVER`] or longer is not waited for at all: deadlines for what should not happen
//! would come by chance otherwise, and what waits for one has lost its wake-up.

#![cfg_attr(not(test), allow(dead_code))]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use shuttle::rand::RngCore;
use shuttle::thread;

/// A timeout that does not come.
const NEVER: Duration = Duration::from_millis(50);
/// A tick of the coarse clock.
const TICK: Duration = Duration::from_millis(4);
/// What may have passed between two readings, in nanoseconds.
const PASSES: [u64; 8] = [0, 0, 100, 300, 1_000, 1_000, 20_000, 300_000];

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

// All threads of a simulation are one thread of the operating system, and nobody else goes on in here.
std::thread_local!(static TIME: RefCell<Time> = RefCell::default());

#[derive(Default)]
struct Time {
    now: Duration,
    alarms: Vec<Pending>,
    /// How many alarms there have been.
    set: u64,
    clock: Option<thread::Thread>,
    over: bool,
}

struct Pending {
    at: Duration,
    number: u64,
    ring: Rc<dyn Fn()>,
}

/// Runs `program` in a time that begins with it.
pub(crate) fn run(program: impl FnOnce()) {
    TIME.with(|time| *time.borrow_mut() = Time::default());
    let clock = thread::spawn(go_on);
    TIME.with(|time| time.borrow_mut().clock = Some(clock.thread().clone()));
    program();
    TIME.with(|time| time.borrow_mut().over = true);
    clock.thread().unpark();
    clock.join().expect("the clock does not panic");
}

/// The clock's thread: goes from alarm to alarm.
fn go_on() {
    loop {
        // Who has something to do is asked to do it first; that is no more than a hint.
        thread::yield_now();
        let next = TIME.with(|time| time.borrow_mut().next());
        match next {
            Some(ring) => ring(),
            None if TIME.with(|time| time.borrow().over) => return,
            None => thread::park(),
        }
    }
}

impl Time {
    /// Goes to the next alarm. It rings until it is dropped: who set it may not have come to wait for it yet.
    fn next(&mut self) -> Option<Rc<dyn Fn()>> {
        let next = self.alarms.iter().min_by_key(|alarm| (alarm.at, alarm.number))?;
        self.now = self.now.max(next.at);
        Some(next.ring.clone())
    }
}

/// The time now.
pub(crate) fn now() -> Instant {
    let passed = Duration::from_nanos(PASSES[below(PASSES.len())]);
    TIME.with(|time| {
        let mut time = time.borrow_mut();
        time.now += passed;
        *BEGIN + time.now
    })
}

/// The coarse clock, in nanoseconds.
pub(crate) fn coarse() -> u64 {
    TIME.with(|time| (time.borrow().now.as_nanos() / TICK.as_nanos() * TICK.as_nanos()) as u64)
}

/// A number below `n`.
pub(crate) fn below(n: usize) -> usize {
    (shuttle::rand::thread_rng().next_u64() % n.max(1) as u64) as usize
}

/// The same; all of them are the schedule's.
pub(crate) fn chance(n: usize) -> usize {
    below(n)
}

/// Rings after some time, again and again until it is dropped.
pub(crate) struct Alarm {
    /// None if it never rings.
    number: Option<u64>,
}

impl Alarm {
    pub(crate) fn set(after: Duration, ring: impl Fn() + 'static) -> Self {
        if after >= NEVER {
            return Alarm { number: None };
        }
        let (number, clock) = TIME.with(|time| {
            let mut time = time.borrow_mut();
            time.set += 1;
            let (at, number) = (time.now + after, time.set);
            time.alarms.push(Pending { at, number, ring: Rc::new(ring) });
            (number, time.clock.clone())
        });
        if let Some(clock) = clock {
            clock.unpark();
        }
        Alarm { number: Some(number) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let number = self.number;
        let _silenced = TIME.try_with(|time| {
            let alarms = &mut time.borrow_mut().alarms;
            let at = alarms.iter().position(|alarm| Some(alarm.number) == number)?;
            Some(alarms.swap_remove(at))
        });
    }
}
