//! How accepting rests when the process is out of descriptors, or the kernel of memory. Pure: it takes
//! the time.

use std::io;
use std::time::{Duration, Instant};

/// How long it rests after the first failure; doubled with each that follows.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// How long those who wait in the kernel are left there. It may be over in a moment; who waits for
/// longer had better know.
const PATIENCE: Duration = Duration::from_secs(2);

/// The failures of one listening socket since accepting last worked.
#[derive(Debug, Default)]
pub(super) struct Failures {
    since: Option<Instant>,
    last: Duration,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// Try again then, or when one of the server's connections has ended.
    pub(super) after: Duration,
    /// It is the first failure.
    pub(super) first: bool,
    /// Those who wait have waited for long.
    pub(super) turn_away: bool,
}

impl Failures {
    /// Accepting has failed.
    pub(super) fn failed(&mut self, now: Instant) -> Rest {
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        self.last = if first { FIRST } else { (self.last * 2).min(LONGEST) };
        let turn_away = now.saturating_duration_since(since) >= PATIENCE;
        Rest { after: self.last, first, turn_away }
    }

    /// Accepting works: says for how long it has not, if so.
    pub(super) fn worked(&mut self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        self.since.take().map(|since| now().saturating_duration_since(since))
    }
}

/// Whether this process, or the system, has as many descriptors as it may have.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    // EMFILE and ENFILE, which have had these numbers since the first Unix.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_ever_longer_and_turns_away_who_has_waited_for_long() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let mut at = Duration::ZERO;
        let mut rests = Vec::new();
        for _ in 0..10 {
            let rest = failures.failed(begin + at);
            rests.push((rest.after.as_millis(), rest.first, rest.turn_away));
            at += rest.after;
        }
        let waits = [10, 20, 40, 80, 160, 320, 640].map(|ms| (ms, ms == 10, false));
        assert_eq!(rests[..7], waits);
        // By now it has rested for 1270 ms.
        assert_eq!(rests[7..], [(1000, false, false), (1000, false, true), (1000, false, true)]);
        assert_eq!(failures.worked(|| begin + at), Some(at));
        assert_eq!(failures.worked(|| begin + at), None);
        assert!(failures.failed(begin + at).first);
    }
}
