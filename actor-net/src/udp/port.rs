//! The port of a UDP socket: what its actor's turns do with it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::port::{Again, Drain, MakePort, Port, Readiness, Ready};
use actor_core::{Context, StopReason, SystemHandle};
use bytes::Bytes;
use mio::net::UdpSocket;

use super::Datagrams;
use super::queue::{Flush, Queue};
use crate::driver::{Berth, Socket, Source};

/// The most datagrams, and bytes, that one turn hands on.
const DATAGRAMS: usize = 32;
const BYTES: usize = 64 << 10;

/// What the port and the actor's handle have in common. Both are used in the actor's turns only; the lock is there because
/// safe code cannot know that.
pub(super) struct Shared {
    addr: SocketAddr,
    state: Mutex<State>,
}

struct State {
    socket: Source<UdpSocket>,
    registered: bool,
    queue: Queue,
    dropped: u64,
    /// The kernel has not refused a datagram since it last said that it takes some.
    writable: bool,
}

/// Datagrams are not simulated.
impl Socket for UdpSocket {
    #[cfg(feature = "sim")]
    fn watch(&self, _: &Readiness) -> io::Result<()> {
        Err(crate::sim::not_of_this_world())
    }
}

impl Shared {
    pub(super) fn new(socket: UdpSocket, addr: SocketAddr, queue: usize) -> Shared {
        let state = State {
            socket: Source::new(socket),
            registered: false,
            queue: Queue::new(queue),
            dropped: 0,
            writable: true,
        };
        Shared { addr, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn push(&self, to: SocketAddr, bytes: Bytes) -> bool {
        let mut state = self.lock();
        let fits = state.queue.push(to, bytes);
        state.dropped += u64::from(!fits);
        fits
    }

    /// Once for all incarnations: what is registered is flagged to the actor's cell, which is the same for all.
    fn register(&self, system: &SystemHandle, readiness: &Readiness) -> io::Result<()> {
        let mut state = self.lock();
        if !state.registered {
            state.socket.register(Berth::least_loaded(system)?, readiness.clone())?;
            state.registered = true;
        }
        Ok(())
    }

    fn flush(&self) -> Flush {
        let State { socket, queue, dropped, writable, .. } = &mut *self.lock();
        if !*writable {
            return Flush::Blocked;
        }
        let flushed = queue.flush(dropped, |to, bytes| socket.send_to(bytes, to));
        *writable = flushed != Flush::Blocked;
        flushed
    }
}

/// The port of an actor with this socket; datagrams of more than `max` bytes are dropped.
pub(super) fn make<A: Datagrams>(shared: Arc<Shared>, max: usize) -> MakePort<A> {
    Box::new(move |readiness| {
        // Registering is the port's first work. An earlier incarnation may have taken the flag with it.
        readiness.set(Ready::WAKE);
        // A byte more, which only what is too long fills.
        let buffer = vec![0; max + 1].into_boxed_slice();
        let port = UdpPort { shared: shared.clone(), readiness, buffer, readable: true, woken: true };
        Box::new(port)
    })
}

struct UdpPort {
    shared: Arc<Shared>,
    readiness: Readiness,
    buffer: Box<[u8]>,
    readable: bool,
    /// `WAKE` is flagged already.
    woken: bool,
}

impl UdpPort {
    fn wake(&mut self) {
        if !self.woken {
            self.woken = true;
            self.readiness.set(Ready::WAKE);
        }
    }

    /// Reads once. `None` if nothing is there.
    fn receive(&mut self) -> Option<io::Result<(usize, SocketAddr)>> {
        match self.shared.lock().socket.recv_from(&mut self.buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            received => Some(received),
        }
    }

    fn read<A: Datagrams>(&mut self, actor: &mut A, ctx: &mut Context<A>) -> Again {
        let mut bytes = 0;
        for _ in 0..DATAGRAMS {
            if ctx.is_stopping() {
                return Again::No;
            }
            match self.receive() {
                None => {
                    self.readable = false;
                    return Again::No;
                }
                Some(Ok((n, _))) if n == self.buffer.len() => self.shared.lock().dropped += 1,
                Some(Ok((n, from))) => {
                    actor.datagram(from, &self.buffer[..n], ctx);
                    bytes += n;
                }
                // What became of an earlier one that was sent: its peer is not there.
                Some(Err(error)) => {
                    tracing::debug!(addr = %self.shared.addr, %error, "a datagram has failed")
                }
            }
            if bytes >= BYTES {
                break;
            }
        }
        Again::Yes
    }
}

impl<A: Datagrams> Port<A> for UdpPort {
    fn ready(&mut self, ready: Ready, actor: &mut A, ctx: &mut Context<A>) -> Again {
        self.woken = false;
        self.readable |= ready.contains(Ready::READABLE);
        if ready.contains(Ready::WRITABLE) {
            self.shared.lock().writable = true;
        }
        if let Err(error) = self.shared.register(ctx.system(), &self.readiness) {
            ctx.fail(error);
            return Again::No;
        }
        if self.readable { self.read(actor, ctx) } else { Again::No }
    }

    fn turn_ended(&mut self) {
        if self.shared.flush() == Flush::Spent {
            self.wake();
        }
    }

    fn drain(&mut self, ready: Ready, _: &StopReason) -> Drain {
        self.woken = false;
        if ready.contains(Ready::WRITABLE) {
            self.shared.lock().writable = true;
        }
        match self.shared.flush() {
            Flush::Empty => Drain::Done,
            Flush::Blocked => Drain::Wait,
            Flush::Spent => {
                self.wake();
                Drain::Wait
            }
        }
    }
}
