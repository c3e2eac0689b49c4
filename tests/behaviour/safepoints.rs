//! Safepoints: where a long handler lets others run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;

use crate::support::{LIMIT, system};

#[derive(Actor)]
struct Responder;

#[messages]
impl Responder {
    #[message]
    fn ping(&self, n: u32) -> u32 {
        n + 1
    }

    #[message]
    fn stop_it(&self, told: Arc<AtomicBool>) {
        told.store(true, Ordering::Relaxed);
    }
}

/// A handler that goes on until it is told not to.
#[derive(Actor)]
struct Looper {
    begun: Arc<AtomicBool>,
    told: Arc<AtomicBool>,
}

impl Looper {
    fn goes_on(&self) -> bool {
        self.begun.store(true, Ordering::Relaxed);
        !self.told.load(Ordering::Relaxed)
    }
}

#[messages]
impl Looper {
    #[message]
    async fn with_checkpoints(&mut self, ctx: &mut Context<Self>) {
        while self.goes_on() {
            ctx.checkpoint().await;
        }
    }

    /// An ask of an actor that has ended is ready at once.
    #[message]
    async fn with_asks(&mut self, ended: ResponderRef) {
        while self.goes_on() {
            assert!(ended.ping(1).await.is_err());
        }
    }

    #[message]
    async fn with_sends(&mut self, ended: ResponderRef) {
        while self.goes_on() {
            assert!(ended.ping(1).send().await.is_err());
        }
    }

    #[message]
    async fn with_sleeps(&mut self, ctx: &mut Context<Self>) {
        while self.goes_on() {
            ctx.system().sleep(Duration::ZERO).await;
        }
    }

    /// A sync handler that ends when it should.
    #[message]
    fn look(&mut self, ctx: &mut Context<Self>) -> u64 {
        let (start, mut looks) = (Instant::now(), 0);
        while !ctx.should_yield() {
            looks += 1;
            assert!(start.elapsed() < LIMIT, "it should yield by now");
        }
        looks
    }

    /// What is ready at once comes to an end in a `block_on` of somebody else's as well, although
    /// there is nobody to yield to.
    #[message]
    fn block_on_asks(&mut self, ended: ResponderRef) -> u32 {
        pollster::block_on(async {
            for _ in 0..1000 {
                assert!(ended.ping(1).await.is_err());
            }
        });
        1000
    }
}

struct Setup {
    system: System,
    looper: LooperRef,
    begun: Arc<AtomicBool>,
    told: Arc<AtomicBool>,
}

/// One worker, so that whoever holds it holds up all.
fn setup() -> Setup {
    let system = system(1);
    let (begun, told) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let inside = (begun.clone(), told.clone());
    let looper = system.spawn(move || Looper { begun: inside.0.clone(), told: inside.1.clone() }).unwrap();
    Setup { system, looper, begun, told }
}

impl Setup {
    fn ended(&self) -> ResponderRef {
        let responder = self.system.spawn(|| Responder).unwrap();
        responder.stop();
        assert!(responder.monitor().wait_within(LIMIT).is_some());
        responder
    }

    /// Somebody else gets an answer while the looper goes on, and ends it.
    fn others_are_answered(&self) {
        crate::support::eventually("the loop runs", || self.begun.load(Ordering::Relaxed));
        let responder = self.system.spawn(|| Responder).unwrap();
        for n in 0..3 {
            let answer = responder.ping(n).within(LIMIT).wait();
            self.end_on_failure(answer.is_err());
            assert_eq!(answer.unwrap(), n + 1);
        }
        assert!(!self.told.load(Ordering::Relaxed));
        responder.stop_it(self.told.clone()).within(LIMIT).wait().unwrap();
    }

    /// So that a failing test says so, and does not wait for its worker for ever.
    fn end_on_failure(&self, failed: bool) {
        if failed {
            self.told.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_loop_with_checkpoints_holds_nobody_up() {
    let setup = setup();
    setup.looper.with_checkpoints().tell().unwrap();
    setup.others_are_answered();
}

#[test]
fn a_loop_over_what_is_ready_at_once_holds_nobody_up() {
    let one = setup();
    one.looper.with_asks(one.ended()).tell().unwrap();
    one.others_are_answered();
    let another = setup();
    another.looper.with_sends(another.ended()).tell().unwrap();
    another.others_are_answered();
    let third = setup();
    third.looper.with_sleeps().tell().unwrap();
    third.others_are_answered();
}

#[test]
fn a_kill_takes_effect_at_a_checkpoint() {
    let setup = setup();
    setup.looper.with_checkpoints().tell().unwrap();
    crate::support::eventually("the loop runs", || setup.begun.load(Ordering::Relaxed));
    let monitor = setup.looper.monitor();
    setup.looper.kill();
    setup.looper.stop();
    let down = monitor.wait_within(LIMIT);
    setup.end_on_failure(down.is_none());
    assert!(down.is_some());
}

#[test]
fn a_sync_handler_sees_when_it_should_yield() {
    let setup = setup();
    let first = setup.looper.look().within(LIMIT).wait().unwrap();
    assert!(first > 0, "not at its beginning");
}

#[test]
fn a_block_on_in_a_handler_comes_to_its_end() {
    let setup = setup();
    assert_eq!(setup.looper.block_on_asks(setup.ended()).within(LIMIT).wait().unwrap(), 1000);
}

#[derive(Actor)]
struct Asker {
    rounds: Arc<AtomicU32>,
}

#[messages]
impl Asker {
    #[message]
    async fn ask_many(&mut self, responder: ResponderRef, n: u32) -> u32 {
        let mut last = 0;
        for _ in 0..n {
            last = responder.ping(last).await.unwrap();
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
        last
    }
}

#[test]
fn asks_beyond_the_budget_are_answered_all_the_same() {
    let system = system(2);
    let rounds = Arc::<AtomicU32>::default();
    let inside = rounds.clone();
    let asker = system.spawn(move || Asker { rounds: inside.clone() }).unwrap();
    let responder = system.spawn(|| Responder).unwrap();
    assert_eq!(asker.ask_many(responder, 10_000).within(LIMIT).wait().unwrap(), 10_000);
    assert_eq!(rounds.load(Ordering::Relaxed), 10_000);
}
