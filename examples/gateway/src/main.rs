//! `gateway`: reads the arguments and the configuration, sets up the log and runs the service.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

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

    /// What to log, such as warn, debug or info,gateway=debug; RUST_LOG goes before it
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = check_filter)]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = arguments.config.display();
    let text = match std::fs::read_to_string(&arguments.config) {
        Ok(text) => text,
        Err(error) => return failed(&format_args!("cannot read {path}: {error}")),
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
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) => EnvFilter::try_new(text),
        Err(_) => EnvFilter::try_new(&arguments.log),
    };
    match filter {
        Ok(filter) => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
            log.with_writer(std::io::stderr).init();
        }
        Err(error) => return failed(&format_args!("{}: {error}", EnvFilter::DEFAULT_ENV)),
    }
    match gateway::run(config) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => failed(&format_args!("did not end well: {report}")),
        Err(error) => failed(&error),
    }
}

fn failed(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("gateway: {why}");
    ExitCode::FAILURE
}

fn check_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
