//! What has to hold after each step.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{self, Sim};

/// Cents that go from one account to another.
#[derive(Actor)]
pub struct Account {
    cents: u32,
}

#[messages]
impl Account {
    #[message]
    fn pay(&mut self, cents: u32, to: AccountRef) {
        self.cents -= cents;
        to.receive(cents).tell().expect("there is room");
    }

    #[message]
    fn receive(&mut self, cents: u32) {
        self.cents += cents;
    }

    /// In two steps, with a sleep in between.
    #[message]
    async fn count_again(&mut self, ctx: &mut Context<Self>) {
        let cents = self.cents;
        self.cents = 0;
        ctx.system().sleep(Duration::from_secs(1)).await;
        self.cents = cents;
    }
}

fn accounts(sim: &Sim) -> [AccountRef; 2] {
    [0, 1].map(|_| sim.spawn(|| Account { cents: 100 }).unwrap())
}

/// What it panics with.
fn failure(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).expect_err("it fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn the_step_is_named_after_which_something_does_not_hold() {
    let test = |sim: &Sim| {
        let [one, other] = accounts(sim);
        sim.settle(10).unwrap();
        let both = [one.clone(), other.clone()];
        sim.invariant("the cents stay the same", move |between| {
            let cents = both.each_ref().map(|account| between.look(account, |account| account.cents));
            if let [Some(one), Some(other)] = cents {
                assert_eq!(one + other, 200);
            }
        });
        one.pay(10, other.clone()).tell().unwrap();
        sim.settle(100).unwrap();
    };
    let text = failure(|| sim::run([], test));
    let begin = "after step 4 at 0ns, a step of Account#1, in which pay was handled: it does not hold that the cents stay the same:";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("left: 190"), "{text}");
    assert!(text.contains("after this step it does not hold that the cents stay the same"), "{text}");
    assert!(text.contains("replay it: "), "{text}");
}

#[test]
fn what_holds_is_looked_at_after_each_step_and_until_the_end() {
    let sim = Sim::new([]);
    let [one, other] = accounts(&sim);
    let (looks, quiet) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let counts = (looks.clone(), quiet.clone());
    sim.invariant("nothing", move |between| {
        counts.0.set(counts.0.get() + 1);
        counts.1.set(counts.1.get() + u32::from(between.is_quiet()));
        assert!(between.snapshot().actors_alive() >= 2 && between.now().is_zero());
    });
    let before = looks.get();
    one.pay(1, other.clone()).tell().unwrap();
    let steps = sim.settle(100).unwrap();
    assert_eq!(looks.get() - before, steps);
    assert!((1..steps).contains(&u64::from(quiet.get())), "{quiet:?}");
    let before = looks.get();
    sim.shutdown();
    assert_eq!(looks.get(), before);
}

#[test]
fn a_state_is_looked_at_whenever_no_handler_has_it() {
    let sim = Sim::new([]);
    let [one, other] = accounts(&sim);
    let cents = || sim.look(&one, |account| account.cents);
    assert_eq!(cents(), None, "it has not started");
    sim.settle(10).unwrap();
    assert_eq!(cents(), Some(100), "it rests");
    one.receive(1).tell().unwrap();
    one.receive(1).tell().unwrap();
    assert_eq!(cents(), Some(100), "it is about to have its turn");
    assert!(sim.step());
    assert_eq!(cents(), Some(101), "between two messages");
    sim.settle(10).unwrap();
    one.count_again().tell().unwrap();
    sim.settle(10).unwrap();
    assert_eq!(cents(), None, "a handler has it, and waits");
    sim.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(cents(), Some(102));
    let panicked = catch_unwind(AssertUnwindSafe(|| sim.look(&one, |_| panic!("on purpose"))));
    assert!(panicked.is_err());
    assert_eq!(cents(), Some(102), "it was let go");
    one.pay(2, other.clone()).tell().unwrap();
    sim.settle(10).unwrap();
    assert_eq!((cents(), sim.look(&other, |account| account.cents)), (Some(100), Some(102)));
    one.stop();
    sim.settle(10).unwrap();
    assert_eq!(cents(), None, "it has ended");
    sim.check().unwrap();
}

#[test]
fn an_invariant_that_does_not_hold_at_first_is_none_and_one_that_waits_is_told_so() {
    let sim = Sim::new([]);
    let text = failure(|| sim.invariant("it rains", |_| panic!("it does not")));
    assert_eq!(text, "it does not hold that it rains: it does not");
    let [one, _other] = accounts(&sim);
    let text = failure(|| sim.invariant("it answers", move |_| one.receive(1).wait().unwrap()));
    assert!(text.contains("in a step of a simulation nothing can wait"), "{text}");
}

#[test]
fn the_system_is_known_to_code_between_two_steps() {
    assert!(sim::system().is_none());
    let sim = Sim::new([]);
    let account = sim::system().unwrap().spawn(|| Account { cents: 1 }).unwrap();
    sim.settle(10).unwrap();
    assert_eq!(sim.look(&account, |account| account.cents), Some(1));
    drop(sim);
    assert!(sim::system().is_none());
}
