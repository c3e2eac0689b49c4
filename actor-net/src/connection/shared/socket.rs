//! The socket of a connection, by way of TLS if that is between.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};

use super::{Came, Shared};

/// The socket as it is, to be read.
struct Raw<'a>(&'a Shared);

impl Read for Raw<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_raw(buf)
    }
}

impl Shared {
    pub(in crate::connection) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.lock().socket {
            Some(socket) => socket.local_addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(in crate::connection) fn set_writable(&self) {
        self.lock().writable = true;
    }

    /// Reads once, at most `limit` bytes from the socket if there is nothing between.
    pub(in crate::connection) fn read(&self, buf: &mut [u8], limit: usize) -> io::Result<Came> {
        let mut state = self.lock();
        if let Some(mut tls) = state.tls.take() {
            state.tls_reads = true;
            drop(state);
            // Without the lock: certificates are chosen and looked at by foreign code.
            let came = tls.read(&mut Raw(self), buf);
            let mut state = self.lock();
            (state.tls, state.tls_reads) = (Some(tls), false);
            return came;
        }
        let read = state.read(&mut buf[..limit])?;
        let tells = state.socket.as_ref().is_some_and(|socket| socket.tells_by_a_short_read());
        Ok(Came { bytes: read, read, all: tells && read < limit })
    }

    /// Reads once, past what is between. `Ok(0)` is the end of the stream.
    pub(in crate::connection) fn read_raw(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }

    /// Whether TLS is there and has not come to terms with the peer.
    pub(in crate::connection) fn is_handshaking(&self) -> bool {
        self.lock().tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// What TLS has agreed on with the peer.
    #[cfg(feature = "tls")]
    pub(in crate::connection) fn agreed(&self) -> Option<crate::tls::Agreed> {
        self.lock().tls.as_ref().and_then(|tls| tls.agreed())
    }

    /// Whether a connection under way has come to be. `WouldBlock` while it has not.
    pub(in crate::connection) fn connected(&self) -> io::Result<()> {
        let mut state = self.lock();
        let Some(socket) = &state.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.has_peer() {
            Ok(()) => {
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
    pub(in crate::connection) fn configure(&self) {
        if let Some(socket) = &self.lock().socket
            && let Err(error) = socket.configure(self.options())
        {
            tracing::debug!(peer = %self.peer, %error, "could not set an option of the socket");
        }
    }

    /// The error the socket has met on its own, if it has.
    pub(in crate::connection) fn socket_error(&self) -> Option<io::Error> {
        let state = self.lock();
        state.socket.as_ref().and_then(|socket| socket.take_error().unwrap_or_else(Some))
    }

    /// Tells the peer that no more will come. False if there is no peer any more.
    pub(in crate::connection) fn shutdown_write(&self) -> bool {
        let state = self.lock();
        state.socket.as_ref().is_some_and(|socket| socket.shutdown(Shutdown::Write).is_ok())
    }
}
