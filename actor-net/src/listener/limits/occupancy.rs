//! Who is in: decides about each connection that comes, and is told of each that goes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use super::bucket::Bucket;
use super::{Limit, Limits};

/// So many may be on their way out for others, or one in so many if those are more.
const GOING: usize = 16;

/// Tables of fewer places than this are not made smaller.
const SMALL: usize = 64;

/// The connections of one listener, as far as its limits need to know. Pure: it takes the time.
#[derive(Debug)]
pub(in crate::listener) struct Occupancy {
    limits: Limits,
    open: usize,
    /// How many of them may be over the limit, because others go for them.
    going: usize,
    handshakes: usize,
    /// Those from which there is a connection.
    addresses: HashMap<IpAddr, usize>,
    subnets: HashMap<IpAddr, usize>,
    bucket: Option<Bucket>,
}

impl Occupancy {
    pub(in crate::listener) fn new(limits: Limits) -> Occupancy {
        Occupancy {
            limits,
            open: 0,
            going: 0,
            handshakes: 0,
            addresses: HashMap::new(),
            subnets: HashMap::new(),
            bucket: limits.rate.map(|rate| Bucket::new(rate.per_second, rate.burst)),
        }
    }

    pub(in crate::listener) fn open(&self) -> usize {
        self.open
    }

    pub(in crate::listener) fn handshakes(&self) -> usize {
        self.handshakes
    }

    /// Whether it must be told at the end where a connection was from.
    pub(in crate::listener) fn counts_addresses(&self) -> bool {
        self.limits.per_address.is_some() || self.limits.per_subnet.is_some()
    }

    /// Counts a connection in, unless a limit forbids it. It is in its handshake then.
    pub(in crate::listener) fn admit(&mut self, from: Option<IpAddr>, now: Instant) -> Result<(), Limit> {
        let is_full = |most: Option<usize>, count: usize| most.is_some_and(|most| count >= most);
        let count = |table: &HashMap<IpAddr, usize>, key| table.get(&key).copied().unwrap_or(0);
        if let Some(from) = from {
            if is_full(self.limits.per_address, count(&self.addresses, from.to_canonical())) {
                return Err(Limit::Address);
            }
            if is_full(self.limits.per_subnet, count(&self.subnets, subnet(from))) {
                return Err(Limit::Subnet);
            }
        }
        if is_full(self.limits.handshakes, self.handshakes) {
            return Err(Limit::Handshakes);
        }
        if self.bucket.is_some_and(|mut bucket| !bucket.take(now)) {
            return Err(Limit::Rate);
        }
        // The last, so that nobody has to go for one who is not let in.
        if self.open >= self.limits.connections.saturating_add(self.going) {
            return Err(Limit::Connections);
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        self.open += 1;
        self.handshakes += 1;
        if let Some(from) = from {
            if self.limits.per_address.is_some() {
                *self.addresses.entry(from.to_canonical()).or_default() += 1;
            }
            if self.limits.per_subnet.is_some() {
                *self.subnets.entry(subnet(from)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Whether one may go for another: those on their way out are bounded as well.
    pub(in crate::listener) fn may_evict(&self) -> bool {
        self.limits.connections > 0 && self.going < GOING.max(self.limits.connections / GOING)
    }

    /// A connection goes for another, which comes first.
    pub(in crate::listener) fn evicted(&mut self) {
        self.going += 1;
    }

    /// A connection that was let in has got past its handshake, or ended in it.
    pub(in crate::listener) fn past_handshake(&mut self) {
        self.handshakes -= 1;
    }

    /// A connection that was let in has ended.
    pub(in crate::listener) fn leave(&mut self, from: Option<IpAddr>) {
        self.open -= 1;
        // Whoever it was, there is one less over the limit.
        self.going = self.going.saturating_sub(1);
        if let Some(from) = from {
            leave(&mut self.addresses, from.to_canonical());
            leave(&mut self.subnets, subnet(from));
        }
    }
}

fn leave(table: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    let Some(count) = table.get_mut(&key) else {
        return;
    };
    *count -= 1;
    if *count > 0 {
        return;
    }
    table.remove(&key);
    // A crowd's memory goes with it.
    if table.capacity() > SMALL && table.len() * 4 < table.capacity() {
        table.shrink_to(table.len() * 2);
    }
}

/// The address with zeros for what is not its subnet's.
fn subnet(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests;
