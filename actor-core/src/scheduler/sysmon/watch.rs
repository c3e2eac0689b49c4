//! What was seen of a turn, and what to do about it. Reads no clock: the time comes with the looks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::LongTurn;
use crate::platform::thread::Usage;
use crate::scheduler::hand::Hand;
use crate::scheduler::sysmon::Quanta;

/// Where work waits for a worker, and nobody else can do it, its turn is given so many soft quanta.
const SOFT_QUANTA_BEFORE_WAITING_WORK: u32 = 2;
/// A thread that could have run for this long and was not given a processor is not what holds its worker up, but not
/// for ever.
const STARVED_AT_MOST: u32 = 10;

/// What to do about a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Leave,
    /// Ask it to end at its next safepoint.
    Ask,
    /// Have another thread take its worker over.
    Replace,
}

/// How a thread spends its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// On a processor.
    Burns,
    /// In a system call, or waiting for something.
    Blocks,
    /// It would run if it were given a processor.
    Starves,
}

/// A turn on a thread.
pub(super) struct Seen {
    hand: usize,
    turn: u64,
    /// How long it has been seen to run.
    took: Duration,
    asked: bool,
    reported: bool,
    /// That it has exceeded the hard quantum.
    noted: bool,
    demoted: bool,
    /// How much processor time the thread had had, and when in the turn that was.
    baseline: Option<(Duration, Usage)>,
    described: Option<LongTurn>,
}

impl Seen {
    /// A turn that is seen for the first time.
    pub(super) fn first(hand: &Hand, turn: u64) -> Seen {
        Seen {
            hand: hand.number(),
            turn,
            took: Duration::ZERO,
            asked: false,
            reported: false,
            noted: false,
            demoted: false,
            baseline: None,
            described: None,
        }
    }

