//! `chat`: reads the arguments, sets up the log and runs the service.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A chat service: people connect with nc, take a name, enter rooms and talk.
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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&arguments.log));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match chat::run(arguments.options) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
