//! A chat service: people connect with `nc` or a browser, take a name, enter rooms and talk.
//!
//! It is also what the guide takes its examples from. The files, in the order in which to read
//! them:
//!
//! | | |
//! |---|---|
//! | [`command`] | what a line means; no sockets, no actors |
//! | [`transport`] | how lines come and go: over TCP, or over a WebSocket |
//! | [`session`] | the actor of a connection: reads lines, asks the hall and the rooms |
//! | `page` | the page for browsers |
//! | [`hall`] | the actor that knows all names and rooms |
//! | [`room`] | the actor of a room, and how its members outlive its failures |
//! | [`server`] | what is started in which order, and how it ends |
//! | [`options`] | what can be set |
#![forbid(unsafe_code)]

pub mod command;
pub mod hall;
pub mod options;
mod page;
pub mod room;
pub mod server;
pub mod session;
pub mod transport;

pub use options::Options;
pub use server::{Report, Server, Service, StartError, run};
