//! Restart intensity: the most restarts within a sliding window, as in OTP. Pure: it takes `now`.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

pub(crate) struct Intensity {
    restarts: u32,
    window: Duration,
    /// The restarts within the window, oldest first; never more than `restarts`.
    recent: VecDeque<Instant>,
}

impl Intensity {
    pub(crate) const RESTARTS: u32 = 5;
    pub(crate) const WINDOW: Duration = Duration::from_secs(10);

    pub(crate) fn new(restarts: u32, window: Duration) -> Self {
        #[cfg(feature = "sim")]
        crate::sim::seam::counts_restarts();
        Intensity { restarts, window, recent: VecDeque::new() }
    }

    /// Whether one more restart, now, is within the intensity; it counts if it is.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) > self.window) {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < self.restarts as usize;
        if allowed {
            self.recent.push_back(now);
            #[cfg(feature = "sim")]
            crate::sim::seam::restarts(self.restarts, self.window);
        }
        allowed
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.restarts, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut intensity = Intensity::new(2, Duration::from_millis(100));
        assert!(intensity.allows(at(0)));
        assert!(intensity.allows(at(60)));
        assert!(!intensity.allows(at(100)), "the first is still in the window, whose ends belong to it");
        assert!(intensity.allows(at(101)));
        assert!(!intensity.allows(at(160)));
        assert!(intensity.allows(at(161)));
    }

    #[test]
    fn none_means_none() {
        let mut intensity = Intensity::new(0, Duration::from_secs(1));
        assert!(!intensity.allows(crate::clock::now()));
    }
}
