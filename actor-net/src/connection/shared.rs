//! What a connection's port and the actor's handle have in common: the socket and its write queue.
//!
//! Both are used in the actor's turns only, so the lock is free whenever it is taken; it is there
//! because safe code cannot know that. It is never held while code of the user's runs.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;

use super::Pressure;
use super::common::Common;
use super::queue::{Flush, Queue};
use super::reason::{CloseReason, Ending};
use crate::codec::Codec;
use crate::driver::{Berth, Source};
use crate::listener::Handshake;
use crate::options::Options;

/// The shared part of one connection.
pub(super) struct Shared {
    peer: SocketAddr,
    common: Arc<Common>,
    state: Mutex<State>,
}

/// What the lock protects.
#[derive(Default)]
struct State {
    socket: Option<Source<TcpStream>>,
    queue: Queue,
    /// The socket has not refused bytes since it last said that it takes some.
    writable: bool,
    status: Status,
    reading: Reading,
    /// Until the connection is established.
    handshake: Option<Handshake>,
}

/// Whether what comes in is looked at.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    On,
    /// The actor wants no more for now.
    Paused,
    /// It does again, and the port does not know that there may be something.
    Resumed,
}

#[derive(Default)]
enum Status {
    #[default]
    Open,
    /// Writing failed with this. The port ends the connection once it has read what came before.
    Broken(CloseReason),
    /// The connection has ended, or will when the queue is flushed.
    Ended(CloseReason),
}

impl State {
    fn flush(&mut self) -> Progress {
        let Some(socket) = self.socket.as_ref().filter(|_| self.writable) else {
            return Progress::Waits;
        };
        match self.queue.flush(&mut &**socket) {
            Flush::Empty => Progress::Empty,
            Flush::Blocked => {
                self.writable = false;
                Progress::Waits
            }
            Flush::Spent => Progress::Spent,
            Flush::Failed(error) => {
                self.queue.clear();
                if let Status::Open = self.status {
                    self.status = Status::Broken(CloseReason::of(&error));
                }
                Progress::Broken
            }
        }
    }

    fn is_closed(&self) -> bool {
        !matches!(self.status, Status::Open)
    }
}

/// How far the write queue came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing waits.
    Empty,
    /// Go on when the socket is writable.
    Waits,
    /// Go on in a later turn.
    Spent,
    /// The socket takes no more, ever.
    Broken,
}

