//! How many requests each client may make: a token bucket per address.
//!
//! Pure but for the table itself, which takes `now`. A bucket is one number, the time at which it will
//! be full again: a request moves it on by the time of one token, and is refused if that would be further
//! off than a whole bucket takes (ATM Forum, the generic cell rate algorithm). An address whose bucket is
//! full is the same as one that was never seen, so the table may forget it.
//!
//! The table has two generations, each for as long as a bucket takes to fill. Who asks is moved into the
//! young one; what was not asked for in a whole generation has a full bucket, and goes with the old one. So
//! forgetting needs no look at each entry, and the table is bounded. Addresses for which there is no place
//! share one bucket: a flood from many of them gets what one client gets, and forgets nobody's debt.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How fast a client may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per second in the long run; at least one.
    pub per_second: u32,
    /// How many may come at once; at least one.
    pub burst: u32,
}

impl Rate {
    /// The time of one token.
    fn token(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }

    /// How long an empty bucket takes to fill.
    fn whole(self) -> Duration {
        self.token().saturating_mul(self.burst.max(1))
    }
}

/// Who shares a bucket: an address, or the first 64 bits of one, of which each host has as many as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Client {
    fn of(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V4(address) => Client::V4(address.octets()),
            IpAddr::V6(address) => Client::V6(prefix(address)),
        }
    }
}

fn prefix(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

/// The buckets of all clients.
#[derive(Debug)]
pub struct Limits {
    rate: Rate,
    /// The most clients in a generation.
    max: usize,
    /// When each client's bucket is full again.
    young: HashMap<Client, Instant>,
    old: HashMap<Client, Instant>,
    /// When the old generation goes.
    turns: Option<Instant>,
    /// The bucket of all for whom there is no place.
    others: Option<Instant>,
}

impl Limits {
    /// Buckets that are all full, at most `max_clients` of which are remembered, two at least.
    #[must_use]
    pub fn new(rate: Rate, max_clients: usize) -> Limits {
        let max = (max_clients / 2).max(1);
        let (young, old) = (HashMap::new(), HashMap::new());
        Limits { rate, max, young, old, turns: None, others: None }
    }

    /// Takes a token out of the bucket of `address`.
    ///
    /// # Errors
    ///
    /// If there is none: how long it takes until there is one.
    pub fn take(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        self.turn(now);
        let client = Client::of(address);
        let place = self.young.contains_key(&client) || self.young.len() < self.max;
        let known = self.young.get(&client).or_else(|| self.old.get(&client)).copied();
        let full = if place || known.is_some() { known } else { self.others };
        let full = full.unwrap_or(now).max(now) + self.rate.token();
        let allowed = now + self.rate.whole();
        if full > allowed {
            return Err(full - allowed);
        }
        if place {
            self.young.insert(client, full);
        } else if let Some(entry) = self.old.get_mut(&client) {
            *entry = full;
        } else {
            self.others = Some(full);
        }
        Ok(())
    }

    /// How many clients it remembers.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.young.len() + self.old.keys().filter(|client| !self.young.contains_key(client)).count()
    }

    /// Forgets those whose buckets are full by now.
    fn turn(&mut self, now: Instant) {
        let whole = self.rate.whole();
        match self.turns {
            Some(at) if now < at => return,
            Some(at) if now < at + whole => self.old = std::mem::take(&mut self.young),
            _ => {
                self.young.clear();
                self.old.clear();
            }
        }
        self.turns = Some(now + whole);
    }
}

#[cfg(test)]
mod tests;
