//! What becomes of a test that fails.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actor_core::prelude::*;
use actor_core::sim::{self, Fault, Sim, Tape};

/// Reads a number, and writes it back one higher: an update is lost if two do that at a time.
#[derive(Actor)]
pub struct Account {
    cents: u32,
}

#[messages]
impl Account {
    #[message]
    fn cents(&mut self) -> u32 {
        self.cents
    }

    #[message]
    fn set(&mut self, cents: u32) {
        self.cents = cents;
    }
}

#[derive(Actor)]
pub struct Teller {
    account: AccountRef,
}

#[messages]
impl Teller {
    #[message]
    async fn deposit(&mut self, cents: u32) {
        let before = self.account.cents().await.expect("an answer");
        self.account.set(before + cents).await.expect("an answer");
    }
}

/// Two tellers put a cent each into an account.
fn deposits(sim: &Sim) {
    let account = sim.spawn(|| Account { cents: 0 }).unwrap();
    let tellers = [0, 1].map(|_| {
        let account = account.clone();
        sim.spawn(move || Teller { account: account.clone() }).unwrap()
    });
    tellers[0].deposit(1).tell().unwrap();
    sim.step();
    sim.step();
    tellers[1].deposit(1).tell().unwrap();
    sim.settle(1_000).unwrap();
    let cents = account.cents().wait().unwrap();
    assert_eq!(cents, 2, "an update is lost");
}

/// What it panics with.
fn failure(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("it fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_lost_update_is_found_made_simple_and_told() {
    let text = failure(|| sim::cases(2_000, deposits));
    assert!(text.contains("an update is lost"), "{text}");
    assert!(text.contains("Teller#2 sends cents to Account#1"), "{text}");
    assert!(text.contains("Account#1 handles set"), "{text}");
    assert!(!text.contains("not do the same again"), "{text}");
    let replay = text.lines().find_map(|line| line.strip_prefix("replay it: ACTOR_TAPE=")).expect("a line");
    let (numbers, rest) = replay.split_once(' ').expect("a command");
    let tape: Vec<u16> = numbers.split('.').map(|number| number.parse().expect("a number")).collect();
    assert!(rest.starts_with("cargo test failing::a_lost_update"), "{rest}");
    assert!(tape.iter().filter(|number| **number != 0).count() <= 10 && tape.len() <= 20, "{tape:?}");
    assert!(failure(|| sim::run(tape.clone(), deposits)).contains("an update is lost"), "{tape:?}");
}

#[test]
fn what_fails_with_few_choices_is_found_by_exploring() {
    assert!(failure(|| _ = sim::explore(3, 100_000, deposits)).contains("an update is lost"));
}

/// Nobody depends on who is next.
fn harmless(sim: &Sim) {
    let account = sim.spawn(|| Account { cents: 0 }).unwrap();
    for cents in [1, 2, 3] {
        account.set(cents).tell().unwrap();
        let reader = sim.spawn(|| Account { cents: 0 }).unwrap();
        reader.cents().tell().unwrap();
    }
    sim.settle(1_000).unwrap();
    assert_eq!(account.cents().wait().unwrap(), 3);
}

#[test]
fn all_of_a_small_scenario_is_explored() {
    let without = sim::explore(0, 10, harmless);
    assert_eq!((without.runs, without.interleavings, without.complete), (1, 1, true));
    let [one, two] = [1, 2].map(|choices| sim::explore(choices, 10_000, harmless));
    assert!(one.complete && two.complete, "{one:?} {two:?}");
    assert!(1 < one.interleavings && one.interleavings < two.interleavings);
    assert_eq!(two.runs, two.interleavings, "each run is another");
    assert!(!sim::explore(100, 10, harmless).complete);
}

#[test]
fn what_does_not_do_the_same_again_is_named() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let text = failure(|| {
        sim::run(Tape::default(), |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            account.set(1).tell().unwrap();
            if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                account.cents().tell().unwrap();
            }
            sim.settle(100).unwrap();
            panic!("on purpose");
        });
    });
    assert!(text.contains("does not do the same again with the same tape"), "{text}");
    assert!(text.contains("One run goes on with"), "{text}");
}

#[test]
fn a_hash_maps_order_is_named() {
    let text = failure(|| {
        sim::run([], |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            let numbers: HashMap<u32, ()> = (0..50).map(|number| (number, ())).collect();
            for number in numbers.into_keys() {
                if number % 2 == 0 {
                    account.set(number).tell().unwrap();
                } else {
                    account.cents().tell().unwrap();
                }
            }
            sim.settle(100).unwrap();
            assert_eq!(account.cents().wait().unwrap(), 100);
        });
    });
    assert!(text.contains("the order of a HashMap"), "{text}");
}

#[test]
fn a_real_clock_is_named() {
    let text = failure(|| {
        sim::run([], |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
            account.set(nanos).tell().unwrap();
            panic!("{} cents", account.cents().wait().unwrap());
        });
    });
    assert!(text.contains("the time from Instant::now()"), "{text}");
    assert!(text.contains("It fails differently: "), "{text}");
}

#[test]
fn a_thread_of_the_tests_own_is_named() {
    let text = failure(|| {
        sim::run([], |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            let to = account.clone();
            thread::spawn(move || to.set(1).tell().unwrap()).join().unwrap();
            assert_eq!(account.cents().wait().unwrap(), 1);
        });
    });
    assert!(
        text.contains("account: actor #1 handles set, which nobody in the simulation has sent: a thread"),
        "{text}"
    );
}

#[test]
fn what_depends_on_threads_is_named() {
    let text = failure(|| {
        sim::run([], |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            // No thread's id is given twice.
            let seen: Vec<_> =
                (0..2).map(|_| thread::spawn(|| format!("{:?}", thread::current().id())).join()).collect();
            account.set(1).tell().unwrap();
            sim.settle(100).unwrap();
            panic!("{seen:?}");
        });
    });
    assert!(text.contains("does not do the same again with the same tape"), "{text}");
    assert!(text.contains("a thread of its own"), "{text}");
}

#[test]
fn a_story_tells_what_has_failed_and_what_became_of_it() {
    let text = failure(|| {
        Sim::builder().system(|system| system.intensity(3, Duration::from_secs(1))).run([], |sim| {
            let account = sim.spawn(|| Account { cents: 0 }).unwrap();
            let monitor = account.monitor();
            sim.fault(account.id(), Fault::Panic);
            account.set(1).tell().unwrap();
            sim.settle(100).unwrap();
            account.stop();
            assert!(monitor.wait().reason.is_normal());
            panic!("on purpose");
        });
    });
    for line in [
        "Account#1 has a fault: Panic",
        "failure: Account#1, spawned at ",
        "dead letter: set to /Account#1: its handler failed",
        "Supervisor#0 restarts a child, with 1 of 3 restarts in 1s",
        "the end of /Account#1 is told: ",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
fn what_keeps_a_promise_is_in_order() {
    sim::cases(200, |sim| {
        let account = sim.spawn(|| Account { cents: 0 }).unwrap();
        let teller = sim.spawn(move || Teller { account: account.clone() }).unwrap();
        for _ in 0..5 {
            teller.deposit(1).tell().unwrap();
        }
        // Some of it is left when the test ends, and becomes dead letters.
        for _ in 0..5 {
            sim.step();
        }
    });
}
