//! `#[actor_test]` and `ActorTest`: a test's system has to come out clean.

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::testing::{ActorTest, Probe, actor_test};

use crate::support::{LIMIT, failure_of};

/// Does to others what tests are there to find.
#[derive(Actor)]
struct Villain {
    kept: Vec<Reply<u32>>,
    lost: Option<VillainRef>,
}

impl Villain {
    fn new() -> Villain {
        Villain { kept: Vec::new(), lost: None }
    }
}

#[messages]
impl Villain {
    #[message]
    fn parse(&mut self, text: &'static str) -> u32 {
        text.parse().expect("a number")
    }

    #[message]
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }

    #[message]
    fn answer(&mut self, value: u32) {
        self.kept.drain(..).for_each(|reply| reply.send(value));
    }

    #[message(derive(Debug))]
    async fn ask(&mut self, other: VillainRef) -> u32 {
        other.keep().await.unwrap_or(0)
    }

    #[message]
    async fn ask_in_time(&mut self, other: VillainRef) -> bool {
        other.keep().within(Duration::from_millis(1)).await.is_err()
    }

    /// Spawns an actor and has its ref, until the next one.
    #[message]
    fn spawn(&mut self, ctx: &mut Context<Self>) {
        self.lost = ctx.spawn(Villain::new).ok();
    }

    #[message]
    fn lose(&mut self) {
        self.lost = None;
    }

    #[message]
    fn sleep(&mut self, limit: Duration) {
        thread::sleep(limit);
    }

    #[message]
    fn stop(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

fn villain(system: &System) -> VillainRef {
    system.spawn(Villain::new).unwrap()
}

// ---- what the attribute makes ------------------------------------------------------------------

#[actor_test]
fn a_sync_test(system: &System) {
    assert_eq!(system.workers(), 2);
    assert_eq!(villain(system).parse("7").wait().unwrap(), 7);
}

#[actor_test(workers = 1)]
async fn an_async_test(system: &System) -> Result<(), Box<dyn Error>> {
    assert_eq!(system.workers(), 1);
    assert_eq!(villain(system).parse("7").await?, 7);
    Ok(())
}

#[actor_test(build = |builder| builder.name("other"), settle = "10s")]
#[should_panic(expected = "on purpose")]
#[allow(unused_variables)]
fn a_test_that_should_panic(system: &System) {
    assert_eq!(1, 2, "on purpose");
}

#[actor_test]
#[ignore = "it would fail"]
fn a_test_that_is_ignored(_: &System) {
    panic!("it is not ignored");
}

#[actor_test]
#[should_panic(expected = "failure: Villain#1, spawned at ")]
async fn an_async_test_with_a_failure(system: &System) {
    let _ = villain(system).parse("seven").await;
}

#[actor_test(failures = ["Villain"])]
fn a_failure_that_may_be(system: &System) {
    assert!(matches!(villain(system).parse("seven").wait(), Err(AskError::Lost)));
}

#[actor_test(dead_letters = ["parse", "answer"])]
fn dead_letters_that_may_be(system: &System) {
    let villain = villain(system);
    villain.stop().tell().unwrap();
    // Accepted or not, nobody answers.
    let _ = villain.answer(1).tell();
    let _down = villain.monitor().wait();
}

#[actor_test(leaks = ["Villain"])]
fn a_leak_that_may_be(system: &System) {
    let villain = villain(system);
    villain.spawn().wait().unwrap();
    villain.lose().wait().unwrap();
}

#[actor_test(unanswered = ["keep"], settle = "1ms")]
fn an_unanswered_ask_that_may_be(system: &System) {
    let (asked, other) = (villain(system), villain(system));
    asked.ask(other.clone()).tell().unwrap();
    asked_for_keep(&other);
}

/// Waits until an ask for `keep` is with it.
fn asked_for_keep(villain: &VillainRef) {
    while villain.mailbox().handled == 0 {
        thread::yield_now();
    }
}

// ---- what is found -----------------------------------------------------------------------------

/// What a test with this in it fails with, without its first line.
#[track_caller]
fn found(test: ActorTest, body: impl FnOnce(&System)) -> Vec<String> {
    let failure = failure_of(|| test.run(body));
    let mut lines = failure.lines();
    assert_eq!(lines.next(), Some("not all went well in the test's system:"), "{failure}");
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_failure_is_found_with_its_dead_letter() {
    let found = found(ActorTest::new(), |system| {
        let _ = villain(system).parse("seven").wait();
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("failure: Villain#1, spawned at "), "{found:?}");
    assert!(found[0].contains("in its incarnation 1: panicked: a number: ParseIntError"), "{found:?}");
    assert!(found[0].ends_with("(if that is meant to be: `failures = [\"Villain\"]`)"), "{found:?}");
    assert!(
        found[1].starts_with("dead letter: parse to /Villain#1: its handler failed (panicked"),
        "{found:?}"
    );
    assert!(found[1].ends_with("(if that is meant to be: `dead_letters = [\"parse\"]`)"), "{found:?}");
}

#[test]
fn kills_are_no_failures() {
    ActorTest::new().run(|system| {
        let villain = villain(system);
        villain.answer(1).wait().unwrap();
        villain.kill();
        villain.answer(2).within(LIMIT).wait().unwrap();
    });
}

#[test]
fn an_ask_that_nobody_answers_is_found() {
    let found = found(ActorTest::new().settle(Duration::from_millis(10)), |system| {
        let (asked, other) = (villain(system), villain(system));
        asked.ask(other.clone()).tell().unwrap();
        asked_for_keep(&other);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("unanswered: Villain#1 asks Villain#2 for keep, since "), "{found:?}");
    assert!(found[0].ends_with("`unanswered = [\"keep\"]`)"), "{found:?}");
}

#[test]
fn an_ask_that_is_answered_when_the_test_has_returned_is_none() {
    let (sender, receiver) = mpsc::channel::<VillainRef>();
    let answers = thread::spawn(move || {
        let other = receiver.recv().unwrap();
        asked_for_keep(&other);
        other.answer(1).tell().unwrap();
    });
    ActorTest::new().settle(LIMIT).run(|system| {
        let (asked, other) = (villain(system), villain(system));
        asked.ask(other.clone()).tell().unwrap();
        sender.send(other).unwrap();
        answers.join().unwrap();
    });
    // Those that end by themselves have ended.
    ActorTest::new().run(|system| {
        let (asked, other) = (villain(system), villain(system));
        assert!(asked.ask_in_time(other).wait().unwrap());
    });
}

#[test]
fn a_circle_of_asks_is_found() {
    let test = ActorTest::new().build(|builder| builder.deadlocks(true));
    let found = found(test, |system| {
        let (one, other) = (villain(system), villain(system));
        one.ask(one.clone()).wait().unwrap();
        drop(other);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("deadlock: Villain#1 asks Villain#1 for keep"), "{found:?}");
}

#[test]
fn actors_that_handlers_have_lost_are_found() {
    let found = found(ActorTest::new(), |system| {
        let villain = villain(system);
        villain.spawn().wait().unwrap();
        villain.lose().wait().unwrap();
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("leaked: Villain#2, spawned at "), "{found:?}");
}

#[test]
fn actors_of_the_test_and_what_they_have_need_not_be_stopped() {
    ActorTest::new().run(|system| {
        let villain = villain(system);
        villain.spawn().wait().unwrap();
        let probe = Probe::<VillainAsk>::new(system);
        probe.expect_none();
        let handle = system.handle();
        thread::spawn(move || handle.spawn(Villain::new).map(drop)).join().unwrap().unwrap();
    });
}

#[test]
fn an_actor_that_does_not_end_in_time_is_found() {
    let test = ActorTest::new().build(|builder| builder.stop_within(Duration::from_millis(20)));
    let found = found(test, |system| villain(system).sleep(Duration::from_millis(500)).tell().unwrap());
    assert!(found.iter().any(|line| line.starts_with("late: /Villain#1 did not end in time")), "{found:?}");
}

#[test]
fn a_system_that_gives_up_is_found() {
    let test = ActorTest::new().failures(&["Villain"]).build(|builder| builder.intensity(0, LIMIT));
    let found = found(test, |system| {
        let villain = villain(system);
        let _ = villain.parse("seven").wait();
        let _down = villain.monitor().wait();
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("failure: Supervisor#0"), "{found:?}");
    assert!(found[1].starts_with("the system has ended by itself: gave up on /Villain#1"), "{found:?}");
}

#[test]
fn a_test_that_has_failed_has_failed_by_that() {
    let failure = failure_of(|| {
        ActorTest::new().run::<()>(|system| {
            let _ = villain(system).parse("seven").wait();
            panic!("the test's own")
        })
    });
    assert_eq!(failure, "the test's own");
    let failed: Result<(), &str> = ActorTest::new().run(|system| {
        let _ = villain(system).parse("seven").wait();
        Err("the test's own")
    });
    assert_eq!(failed, Err("the test's own"));
    let failure = failure_of(|| ActorTest::new().build(|builder| builder.workers(0)).run(|_| ()));
    assert!(failure.starts_with("no system for the test: "), "{failure}");
}
