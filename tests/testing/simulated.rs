//! `#[actor_test(sim)]`: the test runs in simulations, and each has to come out clean.

use std::error::Error;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{Given, Sim};
use actor_core::testing::{ActorTest, Probe, actor_test};
use proptest::prelude::*;

use crate::support::failure_of;

#[derive(Actor, Default)]
struct Shelf {
    books: Vec<u32>,
    kept: Vec<Reply<u32>>,
    lost: Option<ShelfRef>,
}

#[messages]
impl Shelf {
    #[message(derive(Debug, PartialEq))]
    fn put(&mut self, book: u32) {
        assert!(book < 1_000, "no such book");
        self.books.push(book);
    }

    #[message]
    fn books(&self) -> Vec<u32> {
        self.books.clone()
    }

    #[message]
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }

    #[message]
    async fn ask(&mut self, other: ShelfRef) -> u32 {
        other.keep().await.unwrap_or(0)
    }

    #[message]
    fn build(&mut self, ctx: &mut Context<Self>) {
        self.lost = ctx.spawn(Shelf::default).ok();
    }

    #[message]
    fn lose(&mut self) {
        self.lost = None;
    }

    #[message]
    fn pass(&self, book: u32, to: Recipient<ShelfPut>) {
        let _ = to.tell(ShelfPut { book });
    }
}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[actor_test(sim, cases = 20)]
fn a_test_runs_in_as_many_simulations_as_it_says(sim: &Sim) {
    let shelf = sim.spawn(Shelf::default).unwrap();
    shelf.put(1).tell().unwrap();
    assert_eq!(shelf.books().wait().unwrap(), [1]);
    assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 20);
}

#[actor_test(sim, build = |builder| builder.intensity(9, Duration::from_secs(1)), failures = ["Shelf"])]
async fn a_simulated_test_may_be_async(sim: &Sim) -> Result<(), Box<dyn Error>> {
    let shelf = sim.spawn(Shelf::default)?;
    for book in [1, 1_000, 2] {
        let _ = shelf.put(book).await;
    }
    assert_eq!(shelf.books().await?, [2]);
    sim.advance(Duration::from_secs(3600))?;
    Ok(())
}

/// The order in which two pass on what they are told is not said.
#[actor_test(sim)]
#[should_panic(expected = "left: [2, 1]")]
fn an_order_that_is_not_promised_is_found(sim: &Sim) {
    let (one, other) = (sim.spawn(Shelf::default).unwrap(), sim.spawn(Shelf::default).unwrap());
    let shelf = sim.spawn(Shelf::default).unwrap();
    one.pass(1, shelf.recipient()).tell().unwrap();
    other.pass(2, shelf.recipient()).tell().unwrap();
    sim.settle(100).unwrap();
    assert_eq!(shelf.books().wait().unwrap(), [1, 2]);
}

#[actor_test(sim, cases = 8)]
#[should_panic(expected = "the test's own")]
fn an_error_is_a_failure(_: &Sim) -> Result<(), &'static str> {
    Err("the test's own")
}

#[actor_test(sim, cases = 32)]
fn a_test_is_given_what_proptest_makes_up(
    sim: &Sim,
    books: Vec<u8>,
    #[strategy(1..4)] shelves: usize,
    #[strategy(prop_oneof![Just((1, 2)), Just((3, 4))])] (one, other): (u32, u32),
) {
    assert!((1..4).contains(&shelves) && one + 1 == other);
    for _ in 0..shelves {
        let shelf = sim.spawn(Shelf::default).unwrap();
        for book in &books {
            shelf.put(u32::from(*book)).tell().unwrap();
        }
        assert_eq!(shelf.books().wait().unwrap().len(), books.len());
    }
}

/// Two pass books on to a shelf, in whatever order; it is to be that of the books.
fn ordered(sim: &Sim, books: &[(bool, u32)]) {
    let (one, other) = (sim.spawn(Shelf::default).unwrap(), sim.spawn(Shelf::default).unwrap());
    let shelf = sim.spawn(Shelf::default).unwrap();
    for (by, book) in books {
        if *by { &one } else { &other }.pass(*book, shelf.recipient()).tell().unwrap();
    }
    sim.settle(10_000).unwrap();
    let want: Vec<_> = books.iter().map(|(_, book)| *book).collect();
    assert_eq!(shelf.books().wait().unwrap(), want);
}

