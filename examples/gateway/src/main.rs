//! `gateway`: reads the arguments and the configuration, sets up the log and runs the service.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use service::failed;

/// A gateway: HTTP, WebSocket and TCP clients on one side, pools of backends on the other.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration, in TOML; the guide tells what can be in it
    #[arg(value_name = "FILE")]
    config: PathBuf,

    /// Only tells what is wrong with the configuration, and ends
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    log: service::log::Log,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = arguments.config.display();
    let text = match std::fs::read_to_string(&arguments.config) {
        Ok(text) => text,
        Err(error) => return failed("gateway", format_args!("cannot read {path}: {error}")),
    };
    let config = match gateway::Config::read(&text) {
        Ok(config) => config,
        Err(wrong) => {
            for mistake in &wrong.0 {
                eprintln!("{path}: {mistake}");
            }
            return ExitCode::FAILURE;
        }
    };
    if arguments.check {
        println!("{path} is sound");
        return ExitCode::SUCCESS;
    }
    if let Err(error) = arguments.log.start() {
        return failed("gateway", error);
    }
    service::limits::raise_open_files();
    match gateway::run(config) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => failed("gateway", format_args!("did not end well: {report}")),
        Err(error) => failed("gateway", error),
    }
}
