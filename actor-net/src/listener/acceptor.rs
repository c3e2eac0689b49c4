//! The actor that accepts connections, and its port.

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actor_core::Timer;
use actor_core::port::{Again, Drain, MakePort, Port, Readiness, Ready};
use actor_core::prelude::*;
use actor_core::{Restart, StopReason, SupervisorRef};
use mio::net::{TcpListener, TcpStream};

use super::admission::Admission;
use crate::connection::{self, Common, Conn, Connection};
use crate::driver::Source;

/// The most connections accepted in one turn.
const ACCEPTS: usize = 64;

/// How long accepting rests after the first failure; doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts the connections of one server. Its port does all the work.
#[derive(Actor)]
pub(super) struct Acceptor;

#[messages]
impl Acceptor {}

/// What every connection of a server has in common.
pub(super) struct Plan<F> {
    pub(super) common: Arc<Common>,
    pub(super) admission: Arc<Admission>,
    /// The supervisor of the connections.
    pub(super) connections: SupervisorRef,
    pub(super) make: Arc<F>,
}

/// The port of an acceptor of connections that are `C`s.
pub(super) fn port<C, F>(socket: TcpListener, plan: Plan<F>) -> MakePort<Acceptor>
where
    C: Connection,
    F: Fn(Conn) -> C + Send + Sync + 'static,
{
    let listening = Listening { socket: Source::new(socket), registered: false };
    // Shared by the acceptor's incarnations: what is registered is flagged to its cell, which is
    // the same for all of them.
    let listening = Arc::new(Mutex::new(listening));
    let plan = Arc::new(plan);
    Box::new(move |readiness| {
        // Registering is the port's first work.
        readiness.set(Ready::WAKE);
        Box::new(AcceptPort {
            listening: listening.clone(),
            plan: plan.clone(),
            readiness,
            // An earlier incarnation may have taken the flag with it.
            readable: true,
            pause: None,
            backoff: FIRST_PAUSE,
            of: PhantomData::<fn() -> C>,
        })
    })
}

/// The socket of a server, which outlives an acceptor that fails.
struct Listening {
    socket: Source<TcpListener>,
    registered: bool,
}

impl Listening {
    /// Without registration the listener would never be flagged, so this is tried until it works.
    fn register(&mut self, readiness: &Readiness) -> io::Result<()> {
        if !self.registered {
            self.socket.register(readiness.clone())?;
            self.registered = true;
        }
        Ok(())
    }
}

struct AcceptPort<C, F> {
    listening: Arc<Mutex<Listening>>,
    plan: Arc<Plan<F>>,
    readiness: Readiness,
    /// There may be connections to accept. Stays so through a pause, since those that wait in the
    /// kernel are not flagged again.
    readable: bool,
    /// While it is there nothing is accepted.
    pause: Option<Timer>,
    backoff: Duration,
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
            let accepted = self.listening().socket.accept();
            match accepted {
                Ok((stream, peer)) => {
                    self.backoff = FIRST_PAUSE;
                    self.admit(stream, peer, ctx);
                }
                Err(error) => match error.kind() {
                    WouldBlock => {
                        self.readable = false;
                        return Again::No;
                    }
                    // The peer changed its mind while it waited.
                    Interrupted | ConnectionAborted | ConnectionReset => {}
                    _ => {
                        self.rest(&error);
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
    fn rest(&mut self, error: &io::Error) {
        if self.backoff == FIRST_PAUSE {
            tracing::warn!(%error, "cannot accept connections; trying again until it works");
        } else {
            tracing::debug!(%error, "still cannot accept connections");
        }
        self.pause = self.readiness.after(self.backoff);
        self.backoff = (self.backoff * 2).min(LONGEST_PAUSE);
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr, ctx: &Context<Acceptor>) {
        let Some((place, handshake)) = self.plan.admission.admit(peer, ctx.system().now()) else {
            return;
        };
        let common = self.plan.common.clone();
        let (conn, port) = connection::accepted::<C>(stream, peer, common, handshake, place);
        let make = self.plan.make.clone();
        let mut conn = Some(conn);
        let factory = move || make(conn.take().expect("an actor that is not restarted is made once"));
        let spawned = ctx
            .system()
            .actor(factory)
            .restart(Restart::Temporary)
            .under(&self.plan.connections)
            .stop_within(self.plan.common.options.longest_end())
            .port(port)
            .spawn();
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
        if ready.contains(Ready::TIMER) {
            self.pause = None;
        }
        if self.pause.is_some() {
            return Again::No;
        }
        let registered = self.listening().register(&self.readiness);
        if let Err(error) = registered {
            self.rest(&error);
            return Again::No;
        }
        if self.readable { self.accept(ctx) } else { Again::No }
    }

    fn turn_ended(&mut self) {}

    fn drain(&mut self, _: Ready, _: &StopReason) -> Drain {
        Drain::Done
    }
}