#[test]
fn what_a_test_is_given_is_shrunk_with_the_tape() {
    let books = Given::of(prop::collection::vec((any::<bool>(), 0..1_000_u32), 0..20));
    let failure = failure_of(|| {
        ActorTest::new().simulate_given(&Sim::builder(), 256, &books, |sim, books| ordered(sim, &books));
    });
    let given = failure.lines().find_map(|line| line.strip_prefix("given ")).expect("what was given");
    // Two books, by two; and as small as they can be.
    assert!(
        ["[(true, 0), (false, 1)]", "[(false, 0), (true, 1)]", "[(false, 1), (true, 0)]"].contains(&given),
        "{failure}"
    );
    let replay = failure.lines().last().expect("a line");
    assert!(replay.starts_with("replay it: ACTOR_CASE="), "{replay}");
    assert!(replay.contains(" ACTOR_TAPE="), "{replay}");
}

/// Run in a process of its own, below, with what the line says.
#[actor_test(sim)]
#[ignore = "it fails"]
fn ordered_books(
    sim: &Sim,
    #[strategy(prop::collection::vec(any::<(bool, u8)>(), 0..20))] books: Vec<(bool, u8)>,
) {
    ordered(sim, &books.iter().map(|(by, book)| (*by, u32::from(*book))).collect::<Vec<_>>());
}

#[test]
fn one_line_replays_what_was_given_and_the_tape() {
    let run = |environment: &[(&str, &str)]| {
        let exe = std::env::current_exe().unwrap();
        let arguments = ["--ignored", "--exact", "simulated::ordered_books"];
        let output = Command::new(exe).args(arguments).envs(environment.iter().copied()).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line =
            |start: &str| text.lines().find(|line| line.starts_with(start)).expect("a line").to_owned();
        (line("given books = "), line("replay it: "))
    };
    let (given, replay) = run(&[]);
    let environment: Vec<_> = replay.split(' ').filter_map(|word| word.split_once('=')).collect();
    assert_eq!(environment.len(), 2, "{replay}");
    assert_eq!(run(&environment), (given, replay.clone()));
}

/// What a simulated test with this in it fails with.
#[track_caller]
fn found(body: impl Fn(&Sim)) -> String {
    failure_of(|| ActorTest::new().simulate(&Sim::builder(), 4, body))
}

#[test]
fn what_goes_wrong_in_a_simulation_is_found_and_told() {
    let failure = found(|sim| {
        let _ = sim.spawn(Shelf::default).unwrap().put(1_000).wait();
    });
    assert!(failure.contains("failure: Shelf#1, spawned at "), "{failure}");
    assert!(failure.contains("dead letter: put to /Shelf#1: its handler failed"), "{failure}");
    assert!(failure.contains("replay it: ACTOR_TAPE="), "{failure}");

    let failure = found(|sim| {
        let (one, other) = (sim.spawn(Shelf::default).unwrap(), sim.spawn(Shelf::default).unwrap());
        one.ask(other).tell().unwrap();
    });
    assert!(failure.contains("unanswered: Shelf#1 asks Shelf#2 for keep"), "{failure}");

    let failure = found(|sim| {
        let shelf = sim.spawn(Shelf::default).unwrap();
        shelf.build().wait().unwrap();
        shelf.lose().wait().unwrap();
    });
    assert!(failure.contains("leaked: Shelf#2, spawned at "), "{failure}");
}

#[actor_test(sim, cases = 32)]
fn probes_wait_in_simulated_time(sim: &Sim) {
    let probe = Probe::<ShelfPut>::new(sim);
    let shelf = sim.spawn(Shelf::default).unwrap();
    shelf.pass(1, probe.recipient()).tell().unwrap();
    probe.expect(ShelfPut { book: 1 });
    probe.expect_none();
    let before = sim.now();
    probe.expect_none_within(Duration::from_secs(3600));
    assert!(sim.now() - before >= Duration::from_secs(3600));
    shelf.stop();
    assert!(probe.expect_down(&shelf).reason.is_normal());
}
