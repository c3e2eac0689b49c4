//! UDP: a socket that belongs to an actor, to which each datagram is a call.

mod port;
mod queue;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use actor_core::port::is_condemned;
use actor_core::{Context, Messages, Restart, SupervisorRef, SystemHandle};
use bytes::Bytes;

use crate::driver;
use port::Shared;

/// A UDP socket that is bound and not served yet.
///
/// A server that sends every datagram back:
///
/// ```
/// use std::net::SocketAddr;
///
/// use actor_core::prelude::*;
/// use actor_net::{Bytes, Datagrams, Udp, UdpSocket};
///
/// #[derive(Actor)]
/// struct Echo { socket: UdpSocket }
///
/// #[messages]
/// impl Echo {}
///
/// impl Datagrams for Echo {
///     fn datagram(&mut self, from: SocketAddr, bytes: &[u8], _ctx: &mut Context<Self>) {
///         self.socket.send_to(from, Bytes::copy_from_slice(bytes));
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let system = actor_net::builder().build()?;
/// let udp = Udp::bind("127.0.0.1:0")?;
/// let addr = udp.local_addr();
/// udp.spawn(&system, |socket| Echo { socket })?;
///
/// let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", addr)?;
/// let mut answer = [0; 16];
/// let (n, _) = client.recv_from(&mut answer)?;
/// assert_eq!(&answer[..n], b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "datagrams are not looked at until it is spawned"]
pub struct Udp {
    socket: std::net::UdpSocket,
    addr: SocketAddr,
    max: usize,
    queue: usize,
    name: Option<String>,
    under: Option<SupervisorRef>,
}

impl Udp {
    /// Binds to an address, the first of several that can be bound; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound: it is in use, not of this machine, or not permitted.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Udp> {
        Udp::from_std(std::net::UdpSocket::bind(addr)?)
    }

    /// Takes a socket that is bound already.
    ///
    /// # Errors
    ///
    /// If its address cannot be read, or it cannot be made non-blocking.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Udp> {
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        Ok(Udp { socket, addr, max: 2048, queue: 256 << 10, name: None, under: None })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The most bytes a datagram may have that comes in; 2048 unless this says otherwise, 65,535 at most. Longer ones are
    /// dropped and counted, not cut.
    pub fn max_datagram(mut self, bytes: usize) -> Udp {
        self.max = bytes.min(usize::from(u16::MAX));
        self
    }

    /// The most bytes that may wait until the kernel takes them, each datagram counting for 64 more than it has; 256 KiB unless
    /// this says otherwise. What does not fit is dropped and counted.
    pub fn send_queue(mut self, bytes: usize) -> Udp {
        self.queue = bytes;
        self
    }

    /// The actor's name.
    pub fn name(mut self, name: impl Into<String>) -> Udp {
        self.name = Some(name.into());
        self
    }

    /// The actor's supervisor; the system's root otherwise.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Udp {
        self.under = Some(supervisor.clone());
        self
    }

    /// Spawns the actor that owns the socket; `make` gives it its state, again when it is restarted after a failure: its socket
    /// stays, and so does what waits to be sent.
    ///
    /// # Errors
    ///
    /// If the workers of `system` cannot wait for sockets (see [`builder`](crate::builder)), the system takes no
    /// more actors, or the name is in use.
    pub fn spawn<A: Datagrams>(
        self,
        system: &SystemHandle,
        make: impl Fn(UdpSocket) -> A + Send + 'static,
    ) -> io::Result<A::Ref> {
        driver::check(system)?;
        let socket = mio::net::UdpSocket::from_std(self.socket);
        let shared = Arc::new(Shared::new(socket, self.addr, self.queue));
        let port = port::make(shared.clone(), self.max);
        let factory = move || make(UdpSocket { shared: shared.clone() });
        let mut spawn = system.actor(factory).restart(Restart::Permanent).port(port);
        if let Some(name) = self.name {
            spawn = spawn.name(name);
        }
        if let Some(supervisor) = &self.under {
            spawn = spawn.under(supervisor);
        }
        spawn.spawn().map_err(io::Error::other)
    }
}

/// An actor that owns a UDP socket: what its socket calls, beside what its messages call.
///
/// Datagrams are handed on in the actor's turns, at most 32 or 64 KiB of them in one. While the actor has others
/// to do, they wait in the kernel, which drops what does not fit there and says nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what to do with datagrams",
    label = "this actor does not implement `Datagrams`",
    note = "write `impl Datagrams for {Self}` with a method `datagram`"
)]
pub trait Datagrams: Messages {
    /// A datagram has come. It borrows from the read buffer; copy what is to be kept. Anybody may have sent it, and
    /// written any address on it.
    fn datagram(&mut self, from: SocketAddr, bytes: &[u8], ctx: &mut Context<Self>);
}

/// A UDP socket as its actor holds it.
///
/// What is sent goes out at the end of the actor's turn. It is of no use elsewhere, and lives as long as the actor.
pub struct UdpSocket {
    shared: Arc<Shared>,
}

/// What became of a datagram that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It will be given to the kernel. Whether it arrives nobody knows.
    Queued,
    /// The [queue](Udp::send_queue) is full: it was dropped, and counted.
    Dropped,
}

impl UdpSocket {
    /// Sends a datagram. Never waits. One that the kernel refuses, for its size or its address, is dropped and counted.
    pub fn send_to(&mut self, to: SocketAddr, bytes: impl Into<Bytes>) -> Sent {
        // A condemned handler has no effect.
        if !is_condemned() && self.shared.push(to, bytes.into()) { Sent::Queued } else { Sent::Dropped }
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.addr()
    }

    /// How many datagrams were dropped, going out and coming in, as far as this side can know.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }
}

impl std::fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UdpSocket").field("addr", &self.local_addr()).finish_non_exhaustive()
    }
}
