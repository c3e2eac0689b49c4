//! What a connection's port and the actor's handle have in common: the socket and its write queue.
//!
//! Both are used in the actor's turns only, and so is the lock, but for what a [room](crate::Room)
//! writes. It is never held while code of the user's runs.

mod orders;
mod socket;
mod writing;

use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::port::{Readiness, Ready, say};
use bytes::Bytes;
use tracing::Level;

use super::common::Common;
use super::evicting::Load;
use super::queue::{Flush, Queue};
use super::reason::{CloseReason, Ending};
use super::tls::Tls;
use crate::driver::{Berth, Source};
use crate::listener::Handshake;
use crate::options::Options;
use crate::room::Seat;
use crate::stream::{Peer, Stream};

/// The shared part of one connection.
pub(crate) struct Shared {
    peer: Peer,
    common: Arc<Common>,
    state: Mutex<State>,
}

/// What the lock protects.
#[derive(Default)]
struct State {
    socket: Option<Source<Stream>>,
    /// What is between the bytes of the actor and those of the socket, if anything is.
    tls: Option<Box<Tls>>,
    /// The port reads by way of TLS, and has taken it. Nothing is sent meanwhile; the port does that when its turn ends.
    tls_reads: bool,
    queue: Queue,
    /// The socket has not refused bytes since it last said that it takes some.
    writable: bool,
    status: Status,
    reading: Reading,
    /// Until the connection is established.
    handshake: Option<Handshake>,
    /// More has come than was handed on: known while the actor has paused, or the server drains.
    more: bool,
    /// How many writes were dropped that the actor has not been told of.
    lagged: u32,
    /// When the last whole frame came, in the time of [`Common::millis`], if some may have to go.
    spoke: u32,
    /// It has to go.
    evicted: Option<Load>,
    /// It is to move to another worker.
    moves: bool,
    /// What the queue counts for in the budget.
    charged: usize,
    /// Where the port's cell is flagged.
    readiness: Option<Readiness>,
    /// The rooms it is in.
    seats: Vec<Seat>,
    /// It may be broken off while a handler runs; and what to tell the peer then.
    breakable: bool,
    last_words: Option<Box<Bytes>>,
}

// There are very many of these. What few of them need is in a box; the size of a socket is not ours.
const _: () = assert!(size_of::<Shared>() <= 224 + size_of::<Stream>());

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
    Broken(Box<CloseReason>),
    /// The connection has ended, or will when the queue is flushed.
    Ended(Box<CloseReason>),
}

impl State {
    fn flush(&mut self) -> Progress {
        let Some(socket) = self.socket.as_ref().filter(|_| self.writable && !self.tls_reads) else {
            return Progress::Waits;
        };
        let flushed = match &mut self.tls {
            None => self.queue.flush(&mut &**socket),
            Some(tls) => {
                let last = matches!(self.status, Status::Ended(_));
                tls.flush(&mut self.queue, &mut &**socket, last)
            }
        };
        match flushed {
            Flush::Empty => Progress::Empty,
            Flush::Blocked => {
                self.writable = false;
                Progress::Waits
            }
            Flush::Spent => Progress::Spent,
            Flush::Failed(error) => {
                self.queue.clear();
                if let Status::Open = self.status {
                    self.status = Status::Broken(Box::new(CloseReason::of(&error)));
                }
                Progress::Broken
            }
        }
    }

    /// Says that this was all, and throws away what has come: what is unread when a socket is closed has the
    /// kernel send a reset, and that would take the last words with it.
    fn hang_up(&self) {
        const READS: usize = 16;
        let Some(socket) = &self.socket else { return };
        if socket.shutdown(Shutdown::Write).is_ok() {
            let mut unread = [0; 4096];
            let _ = (0..READS).try_for_each(|_| match (&mut &**socket).read(&mut unread) {
                Ok(1..) => Ok(()),
                _ => Err(()),
            });
        }
    }

    /// Reads once. `Ok(0)` is the end of the stream.
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(socket) = &self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        loop {
            match (&mut &**socket).read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// How many bytes TLS has sealed that the socket has not taken.
    fn unsent(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.unsent())
    }

    fn is_closed(&self) -> bool {
        !matches!(self.status, Status::Open)
    }
}

/// What a read has brought.
#[derive(Clone, Copy)]
pub(super) struct Came {
    /// So many bytes for the codec.
    pub(super) bytes: usize,
    /// So many bytes from the socket; none at the end of the stream.
    pub(super) read: usize,
    /// The socket had no more than that.
    pub(super) all: bool,
}

