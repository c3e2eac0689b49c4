//! Servers of lines with TLS.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use actor_net::Listener;
use actor_net::tls::{self, Certificates};

use crate::setup::{Served, Setup};
use crate::tls_peer::{Made, make};

/// A server of lines with TLS, and the certificate of `localhost`.
pub fn serve(setup: Setup, settings: impl FnOnce(tls::Server) -> tls::Server) -> (Served, Made) {
    let made = make(&["localhost"]);
    let certificates = Certificates::new([made.identity.clone()]).expect("a certificate");
    (serve_with(setup, &settings(tls::Server::new(&certificates))), made)
}

pub fn serve_with(setup: Setup, tls: &tls::Server) -> Served {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let (make, events) = setup.sessions();
    let listener = Listener::bind("127.0.0.1:0").expect("a port");
    let listener = listener.options(setup.options).max_connections(setup.max).tls(tls);
    let server = listener.spawn(&system, make).expect("a server");
    Served { server, events, system }
}
