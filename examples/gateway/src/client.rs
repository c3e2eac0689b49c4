//! Clients: what those of all protocols have in common.

pub mod http;
pub mod lines;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actor_core::ActorId;
use actor_net::Conn;

use crate::access::{Access, Entry, Outcome};
use crate::backend::{Answer, Answered, Backends, Failure, Request};
use crate::config::Config;
use crate::limits::Limits;
use crate::routes::{PoolId, Routes};
use http::HttpClientRef;
use lines::LineClientRef;

/// How long a client that has nothing in work is still listened to when the gateway drains: what it has
/// sent by then is on its way, and is answered.
pub const LAST_WORDS: Duration = Duration::from_millis(250);

/// Where a client is.
///
/// # Panics
///
/// If it has come through a Unix socket; the gateway listens at addresses only.
fn address_of(conn: &Conn) -> SocketAddr {
    conn.peer_addr().socket_addr().expect("the gateway listens at addresses only")
}

/// What all clients share.
#[derive(Debug)]
pub struct Gate {
    /// How all of it is configured.
    pub config: Config,
    /// Which pool is for what.
    pub routes: Routes,
    /// The pools, in the order of the configuration.
    pub pools: Vec<Backends>,
    /// Who has asked how often, if that is limited.
    limits: Option<Mutex<Limits>>,
    /// The log of requests.
    pub access: Access,
    /// No more than what is in work is to be done.
    draining: AtomicBool,
    present: Mutex<Present>,
}

/// The clients that are there.
#[derive(Debug, Default)]
struct Present {
    http: HashMap<ActorId, HttpClientRef>,
    lines: HashMap<ActorId, LineClientRef>,
    /// Nobody else is let in.
    closed: bool,
}

impl Gate {
    /// For these pools, with nobody there.
    #[must_use]
    pub fn new(config: Config, pools: Vec<Backends>, access: Access) -> Gate {
        let routes = Routes::new(config.routes.iter().cloned());
        let limits = config.limits.rate.map(|rate| Mutex::new(Limits::new(rate, config.limits.clients)));
        let draining = AtomicBool::new(false);
        Gate { config, routes, pools, limits, access, draining, present: Mutex::default() }
    }

    /// Takes a token out of a client's bucket.
    ///
    /// # Errors
    ///
    /// If there is none: how long it takes until there is.
    pub fn admit(&self, client: IpAddr) -> Result<(), Duration> {
        let Some(limits) = &self.limits else { return Ok(()) };
        lock(limits).take(client, Instant::now())
    }

    /// Whether clients are to end when they have their answers.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        // Relaxed: who misses it is told by a message.
        self.draining.load(Ordering::Relaxed)
    }

    /// Has `/readyz` say no, and each connection end with the next answer.
    pub fn announce(&self) {
        // Relaxed: see above.
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Lets nobody else in, and tells those that are there to end when they have nothing in work. Says how many
    /// there are.
    pub fn close(&self) -> usize {
        self.announce();
        let (http, lines): (Vec<_>, Vec<_>) = {
            let mut present = lock(&self.present);
            present.closed = true;
            (present.http.values().cloned().collect(), present.lines.values().cloned().collect())
        };
        for client in &http {
            // One whose mailbox is full has something in work, and sees the flag when that is done.
            let _ = client.drain().tell();
        }
        for client in &lines {
            let _ = client.drain().tell();
        }
        http.len() + lines.len()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        let present = lock(&self.present);
        present.http.len() + present.lines.len()
    }

    /// A client has come. False if nobody is let in any more.
    fn enter(&self, add: impl FnOnce(&mut Present)) -> bool {
        let mut present = lock(&self.present);
        if !present.closed {
            add(&mut present);
        }
        !present.closed
    }

    /// A client has ended.
    fn leave(&self, client: ActorId) {
        let mut present = lock(&self.present);
        let gone = (present.http.remove(&client), present.lines.remove(&client));
        drop(present);
        drop(gone);
    }

    /// Has a line answered, and gives the line that the client gets: the backend's, or `! STATUS TEXT`.
    async fn answer_line(&self, entry: &Entry, pool: Option<PoolId>, line: &str, client: IpAddr) -> String {
        let backends = pool.and_then(|pool| self.pools.get(pool));
        let mut outcome =
            Outcome { status: 200, bytes: 0, pool: backends.map(Backends::name), backend: None };
        let answered = match (self.admit(client), backends) {
            (Err(wait), _) => Err((429, format!("too many lines; wait for {wait:?}"))),
            (_, None) => Err((404, "there is no route for this".to_owned())),
            (_, Some(backends)) => match backends.ask(Request::Line(line.to_owned())).await {
                Ok(Answered { answer: Answer::Line(line), by }) => {
                    outcome.backend = Some(by);
                    Ok(line)
                }
                Ok(_) => Err((502, "the backend speaks another language".to_owned())),
                Err(failure) => {
                    tell_of(&failure, backends.name());
                    Err((failure.status(), failure.to_string()))
                }
            },
        };
        let answer = answered.unwrap_or_else(|(status, text)| {
            outcome.status = status;
            format!("! {status} {text}")
        });
        outcome.bytes = answer.len();
        self.access.log(entry, &outcome);
        answer
    }
}

/// What the log says of a failure beyond what the client is told.
fn tell_of(failure: &Failure, pool: &str) {
    if let Failure::Broken(why) = failure {
        tracing::warn!(pool, why, "a request has failed: {failure}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
