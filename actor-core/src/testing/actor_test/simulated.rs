//! The same in simulations.

use std::time::Duration;

#[cfg(feature = "proptest")]
use proptest::strategy::Strategy;

use super::{ActorTest, Outcome, Watch};
use crate::sim::{self, Sim};

/// The most steps until a simulation has come to rest when its test has returned.
const STEPS: u64 = 1_000_000;

impl ActorTest {
    /// Runs the test in so many [simulations](crate::sim), each with another tape, and looks at each as [`run`](Self::run)
    /// does. The first has an empty tape, and the others the same ones each time. Of one that fails the tape is made as simple as can
    /// be, and the failure is told as a story, with the line that replays it. For the feature `sim`.
    ///
    /// When the test has returned, the simulation goes on until nobody has anything to do before time passes; asks that wait then are
    /// unanswered. The settings of the system are those of `simulation`; of this test's own, those count that say what may go
    /// wrong.
    ///
    /// # Panics
    /// If the test does, returns an `Err`, or something went wrong, with one of the tapes.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::sim::Sim;
    /// use actor_core::testing::ActorTest;
    ///
    /// #[derive(Actor)]
    /// struct Echo;
    ///
    /// #[messages]
    /// impl Echo {
    ///     #[message]
    ///     fn echo(&self, n: u64) -> u64 {
    ///         n
    ///     }
    /// }
    ///
    /// ActorTest::new().simulate(&Sim::builder(), 16, |sim| {
    ///     let echo = sim.spawn(|| Echo).unwrap();
    ///     assert_eq!(echo.echo(7).wait().unwrap(), 7);
    /// });
    /// ```
    #[track_caller]
    pub fn simulate<R: Outcome>(self, simulation: &sim::Builder, cases: u64, test: impl Fn(&Sim) -> R) {
        simulation.cases(cases, |sim| self.once(sim, &test));
    }

    /// The same of a test that is given values, other ones each time: see [`Builder::cases_given`](sim::Builder::cases_given).
    ///
    /// # Panics
    /// As [`simulate`](Self::simulate).
    #[cfg(feature = "proptest")]
    #[track_caller]
    pub fn simulate_given<S: Strategy, R: Outcome>(
        self,
        simulation: &sim::Builder,
        cases: u64,
        given: &sim::Given<S>,
        test: impl Fn(&Sim, S::Value) -> R,
    ) {
        simulation.cases_given(cases, given, |sim, value| self.once(sim, |sim| test(sim, value)));
    }

    fn once<R: Outcome>(&self, sim: &Sim, test: impl FnOnce(&Sim) -> R) {
        let watch = Watch::new(sim);
        if let Some(failure) = test(sim).failure() {
            panic!("{failure}");
        }
        if let Err(unsettled) = sim.settle(STEPS) {
            panic!("when the test had returned: {unsettled}");
        }
        let findings = watch.end(Duration::ZERO, || sim.shutdown()).findings(&self.allowed);
        assert!(findings.is_empty(), "{findings}");
    }
}
