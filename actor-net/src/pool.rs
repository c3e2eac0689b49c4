//! Pools: several connections to one backend, for those who have requests and want responses.
//!
//! ```text
//! who asks ──exchange──▶ Pool ──job──▶ Link (a client connection) ──▶ the backend
//!    ▲                    ▲  news: free, ended │
//!    └──── response ──────┴────────────────────┘
//! ```
//!
//! Requests wait with the pool, not with a connection, so none waits behind a slow one while another
//! connection is free. What becomes of connections is decided by a function of events
//! (`pool/slots.rs`).

mod exchange;
mod link;
mod news;
mod slots;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actor_core::port::say;
use actor_core::prelude::*;
use actor_core::{Backoff, Restart, SpawnError, SupervisorRef, SystemHandle};
use tracing::Level;

use crate::client::Client;
use crate::connection::CloseReason;
use crate::options::Options;
use crate::stream::Peer;
use link::{Job, Link, LinkRef};
use news::{Event, Inbox, Reporter};
use slots::{Slots, Then};

pub use exchange::{Exchange, HttpExchange, LineExchange, Received};
pub use slots::Choice;

/// A backend, and how a pool is to use it. Nothing is connected before there is a request.
///
/// ```no_run
/// use std::net::SocketAddr;
/// use std::time::Duration;
///
/// use actor_core::prelude::*;
/// use actor_net::http::{self, ClientRequest};
/// use actor_net::{Backend, HttpExchange};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let system = actor_net::builder().build()?;
/// let backend = Backend::at("127.0.0.1:8080".parse::<SocketAddr>()?).connections(16).waiting(1000);
/// let pool = backend.spawn(&system, || HttpExchange::new(http::Client::new(1 << 20)))?;
///
/// let request = ClientRequest::new("GET", "example.org", "/");
/// let response = pool.exchange(request).within(Duration::from_secs(5)).await?;
/// println!("{}", response.status());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "there is no pool until it is spawned"]
pub struct Backend {
    addr: Peer,
    settings: Settings,
    name: Option<String>,
    under: Option<SupervisorRef>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    options: Options,
    connections: usize,
    in_flight: usize,
    waiting: usize,
    choice: Choice,
    backoff: Backoff,
    queue_while_down: bool,
    connect_within: Duration,
    answer_within: Duration,
}

