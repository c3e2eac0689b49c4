//! Times as people write them: a number with its unit.

use std::time::Duration;

/// The longest time that anything can be configured to take.
pub const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a time such as `500ms`, `30s`, `5m` or `2h`. `None` if it is none, or one beyond all reason.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, time) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)] {
            assert_eq!(parse(text), Some(Duration::from_millis(time)), "{text}");
        }
        for text in
            ["", "s", "30", "1.5s", "-1s", "3 s", "3d", "99999999999999999999s", "9999999999999999999h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
