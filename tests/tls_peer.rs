//! Both ends of TLS for tests: certificates, and a client that is rustls with its own buffers.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actor_net::tls::Identity;
use actor_net::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use actor_net::tls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate for some names that vouches for itself, with its key.
pub struct Made {
    pub identity: Identity,
    pub cert: CertificateDer<'static>,
}

pub fn make(names: &[&str]) -> Made {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let cert = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    Made { identity: Identity::from_der(vec![cert.clone()], key).expect("an identity"), cert }
}

/// What a client needs that trusts in these.
pub fn trusting(certs: impl IntoIterator<Item = CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for cert in certs {
        roots.add(cert).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A blocking client that gives up after a while.
pub struct Peer {
    pub tls: StreamOwned<ClientConnection, TcpStream>,
}

impl Peer {
    pub fn connect(addr: SocketAddr, config: ClientConfig, name: &str) -> Peer {
        let stream = TcpStream::connect(addr).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        Peer { tls: StreamOwned::new(session, stream) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.tls.write_all(bytes.as_ref()).expect("the server reads");
        self.tls.flush().expect("the server reads");
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.tls.read_exact(&mut byte).expect("a whole line");
            match byte[0] {
                b'\n' => return String::from_utf8(line).expect("a text"),
                byte => line.push(byte),
            }
        }
    }

    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.line()
    }

    /// Says that no more will come.
    pub fn close(&mut self) {
        self.tls.conn.send_close_notify();
        self.tls.conn.write_tls(&mut self.tls.sock).expect("the server reads");
    }

    /// Everything up to the end of the stream, which the server has to announce: anything else is an error.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.tls.read_to_end(&mut rest).expect("the end of the stream");
        rest
    }
}
