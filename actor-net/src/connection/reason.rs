//! Why a connection ended.

use std::{fmt, io};

use super::deadlines::Deadline;
use super::evicting::Load;

/// Why a connection ended. The text is meant for a log: it says what happened and, where that
/// helps, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent all it had to send and closed, or has said that it does in the way of its protocol.
    Eof,
    /// The peer, or something on the way, broke the connection off. What was sent last may be lost.
    Reset,
    /// The network gave up on the peer.
    TimedOut,
    /// A read or write failed in another way.
    Io {
        /// The kind of error.
        kind: io::ErrorKind,
        /// Its text.
        text: String,
    },
    /// The peer reads more slowly than it is written to. The socket was reset.
    SlowConsumer {
        /// How many bytes waited to be sent when one write more did not fit.
        queued: usize,
        /// The [cap](crate::Options::cap).
        cap: usize,
    },
    /// The peer reads more slowly than it is written to, and all connections together have as many bytes
    /// waiting as they may. The socket was reset.
    OverBudget {
        /// How many bytes waited for this one.
        queued: usize,
        /// The [budget](crate::Budget).
        budget: usize,
    },
    /// What the peer sent makes no sense to the codec; the text of its error.
    Protocol(String),
    /// The peer took too long for something, which the protocol has told it where it has a word for
    /// that. One that [does not read](Deadline::Write) was sent a reset.
    Expired(Deadline),
    /// It has had to go for others, by the [policy](crate::Evict) of its listener. For bytes that waited the socket was reset;
    /// otherwise the protocol has told the peer, if it has a word for that.
    Evicted(Load),
    /// TLS has failed: there was no handshake within the deadline, no certificate that could be trusted in, or something that makes
    /// no sense. The peer was told; nothing else was sent.
    #[cfg(feature = "tls")]
    Tls(String),
    /// The actor closed it, with [`Conn::close`](crate::Conn::close) or by stopping.
    Local,
    /// The actor broke it off, with [`Conn::abort`](crate::Conn::abort).
    Aborted,
    /// The actor was stopped because its supervisor or the system shuts down.
    Shutdown,
    /// The actor failed or was killed; its socket was closed with it.
    ActorFailed,
    /// A client connection never came to be.
    ConnectFailed {
        /// The kind of error; [`TimedOut`](io::ErrorKind::TimedOut) if the deadline came first.
        kind: io::ErrorKind,
        /// Its text.
        text: String,
    },
}

/// What becomes of the bytes that are still queued, and of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They are sent, then the socket is closed in good order.
    Flush,
    /// They are dropped, but what the peer is told of its mistake is sent.
    #[cfg(feature = "tls")]
    Alert,
    /// There is nobody to send them to.
    Drop,
    /// They are dropped here and in the kernel: the peer sees a reset.
    Reset,
}

impl CloseReason {
    /// The reason that a failed read or write gives.
    pub(crate) fn of(error: &io::Error) -> CloseReason {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof,
        };
        match error.kind() {
            // No socket says `UnexpectedEof`, nor `InvalidData`, but what is between it and the codec.
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof => {
                CloseReason::Reset
            }
            #[cfg(feature = "tls")]
            io::ErrorKind::InvalidData => CloseReason::Tls(error.to_string()),
            TimedOut => CloseReason::TimedOut,
            kind => CloseReason::Io { kind, text: error.to_string() },
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        match self {
            CloseReason::Eof | CloseReason::Protocol(_) | CloseReason::Local | CloseReason::Shutdown => {
                Ending::Flush
            }
            CloseReason::Expired(Deadline::Write) | CloseReason::Evicted(Load::Bytes) => Ending::Reset,
            CloseReason::Evicted(Load::Connections) => Ending::Flush,
            CloseReason::Expired(_) => Ending::Flush,
            CloseReason::SlowConsumer { .. } | CloseReason::OverBudget { .. } | CloseReason::Aborted => {
                Ending::Reset
            }
            #[cfg(feature = "tls")]
            CloseReason::Tls(_) => Ending::Alert,
            CloseReason::Reset
            | CloseReason::TimedOut
            | CloseReason::Io { .. }
            | CloseReason::ActorFailed
            | CloseReason::ConnectFailed { .. } => Ending::Drop,
        }
    }

    /// Whether an operator should hear of it: someone misbehaves.
    pub(crate) fn is_misbehaviour(&self) -> bool {
        use CloseReason::{Expired, OverBudget, Protocol, SlowConsumer};
        matches!(self, SlowConsumer { .. } | OverBudget { .. } | Protocol(_) | Expired(_))
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Eof => f.write_str("the peer closed the connection"),
            CloseReason::Reset => f.write_str("the connection was reset by the peer"),
            CloseReason::TimedOut => f.write_str("the peer no longer answers"),
            CloseReason::Io { text, .. } => write!(f, "the socket failed: {text}"),
            CloseReason::SlowConsumer { queued, cap } => write!(
                f,
                "slow consumer: {queued} bytes wait for the peer to read and the cap is {cap}; \
                 raise Options::cap if peers may lag further behind"
            ),
            CloseReason::OverBudget { queued, budget } => write!(
                f,
                "slow consumer: {queued} bytes wait for the peer to read, and with those of others they are \
                 more than the budget of {budget}; find out who does not read, or raise the Budget"
            ),
            CloseReason::Protocol(error) => write!(f, "the peer broke the protocol: {error}"),
            CloseReason::Evicted(load) => write!(f, "it had to go for others: {load}"),
            CloseReason::Expired(deadline) => write!(f, "the peer {deadline} in time"),
            #[cfg(feature = "tls")]
            CloseReason::Tls(error) => write!(f, "TLS failed: {error}"),
            CloseReason::Local => f.write_str("closed on this side"),
            CloseReason::Aborted => f.write_str("broken off on this side"),
            CloseReason::Shutdown => f.write_str("the server shuts down"),
            CloseReason::ActorFailed => f.write_str("its actor failed or was killed"),
            CloseReason::ConnectFailed { text, .. } => write!(f, "could not connect: {text}"),
        }
    }
}

impl std::error::Error for CloseReason {}
