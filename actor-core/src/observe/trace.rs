//! The trace of the scheduler: a line on standard error every so often, in the manner of Go's
//! `GODEBUG=schedtrace`.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::observe::{Snapshot, WorkerState};
use crate::sync::thread;
use crate::system::SystemHandle;
use crate::wait::Token;

const VARIABLE: &str = "ACTOR_SCHEDTRACE";
/// The longest period, in milliseconds: a day.
const LONGEST: u64 = 24 * 3600 * 1000;

/// Ends the trace of a system.
#[derive(Default)]
pub(crate) struct Trace {
    ended: Arc<Token>,
}

impl Trace {
    /// Begins to trace; `ended` of what this returns must be called at the end of the system.
    pub(crate) fn begin(&self, system: SystemHandle, period: Duration) -> io::Result<()> {
        let ended = self.ended.clone();
        let thread = thread::Builder::new().name("schedtrace".to_owned());
        thread.spawn(move || print_lines(&system, period, &ended)).map(drop)
    }

    /// The system has ended.
    pub(crate) fn end(&self) {
        self.ended.set();
    }
}

/// The period to trace with: what the environment says, else what the program does.
pub(crate) fn period(builder: Option<Duration>) -> Option<Duration> {
    let Some(value) = env::var_os(VARIABLE) else { return builder };
    match parse(&value.to_string_lossy()) {
        Ok(period) => period,
        Err(warning) => {
            // A closed standard error is no reason not to start.
            let _ = writeln!(io::stderr(), "{warning}");
            builder
        }
    }
}

/// `None` turns the trace off.
fn parse(value: &str) -> Result<Option<Duration>, String> {
    match value.trim().parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(millis) if millis <= LONGEST => Ok(Some(Duration::from_millis(millis))),
        _ if value.trim().is_empty() => Ok(None),
        _ => Err(format!(
            "warning: {VARIABLE}={value:?} is ignored: it is to be a number of milliseconds, 1 to {LONGEST}, \
             such as {VARIABLE}=1000; 0 turns the trace off"
        )),
    }
}

fn print_lines(system: &SystemHandle, period: Duration, ended: &Token) {
    let mut before = system.snapshot();
    let mut due = clock::later(clock::now(), period);
    loop {
        let left = due.saturating_duration_since(clock::now());
        if !left.is_zero() {
            // It may return early; then there is time left the next time round.
            if ended.wait(Some(left)) {
                return;
            }
            continue;
        }
        let now = system.snapshot();
        let line = Line { before: &before, now: &now };
        if writeln!(io::stderr(), "{line}").is_err() {
            // Nobody reads it any more.
            return;
        }
        before = now;
        // From now on, so that one who was held up does not print many at once.
        due = clock::later(clock::now(), period);
    }
}

/// What has happened between two snapshots.
struct Line<'a> {
    before: &'a Snapshot,
    now: &'a Snapshot,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { before, now } = *self;
        let seconds = now.uptime.saturating_sub(before.uptime).as_secs_f64().max(1e-9);
        let new = now.totals().since(&before.totals());
        let rate = |count: u64| (count as f64 / seconds).round() as u64;
        let parked = now.workers_that_are(WorkerState::Parked);
        let searching = now.workers_that_are(WorkerState::Searching);
        write!(f, "SCHED {}ms: workers={} ", now.uptime.as_millis(), now.parallelism)?;
        write!(f, "parked={parked} searching={searching} global={} local=[", now.global_queue)?;
        for (number, worker) in now.workers.iter().enumerate() {
            write!(f, "{}{}", if number == 0 { "" } else { " " }, worker.queue)?;
        }
        write!(f, "] turns/s={} messages/s={} ", rate(new.turns), rate(new.messages))?;
        write!(f, "stolen={}/{} overflows={} ", new.stolen, new.steal_attempts, new.overflows)?;
        write!(f, "parks={} idle_wakes={} ", new.parks, new.idle_wakes)?;
        let wakes = new.wakes_sent + now.wakes_from_outside.saturating_sub(before.wakes_from_outside);
        write!(f, "wakes={wakes} timers={} fired={} ", now.timers(), new.timers_fired)?;
        let blocking = now.blocking;
        write!(f, "blocking={}/{}+{} ", blocking.running, blocking.threads, blocking.queued)?;
        let dead = now.dead_letters.saturating_sub(before.dead_letters);
        write!(f, "actors={} dead_letters={dead} ", now.actors_alive())?;
        write!(f, "threads={} spare={} long={} ", now.threads, now.spare_threads, now.long_turns.len())?;
        write!(f, "background={}+{} ", now.background_threads, now.background_queue)?;
        write!(f, "condemned_threads={} {}", now.condemned_threads, now.preemptions)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_milliseconds_is_a_period() {
        assert_eq!(parse("1000"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(parse(" 1 "), Ok(Some(Duration::from_millis(1))));
        assert_eq!(parse("86400000"), Ok(Some(Duration::from_secs(86_400))));
        assert_eq!((parse("0"), parse("")), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_none_is_named_in_the_warning() {
        for value in ["1s", "-1", "1.5", "86400001", "99999999999999999999", "on"] {
            let warning = parse(value).expect_err(value);
            assert!(warning.contains(VARIABLE) && warning.contains(value), "{warning}");
        }
    }
}
