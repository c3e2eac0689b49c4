//! What can be set from outside.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::value_parser;
use service::time;

/// Called by a room with each line before anything else is done with it.
pub type Fault = Arc<dyn Fn(&str) + Send + Sync>;

/// How the service runs. The defaults are what the binary has without arguments.
#[derive(Args, Clone)]
pub struct Options {
    /// The address to listen at; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT", default_value_t = Options::default().listen)]
    pub listen: String,

    /// The address to serve the web page and its WebSocket at; port 0 lets the system choose
    #[arg(long, value_name = "HOST:PORT", default_value_t = Options::default().web)]
    pub web: String,

    /// Has --listen speak TLS, with a certificate (and those that vouch for it) and its key, in PEM; once more for
    /// another name's; they are read again on SIGHUP
    #[arg(long, value_names = ["CERT", "KEY"], num_args = 2)]
    pub tls: Vec<PathBuf>,

    /// The same for --web, which makes it https
    #[arg(long, value_names = ["CERT", "KEY"], num_args = 2)]
    pub web_tls: Vec<PathBuf>,

    /// The most connections at a time, of each address
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000),
        default_value_t = Options::default().max_connections)]
    pub max_connections: u32,

    /// The longest line, or text of a WebSocket, in bytes; a longer one ends the connection
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(64..=65_536),
        default_value_t = Options::default().max_line)]
    pub max_line: u32,

    /// How many of a room's last lines a newcomer is shown
    #[arg(long, value_name = "LINES", value_parser = value_parser!(u32).range(0..=1_000),
        default_value_t = Options::default().history)]
    pub history: u32,

    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024))]
    pub workers: Option<u32>,

    /// How long one may stay without a name, such as 500ms, 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    pub login_timeout: Duration,

    /// How long one may be silent [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub idle_timeout: Option<Duration>,

    /// The most bytes that wait for someone who reads slowly; one more disconnects them
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(16_384..=1 << 30),
        default_value_t = Options::default().write_cap)]
    pub write_cap: u32,

    /// How many messages wait for a room; whoever finds it full reads no more until there is room
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000),
        default_value_t = Options::default().room_mailbox)]
    pub room_mailbox: u32,

    /// How long an empty room, and with it its history, is kept
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    pub keep_room: Duration,

    /// How long the end of the service may take
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub stop_within: Duration,

    /// Makes rooms fail, for tests of what happens then; no argument of the binary sets it
    #[arg(skip)]
    pub fault: Option<Fault>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: "127.0.0.1:7000".to_owned(),
            web: "127.0.0.1:7001".to_owned(),
            tls: Vec::new(),
            web_tls: Vec::new(),
            max_connections: 10_000,
            max_line: 2_048,
            history: 20,
            workers: None,
            login_timeout: Duration::from_secs(60),
            idle_timeout: None,
            write_cap: 1 << 20,
            room_mailbox: 1024,
            keep_room: Duration::from_secs(300),
            stop_within: Duration::from_secs(10),
            fault: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("web", &self.web)
            .field("tls", &self.tls)
            .field("web_tls", &self.web_tls)
            .field("max_connections", &self.max_connections)
            .field("max_line", &self.max_line)
            .field("history", &self.history)
            .field("workers", &self.workers)
            .field("login_timeout", &self.login_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("write_cap", &self.write_cap)
            .field("room_mailbox", &self.room_mailbox)
            .field("keep_room", &self.keep_room)
            .field("stop_within", &self.stop_within)
            .finish_non_exhaustive()
    }
}

/// Reads a time from 1 ms to a year.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let help = || "a time is a number with a unit, such as 500ms, 30s, 5m or 2h".to_owned();
    let time = time::parse(text).ok_or_else(help)?;
    if time.is_zero() || time > time::YEAR {
        return Err("a time is at least 1ms and at most a year".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        let command = Options::augment_args(Command::new("chat")).no_binary_name(true);
        Options::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let parsed = parse(&[]).expect("no argument is needed");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn times_are_from_a_millisecond_to_a_year() {
        assert_eq!(parse_duration("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(parse_duration("8784h"), Ok(time::YEAR));
        for text in ["0s", "8785h", "99999999999999999999h", "soon"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let table = [
            ["--max-connections", "0"],
            ["--max-line", "63"],
            ["--history", "1001"],
            ["--workers", "0"],
            ["--login-timeout", "soon"],
            ["--write-cap", "1"],
            ["--room-mailbox", "0"],
        ];
        for [name, value] in table {
            let error = parse(&[name, value]).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }
}
