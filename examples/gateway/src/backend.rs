//! Backends: pools of them, under supervision.
//!
//! ```text
//! pools (supervisor)
//! ├── NAME ADDRESS            the connections to a backend, and what waits for one: actor-net's Pool
//! └── NAME ADDRESS prober     finds out whether it is back
//! ```
//!
//! Who asks picks a backend (`balance`) and awaits its answer. What was not sent goes to another backend. What
//! was, and is safe, is asked once more if the connection broke off; all else has failed, and the backend's
//! breaker is told.

mod balance;
mod prober;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Backoff, Message, SupervisorRef};
use actor_net::http::{self, ClientRequest, ClientResponse};
use actor_net::{Backend, CloseReason, HttpExchange, LineExchange, Lines, Options, PoolError, PoolRef};

use crate::breaker::Change;
use crate::config::{self, Protocol};
use balance::Balance;
use prober::{Prober, ProberRef};

/// How long a probe may take at most.
const PROBE: Duration = Duration::from_secs(5);

/// The longest head of a response.
const HEAD: usize = 64 << 10;

/// What is to be asked of a backend.
#[derive(Clone, Debug)]
pub enum Request {
    /// A request, and whether it can be made again when nobody knows if it was heard.
    Http(ClientRequest, bool),
    /// A line, without its end.
    Line(String),
}

/// What was answered.
#[derive(Debug)]
pub enum Answer {
    /// To a request.
    Http(ClientResponse),
    /// To a line.
    Line(String),
}

/// An answer, and whose it is.
#[derive(Debug)]
pub struct Answered {
    /// What was answered.
    pub answer: Answer,
    /// Which backend it was.
    pub by: SocketAddr,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The backend that had the request has broken off, or none could be reached.
    Broken(String),
    /// There was no answer in time.
    TimedOut,
    /// All breakers are open; the first probe is due after this time.
    Unavailable(Duration),
    /// As many requests wait as may.
    Busy,
}

impl Failure {
    /// The status that a client is told.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Failure::Broken(_) => 502,
            Failure::Unavailable(_) | Failure::Busy => 503,
            Failure::TimedOut => 504,
        }
    }

    /// In how many seconds a client may try again, where it makes sense to say so.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Failure::Unavailable(after) => Some(after.as_secs() + 1),
            Failure::Busy => Some(1),
            Failure::Broken(_) | Failure::TimedOut => None,
        }
    }
}

/// What a client is told, which is less than what the log is.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Broken(_) => "the backend broke off",
            Failure::TimedOut => "the backend did not answer in time",
            Failure::Unavailable(_) => "no backend is available",
            Failure::Busy => "too many requests wait for a backend",
        })
    }
}

impl std::error::Error for Failure {}

/// How a backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it gets requests.
    pub available: bool,
    /// What its breaker is.
    pub breaker: &'static str,
    /// How many requests are on their way.
    pub busy: usize,
}

/// A pool of backends, for those who ask them. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Backends(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: config::Pool,
    members: Vec<Member>,
    balance: Mutex<Balance>,
}

/// One backend.
#[derive(Debug)]
struct Member {
    address: SocketAddr,
    connections: Connections,
    /// Set before anybody asks.
    prober: OnceLock<ProberRef>,
}

#[derive(Debug)]
enum Connections {
    Http(PoolRef<HttpExchange>),
    Lines(PoolRef<LineExchange>),
}

/// What has become of a request at a backend.
enum Outcome {
    Answer(Answer),
    /// It was not sent.
    Unsent(String),
    /// It was, perhaps, and is not known to have been heard.
    Broken(String),
    /// There is something wrong with the answer, or the request.
    Wrong(String),
    TimedOut,
    Busy,
}

