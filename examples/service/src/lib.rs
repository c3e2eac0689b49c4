//! What services have in common, whatever they serve.
//!
//! | | |
//! |---|---|
//! | [`log`] | where the log goes, and the argument that says what is in it |
//! | [`limits`] | what the operating system lets a process have |
//! | [`stop`] | signals: what ends a service, or has it look at its files again |
//! | [`time`] | times as people write them |
//! | [`tls`] | certificates from files |
#![forbid(unsafe_code)]

pub mod limits;
pub mod log;
pub mod stop;
pub mod time;
pub mod tls;

use std::fmt;
use std::process::ExitCode;

/// Says why `service` has failed, on standard error, and that it has.
pub fn failed(service: &str, why: impl fmt::Display) -> ExitCode {
    eprintln!("{service}: {why}");
    ExitCode::FAILURE
}
