//! How many connections a listener lets in, and which of the limits refused one.

mod bucket;
mod occupancy;

use std::fmt;

pub(super) use occupancy::Occupancy;

/// The most connections of a server that does not say how many.
const CONNECTIONS: usize = 10_000;

/// Whom a listener lets in. What is over a limit is accepted and closed at once, so nobody waits
/// half open; each refusal is counted and an [event](crate::Server::events), and concerns no other
/// connection.
///
/// ```
/// use actor_net::Limits;
///
/// let limits = Limits::new().connections(50_000).per_address(100).per_second(2_000, 500);
/// # let _ = limits;
/// ```
///
/// Unless said, there may be 10,000 connections and nothing else is limited. A limit of 0 lets
/// nobody in. What is kept for addresses is bounded by the number of connections: an address is
/// forgotten when its last connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    connections: usize,
    per_address: Option<usize>,
    per_subnet: Option<usize>,
    rate: Option<Rate>,
    handshakes: Option<usize>,
}

/// So many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    per_second: u32,
    burst: u32,
}

impl Limits {
    /// 10,000 connections, whoever they are from.
    #[must_use]
    pub const fn new() -> Limits {
        Limits { connections: CONNECTIONS, per_address: None, per_subnet: None, rate: None, handshakes: None }
    }

    /// The most connections at a time.
    #[must_use]
    pub const fn connections(mut self, most: usize) -> Limits {
        self.connections = most;
        self
    }

    /// The most connections at a time from one address. Behind a proxy or a carrier's translation many
    /// people share one. Does not concern Unix sockets.
    #[must_use]
    pub const fn per_address(mut self, most: usize) -> Limits {
        self.per_address = Some(most);
        self
    }

    /// The most connections at a time from one subnet: the first 24 bits of an IPv4 address, the first
    /// 64 of an IPv6 address, of which one customer has all addresses. Does not concern Unix sockets.
    #[must_use]
    pub const fn per_subnet(mut self, most: usize) -> Limits {
        self.per_subnet = Some(most);
        self
    }

    /// How many connections are let in a second, in the long run, and how many of them may come at
    /// once (a token bucket). What another limit refuses does not count.
    #[must_use]
    pub const fn per_second(mut self, most: u32, burst: u32) -> Limits {
        self.rate = Some(Rate { per_second: most, burst });
        self
    }

    /// The most connections at a time that have not got past their handshake: those from which no
    /// whole frame has come, unless their actor has called [`Conn::established`](crate::Conn::established).
    #[must_use]
    pub const fn handshakes(mut self, most: usize) -> Limits {
        self.handshakes = Some(most);
        self
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new()
    }
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::connections`].
    Connections,
    /// [`Limits::per_address`].
    Address,
    /// [`Limits::per_subnet`].
    Subnet,
    /// [`Limits::per_second`].
    Rate,
    /// [`Limits::handshakes`].
    Handshakes,
    /// The process, or the system, has had as many descriptors as it may have for 2 s, and so long those
    /// who came waited in the kernel.
    Descriptors,
}

impl Limit {
    /// How many there are.
    pub(super) const ALL: usize = 6;
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Connections => "there are as many connections as there may be; see Limits::connections",
            Limit::Address => "its address has as many as one may have; see Limits::per_address",
            Limit::Subnet => "its subnet has as many as one may have; see Limits::per_subnet",
            Limit::Rate => "connections come faster than they may; see Limits::per_second",
            Limit::Handshakes => "too many have not got past their handshake; see Limits::handshakes",
            Limit::Descriptors => "the process has no descriptors left; raise its limit (ulimit -n) or lower Limits::connections",
        })
    }
}
