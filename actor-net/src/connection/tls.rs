//! TLS between a connection's bytes and its socket.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};

use super::queue::{Flush, Queue};
use super::scratch::SIZE;
use super::shared::Came;
use crate::tls::Agreed;
use crate::tls::session::Session;

thread_local! {
    /// The buffer that this thread's connections read their records into, one after the other.
    static RECORDS: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// The TLS of one connection.
pub(crate) struct Tls {
    session: Session,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    pub(crate) fn new(session: Session) -> Tls {
        Tls { session }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn agreed(&self) -> Option<Agreed> {
        (!self.session.is_handshaking()).then(|| self.session.agreed())
    }

    /// How many bytes of records the socket has left.
    pub(super) fn unsent(&self) -> usize {
        self.session.unsent().len()
    }

    /// Reads once. What it finds are bytes of the content of records, or none.
    pub(super) fn read(&mut self, socket: &mut impl Read, content: &mut [u8]) -> io::Result<Came> {
        if self.session.peer_closed() {
            return Ok(Came::END);
        }
        let mut records = RECORDS.take().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice());
        let came = self.read_into(&mut records, socket, content);
        RECORDS.set(Some(records));
        came
    }

    fn read_into(
        &mut self,
        records: &mut [u8],
        socket: &mut impl Read,
        content: &mut [u8],
    ) -> io::Result<Came> {
        // Content is never longer than its records, so it has room.
        let room = records.len().min(content.len());
        let held = self.session.put_partial(&mut records[..room]);
        let read = socket.read(&mut records[held..room])?;
        if read == 0 {
            // Whoever it was that ended this connection, the peer has not said so.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = self.session.open(&mut records[..held + read], content).map_err(failed)?;
        let read = if bytes == 0 && self.session.peer_closed() { 0 } else { read };
        Ok(Came { bytes, read, all: false })
    }

    /// Seals and sends what is queued, as much as the socket takes, and what TLS has to say by itself. `last` says that nothing
    /// will follow.
    pub(super) fn flush(&mut self, queue: &mut Queue, socket: &mut impl Write, last: bool) -> Flush {
        let session = &mut self.session;
        let ready = if session.has_failed() {
            Ok(())
        } else if session.is_handshaking() {
            // What is queued waits for the end of the handshake, and does not need the socket for that.
            session.begin()
        } else {
            match queue.flush(&mut Sealing { session, socket }) {
                Flush::Empty if last => session.close(),
                Flush::Empty => Ok(()),
                other => return other,
            }
        };
        match ready.map_err(failed).and_then(|()| send(session, socket)) {
            Ok(()) => Flush::Empty,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Flush::Blocked,
            Err(error) => Flush::Failed(error),
        }
    }
}

/// An error that no socket gives: [`CloseReason::of`](super::CloseReason) knows it by that.
fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Sends what is sealed. `WouldBlock` if the socket leaves some of it.
fn send(session: &mut Session, socket: &mut impl Write) -> io::Result<()> {
    while !session.unsent().is_empty() {
        match socket.write(session.unsent()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => session.sent(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the queue is flushed into: takes a batch once the one before is sent.
struct Sealing<'a, W> {
    session: &'a mut Session,
    socket: &'a mut W,
}

impl<W: Write> Write for Sealing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        send(self.session, self.socket)?;
        let taken = self.session.seal(slices).map_err(failed)?;
        match send(self.session, self.socket) {
            // The rest goes before the next batch.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(taken),
            sent => sent.map(|()| taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
