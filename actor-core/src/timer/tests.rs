//! The queue and the deadlines; the order and the exactness of timers is the wheel's.

use std::sync::Arc;
use std::task::Wake;

use super::*;
use crate::sync::{AtomicUsize, Ordering};
use crate::system::System;

const HOUR: Duration = Duration::from_secs(3600);

fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

fn wake(waker: &Arc<Count>) -> Target {
    Target::Wake(Waker::from(waker.clone()))
}

#[test]
fn a_deadline_between_two_ticks_waits_for_the_second() {
    let (start, woken) = (clock::now(), Arc::<Count>::default());
    let queue = TimerQueue::new(start);
    queue.arm(When::At(start + us(1200)), wake(&woken));
    assert_eq!(queue.fire_due(start + us(1999)), Some(start + us(2000)));
    assert_eq!(woken.get(), 0);
    assert_eq!(queue.fire_due(start + us(2000)), None);
    assert_eq!(woken.get(), 1);
}

#[test]
fn at_once_does_not_wait_for_a_tick() {
    let (start, woken) = (clock::now(), Arc::<Count>::default());
    let queue = TimerQueue::new(start);
    queue.fire_due(start + us(700));
    queue.arm(When::after(Duration::ZERO), wake(&woken));
    queue.fire_due(start + us(700));
    assert_eq!(woken.get(), 1);
}

#[test]
fn the_worker_is_told_only_of_what_it_would_miss() {
    let (start, woken) = (clock::now(), Arc::<Count>::default());
    let queue = TimerQueue::new(start);
    let arm = |ms: u64| queue.arm_from_afar(When::At(start + us(ms * 1000)), wake(&woken)).1;
    assert!(arm(50), "it would sleep for ever");
    assert!(!arm(50) && !arm(60));
    assert!(arm(40));
    let next = queue.fire_due(start).expect("three timers are armed");
    assert!(next <= start + us(40_000));
}

#[test]
fn more_than_a_batch_fires_in_one_go_whatever_a_waker_does() {
    let (start, woken) = (clock::now(), Arc::<Count>::default());
    let queue = TimerQueue::new(start);
    for _ in 0..3 * BATCH {
        queue.arm(When::At(start + us(5000)), wake(&woken));
        queue.arm(When::At(start + us(90_000)), wake(&woken));
    }
    queue.arm(When::At(start + us(4000)), Target::Wake(Waker::from(Arc::new(Bomb))));
    queue.fire_due(start + us(5000));
    assert_eq!(woken.get(), 3 * BATCH);
    assert_eq!(queue.fire_due(start + us(90_000)), None);
    assert_eq!(woken.get(), 6 * BATCH);
}

#[test]
fn a_deadline_is_armed_again_for_another_waker_only() {
    let system = System::builder().workers(1).build().expect("a thread can be started");
    let armed = || system.scheduler().timers(0).len();
    let key = |deadline: &Deadline| match &deadline.alarm {
        Alarm::Timer { _timer, .. } => Some(_timer.armed.key),
        Alarm::Unset | Alarm::Thread => None,
    };
    let [one, other] = [(); 2].map(|()| Waker::from(Arc::<Count>::default()));
    let mut deadline = Deadline::after(Some(HOUR));
    assert!(deadline.poll(&system, &mut Context::from_waker(&one)).is_pending());
    let first = key(&deadline);
    assert!(deadline.poll(&system, &mut Context::from_waker(&one)).is_pending());
    assert_eq!((key(&deadline), armed()), (first, 1));
    assert!(deadline.poll(&system, &mut Context::from_waker(&other)).is_pending());
    assert_ne!(key(&deadline), first);
    assert_eq!(armed(), 1);
    drop(deadline);
    assert_eq!(armed(), 0);
}

#[test]
fn far_deadlines_that_are_cancelled_take_no_memory() {
    let start = clock::now();
    let queue = TimerQueue::new(start);
    for n in 0..100_000 {
        let key = queue.arm(When::At(start + HOUR + us(n * 1000)), wake(&Arc::default()));
        queue.cancel(key);
    }
    assert_eq!((queue.len(), queue.places()), (0, 1));
}
