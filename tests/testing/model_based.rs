//! An actor against a model of it, with `proptest-state-machine`: what users do for actors whose answers depend on what
//! came before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actor_core::prelude::*;
use actor_core::sim::{self, Given, Sim};
use actor_core::testing::actor_test;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::support::{failure_of, system};

/// Seats of a theatre, which are reserved, paid for and given back.
#[derive(Actor, Default)]
pub struct Theatre {
    seats: BTreeMap<u8, Seat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Reserved { by: u8 },
    Sold { to: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Taken,
    NotYours,
}

const SEATS: u8 = 4;
const GUESTS: u8 = 3;

#[messages(arbitrary)]
impl Theatre {
    #[message(weight = 3)]
    pub fn reserve(
        &mut self,
        #[strategy(0..SEATS)] seat: u8,
        #[strategy(0..GUESTS)] guest: u8,
    ) -> Result<(), Refused> {
        match self.seats.get(&seat) {
            Some(Seat::Reserved { by }) if *by == guest => Ok(()),
            Some(_) => Err(Refused::Taken),
            None => {
                self.seats.insert(seat, Seat::Reserved { by: guest });
                Ok(())
            }
        }
    }

    #[message]
    pub fn pay(
        &mut self,
        #[strategy(0..SEATS)] seat: u8,
        #[strategy(0..GUESTS)] guest: u8,
    ) -> Result<(), Refused> {
        match self.seats.get_mut(&seat) {
            Some(found) if *found == (Seat::Reserved { by: guest }) => {
                *found = Seat::Sold { to: guest };
                Ok(())
            }
            _ => Err(Refused::NotYours),
        }
    }

    #[message]
    pub fn give_back(
        &mut self,
        #[strategy(0..SEATS)] seat: u8,
        #[strategy(0..GUESTS)] guest: u8,
    ) -> Result<(), Refused> {
        match self.seats.get(&seat) {
            Some(Seat::Reserved { by: whose } | Seat::Sold { to: whose }) if *whose == guest => {
                self.seats.remove(&seat);
                Ok(())
            }
            _ => Err(Refused::NotYours),
        }
    }

    #[message(skip_arbitrary)]
    pub fn sold(&self) -> usize {
        self.seats.values().filter(|seat| matches!(seat, Seat::Sold { .. })).count()
    }
}

/// What the theatre is to be: who has which seat, and which are paid for.
#[derive(Clone, Debug, Default)]
struct Model {
    taken: BTreeMap<u8, u8>,
    paid: BTreeMap<u8, bool>,
}

impl Model {
    /// Whether the theatre agrees to this.
    fn agrees(&self, message: &TheatreAny) -> bool {
        match message {
            TheatreAny::Reserve(m) => match self.taken.get(&m.seat) {
                Some(guest) => *guest == m.guest && !self.is_paid(m.seat),
                None => true,
            },
            TheatreAny::Pay(m) => self.taken.get(&m.seat) == Some(&m.guest) && !self.is_paid(m.seat),
            TheatreAny::GiveBack(m) => self.taken.get(&m.seat) == Some(&m.guest),
        }
    }

    fn is_paid(&self, seat: u8) -> bool {
        self.paid.get(&seat).is_some_and(|paid| *paid)
    }
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = TheatreAny;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<TheatreAny> {
        any::<TheatreAny>().boxed()
    }

    fn apply(mut model: Model, message: &TheatreAny) -> Model {
        if !model.agrees(message) {
            return model;
        }
        match message {
            TheatreAny::Reserve(m) => drop(model.taken.insert(m.seat, m.guest)),
            TheatreAny::Pay(m) => drop(model.paid.insert(m.seat, true)),
            TheatreAny::GiveBack(m) => {
                model.taken.remove(&m.seat);
                model.paid.remove(&m.seat);
            }
        }
        model
    }
}

struct Play {
    theatre: TheatreRef,
    before: Model,
    _system: System,
}

impl StateMachineTest for Play {
    type SystemUnderTest = Play;
    type Reference = Model;

    fn init_test(model: &Model) -> Play {
        let system = system(1);
        Play { theatre: system.spawn(Theatre::default).unwrap(), before: model.clone(), _system: system }
    }

    fn apply(mut play: Play, after: &Model, message: TheatreAny) -> Play {
        let agreed = play.before.agrees(&message);
        let theatre = &play.theatre;
        let done = match message {
            TheatreAny::Reserve(message) => theatre.call(message).wait().is_ok(),
            TheatreAny::Pay(message) => theatre.call(message).wait().is_ok(),
            TheatreAny::GiveBack(message) => theatre.call(message).wait().is_ok(),
        };
        assert_eq!(done, agreed);
        play.before = after.clone();
        play
    }

    fn check_invariants(play: &Play, model: &Model) {
        let paid = model.paid.values().filter(|paid| **paid).count();
        assert_eq!(play.theatre.sold().wait().unwrap(), paid);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_theatre_does_what_its_model_does(sequential 1..20 => Play);
}

/// The same play on a stage that is simulated: what is made up is the messages and the tape, and both are shrunk.
struct Simulated;

impl StateMachineTest for Simulated {
    type SystemUnderTest = (TheatreRef, Model);
    type Reference = Model;

    fn init_test(model: &Model) -> (TheatreRef, Model) {
        let system = sim::system().expect("it is called in a simulation");
        (system.spawn(Theatre::default).unwrap(), model.clone())
    }

    fn apply(
        (theatre, before): (TheatreRef, Model),
        after: &Model,
        message: TheatreAny,
    ) -> (TheatreRef, Model) {
        let agreed = before.agrees(&message);
        let done = match message {
            TheatreAny::Reserve(message) => theatre.call(message).wait().is_ok(),
            TheatreAny::Pay(message) => theatre.call(message).wait().is_ok(),
            TheatreAny::GiveBack(message) => theatre.call(message).wait().is_ok(),
        };
        assert_eq!(done, agreed);
        (theatre, after.clone())
    }

    fn check_invariants((theatre, _): &(TheatreRef, Model), model: &Model) {
        let paid = model.paid.values().filter(|paid| **paid).count();
        assert_eq!(theatre.sold().wait().unwrap(), paid);
    }
}

/// Where the model begins, what happens, and a count that shrinking needs.
type Steps = (Model, Vec<TheatreAny>, Option<Arc<AtomicUsize>>);

#[actor_test(sim, cases = 64)]
fn a_simulated_theatre_does_what_its_model_does(
    _: &Sim,
    #[strategy(Model::sequential_strategy(1..20))] (model, messages, seen): Steps,
) {
    Simulated::test_sequential(ProptestConfig::default(), model, messages, seen);
}

#[test]
fn a_model_that_is_wrong_is_found_in_a_simulation_and_shrunk() {
    let given = Given::of(Model::sequential_strategy(1..20));
    let failure = failure_of(|| {
        Sim::builder().cases_given(64, &given, |_, (model, messages, seen): Steps| {
            let mut model = model;
            for message in &messages {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                model = Model::apply(model, message);
                assert!(model.paid.is_empty(), "nobody pays");
            }
        });
    });
    let given = failure.lines().find(|line| line.starts_with("given ")).expect("what was given");
    assert!(
        given.matches("TheatreReserve").count() == 1 && given.matches("TheatrePay").count() == 1,
        "{given}"
    );
}
