//! A gateway: clients that speak HTTP, WebSocket or lines on one side, supervised pools of backends on the
//! other.
//!
//! The files, in the order in which to read them:
//!
//! | | |
//! |---|---|
//! | [`config`] | what can be configured, and what is said when it is wrong |
//! | [`routes`] | which pool a request is for; pure |
//! | [`limits`] | how many requests a client may make; pure but for its table |
//! | [`breaker`] | when a backend is left alone, and when it is tried again; pure |
//! | [`backend`] | pools: who gets which request, and what becomes of it when a backend fails |
//! | [`hops`] | what is passed on of a request and what is not |
//! | [`client`] | the actors of connections: [`client::http`] with WebSocket, [`client::lines`] |
//! | [`access`] | the log of requests |
//! | [`server`] | what is started in which order, and how it ends |
#![forbid(unsafe_code)]

pub mod access;
pub mod backend;
pub mod breaker;
pub mod client;
pub mod config;
pub mod hops;
pub mod limits;
pub mod routes;
pub mod server;

pub use config::Config;
pub use server::{Report, Server, StartError, run};
