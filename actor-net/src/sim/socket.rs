//! Sockets of a simulation, as the rest of the crate has them beside those of the operating system.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::port::Readiness;
use mio::{Interest, Registry, Token};
use slab::Slab;

use super::wire::{At, Change, Patience, Wire};
use crate::driver::Quay;
use crate::stream::Peer;

/// The ends that there are, in all simulations.
static ENDS: Mutex<Slab<Arc<End>>> = Mutex::new(Slab::new());

/// One end of a connection: a key, as a socket of the operating system is. So a connection is as large as it is elsewhere.
pub(crate) struct Stream(u32);

struct End {
    wire: Arc<Wire>,
    at: At,
    /// Whether its drop is a reset.
    resets: AtomicBool,
}

fn ends() -> MutexGuard<'static, Slab<Arc<End>>> {
    // Nothing in here panics half-way through a change.
    ENDS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    /// Begins to connect, if this thread is in a simulation.
    pub(crate) fn connect(to: &Peer) -> Option<Stream> {
        let wire = Wire::here()?;
        let at = wire.connect(to);
        Some(Stream::new(wire, at))
    }

    fn new(wire: Arc<Wire>, at: At) -> Stream {
        let key = ends().insert(Arc::new(End { wire, at, resets: false.into() }));
        Stream(u32::try_from(key).expect("fewer sockets than numbers"))
    }

    fn end(&self) -> Arc<End> {
        ends()[self.0 as usize].clone()
    }

    fn change<R>(&self, what: impl FnOnce(&mut Change<'_>, At) -> R) -> R {
        let End { wire, at, .. } = &*self.end();
        wire.change(|change| what(change, *at))
    }

    pub(crate) fn watch(&self, readiness: &Readiness) {
        self.change(|change, at| change.watch(at, readiness));
    }

    pub(crate) fn peer_addr(&self) -> io::Result<()> {
        let End { wire, at, .. } = &*self.end();
        let state = wire.lock();
        match state.end(*at) {
            Some(end) if state.is_open(at.link) && !end.gone => Ok(()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let End { wire, at, .. } = &*self.end();
        let addr = wire.lock().end(*at).and_then(|end| end.addr.socket_addr());
        addr.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let End { wire, at, .. } = &*self.end();
        Ok(wire.lock().end_mut(*at).and_then(|end| end.error.take()).map(io::Error::from))
    }

    pub(crate) fn shutdown(&self, _how: Shutdown) -> io::Result<()> {
        self.change(|change, at| change.shut(at))
    }

    /// After how long it gives its peer up.
    pub(crate) fn set_patience(&self, patience: Patience) {
        self.change(|change, at| change.set_patience(at, patience));
    }

    /// Has its drop be a reset.
    pub(crate) fn reset_when_closed(&self) {
        // Relaxed: one thread of a simulation runs at a time, and passes that on under a lock.
        self.end().resets.store(true, Ordering::Relaxed);
    }
}

impl Read for &Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.change(|change, at| change.read(at, buf))
    }
}

impl Write for &Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.change(|change, at| change.write(at, buf))
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
        let End { wire, at, resets } = &*ends().remove(self.0 as usize);
        // Relaxed: see above.
        let resets = resets.load(Ordering::Relaxed);
        wire.change(|change| change.close(*at, resets));
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Simulated").field(&self.end().at).finish()
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

/// Where sockets of the simulation that this thread is in have their places.
pub(crate) fn quay() -> Option<Arc<Quay>> {
    Some(Wire::here()?.lock().quays.last()?.clone())
}

/// How many sockets there are in it.
pub(crate) fn berthed() -> Option<usize> {
    Some(Wire::here()?.lock().quays.iter().map(|quay| quay.berthed()).sum())
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
