//! Tests that are given values which proptest makes up: those of a test that fails are shrunk, and its tape with them.
//!
//! Which values a test was given is told by the number of the case, which seeds the generator, and by the path from the values
//! that this has made to simpler ones. So a line replays them, whatever they are.

use std::fmt::{self, Debug};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::run::{Ended, Replay, SHRINKING, from_environment, quietly, tape_of};
use super::{Builder, Sim};

/// The environment's variable that says which values a test is given.
const CASE: &str = "ACTOR_CASE";
/// With so many tapes it is tried whether the test fails with simpler values.
const TAPES: usize = 8;

/// Values that are made up for a test: see [`Builder::cases_given`].
#[derive(Clone)]
pub struct Given<S: Strategy> {
    strategy: S,
    shown: fn(&S::Value) -> String,
}

impl<S: Strategy> Given<S> {
    /// What this strategy makes up.
    pub fn of(strategy: S) -> Self {
        Given { strategy, shown: |value| format!("{value:?}") }
    }

    /// As [`of`](Self::of), and shown so where a test fails.
    pub fn shown(strategy: S, shown: fn(&S::Value) -> String) -> Self {
        Given { strategy, shown }
    }

    fn tree(&self, case: u64) -> S::Tree {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&case.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let config = Config { failure_persistence: None, ..Config::default() };
        let tree = self.strategy.new_tree(&mut TestRunner::new_with_rng(config, rng));
        tree.unwrap_or_else(|why| panic!("case {case} cannot be made up: {why}"))
    }
}

impl<S: Strategy + Debug> Debug for Given<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Given").field(&self.strategy).finish()
    }
}

/// Which values they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Path {
    case: u64,
    /// One after the other: to simpler values, or back a bit.
    moves: Vec<bool>,
}

/// The case, and how many moves are to simpler values, how many then are not, and so on.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.case)?;
        if self.moves.first() == Some(&false) {
            f.write_str(".0")?;
        }
        self.moves.chunk_by(|one, other| one == other).try_for_each(|same| write!(f, ".{}", same.len()))
    }
}

impl Path {
    fn from_environment() -> Option<Path> {
        let text = std::env::var(CASE).ok()?;
        let path = Path::parse(&text);
        Some(path.unwrap_or_else(|| {
            panic!("{CASE} is a number, and more of them with points between, such as 17.3.1; not {text:?}")
        }))
    }

    fn parse(text: &str) -> Option<Path> {
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
        let case = numbers.next()??;
        let mut moves = Vec::new();
        for (at, many) in numbers.enumerate() {
            moves.extend(std::iter::repeat_n(at % 2 == 0, many? as usize));
        }
        Some(Path { case: case.into(), moves })
    }
}

impl Builder {
    /// Runs a test in so many simulations, as [`cases`](Self::cases) does, and gives it other values each time, which a strategy of
    /// [proptest](https://docs.rs/proptest) makes up. For the feature `proptest`.
    ///
    /// If the test fails the values are made simpler and the tape with them, and the line that replays it has both:
    /// `ACTOR_CASE` is for the values.
    ///
    /// ```
    /// use actor_core::prelude::*;
    /// use actor_core::proptest::prelude::*;
    /// use actor_core::sim::{Given, Sim};
    ///
    /// #[derive(Actor, Default)]
    /// struct Sum {
    ///     sum: u64,
    /// }
    ///
    /// #[messages]
    /// impl Sum {
    ///     #[message]
    ///     fn add(&mut self, number: u32) {
    ///         self.sum += u64::from(number);
    ///     }
    ///
    ///     #[message]
    ///     fn sum(&self) -> u64 {
    ///         self.sum
    ///     }
    /// }
    ///
    /// let numbers = Given::of(prop::collection::vec(any::<u32>(), 0..10));
    /// Sim::builder().cases_given(32, &numbers, |sim, numbers| {
    ///     let sum = sim.spawn(Sum::default).unwrap();
    ///     for number in &numbers {
    ///         sum.add(*number).tell().unwrap();
    ///     }
    ///     assert_eq!(sum.sum().wait().unwrap(), numbers.iter().map(|n| u64::from(*n)).sum::<u64>());
    /// });
    /// ```
    ///
    /// # Panics
    /// If the test does; or if the strategy cannot make up values, since it rejects too many.
    #[track_caller]
    pub fn cases_given<S: Strategy>(&self, cases: u64, given: &Given<S>, test: impl Fn(&Sim, S::Value)) {
        let path = Path::from_environment();
        if let Some(path) = path {
            let values = self.values(given, &path, &test);
            let ended = self.once(&from_environment().unwrap_or_default(), &|sim: &Sim| test(sim, values()));
            if ended.failed.is_some() {
                panic!("{}", self.told_given(&ended, &path, given, &test));
            }
            return;
        }
        let from_environment = from_environment();
        for case in 0..cases {
            let tape = from_environment.clone().unwrap_or_else(|| tape_of(case));
            let tree = given.tree(case);
            let ended = self.once(&tape, &|sim: &Sim| test(sim, tree.current()));
            if ended.failed.is_some() {
                let (ended, path) = match from_environment {
                    Some(_) => (ended, Path { case, moves: Vec::new() }),
                    None => self.simplest_given(case, ended, tree, given, &test),
                };
                panic!("in case {case} of {cases}: {}", self.told_given(&ended, &path, given, &test));
            }
        }
    }