    pub(super) fn is_of(&self, hand: &Hand, turn: u64) -> bool {
        (self.hand, self.turn) == (hand.number(), turn)
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// Whether it has exceeded the soft quantum.
    pub(super) fn is_long(&self) -> bool {
        self.asked
    }

    /// Whether it was there at the look before, too.
    pub(super) fn runs_on(&self) -> bool {
        !self.took.is_zero()
    }

    /// It was seen to run on for so long.
    pub(super) fn passes(&mut self, passed: Duration) {
        self.took += passed;
    }

    /// What to do about it. `waits` tells whether work waits for its worker that nobody else can do.
    pub(super) fn advise(
        &mut self,
        quanta: Quanta,
        usage: impl FnOnce() -> Option<Usage>,
        waits: impl FnOnce() -> bool,
    ) -> Advice {
        if self.took < quanta.soft {
            return Advice::Leave;
        }
        if !self.asked {
            self.asked = true;
            self.baseline = usage().map(|usage| (self.took, usage));
            return Advice::Ask;
        }
        let early = quanta.soft * SOFT_QUANTA_BEFORE_WAITING_WORK;
        let due = self.took >= quanta.hard || self.took >= early && waits();
        if !due {
            return Advice::Leave;
        }
        // Another thread would fight for the same processors, if that is what this one waits for.
        let starves = self.manner(usage) == Some(Manner::Starves);
        if starves && self.took < quanta.hard * STARVED_AT_MOST { Advice::Leave } else { Advice::Replace }
    }

    /// How it has spent its time since the baseline, if that can be told.
    fn manner(&self, usage: impl FnOnce() -> Option<Usage>) -> Option<Manner> {
        let (since, before) = self.baseline?;
        let now = usage()?;
        let (cpu, passed) = (now.cpu.saturating_sub(before.cpu), self.took.saturating_sub(since));
        Some(match now.runnable {
            _ if cpu >= passed / 2 => Manner::Burns,
            true if cpu < passed / 8 => Manner::Starves,
            true => Manner::Burns,
            false => Manner::Blocks,
        })
    }

    /// Whether it has exceeded the hard quantum, and that is to be noted.
    pub(super) fn exceeds(&self, hard: Duration) -> bool {
        self.took >= hard && !self.noted
    }

    pub(super) fn was_noted(&mut self) {
        self.noted = true;
    }

    /// Whether a thread that lost its worker is to have the lowest priority. Looked at once for each hard quantum.
    pub(super) fn is_to_be_demoted(&mut self, hard: Duration, usage: impl Fn() -> Option<Usage>) -> bool {
        let since = self.baseline.map_or(Duration::ZERO, |(since, _)| since);
        let window = if since < hard { hard.saturating_sub(since) } else { hard };
        if self.demoted || self.took.saturating_sub(since) < window {
            return false;
        }
        let burns = self.manner(&usage) == Some(Manner::Burns);
        self.baseline = usage().map(|usage| (self.took, usage));
        burns
    }

    pub(super) fn was_demoted(&mut self) {
        self.demoted = true;
    }

    /// Whether it is to be reported that there is no thread to take its worker over: once.
    pub(super) fn reports_limit(&mut self) -> bool {
        !std::mem::replace(&mut self.reported, true)
    }

    /// The turn for people to look at; `None` if it has ended and was not described before.
    pub(super) fn describe(&mut self, hand: &Arc<Hand>, worker: Option<usize>) -> Option<LongTurn> {
        if let Some(subject) = hand.doing.subject(self.turn) {
            let kind = subject.kind?;
            self.described = Some(LongTurn {
                actor: subject.actor,
                name: kind.name(),
                site: kind.site(),
                message: subject.message,
                took: self.took,
                thread: hand.name(),
                worker,
                demoted: self.demoted,
            });
        }
        self.described()
    }

    /// The turn as it was described last, and how long it has taken by now.
    pub(super) fn described(&self) -> Option<LongTurn> {
        let described = self.described.clone();
        described.map(|turn| LongTurn { took: self.took, ..turn })
    }
}

/// What was seen of the turn that a worker runs, if it was seen before: only then has it run on from one look to the next.
/// Otherwise it is noted.
pub(super) fn again<'a>(
    seen: &'a mut HashMap<usize, Seen>,
    worker: usize,
    hand: &Hand,
    turn: u64,
) -> Option<&'a mut Seen> {
    if !seen.get(&worker).is_some_and(|seen| seen.is_of(hand, turn)) {
        seen.insert(worker, Seen::first(hand, turn));
        return None;
    }
    seen.get_mut(&worker)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const QUANTA: Quanta = Quanta { soft: Duration::from_millis(1), hard: Duration::from_millis(10) };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn seen() -> Seen {
        Seen::first(&Hand::new("test".into(), 0), 1)
    }

    /// What is advised at each millisecond of a turn, whose thread has had so much of the processor by then.
    fn advice(cpu: impl Fn(u64) -> u64, runnable: bool, waits: bool, millis: u64) -> Vec<Advice> {
        let mut seen = seen();
        let look = |at| {
            seen.passes(ms(1));
            seen.advise(QUANTA, || Some(Usage { cpu: ms(cpu(at)), runnable }), || waits)
        };
        (1..=millis).map(look).collect()
    }

    #[test]
    fn only_a_turn_that_was_seen_before_has_run_on() {
        let (hand, other) = (Hand::new("test".into(), 0), Hand::new("test".into(), 1));
        let mut seen = HashMap::new();
        assert!(
            again(&mut seen, 0, &hand, 7).is_none(),
            "nothing was seen, and no turn ran at the last look"
        );
        assert!(again(&mut seen, 0, &hand, 7).is_some());
        assert!(again(&mut seen, 0, &hand, 9).is_none(), "the next turn");
        assert!(again(&mut seen, 0, &other, 9).is_none(), "another thread's");
        assert!(again(&mut seen, 1, &other, 9).is_none(), "another worker's");
        assert!(again(&mut seen, 0, &other, 9).is_some());
    }

    fn first(advice: &[Advice], wanted: Advice) -> Option<usize> {
        advice.iter().position(|advice| *advice == wanted).map(|at| at + 1)
    }

    #[test]
    fn a_turn_is_asked_once_and_its_worker_taken_over_after_the_hard_quantum() {
        for (cpu, runnable) in [(1, true), (0, false)] {
            let all = advice(|at| at * cpu, runnable, false, 12);
            assert_eq!(all.iter().filter(|advice| **advice == Advice::Ask).count(), 1);
            assert_eq!((first(&all, Advice::Ask), first(&all, Advice::Replace)), (Some(1), Some(10)));
        }
    }

    #[test]
    fn where_work_waits_it_comes_sooner() {
        assert_eq!(first(&advice(|at| at, true, true, 12), Advice::Replace), Some(2));
    }

    #[test]
    fn a_thread_that_gets_no_processor_is_left_alone_but_not_for_ever() {
        let all = advice(|_| 0, true, true, 120);
        assert_eq!(first(&all, Advice::Replace), Some(100));
    }

    #[test]
    fn what_cannot_be_told_is_taken_over() {
        let mut seen = seen();
        let mut look = || {
            seen.passes(ms(5));
            seen.advise(QUANTA, || None, || false)
        };
        assert_eq!([look(), look()], [Advice::Ask, Advice::Replace]);
    }

    #[test]
    fn who_burns_is_demoted_once_and_who_blocks_is_not() {
        let demoted_at = |cpu: fn(u64) -> u64, runnable| {
            let mut seen = seen();
            let usage = |at| move || Some(Usage { cpu: ms(cpu(at)), runnable });
            let mut demoted = Vec::new();
            for at in 1..=40 {
                seen.passes(ms(1));
                seen.advise(QUANTA, usage(at), || true);
                if seen.is_to_be_demoted(QUANTA.hard, usage(at)) {
                    seen.was_demoted();
                    demoted.push(at);
                }
            }
            demoted
        };
        assert_eq!(demoted_at(|at| at, true), [10]);
        assert_eq!(demoted_at(|_| 0, false), []);
        // It begins to burn late.
        assert_eq!(demoted_at(|at| at.saturating_sub(15), true), [20]);
    }

    #[test]
    fn the_limit_and_the_hard_quantum_are_reported_once() {
        let mut seen = seen();
        assert!(seen.reports_limit() && !seen.reports_limit());
        assert!(!seen.exceeds(ms(10)));
        seen.passes(ms(10));
        assert!(seen.exceeds(ms(10)));
        seen.was_noted();
        assert!(!seen.exceeds(ms(10)));
    }
}
