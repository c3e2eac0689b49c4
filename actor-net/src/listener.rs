//! Listeners: a supervised actor that accepts connections, and one actor for each of them.
//!
//! ```text
//! server (supervisor)
//! ├── connections (dynamic supervisor)
//! │   └── one actor for each connection, never restarted
//! └── acceptor, one for each shard
//! ```
//!
//! Children stop in reverse order, so accepting ends before the connections do.

mod acceptor;
mod admission;
mod balancer;
mod event;
mod limits;
mod pause;
mod reserve;
mod socket;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actor_core::observe::Topic;
use actor_core::{Monitor, Restart, SupervisorRef, SystemHandle};

use crate::connection::{Common, Conn, Connection, Ends, Evict, Evicting};
use crate::driver;
use crate::options::Options;
use acceptor::{Acceptor, Placing, Plan};
use admission::Admission;
use socket::ListenSocket;

pub(crate) use admission::Handshake;
pub use event::ListenerEvent;
pub use limits::{Limit, Limits};

/// A socket that listens and is not served yet: connections wait in the kernel until
/// [`spawn`](Self::spawn). Its address is one of TCP, or the path of a Unix socket.
#[derive(Debug)]
#[must_use = "connections are not accepted until it is spawned"]
pub struct Listener<A = SocketAddr> {
    /// One, or one for each shard.
    sockets: Vec<ListenSocket>,
    addr: A,
    options: Options,
    limits: Limits,
    evict: Option<Evict>,
    rebalance: Option<Duration>,
    restarts: u32,
    name: Option<String>,
    under: Option<SupervisorRef>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::Server>,
}

impl Listener {
    /// Binds to an address, the first of several that can be bound; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound: it is in use, not of this machine, or not permitted.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Listener> {
        let mut failed = None;
        for addr in addr.to_socket_addrs()? {
            #[cfg(feature = "sim")]
            if let Some(listener) = Listener::simulated(addr) {
                return listener;
            }
            match socket::tcp(addr, false) {
                Ok(socket) => return Listener::from_std(socket),
                Err(error) => failed = Some(error),
            }
        }
        let nothing = || io::Error::new(io::ErrorKind::InvalidInput, "no address to bind to");
        Err(failed.unwrap_or_else(nothing))
    }

    /// Binds to an address several times (`SO_REUSEPORT`), port 0 once for all: the kernel spreads the
    /// connections over `shards` sockets, each with an acceptor of its own, whose connections the
    /// worker waits for that waits for its socket. For services to which very many connect in a second,
    /// so that one acceptor cannot keep up; as many shards as there are workers make sense. Who is let in is
    /// decided for all of them together.
    ///
    /// The kernel chooses by address and port, whatever a worker has to do; with a single socket each
    /// connection goes to the worker that waits for the fewest. While the option is set, other processes
    /// of the same user can bind to the address as well, by mistake too.
    ///
    /// # Errors
    ///
    /// As with [`bind`](Self::bind); and if `shards` is 0, or the system has no such option.
    pub fn bind_sharded(addr: SocketAddr, shards: usize) -> io::Result<Listener> {
        if shards == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a listener has at least one shard"));
        }
        #[cfg(feature = "sim")]
        if let Some(listener) = Listener::simulated(addr) {
            return listener;
        }
        let mut listener = Listener::from_std(socket::tcp(addr, true)?)?;
        for _ in 1..shards {
            let socket = socket::tcp(listener.addr, true)?;
            socket.set_nonblocking(true)?;
            listener.sockets.push(ListenSocket::Tcp(mio::net::TcpListener::from_std(socket)));
        }
        Ok(listener)
    }

    /// Takes a socket that listens already, such as one handed down by a service manager.
    ///
    /// # Errors
    ///
    /// If its address cannot be read, or it cannot be made non-blocking.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        Ok(Listener::of(ListenSocket::Tcp(mio::net::TcpListener::from_std(socket)), addr))
    }

    /// One in the simulation that this thread is in.
    #[cfg(feature = "sim")]
    fn simulated(addr: SocketAddr) -> Option<io::Result<Listener>> {
        let bound = crate::sim::Listening::bind(addr.into())?;
        Some(bound.map(|socket| {
            let addr = socket.addr().socket_addr().unwrap_or(addr);
            Listener::of(ListenSocket::Simulated(socket), addr)
        }))
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

#[cfg(unix)]
impl Listener<PathBuf> {
    /// Listens at a path, as a Unix socket: for processes of this machine that may write there. What a process that is gone
    /// has left at the path is taken away, and so is the path itself when the server has ended.
    ///
    /// Of the [limits](Limits), those for addresses and subnets do not concern it.
    ///
    /// # Errors
    ///
    /// If the path is in use, by somebody who listens or as something else than a socket; if it is longer than the system allows
    /// (some 100 bytes); if it must not be made.
    pub fn bind_unix(path: impl AsRef<Path>) -> io::Result<Listener<PathBuf>> {
        let path = path.as_ref();
        #[cfg(feature = "sim")]
        if let Some(bound) = crate::sim::Listening::bind(crate::Peer::path(path)) {
            return bound.map(|socket| Listener::of(ListenSocket::Simulated(socket), path.to_owned()));
        }
        Ok(Listener::of(socket::unix(path)?, path.to_owned()))
    }

    /// The path it is bound to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.addr
    }
}

