//! Stream sockets, and who is at their other end.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::driver::Socket;
use crate::options::Options;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// It is at this address.
    Ip(SocketAddr),
    /// It is a process of this machine, by way of a Unix socket: the one at this path, or one without a path, as those who
    /// connect are.
    Unix(Option<Arc<Path>>),
}

impl Peer {
    /// Whoever listens at a path, as a Unix socket.
    #[must_use]
    pub fn path(path: impl AsRef<Path>) -> Peer {
        Peer::Unix(Some(path.as_ref().into()))
    }

    /// The address, without the port; none by way of a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|addr| addr.ip())
    }

    /// The address, with the port; none by way of a Unix socket.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Peer::Ip(addr) => Some(*addr),
            Peer::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Peer {
        Peer::Ip(addr)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(addr) => addr.fmt(f),
            Peer::Unix(Some(path)) => path.display().fmt(f),
            Peer::Unix(None) => f.write_str("a process of this machine"),
        }
    }
}

/// A stream socket of any kind.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "sim")]
    Simulated(crate::sim::Stream),
}

/// Does the same with a socket of any kind.
macro_rules! either {
    ($stream:expr, $socket:ident => $what:expr) => {
        match $stream {
            Stream::Tcp($socket) => $what,
            #[cfg(unix)]
            Stream::Unix($socket) => $what,
            #[cfg(feature = "sim")]
            Stream::Simulated($socket) => $what,
        }
    };
}

impl Stream {
    /// Begins to connect.
    pub(crate) fn connect(peer: &Peer) -> io::Result<Stream> {
        #[cfg(feature = "sim")]
        if let Some(stream) = crate::sim::Stream::connect(peer) {
            return Ok(Stream::Simulated(stream));
        }
        match peer {
            Peer::Ip(addr) => TcpStream::connect(*addr).map(Stream::Tcp),
            #[cfg(unix)]
            Peer::Unix(Some(path)) => UnixStream::connect(path).map(Stream::Unix),
            Peer::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "there is no way to this peer")),
        }
    }

    /// An error if there is no peer, yet or any more.
    pub(crate) fn has_peer(&self) -> io::Result<()> {
        either!(self, socket => socket.peer_addr().map(drop))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Tcp(socket) => socket.local_addr(),
            #[cfg(unix)]
            Stream::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a Unix socket has a path, if at all"))
            }
            #[cfg(feature = "sim")]
            Stream::Simulated(socket) => socket.local_addr(),
        }
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(self, socket => socket.take_error())
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self, socket => socket.shutdown(how))
    }

    /// Whether one that gives less than there is room for has no more: then it flags what comes later. So say epoll and kqueue;
    /// other selectors wait for a read that is refused.
    pub(crate) fn tells_by_a_short_read(&self) -> bool {
        #[cfg(feature = "sim")]
        if let Stream::Simulated(_) = self {
            return false;
        }
        cfg!(any(target_os = "linux", target_os = "android", target_vendor = "apple"))
    }

    /// Applies what options say about the socket itself, which is for TCP.
    pub(crate) fn configure(&self, options: &Options) -> io::Result<()> {
        match self {
            Stream::Tcp(socket) => options.apply(SockRef::from(socket)),
            #[cfg(unix)]
            Stream::Unix(_) => Ok(()),
            #[cfg(feature = "sim")]
            Stream::Simulated(socket) => {
                socket.set_patience(options.patience());
                Ok(())
            }
        }
    }

    /// Has the peer see a reset when this is closed, and what the kernel still keeps for it discarded.
    pub(crate) fn reset_when_closed(&self) -> io::Result<()> {
        const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
        match self {
            Stream::Tcp(socket) => SockRef::from(socket).set_linger(AT_ONCE),
            #[cfg(unix)]
            Stream::Unix(socket) => SockRef::from(socket).set_linger(AT_ONCE),
            #[cfg(feature = "sim")]
            Stream::Simulated(socket) => {
                socket.reset_when_closed();
                Ok(())
            }
        }
    }
}

impl Socket for Stream {
    #[cfg(feature = "sim")]
    fn watch(&self, readiness: &actor_core::port::Readiness) -> io::Result<()> {
        match self {
            Stream::Simulated(socket) => {
                socket.watch(readiness);
                Ok(())
            }
            _ => Err(crate::sim::not_of_this_world()),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => (&*socket).read(buf))
    }
}

impl Write for &Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        either!(self, socket => (&*socket).write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => (&*socket).write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, socket => (&*socket).flush())
    }
}

impl mio::event::Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        either!(self, socket => socket.register(registry, token, interests))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        either!(self, socket => socket.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        either!(self, socket => socket.deregister(registry))
    }
}
