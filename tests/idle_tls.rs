//! What an idle connection with TLS keeps of the allocator: at most 8 KiB, its mailbox included, in either version and after traffic in
//! both directions.
//!
//! A binary of its own: the allocator is the process's.
mod counted;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::tls::rustls::pki_types::PrivateKeyDer;
use actor_net::tls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use actor_net::tls::{self, Certificates, Identity};
use actor_net::{Conn, Connection, Lines, Listener, Server};

const CONNECTIONS: usize = 400;
const MOST: usize = 8 << 10;

#[derive(Actor)]
struct Echo {
    conn: Conn,
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(64 << 10)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        self.conn.write(format!("{line}\n"));
    }
}

/// Connects, has a long line echoed, and leaves nothing but the socket.
fn talk(server: &Server, config: Option<&Arc<ClientConfig>>) -> TcpStream {
    let mut socket = TcpStream::connect(server.local_addr()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let line = format!("{:30000}\n", "x");
    let mut answer = vec![0; line.len()];
    match config {
        None => {
            socket.write_all(line.as_bytes()).expect("the server reads");
            socket.read_exact(&mut answer).expect("an echo");
        }
        Some(config) => {
            let name = "localhost".try_into().expect("a name");
            let mut session = ClientConnection::new(config.clone(), name).expect("a session");
            let mut tls = rustls::Stream::new(&mut session, &mut socket);
            tls.write_all(line.as_bytes()).expect("the server reads");
            tls.read_exact(&mut answer).expect("an echo");
        }
    }
    assert!(answer == line.as_bytes());
    socket
}

/// How many bytes each of many connections keeps.
fn kept(server: &Server, config: Option<&Arc<ClientConfig>>) -> usize {
    // What the first ones need is for all of them.
    let first: Vec<_> = (0..50).map(|_| talk(server, config)).collect();
    let before = counted::bytes_in_use();
    let sockets: Vec<_> = (0..CONNECTIONS).map(|_| talk(server, config)).collect();
    let each = (counted::bytes_in_use() - before) / CONNECTIONS as i64;
    drop((first, sockets));
    let end = Instant::now() + Duration::from_secs(20);
    while server.connections() > 0 {
        assert!(Instant::now() < end, "the connections do not end");
        std::thread::yield_now();
    }
    usize::try_from(each).expect("more than before")
}

fn config(roots: &RootCertStore, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let identity = Identity::from_der(vec![made.cert.der().clone()], key).expect("an identity");
    let certificates = Certificates::new([identity]).expect("a certificate");

    let system = actor_net::builder().workers(2).build().expect("a system");
    let listen = || Listener::bind("127.0.0.1:0").expect("a port");
    let plain = listen().spawn(&system, |conn| Echo { conn }).expect("a server");
    let tls = listen().tls(&tls::Server::new(&certificates)).spawn(&system, |conn| Echo { conn });
    let tls = tls.expect("a server");

    println!("without TLS: {} bytes", kept(&plain, None));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let each = kept(&tls, Some(&config(&roots, version)));
        println!("{:?}: {each} bytes", version.version);
        assert!(each > 0 && each <= MOST, "an idle connection keeps {each} bytes, more than {MOST}");
    }
}