impl Came {
    #[cfg(feature = "tls")]
    pub(super) const END: Came = Came { bytes: 0, read: 0, all: false };
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
    pub(super) fn new(
        peer: Peer,
        socket: Option<Stream>,
        tls: Option<Box<Tls>>,
        common: Arc<Common>,
    ) -> Shared {
        let spoke = common.evicting.as_ref().map_or(0, |_| common.millis());
        let state = State { socket: socket.map(Source::new), tls, spoke, ..State::default() };
        Shared { peer, common, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn options(&self) -> &Options {
        &self.common.options
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    /// Whether more has come from the peer behind the frame that was handed on last.
    pub(super) fn set_more(&self, more: bool) {
        self.lock().more = more;
    }

    /// Whether the answer to what was handed on last is to be the last.
    pub(super) fn is_last(&self) -> bool {
        self.common.is_draining() && !self.lock().more
    }

    pub(super) fn queued(&self) -> usize {
        let state = self.lock();
        state.queue.bytes() + state.unsent()
    }

    /// Takes a seat in a room, unless the connection has ended or has `one` there.
    pub(crate) fn sit(&self, seat: Seat, one: impl Fn(&Seat) -> bool) -> bool {
        let mut state = self.lock();
        if state.is_closed() || state.seats.iter().any(one) {
            return false;
        }
        // Most are in one room, and as many as a vector takes by itself would cost them more than all else here.
        state.seats.reserve_exact(1);
        state.seats.push(seat);
        true
    }

    /// Gives the seat back that is `the` one.
    pub(crate) fn stand_up(&self, the: impl Fn(&Seat) -> bool) -> Option<Seat> {
        let mut state = self.lock();
        let at = state.seats.iter().position(the)?;
        Some(state.seats.swap_remove(at))
    }

    /// Ends the connection, logs it and says true, unless it has ended already.
    pub(super) fn end(&self, reason: CloseReason) -> bool {
        let seats = {
            let mut state = self.lock();
            if let Status::Ended(_) = state.status {
                return false;
            }
            state.status = Status::Ended(Box::new(reason.clone()));
            if reason.ending() != Ending::Flush {
                state.queue.clear();
            }
            std::mem::take(&mut state.seats)
        };
        for seat in seats {
            seat.leave();
        }
        self.common.count(&reason);
        // Without the lock: what listens to events is foreign code.
        let peer = &self.peer;
        if reason.is_misbehaviour() {
            say(Level::WARN, || {
                let (peer, reason) = (peer.clone(), reason.to_string());
                move || tracing::warn!(%peer, reason, "connection closed")
            });
        } else {
            tracing::debug!(%peer, %reason, "connection closed");
        }
        true
    }

    pub(super) fn ended(&self) -> Option<CloseReason> {
        match &self.lock().status {
            Status::Ended(reason) => Some((**reason).clone()),
            _ => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.lock().status, Status::Ended(_))
    }

    /// The error that writing met, if it did.
    pub(super) fn broken(&self) -> Option<CloseReason> {
        match &self.lock().status {
            Status::Broken(reason) => Some((**reason).clone()),
            _ => None,
        }
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
        state.reading == Reading::On
            && !state.stalls(self.options())
            && !matches!(state.status, Status::Ended(_))
    }

    /// Whether the actor, or what its peer does not read, keeps the port from reading.
    pub(super) fn is_paused(&self) -> bool {
        let state = self.lock();
        state.reading == Reading::Paused || state.stalls(self.options())
    }

    /// Whether bytes wait that the socket has refused, and whether some were sent since this was asked last.
    pub(super) fn outbound(&self) -> (bool, bool) {
        let mut state = self.lock();
        let waits = !state.writable && (!state.queue.is_empty() || state.unsent() > 0);
        (waits, state.queue.take_sent())
    }

    /// Whether bytes were sent since this was asked last.
    pub(super) fn take_sent(&self) -> bool {
        self.lock().queue.take_sent()
    }

    /// Whether no more frames are to be handed on.
    pub(super) fn wants_no_more(&self) -> bool {
        let state = self.lock();
        state.reading == Reading::Paused
            || state.stalls(self.options())
            || matches!(state.status, Status::Ended(_))
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
    pub(super) fn set_socket(&self, socket: Stream) {
        self.lock().socket = Some(Source::new(socket));
    }

    /// The cell of which the connection's port is, before anything else is done with that.
    pub(super) fn set_readiness(&self, readiness: &Readiness) {
        self.lock().readiness = Some(readiness.clone());
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.lock().readiness.clone().expect("a port says first where it is flagged")
    }

    /// Has the port have a turn.
    pub(super) fn wake(&self) {
        self.readiness().set(Ready::WAKE);
    }

    pub(super) fn register(&self, berth: Berth, readiness: &Readiness) -> io::Result<()> {
        let mut state = self.lock();
        match &mut state.socket {
            Some(socket) => socket.register(berth, readiness.clone()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The actor is not there any more. Says nothing if the end is known already, and to the peer what there is
    /// to say: `words`, or else what was [set](Self::set_last_words). They go out if the socket takes them now.
    pub(super) fn fail(&self, words: Option<Bytes>) {
        {
            let mut state = self.lock();
            let set = state.last_words.take().map(|words| *words);
            if let Some(words) = words.or(set)
                && !state.is_closed()
            {
                // Behind what waits, of which the peer may have a part.
                state.queue.push(words, self.options());
                if state.flush() == Progress::Empty {
                    state.hang_up();
                }
            }
        }
        self.end(CloseReason::ActorFailed);
        self.close_socket(false);
    }

    /// What to tell the peer if the connection is broken off while a handler runs.
    pub(super) fn set_last_words(&self, words: Option<Bytes>) {
        self.lock().last_words = words.map(Box::new);
    }

    pub(super) fn set_breakable(&self) {
        self.lock().breakable = true;
    }

    pub(super) fn is_breakable(&self) -> bool {
        self.lock().breakable
    }

    /// Closes the socket. `reset` discards what the kernel still keeps for the peer.
    pub(super) fn close_socket(&self, reset: bool) {
        // Closed outside the lock: leaving the driver takes the driver's lock, and the handshake one too.
        let (socket, _handshake, _tls) = {
            let mut state = self.lock();
            state.queue.clear();
            state.settle(self.options());
            (state.socket.take(), state.handshake.take(), state.tls.take())
        };
        if let Some(socket) = socket
            && reset
            && let Err(error) = socket.reset_when_closed()
        {
            tracing::debug!(peer = %self.peer, %error, "could not reset");
        }
    }
}
