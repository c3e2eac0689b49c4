//! The service as a whole: what is started, in which order, and how it ends.
//!
//! ```text
//! root
//! ├── pools (supervisor)      see `backend`
//! ├── http (supervisor)       a listener's, with the acceptor and one client per connection
//! ├── lines (supervisor)      the same
//! ├── https (supervisor)      the same over TLS
//! └── tls-lines (supervisor)
//! ```
//!
//! # The end
//!
//! 1. `/readyz` says no, each response ends its connection, and newcomers are served, for as long as
//!    `drain.announce` says: so a load balancer has time to see it.
//! 2. Nobody else is let in. Clients with nothing in work are told and closed, those with something in work when
//!    they have their answers; WebSockets with code 1001. This takes at most `drain.within`.
//! 3. What is left is cut off: children stop in reverse order, so clients go before the pools.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::BuildError;
use actor_core::prelude::*;
use actor_net::{Conn, Connection, Listener, Options};
use service::stop::Causes;
use service::tls;

use crate::access::Access;
use crate::backend::Backends;
use crate::client::Gate;
use crate::client::http::HttpClient;
use crate::client::lines::LineClient;
use crate::config::{self, Config};

/// How long the end may take once clients have been told.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How many failures of pools themselves are borne within how much time.
const FAILURES: (u32, Duration) = (20, Duration::from_secs(10));

/// How often it is looked whether the last client has gone.
const LOOK: Duration = Duration::from_millis(10);

/// What a head may have beside the body of a request or response.
const HEADS: usize = 256 << 10;

/// A gateway that runs. Dropping it ends it, as [`shutdown`](Self::shutdown) does, but without
/// waiting for what is in work.
#[derive(Debug)]
pub struct Server {
    system: System,
    gate: Arc<Gate>,
    plain: Doors<actor_net::Server>,
    secure: Doors<actor_net::Server>,
    certificates: Option<tls::Files>,
}

/// Where clients come in, if they speak TLS or if they do not.
#[derive(Debug)]
struct Doors<T> {
    http: Option<T>,
    lines: Option<T>,
}

impl Server {
    /// Starts to serve.
    ///
    /// # Errors
    ///
    /// If it cannot listen, the certificates cannot be used, the access log cannot be opened, or the system gives it no
    /// threads.
    pub fn start(config: Config) -> Result<Server, StartError> {
        let plain = Doors::bind(config.listen.http, config.listen.lines)?;
        let (secure, certificates) = match &config.listen.tls {
            Some(tls) => {
                let files = tls::Files::read(tls.certificates.clone()).map_err(StartError::Tls)?;
                (Doors::bind(tls.http, tls.lines)?.secure(&files), Some(files))
            }
            None => (Doors { http: None, lines: None }, None),
        };
        let access = match &config.log.access {
            Some(path) => {
                Access::to_file(path).map_err(|error| StartError::Access { path: path.clone(), error })?
            }
            None => Access::none(),
        };
        let system = system(&config)?;
        let max_request = config.limits.body.max(config.limits.line) + HEADS;
        let (failures, window) = FAILURES;
        let supervisor = system.supervisor().name("pools").intensity(failures, window).spawn()?;
        let spawn = |pool: &config::Pool| Backends::spawn(pool.clone(), max_request, &supervisor);
        let pools = config.pools.iter().map(spawn).collect::<Result<_, _>>()?;
        let gate = Arc::new(Gate::new(config, pools, access));
        let plain = plain.open(&system, ["http", "lines"], &gate)?;
        let secure = secure.open(&system, ["https", "tls-lines"], &gate)?;
        Ok(Server { system, gate, plain, secure, certificates })
    }

    /// Looks at its files again: the access log is opened anew, and the certificates are read for connections from
    /// now on.
    ///
    /// # Errors
    ///
    /// [`StartError::Tls`] if the certificates cannot be used; then they are those that they were.
    pub fn reload(&self) -> Result<(), StartError> {
        self.gate.access.reopen();
        self.certificates.as_ref().map_or(Ok(()), tls::Files::reload).map_err(StartError::Tls)
    }

    /// Ends as the [module](self) says. Takes as long as that.
    pub fn shutdown(&self) -> Report {
        let (begun, drain) = (Instant::now(), &self.gate.config.drain);
        self.gate.announce();
        thread::sleep(drain.announce);
        let clients = self.gate.close();
        let limit = Instant::now() + drain.within;
        while self.gate.clients() > 0 && Instant::now() < limit {
            thread::sleep(LOOK);
        }
        let late = self.gate.clients();
        let system = self.system.shutdown();
        let logged = self.gate.access.flush(STOP_WITHIN);
        Report { clients, late, logged, took: begun.elapsed(), system }
    }
}

impl Doors<Listener> {
    fn bind(http: Option<SocketAddr>, lines: Option<SocketAddr>) -> Result<Doors<Listener>, StartError> {
        let bind = |address| Listener::bind(address).map_err(|error| StartError::Listen { address, error });
        Ok(Doors { http: http.map(bind).transpose()?, lines: lines.map(bind).transpose()? })
    }

    /// With TLS before what they speak.
    fn secure(self, files: &tls::Files) -> Doors<Listener> {
        Doors {
            http: self.http.map(|listener| listener.tls(&files.server().alpn(["http/1.1"]))),
            lines: self.lines.map(|listener| listener.tls(&files.server())),
        }
    }

