//! What can be configured, and reading it from a file.
//!
//! A file is TOML; the [guide](https://toml.io) to that is short. Its tables are the fields of [`Config`].
//! What it does not say is as in [`Config::default`]. Every mistake is told with its line and key, and with
//! what is allowed; all of them at once.

mod reader;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use service::tls::Pair;
use toml::de::DeTable;

use crate::breaker;
use crate::limits::Rate;
use crate::routes::{Route, is_plain};
pub use reader::Mistake;
use reader::{File, Section};

/// Paths that the gateway answers itself.
pub const HEALTHZ: &str = "/healthz";
/// The second of them.
pub const READYZ: &str = "/readyz";

/// The whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Worker threads; one for each core unless it is said.
    pub workers: Option<usize>,
    /// `[listen]`
    pub listen: Listen,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[drain]`
    pub drain: Drain,
    /// `[[pool]]`, each of them
    pub pools: Vec<Pool>,
    /// `[[route]]`, each of them; the pools are numbers of [`pools`](Self::pools)
    pub routes: Vec<Route>,
}

/// Where clients come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// HTTP and WebSocket.
    pub http: Option<SocketAddr>,
    /// Lines.
    pub lines: Option<SocketAddr>,
    /// The most clients of each at a time.
    pub connections: usize,
    /// `[listen.tls]`, where clients come in that speak TLS
    pub tls: Option<Tls>,
}

/// Where clients come in that speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// HTTP and WebSocket.
    pub http: Option<SocketAddr>,
    /// Lines.
    pub lines: Option<SocketAddr>,
    /// `[[listen.tls.certificate]]`, each of them; who asks for a name that none has gets the first
    pub certificates: Vec<Pair>,
}

/// What a client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// The longest line and the largest message, in bytes.
    pub line: usize,
    /// How long a client may be silent between two requests.
    pub idle: Duration,
    /// How many requests, lines and messages a client may send; as many as it likes unless it is said.
    pub rate: Option<Rate>,
    /// The most clients whose rates are remembered.
    pub clients: usize,
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A file to which a line is added for each request.
    pub access: Option<PathBuf>,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long newcomers are still served, and `/readyz` says no, before nobody is let in.
    pub announce: Duration,
    /// How long what is in work may take after that.
    pub within: Duration,
}

/// What a pool's backends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// A line is answered by a line.
    Lines,
}

/// Backends that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name in logs.
    pub name: String,
    /// What they speak.
    pub protocol: Protocol,
    /// Where they are.
    pub backends: Vec<SocketAddr>,
    /// The most connections to each.
    pub connections: usize,
    /// The most requests that wait for a connection to each.
    pub queue: usize,
    /// How long a backend may take to accept a connection.
    pub connect_within: Duration,
    /// How long a request may take, with all waiting.
    pub answer_within: Duration,
    /// The largest body of a response, or the longest line, in bytes.
    pub answer: usize,
    /// What is asked to find out whether a backend is back: a path, or a line. Without one it is enough
    /// that a backend that speaks lines accepts a connection.
    pub probe: Option<String>,
    /// When a backend is left alone.
    pub breaker: breaker::Settings,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            workers: None,
            listen: Listen { http: None, lines: None, connections: 10_000, tls: None },
            limits: Limits {
                body: 1 << 20,
                line: 8 << 10,
                idle: Duration::from_secs(60),
                rate: None,
                clients: 100_000,
            },
            log: Log { access: None },
            drain: Drain { announce: Duration::ZERO, within: Duration::from_secs(30) },
            pools: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Pool {
    /// One with nothing said about it but what must be.
    #[must_use]
    pub fn new(name: impl Into<String>, protocol: Protocol, backends: Vec<SocketAddr>) -> Pool {
        Pool {
            name: name.into(),
            protocol,
            backends,
            connections: 64,
            queue: 1024,
            connect_within: Duration::from_secs(1),
            answer_within: Duration::from_secs(30),
            answer: 8 << 20,
            probe: match protocol {
                Protocol::Http => Some("/".to_owned()),
                Protocol::Lines => None,
            },
            breaker: breaker::Settings::default(),
        }
    }
}

/// What is wrong with a file: at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub Vec<Mistake>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            let end = if at > 0 { "\n" } else { "" };
            write!(f, "{end}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Wrong {}

impl Config {
    /// Reads what a file says.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn read(text: &str) -> Result<Config, Wrong> {
        let file = File::new(text);
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let message = error.message().trim().replace('\n', "; ");
                file.mistake(error.span().unwrap_or_default(), "", format!("this is not TOML: {message}"));
                return Err(Wrong(file.mistakes()));
            }
        };
        let config = Config::of(Section::root(&file, table.get_ref()));
        let mistakes = file.mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(Wrong(mistakes)) }
    }

    fn of(file: Section<'_>) -> Config {
        let default = Config::default();
        let workers = file.number("workers", 1..=1024).map(|n| n as usize);
        let listen = Listen::of(file.section("listen"), default.listen);
        let limits = Limits::of(file.section("limits"), default.limits);
        let log = Log::of(file.section("log"));
        let drain = Drain::of(file.section("drain"), default.drain);
        let pools = pools(file.sections("pool"));
        let routes = routes(file.sections("route"), &pools);
        if !file.has("route") {
            file.mistake("route", "is missing; without a [[route]] nobody is served");
        }
        file.end();
        Config { workers, listen, limits, log, drain, pools, routes }
    }
}

impl Listen {
    fn of(section: Section<'_>, default: Listen) -> Listen {
        let tls = section.section("tls");
        let listen = Listen {
            http: section.address("http"),
            lines: section.address("lines"),
            connections: section
                .number("connections", 1..=1_000_000)
                .map_or(default.connections, |n| n as usize),
            tls: tls.exists().then(|| Tls::of(tls)),
        };
        if !section.has("http") && !section.has("lines") && !section.has("tls") {
            section.mistake(
                "http",
                "is missing; say where to listen: http = \"127.0.0.1:8080\", or lines, or both",
            );
        }
        section.end();
        listen
    }
}

impl Tls {
    fn of(section: Section<'_>) -> Tls {
        let tls = Tls {
            http: section.address("http"),
            lines: section.address("lines"),
            certificates: section.sections("certificate").into_iter().map(pair).collect(),
        };
        if !section.has("http") && !section.has("lines") {
            section.mistake(
                "http",
                "is missing; say where to listen: http = \"127.0.0.1:8443\", or lines, or both",
            );
        }
        if tls.certificates.is_empty() {
            section.mistake("certificate", "is missing; TLS needs a [[listen.tls.certificate]]");
        }
        section.end();
        tls
    }
}

fn pair(section: Section<'_>) -> Pair {
    let file = |key| PathBuf::from(section.required_text(key).unwrap_or_default());
    let pair = Pair { chain: file("chain"), key: file("key") };
    section.end();
    pair
}

impl Limits {
    fn of(section: Section<'_>, default: Limits) -> Limits {
        let per_second = section.number("requests_per_second", 1..=1_000_000);
        let burst = section.number("burst", 1..=1_000_000);
        if section.has("burst") && !section.has("requests_per_second") {
            section.mistake("burst", "is of no use without requests_per_second");
        }
        let rate = per_second
            .map(|per_second| Rate { per_second, burst: burst.unwrap_or(per_second.saturating_mul(2)) });
        let limits = Limits {
            body: section.size("body", 0..=1 << 30).unwrap_or(default.body),
            line: section.size("line", 16..=16 << 20).unwrap_or(default.line),
            idle: section.time("idle", Duration::from_millis(100)).unwrap_or(default.idle),
            rate,
            clients: section.number("clients", 2..=10_000_000).map_or(default.clients, |n| n as usize),
        };
        section.end();
        limits
    }
}

impl Log {
    fn of(section: Section<'_>) -> Log {
        let log = Log { access: section.text("access").map(PathBuf::from) };
        section.end();
        log
    }
}

impl Drain {
    fn of(section: Section<'_>, default: Drain) -> Drain {
        let drain = Drain {
            announce: section.time("announce", Duration::ZERO).unwrap_or(default.announce),
            within: section.time("within", Duration::from_millis(100)).unwrap_or(default.within),
        };
        section.end();
        drain
    }
}

fn pools(sections: Vec<Section<'_>>) -> Vec<Pool> {
    let mut pools = Vec::<Pool>::new();
    for section in sections {
        let name = section.required_text("name").unwrap_or_default();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) || name.len() > 64
        {
            let text = "it must be at most 64 letters, digits, dots, - and _";
            section.mistake("name", format!("{name:?} is not allowed here; {text}"));
        }
        if pools.iter().any(|pool| pool.name == name) {
            section.mistake("name", format!("there is a pool {name:?} already"));
        }
        let protocol = section.choice("protocol", &[("http", Protocol::Http), ("lines", Protocol::Lines)]);
        // What follows is looked at even if this is wrong.
        let protocol = protocol.unwrap_or(Protocol::Http);
        let default = Pool::new(name, protocol, section.addresses("backends"));
        let least = Duration::from_millis(1);
        let probe = section.text("probe").map(str::to_owned).or(default.probe);
        if let Some(probe) = &probe
            && !may_be_probe(probe, protocol)
        {
            let wanted = match protocol {
                Protocol::Http => "a path, which begins with a slash and has neither spaces nor .. in it",
                Protocol::Lines => "a line, without a line break in it",
            };
            section.mistake("probe", format!("{probe:?} is not allowed here; it must be {wanted}"));
        }
        pools.push(Pool {
            connections: section
                .number("connections", 1..=10_000)
                .map_or(default.connections, |n| n as usize),
            queue: section.number("queue", 0..=1_000_000).map_or(default.queue, |n| n as usize),
            connect_within: section.time("connect_within", least).unwrap_or(default.connect_within),
            answer_within: section.time("answer_within", least).unwrap_or(default.answer_within),
            answer: section.size("answer", 16..=1 << 30).unwrap_or(default.answer),
            probe,
            breaker: breaker(section.section("breaker"), default.breaker),
            ..Pool::new(name, protocol, default.backends)
        });
        section.end();
    }
    pools
}

fn may_be_probe(probe: &str, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Http => is_plain(probe) && probe.bytes().all(|byte| byte.is_ascii_graphic()),
        Protocol::Lines => !probe.contains(['\n', '\r', '\0']),
    }
}

fn breaker(section: Section<'_>, default: breaker::Settings) -> breaker::Settings {
    let least = Duration::from_millis(1);
    let open = section.time("open", least).unwrap_or(default.open);
    let settings = breaker::Settings {
        failures: section.number("failures", 1..=10_000).unwrap_or(default.failures),
        window: section.time("window", least).unwrap_or(default.window),
        open,
        open_at_most: section.time("open_at_most", least).unwrap_or(default.open_at_most.max(open)),
        probes: section.number("probes", 1..=100).unwrap_or(default.probes),
    };
    if settings.open_at_most < open {
        section.mistake("open_at_most", format!("{:?} is less than open, {open:?}", settings.open_at_most));
    }
    section.end();
    settings
}

fn routes(sections: Vec<Section<'_>>, pools: &[Pool]) -> Vec<Route> {
    let mut routes = Vec::new();
    for section in sections {
        let route = match (section.has("path"), section.has("lines")) {
            (true, false) => path_route(&section, pools),
            (false, true) => lines_route(&section, pools),
            _ => {
                section.mistake("path", "a route has either a path, for HTTP and WebSocket, or lines, the first word of a line or \"*\"");
                None
            }
        };
        let same = route.as_ref().is_some_and(|route| routes.iter().any(|other| is_same(route, other)));
        if same {
            section.mistake("pool", "there is a route for the same already");
        }
        // Where both were said, only that is to be told.
        if section.has("path") != section.has("lines") {
            section.end();
        }
        routes.extend(route);
    }
    routes
}

/// Whether two routes are for the same, wherever they lead.
fn is_same(one: &Route, other: &Route) -> bool {
    match (one, other) {
        (Route::Path { host: h1, path: p1, .. }, Route::Path { host: h2, path: p2, .. }) => {
            let lower = |host: &Option<String>| host.as_ref().map(|host| host.to_ascii_lowercase());
            lower(h1) == lower(h2) && p1 == p2
        }
        (Route::Lines { word: w1, .. }, Route::Lines { word: w2, .. }) => w1 == w2,
        _ => false,
    }
}

fn path_route(section: &Section<'_>, pools: &[Pool]) -> Option<Route> {
    let host = section.text("host").map(str::to_owned);
    let websocket = section.switch("websocket");
    let path = section.text("path");
    let pool = if websocket {
        pool(section, pools, Protocol::Lines, "a WebSocket talks to")
    } else {
        pool(section, pools, Protocol::Http, "requests go to")
    };
    let path = path?;
    let ends_well = path == "/" || !path.ends_with('/');
    if !is_plain(path) || !ends_well || path.contains(['?', '#', ' ']) {
        let text =
            "it must begin with a slash and not end with one, and have no query, no spaces and no .. in it";
        section.mistake("path", format!("{path:?} is not allowed here; {text}"));
    }
    if path == HEALTHZ || path == READYZ {
        section.mistake("path", format!("{path:?} is answered by the gateway itself"));
    }
    Some(Route::Path { host, path: path.to_owned(), websocket, pool: pool? })
}

fn lines_route(section: &Section<'_>, pools: &[Pool]) -> Option<Route> {
    let word = section.text("lines");
    let pool = pool(section, pools, Protocol::Lines, "lines go to");
    let word = word?;
    if word.contains(|c: char| c.is_ascii_whitespace()) {
        section.mistake(
            "lines",
            format!("{word:?} is not allowed here; it must be one word, or \"*\" for all others"),
        );
    }
    Some(Route::Lines { word: (word != "*").then(|| word.to_owned()), pool: pool? })
}

/// The pool of a route, which must speak the right protocol.
fn pool(section: &Section<'_>, pools: &[Pool], protocol: Protocol, who: &str) -> Option<usize> {
    let name = section.required_text("pool")?;
    let Some(at) = pools.iter().position(|pool| pool.name == name) else {
        let names: Vec<_> = pools.iter().map(|pool| format!("{:?}", pool.name)).collect();
        let there = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
        section.mistake("pool", format!("there is no pool {name:?}; those that there are: {there}"));
        return None;
    };
    if pools[at].protocol != protocol {
        let wanted = match protocol {
            Protocol::Http => "\"http\"",
            Protocol::Lines => "\"lines\"",
        };
        section
            .mistake("pool", format!("{who} a pool whose protocol is {wanted}, and that of {name:?} is not"));
    }
    Some(at)
}

#[cfg(test)]
mod tests;