impl Backend {
    /// A backend at this address or [path](Peer::path): at most 8 connections with one request under way on each, 100 requests that
    /// wait, none while it is down; 5 s to connect, 30 s to answer.
    pub fn at(addr: impl Into<Peer>) -> Backend {
        let addr = addr.into();
        let settings = Settings {
            options: Options::new(),
            connections: 8,
            in_flight: 1,
            waiting: 100,
            choice: Choice::LeastLoaded,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(5)),
            queue_while_down: false,
            connect_within: Duration::from_secs(5),
            answer_within: Duration::from_secs(30),
        };
        Backend { addr, settings, name: None, under: None }
    }

    /// The most connections, at least 1. One more is made when requests wait and all others are busy.
    pub fn connections(mut self, most: usize) -> Backend {
        self.settings.connections = most.max(1);
        self
    }

    /// The most requests under way on one connection, at least 1. More than that only for backends that
    /// answer in order what comes one behind the other (pipelining).
    pub fn in_flight(mut self, most: usize) -> Backend {
        self.settings.in_flight = most.max(1);
        self
    }

    /// The most requests that wait for a connection, beside those for which one is being made. One more is refused
    /// with [`PoolError::Full`], or with [`AskError::Full`](actor_core::AskError::Full) if all of them come so fast that
    /// the pool has no turn in between.
    pub fn waiting(mut self, most: usize) -> Backend {
        self.settings.waiting = most;
        self
    }

    /// Which of several connections that have room gets the next request.
    pub fn choose(mut self, choice: Choice) -> Backend {
        self.settings.choice = choice;
        self
    }

    /// How long a connection that has failed stays out, and how often it is tried again. Comes with jitter, so
    /// that not all who were cut off come back at the same moment.
    pub fn backoff(mut self, backoff: impl Into<Backoff>) -> Backend {
        self.settings.backoff = backoff.into();
        self
    }

    /// While no connection can be made, requests wait, as many as [may](Self::waiting). Without this they are
    /// refused with [`PoolError::Down`], those that wait already too.
    pub fn queue_while_down(mut self) -> Backend {
        self.settings.queue_while_down = true;
        self
    }

    /// How long the backend may take to accept a connection.
    pub fn connect_within(mut self, limit: Duration) -> Backend {
        self.settings.connect_within = limit;
        self
    }

    /// How long the backend may take for a response, while others are under way on the same connection as
    /// well. After that the connection is broken off, and has failed.
    pub fn answer_within(mut self, limit: Duration) -> Backend {
        self.settings.answer_within = limit;
        self
    }

    /// Limits and socket options of the connections.
    pub fn options(mut self, options: Options) -> Backend {
        self.settings.options = options;
        self
    }

    /// The name of the pool.
    pub fn name(mut self, name: impl Into<String>) -> Backend {
        self.name = Some(name.into());
        self
    }

    /// The supervisor of the pool; the system's root otherwise.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Backend {
        self.under = Some(supervisor.clone());
        self
    }

    /// Spawns the pool, which is restarted if it fails. `exchange` makes what speaks the protocol, one for each
    /// connection.
    ///
    /// # Errors
    ///
    /// If the system takes no more actors or the name is in use. That the backend cannot be reached is not
    /// among them: requests are told.
    pub fn spawn<E: Exchange>(
        self,
        system: &SystemHandle,
        exchange: impl Fn() -> E + Send + Sync + 'static,
    ) -> Result<PoolRef<E>, SpawnError> {
        let inbox = Inbox::new();
        let (addr, settings) = (self.addr, self.settings);
        let exchange: Arc<dyn Fn() -> E + Send + Sync> = Arc::new(exchange);
        let port = inbox.port();
        let factory = move || Pool {
            addr: addr.clone(),
            settings,
            exchange: exchange.clone(),
            slots: Slots::new(settings.connections, settings.in_flight, settings.choice, inbox.begin()),
            inbox: inbox.clone(),
            links: (0..settings.connections).map(|_| None).collect(),
            waiting: VecDeque::new(),
            down: None,
        };
        // Whatever may wait may come all at once, before the pool has a turn.
        let room = settings.connections.saturating_mul(settings.in_flight).saturating_add(settings.waiting);
        let mut spawn = system.actor(factory).restart(Restart::Permanent).port(port).mailbox(room);
        if let Some(name) = self.name {
            spawn = spawn.name(name);
        }
        if let Some(supervisor) = &self.under {
            spawn = spawn.under(supervisor);
        }
        spawn.spawn()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError {
    /// No connection can be made at the moment. The request was not sent.
    Down {
        /// What the last attempt ended with.
        why: CloseReason,
    },
    /// As many requests wait as may. The request was not sent.
    Full {
        /// The most that may wait.
        waiting: usize,
    },
    /// It is no request of the protocol. It was not sent.
    Unsendable(String),
    /// The connection ended before the response had come. The backend may have done what it was asked.
    Lost {
        /// Why it ended.
        why: CloseReason,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Down { why } => write!(f, "the backend is down: {why}"),
            PoolError::Full { waiting } => write!(
                f,
                "{waiting} requests wait for the backend already; raise Backend::connections or Backend::waiting, \
                 or ask for less"
            ),
            PoolError::Unsendable(why) => write!(f, "the request cannot be sent: {why}"),
            PoolError::Lost { why } => {
                write!(f, "the connection ended before the response, and the backend may have acted: {why}")
            }
        }
    }
}

impl std::error::Error for PoolError {}

/// How a pool is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolState {
    /// Connections that take requests.
    pub up: usize,
    /// Connections that have failed and are tried again later.
    pub out: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Why the backend is down, if it is.
    pub down: Option<CloseReason>,
}

/// Several connections to one backend. Made by [`Backend::spawn`], used by its ref.
#[derive(Actor)]
pub struct Pool<E: Exchange> {
    addr: Peer,
    settings: Settings,
    exchange: Arc<dyn Fn() -> E + Send + Sync>,
    inbox: Inbox,
    slots: Slots,
    links: Vec<Option<LinkRef<E>>>,
    waiting: VecDeque<Job<E>>,
    /// What the last attempt to connect ended with, while there is no connection.
    down: Option<CloseReason>,
}

#[messages]
impl<E: Exchange> Pool<E> {
    /// Sends a request to the backend, and is answered with the response. A request whose asker has given up
    /// before it was sent is dropped.
    #[message]
    pub fn exchange(
        &mut self,
        request: E::Request,
        ctx: &mut Context<Self>,
        reply: actor_core::Reply<E::Response, PoolError>,
    ) {
        self.waiting.push_back(Job { request, reply });
        self.go_on(ctx);
        self.refuse_what_is_too_much();
    }