impl Backends {
    /// Starts what there is to a pool under `supervisor`. Nothing is connected before somebody asks. Requests
    /// have at most `max_request` bytes.
    ///
    /// # Errors
    ///
    /// If the system takes no more actors.
    pub fn spawn(
        settings: config::Pool,
        max_request: usize,
        supervisor: &SupervisorRef,
    ) -> Result<Backends, SpawnError> {
        let member = |address: &SocketAddr| {
            let connections = connect(&settings, *address, max_request, supervisor)?;
            Ok(Member { address: *address, connections, prober: OnceLock::new() })
        };
        let members = settings.backends.iter().map(member).collect::<Result<Vec<_>, SpawnError>>()?;
        let balance = Mutex::new(Balance::new(members.len(), settings.breaker));
        let shared = Arc::new(Shared { settings, members, balance });
        for (at, member) in shared.members.iter().enumerate() {
            let pool = Arc::downgrade(&shared);
            let prober = supervisor.actor(move || Prober::new(pool.clone(), at)).restart(Restart::Permanent);
            let name = format!("{} {} prober", shared.settings.name, member.address);
            let prober = prober.name(name).spawn()?;
            member.prober.get_or_init(|| prober);
        }
        Ok(Backends(shared))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// Asks a backend, another if it was not sent to the first, and waits for as long as the pool's settings
    /// allow.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn ask(&self, request: Request) -> Result<Answered, Failure> {
        let pool = &*self.0;
        let end = Instant::now() + pool.settings.answer_within;
        let mut again = matches!(request, Request::Http(_, true));
        let (mut tried, mut reached) = (Vec::new(), true);
        loop {
            let Some(place) = pool.pick(&tried) else {
                let nobody = "no backend could be reached".to_owned();
                return Err(if reached { pool.unavailable() } else { Failure::Broken(nobody) });
            };
            let left = end.saturating_duration_since(Instant::now());
            let failure = match pool.members[place.at].ask(request.clone(), left).await {
                Outcome::Answer(answer) => {
                    return Ok(Answered { answer, by: pool.members[place.at].address });
                }
                Outcome::Busy => return Err(Failure::Busy),
                Outcome::Unsent(why) => {
                    pool.failed(place.at, &why);
                    tried.push(place.at);
                    reached = false;
                    continue;
                }
                // RFC 9112 section 9.3.1: a backend may close a connection between two requests, while the
                // second is on its way.
                Outcome::Broken(_) if std::mem::take(&mut again) => continue,
                Outcome::Broken(why) | Outcome::Wrong(why) => Failure::Broken(why),
                Outcome::TimedOut => Failure::TimedOut,
            };
            let why = if let Failure::Broken(why) = &failure { why } else { "it did not answer in time" };
            pool.failed(place.at, why);
            return Err(failure);
        }
    }

    /// How its backends are, in the order of the configuration.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        let balance = self.0.lock();
        let with_address = self.0.settings.backends.iter().zip(balance.standing());
        let standing = |(address, (available, breaker, busy)): (&SocketAddr, _)| Standing {
            address: *address,
            available,
            breaker,
            busy,
        };
        with_address.map(standing).collect()
    }
}

/// The connections to one backend.
fn connect(
    settings: &config::Pool,
    address: SocketAddr,
    max_request: usize,
    supervisor: &SupervisorRef,
) -> Result<Connections, SpawnError> {
    // A connection that has failed is to be tried before the next probe is.
    let open = settings.breaker.open;
    let backend = Backend::at(address)
        .connections(settings.connections)
        .waiting(settings.queue)
        .connect_within(settings.connect_within)
        .answer_within(settings.answer_within)
        .backoff(Backoff::new(open.min(Duration::from_millis(50)), open))
        .options(Options::new().cap(max_request))
        .name(format!("{} {address}", settings.name))
        .under(supervisor);
    let (system, answer) = (supervisor.system(), settings.answer);
    Ok(match settings.protocol {
        Protocol::Http => {
            let exchange = move || HttpExchange::new(http::Client::new(answer).max_head(HEAD));
            Connections::Http(backend.spawn(system, exchange)?)
        }
        Protocol::Lines => {
            let exchange = move || LineExchange::new(Lines::new(answer));
            Connections::Lines(backend.spawn(system, exchange)?)
        }
    })
}

