//! A connection under way: until the peer has accepted it and TLS, if there is to be any, has ended its handshake.

use std::io;
use std::time::Duration;

use actor_core::port::{Readiness, Ready};

use super::{ConnectionPort, Held, Phase};
use crate::connection::Connection;
use crate::connection::reason::CloseReason;
use crate::connection::scratch::{SIZE, Scratch};

pub(super) fn connect_failed(error: &io::Error) -> CloseReason {
    CloseReason::ConnectFailed { kind: error.kind(), text: error.to_string() }
}

impl Phase {
    pub(super) fn connecting(readiness: &Readiness, limit: Duration, accepted: bool) -> Phase {
        Phase::Connecting { _deadline: Box::new(readiness.after(limit)), accepted }
    }
}

impl<C: Connection, H: Held> ConnectionPort<C, H> {
    /// Looks how far a connection under way has come.
    pub(super) fn connect(&mut self, ready: Ready) {
        let Phase::Connecting { accepted, .. } = &mut self.phase else {
            return;
        };
        if !*accepted && (ready.contains(Ready::WRITABLE) || ready.contains(Ready::READABLE)) {
            match self.shared.connected() {
                Ok(()) => {
                    self.shared.configure();
                    *accepted = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.shared.end(connect_failed(&error));
                    return;
                }
            }
        }
        if *accepted && !self.is_handshaking() {
            self.phase = Phase::Fresh;
        } else if ready.contains(Ready::TIMER) {
            self.shared.end(self.too_late());
        }
    }

    /// Goes on with the handshake, if there is to be one, and says whether it is still under way.
    fn is_handshaking(&mut self) -> bool {
        if !self.shared.is_handshaking() {
            return false;
        }
        let mut scratch = Scratch::take();
        while self.readable && self.shared.is_handshaking() {
            match self.shared.read(&mut scratch, SIZE) {
                // Who is quick has sent something for the codec behind the last of the handshake.
                Ok(came) => {
                    self.inbox.append(&scratch[..came.bytes]);
                    self.hungry &= came.bytes == 0;
                    self.heard |= came.bytes > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) => {
                    self.shared.end(CloseReason::of(&error));
                    return true;
                }
            }
        }
        self.flush();
        if let Some(broken) = self.shared.broken() {
            self.shared.end(broken);
            return true;
        }
        self.shared.is_handshaking()
    }

    /// The deadline of a connection under way is over.
    fn too_late(&self) -> CloseReason {
        #[cfg(feature = "tls")]
        if self.shared.is_handshaking() && self.is_accepted() {
            return CloseReason::Tls("the peer did not end its handshake within the deadline".to_owned());
        }
        let text = "the peer did not answer within the deadline".to_owned();
        CloseReason::ConnectFailed { kind: io::ErrorKind::TimedOut, text }
    }

    pub(super) fn is_accepted(&self) -> bool {
        !matches!(self.phase, Phase::Connecting { accepted: false, .. })
    }
}
