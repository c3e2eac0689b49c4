//! A circuit breaker: when a backend is left alone, and when it is tried again.
//!
//! Pure: what has happened and the time go in, and what has changed comes out. Who has one asks
//! [`allows`](Breaker::allows) before each request, tells of each outcome, and sends a probe when one is
//! [due](Breaker::due).
//!
//! ```text
//!           so many failures in the window              its time is over: `probe`
//!  Closed ───────────────────────────────────▶ Open ────────────────────────────────▶ HalfOpen
//!    ▲                                           ▲      a probe has failed               │
//!    │                                           └───────────────────────────────────────┤
//!    └───────────────────────────────────────────────────────────────────────────────────┘
//!                             so many probes in a row have been answered
//! ```
//!
//! Half open, nothing but probes goes to the backend: no request of a client's is staked on it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many failures open it; at least one.
    pub failures: u32,
    /// Within how much time.
    pub window: Duration,
    /// How long it is open the first time. Twice as long after each probe that fails.
    pub open: Duration,
    /// How long it is open at most.
    pub open_at_most: Duration,
    /// How many probes in a row must be answered before it closes; at least one.
    pub probes: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            failures: 5,
            window: Duration::from_secs(10),
            open: Duration::from_secs(1),
            open_at_most: Duration::from_secs(30),
            probes: 2,
        }
    }
}

/// What a breaker has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Requests go elsewhere for this long.
    Opened(Duration),
    /// All is well again.
    Closed,
}

/// The breaker of one backend.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// How long it is open the next time.
    open: Duration,
}

#[derive(Clone, Debug)]
enum State {
    /// The failures in the window, the oldest first; fewer than it takes.
    Closed(VecDeque<Instant>),
    Open {
        until: Instant,
    },
    /// A probe is on its way, or is to be sent, after so many that were answered.
    HalfOpen {
        answered: u32,
        sent: bool,
    },
}

impl Breaker {
    /// One that is closed.
    #[must_use]
    pub fn new(settings: Settings) -> Breaker {
        Breaker { settings, state: State::Closed(VecDeque::new()), open: settings.open }
    }

    /// Whether requests may be sent.
    #[must_use]
    pub fn allows(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// What it is called in logs.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Closed(_) => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half open",
        }
    }

    /// A request has failed. Says so if that was one too many. What was on its way when it opened
    /// changes nothing any more.
    pub fn failed(&mut self, now: Instant) -> Option<Change> {
        let State::Closed(failures) = &mut self.state else { return None };
        failures.push_back(now);
        while failures
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) > self.settings.window)
        {
            failures.pop_front();
        }
        if failures.len() < self.settings.failures as usize {
            return None;
        }
        Some(self.open(now))
    }

    /// When the next probe is due; not while there is one on its way.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::HalfOpen { .. } | State::Closed(_) => None,
        }
    }

    /// Whether to send a probe now. True once for each: then [`probed`](Self::probed) is to be told what
    /// has become of it.
    pub fn probe(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Open { until } if now >= *until => {
                self.state = State::HalfOpen { answered: 0, sent: true };
                true
            }
            State::HalfOpen { sent, .. } => !std::mem::replace(sent, true),
            State::Open { .. } | State::Closed(_) => false,
        }
    }

    /// A probe was answered, or not. If it takes one more, [`probe`](Self::probe) says so at once.
    pub fn probed(&mut self, answered: bool, now: Instant) -> Option<Change> {
        let State::HalfOpen { answered: count, sent } = &mut self.state else { return None };
        if !std::mem::take(sent) {
            return None;
        }
        if !answered {
            return Some(self.open(now));
        }
        *count += 1;
        if *count < self.settings.probes {
            return None;
        }
        self.state = State::Closed(VecDeque::new());
        self.open = self.settings.open;
        Some(Change::Closed)
    }

    fn open(&mut self, now: Instant) -> Change {
        let open = self.open.min(self.settings.open_at_most);
        self.open = open.saturating_mul(2);
        self.state = State::Open { until: now + open };
        Change::Opened(open)
    }
}

#[cfg(test)]
mod tests;
