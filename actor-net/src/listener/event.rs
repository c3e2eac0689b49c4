//! What a server tells those who operate it.

use std::fmt;
use std::time::Duration;

use super::limits::Limit;
use crate::connection::Load;
use crate::stream::Peer;

/// What has happened at a listener. `tracing` events as well: the first refusal in a second as a
/// warning, the others for debugging, since a flood must not fill the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ListenerEvent {
    /// A connection was closed at once.
    Refused {
        /// Who it was from.
        peer: Peer,
        /// The limit that it was over.
        limit: Limit,
    },
    /// A connection has to go for others.
    Evicted {
        /// Who it was with.
        peer: Peer,
        /// How long ago its last whole frame came.
        idle: Duration,
        /// What there was too much of.
        load: Load,
    },
    /// Accepting has failed: the process is out of descriptors, as a rule. It is tried again until it
    /// works. Those who come wait in the kernel; after 2 s they are refused.
    Paused {
        /// What the operating system said.
        error: String,
    },
    /// Accepting works again.
    Resumed {
        /// How long it did not.
        after: Duration,
    },
}

impl fmt::Display for ListenerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerEvent::Refused { peer, limit } => write!(f, "refused {peer}: {limit}"),
            ListenerEvent::Evicted { peer, idle, load } => {
                write!(f, "{peer} has to go, idle for {idle:.1?}: {load}")
            }
            ListenerEvent::Paused { error } => write!(f, "cannot accept connections: {error}"),
            ListenerEvent::Resumed { after } => write!(f, "accepting connections again after {after:.1?}"),
        }
    }
}
