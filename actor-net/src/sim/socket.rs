//! Sockets of a simulation, as the rest of the crate has them beside those of the operating system.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actor_core::port::Readiness;
use mio::{Interest, Registry, Token};

use super::wire::{At, Patience, Wire};
use crate::budget::Budget;
use crate::stream::Peer;

/// One end of a connection.
pub(crate) struct Stream {
    wire: Arc<Wire>,
    at: At,
    /// Whether its drop is a reset.
    resets: AtomicBool,
}

impl Stream {
    /// Begins to connect, if this thread is in a simulation.
    pub(crate) fn connect(to: &Peer) -> Option<Stream> {
        let wire = Wire::here()?;
        let at = wire.connect(to);
        Some(Stream::new(wire, at))
    }

    fn new(wire: Arc<Wire>, at: At) -> Stream {
        Stream { wire, at, resets: false.into() }
    }

    pub(crate) fn watch(&self, readiness: &Readiness) {
        self.wire.change(|change| change.watch(self.at, readiness));
    }

    pub(crate) fn peer_addr(&self) -> io::Result<()> {
        let state = self.wire.lock();
        match state.end(self.at) {
            Some(end) if state.is_open(self.at.link) && !end.gone => Ok(()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let state = self.wire.lock();
        let addr = state.end(self.at).and_then(|end| end.addr.socket_addr());
        addr.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let mut state = self.wire.lock();
        Ok(state.end_mut(self.at).and_then(|end| end.error.take()).map(io::Error::from))
    }

    pub(crate) fn shutdown(&self, _how: Shutdown) -> io::Result<()> {
        self.wire.change(|change| change.shut(self.at))
    }

    /// After how long it gives its peer up.
    pub(crate) fn set_patience(&self, patience: Patience) {
        self.wire.change(|change| change.set_patience(self.at, patience));
    }

    /// Has its drop be a reset.
    pub(crate) fn reset_when_closed(&self) {
        // Relaxed: one thread of a simulation runs at a time, and passes that on under a lock.
        self.resets.store(true, Ordering::Relaxed);
    }
}

impl Read for &Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wire.change(|change| change.read(self.at, buf))
    }
}

impl Write for &Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wire.change(|change| change.write(self.at, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&bufs.iter().flat_map(|buf| buf.iter().copied()).collect::<Vec<u8>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let resets = *self.resets.get_mut();
        self.wire.change(|change| change.close(self.at, resets));
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Simulated").field(&self.at).finish()
    }
}

/// A socket that listens.
pub(crate) struct Listening {
    wire: Arc<Wire>,
    addr: Peer,
}

impl Listening {
    /// Listens at an address, if this thread is in a simulation.
    pub(crate) fn bind(at: Peer) -> Option<io::Result<Listening>> {
        let wire = Wire::here()?;
        Some(wire.listen(at).map(|addr| Listening { wire, addr }))
    }

    pub(crate) fn addr(&self) -> &Peer {
        &self.addr
    }

    pub(crate) fn watch(&self, readiness: &Readiness) {
        self.wire.watch_listener(&self.addr, readiness);
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (at, peer) = self.wire.accept(&self.addr)?;
        Ok((Stream::new(self.wire.clone(), at), peer))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.wire.unlisten(&self.addr);
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Simulated").field(&self.addr).finish()
    }
}

/// A socket's place in the system that is simulated.
pub(crate) struct Berth {
    wire: Arc<Wire>,
    budget: Budget,
}

impl Berth {
    /// One in the simulation that this thread is in.
    pub(crate) fn here() -> Option<Berth> {
        let wire = Wire::here()?;
        let mut state = wire.lock();
        state.berthed += 1;
        let budget = state.budget.clone();
        drop(state);
        Some(Berth { wire, budget })
    }

    /// How many there are in it.
    pub(crate) fn all_here() -> Option<usize> {
        Wire::here().map(|wire| wire.lock().berthed)
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.wire.lock().berthed -= 1;
    }
}

/// No poll waits for what is simulated, and no simulation for other sockets.
pub(crate) fn not_of_this_world() -> io::Error {
    let text = "a socket of a simulation is for the system that is simulated, and other sockets are for other systems: \
                bind, and spawn, on the thread of the simulation";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

macro_rules! no_source {
    ($socket:ty) => {
        impl mio::event::Source for $socket {
            fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
                Err(not_of_this_world())
            }

            fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
                Err(not_of_this_world())
            }

            fn deregister(&mut self, _: &Registry) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

no_source!(Stream);
no_source!(Listening);
