//! What an idle connection keeps of the allocator, its actor and mailbox included: at most 768 bytes as it is, 1 KiB as a WebSocket, and
//! 8 KiB with TLS in either version; after traffic in both directions.
//!
//! A binary of its own: the allocator is the process's.
mod counted;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::tls::rustls::pki_types::PrivateKeyDer;
use actor_net::tls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use actor_net::tls::{self, Certificates, Identity};
use actor_net::websocket::{self, Message, ServerFrame};
use actor_net::{Conn, Connection, Lines, Listener, Server, http};

/// With those before them, and both ends of each, no more than a process may have open by default.
const CONNECTIONS: usize = 220;

/// What is not counted: the incarnation is in a chunk of the runtime's pool. It has the state, the factory and what is around
/// them.
const POOLED: usize = 96;

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

#[derive(Actor)]
struct Socket {
    conn: Conn,
}

#[messages]
impl Socket {}

impl Connection for Socket {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        websocket::Server::new(http::Server::new(0), 64 << 10)
    }

    fn frame(&mut self, frame: ServerFrame<'_>, _ctx: &mut Context<Self>) {
        match frame {
            ServerFrame::Upgrade(upgrade) => {
                self.conn.write(upgrade.accept());
            }
            ServerFrame::Message(message @ Message::Text(_)) => {
                self.conn.write(message.to_bytes().expect("it came so"));
            }
            other => panic!("nobody sends {other:?}"),
        }
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(at).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    socket
}

/// A long line, sent and echoed; and a short one, with which the turn of the long one has ended.
fn echo(mut through: impl Read + Write) {
    for length in [30_000, 1] {
        let line = format!("{:length$}\n", "x");
        let mut answer = vec![0; line.len()];
        through.write_all(line.as_bytes()).expect("the server reads");
        through.read_exact(&mut answer).expect("an echo");
        assert!(answer == line.as_bytes());
    }
}

fn plain(at: SocketAddr) -> TcpStream {
    let socket = connect(at);
    echo(&socket);
    socket
}

fn over_tls(at: SocketAddr, config: &Arc<ClientConfig>) -> TcpStream {
    let mut socket = connect(at);
    let name = "localhost".try_into().expect("a name");
    let mut session = ClientConnection::new(config.clone(), name).expect("a session");
    echo(rustls::Stream::new(&mut session, &mut socket));
    socket
}

fn web_socket(at: SocketAddr) -> TcpStream {
    let mut socket = connect(at);
    let request = "GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    // The mask leaves the text as it is.
    socket.write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o']).expect("the server reads");
    let mut answer = [0; 7];
    socket.read_exact(&mut answer).expect("an echo");
    assert_eq!(&answer, b"\x81\x05hello");
    socket
}

/// How many bytes each of many connections keeps, and a check of that.
fn keeps(most: usize, what: &str, server: &Server, talk: impl Fn(SocketAddr) -> TcpStream) {
    let at = server.local_addr();
    // What the first ones need is for all of them; and lists that double do so once for the others.
    let first: Vec<_> = (0..CONNECTIONS).map(|_| talk(at)).collect();
    let mut others = Vec::with_capacity(CONNECTIONS);
    let before = counted::bytes_in_use();
    others.extend((0..CONNECTIONS).map(|_| talk(at)));
    let each = POOLED as i64 + (counted::bytes_in_use() - before) / CONNECTIONS as i64;
    drop((first, others));
    let end = Instant::now() + Duration::from_secs(20);
    while server.connections() > 0 {
        assert!(Instant::now() < end, "the connections do not end");
        std::thread::yield_now();
    }
    println!("{what}: {each} bytes");
    let each = usize::try_from(each).expect("more than before");
    assert!(each > 0 && each <= most, "an idle connection ({what}) keeps {each} bytes, more than {most}");
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
    let lines = listen().spawn(&system, |conn| Echo { conn }).expect("a server");
    let sockets = listen().spawn(&system, |conn| Socket { conn }).expect("a server");
    let tls = listen().tls(&tls::Server::new(&certificates)).spawn(&system, |conn| Echo { conn });
    let tls = tls.expect("a server");

    // There is no room for a timer in this: none is armed for what comes, or goes, in one piece.
    keeps(768, "lines", &lines, plain);
    keeps(1 << 10, "WebSocket", &sockets, web_socket);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = config(&roots, version);
        keeps(8 << 10, &format!("{:?}", version.version), &tls, |at| over_tls(at, &config));
    }
}
