//! Which parallelism is best, by what was seen of the queues and the processors. Pure: time comes with the samples.
//!
//! More workers help if work waits and the ones there are do not get on with it, because their handlers block, or
//! because the processors have time left. They do no good if work waits and the processors are busy.

use std::time::{Duration, Instant};

/// Work that waits for longer than this waits long.
const LONG: Duration = Duration::from_millis(2);
/// From this share of the time on in which something on this machine or in this container waits for a processor,
/// more workers would only share the processors with the others.
const PRESSED: f64 = 0.5;
/// So much of the time before a look counts for what it sees first.
const LOOKED_BACK: Duration = Duration::from_millis(50);
/// For how long more must be wanted.
const RAISE_AFTER: Duration = Duration::from_millis(200);
/// For how long fewer must be wanted, at first; doubled each time when that was found to be a mistake.
const LOWER_AFTER: Duration = Duration::from_secs(3);
const LOWER_AFTER_MOST: Duration = Duration::from_secs(300);

/// What was seen since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) now: Instant,
    /// The time since the last look.
    pub(super) passed: Duration,
    /// How many turns wait in queues.
    pub(super) queued: usize,
    /// How many turns were taken out of queues since the last look.
    pub(super) taken: usize,
    /// How many active workers are idle.
    pub(super) idle: usize,
    /// The share of the time in which something waited for a processor; `None` where that is not known.
    pub(super) pressure: Option<f64>,
}

impl Sample {
    /// How long a turn waits that is queued now, if all goes on like this; by Little's law.
    fn delay(&self) -> Duration {
        let delay = self.passed.as_secs_f64() * self.queued as f64 / self.taken.max(1) as f64;
        Duration::try_from_secs_f64(delay).unwrap_or(Duration::MAX)
    }

