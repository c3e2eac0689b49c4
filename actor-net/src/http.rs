//! HTTP/1.1. For servers: requests as frames, and responses that are framed as they must be; for
//! clients the other way round ([`Client`]).
//!
//! A server that answers every request with what it asks for:
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use actor_core::prelude::*;
//! use actor_net::http::{self, Request, Response};
//! use actor_net::{Conn, Connection, Listener};
//!
//! #[derive(Actor)]
//! struct Site { conn: Conn }
//!
//! #[messages]
//! impl Site {}
//!
//! impl Connection for Site {
//!     type Codec = http::Server;
//!     fn codec(&self) -> http::Server { http::Server::new(64 << 10) }
//!     fn frame(&mut self, request: Request<'_>, _ctx: &mut Context<Self>) {
//!         let response = match request.method() {
//!             "GET" | "HEAD" => Response::new(200).body(request.path().to_owned()),
//!             _ => Response::new(405).header("Allow", "GET, HEAD"),
//!         };
//!         request.answer().send(response, &mut self.conn);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = actor_net::builder().build()?;
//! let server = Listener::bind("127.0.0.1:0")?.spawn(&system, |conn| Site { conn })?;
//!
//! let mut client = std::net::TcpStream::connect(server.local_addr())?;
//! client.write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n/hello"));
//! # Ok(())
//! # }
//! ```
//!
//! # Whole requests
//!
//! A request is handed out with its whole body, not piece by piece. So an actor has one method with one
//! argument, and no state between the pieces; a request that is refused for its end has had no effect
//! for its beginning; and what a peer can make us keep is one number, which is not optional. A body of
//! known length is not even copied. The price is that a service cannot take uploads that are
//! larger than it wants to keep in memory for each connection.
//!
//! # Answering later
//!
//! [`Request::answer`] is what is needed to answer. Requests that come one behind the other
//! (pipelining) are handed out as they come, 16 a turn, and must be answered in this order. An actor
//! that answers in [`frame`](crate::Connection::frame) does so. One that must ask others first
//! [pauses](crate::Conn::pause), and resumes when it has answered; then the next request is looked at, and
//! if that is to be refused, this is said behind the answers to those before it. What waits for a client
//! that does not read is bounded by the [cap](crate::Options::cap).
//!
//! ```
//! # use actor_core::prelude::*;
//! # use actor_net::http::{self, Answer, Request, Response};
//! # use actor_net::{Conn, Connection};
//! # #[derive(Actor)]
//! # struct Site { conn: Conn }
//! # async fn look_up(_: String) -> String { String::new() }
//! #[messages]
//! impl Site {
//!     #[message]
//!     async fn serve(&mut self, path: String, answer: Answer) {
//!         let page = look_up(path).await;
//!         answer.send(Response::new(200).body(page), &mut self.conn);
//!         self.conn.resume();
//!     }
//! }
//!
//! impl Connection for Site {
//! #   type Codec = http::Server;
//! #   fn codec(&self) -> http::Server { http::Server::new(0) }
//!     // ...
//!     fn frame(&mut self, request: Request<'_>, ctx: &mut Context<Self>) {
//!         self.conn.pause();
//!         if ctx.me().serve(request.path().to_owned(), request.answer()).tell().is_err() {
//!             request.answer().send(Response::new(503).close(), &mut self.conn);
//!         }
//!     }
//! }
//! ```
//!
//! A response whose length is not known, or that is too large to be kept, is written piece by piece, no faster
//! than the client reads: [`Answer::stream`] and [`Body`].
//!
//! # What is refused
//!
//! The grammar is taken at its word, since whatever has two readings lets one request be taken for two
//! by somebody on the way. Refused are, among others: lines that end without a carriage return,
//! folded headers, control characters, a space before a colon, no `Host` or two, more than one
//! `Content-Length`, one beside a `Transfer-Encoding`, transfer codings other than `chunked`, and sizes
//! of chunks that are no numbers. The codec answers each with the status it is due
//! ([`Error::status`]) and the connection is closed; the actor hears of it
//! ([`refused`](crate::Connection::refused)) and has nothing to write.

mod body;
mod chunks;
mod client;
mod date;
mod error;
mod fields;
mod head;
mod limits;
mod request;
mod response;
mod server;
mod status;

pub use body::Body;
pub use client::{Client, ClientRequest, ClientResponse};
pub use error::Error;
pub use fields::Headers;
pub use request::Request;
pub use response::{Answer, Response};
pub use server::Server;

// What else of this WebSocket begins with.
pub(crate) use fields::{is_token, is_value, list};
pub(crate) use head::Scan as HeadScan;
pub(crate) use limits::{Limits, MOST_HEADERS};
pub(crate) use response::refusal;

#[cfg(test)]
mod tests;
