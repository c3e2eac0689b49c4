//! Looks for a planted bug: programs and tapes that proptest makes up, and shrinks.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use actor_core::sim::Sim;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// The error says what does not hold.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// In so many cases a bug is found.
const CASES: u32 = 2_000;
/// So many its twin passes, unless the environment's variable of this name says otherwise.
const TWIN_CASES: u32 = 1_000;
/// To no more than so many messages and choices it shrinks.
const MOST: (usize, usize) = (6, 10);

/// Until nobody has anything to do.
pub(crate) fn settle(sim: &Sim) -> Outcome {
    sim.settle(100_000)?;
    Ok(())
}

/// What a run says that has failed, and the choices that it took.
fn failure<P>(
    tape: &[u16],
    program: &[P],
    tells: bool,
    run: impl Fn(&Sim, &[P]) -> Outcome,
) -> Option<Failed> {
    let settings = Sim::builder().system(|system| system.intensity(1_000, Duration::from_secs(1)));
    let sim = settings.tells(tells).build(tape.to_vec());
    let ended = run(&sim, program).and_then(|()| Ok(sim.check()?));
    let why = ended.err()?.to_string();
    let choices = sim.tape().numbers().iter().filter(|number| **number != 0).count();
    Some(Failed { why, choices, story: sim.story() })
}

struct Failed {
    why: String,
    choices: usize,
    story: String,
}

fn hunt<P: Clone + Debug>(
    cases: u32,
    programs: impl Strategy<Value = Vec<P>>,
    run: impl Fn(&Sim, &[P]) -> Outcome,
) -> Result<(), (Vec<P>, Vec<u16>)> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 100_000, ..Config::default() };
    // The same cases each time, so that what is found is not a matter of luck.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tapes = prop::collection::vec(any::<u16>(), 0..64);
    let outcome =
        runner.run(&(programs, tapes), |(program, tape)| match failure(&tape, &program, false, &run) {
            Some(failed) => Err(TestCaseError::fail(failed.why)),
            None => Ok(()),
        });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(_, found)) => Err(found),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The bug is found, and shrinks.
#[track_caller]
pub(crate) fn is_found<P: Clone + Debug>(
    programs: impl Strategy<Value = Vec<P>>,
    run: impl Fn(&Sim, &[P]) -> Outcome,
) {
    let (program, tape) = hunt(CASES, programs, &run).expect_err("the bug is found");
    let failed = failure(&tape, &program, true, &run).expect("it fails again");
    println!("{program:?} with {} choices: {}\n{}", failed.choices, failed.why, failed.story);
    assert!(program.len() <= MOST.0 && failed.choices <= MOST.1, "{program:?}, {} choices", failed.choices);
    assert!(!failed.story.is_empty());
}

/// What has no bug passes.
#[track_caller]
pub(crate) fn is_sound<P: Clone + Debug>(
    programs: impl Strategy<Value = Vec<P>>,
    run: impl Fn(&Sim, &[P]) -> Outcome,
) {
    let cases = std::env::var("TWIN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(TWIN_CASES);
    if let Err((program, tape)) = hunt(cases, programs, &run) {
        let failed = failure(&tape, &program, true, &run).expect("it fails again");
        panic!("{program:?} with {tape:?}: {}\n{}", failed.why, failed.story);
    }
}
