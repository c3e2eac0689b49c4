//! `chat`: reads the arguments, sets up the log and runs the service.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A chat service: people connect with nc or a browser, take a name, enter rooms and talk.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: chat::Options,

    /// What to log, such as warn, debug or info,chat=debug; RUST_LOG goes before it
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = check_filter)]
    log: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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
    match chat::run(arguments.options) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => failed(&format_args!("did not end well: {report}")),
        Err(error) => failed(&error),
    }
}

fn failed(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("chat: {why}");
    ExitCode::FAILURE
}

fn check_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
