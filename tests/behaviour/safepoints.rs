//! Safepoints: where a long handler lets others run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;

use crate::support::{LIMIT, Loop, Responder, ResponderRef, looper, system};

/// A handler that goes on until it is ended.
#[derive(Actor)]
struct Looper {
    looping: Loop,
}

#[messages]
impl Looper {
    #[message]
    async fn with_checkpoints(&mut self, ctx: &mut Context<Self>) {
        while self.looping.goes_on() {
            ctx.checkpoint().await;
        }
    }

    /// An ask of an actor that has ended is ready at once.
    #[message]
    async fn with_asks(&mut self, ended: ResponderRef) {
        while self.looping.goes_on() {
            assert!(ended.ping(1).await.is_err());
        }
    }

    #[message]
    async fn with_sends(&mut self, ended: ResponderRef) {
        while self.looping.goes_on() {
            assert!(ended.ping(1).send().await.is_err());
        }
    }

    #[message]
    async fn with_sleeps(&mut self, ctx: &mut Context<Self>) {
        while self.looping.goes_on() {
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

fn setup() -> (System, LooperRef, Loop) {
    looper(|looping| Looper { looping })
}

fn ended(system: &System) -> ResponderRef {
    let responder = system.spawn(|| Responder).unwrap();
    responder.stop();
    assert!(responder.monitor().wait_within(LIMIT).is_some());
    responder
}

#[test]
fn a_loop_with_checkpoints_holds_nobody_up() {
    let (system, looper, looping) = setup();
    looper.with_checkpoints().tell().unwrap();
    looping.holds_nobody_up(&system);
}

#[test]
fn a_loop_over_what_is_ready_at_once_holds_nobody_up() {
    let (system, looper, looping) = setup();
    looper.with_asks(ended(&system)).tell().unwrap();
    looping.holds_nobody_up(&system);
    let (system, looper, looping) = setup();
    looper.with_sends(ended(&system)).tell().unwrap();
    looping.holds_nobody_up(&system);
    let (system, looper, looping) = setup();
    looper.with_sleeps().tell().unwrap();
    looping.holds_nobody_up(&system);
}

#[test]
fn a_kill_takes_effect_at_a_checkpoint() {
    let (_system, looper, looping) = setup();
    looper.with_checkpoints().tell().unwrap();
    looping.runs();
    let monitor = looper.monitor();
    looper.kill();
    looper.stop();
    let down = monitor.wait_within(LIMIT);
    looping.end();
    assert!(down.is_some());
}

#[test]
fn a_sync_handler_sees_when_it_should_yield() {
    let (_system, looper, _) = setup();
    let first = looper.look().within(LIMIT).wait().unwrap();
    assert!(first > 0, "not at its beginning");
}

#[test]
fn a_block_on_in_a_handler_comes_to_its_end() {
    let (system, looper, _) = setup();
    assert_eq!(looper.block_on_asks(ended(&system)).within(LIMIT).wait().unwrap(), 1000);
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