    /// How the pool is.
    #[message]
    pub fn health(&self) -> PoolState {
        PoolState {
            up: self.slots.up(),
            out: self.slots.out(),
            in_flight: self.slots.load(),
            waiting: self.waiting.len(),
            down: self.down.clone(),
        }
    }

    /// A connection that has failed is tried again.
    #[message]
    fn retry(&mut self, slot: usize, life: u64, ctx: &mut Context<Self>) {
        if self.slots.retry(slot, life) {
            self.connect(slot, ctx);
        }
    }

    #[stopped]
    fn close(&mut self) {
        for link in self.links.iter().flatten() {
            link.stop();
        }
    }
}

impl<E: Exchange> Pool<E> {
    /// Deals with what the connections have to tell.
    fn hear(&mut self, ctx: &mut Context<Self>) {
        for (slot, life, event) in self.inbox.take() {
            if !self.slots.is(slot, life) {
                continue;
            }
            match event {
                Event::Opened => {
                    self.slots.opened(slot);
                    self.down = None;
                }
                Event::Free { last: false } => self.slots.done(slot),
                // It ends by itself, which is no failure.
                Event::Free { last: true } => self.slots.retire(slot),
                Event::Ended(why) => self.ended(slot, why, ctx),
            }
        }
        self.go_on(ctx);
        self.refuse_what_is_too_much();
    }

    fn ended(&mut self, slot: usize, why: CloseReason, ctx: &mut Context<Self>) {
        self.links[slot] = None;
        let idle_end = matches!(why, CloseReason::Eof | CloseReason::Reset);
        if let Then::Retry { failures, life } = self.slots.ended(slot, idle_end) {
            let delay = self.settings.backoff.draw(failures);
            tracing::debug!(peer = %self.addr, %why, ?delay, "a connection of a pool has failed; trying again");
            ctx.after(delay, PoolRetry { slot, life });
            if self.slots.is_down() {
                if self.down.is_none() {
                    say(Level::WARN, || {
                        let (peer, why) = (self.addr.clone(), why.clone());
                        move || tracing::warn!(%peer, %why, "a backend is down")
                    });
                }
                self.down = Some(why);
            }
        }
    }

    /// Hands requests to connections that have room, and makes more connections if there are too few.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        while let Some(job) = self.waiting.pop_front() {
            if !job.reply.is_wanted() {
                continue;
            }
            let Some(slot) = self.slots.choose() else {
                self.waiting.push_front(job);
                break;
            };
            let link = self.links[slot].clone();
            // One that has just ended gives it back; the news of its end is under way.
            if let Some(Err(job)) = link.map(|link| link.take(job).tell().map_err(|e| e.into_message().job)) {
                self.slots.retire(slot);
                self.waiting.push_front(job);
            }
        }
        while self.waiting.len() > self.slots.coming()
            && let Some(slot) = self.slots.begin()
        {
            self.connect(slot, ctx);
        }
    }

    fn connect(&mut self, slot: usize, ctx: &mut Context<Self>) {
        let reporter = Reporter::new(&self.inbox, slot, self.slots.life(slot));
        let (exchange, answer_within) = ((self.exchange)(), self.settings.answer_within);
        let client = Client::connect(self.addr.clone())
            .options(self.settings.options)
            .deadline(self.settings.connect_within);
        let make = move |conn| Link::new(conn, exchange, reporter, answer_within);
        match client.spawn(ctx.system(), make) {
            Ok(link) => self.links[slot] = Some(link),
            // The reporter, dropped, has told so.
            Err(error) => tracing::debug!(peer = %self.addr, %error, "a connection could not be spawned"),
        }
    }

    fn refuse_what_is_too_much(&mut self) {
        if let Some(why) = &self.down
            && !self.settings.queue_while_down
        {
            for job in self.waiting.drain(..) {
                job.reply.complete(Err(PoolError::Down { why: why.clone() }));
            }
        }
        let waiting = self.settings.waiting;
        while self.waiting.len() > waiting + self.slots.coming() {
            let Some(job) = self.waiting.pop_back() else { break };
            job.reply.complete(Err(PoolError::Full { waiting }));
        }
    }
}
