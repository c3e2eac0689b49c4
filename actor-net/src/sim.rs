//! Sockets of systems that are [simulated](actor_core::sim), for tests of services: listeners, connections, rooms and clients as they
//! are in production, on a network whose every choice comes from the tape. For the feature `sim`.
//!
//! ```
//! use std::time::Duration;
//!
//! use actor_core::prelude::*;
//! use actor_core::sim;
//! use actor_net::sim::Network;
//! use actor_net::{Conn, Connection, Lines, Listener};
//!
//! #[derive(Actor)]
//! struct Echo { conn: Conn }
//!
//! #[messages]
//! impl Echo {}
//!
//! impl Connection for Echo {
//!     type Codec = Lines;
//!     fn codec(&self) -> Lines { Lines::new(1024) }
//!     fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
//!         self.conn.write(format!("{line}\n"));
//!     }
//! }
//!
//! sim::cases(16, |sim| {
//!     let server = Listener::bind("192.0.2.1:7").unwrap().spawn(sim, |conn| Echo { conn }).unwrap();
//!     let mut remote = Network::of(sim).connect(server.local_addr());
//!     remote.send("hello\nyou\n");
//!     assert_eq!(remote.line().as_deref(), Some("hello"));
//!     remote.cut_off();
//!     remote.send("there\n");
//!     sim.advance(Duration::from_secs(60)).unwrap();
//!     remote.heal();
//!     assert_eq!(remote.line().as_deref(), Some("you"));
//!     assert_eq!(remote.line().as_deref(), Some("there"));
//! });
//! ```
//!
//! # What is simulated
//!
//! On the thread of a simulation [`Listener::bind`](crate::Listener::bind), [`bind_sharded`](crate::Listener::bind_sharded) and
//! [`bind_unix`](crate::Listener::bind_unix) listen in it, at any address, and [`Client`](crate::Client) connects there. All behind that is the
//! very code that runs in production: ports, codecs, deadlines, queues and their policies, rooms, draining. A connection is two pipes of
//! bytes that are bounded, and these are the network's steps, each of them chosen by the tape as a step of an actor is: a connection is
//! asked for and taken, a segment arrives, a reset does. A segment is what has been sent since the last one, unless it is cut. It takes no time, unless it is
//! [delayed, lost](Faults) or the way is [slow](Network::slow). As with Linux's sockets,
//!
//! * closing one that was not read to the end is a reset, and so is what comes for one that is closed;
//! * what has arrived before a reset can be read, and then there is the error, once;
//! * who has sent something that is not taken because of a [partition](Network::partition) gives up after
//!   [`Options::user_timeout`](crate::Options::user_timeout), or a quarter of an hour; who has sent nothing does after its
//!   [keep-alive](crate::Options::keepalive), if it has one; and the others never notice.
//!
//! Not simulated are datagrams. TLS, nonces of WebSockets and HTTP's `Date` are as they are, and so draw random numbers and read the clock; what
//! they draw and read has no influence on the steps.
//!
//! The [budget](crate::Budget) of a simulation's connections is that of [`Network::set_budget`].

mod faults;
mod remote;
mod socket;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actor_core::sim::Sim;

use crate::budget::Budget;
use crate::driver::Quay;
use crate::stream::Peer;
pub use faults::Faults;
pub use remote::{Ended, Remote};
pub(crate) use socket::{Listening, Stream, berthed, not_of_this_world, quay};
pub(crate) use wire::Patience;
use wire::Wire;

/// The network of a simulation. A clone is the same one.
#[derive(Clone)]
pub struct Network(Arc<Wire>);

impl Network {
    /// That of this simulation.
    ///
    /// # Panics
    /// Never: a `Sim` is on the thread of its simulation.
    #[must_use]
    pub fn of(_sim: &Sim) -> Network {
        Network(Wire::here().expect("a `Sim` stays on the thread of its simulation"))
    }

    /// Connects to a listener of the system, from an address that nobody else has. Does not wait: that nobody listens there,
    /// [`Remote::ended`] says.
    pub fn connect(&self, to: impl Into<Peer>) -> Remote {
        Remote::connect(self.0.clone(), None, to.into())
    }

    /// The same, from this address, which it may have in common with others.
    pub fn connect_from(&self, from: impl Into<IpAddr>, to: impl Into<Peer>) -> Remote {
        Remote::connect(self.0.clone(), Some(from.into()), to.into())
    }

    /// Nothing passes between two addresses any more: what is sent waits, and so do those who connect. Connections that the system
    /// itself makes come from 127.0.0.1; so to part it from a listener of its own, bind that to another address.
    pub fn partition(&self, a: impl Into<IpAddr>, b: impl Into<IpAddr>) {
        self.0.change(|change| change.cut(a.into(), b.into()));
    }

    /// What is sent passes between them again, and what has waited with it.
    pub fn heal(&self, a: impl Into<IpAddr>, b: impl Into<IpAddr>) {
        let (a, b) = (a.into(), b.into());
        self.0.change(|change| change.heal(|from, to| (from, to) == (a, b) || (to, from) == (a, b)));
    }

    /// No more than so many bytes a second pass to and from an address on each connection; 0 for as many as there are.
    pub fn slow(&self, addr: impl Into<IpAddr>, bytes_per_second: u32) {
        let mut state = self.0.lock();
        match bytes_per_second {
            0 => drop(state.slow.remove(&addr.into())),
            rate => drop(state.slow.insert(addr.into(), rate)),
        }
    }

    /// What goes wrong by itself, from now on; nothing unless this was called.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// From now on nothing goes wrong any more, nothing is slow, and what is sent passes everywhere.
    pub fn calm(&self) {
        self.0.change(|change| {
            change.state.faults = Faults::new();
            change.state.slow.clear();
            change.heal(|_, _| true);
        });
    }

    /// How many bytes a socket keeps that its peer has not taken, and how many that it has not read; 64 KiB each unless said. At least
    /// one.
    pub fn set_buffers(&self, bytes: usize) {
        self.0.lock().buffer = bytes.max(1);
    }

    /// The budget of what may wait to be sent in all connections of the system, for those that come from now on.
    pub fn set_budget(&self, budget: &Budget) {
        self.0.lock().quays.push(Arc::new(Quay::new(None, budget.clone())));
    }

    /// How many connections have an end that somebody has, of the system or of the test. A system that has ended has none.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.lock().links.len()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
