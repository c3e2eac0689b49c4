//! TLS, at either end, beneath any codec.
//!
//! A listener or client that is given one of these speaks TLS (1.2 and 1.3, by [rustls](https://docs.rs/rustls)) between
//! its sockets and its codecs. Nothing else changes: codecs and actors see the same bytes as without.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use actor_net::tls::{self, Certificates, Identity};
//! use actor_net::Listener;
//! # use actor_core::prelude::*;
//! # use actor_net::{Conn, Connection, Lines};
//! # #[derive(Actor)]
//! # struct Echo { conn: Conn }
//! # #[messages]
//! # impl Echo {}
//! # impl Connection for Echo {
//! #     type Codec = Lines;
//! #     fn codec(&self) -> Lines { Lines::new(1024) }
//! #     fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) { self.conn.write(format!("{line}\n")); }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let read = || -> Result<Identity, Box<dyn std::error::Error>> {
//!     Ok(Identity::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?)
//! };
//! let certificates = Certificates::new([read()?])?;
//! let tls = tls::Server::new(&certificates).alpn(["http/1.1"]).handshake_within(Duration::from_secs(5));
//! # let system = actor_net::builder().build()?;
//! let server = Listener::bind("0.0.0.0:443")?.tls(&tls).spawn(&system, |conn| Echo { conn })?;
//!
//! // Later, when there is a new certificate: connections go on, handshakes from now on get it.
//! certificates.replace([read()?])?;
//! # let _ = server;
//! # Ok(())
//! # }
//! ```
//!
//! # In the life of a connection
//!
//! The actor is there from the start, but hears [`opened`](crate::Connection::opened) when the handshake is over, and only
//! [`closed`](crate::Connection::closed) if that comes to nothing, with [`CloseReason::Tls`](crate::CloseReason::Tls). What
//! both ends have agreed on, [`Conn::tls`](crate::Conn::tls) tells. The peer's `close_notify` is the end of its stream
//! ([`half_closed`](crate::Connection::half_closed)); a connection that ends without one was cut off by
//! somebody, and ends as [`Reset`](crate::CloseReason::Reset) (RFC 8446, 6.1). A connection that is closed in good order
//! says `close_notify` after its last bytes; a [reset](crate::Conn::abort) does not, and neither does the
//! end of an actor that has failed.
//!
//! # What it costs
//!
//! Records are put together and taken apart in buffers that the connections of a worker share, so an idle
//! connection has its keys and no buffer. What was written in one turn is sealed into as few records as hold it and
//! sent by one system call. The socket may leave up to 66 KiB of that, which counts as
//! [queued](crate::Conn::queued) and not towards the [cap](crate::Options::cap).

mod certificates;
mod client;
mod error;
mod server;
pub(crate) mod session;

pub use rustls;

pub use certificates::{Certificates, Identity};
pub use client::Client;
pub use error::Error;
pub use server::Server;

use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;

/// What the two ends of a connection have agreed on, as [`Conn::tls`](crate::Conn::tls) tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreed {
    /// The version of TLS.
    pub version: Option<ProtocolVersion>,
    /// The protocol that was chosen by ALPN, if both ends have named any.
    pub protocol: Option<Vec<u8>>,
    /// The peer's certificates, its own first: always there at a client, and at a server if that asks for them.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a handshake may take unless told otherwise.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(10);

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}
