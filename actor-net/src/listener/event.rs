//! What a server tells those who operate it.

use std::fmt;
use std::net::SocketAddr;

use super::limits::Limit;

/// What has happened at a listener. `tracing` events as well: the first refusal in a second as a
/// warning, the others for debugging, since a flood must not fill the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ListenerEvent {
    /// A connection was closed at once.
    Refused {
        /// Who it was from.
        peer: SocketAddr,
        /// The limit that it was over.
        limit: Limit,
    },
}

impl fmt::Display for ListenerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerEvent::Refused { peer, limit } => write!(f, "refused {peer}: {limit}"),
        }
    }
}
