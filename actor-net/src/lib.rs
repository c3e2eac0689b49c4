//! Sockets bound to actors: a mio driver, listeners, client connections and codecs for
//! [`actor_core`].
//!
//! A connection is an actor. Its socket is read in the actor's own turn, frames are handed to its
//! methods without a message in between, and what it writes is sent once at the end of the turn.
//! Limits are there from the start: the longest frame, the most bytes that wait for a slow peer,
//! the most connections of a server.
//!
//! A server that sends every line back:
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//!
//! use actor_core::prelude::*;
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
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = actor_net::builder().build()?;
//! let server = Listener::bind("127.0.0.1:0")?.spawn(&system, |conn| Echo { conn })?;
//!
//! let mut client = std::net::TcpStream::connect(server.local_addr())?;
//! client.write_all(b"hello\n")?;
//! let mut answer = String::new();
//! BufReader::new(client).read_line(&mut answer)?;
//! assert_eq!(answer, "hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | [`builder`], [`driver`], [`MioDriver`], [`sockets`] | a system whose workers wait for sockets |
//! | [`Listener`], [`Server`], [`Drained`] | accept connections, and stop in good order |
//! | [`Limits`], [`Limit`], [`ListenerEvent`] | whom a listener lets in, and who was refused |
//! | [`Evict`], [`Candidate`], [`Load`] | who goes where there is no room |
//! | [`Client`] | make a connection |
//! | [`Reconnect`], [`Kept`], [`Down`] | make it again when it is lost |
//! | [`Backend`], [`Pool`], [`Exchange`], [`HttpExchange`], [`LineExchange`], [`PoolError`] | several connections to one backend, for requests and responses |
//! | [`Udp`], [`Datagrams`], [`UdpSocket`], [`Sent`] | datagrams |
//! | [`Connection`], [`Conn`], [`Peer`], [`Pressure`], [`HalfClosed`], [`CloseReason`] | what an actor does with a connection |
//! | [`Deadline`], [`Ends`] | what a peer was too slow for; how connections have ended |
//! | [`Room`], [`Busy`] | connections that are told the same |
//! | [`Codec`], [`Decoded`], [`Stage`] | frames in bytes |
//! | [`Lines`], [`LineError`], [`LengthDelimited`], [`LengthError`] | those that end with a line break, or begin with their length |
//! | [`http`] | HTTP/1.1, at either end |
//! | [`websocket`] | WebSocket, at either end, and the HTTP before it |
//! | `tls` | TLS beneath any codec, with the feature of that name |
//! | `sim` | sockets of simulated systems, for tests, with the feature of that name |
//! | [`Options`], [`WhenSlow`], [`Budget`], [`driver_within`] | limits and socket options |
#![forbid(unsafe_code)]

mod budget;
mod client;
mod codec;
mod connection;
mod driver;
pub mod http;
mod listener;
mod options;
mod pool;
mod room;
#[cfg(feature = "sim")]
pub mod sim;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod udp;
pub mod websocket;

pub use bytes::{Bytes, BytesMut};

pub use budget::Budget;
pub use client::{Client, Down, Kept, Reconnect};
pub use codec::{Codec, Decoded, LengthDelimited, LengthError, LineError, Lines, Stage};
pub use connection::{
    Candidate, CloseReason, Conn, Connection, Deadline, Ends, Evict, HalfClosed, Load, Pressure,
};
pub use driver::{MioDriver, builder, driver, driver_within, sockets};
pub use listener::{Drained, Limit, Limits, Listener, ListenerEvent, Server};
pub use options::{Options, WhenSlow};
pub use pool::{
    Backend, Choice, Exchange, HttpExchange, LineExchange, Pool, PoolError, PoolExchange, PoolHealth,
    PoolRef, PoolState, Received,
};
pub use room::{Busy, Room};
pub use stream::Peer;
pub use udp::{Datagrams, Sent, Udp, UdpSocket};
