//! The actor that accepts connections, and its port.

use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actor_core::port::{Again, Drain, MakePort, Port, Readiness, Ready, say};
use actor_core::prelude::*;
use actor_core::{Restart, StopReason, SupervisorRef, SystemHandle, Timer};
use tracing::Level;

use super::admission::Admission;
use super::event::ListenerEvent;
use super::limits::Limit;
use super::pause::{Failures, is_out_of_descriptors};
use super::reserve::Reserve;
use super::socket::ListenSocket;
use crate::connection::{self, Arrival, Common, Conn, Connection, Load};
use crate::driver::{Berth, Source};
use crate::stream::{Peer, Stream};

/// The most connections accepted in one turn.
const ACCEPTS: usize = 64;

/// Accepts the connections of one listening socket. Its port does all the work.
#[derive(Actor)]
pub(super) struct Acceptor;

#[messages]
impl Acceptor {}

/// What every connection of a server has in common.
pub(super) struct Plan<F> {
    pub(super) common: Arc<Common>,
    pub(super) admission: Arc<Admission>,
    /// How often a connection's actor may be restarted, and go on with its socket.
    pub(super) restarts: u32,
    /// The supervisor of the connections.
    pub(super) connections: SupervisorRef,
    pub(super) make: Arc<F>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::tls::Server>,
}

impl<F> Plan<F> {
    /// The TLS of one connection and the deadline of its handshake.
    #[cfg(feature = "tls")]
    fn tls(&self) -> io::Result<Option<(Box<connection::Tls>, Duration)>> {
        let Some(tls) = &self.tls else { return Ok(None) };
        let session = tls.session().map_err(io::Error::other)?;
        Ok(Some((Box::new(connection::Tls::new(session)), tls.deadline())))
    }

    #[cfg(not(feature = "tls"))]
    fn tls(&self) -> io::Result<Option<(Box<connection::Tls>, Duration)>> {
        Ok(None)
    }
}

/// Which worker waits for a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Placing {
    /// The active one that waits for the fewest sockets.
    LeastLoaded,
    /// The one that waits for the listening socket as well, of which the kernel has chosen this one.
    Shard(usize),
}

impl Placing {
    fn berth(self, system: &SystemHandle) -> io::Result<Berth> {
        match self {
            Placing::LeastLoaded => Berth::least_loaded(system),
            Placing::Shard(shard) => Berth::of_shard(system, shard),
        }
    }
}

/// The port of an acceptor of connections that are `C`s.
pub(super) fn port<C, F>(socket: ListenSocket, placing: Placing, plan: Arc<Plan<F>>) -> MakePort<Acceptor>
where
    C: Connection,
    F: Fn(Conn) -> C + Send + Sync + 'static,
{
    let listening = Listening {
        socket: Some(Source::new(socket)),
        registered: false,
        failures: Failures::default(),
        reserve: Reserve::default(),
    };
    // Shared by the acceptor's incarnations: what is registered is flagged to its cell, which is
    // the same for all of them.
    let listening = Arc::new(Mutex::new(listening));
    Box::new(move |readiness| {
        // Registering is the port's first work.
        readiness.set(Ready::WAKE);
        let key = plan.common.crowd.enter_acceptor(readiness.clone());
        Box::new(AcceptPort {
            key,
            listening: listening.clone(),
            placing,
            plan: plan.clone(),
            readiness,
            // An earlier incarnation may have taken the flag with it.
            readable: true,
            pause: None,
            of: PhantomData::<fn() -> C>,
        })
    })
}

/// A listening socket, which outlives an acceptor that fails.
struct Listening {
    /// `None` when the server drains and those that have waited are accepted.
    socket: Option<Source<ListenSocket>>,
    registered: bool,
    failures: Failures,
    reserve: Reserve,
}

impl Listening {
    /// Without registration the listener would never be flagged, so this is tried until it works.
    fn register(
        &mut self,
        berth: impl FnOnce() -> io::Result<Berth>,
        readiness: &Readiness,
    ) -> io::Result<()> {
        if let Some(socket) = &mut self.socket
            && !self.registered
        {
            socket.register(berth()?, readiness.clone())?;
            self.registered = true;
            self.reserve.refill();
        }
        Ok(())
    }
}

struct AcceptPort<C, F> {
    /// Among those that are told when the server drains.
    key: usize,
    listening: Arc<Mutex<Listening>>,
    placing: Placing,
    plan: Arc<Plan<F>>,
    readiness: Readiness,
    /// There may be connections to accept. Stays so through a pause, since those that wait in the
    /// kernel are not flagged again.
    readable: bool,
    /// While it is there nothing is accepted.
    pause: Option<Timer>,
    of: PhantomData<fn() -> C>,
}

