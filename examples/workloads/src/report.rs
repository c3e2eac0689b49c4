//! What a run prints: one line of JSON.

use std::fmt;
use std::time::Duration;

use crate::probe::Latencies;

/// The result of a run.
pub(crate) struct Report {
    pub(crate) workload: String,
    pub(crate) n: u64,
    pub(crate) took: Duration,
    /// What was done in a second; 0 if that is not the point.
    pub(crate) rate: f64,
    pub(crate) extra: Extra,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { workload, n, took, rate, extra } = self;
        let secs = took.as_secs_f64();
        write!(f, r#"{{"peer":"ours","workload":"{workload}","n":{n},"#)?;
        write!(f, r#""secs":{secs:.6},"rate":{rate:.1},"extra":{{{extra}}}}}"#)
    }
}

/// What a workload measures beside its time.
#[derive(Default)]
pub(crate) struct Extra(Vec<(String, Value)>);

enum Value {
    Number(f64),
    Flag(bool),
}

impl Extra {
    /// The same with one more number.
    pub(crate) fn number(mut self, name: impl Into<String>, value: f64) -> Extra {
        self.0.push((name.into(), Value::Number(value)));
        self
    }

    /// The same with one more yes or no.
    pub(crate) fn flag(mut self, name: impl Into<String>, value: bool) -> Extra {
        self.0.push((name.into(), Value::Flag(value)));
        self
    }

    /// The same with what another one has.
    pub(crate) fn and(mut self, other: Extra) -> Extra {
        self.0.extend(other.0);
        self
    }

    /// The same with the usual quantiles, in microseconds, their names beginning with `prefix`.
    pub(crate) fn latencies(self, prefix: &str, latencies: &Latencies) -> Extra {
        [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)]
            .into_iter()
            .fold(self, |extra, (name, quantile)| {
                extra.number(format!("{prefix}{name}_us"), latencies.micros(quantile))
            })
    }
}

impl fmt::Display for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, r#"{comma}"{name}":"#)?;
            match value {
                Value::Flag(flag) => write!(f, "{flag}")?,
                Value::Number(number) if number.fract() == 0.0 => write!(f, "{number:.0}")?,
                Value::Number(number) => write!(f, "{number:.6}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_of_json() {
        let extra = Extra::default().number("whole", 3.0).number("part", 0.25).flag("stalled", false);
        let took = Duration::from_millis(500);
        let report = Report { workload: "ring".to_owned(), n: 10, took, rate: 20.0, extra };
        assert_eq!(
            report.to_string(),
            concat!(
                r#"{"peer":"ours","workload":"ring","n":10,"secs":0.500000,"rate":20.0,"#,
                r#""extra":{"whole":3,"part":0.250000,"stalled":false}}"#
            )
        );
    }
}