impl<A: Clone + fmt::Debug> Listener<A> {
    fn of(socket: ListenSocket, addr: A) -> Listener<A> {
        let (options, limits) = (Options::new(), Limits::new());
        Listener {
            sockets: vec![socket],
            addr,
            options,
            limits,
            evict: None,
            rebalance: None,
            restarts: 0,
            name: None,
            under: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Whom it lets in: 10,000 connections unless this says otherwise.
    pub fn limits(mut self, limits: Limits) -> Listener<A> {
        self.limits = limits;
        self
    }

    /// The most connections at a time: the first of the [limits](Self::limits), which leaves the others
    /// as they are.
    pub fn max_connections(mut self, max: usize) -> Listener<A> {
        self.limits = self.limits.connections(max);
        self
    }

    /// Has a connection go where there is no room: for a newcomer when there are as many [connections](Limits::connections) as
    /// there may be, which otherwise is refused; and for bytes when a connection has to end because the [budget](crate::Budget)
    /// of the system is used up, as one is to by default. Who goes ends with
    /// [`CloseReason::Evicted`](crate::CloseReason::Evicted), is [counted](Ends::evicted) and an
    /// [event](ListenerEvent::Evicted); if nobody may go, all is as without this. Other limits refuse as they do.
    ///
    /// Those who go are still there for a moment, sending their last bytes: up to a sixteenth of the limit, and 16 at
    /// least, may be on their way out beside those within it.
    pub fn evict(mut self, policy: Evict) -> Listener<A> {
        self.evict = Some(policy);
        self
    }

    /// Spreads the connections over the workers as often as this, as [`Server::rebalance`] does. Never unless this says so.
    pub fn rebalance_every(mut self, period: Duration) -> Listener<A> {
        self.rebalance = Some(period);
        self
    }

    /// Restarts a connection's actor that fails, and has its next incarnation go on with the socket, up to so many
    /// times in the connection's life; otherwise, and the next time, the connection is closed.
    ///
    /// The next incarnation is made by the same function and hears [`resumed`](Connection::resumed). It finds
    /// what was queued, and of what has come all but the frame whose handler has failed, the beginning of the
    /// next included. What the protocol owes for the frame that failed, it must see to itself: HTTP counts
    /// responses, and its connections are better closed. A handler that
    /// [stalls](actor_core::Spawn::stall) has the socket in its hands, so that its connection is closed in any case.
    pub fn keep_socket(mut self, restarts: u32) -> Listener<A> {
        self.restarts = restarts;
        self
    }

    /// Limits and socket options of each connection.
    pub fn options(mut self, options: Options) -> Listener<A> {
        self.options = options;
        self
    }

    /// Speaks TLS with all who connect.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &crate::tls::Server) -> Listener<A> {
        self.tls = Some(tls.clone());
        self
    }

    /// The name of the server's supervisor.
    pub fn name(mut self, name: impl Into<String>) -> Listener<A> {
        self.name = Some(name.into());
        self
    }

    /// The supervisor of the server; the system's root otherwise.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Listener<A> {
        self.under = Some(supervisor.clone());
        self
    }

