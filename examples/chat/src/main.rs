//! `chat`: reads the arguments, sets up the log and runs the service.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use service::failed;

/// A chat service: people connect with nc or a browser, take a name, enter rooms and talk.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: chat::Options,

    #[command(flatten)]
    log: service::log::Log,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = arguments.log.start() {
        return failed("chat", error);
    }
    service::limits::raise_open_files();
    match chat::run(arguments.options) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => failed("chat", format_args!("did not end well: {report}")),
        Err(error) => failed("chat", error),
    }
}
