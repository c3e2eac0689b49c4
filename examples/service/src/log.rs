//! The log of a service, on standard error.

use std::io::{self, IsTerminal};

use clap::Args;
use tracing_subscriber::EnvFilter;

/// The argument that says what is logged.
#[derive(Args, Clone, Debug)]
pub struct Log {
    /// What to log, such as warn, debug or info,actor_net=debug; RUST_LOG goes before it
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = check)]
    log: String,
}

impl Log {
    /// Has all that is said from now on written to standard error.
    ///
    /// # Errors
    ///
    /// If `RUST_LOG` makes no sense: what is wrong with it.
    ///
    /// # Panics
    ///
    /// If it was called before.
    pub fn start(&self) -> Result<(), String> {
        let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
            Ok(text) => EnvFilter::try_new(text),
            Err(_) => EnvFilter::try_new(&self.log),
        };
        let filter = filter.map_err(|error| format!("{}: {error}", EnvFilter::DEFAULT_ENV))?;
        let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
        log.with_writer(io::stderr).init();
        Ok(())
    }
}

fn check(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
