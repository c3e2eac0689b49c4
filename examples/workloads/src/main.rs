//! `workloads`: runs one of the workloads of BENCHMARKS.md and prints what it measured as one line
//! of JSON.
#![forbid(unsafe_code)]

mod collector;
mod crowd;
mod latency;
mod leaks;
mod messaging;
mod net;
mod probe;
mod raw;
mod report;
mod resize;
mod restart;
mod savina;
mod serving;
mod signal;
mod skew;
mod spawning;
mod stuck;
mod timers;
mod work;
mod workload;

use std::error::Error;
use std::time::{Duration, Instant};

use actor_core::{Leaks, Remedy, System};
use clap::{Parser, value_parser};

use report::Extra;
use workload::{Run, Workload};

/// Runs one workload and prints one line of JSON; BENCHMARKS.md says what each of them is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to run
    #[arg(value_enum, value_name = "WORKLOAD")]
    workload: Workload,

    /// How much of it, rounded down to what can be divided evenly [default: see BENCHMARKS.md]
    #[arg(long, value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    n: Option<u64>,

    /// How many actors make up the ring, send in fanin, hog, block, crash, are leaked or stuck [default: see BENCHMARKS.md]
    #[arg(long, value_parser = value_parser!(u64).range(1..=100_000_000))]
    actors: Option<u64>,

    /// Worker threads
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u16).range(1..=1024))]
    workers: u16,

    /// How long hog, hogyield, blocked and idlecpu are watched, and restartstorm without crashes
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    secs: Duration,

    /// When to end at the latest; a server ends then
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = value_parser!(u64).range(1..=86_400))]
    limit: u64,

    /// Afterwards, stop the system in good order; `extra` then has how long that took and the memory that is left
    #[arg(long)]
    stop: bool,

    /// Look for leaked actors all the time meanwhile, as `leaked` does in any case
    #[arg(long)]
    leaks: bool,

    /// Look for messages that are overdue meanwhile, and give the actors of ring and ring64 a limit for silence
    #[arg(long)]
    limits: bool,

    /// The port of 127.0.0.1 that a server listens at; 0 lets the system choose
    #[arg(long, default_value_t = 7000)]
    port: u16,
}

/// What nobody exceeds in a benchmark.
const LIMIT: Duration = Duration::from_secs(1);

fn main() {
    let arguments = Arguments::parse();
    if let Err(error) = run(&arguments) {
        signal::give_up(&*error);
    }
}

/// Runs the workload and prints what it has measured; a server has nothing to print.
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    probe::raise_open_files();
    let limit = Duration::from_secs(arguments.limit);
    let workers = usize::from(arguments.workers);
    match arguments.workload {
        Workload::EchoServer => net::echo(workers, arguments.port, limit),
        Workload::ChatServer => net::chat(workers, arguments.port, limit),
        workload @ (Workload::Slowroom | Workload::Drain | Workload::Stuck) => {
            signal::end_after(limit)?;
            let (n, secs) = (arguments.n.unwrap_or(workload.default_n()), arguments.secs);
            let report = match workload {
                Workload::Drain => serving::drain(workers, n, secs)?,
                Workload::Stuck => stuck::stuck(workers, n, actors(arguments)?, secs)?,
                _ => serving::slow_room(workers, n, secs)?,
            };
            println!("{report}");
            std::process::exit(0)
        }
        Workload::Connections => {
            let n = arguments.n.unwrap_or(Workload::Connections.default_n());
            println!("{}", crowd::connections(workers, n, limit)?);
            Ok(())
        }
        workload => {
            signal::end_after(limit)?;
            let mut builder = System::builder().workers(workers).stop_within(limit);
            let leaks = Leaks::new(Remedy::Stop).every(Duration::from_millis(100));
            if workload == Workload::Leaked {
                // There is nothing else to do.
                builder = builder.leaks(leaks.share(50));
            } else if arguments.leaks {
                builder = builder.leaks(leaks);
            }
            if arguments.limits {
                builder = builder.overdue_messages(LIMIT, Remedy::Report);
            }
            let system = builder.build()?;
            let actors = actors(arguments)?;
            let n = workload.fit(arguments.n.unwrap_or(workload.default_n()), actors);
            let silence = arguments.limits.then_some(LIMIT);
            let run = Run { system: &system, workload, n, actors, secs: arguments.secs, silence };
            let mut report = run.measure()?;
            if arguments.stop {
                report.extra = stop(system, report.extra)?;
            }
            println!("{report}");
            // Not in good order unless asked for: hogs are in work, and a million actors would be stopped.
            std::process::exit(0)
        }
    }
}

/// How many actors share the work, where that can be chosen.
fn actors(arguments: &Arguments) -> Result<u64, Box<dyn Error>> {
    match (arguments.actors, arguments.workload.default_actors()) {
        (None, default) => Ok(default.unwrap_or(1)),
        (Some(actors), Some(_)) => Ok(actors),
        (Some(_), None) => Err(format!(
            "--actors is for ring, ring64, fanin, fanin_bounded, hog, hogyield, blocked, restartstorm, leaked and stuck, not for {}",
            arguments.workload.name()
        )
        .into()),
    }
}

/// Stops the system, and adds how long that took and how much memory the process still has.
fn stop(system: System, extra: Extra) -> Result<Extra, Box<dyn Error>> {
    let begin = Instant::now();
    let ended = system.shutdown();
    let took = begin.elapsed();
    drop(system);
    if !ended.is_clean() {
        return Err(format!("the system did not stop in good order: {ended}").into());
    }
    Ok(extra.number("stop_secs", took.as_secs_f64()).number("rss_after_stop", probe::resident_bytes() as f64))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected, such as 5 or 0.5")?;
    if (0.1..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0.1 to 3600 seconds are possible".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let table = [
            ["--n", "0"],
            ["--workers", "0"],
            ["--secs", "0"],
            ["--secs", "soon"],
            ["--limit", "0"],
            ["--port", "65536"],
        ];
        for [name, value] in table {
            let error = Arguments::try_parse_from(["workloads", "ring", name, value]).err().expect(name);
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(value), "{text}");
        }
    }

    #[test]
    fn an_unknown_workload_is_answered_with_a_near_one() {
        let error =
            Arguments::try_parse_from(["workloads", "rnig"]).err().expect("there is no such workload");
        assert!(error.to_string().contains("ring"), "{error}");
    }
}
