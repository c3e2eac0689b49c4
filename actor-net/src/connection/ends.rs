//! How many connections have ended, and why.

use super::deadlines::Deadline;
use super::reason::CloseReason;

/// How many connections of a server have ended for which reason; see
/// [`Server::ends`](crate::Server::ends). Each counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ends {
    /// [`CloseReason::Eof`].
    pub eof: u64,
    /// [`CloseReason::Reset`], [`CloseReason::TimedOut`] and [`CloseReason::Io`]: the network.
    pub broken: u64,
    /// [`CloseReason::Local`].
    pub local: u64,
    /// [`CloseReason::Aborted`].
    pub aborted: u64,
    /// [`CloseReason::Shutdown`].
    pub shutdown: u64,
    /// [`CloseReason::ActorFailed`].
    pub actor_failed: u64,
    /// [`CloseReason::Protocol`].
    pub protocol: u64,
    /// [`CloseReason::Tls`](CloseReason), with the feature `tls`.
    pub tls: u64,
    /// [`CloseReason::SlowConsumer`].
    pub slow_consumer: u64,
    /// [`CloseReason::OverBudget`].
    pub over_budget: u64,
    /// [`Deadline::FirstByte`].
    pub first_byte: u64,
    /// [`Deadline::Handshake`].
    pub handshake: u64,
    /// [`Deadline::Frame`].
    pub frame: u64,
    /// [`Deadline::Idle`].
    pub idle: u64,
    /// [`Deadline::Write`].
    pub write: u64,
    /// [`Deadline::Heartbeat`].
    pub heartbeat: u64,
    /// [`CloseReason::Evicted`].
    pub evicted: u64,
    /// Not ends: writes that were dropped for peers that read too slowly, as far as their actors were
    /// told ([`Connection::lagged`](crate::Connection::lagged)).
    pub lagged: u64,
}

impl Ends {
    pub(super) fn count(&mut self, why: &CloseReason) {
        let count = match why {
            CloseReason::Eof => &mut self.eof,
            CloseReason::Reset
            | CloseReason::TimedOut
            | CloseReason::Io { .. }
            | CloseReason::ConnectFailed { .. } => &mut self.broken,
            CloseReason::Local => &mut self.local,
            CloseReason::Aborted => &mut self.aborted,
            CloseReason::Shutdown => &mut self.shutdown,
            CloseReason::ActorFailed => &mut self.actor_failed,
            CloseReason::Protocol(_) => &mut self.protocol,
            #[cfg(feature = "tls")]
            CloseReason::Tls(_) => &mut self.tls,
            CloseReason::SlowConsumer { .. } => &mut self.slow_consumer,
            CloseReason::OverBudget { .. } => &mut self.over_budget,
            CloseReason::Expired(Deadline::FirstByte) => &mut self.first_byte,
            CloseReason::Expired(Deadline::Handshake) => &mut self.handshake,
            CloseReason::Expired(Deadline::Frame) => &mut self.frame,
            CloseReason::Expired(Deadline::Idle) => &mut self.idle,
            CloseReason::Expired(Deadline::Write) => &mut self.write,
            CloseReason::Expired(Deadline::Heartbeat) => &mut self.heartbeat,
            CloseReason::Evicted(_) => &mut self.evicted,
        };
        *count += 1;
    }
}
