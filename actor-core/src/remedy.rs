//! What becomes of actors that nobody else would notice.

/// What becomes of an actor that is silent for longer than its limit ([`Spawn::silence`](crate::Spawn::silence)), that is leaked
/// ([`Leaks`](crate::Leaks)), or that does not get on with its messages
/// ([`Builder::overdue_messages`](crate::Builder::overdue_messages)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// It is reported, and goes on: once for each time that it falls silent and for each message, and once if it is leaked.
    Report,
    /// It is stopped for good, as its supervisor would: `#[stopped]` runs, a connection is closed in good order, and a
    /// permanent actor does not come back. One that does not get on with its messages would not come to a stop, and is killed.
    Stop,
    /// Its incarnation ends: whether it comes back is said by its restart type, and by its supervisor's intensity, for which
    /// this is a failure like any other.
    ///
    /// One that is silent fails with [`StopReason::Silent`](crate::StopReason::Silent). One that is leaked is killed; the
    /// next incarnation is as unreachable as this one, unless its `#[started]` does something about that: joins a group,
    /// or sends a ref to itself to somebody. Where it does not, [`Stop`](Remedy::Stop) is better.
    Restart,
}
