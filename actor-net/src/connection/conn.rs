//! The actor's side of its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actor_core::port::is_condemned;
use bytes::Bytes;

use super::reason::CloseReason;
use super::shared::Shared;
use crate::stream::Peer;

/// A connection as its actor holds it: what to write to, and how to end it.
///
/// Given to the function that makes the actor. What is written is sent at the end of the actor's
/// turn, in one system call where possible; so a `Conn` belongs into its actor's state and is of
/// no use elsewhere. While an async handler is in work the socket is given only what it takes at
/// once; the rest is sent when the handler has ended. Dropping it does not end the connection,
/// which lives as long as the actor.
pub struct Conn {
    shared: Arc<Shared>,
}

/// What a write says about the queue it was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Below the high watermark: go on.
    Low,
    /// At the high watermark or above: better wait for
    /// [`writable`](crate::Connection::writable) before writing more.
    High,
    /// At the [cap](crate::Options::cap): the bytes were dropped, and
    /// [`lagged`](crate::Connection::lagged) will tell so.
    Dropped,
    /// The connection has ended, perhaps by this very write; the bytes were dropped.
    /// [`closed`](crate::Connection::closed) says why. Or the handler that writes was
    /// [condemned](actor_core::Spawn::stall).
    Closed,
}

impl Conn {
    pub(super) fn new(shared: Arc<Shared>) -> Conn {
        Conn { shared }
    }

    /// Queues bytes to be sent. Never waits; empty writes do nothing.
    ///
    /// If the [cap](crate::Options::cap) would be exceeded, by what the socket does not take, the
    /// connection is reset and ends with [`CloseReason::SlowConsumer`], unless the
    /// [options](crate::Options::when_slow) say otherwise.
    ///
    /// A `Bytes` is shared, not copied: what goes to many connections needs to be made once.
    pub fn write(&mut self, bytes: impl Into<Bytes>) -> Pressure {
        if is_condemned() {
            return Pressure::Closed;
        }
        self.shared.write(bytes.into(), None)
    }

    /// The same, with a key for peers that read too slowly: with [`WhenSlow::Coalesce`](crate::WhenSlow)
    /// it takes the place of the write with this key that waits.
    pub fn write_keyed(&mut self, key: u64, bytes: impl Into<Bytes>) -> Pressure {
        if is_condemned() {
            return Pressure::Closed;
        }
        self.shared.write(bytes.into(), Some(key))
    }

    /// Whether the server drains, so that what is answered now is the last: the connection is to be closed
    /// behind it. For protocols with requests; HTTP's responses see to it themselves.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.shared.is_last()
    }

    pub(crate) fn is_closed(&self) -> bool {
        is_condemned() || self.shared.has_ended()
    }

    /// For another incarnation, or a part of this one.
    pub(crate) fn again(&self) -> Conn {
        Conn { shared: self.shared.clone() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many bytes wait to be sent; what the kernel has taken is not counted.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queued()
    }

    /// Hands on no more frames, and reads no more, until [`resume`](Self::resume). What the peer sends
    /// meanwhile waits in the kernel, as much as there is room for; then the peer has to wait. That it
    /// has closed is noticed when what came before is read.
    ///
    /// For what must be done in order and takes a while: a request that is answered later, before the
    /// next one is looked at.
    pub fn pause(&mut self) {
        if !is_condemned() {
            self.shared.pause();
        }
    }

    /// Goes on after [`pause`](Self::pause). Without one it does nothing.
    pub fn resume(&mut self) {
        if !is_condemned() {
            self.shared.resume();
        }
    }

    /// The connection has got past its handshake, as far as [`Limits::handshakes`](crate::Limits::handshakes)
    /// is concerned. Without this the first whole frame says so; for actors whose peers never say anything.
    pub fn established(&mut self) {
        if !is_condemned() {
            self.shared.established();
        }
    }

    /// Ends the connection in good order: no more is read, what was written so far is sent, then
    /// it is closed. The actor hears [`closed`](crate::Connection::closed) and stops.
    pub fn close(&mut self) {
        if is_condemned() {
            return;
        }
        self.shared.end(CloseReason::Local);
    }

    /// Ends the connection at once: what waits is dropped and the peer sees a reset. The actor
    /// hears [`closed`](crate::Connection::closed) and stops.
    pub fn abort(&mut self) {
        if is_condemned() {
            return;
        }
        self.shared.end(CloseReason::Aborted);
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer_addr(&self) -> Peer {
        self.shared.peer().clone()
    }

    /// The address at this end.
    ///
    /// # Errors
    ///
    /// If there is no socket: before a client's first attempt to connect, and after the end. If it is a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.local_addr()
    }
}

#[cfg(feature = "tls")]
impl Conn {
    /// What the two ends have agreed on, if the connection has TLS; not before it is
    /// [there](crate::Connection::opened), nor after its end.
    #[must_use]
    pub fn tls(&self) -> Option<crate::tls::Agreed> {
        self.shared.agreed()
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("peer", &self.peer_addr()).finish_non_exhaustive()
    }
}
