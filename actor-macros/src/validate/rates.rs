//! What has lengths of time in it: `50ms..5s`, `5 in 10s`.

use crate::model::{Backoff, Intensity};
use crate::validate::duration;

/// From the first delay to the longest.
pub(super) fn backoff(text: &str) -> Option<Backoff> {
    let (first, most) = text.split_once("..")?;
    Some(Backoff { first: duration::parse(first).ok()?, most: duration::parse(most).ok()? })
}

/// How many restarts, and in which time.
pub(super) fn intensity(text: &str) -> Option<Intensity> {
    let (restarts, window) = text.split_once(" in ")?;
    let restarts = restarts.trim().replace('_', "").parse().ok()?;
    Some(Intensity { restarts, window: duration::parse(window).ok()? })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ranges_and_rates_are_read() {
        let (first, most) = (Duration::from_millis(50), Duration::from_secs(5));
        assert_eq!(backoff("50ms..5s"), Some(Backoff { first, most }));
        assert_eq!(backoff("50ms"), None);
        assert_eq!(intensity("5 in 5s"), Some(Intensity { restarts: 5, window: most }));
        assert_eq!(intensity("5 per 5s"), None);
    }
}
