//! Client connections: an actor that connects to a peer.

use std::net::SocketAddr;
use std::time::Duration;

use actor_core::{Restart, SpawnError, SupervisorRef, SystemHandle};

use crate::connection::{self, Conn, Connection};
use crate::options::Options;

/// A connection to be made. Nothing happens before [`spawn`](Self::spawn).
#[derive(Debug)]
#[must_use = "nothing is connected until it is spawned"]
pub struct Client {
    peer: SocketAddr,
    options: Options,
    deadline: Duration,
    name: Option<String>,
    under: Option<SupervisorRef>,
}

impl Client {
    /// A connection to `peer`, with a deadline of 10 s and the default [`Options`].
    ///
    /// Takes an address, not a host name: looking one up blocks, which an actor must not.
    pub fn connect(peer: SocketAddr) -> Client {
        Client {
            peer,
            options: Options::new(),
            deadline: Duration::from_secs(10),
            name: None,
            under: None,
        }
    }

    /// How long the peer may take to accept.
    pub fn deadline(mut self, limit: Duration) -> Client {
        self.deadline = limit;
        self
    }

    /// Limits and socket options.
    pub fn options(mut self, options: Options) -> Client {
        self.options = options;
        self
    }

    /// The actor's name.
    pub fn name(mut self, name: impl Into<String>) -> Client {
        self.name = Some(name.into());
        self
    }

    /// The actor's supervisor; the system's root otherwise.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Client {
        self.under = Some(supervisor.clone());
        self
    }

    /// Spawns the actor that owns the connection; `make` gives it its state. Does not wait: the
    /// actor hears [`opened`](Connection::opened) when the peer has accepted, or
    /// [`closed`](Connection::closed) with
    /// [`ConnectFailed`](crate::CloseReason::ConnectFailed). What it writes before is sent then.
    ///
    /// The actor is not restarted, since its connection is gone with it: who wants another spawns
    /// another.
    ///
    /// # Errors
    ///
    /// If the system takes no more actors or the name is in use. Failing to connect is not among
    /// them.
    pub fn spawn<C: Connection>(
        self,
        system: &SystemHandle,
        make: impl FnOnce(Conn) -> C + Send + 'static,
    ) -> Result<C::Ref, SpawnError> {
        let (conn, port) = connection::connecting::<C>(self.peer, self.options, self.deadline);
        let mut parts = Some((make, conn));
        let factory = move || {
            let (make, conn) = parts.take().expect("an actor that is not restarted is made once");
            make(conn)
        };
        let mut spawn = system
            .actor(factory)
            .restart(Restart::Temporary)
            .stop_within(self.options.longest_end())
            .port(port);
        if let Some(name) = self.name {
            spawn = spawn.name(name);
        }
        if let Some(supervisor) = &self.under {
            spawn = spawn.under(supervisor);
        }
        spawn.spawn()
    }
}
