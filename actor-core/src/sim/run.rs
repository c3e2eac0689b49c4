//! Running a test again: to tell the story of its failure, with other tapes, with all of them.

use std::any::Any;
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::tape::Tape;
use super::trace::Trace;
use super::{Builder, Sim};
use crate::sync::{StaticOnce, thread_local};

/// The environment's variable whose tape replaces all others.
const TAPE: &str = "ACTOR_TAPE";
/// How many numbers a tape has that is made up.
const LENGTH: usize = 4096;
/// How many runs it may take to make a tape that fails simpler.
pub(super) const SHRINKING: usize = 2_000;

/// Runs a test in a simulation with this tape. If it fails it is run again, and the failure is told as a story: who sent
/// what to whom, and when, up to the failure, with the line that replays it.
///
/// So the test must do the same each time: it gets a simulation that has just begun, and keeps nothing between runs. If
/// it does not do the same with the same tape, that is what the failure says.
///
/// With [proptest](https://docs.rs/proptest), let the tape be any `Vec<u16>`: that shrinks it to the choices that matter.
/// The environment variable `ACTOR_TAPE`, such as `ACTOR_TAPE=3.0.17`, goes before what is said here.
///
/// # Panics
/// If the test does, or what it leaves is [not in order](Sim::check).
#[track_caller]
pub fn run(tape: impl Into<Tape>, test: impl Fn(&Sim)) {
    Sim::builder().run(tape, test);
}

/// Runs a test in so many simulations, with tapes that are made up, the same ones each time; the first of them is empty.
/// One that fails is made simpler, if that can be, and told as [`run`] does.
///
/// # Panics
/// If the test does.
#[track_caller]
pub fn cases(cases: u64, test: impl Fn(&Sim)) {
    Sim::builder().cases(cases, test);
}

/// Runs a test in all simulations whose tapes have at most so many choices other than first come, first served; for small
/// scenarios, of which this sees everything. Not with more than `most` runs.
///
/// After Emmi, Qadeer and Rakamarić, *Delay-bounded scheduling*: most faults take few such choices.
///
/// # Panics
/// If the test does.
#[track_caller]
pub fn explore(choices: usize, most: u64, test: impl Fn(&Sim)) -> Explored {
    Sim::builder().explore(choices, most, test)
}

/// What an exploration has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many runs there were.
    pub runs: u64,
    /// How many of them were different.
    pub interleavings: u64,
    /// Whether these are all that there are within the bound.
    pub complete: bool,
}

/// How a run has ended.
pub(super) struct Ended {
    trace: Trace,
    pub(super) tape: Tape,
    story: String,
    /// What it has failed with.
    pub(super) failed: Option<String>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what fails again, and is to say nothing of that: the first panic has been printed, and the last one tells.
pub(super) fn quietly<R>(run: impl FnOnce() -> R) -> R {
    static HOOK: StaticOnce<()> = StaticOnce::new();
    HOOK.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    // Runs do not unwind.
    QUIET.set(true);
    let outcome = run();
    QUIET.set(false);
    outcome
}

/// What is said of a failure beside the tape, where the test is given more than that.
#[derive(Clone, Copy, Default)]
pub(super) struct Replay<'a> {
    /// After the failure.
    pub(super) given: &'a str,
    /// In the line that replays it.
    pub(super) case: &'a str,
}

impl Builder {
    /// As [`run`], with these settings.
    ///
    /// # Panics
    /// If the test does.
    #[track_caller]
    pub fn run(&self, tape: impl Into<Tape>, test: impl Fn(&Sim)) {
        let ended = self.once(&from_environment().unwrap_or_else(|| tape.into()), &test);
        if ended.failed.is_some() {
            panic!("{}", self.told(&ended, &Replay::default(), &test));
        }
    }

    /// As [`cases`], with these settings.
    ///
    /// # Panics
    /// If the test does.
    #[track_caller]
    pub fn cases(&self, cases: u64, test: impl Fn(&Sim)) {
        if let Some(tape) = from_environment() {
            return self.run(tape, test);
        }
        for case in 0..cases {
            let ended = self.once(&tape_of(case), &test);
            if ended.failed.is_some() {
                let simplest = self.simplest(ended, &test);
                panic!("in case {case} of {cases}: {}", self.told(&simplest, &Replay::default(), &test));
            }
        }
    }

    /// As [`explore`], with these settings.
    ///
    /// # Panics
    /// If the test does.
    #[track_caller]
    pub fn explore(&self, choices: usize, most: u64, test: impl Fn(&Sim)) -> Explored {
        let (mut tape, mut runs, mut seen) = (Vec::new(), 0, HashSet::new());
        loop {
            let ended = self.once(&tape.clone().into(), &test);
            runs += 1;
            seen.insert(ended.trace.hash);
            if ended.failed.is_some() {
                panic!("in run {runs}: {}", self.told(&ended, &Replay::default(), &test));
            }
            let complete = !next(&mut tape, ended.tape.widths(), choices);
            if complete || runs >= most {
                return Explored { runs, interleavings: seen.len() as u64, complete };
            }
        }
    }

