//! How far one core is from another: how long it takes to fetch a cache line from there.
//!
//! Nobody can be asked for it, and on a virtual machine it changes while the program runs, when the host moves a
//! processor. So it is measured, with a word that a worker over there writes in each turn: if it has changed since the
//! last look, its line has to be fetched, and the look takes as long as that.

use std::time::{Duration, Instant};

use crate::clock;

/// What is less is short: two workers that share all that they touch get more done than one. With the reading of the
/// clock in it, which takes some 20 ns.
const SHORT: Duration = Duration::from_nanos(80);
/// How often is looked for one measurement, and how many of these looks must have fetched something.
const LOOKS: usize = 12;
const ENOUGH: usize = 4;
/// The time from one look to the next, for the other worker to write the word again.
const PAUSE: Duration = Duration::from_nanos(300);
/// How long a measurement is good for.
const GOOD_FOR: Duration = Duration::from_millis(10);

/// How far another worker's core is, as far as was measured.
pub(super) struct Distance {
    /// Not, as long as it is unknown.
    is_short: bool,
    due: Instant,
}

impl Distance {
    pub(super) fn unknown(now: Instant) -> Self {
        Distance { is_short: false, due: now }
    }

    /// Whether it is short, by a measurement that is not old: `measure` makes a new one, or tells that it could not.
    pub(super) fn is_short(&mut self, now: Instant, measure: impl FnOnce() -> Option<Duration>) -> bool {
        if now >= self.due {
            self.due = now + GOOD_FOR;
            if let Some(distance) = measure() {
                self.is_short = distance < SHORT;
            }
        }
        self.is_short
    }
}

/// How long it takes to fetch a word that another core writes again and again: the median of a few looks. `None` if it
/// does not change often enough to tell.
pub(super) fn measure(word: impl Fn() -> u64) -> Option<Duration> {
    if cfg!(shuttle) {
        // There are no cores, and chance decides.
        return Some(SHORT * clock::below(2) as u32);
    }
    let mut took = [Duration::ZERO; LOOKS];
    let (mut fetched, mut before) = (0, word());
    for _ in 0..LOOKS {
        let began = pause();
        let now = word();
        took[fetched] = clock::now().saturating_duration_since(began);
        fetched += usize::from(now != before);
        before = now;
    }
    let took = &mut took[..fetched];
    took.sort_unstable();
    (fetched >= ENOUGH).then(|| took[fetched / 2])
}

/// The time when it is over.
fn pause() -> Instant {
    let began = clock::now();
    loop {
        let now = clock::now();
        if now.saturating_duration_since(began) >= PAUSE {
            return now;
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_another_thread_writes_often_tells_how_far_it_is() {
        let (word, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                }
            });
            // The other thread may have to get this one's processor first.
            let look = || {
                std::thread::yield_now();
                word.load(Ordering::Relaxed)
            };
            let distance = std::iter::repeat_with(|| measure(look)).take(100_000).flatten().next();
            ended.store(true, Ordering::Relaxed);
            let distance = distance.expect("they run at the same time now and then");
            assert!(distance > Duration::ZERO && distance < Duration::from_millis(100), "{distance:?}");
        });
    }

    #[test]
    fn what_nobody_writes_tells_nothing() {
        assert_eq!(measure(|| 1), None);
    }

    #[test]
    fn a_measurement_is_good_for_a_while_and_one_that_failed_changes_nothing() {
        let begun = Instant::now();
        let mut distance = Distance::unknown(begun);
        let mut at = |millis, nanos: Option<u64>| {
            let now = begun + Duration::from_millis(millis);
            distance.is_short(now, || nanos.map(Duration::from_nanos))
        };
        assert!(!at(0, None), "unknown");
        assert!(!at(9, Some(50)), "not measured again yet");
        assert!(at(10, Some(79)));
        assert!(at(19, Some(300)), "still good");
        assert!(!at(20, Some(80)));
        assert!(!at(30, None));
        assert!(at(40, Some(50)));
        assert!(at(50, None), "what is known stays");
    }
}