impl<C, F> AcceptPort<C, F>
where
    C: Connection,
    F: Fn(Conn) -> C + Send + Sync + 'static,
{
    /// The lock is for the one port there is at a time.
    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&mut self, ctx: &Context<Acceptor>) -> Again {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
        for _ in 0..ACCEPTS {
            let accepted = match &self.listening().socket {
                Some(socket) => socket.accept(),
                None => return Again::No,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.resumed(ctx);
                    self.admit(stream, peer, ctx);
                }
                Err(error) => match error.kind() {
                    WouldBlock => {
                        self.resumed(ctx);
                        self.readable = false;
                        return Again::No;
                    }
                    // The peer changed its mind while it waited.
                    Interrupted | ConnectionAborted | ConnectionReset => {}
                    _ => {
                        self.rest(&error, ctx);
                        return Again::No;
                    }
                },
            }
        }
        Again::Yes
    }

    /// Whatever else is wrong is not the fault of one connection: most likely the process is out
    /// of descriptors or the kernel out of memory. Trying again at once would burn a CPU, and
    /// giving up would need someone to notice.
    fn rest(&mut self, error: &io::Error, ctx: &Context<Acceptor>) {
        let now = ctx.system().now();
        let rest = self.listening().failures.failed(now);
        if rest.first {
            say(Level::WARN, || {
                let error = error.to_string();
                move || tracing::warn!(error, "cannot accept connections; trying again until it works")
            });
            self.plan.admission.events.publish(|| ListenerEvent::Paused { error: error.to_string() });
        } else {
            tracing::debug!(%error, "still cannot accept connections");
        }
        if rest.turn_away && is_out_of_descriptors(error) {
            self.turn_away(ctx);
        }
        // Before the timer: one that ends from now on ends the pause as well.
        self.plan.admission.tell_of_room(&self.readiness);
        self.pause = self.readiness.after(rest.after);
    }

    /// Closes those who have waited for long, in the place of the descriptor that is kept for this.
    fn turn_away(&self, ctx: &Context<Acceptor>) {
        let mut peers = Vec::new();
        {
            let Listening { socket: Some(socket), reserve, .. } = &mut *self.listening() else { return };
            reserve.lend(ACCEPTS, || socket.accept(), |peer| peers.push(peer));
        }
        for peer in peers {
            self.plan.admission.refuse(peer, Limit::Descriptors, ctx.system().now());
        }
    }

    /// Accepting works, and may not have worked before.
    fn resumed(&self, ctx: &Context<Acceptor>) {
        let after = {
            let mut listening = self.listening();
            listening.reserve.refill();
            listening.failures.worked(|| ctx.system().now())
        };
        if let Some(after) = after {
            say(Level::INFO, || move || tracing::info!(?after, "accepting connections again"));
            self.plan.admission.events.publish(|| ListenerEvent::Resumed { after });
        }
    }

    fn admit(&mut self, stream: Stream, peer: Peer, ctx: &Context<Acceptor>) {
        let evict = || self.plan.common.evict(Load::Connections);
        let admitted = self.plan.admission.admit(&peer, ctx.system().now(), evict);
        let Some((place, handshake)) = admitted else {
            return;
        };
        let tls = match self.plan.tls() {
            Ok(tls) => tls,
            Err(error) => {
                say(Level::ERROR, || {
                    let (peer, error) = (peer.clone(), error.to_string());
                    move || tracing::error!(%peer, error, "dropped a connection: these settings of TLS are no use")
                });
                return;
            }
        };
        let (common, restarts) = (self.plan.common.clone(), self.plan.restarts);
        let spawned = self.placing.berth(ctx.system()).and_then(|berth| {
            let arrival = Arrival { stream, peer: peer.clone(), tls, berth, handshake };
            let (conn, port) = connection::accepted::<C, _>(arrival, common, restarts, place);
            let make = self.plan.make.clone();
            let factory = move || make(conn.again());
            ctx.system()
                .actor(factory)
                .restart(if restarts > 0 { Restart::Transient } else { Restart::Temporary })
                .under(&self.plan.connections)
                .stop_within(self.plan.common.options.longest_end())
                .port(port)
                .spawn()
                .map_err(io::Error::other)
        });
        if let Err(error) = spawned {
            tracing::debug!(%peer, %error, "dropped a connection: its actor could not be spawned");
        }
    }
}

impl<C, F> Port<Acceptor> for AcceptPort<C, F>
where
    C: Connection,
    F: Fn(Conn) -> C + Send + Sync + 'static,
{
    fn ready(&mut self, ready: Ready, _: &mut Acceptor, ctx: &mut Context<Acceptor>) -> Again {
        self.readable |= ready.contains(Ready::READABLE);
        // Its time is over, or a connection has ended and left its descriptor.
        if ready.contains(Ready::TIMER) || ready.contains(Ready::WAKE) {
            self.pause = None;
        }
        if self.pause.is_some() && !self.plan.common.is_draining() {
            return Again::No;
        }
        let registered = self.listening().register(|| self.placing.berth(ctx.system()), &self.readiness);
        if let Err(error) = registered {
            self.rest(&error, ctx);
            return Again::No;
        }
        let draining = self.plan.common.is_draining();
        // One that has not been flagged yet may wait.
        let again = if self.readable || draining { self.accept(ctx) } else { Again::No };
        if draining && again == Again::No {
            self.listening().socket = None;
            self.plan.common.crowd.is_quiet(self.key);
        }
        again
    }

    fn turn_ended(&mut self) {}

    fn drain(&mut self, _: Ready, _: &StopReason) -> Drain {
        Drain::Done
    }
}

impl<C, F> Drop for AcceptPort<C, F> {
    fn drop(&mut self) {
        self.plan.common.crowd.leave(self.key);
    }
}