    pub(super) fn once(&self, tape: &Tape, test: &impl Fn(&Sim)) -> Ended {
        let sim = self.clone().build(tape.rewound());
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&sim)));
        let (trace, tape, story) = (sim.trace(), sim.tape(), sim.story());
        let ended = outcome.and_then(|()| catch_unwind(AssertUnwindSafe(|| sim.check())));
        // One that has failed may not come to its end either; that is no news.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(sim)));
        let failed = match ended {
            Ok(Ok(())) => dropped.err().map(|payload| text_of(&*payload)),
            Ok(Err(broken)) => Some(broken.to_string()),
            Err(payload) => Some(text_of(&*payload)),
        };
        Ended { trace, tape, story, failed }
    }

    /// The failure, with its story.
    pub(super) fn told(&self, ended: &Ended, replay: &Replay<'_>, test: &impl Fn(&Sim)) -> String {
        let Replay { given, case } = replay;
        let failed = ended.failed.as_deref().unwrap_or_default();
        let tape = ended.tape.rewound();
        let teller = self.clone().tells(true);
        let again = quietly(|| teller.once(&tape, test));
        let mut text = format!("{failed}{given}\n\n{}", again.story);
        if (again.trace, &again.failed) != (ended.trace, &ended.failed) {
            let third = quietly(|| teller.once(&tape, test));
            text += &not_the_same(ended, &again, &third);
        }
        let numbers: Vec<_> = tape.numbers().iter().map(u16::to_string).collect();
        let numbers = if numbers.is_empty() { "0".to_owned() } else { numbers.join(".") };
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        text + &format!("\nreplay it: {case}{TAPE}={numbers} cargo test {name}\n")
    }

    /// A run that fails with a tape that is as short, and of as small numbers, as can be found soon.
    pub(super) fn simplest(&self, mut ended: Ended, test: &impl Fn(&Sim)) -> Ended {
        let mut runs = 0;
        let mut try_other = |numbers: Vec<u16>, best: &mut Ended| {
            runs += 1;
            let other = quietly(|| self.once(&numbers.into(), test));
            let better = other.failed.is_some();
            if better {
                *best = other;
            }
            (better, runs < SHRINKING)
        };
        let mut goes_on = true;
        let mut part = ended.tape.numbers().len();
        while goes_on && part > 0 {
            let (mut at, mut any) = (0, false);
            while goes_on && at < ended.tape.numbers().len() {
                let mut numbers = ended.tape.numbers().to_vec();
                let end = (at + part).min(numbers.len());
                let before = numbers[at..end].to_vec();
                // Without choices; and, of a single number, with a smaller one.
                let smaller = |number: u16| if part > 1 { 0 } else { number / 2 };
                numbers[at..end].iter_mut().for_each(|number| *number = smaller(*number));
                let better;
                (better, goes_on) =
                    if numbers[at..end] == before { (false, true) } else { try_other(numbers, &mut ended) };
                any |= better;
                at += if better && part == 1 { 0 } else { part };
            }
            part = if any && part == 1 { 1 } else { part / 2 };
        }
        ended
    }
}

/// The next tape that has at most so many choices that are not 0; false if there is none.
fn next(tape: &mut Vec<u16>, widths: &[u32], most: usize) -> bool {
    tape.resize(widths.len(), 0);
    while let Some(last) = tape.pop() {
        let others = tape.iter().filter(|choice| **choice != 0).count();
        if u32::from(last) + 1 < widths[tape.len()] && others < most {
            tape.push(last + 1);
            return true;
        }
    }
    false
}

/// Says what became of a test that was run again.
fn not_the_same(first: &Ended, second: &Ended, third: &Ended) -> String {
    let mut text = "\nThe test does not do the same again with the same tape, so something of it is not in the simulation: the \
                    order of a HashMap, the time from Instant::now(), random numbers, a thread of its own, a static.\n"
        .to_owned();
    let mut lines = second.story.lines().zip(third.story.lines());
    match lines.find(|(second, third)| second != third) {
        Some((second, third)) => {
            text += &format!("One run goes on with\n{second}\nand another with\n{third}\n")
        }
        None => {
            text += &format!(
                "The first run had {} steps, the others {}.\n",
                first.trace.steps, second.trace.steps
            )
        }
    }
    match &second.failed {
        Some(failed) if Some(failed) != first.failed.as_ref() => {
            text += &format!("It fails differently: {failed}\n")
        }
        None => text += "It did not fail again.\n",
        _ => {}
    }
    text
}

/// The tape of a case: the same each time.
pub(super) fn tape_of(case: u64) -> Tape {
    if case == 0 { Tape::default() } else { Tape::random(case, LENGTH) }
}

pub(super) fn from_environment() -> Option<Tape> {
    let text = std::env::var(TAPE).ok()?;
    let numbers: Result<Vec<u16>, _> = text.split('.').map(str::parse).collect();
    Some(
        numbers
            .unwrap_or_else(|_| {
                panic!("{TAPE} is numbers up to 65535 with points between, such as 3.0.17; not {text:?}")
            })
            .into(),
    )
}

pub(super) fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked with what is no text").to_owned()
}
