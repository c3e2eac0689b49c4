//! Kinds of actors of which there are ever more: whoever spawns them does not end them.
//!
//! They need not be leaked in the sense of [`scan`](super::scan): a list that is only added to has a ref to each. So the living
//! are counted, by type and place, and who becomes more and more is told of. What is counted is there anyway.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::cell::kind::Kind;
use crate::clock;
use crate::log;
use crate::observe::Event;
use crate::system::SystemHandle;

/// Reports kinds of actors (those of one type that are spawned at one place) of which there are ever more. For
/// [`Builder::growth`](crate::Builder::growth).
///
/// The living are counted at the end of each *window*. A kind *grows* if there were more of it at the end of each of the
/// last windows than at its beginning, and as many more as is said in all of them together. It is said once, and again
/// whenever it has doubled since, until there are fewer at the end of a window.
///
/// The semantics are of this project's own. A count that follows the load of a day grows as well: choose windows
/// that together are longer than that takes.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    window: Duration,
    windows: usize,
    by: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self::new()
    }
}

impl Growth {
    /// Over ten windows of a minute, by a thousand at least.
    #[must_use]
    pub const fn new() -> Self {
        Growth { window: Duration::from_secs(60), windows: 10, by: 1000 }
    }

    /// How long a window is (at least a millisecond); a minute unless said.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = if window.as_millis() == 0 { Duration::from_millis(1) } else { window };
        self
    }

    /// Over how many windows a kind has to grow, 1 to 1000; 10 unless said.
    #[must_use]
    pub const fn windows(mut self, windows: usize) -> Self {
        self.windows = if windows < 1 {
            1
        } else if windows > 1000 {
            1000
        } else {
            windows
        };
        self
    }

    /// By how many it has to grow in all of them together (at least one); 1000 unless said.
    #[must_use]
    pub const fn by(mut self, actors: u64) -> Self {
        self.by = if actors == 0 { 1 } else { actors };
        self
    }
}

/// A kind of actors of which there are ever more; see [`Growth`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Growing {
    /// The name of their type, without its path.
    pub name: &'static str,
    /// Where they are spawned.
    pub site: &'static Location<'static>,
    /// How many lived when the first window began, and at the end of each window; each is more than the one before.
    pub alive: Vec<u64>,
    /// How long a window is.
    pub window: Duration,
}

impl fmt::Display for Growing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Growing { name, site, alive, window } = self;
        write!(f, "{name}, spawned at {}:{}: ", site.file(), site.line())?;
        let (first, last) = (alive.first().unwrap_or(&0), alive.last().unwrap_or(&0));
        write!(f, "from {first} to {last} in {} windows of {window:?}", alive.len().saturating_sub(1))
    }
}

/// What was counted of one kind.
#[derive(Default)]
struct Series {
    /// At the ends of the last windows.
    alive: VecDeque<u64>,
    /// How many there were when it was last said.
    said: Option<u64>,
}

impl Series {
    /// Adds what was counted at the end of a window; whether it is to be said that there are ever more.
    fn add(&mut self, alive: u64, growth: Growth) -> bool {
        if self.alive.back().is_some_and(|before| alive < *before) {
            self.said = None;
        }
        self.alive.push_back(alive);
        if self.alive.len() > growth.windows + 1 {
            self.alive.pop_front();
        }
        let first = self.alive.front().copied().unwrap_or(alive);
        let each = self.alive.iter().zip(self.alive.iter().skip(1)).all(|(before, after)| before < after);
        let grows = self.alive.len() == growth.windows + 1 && each && alive - first >= growth.by;
        let news = self.said.is_none_or(|said| alive >= said.saturating_mul(2));
        if grows && news {
            self.said = Some(alive);
        }
        grows && news
    }
}

/// When the living are counted.
pub(crate) struct Counts {
    growth: Growth,
    /// By the index of their kind.
    series: Vec<Series>,
    next: Instant,
}

impl Counts {
    pub(crate) fn new(growth: Growth, now: Instant) -> Self {
        Counts { growth, series: Vec::new(), next: now }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Counts, if it is time. There are no more kinds than the program's text has places, so this is one step.
    pub(crate) fn tend(&mut self, system: &SystemHandle, now: Instant) {
        if now < self.next {
            return;
        }
        // A window that was missed is not made up for: those that follow would be short.
        self.next = clock::later(now, self.growth.window);
        for kind in Kind::all() {
            if self.series.len() <= kind.index() {
                self.series.resize_with(kind.index() + 1, Series::default);
            }
            let series = &mut self.series[kind.index()];
            let alive = system.scheduler().alive(kind);
            if series.add(alive, self.growth) {
                let (name, site, window) = (kind.name(), kind.site(), self.growth.window);
                let growing = Growing { name, site, alive: series.alive.iter().copied().collect(), window };
                log::say(Level::WARN, || {
                    let growing = growing.clone();
                    move || tracing::warn!(%growing, "there are ever more actors of a kind")
                });
                system.leaks_seen().grows();
                system.events().publish(|| Event::Growing(growing));
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const GROWTH: Growth = Growth::new().windows(3).by(10);

    /// After which of these counts it is said.
    fn said(counts: &[u64]) -> Vec<usize> {
        let mut series = Series::default();
        (0..counts.len()).filter(|at| series.add(counts[*at], GROWTH)).collect()
    }

    #[test]
    fn it_is_said_of_who_has_grown_in_each_window_and_by_enough() {
        assert_eq!(said(&[0, 5, 9, 10]), [3]);
        assert_eq!(said(&[0, 5, 9]), [], "too few windows");
        assert_eq!(said(&[0, 3, 6, 9]), [], "by too few");
        assert_eq!(said(&[0, 10, 10, 20, 30, 40]), [5], "a window without growth");
        assert_eq!(said(&[0, 10, 20, 15, 25, 35, 45]), [6], "one in which there were fewer");
    }

    #[test]
    fn it_is_said_again_when_it_has_doubled_or_begun_anew() {
        assert_eq!(said(&[0, 5, 9, 10, 15, 19, 20, 39, 40]), [3, 6, 8]);
        assert_eq!(said(&[0, 5, 9, 10, 0, 5, 9, 10]), [3, 7]);
    }

    #[test]
    fn settings_are_kept_within_bounds() {
        let growth = Growth::default().window(Duration::ZERO).windows(0).by(0);
        assert_eq!((growth.window, growth.windows, growth.by), (Duration::from_millis(1), 1, 1));
        assert_eq!(growth.windows(5000).windows, 1000);
    }
}
