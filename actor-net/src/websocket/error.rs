//! What can be wrong with a WebSocket, and the code that says so.

use std::fmt;

use crate::http;

/// Why bytes are not what a WebSocket carries.
///
/// The codec tells the peer by itself, with the status of an HTTP response or the code of a Close,
/// and then the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Before it was a WebSocket something was wrong with the HTTP.
    Http(http::Error),
    /// Only at a client: the server does not want to go on with WebSocket.
    Declined {
        /// The status of its response.
        status: u16,
    },
    /// Only at a client: the server agrees to what it was not asked for.
    Handshake(&'static str),
    /// A frame breaks the rules.
    Protocol(&'static str),
    /// A text is not UTF-8.
    InvalidUtf8,
    /// A message has more bytes than the maximum.
    TooLong {
        /// The maximum, in bytes.
        limit: usize,
    },
    /// A message comes in more fragments than the maximum.
    TooManyFragments {
        /// The maximum.
        limit: usize,
    },
    /// The stream ended in the middle of a frame.
    Truncated,
    /// Only from encoding: no peer would accept this.
    Unsendable(&'static str),
}

impl Error {
    /// The code of the Close that tells the peer, if it is told by one.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        match self {
            Error::Protocol(_) => Some(1002),
            Error::InvalidUtf8 => Some(1007),
            Error::TooManyFragments { .. } => Some(1008),
            Error::TooLong { .. } => Some(1009),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Http(error) => error.fmt(f),
            Error::Declined { status } => {
                write!(f, "the server does not want a WebSocket here and answers with status {status}")
            }
            Error::Handshake(what) => write!(f, "the server's handshake is wrong: {what}"),
            Error::Protocol(what) => f.write_str(what),
            Error::InvalidUtf8 => f.write_str("a text is not UTF-8"),
            Error::TooLong { limit } => write!(f, "a message is longer than {limit} bytes"),
            Error::TooManyFragments { limit } => write!(f, "a message has more than {limit} fragments"),
            Error::Truncated => f.write_str("the stream ended in the middle of a frame"),
            Error::Unsendable(what) => write!(f, "this cannot be sent: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Http(error) => Some(error),
            _ => None,
        }
    }
}
