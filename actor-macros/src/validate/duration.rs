//! Lengths of time, as settings have them: `"2ms"`.

use std::time::Duration;

use syn::{Expr, Lit};

use crate::errors::Errors;
use crate::names;
use crate::validate::settings::{literal, shown};

/// The units, and how many nanoseconds each has.
const UNITS: [(&str, u64); 6] =
    [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", NANOS), ("min", 60 * NANOS), ("h", 3600 * NANOS)];

const NANOS: u64 = 1_000_000_000;

/// The length of time that the setting `name` has, up to the 584 years that fit.
pub(super) fn read(name: &str, value: &Expr, errors: &mut Errors) -> Option<Duration> {
    let Some(Lit::Str(written)) = literal(value) else {
        let help = match literal(value) {
            Some(Lit::Int(number)) => {
                format!("write the unit too, as `{name} = \"{}ms\"`", number.base10_digits())
            }
            _ => example(name),
        };
        errors.report(value, "a length of time stands in quotes, with its unit", help);
        return None;
    };
    let written = written.value();
    match parse(&written) {
        Ok(duration) => return Some(duration),
        Err(help) => {
            let help = help.map_or_else(|| example(name), |better| format!("write `{name} = \"{better}\"`"));
            errors.report(value, format_args!("`{}` is no length of time", shown(value)), help);
        }
    }
    None
}

fn example(name: &str) -> String {
    format!("write a whole number and a unit, {}, as `{name} = \"20ms\"`", units())
}

/// All units, as a sentence has them.
pub(super) fn units() -> String {
    names::listed(&UNITS.map(|(unit, _)| unit), "").replace(" and ", " or ")
}

/// A whole number and a unit. If it is none, what may have been meant.
pub(super) fn parse(written: &str) -> Result<Duration, Option<String>> {
    let written = written.trim();
    let end = written.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(written.len());
    let (number, unit) = (written[..end].replace('_', ""), written[end..].trim());
    let Ok(number) = number.parse::<u64>() else { return Err(None) };
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, nanos)) => number.checked_mul(*nanos).map(Duration::from_nanos).ok_or(None),
        None => Err(meant(unit).map(|unit| format!("{number}{unit}"))),
    }
}

fn meant(unit: &str) -> Option<&'static str> {
    match unit.to_lowercase().as_str() {
        "" | "msec" | "millis" | "milliseconds" => Some("ms"),
        "\u{b5}s" | "\u{3bc}s" | "usec" | "micros" | "microseconds" => Some("us"),
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "m" | "mins" | "minute" | "minutes" => Some("min"),
        "hour" | "hours" => Some("h"),
        lower => UNITS.iter().map(|(name, _)| *name).find(|name| *name == lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_understood() {
        let ms = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(ms("2ms"), Ok(2));
        assert_eq!(ms("1_500us"), Ok(1));
        assert_eq!(ms("3 s"), Ok(3_000));
        assert_eq!(ms("1min"), Ok(60_000));
        assert_eq!(ms(" 2h "), Ok(7_200_000));
        assert_eq!(ms("0ms"), Ok(0));
    }

    #[test]
    fn others_are_not_and_what_was_meant_is_said() {
        let meant = |text| parse(text).unwrap_err();
        assert_eq!(meant("20").as_deref(), Some("20ms"));
        assert_eq!(meant("2sec").as_deref(), Some("2s"));
        assert_eq!(meant("2MS").as_deref(), Some("2ms"));
        for text in
            ["", "ms", "-1ms", "1.5ms", "2 fortnights", "99999999999999999999s", "18446744073709551615s"]
        {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