    fn open(
        self,
        system: &System,
        [http, lines]: [&str; 2],
        gate: &Arc<Gate>,
    ) -> Result<Doors<actor_net::Server>, StartError> {
        let (for_http, for_lines) = (gate.clone(), gate.clone());
        let http = serve(system, http, self.http, gate, move |conn| HttpClient::new(conn, for_http.clone()))?;
        let lines =
            serve(system, lines, self.lines, gate, move |conn| LineClient::new(conn, for_lines.clone()))?;
        Ok(Doors { http, lines })
    }
}

fn system(config: &Config) -> Result<System, BuildError> {
    let builder = actor_net::builder().stop_within(STOP_WITHIN);
    match config.workers {
        Some(workers) => builder.workers(workers).build(),
        None => builder.build(),
    }
}

fn serve<C: Connection>(
    system: &System,
    name: &str,
    listener: Option<Listener>,
    gate: &Gate,
    make: impl Fn(Conn) -> C + Send + Sync + 'static,
) -> Result<Option<actor_net::Server>, StartError> {
    let Some(listener) = listener else { return Ok(None) };
    // Nothing is read from who does not read, so what waits is one answer, behind less than the watermark.
    let largest = gate.config.pools.iter().map(|pool| pool.answer).max().unwrap_or(0);
    let options = Options::new().cap(largest + HEADS);
    let listener = listener.name(name).max_connections(gate.config.listen.connections).options(options);
    listener.spawn(system, make).map(Some).map_err(StartError::Serve)
}

/// Serves until the process is told to end or the system ends on its own, and tells in the log and
/// on standard output what there is to know.
///
/// # Errors
///
/// Those of [`Server::start`], and [`StartError::Signals`].
pub fn run(config: Config) -> Result<Report, StartError> {
    let server = Server::start(config)?;
    let causes = Causes::watch(&server.system, true).map_err(StartError::Signals)?;
    greet(&server);
    causes.wait(|| match server.reload() {
        Ok(()) => tracing::info!("SIGHUP: the files are in use as they are now"),
        Err(error) => tracing::error!("SIGHUP: {error}; the old certificates stay in use"),
    });
    let report = server.shutdown();
    tracing::info!(%report, "ended");
    Ok(report)
}

/// Says where it serves. Not a matter of the log, which may be switched off.
fn greet(server: &Server) {
    use io::Write;
    let mut text = String::new();
    let Server { plain, secure, .. } = server;
    let doors = [
        ("HTTP", &plain.http),
        ("lines", &plain.lines),
        ("HTTPS", &secure.http),
        ("lines over TLS", &secure.lines),
    ];
    for (what, door) in doors {
        if let Some(door) = door {
            text += &format!("gateway serves {what} at {}\n", door.local_addr());
        }
    }
    text += "Ctrl-C ends it when what is in work is done.\n";
    // Nobody may be there to read it; the service goes on.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// How it has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many clients there were when nobody else was let in.
    pub clients: usize,
    /// How many of them had not ended in time, and were cut off.
    pub late: usize,
    /// Whether the access log has all its lines.
    pub logged: bool,
    /// How long the end took.
    pub took: Duration,
    /// How the actors have ended.
    pub system: actor_core::Report,
}

impl Report {
    /// Whether it was asked to end, and nobody was cut off.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.late == 0 && self.logged && self.system.is_clean() && self.system.reason.is_normal()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { clients, late, logged, took, system } = self;
        write!(f, "{clients} clients drained in {took:.1?}, {late} cut off")?;
        if !logged {
            f.write_str("; the access log is not whole")?;
        }
        write!(f, "; {system}")
    }
}

/// Why it could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot listen.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Certificates cannot be used.
    Tls(tls::Error),
    /// The access log cannot be opened.
    Access {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A listener could not be served.
    Serve(io::Error),
    /// Signals cannot be watched.
    Signals(io::Error),
    /// The system could not be built.
    Build(BuildError),
    /// The pools could not be started.
    Spawn(SpawnError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { address, error } => {
                write!(f, "cannot listen at {address}: {error}; listen in the configuration says where")
            }
            StartError::Tls(error) => {
                write!(f, "{error}; listen.tls.certificate in the configuration says where they are")
            }
            StartError::Access { path, error } => {
                let path = path.display();
                write!(f, "cannot write to {path}: {error}; log.access in the configuration says where")
            }
            StartError::Serve(error) => write!(f, "cannot serve: {error}"),
            StartError::Signals(error) => write!(f, "cannot watch for signals: {error}"),
            StartError::Build(error) => write!(f, "cannot start the system: {error}"),
            StartError::Spawn(error) => write!(f, "cannot start the pools: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { error, .. }
            | StartError::Access { error, .. }
            | StartError::Serve(error)
            | StartError::Signals(error) => Some(error),
            StartError::Tls(error) => Some(error),
            StartError::Build(error) => Some(error),
            StartError::Spawn(error) => Some(error),
        }
    }
}

impl From<BuildError> for StartError {
    fn from(error: BuildError) -> StartError {
        StartError::Build(error)
    }
}

impl From<SpawnError> for StartError {
    fn from(error: SpawnError) -> StartError {
        StartError::Spawn(error)
    }
}
