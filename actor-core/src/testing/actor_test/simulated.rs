//! The same in simulations.

use std::time::Duration;

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
        simulation.cases(cases, |sim| {
            let watch = Watch::new(sim);
            if let Some(failure) = test(sim).failure() {
                panic!("{failure}");
            }
            if let Err(unsettled) = sim.settle(STEPS) {
                panic!("when the test had returned: {unsettled}");
            }
            let findings = watch.end(Duration::ZERO, || sim.shutdown()).findings(&self.allowed);
            assert!(findings.is_empty(), "{findings}");
        });
    }
}