    /// The simplest values with which a test fails, and then the simplest tape; `tree` is that of the run.
    fn simplest_given<S: Strategy>(
        &self,
        case: u64,
        mut ended: Ended,
        mut tree: S::Tree,
        given: &Given<S>,
        test: &impl Fn(&Sim, S::Value),
    ) -> (Ended, Path) {
        let (mut path, mut moves, mut simpler) = (Path { case, moves: Vec::new() }, Vec::new(), true);
        for _ in 0..SHRINKING / TAPES {
            if !(if simpler { tree.simplify() } else { tree.complicate() }) {
                break;
            }
            moves.push(simpler);
            // Without a message the tape's other numbers are for other choices, so others may do better.
            let others = (0..TAPES as u64).map(tape_of);
            let failed = std::iter::once(ended.tape.rewound()).chain(others).find_map(|tape| {
                let other = quietly(|| self.once(&tape, &|sim: &Sim| test(sim, tree.current())));
                other.failed.is_some().then_some(other)
            });
            simpler = failed.is_some();
            if let Some(failed) = failed {
                (ended, path.moves) = (failed, moves.clone());
            }
        }
        let values = self.values(given, &path, test);
        let simplest = self.simplest(ended, &|sim: &Sim| test(sim, values()));
        drop(values);
        (simplest, path)
    }

    /// The values at the end of a path, as often as they are asked for.
    fn values<'a, S: Strategy, T: Fn(&Sim, S::Value)>(
        &self,
        given: &'a Given<S>,
        path: &'a Path,
        test: &T,
    ) -> impl Fn() -> S::Value + use<'a, S, T> {
        let simpler = (!path.moves.is_empty()).then(|| {
            let mut tree = given.tree(path.case);
            // As it was before the first move: a state machine's transitions are told by the run which of them it has come to.
            quietly(|| self.once(&tape_of(path.case), &|sim: &Sim| test(sim, tree.current())));
            for simpler in &path.moves {
                _ = if *simpler { tree.simplify() } else { tree.complicate() };
            }
            tree
        });
        // Anew each time, since they can be taken once before the first move.
        move || simpler.as_ref().map_or_else(|| given.tree(path.case).current(), S::Tree::current)
    }

    fn told_given<S: Strategy>(
        &self,
        ended: &Ended,
        path: &Path,
        given: &Given<S>,
        test: &impl Fn(&Sim, S::Value),
    ) -> String {
        let values = self.values(given, path, test);
        let (shown, case) = (format!("\ngiven {}", (given.shown)(&values())), format!("{CASE}={path} "));
        let replay = Replay { given: &shown, case: &case };
        self.told(ended, &replay, &|sim: &Sim| test(sim, values()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_is_written_of_it() {
        for (text, moves) in
            [("17", vec![]), ("17.2.1", vec![true, true, false]), ("17.0.1.1", vec![false, true])]
        {
            let path = Path { case: 17, moves };
            assert_eq!((path.to_string().as_str(), Path::parse(text)), (text, Some(path)));
        }
        assert_eq!(Path::parse("17.x"), None);
        assert_eq!(Path::parse(""), None);
    }
}
