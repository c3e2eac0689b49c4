//! WebSocket (RFC 6455), at either end, and the HTTP that comes before it.
//!
//! A server that sends back what it is told, and serves the page that would open the WebSocket at the
//! same port:
//!
//! ```
//! use actor_core::prelude::*;
//! use actor_net::http::{self, Response};
//! use actor_net::websocket::{self, Message, ServerFrame};
//! use actor_net::{Conn, Connection, Listener};
//!
//! #[derive(Actor)]
//! struct Echo { conn: Conn }
//!
//! #[messages]
//! impl Echo {}
//!
//! impl Connection for Echo {
//!     type Codec = websocket::Server;
//!
//!     fn codec(&self) -> websocket::Server {
//!         websocket::Server::new(http::Server::new(0), 64 << 10)
//!     }
//!
//!     fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
//!         match frame {
//!             ServerFrame::Upgrade(upgrade) => {
//!                 self.conn.write(upgrade.accept());
//!             }
//!             ServerFrame::Request(request) => {
//!                 let page = Response::new(200).header("Content-Type", "text/html").body("<title>Echo</title>");
//!                 request.answer().send(page, &mut self.conn);
//!             }
//!             ServerFrame::Message(message @ (Message::Text(_) | Message::Binary(_))) => {
//!                 if let Ok(bytes) = message.to_bytes() {
//!                     self.conn.write(bytes);
//!                 }
//!             }
//!             ServerFrame::Message(_) => {} // the codec has said what there is to say
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = actor_net::builder().build()?;
//! let server = Listener::bind("127.0.0.1:0")?.spawn(&system, |conn| Echo { conn })?;
//! # let _ = server;
//! # Ok(())
//! # }
//! ```
//!
//! # Two protocols, one codec
//!
//! A [`Server`] speaks HTTP by an [`http::Server`](crate::http::Server) that is inside of it, until the
//! actor has accepted an [`Upgrade`]; from the next byte on it speaks WebSocket. So a connection has
//! one codec for its whole life, and its actor sees in which of the two it is.
//!
//! # What costs what
//!
//! A message in one frame is unmasked where it was read and handed out from there: nothing is copied or
//! allocated, unless it came in pieces. One in fragments is put together in a buffer of the
//! codec's, of at most the maximum, which is dropped when the message has been handed out. A message
//! for many is encoded once ([`Message::to_bytes`]) and shared.
//!
//! With the feature `deflate` messages may be compressed. One that is goes into a buffer of its own, as one in fragments does, and
//! never beyond the maximum: what would become longer is refused when the maximum is reached. Unless contexts are
//! kept (`Deflate::contexts`), a connection has nothing of it between messages.

mod client;
#[cfg(feature = "deflate")]
mod deflate;
mod error;
mod handshake;
#[cfg_attr(not(feature = "deflate"), path = "websocket/no_inflate.rs")]
mod inflate;
mod message;
mod messages;
mod random;
mod server;
mod wire;

pub use client::{Client, ClientFrame, ClientRequest};
#[cfg(feature = "deflate")]
pub use deflate::{Deflate, Deflater, Terms};
pub use error::Error;
pub use handshake::Origins;
pub use message::{Close, Message};
pub use server::{Server, ServerFrame, Upgrade};

#[cfg(test)]
mod tests;
