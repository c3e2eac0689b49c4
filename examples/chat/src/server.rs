//! The service as a whole: what is started, in which order, and how it ends.
//!
//! ```text
//! root
//! ├── rooms (supervisor)      each room is restarted on its own; too many restarts close them all
//! │   └── #lobby, ...
//! ├── hall
//! ├── sessions (supervisor)   the listener's, with the acceptor and one session per connection
//! └── web (supervisor)        the same for browsers
//! ```
//!
//! Children stop in reverse order: first nobody new comes in, then everybody is told goodbye, then
//! the hall and the rooms go.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{BuildError, SupervisorRef};
use actor_net::Listener;
use service::stop::Causes;
use service::tls;

use crate::hall::{Hall, HallRef};
use crate::options::Options;
use crate::session::Session;
use crate::transport::Transport;

/// How many failures of rooms are borne within how much time.
const ROOM_FAILURES: (u32, Duration) = (20, Duration::from_secs(10));

/// What all connections have: who has vanished without a word is noticed within two minutes.
const CONNECTION: actor_net::Options =
    actor_net::Options::new().keepalive(Duration::from_secs(60), Duration::from_secs(15), 4);

/// The service in a system, which may be one that has other things in it, or is simulated. It ends with the system.
#[derive(Debug)]
pub struct Service {
    sessions: actor_net::Server,
    web: actor_net::Server,
    /// Of those listeners that have it.
    tls: [Option<tls::Files>; 2],
    hall: HallRef,
    rooms: SupervisorRef,
    stop_within: Duration,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    /// If it cannot listen at its addresses, or cannot use its certificates.
    pub fn start(system: &SystemHandle, options: Options) -> Result<Service, StartError> {
        let (sessions, web) = (bind("--listen", &options.listen)?, bind("--web", &options.web)?);
        let (sessions, tcp_tls) = secure(sessions, "--tls", &options.tls, &[])?;
        let (web, web_tls) = secure(web, "--web-tls", &options.web_tls, &["http/1.1"])?;
        let (stop_within, options) = (options.stop_within, Arc::new(options));
        let (failures, window) = ROOM_FAILURES;
        let rooms = system.supervisor().name("rooms").dynamic().intensity(failures, window).spawn()?;
        let hall = {
            let (state, rooms, options) = (Arc::default(), rooms.clone(), options.clone());
            let hall = move || Hall::new(Arc::clone(&state), rooms.clone(), options.clone());
            system.actor(hall).name("hall").spawn()?
        };
        let serve = |listener: Listener, name: &str, transport| {
            let listener = listener
                .name(name)
                .max_connections(options.max_connections as usize)
                .options(CONNECTION.cap(options.write_cap as usize));
            let (hall, options) = (hall.clone(), options.clone());
            let session = move |conn| Session::new(conn, transport, hall.clone(), options.clone());
            listener.spawn(system, session).map_err(StartError::Serve)
        };
        let sessions = serve(sessions, "sessions", Transport::Tcp)?;
        let web = serve(web, "web", Transport::Http)?;
        Ok(Service { sessions, web, tls: [tcp_tls, web_tls], hall, rooms, stop_within })
    }

    /// Where it listens for TCP.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.sessions.local_addr()
    }

    /// Where it serves the page and its WebSocket.
    #[must_use]
    pub fn web_addr(&self) -> SocketAddr {
        self.web.local_addr()
    }

    /// Reads the certificates again, for connections from now on.
    ///
    /// # Errors
    /// [`StartError::Tls`] if there is something wrong with a listener's files; then it has what it had.
    pub fn reload(&self) -> Result<(), StartError> {
        // Those of the one are none of the other's fault.
        let [tcp, web] = self.tls.each_ref().map(|tls| tls.as_ref().map_or(Ok(()), tls::Files::reload));
        tcp.map_err(wrong("--tls")).and(web.map_err(wrong("--web-tls")))
    }

    /// How many connections there are, those that fetch the page among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.sessions.connections() + self.web.connections()
    }

    /// Who knows all people and rooms.
    #[must_use]
    pub fn hall(&self) -> &HallRef {
        &self.hall
    }

    /// The supervisor of the rooms.
    #[must_use]
    pub fn rooms(&self) -> &SupervisorRef {
        &self.rooms
    }
}

/// The service in a system of its own. Dropping it ends both, as [`shutdown`](Self::shutdown) does. All else is done through the
/// [`Service`] that it dereferences to.
#[derive(Debug)]
pub struct Server {
    system: System,
    service: Service,
}

impl Deref for Server {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Server {
    /// Starts the service.
    ///
    /// # Errors
    /// If it cannot listen at its addresses, cannot use its certificates, or the system gives it no threads.
    pub fn start(options: Options) -> Result<Server, StartError> {
        let system = system(&options)?;
        let service = Service::start(&system, options)?;
        Ok(Server { system, service })
    }

    /// The system that all of it runs in.
    #[must_use]
    pub fn system(&self) -> &SystemHandle {
        &self.system
    }

    /// Lets nobody in any more, obeys what has been said, tells everybody goodbye and ends.
    pub fn shutdown(&self) -> Report {
        let begun = Instant::now();
        // Both at once: each may take as long as there is.
        let (tcp, web) = thread::scope(|scope| {
            let tcp = scope.spawn(|| self.sessions.drain(self.stop_within));
            let web = self.web.drain(self.stop_within);
            (tcp.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), web)
        });
        let system = self.system.shutdown();
        let (connections, late) = (tcp.open + web.open, tcp.late + web.late);
        Report { connections, late, took: begun.elapsed(), system }
    }
}

