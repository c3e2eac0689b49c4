//! `#[message(preemptible)]`: loops that let others run, of whatever kind they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actor_core::prelude::*;

use crate::support::{LIMIT, eventually, system};

#[derive(Actor)]
struct Responder;

#[messages]
impl Responder {
    #[message]
    fn ping(&self, n: u32) -> u32 {
        n + 1
    }
}

/// Loops that go on until they are told not to. None awaits anything that a reader could see.
#[derive(Actor)]
struct Looper {
    rounds: Arc<AtomicU64>,
    told: Arc<AtomicBool>,
    queue: Vec<u64>,
}

impl Looper {
    fn goes_on(&self) -> bool {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        !self.told.load(Ordering::Relaxed)
    }
}

#[messages]
impl Looper {
    #[message(preemptible)]
    async fn by_while(&mut self) -> &'static str {
        while self.goes_on() {}
        "while"
    }

    #[message(preemptible)]
    async fn by_while_let(&mut self) -> &'static str {
        self.queue.push(1);
        while let Some(n) = self.queue.pop() {
            if self.goes_on() {
                self.queue.push(n);
            }
        }
        "while let"
    }

    #[message(preemptible)]
    async fn by_loop(&mut self) -> &'static str {
        // The loop's value, through a label.
        'outer: loop {
            for n in 0.. {
                if !self.goes_on() {
                    break 'outer "loop";
                }
                if n == 3 {
                    continue 'outer;
                }
            }
        }
    }

    #[message(preemptible)]
    async fn by_for(&mut self) -> &'static str {
        for n in 0_u64.. {
            if n % 2 == 0 {
                continue;
            }
            if !self.goes_on() {
                break;
            }
        }
        "for"
    }

    /// The state is borrowed across the loop, and so is the context.
    #[message(preemptible)]
    async fn while_borrowed(&mut self, ctx: &mut Context<Self>) -> &'static str {
        let Looper { rounds, told, queue } = self;
        let own = &mut *ctx;
        let last = &mut *queue;
        while !told.load(Ordering::Relaxed) {
            rounds.fetch_add(1, Ordering::Relaxed);
            last.clear();
        }
        let _ = own.id();
        "borrowed"
    }

    /// Names that the checkpoints might use are the handler's own.
    #[message(preemptible)]
    async fn with_names_of_its_own(&mut self) -> &'static str {
        #[allow(non_snake_case, dead_code)]
        mod actor_core {}
        #[allow(dead_code)]
        fn checkpoint() {}
        let (ctx, soft) = (1, 2);
        while self.goes_on() {
            assert_eq!(ctx + soft, 3);
        }
        "names"
    }
}

struct Setup {
    system: System,
    looper: LooperRef,
    rounds: Arc<AtomicU64>,
    told: Arc<AtomicBool>,
}

/// One worker, which a loop would hold.
fn setup() -> Setup {
    let system = system(1);
    let (rounds, told) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let inside = (rounds.clone(), told.clone());
    let make = move || Looper { rounds: inside.0.clone(), told: inside.1.clone(), queue: Vec::new() };
    let looper = system.spawn(make).unwrap();
    Setup { system, looper, rounds, told }
}

/// Another actor is answered while `call` loops, and it loops on after that.
fn holds_nobody_up(call: impl FnOnce(LooperRef) -> &'static str + Send + 'static, ends_with: &str) {
    let setup = setup();
    let looper = setup.looper.clone();
    let caller = std::thread::spawn(move || call(looper));
    eventually("it loops", || setup.rounds.load(Ordering::Relaxed) > 0);
    let responder = setup.system.spawn(|| Responder).unwrap();
    let mut failed = false;
    for n in 0..3 {
        let answer = responder.ping(n).within(LIMIT).wait();
        failed |= answer.is_err();
        if failed {
            break;
        }
        assert_eq!(answer.unwrap(), n + 1);
    }
    if !failed {
        let before = setup.rounds.load(Ordering::Relaxed);
        eventually("it loops on", || setup.rounds.load(Ordering::Relaxed) > before);
    }
    setup.told.store(true, Ordering::Relaxed);
    assert_eq!(caller.join().unwrap(), ends_with);
    assert!(!failed, "the loop held the worker");
}

#[test]
fn a_while_holds_nobody_up() {
    holds_nobody_up(|looper| looper.by_while().wait().unwrap(), "while");
}

#[test]
fn a_while_let_holds_nobody_up() {
    holds_nobody_up(|looper| looper.by_while_let().wait().unwrap(), "while let");
}

#[test]
fn a_loop_that_is_continued_from_within_holds_nobody_up() {
    holds_nobody_up(|looper| looper.by_loop().wait().unwrap(), "loop");
}

#[test]
fn a_for_holds_nobody_up() {
    holds_nobody_up(|looper| looper.by_for().wait().unwrap(), "for");
}

#[test]
fn a_loop_may_borrow_state_and_context() {
    holds_nobody_up(|looper| looper.while_borrowed().wait().unwrap(), "borrowed");
}

#[test]
fn checkpoints_use_no_name_of_the_handlers() {
    holds_nobody_up(|looper| looper.with_names_of_its_own().wait().unwrap(), "names");
}

#[test]
fn a_kill_ends_a_loop() {
    let setup = setup();
    setup.looper.by_while().tell().unwrap();
    eventually("it loops", || setup.rounds.load(Ordering::Relaxed) > 0);
    let monitor = setup.looper.monitor();
    setup.looper.stop();
    setup.looper.kill();
    let down = monitor.wait_within(LIMIT);
    setup.told.store(true, Ordering::Relaxed);
    assert!(matches!(down.unwrap().reason, StopReason::Killed));
}

/// A handler is a method like any other, without a runtime as well.
#[test]
fn a_preemptible_handler_runs_anywhere() {
    let (rounds, told) = (Arc::<AtomicU64>::default(), Arc::new(AtomicBool::new(true)));
    let mut looper = Looper { rounds, told, queue: Vec::new() };
    assert_eq!(pollster::block_on(looper.by_while()), "while");
}