impl Shared {
    pub(super) fn new(peer: SocketAddr, socket: Option<TcpStream>, common: Arc<Common>) -> Shared {
        let state = State { socket: socket.map(Source::new), ..State::default() };
        Shared { peer, common, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn options(&self) -> &Options {
        &self.common.options
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.lock().socket {
            Some(socket) => socket.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// Queues a write. Over the cap it first offers the socket what is there, since a burst within
    /// one turn does not make a consumer slow; only what the socket refuses counts.
    pub(super) fn write(&self, write: Bytes) -> Pressure {
        let mut state = self.lock();
        if state.is_closed() {
            return Pressure::Closed;
        }
        if state.queue.is_over(&write, self.options()) {
            state.flush();
            if state.is_closed() {
                return Pressure::Closed;
            }
        }
        if state.queue.is_over(&write, self.options()) {
            // One write may be larger than the cap; what counts is what the socket leaves of it.
            let alone = state.queue.is_empty();
            let mut queued = state.queue.bytes();
            if alone {
                state.queue.push(write, self.options());
                while state.flush() == Progress::Spent {}
                if state.is_closed() {
                    return Pressure::Closed;
                }
                queued = state.queue.bytes();
                if queued <= self.options().cap {
                    let high = queued >= self.options().high;
                    return if high { Pressure::High } else { Pressure::Low };
                }
            }
            drop(state);
            self.end(CloseReason::SlowConsumer { queued, cap: self.options().cap });
            return Pressure::Closed;
        }
        if state.queue.push(write, self.options()) { Pressure::High } else { Pressure::Low }
    }

    /// Queues what the codec has to say by itself.
    pub(super) fn write_replies(&self, codec: &mut impl Codec) {
        if let Some(replies) = codec.replies() {
            self.write(replies);
        }
    }

    /// Ends the connection, logs it and says true, unless it has ended already.
    pub(super) fn end(&self, reason: CloseReason) -> bool {
        {
            let mut state = self.lock();
            if let Status::Ended(_) = state.status {
                return false;
            }
            state.status = Status::Ended(reason.clone());
            if reason.ending() != Ending::Flush {
                state.queue.clear();
            }
        }
        self.common.count(&reason);
        // Without the lock: what listens to events is foreign code.
        let peer = self.peer;
        if reason.is_misbehaviour() {
            tracing::warn!(%peer, %reason, "connection closed");
        } else {
            tracing::debug!(%peer, %reason, "connection closed");
        }
        true
    }

    pub(super) fn ended(&self) -> Option<CloseReason> {
        match &self.lock().status {
            Status::Ended(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.lock().status, Status::Ended(_))
    }

    /// The error that writing met, if it did.
    pub(super) fn broken(&self) -> Option<CloseReason> {
        match &self.lock().status {
            Status::Broken(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Whether the queue has fallen to the low watermark since it was at the high one; says so once.
    pub(super) fn eased(&self) -> bool {
        let mut state = self.lock();
        !state.is_closed() && state.queue.eased(self.options())
    }

    /// Whether the port has something to tell the actor that only a turn of its own can.
    pub(super) fn needs_turn(&self) -> bool {
        let state = self.lock();
        state.is_closed() || state.queue.has_eased(self.options()) || state.reading == Reading::Resumed
    }

    pub(super) fn pause(&self) {
        self.lock().reading = Reading::Paused;
    }

    pub(super) fn resume(&self) {
        let mut state = self.lock();
        if state.reading == Reading::Paused {
            state.reading = Reading::Resumed;
        }
    }

    /// Whether the port may read; the port knows then that there may be something.
    pub(super) fn may_read(&self) -> bool {
        let mut state = self.lock();
        if state.reading == Reading::Resumed {
            state.reading = Reading::On;
        }
        state.reading == Reading::On && !matches!(state.status, Status::Ended(_))
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().reading == Reading::Paused
    }

    /// Whether bytes wait to be sent, and whether some were sent since this was asked last.
    pub(super) fn outbound(&self) -> (bool, bool) {
        let mut state = self.lock();
        (!state.queue.is_empty(), state.queue.take_sent())
    }

    /// Whether no more frames are to be handed on.
    pub(super) fn wants_no_more(&self) -> bool {
        let state = self.lock();
        state.reading == Reading::Paused || matches!(state.status, Status::Ended(_))
    }

    pub(super) fn set_handshake(&self, handshake: Handshake) {
        self.lock().handshake = Some(handshake);
    }

    /// The connection counts as one in its handshake no longer.
    pub(super) fn established(&self) {
        // Dropped without the lock: it takes one of its own.
        let _handshake = self.lock().handshake.take();
    }

    /// Gives the socket a client has made, and takes it.
    pub(super) fn set_socket(&self, socket: TcpStream) {
        self.lock().socket = Some(Source::new(socket));
    }

    pub(super) fn register(&self, berth: Berth, readiness: &actor_core::port::Readiness) -> io::Result<()> {
        match &mut self.lock().socket {
            Some(socket) => socket.register(berth, readiness.clone()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(super) fn set_writable(&self) {
        self.lock().writable = true;
    }

    /// Sends what the socket takes. Without anything queued this costs a look.
    pub(super) fn flush(&self) -> Progress {
        let mut state = self.lock();
        if state.queue.is_empty() {
            return match state.status {
                Status::Broken(_) => Progress::Broken,
                _ => Progress::Empty,
            };
        }
        state.flush()
    }

    /// Reads once. `Ok(0)` is the end of the stream.
    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let state = self.lock();
        let Some(socket) = &state.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        loop {
            match (&mut &**socket).read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Whether a connection under way has come to be. `WouldBlock` while it has not.
    pub(super) fn connected(&self) -> io::Result<()> {
        let mut state = self.lock();
        let Some(socket) = &state.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => {
                state.writable = true;
                Ok(())
            }
            // Some systems report readiness before the connection is there.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Applies what the options say about the socket itself.
    pub(super) fn configure(&self) {
        if let Some(socket) = &self.lock().socket
            && let Err(error) = socket.set_nodelay(self.options().nodelay)
        {
            tracing::debug!(peer = %self.peer, %error, "could not set TCP_NODELAY");
        }
    }

    /// The error the socket has met on its own, if it has.
    pub(super) fn socket_error(&self) -> Option<io::Error> {
        let state = self.lock();
        state.socket.as_ref().and_then(|socket| socket.take_error().unwrap_or_else(Some))
    }

    /// Tells the peer that no more will come. False if there is no peer any more.
    pub(super) fn shutdown_write(&self) -> bool {
        let state = self.lock();
        state.socket.as_ref().is_some_and(|socket| socket.shutdown(Shutdown::Write).is_ok())
    }

    /// The actor is not there any more. Says nothing if the end is known already.
    pub(super) fn fail(&self) {
        self.end(CloseReason::ActorFailed);
        self.close_socket(false);
    }

    /// Closes the socket. `reset` discards what the kernel still keeps for the peer.
    pub(super) fn close_socket(&self, reset: bool) {
        // Closed outside the lock: leaving the driver takes the driver's lock, and the handshake one too.
        let (socket, _handshake) = {
            let mut state = self.lock();
            state.queue.clear();
            (state.socket.take(), state.handshake.take())
        };
        if let Some(socket) = socket
            && reset
            && let Err(error) = socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO))
        {
            tracing::debug!(peer = %self.peer, %error, "could not reset");
        }
    }
}