    fn wish(&self) -> Option<Wish> {
        let pressed = self.pressure.is_some_and(|pressure| pressure >= PRESSED);
        let stuck = self.taken == 0 && self.queued > 0;
        if stuck || self.delay() > LONG {
            return (stuck || !pressed).then_some(Wish::More);
        }
        (self.idle > 0 || pressed).then_some(Wish::Fewer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    More,
    Fewer,
}

pub(super) struct Controller {
    floor: usize,
    max: usize,
    /// What all samples since then have asked for.
    wish: Option<(Wish, Instant)>,
    lower_after: Duration,
    /// When a worker went, if none has come since.
    lowered: Option<Instant>,
}

impl Controller {
    pub(super) fn new(floor: usize, max: usize) -> Self {
        Controller { floor, max, wish: None, lower_after: LOWER_AFTER, lowered: None }
    }

    /// Takes a sample; a new parallelism, if it is time for one.
    pub(super) fn look(&mut self, parallelism: usize, sample: &Sample) -> Option<usize> {
        let since = match (self.wish, sample.wish()) {
            (Some((before, since)), Some(wish)) if before == wish => since,
            // What is seen now may have begun right after the last look.
            _ => sample.now.checked_sub(sample.passed.min(LOOKED_BACK)).unwrap_or(sample.now),
        };
        self.wish = sample.wish().map(|wish| (wish, since));
        let (wish, _) = self.wish?;
        let after = match wish {
            Wish::More => RAISE_AFTER,
            Wish::Fewer => self.lower_after,
        };
        if sample.now.saturating_duration_since(since) < after {
            return None;
        }
        // Half as many again, since work that waits is worse than a worker too many.
        let wanted = match wish {
            Wish::More => parallelism + parallelism.div_ceil(2),
            Wish::Fewer => parallelism - 1,
        };
        let wanted = wanted.clamp(self.floor, self.max);
        self.wish = None;
        (wanted != parallelism).then(|| self.changed(wish, wanted, sample.now))
    }

    fn changed(&mut self, wish: Wish, wanted: usize, now: Instant) -> usize {
        let before = self.lowered.take();
        match wish {
            // The worker that went last was needed.
            Wish::More if before.is_some_and(|at| now.saturating_duration_since(at) < self.lower_after) => {
                self.lower_after = (self.lower_after * 2).min(LOWER_AFTER_MOST);
            }
            Wish::More => {}
            Wish::Fewer => {
                // The one before was not missed.
                if before.is_some() {
                    self.lower_after = (self.lower_after / 2).max(LOWER_AFTER);
                }
                self.lowered = Some(now);
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(50);

    /// A system with a controller, in a time of its own.
    struct Run {
        controller: Controller,
        parallelism: usize,
        now: Instant,
        changes: Vec<usize>,
    }

    impl Run {
        fn new(parallelism: usize) -> Self {
            let controller = Controller::new(2, 12);
            Run { controller, parallelism, now: Instant::now(), changes: Vec::new() }
        }

        /// Lets time pass with what `load` says of a parallelism: queued, taken, idle, pressure.
        fn pass(&mut self, time: Duration, load: impl Fn(usize) -> (usize, usize, usize, Option<f64>)) {
            let end = self.now + time;
            while self.now < end {
                self.now += LOOK;
                let (queued, taken, idle, pressure) = load(self.parallelism);
                let sample = Sample { now: self.now, passed: LOOK, queued, taken, idle, pressure };
                if let Some(wanted) = self.controller.look(self.parallelism, &sample) {
                    self.parallelism = wanted;
                    self.changes.push(wanted);
                }
            }
        }
    }

    /// A load that keeps `needed` workers busy: with fewer, work piles up.
    fn needs(needed: usize) -> impl Fn(usize) -> (usize, usize, usize, Option<f64>) {
        move |parallelism| match parallelism.checked_sub(needed) {
            None => (500, 1000, 0, Some(0.1)),
            Some(idle) => (1, 1000, idle, Some(0.1)),
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_steady_load_changes_nothing() {
        let mut run = Run::new(5);
        run.pass(10 * MINUTE, needs(5));
        assert_eq!(run.changes, []);
    }

    #[test]
    fn a_rising_load_gets_more_soon_and_a_falling_one_fewer_later() {
        let mut run = Run::new(2);
        run.pass(Duration::from_secs(1), needs(8));
        assert_eq!(run.changes, [3, 5, 8]);
        run.pass(Duration::from_secs(2), needs(3));
        assert_eq!(run.parallelism, 8);
        run.pass(MINUTE, needs(3));
        assert_eq!(run.parallelism, 3);
        assert!(run.changes[3..].is_sorted_by(|a, b| a > b), "{:?}", run.changes);
    }

    #[test]
    fn a_worker_that_is_missed_each_time_it_goes_goes_more_and_more_seldom() {
        // With three one is idle at each look, and yet two are not enough.
        let load = |parallelism| match parallelism {
            ..3 => (500, 1000, 0, Some(0.1)),
            _ => (1, 1000, 1, Some(0.1)),
        };
        let mut run = Run::new(3);
        run.pass(10 * MINUTE, load);
        assert!(run.changes.len() <= 16, "{:?}", run.changes);
        let begun = run.changes.len();
        run.pass(10 * MINUTE, load);
        assert!(run.changes.len() - begun <= 6, "{:?}", run.changes);
    }

    #[test]
    fn a_single_look_changes_nothing() {
        let mut run = Run::new(4);
        for _ in 0..100 {
            run.pass(LOOK, |_| (500, 1000, 0, None));
            run.pass(LOOK, |_| (1, 1000, 0, None));
            run.pass(LOOK, |_| (1, 1000, 4, None));
        }
        assert_eq!(run.changes, []);
    }

    #[test]
    fn it_stays_within_floor_and_maximum() {
        let mut run = Run::new(4);
        run.pass(MINUTE, |_| (500, 1000, 0, None));
        assert_eq!(run.parallelism, 12);
        run.pass(10 * MINUTE, |parallelism| (0, 0, parallelism, None));
        assert_eq!(run.parallelism, 2);
    }

    #[test]
    fn under_pressure_only_work_that_does_not_get_on_at_all_gets_more() {
        let mut run = Run::new(4);
        run.pass(MINUTE, |_| (500, 1000, 0, Some(0.9)));
        assert_eq!(run.changes, []);
        // All handlers block.
        run.pass(Duration::from_millis(250), |_| (1, 0, 0, Some(0.9)));
        assert_eq!(run.changes, [6]);
        // Work gets on, and others want the processors.
        run.pass(MINUTE, |_| (1, 1000, 0, Some(0.9)));
        assert_eq!(run.parallelism, 2);
    }

    #[test]
    fn where_pressure_is_not_known_work_that_waits_counts() {
        let mut run = Run::new(2);
        run.pass(Duration::from_millis(250), |_| (500, 1000, 0, None));
        assert_eq!(run.changes, [3]);
    }
}
