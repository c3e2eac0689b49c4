//! Client connections: an actor that connects to a peer.

mod reconnect;

use std::sync::Arc;
use std::time::Duration;

use actor_core::{Backoff, Restart, SpawnError, Supervisor, SupervisorRef, SystemHandle};
#[cfg(feature = "tls")]
use actor_core::{Failure, StopReason};

use crate::connection::{self, Common, Conn, Connection, Held};
use crate::options::Options;
use crate::stream::Peer;

pub use reconnect::{Down, Kept, Reconnect};

/// A connection to be made. Nothing happens before [`spawn`](Self::spawn).
#[derive(Clone, Debug)]
#[must_use = "nothing is connected until it is spawned"]
pub struct Client {
    peer: Peer,
    options: Options,
    deadline: Duration,
    name: Option<String>,
    under: Option<SupervisorRef>,
    /// And the name of the server.
    #[cfg(feature = "tls")]
    tls: Option<(crate::tls::Client, String)>,
}

impl Client {
    /// A connection to `peer`, an address or a [path](Peer::path), with a deadline of 10 s and the default [`Options`].
    ///
    /// Takes an address, not a host name: looking one up blocks, which an actor must not.
    pub fn connect(peer: impl Into<Peer>) -> Client {
        let peer = peer.into();
        let deadline = Duration::from_secs(10);
        Client {
            peer,
            options: Options::new(),
            deadline,
            name: None,
            under: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Speaks TLS with a server that has a certificate for `name`, a DNS name or an address.
    ///
    /// # Errors
    ///
    /// If it is neither.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &crate::tls::Client, name: &str) -> Result<Client, crate::tls::Error> {
        // For its errors: each connection has one of its own.
        drop(tls.session(name)?);
        self.tls = Some((tls.clone(), name.to_owned()));
        Ok(self)
    }

    /// The TLS of one connection.
    #[cfg(feature = "tls")]
    fn session(&self) -> Result<Option<Box<connection::Tls>>, SpawnError> {
        let Some((tls, name)) = &self.tls else { return Ok(None) };
        let failed = |error| SpawnError::Failed(StopReason::StartFailed(Failure::new(error)));
        Ok(Some(Box::new(connection::Tls::new(tls.session(name).map_err(failed)?))))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it is with the feature `tls`")]
    fn session(&self) -> Result<Option<Box<connection::Tls>>, SpawnError> {
        Ok(None)
    }

    /// How long the peer may take to accept, and to shake hands if there is TLS.
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

    /// Connects again when the connection is lost or cannot be made, after a delay that grows with each failure and comes with
    /// jitter, so that not all who were cut off come back at the same moment.
    pub fn reconnect(self, backoff: impl Into<Backoff>) -> Reconnect {
        Reconnect::new(self, backoff.into())
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
        self.start(system, make, ())
    }

    /// The same; `held` is told when the connection has opened, and dropped when it is gone or never came to be.
    fn start<C: Connection>(
        self,
        system: &SystemHandle,
        make: impl FnOnce(Conn) -> C + Send + 'static,
        held: impl Held,
    ) -> Result<C::Ref, SpawnError> {
        let (tls, common) = (self.session()?, Arc::new(Common::new(self.options, None)));
        let (conn, port) = connection::connecting::<C>(self.peer, tls, common, self.deadline, held);
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
        let supervisor = match self.under {
            Some(supervisor) => supervisor,
            None => clients(system)?,
        };
        spawn.under(&supervisor).spawn()
    }
}

/// The supervisor of a system's clients that have no other. At the end it stops them together: each
/// may take a while to see its connection closed.
fn clients(system: &SystemHandle) -> Result<SupervisorRef, SpawnError> {
    const NAME: &str = "net clients";
    loop {
        if let Ok(supervisor) = system.lookup::<Supervisor>(NAME) {
            return Ok(supervisor);
        }
        match system.supervisor().name(NAME).dynamic().spawn() {
            // Somebody else was faster.
            Err(SpawnError::NameTaken(_)) => {}
            made => return made,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;
    use std::net::{SocketAddr, TcpStream};
    use std::sync::mpsc::{Sender, channel};

    use actor_core::prelude::*;

    use super::*;
    use crate::{CloseReason, Lines};

    #[derive(Actor)]
    struct Caller {
        ended: Sender<CloseReason>,
    }

    #[messages]
    impl Caller {}

    impl Connection for Caller {
        type Codec = Lines;

        fn codec(&self) -> Lines {
            Lines::new(80)
        }

        fn frame(&mut self, _line: &str, _ctx: &mut Context<Self>) {}

        fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
            let _ = self.ended.send(why.clone());
        }
    }

    /// On Linux a listener whose queue is full does not answer. Elsewhere it refuses.
    #[test]
    fn a_peer_that_does_not_answer_is_given_up() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let peer = socket.local_addr().unwrap().as_socket().unwrap();
        let patience = Duration::from_millis(100);
        let queued: Vec<_> =
            std::iter::from_fn(|| TcpStream::connect_timeout(&peer, patience).ok()).collect();

        let system = crate::builder().workers(1).build().unwrap();
        let (ended, end) = channel();
        let client = Client::connect(peer).deadline(patience);
        client.spawn(&system, |_conn| Caller { ended }).unwrap();
        match end.recv_timeout(Duration::from_secs(20)).unwrap() {
            CloseReason::ConnectFailed { kind, .. } => assert_eq!(kind, ErrorKind::TimedOut),
            why => panic!("closed for another reason: {why}"),
        }
        drop(queued);
    }
}