    /// Starts to serve: for each connection `make` gives the state of the actor that owns it. It
    /// runs in that actor's first turn, on any worker.
    ///
    /// # Errors
    ///
    /// If the workers of `system` cannot wait for sockets (see [`builder`](crate::builder)), the
    /// system is shutting down, or the name is in use.
    pub fn spawn<C: Connection>(
        self,
        system: &SystemHandle,
        make: impl Fn(Conn) -> C + Send + Sync + 'static,
    ) -> io::Result<Server<A>> {
        driver::check(system)?;
        // Not to be restarted: without its children, which only this function can make, a supervisor
        // would be a server that serves nobody.
        let mut supervisor = system.supervisor().restart(Restart::Temporary);
        if let Some(name) = self.name {
            supervisor = supervisor.name(name);
        }
        if let Some(parent) = &self.under {
            supervisor = supervisor.under(parent);
        }
        let supervisor = supervisor.spawn().map_err(io::Error::other)?;
        let connections = system
            .supervisor()
            .dynamic()
            .restart(Restart::Temporary)
            // How often one may fail is a matter of each connection.
            .intensity(u32::MAX, Duration::from_millis(1))
            .under(&supervisor)
            .spawn()
            .map_err(io::Error::other)?;
        let admission = Admission::new(self.limits);
        let evicting = self.evict.map(|policy| Evicting::new(policy, admission.events.clone()));
        let common = Arc::new(Common::new(self.options, evicting));
        let plan = Arc::new(Plan {
            common: common.clone(),
            admission: admission.clone(),
            restarts: self.restarts,
            connections,
            make: Arc::new(make),
            #[cfg(feature = "tls")]
            tls: self.tls,
        });
        let server = Server { addr: self.addr, system: system.clone(), supervisor, admission, common };
        if let Some(period) = self.rebalance
            && let Err(error) = balancer::spawn(system, &server.supervisor, &server.common, period)
        {
            server.stop();
            return Err(io::Error::other(error));
        }
        let sharded = self.sockets.len() > 1;
        for (shard, socket) in self.sockets.into_iter().enumerate() {
            let placing = if sharded { Placing::Shard(shard) } else { Placing::LeastLoaded };
            let accepting = system
                .actor(|| Acceptor)
                .restart(Restart::Permanent)
                .under(&server.supervisor)
                .port(acceptor::port(socket, placing, plan.clone()))
                .spawn();
            if let Err(error) = accepting {
                server.stop();
                return Err(io::Error::other(error));
            }
        }
        tracing::info!(addr = ?server.addr, "listening");
        Ok(server)
    }
}

/// A listener that is served. It goes on when this handle is dropped.
#[derive(Clone, Debug)]
pub struct Server<A = SocketAddr> {
    addr: A,
    system: SystemHandle,
    supervisor: SupervisorRef,
    admission: Arc<Admission>,
    common: Arc<Common>,
}

/// How a server's connections have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many connections there were when draining began.
    pub open: usize,
    /// How many of them had not ended at the deadline and were cut off.
    pub late: usize,
}

impl<A: Clone> Server<A> {
    /// The address it listens at; the path, if it is one of a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> A {
        self.addr.clone()
    }

    /// How many connections there are now, those included that are sending their last bytes.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.admission.open()
    }

    /// How many connections there were in all.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.admission.accepted()
    }

    /// How many connections were closed at once because of a [limit](Limits), in all.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.admission.all_refused()
    }

    /// How many of them because of this one.
    #[must_use]
    pub fn refused_for(&self, limit: Limit) -> u64 {
        self.admission.refused(limit)
    }

    /// How many connections have not got past their handshake; see [`Limits::handshakes`].
    #[must_use]
    pub fn handshakes(&self) -> usize {
        self.admission.handshakes()
    }

    /// What happens at the listener, for those who subscribe.
    #[must_use]
    pub fn events(&self) -> &Topic<ListenerEvent> {
        &self.admission.events
    }

    /// How many connections have ended, and why.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.common.ends()
    }

    /// Has connections move from workers that wait for more sockets than others to those that wait for fewer, and from
    /// [retired](SystemHandle::set_parallelism) workers to active ones. Says how many were asked to. Each does so in a turn of its
    /// own, between two frames: nothing is lost, and nothing comes in another order.
    ///
    /// For when many have gone from one worker, or the parallelism has changed: what comes new goes where there are the
    /// fewest anyway. [`Listener::rebalance_every`] has it done now and then.
    pub fn rebalance(&self) -> usize {
        self.common.crowd.rebalance(&self.system)
    }

    /// Stops accepting, then stops every connection's actor; each may say goodbye in `#[stopped]`
    /// and sends what it has queued. Does not wait for any of it.
    pub fn stop(&self) {
        self.supervisor.stop();
    }

    /// A monitor on the server: it ends when all its connections have.
    pub fn monitor(&self) -> Monitor {
        self.supervisor.monitor()
    }

    /// Ends the server without losing what it has accepted, in stages:
    ///
    /// 1. Those that wait to be accepted are, and then nobody more can connect.
    /// 2. What is in flight is finished: frames of which a part has come, and requests that actors have
    ///    [paused](Conn::pause) their connections to answer. HTTP's responses say `Connection: close` and
    ///    close their connections. For this there are three quarters of `limit`.
    /// 3. The connections' actors are [stopped](Self::stop); each may say goodbye in `#[stopped]`, a WebSocket's
    ///    peer is told 1001, and what is queued is sent.
    ///
    /// Waits until all connections have ended. Those that have not when `limit` is over are cut off. Not
    /// for handlers, since it holds up its thread.
    pub fn drain(&self, limit: Duration) -> Drained {
        let monitor = self.monitor();
        let open = self.connections();
        let in_flight = limit / 4 * 3;
        let waited = self.common.drain(in_flight);
        self.stop();
        let late = match monitor.wait_within(limit.saturating_sub(waited)) {
            Some(_) => 0,
            None => {
                let late = self.connections();
                self.supervisor.kill();
                late
            }
        };
        Drained { open, late }
    }
}