/// A request on its way to a backend, which counts there until this is dropped.
struct Place<'a> {
    pool: &'a Shared,
    at: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.lock().done(self.at);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Balance> {
        // Nothing in here panics half-way through a change.
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick(&self, tried: &[usize]) -> Option<Place<'_>> {
        let at = self.lock().pick(tried)?;
        Some(Place { pool: self, at })
    }

    fn unavailable(&self) -> Failure {
        let due = self.lock().due();
        Failure::Unavailable(due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now())))
    }

    /// Tells a backend's breaker of a failure.
    fn failed(&self, at: usize, why: &str) {
        let change = self.lock().failed(at, Instant::now());
        self.changed(at, change, why);
    }

    /// Whether a probe is to be sent now.
    fn may_probe(&self, at: usize) -> bool {
        let may = self.lock().breaker(at).probe(Instant::now());
        if may {
            let (pool, address) = (&self.settings.name, self.members[at].address);
            tracing::info!(pool, %address, "the breaker is half open: probing the backend");
        }
        may
    }

    /// Sends a probe. Says whether the backend is well, and if not, why.
    async fn probe(&self, at: usize) -> (bool, String) {
        let Member { address, connections, .. } = &self.members[at];
        let within = PROBE.min(self.settings.answer_within);
        let request = match (connections, self.settings.probe.as_deref()) {
            (Connections::Http(_), path) => {
                let request = ClientRequest::new("GET", &address.to_string(), path.unwrap_or("/"));
                Request::Http(request.header("User-Agent", "gateway"), false)
            }
            (Connections::Lines(_), Some(line)) => Request::Line(line.to_owned()),
            // The pool connects by itself, again and again.
            (Connections::Lines(lines), None) => {
                let down = lines.health().within(within).await.map(|state| state.down);
                return match down {
                    Ok(None) => (true, String::new()),
                    Ok(Some(why)) => (false, why.to_string()),
                    Err(error) => (false, error.to_string()),
                };
            }
        };
        match self.members[at].ask(request, within).await {
            Outcome::Answer(Answer::Http(response)) if response.status() >= 500 => {
                (false, format!("it answers with status {}", response.status()))
            }
            Outcome::Answer(_) => (true, String::new()),
            Outcome::Unsent(why) | Outcome::Broken(why) | Outcome::Wrong(why) => (false, why),
            Outcome::TimedOut => (false, "it did not answer in time".to_owned()),
            Outcome::Busy => (false, "too many requests wait".to_owned()),
        }
    }

    /// A probe was answered, or not.
    fn probed(&self, at: usize, well: bool, why: String) {
        let change = self.lock().breaker(at).probed(well, Instant::now());
        self.changed(at, change, &why);
    }

    fn changed(&self, at: usize, change: Option<Change>, why: &str) {
        let (pool, address) = (&self.settings.name, self.members[at].address);
        match change {
            Some(Change::Opened(time)) => {
                tracing::warn!(pool, %address, why, probe_in = ?time, "the breaker is open: the backend gets no requests");
                if let Some(prober) = self.members[at].prober.get() {
                    // It cannot be full of these, and when it starts it looks by itself.
                    let _ = prober.opened().tell();
                }
            }
            Some(Change::Closed) => {
                tracing::info!(pool, %address, "the breaker is closed: the backend is back");
            }
            None => {}
        }
    }
}

impl Member {
    async fn ask(&self, request: Request, within: Duration) -> Outcome {
        match (&self.connections, request) {
            (Connections::Http(pool), Request::Http(request, _)) => {
                outcome(pool.exchange(request).within(within).await, Answer::Http)
            }
            (Connections::Lines(pool), Request::Line(line)) => {
                outcome(pool.exchange(line).within(within).await, Answer::Line)
            }
            // Routes lead to pools that speak the right protocol.
            _ => Outcome::Wrong("the backend speaks another language".to_owned()),
        }
    }
}

fn outcome<T, M>(answered: Result<T, AskError<M>>, wrap: impl FnOnce(T) -> Answer) -> Outcome
where
    M: Message<Error = PoolError>,
{
    match answered {
        Ok(answer) => Outcome::Answer(wrap(answer)),
        Err(AskError::Failed(error)) => match error {
            PoolError::Down { why } => Outcome::Unsent(why.to_string()),
            PoolError::Full { .. } => Outcome::Busy,
            PoolError::Lost { why: CloseReason::TimedOut } => Outcome::TimedOut,
            PoolError::Lost { why: why @ (CloseReason::Eof | CloseReason::Reset) } => {
                Outcome::Broken(why.to_string())
            }
            PoolError::Lost { why: CloseReason::Protocol(error) } => Outcome::Wrong(error),
            error => Outcome::Wrong(error.to_string()),
        },
        Err(AskError::TimedOut) => Outcome::TimedOut,
        Err(AskError::Full(_)) => Outcome::Busy,
        Err(AskError::Closed(_)) => Outcome::Unsent("its connections are gone".to_owned()),
        // The pool has failed, or the connection just when the request came there.
        Err(_) => Outcome::Broken("the connection ended before the answer".to_owned()),
    }
}
