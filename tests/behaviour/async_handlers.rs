//! Async handlers: the mailbox waits for them, the worker does not.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use actor_core::prelude::*;

use crate::support::{LIMIT, Log, ON_PURPOSE, eventually, system};

/// Something to await that a test completes from a plain thread.
#[derive(Clone, Default)]
struct Event(Arc<Mutex<(bool, Option<Waker>)>>);

impl Event {
    fn complete(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn is_awaited(&self) -> bool {
        self.0.lock().unwrap().1.is_some()
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[derive(Actor)]
struct Slow {
    event: Event,
    log: Log<String>,
}

struct SaysWhenDropped(Log<String>);

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        self.0.push("dropped".into());
    }
}

#[messages]
impl Slow {
    #[message]
    async fn wait(&mut self, n: u32) -> u32 {
        let dropped = SaysWhenDropped(self.log.clone());
        self.log.push(format!("begin {n}"));
        self.event.wait().await;
        self.log.push(format!("end {n}"));
        std::mem::forget(dropped);
        n
    }

    #[message]
    async fn crash_after_waiting(&mut self) {
        self.event.wait().await;
        panic!("{ON_PURPOSE}");
    }

    #[message]
    fn note(&mut self, text: String) {
        self.log.push(text);
    }

    #[stopped]
    async fn closing(&mut self, why: &StopReason) {
        self.log.push(format!("stopped: {why}"));
    }
}

fn slow(system: &System) -> (SlowRef, Event, Log<String>) {
    let (event, log) = (Event::default(), Log::default());
    let (inside, inner) = (event.clone(), log.clone());
    let slow = system.spawn(move || Slow { event: inside.clone(), log: inner.clone() }).unwrap();
    (slow, event, log)
}

#[test]
fn mail_waits_behind_a_pending_handler_and_other_actors_do_not() {
    let system = system(1);
    let (slow_one, event, log) = slow(&system);
    let (other, _, other_log) = slow(&system);
    let asking = slow_one.clone();
    let asker = std::thread::spawn(move || asking.wait(1).wait());
    eventually("the handler waits", || event.is_awaited());
    slow_one.note("after".into()).tell().unwrap();
    other.note("meanwhile".into()).wait().unwrap();
    assert_eq!(other_log.entries(), ["meanwhile"]);
    assert_eq!(log.entries(), ["begin 1"]);
    event.complete();
    assert_eq!(asker.join().unwrap().unwrap(), 1);
    eventually("the mail is handled", || log.len() == 3);
    assert_eq!(log.entries(), ["begin 1", "end 1", "after"]);
}

#[test]
fn a_kill_drops_the_pending_handler() {
    let system = system(2);
    let (slow, event, log) = slow(&system);
    let asking = slow.clone();
    let asker = std::thread::spawn(move || asking.wait(1).wait());
    eventually("the handler waits", || event.is_awaited());
    slow.kill();
    assert!(matches!(asker.join().unwrap(), Err(AskError::Lost)));
    assert_eq!(log.entries(), ["begin 1", "dropped"]);
    // A kill is abnormal, so the transient actor is back, with a state of its own.
    slow.note("again".into()).wait().unwrap();
    assert_eq!(log.len(), 3);
}

#[test]
fn an_ordered_stop_lets_the_handler_finish_and_runs_stopped() {
    let system = system(2);
    let (slow, event, log) = slow(&system);
    slow.wait(1).tell().unwrap();
    slow.note("queued".into()).tell().unwrap();
    slow.stop();
    assert!(matches!(slow.note("late".into()).tell(), Err(TellError::Closed(_))));
    eventually("the handler waits", || event.is_awaited());
    event.complete();
    assert!(slow.monitor().wait_within(LIMIT).is_some());
    assert_eq!(log.entries(), ["begin 1", "end 1", "queued", "stopped: normal"]);
}

#[test]
fn a_panic_after_an_await_is_a_failure_like_any_other() {
    let system = system(2);
    let (slow, event, log) = slow(&system);
    event.complete();
    assert!(matches!(slow.crash_after_waiting().wait(), Err(AskError::Lost)));
    slow.note("alive".into()).wait().unwrap();
    assert_eq!(log.entries(), ["stopped: panicked: on purpose", "alive"]);
}

#[derive(Actor)]
struct Sleeper;

#[messages]
impl Sleeper {
    #[message]
    async fn nap(&self, ctx: &mut Context<Self>, ms: u64) -> u64 {
        ctx.system().sleep(Duration::from_millis(ms)).await;
        ms
    }
}

#[test]
fn a_thousand_handlers_wait_on_one_worker() {
    let system = system(1);
    let sleepers: Vec<_> = (0..1000).map(|_| system.spawn(|| Sleeper).unwrap()).collect();
    let start = std::time::Instant::now();
    pollster::block_on(async {
        let mut naps: Vec<_> = sleepers.iter().map(|s| Box::pin(s.nap(100).into_future())).collect();
        // Begin them all, then collect.
        poll_fn(|cx| {
            naps.retain_mut(|nap| nap.as_mut().poll(cx).is_pending());
            if naps.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    let took = start.elapsed();
    assert!(took < Duration::from_secs(50), "one after the other would be 100 s; took {took:?}");
}