/// Serves until the process is told to end or the system ends on its own, and tells in the log and
/// on standard output what there is to know.
///
/// # Errors
/// Those of [`Server::start`], and [`StartError::Signals`].
pub fn run(options: Options) -> Result<Report, StartError> {
    let server = Server::start(options)?;
    let reloads = server.tls.iter().any(Option::is_some);
    let causes = Causes::watch(server.system(), reloads).map_err(StartError::Signals)?;
    greet(&server);
    causes.wait(|| reload(&server));
    let report = server.shutdown();
    tracing::info!(%report, "ended");
    Ok(report)
}

fn reload(server: &Server) {
    match server.reload() {
        Ok(()) => tracing::info!("SIGHUP: the certificates were read again"),
        Err(error) => tracing::error!("SIGHUP: {error}; the old certificate stays in use"),
    }
}

fn bind(option: &'static str, addr: &str) -> Result<Listener, StartError> {
    Listener::bind(addr).map_err(|error| StartError::Listen { option, addr: addr.to_owned(), error })
}

/// Has a listener speak TLS with the certificate and key that `option` was given, and the protocols of `alpn`.
/// Without files it stays as it is.
fn secure(
    listener: Listener,
    option: &'static str,
    files: &[PathBuf],
    alpn: &[&str],
) -> Result<(Listener, Option<tls::Files>), StartError> {
    let pairs = files.chunks_exact(2).map(|pair| tls::Pair { chain: pair[0].clone(), key: pair[1].clone() });
    if files.is_empty() {
        return Ok((listener, None));
    }
    let files = tls::Files::read(pairs.collect()).map_err(wrong(option))?;
    Ok((listener.tls(&files.server().alpn(alpn.iter().copied())), Some(files)))
}

fn wrong(option: &'static str) -> impl FnOnce(tls::Error) -> StartError {
    move |error| StartError::Tls { option, error }
}

fn system(options: &Options) -> Result<System, BuildError> {
    let builder = actor_net::builder().stop_within(options.stop_within);
    match options.workers {
        Some(workers) => builder.workers(workers as usize).build(),
        None => builder.build(),
    }
}

/// Says how to connect. Not a matter of the log, which may be switched off.
fn greet(server: &Server) {
    use io::Write;
    let addr = server.local_addr();
    let [tcp_tls, web_tls] = server.tls.each_ref().map(Option::is_some);
    let how = if tcp_tls {
        format!("openssl s_client -quiet -connect {}", reachable(addr))
    } else {
        format!("nc {} {}", host(addr.ip()), addr.port())
    };
    let scheme = if web_tls { "https" } else { "http" };
    let site = reachable(server.web_addr());
    // Nobody may be there to read it; the service goes on.
    let _ = writeln!(
        io::stdout(),
        "chat serves at {addr}. To connect: {how}\n\
         Then take a name with /nick NAME and enter a room with /join ROOM. Ctrl-C ends the service.\n\
         Or with a browser: {scheme}://{site}/"
    );
}

/// Where something that listens at this address can be reached from here.
fn reachable(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("localhost:{}", addr.port()) } else { addr.to_string() }
}

fn host(ip: IpAddr) -> String {
    if ip.is_unspecified() { "localhost".to_owned() } else { ip.to_string() }
}

/// How the service has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How many connections there were.
    pub connections: usize,
    /// How many of them did not end in time and were cut off.
    pub late: usize,
    /// How long the end took.
    pub took: Duration,
    /// How the actors have ended.
    pub system: actor_core::Report,
}

impl Report {
    /// Whether it was asked to end, and everything has in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.late == 0 && self.system.is_clean() && self.system.reason.is_normal()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { connections, late, took, system } = self;
        write!(f, "{system}; {connections} connections closed in {:.1} s", took.as_secs_f64())?;
        if *late > 0 { write!(f, ", {late} of them cut off") } else { Ok(()) }
    }
}

/// Why the service does not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// It cannot listen.
    Listen {
        /// What takes another address.
        option: &'static str,
        /// Where.
        addr: String,
        /// Why not.
        error: io::Error,
    },
    /// It cannot use a certificate.
    Tls {
        /// What takes other files.
        option: &'static str,
        /// Which, and why not.
        error: tls::Error,
    },
    /// The listener could not be handed to the system.
    Serve(io::Error),
    /// The system could not be built.
    Build(BuildError),
    /// An actor could not be spawned.
    Spawn(SpawnError),
    /// The signals that end it could not be awaited.
    Signals(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { option, addr, error } => {
                write!(f, "cannot listen at {addr}: {error}; {option} takes another HOST:PORT")
            }
            StartError::Tls { option, error } => write!(f, "{error}; {option} takes two PEM files"),
            StartError::Serve(error) => write!(f, "cannot accept connections: {error}"),
            StartError::Build(error) => error.fmt(f),
            StartError::Spawn(error) => error.fmt(f),
            StartError::Signals(error) => write!(f, "cannot wait for signals: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { error, .. } | StartError::Serve(error) | StartError::Signals(error) => {
                Some(error)
            }
            StartError::Tls { error, .. } => Some(error),
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
