//! Times as users write them: `50ms`, `5s`, `50ms..5s`, `5 in 10s`.

use std::time::Duration;

use crate::model::{Backoff, Intensity};

const UNITS: [(&str, u64); 6] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", NANOS), ("m", 60 * NANOS), ("h", 3600 * NANOS)];

const NANOS: u64 = 1_000_000_000;

/// A number and a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    let number: u64 = text[..digits].replace('_', "").parse().ok()?;
    let (_, nanos) = UNITS.iter().find(|(unit, _)| *unit == text[digits..].trim())?;
    Some(Duration::from_nanos(number.checked_mul(*nanos)?))
}

/// From the first delay to the longest.
pub(super) fn backoff(text: &str) -> Option<Backoff> {
    let (first, most) = text.split_once("..")?;
    Some(Backoff { first: duration(first)?, most: duration(most)? })
}

/// How many restarts, and in which time.
pub(super) fn intensity(text: &str) -> Option<Intensity> {
    let (restarts, window) = text.split_once(" in ")?;
    Some(Intensity { restarts: restarts.trim().replace('_', "").parse().ok()?, window: duration(window)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        assert_eq!(duration("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(duration(" 1_000 us "), Some(Duration::from_millis(1)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for bad in ["", "5", "ms", "1.5s", "-1s", "5 days", "99999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_and_rates_are_read() {
        let (first, most) = (Duration::from_millis(50), Duration::from_secs(5));
        assert_eq!(backoff("50ms..5s"), Some(Backoff { first, most }));
        assert_eq!(backoff("50ms"), None);
        assert_eq!(intensity("5 in 5s"), Some(Intensity { restarts: 5, window: most }));
        assert_eq!(intensity("5 per 5s"), None);
    }
}
