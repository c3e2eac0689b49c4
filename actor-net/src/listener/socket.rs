//! Listening sockets.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix::fs::FileTypeExt;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::stream::{Peer, Stream};

/// How many connections wait in the kernel to be accepted. The system may have a lower limit. One too many is not answered,
/// and comes again after a second.
const BACKLOG: i32 = 4096;

/// A listening socket of any kind.
#[derive(Debug)]
pub(super) enum ListenSocket {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix {
        socket: mio::net::UnixListener,
        /// Where it is, if that was made for it; taken away with it.
        path: Option<PathBuf>,
    },
    #[cfg(feature = "sim")]
    Simulated(crate::sim::Listening),
}

impl ListenSocket {
    pub(super) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            ListenSocket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((Stream::Tcp(stream), Peer::Ip(peer)))
            }
            #[cfg(unix)]
            ListenSocket::Unix { socket, .. } => {
                let (stream, from) = socket.accept()?;
                Ok((Stream::Unix(stream), Peer::Unix(from.as_pathname().map(Into::into))))
            }
            #[cfg(feature = "sim")]
            ListenSocket::Simulated(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((Stream::Simulated(stream), peer))
            }
        }
    }
}

impl crate::driver::Socket for ListenSocket {
    #[cfg(feature = "sim")]
    fn watch(&self, readiness: &actor_core::port::Readiness) -> io::Result<()> {
        match self {
            ListenSocket::Simulated(socket) => {
                socket.watch(readiness);
                Ok(())
            }
            _ => Err(crate::sim::not_of_this_world()),
        }
    }
}

#[cfg(unix)]
impl Drop for ListenSocket {
    fn drop(&mut self) {
        if let ListenSocket::Unix { path: Some(path), .. } = self
            && let Err(error) = std::fs::remove_file(&*path)
        {
            tracing::debug!(path = %path.display(), %error, "the path of a listener is left behind");
        }
    }
}

impl mio::event::Source for ListenSocket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            ListenSocket::Tcp(socket) => socket.register(registry, token, interests),
            #[cfg(unix)]
            ListenSocket::Unix { socket, .. } => socket.register(registry, token, interests),
            #[cfg(feature = "sim")]
            ListenSocket::Simulated(socket) => socket.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            ListenSocket::Tcp(socket) => socket.reregister(registry, token, interests),
            #[cfg(unix)]
            ListenSocket::Unix { socket, .. } => socket.reregister(registry, token, interests),
            #[cfg(feature = "sim")]
            ListenSocket::Simulated(socket) => socket.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            ListenSocket::Tcp(socket) => socket.deregister(registry),
            #[cfg(unix)]
            ListenSocket::Unix { socket, .. } => socket.deregister(registry),
            #[cfg(feature = "sim")]
            ListenSocket::Simulated(socket) => socket.deregister(registry),
        }
    }
}

/// Listens at an address; `shared` lets others do so as well.
pub(super) fn tcp(addr: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix: bind although connections of an earlier process are still in their last wait. On
    // Windows the same option would let two processes share the port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    if shared {
        reuse_port(&socket)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
fn reuse_port(_: &Socket) -> io::Result<()> {
    let text = "this system cannot bind to an address twice; use Listener::bind";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Listens at a path, and takes away what a process that is gone has left there.
#[cfg(unix)]
pub(super) fn unix(path: &Path) -> io::Result<ListenSocket> {
    let listen = || -> io::Result<ListenSocket> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let socket = mio::net::UnixListener::from_std(socket.into());
        Ok(ListenSocket::Unix { socket, path: Some(path.to_owned()) })
    };
    match listen() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            listen()
        }
        listening => listening,
    }
}

/// Whether there is a socket at which nobody listens.
#[cfg(unix)]
fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused)
}
