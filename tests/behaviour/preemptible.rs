//! `#[message(preemptible)]`: loops that let others run, of whatever kind they are.

use actor_core::prelude::*;

use crate::support::{LIMIT, Loop, looper};

/// Loops that go on until they are ended. None awaits anything that a reader could see.
#[derive(Actor)]
struct Looper {
    looping: Loop,
    queue: Vec<u64>,
}

#[messages]
impl Looper {
    #[message(preemptible)]
    async fn by_while(&mut self) -> &'static str {
        while self.looping.goes_on() {}
        "while"
    }

    #[message(preemptible)]
    async fn by_while_let(&mut self) -> &'static str {
        self.queue.push(1);
        while let Some(n) = self.queue.pop() {
            if self.looping.goes_on() {
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
                if !self.looping.goes_on() {
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
            if !self.looping.goes_on() {
                break;
            }
        }
        "for"
    }

    /// The state is borrowed across the loop, and so is the context.
    #[message(preemptible)]
    async fn while_borrowed(&mut self, ctx: &mut Context<Self>) -> &'static str {
        let Looper { looping, queue } = self;
        let own = &mut *ctx;
        let last = &mut *queue;
        while looping.goes_on() {
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
        while self.looping.goes_on() {
            assert_eq!(ctx + soft, 3);
        }
        "names"
    }
}

fn setup() -> (System, LooperRef, Loop) {
    looper(|looping| Looper { looping, queue: Vec::new() })
}

/// Others are answered while `call` loops, and it loops on after that.
fn holds_nobody_up(call: impl FnOnce(LooperRef) -> &'static str + Send + 'static, ends_with: &str) {
    let (system, looper, looping) = setup();
    let caller = std::thread::spawn(move || call(looper));
    looping.holds_nobody_up(&system);
    assert_eq!(caller.join().unwrap(), ends_with);
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
    let (_system, looper, looping) = setup();
    looper.by_while().tell().unwrap();
    looping.runs();
    let monitor = looper.monitor();
    looper.stop();
    looper.kill();
    let down = monitor.wait_within(LIMIT);
    looping.end();
    assert!(matches!(down.unwrap().reason, StopReason::Killed));
}

/// A handler is a method like any other, without a runtime as well.
#[test]
fn a_preemptible_handler_runs_anywhere() {
    let mut looper = Looper { looping: Loop::default(), queue: Vec::new() };
    looper.looping.end();
    assert_eq!(pollster::block_on(looper.by_while()), "while");
}
