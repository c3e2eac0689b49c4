//! TLS as our clients speak it: with our servers, with whom they cannot trust, and beneath other protocols.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::System;
use actor_core::prelude::*;
use actor_net::tls::rustls::pki_types::PrivateKeyDer;
use actor_net::tls::rustls::server::WebPkiClientVerifier;
use actor_net::tls::rustls::{self, RootCertStore, ServerConfig};
use actor_net::tls::{self, Agreed, Certificates, Error};
use actor_net::{Client, CloseReason, Conn, Connection, Lines, Listener};
use proptest::prelude::*;

use crate::setup::PATIENCE;
use crate::site;
use crate::tls_peer::{Made, make, trusting};
use crate::websocket::{said, talk};

/// Says a line, and tells what has come of it. A server says the same line back.
#[derive(Actor)]
struct Caller {
    conn: Conn,
    says: bool,
    report: Sender<Report>,
}

#[derive(Debug)]
enum Report {
    Opened(Option<Agreed>),
    Line(String),
    Closed(CloseReason),
}

#[messages]
impl Caller {}

impl Connection for Caller {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        let _ = self.report.send(Report::Opened(self.conn.tls()));
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        if self.says {
            self.conn.close();
        } else {
            self.conn.write(format!("{line}\n"));
        }
        let _ = self.report.send(Report::Line(line.to_owned()));
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.report.send(Report::Closed(why.clone()));
    }
}

struct Both {
    system: System,
    server: actor_net::Server,
    served: Receiver<Report>,
}

fn serve(tls: &tls::Server) -> Both {
    let system = actor_net::builder().workers(2).build().unwrap();
    let (report, served) = channel();
    let listener = Listener::bind("127.0.0.1:0").unwrap().tls(tls);
    let server = listener.spawn(&system, move |conn| Caller { conn, says: false, report: report.clone() });
    Both { server: server.unwrap(), system, served }
}

impl Both {
    fn call(&self, tls: &tls::Client, name: &str) -> Receiver<Report> {
        let client = Client::connect(self.server.local_addr()).tls(tls, name).unwrap();
        call(&self.system, client)
    }
}

fn call(system: &System, client: Client) -> Receiver<Report> {
    let (report, reports) = channel();
    let make = move |mut conn: Conn| {
        // Before there is a connection: it waits for the end of the handshake.
        conn.write("hello\n");
        Caller { conn, says: true, report }
    };
    client.spawn(system, make).unwrap();
    reports
}

fn opened(reports: &Receiver<Report>) -> Agreed {
    match reports.recv_timeout(PATIENCE).unwrap() {
        Report::Opened(Some(agreed)) => agreed,
        other => panic!("not opened with TLS: {other:?}"),
    }
}

fn line(reports: &Receiver<Report>) -> String {
    match reports.recv_timeout(PATIENCE).unwrap() {
        Report::Line(line) => line,
        other => panic!("no line: {other:?}"),
    }
}

fn closed(reports: &Receiver<Report>) -> CloseReason {
    match reports.recv_timeout(PATIENCE).unwrap() {
        Report::Closed(why) => why,
        other => panic!("not closed first: {other:?}"),
    }
}

fn certificates(made: &Made) -> Certificates {
    Certificates::new([made.identity.clone()]).unwrap()
}

#[test]
fn both_ends_know_what_they_have_agreed_on() {
    let (server, client) =
        (make(&["localhost"]), rcgen::generate_simple_self_signed(["a client".to_owned()]));
    let client = client.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(client.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates(&server)));
    let both = serve(&tls::Server::with_config(config).alpn(["lines"]));

    let key = PrivateKeyDer::try_from(client.signing_key.serialize_der()).unwrap();
    let mut config = trusting([server.cert.clone()]);
    let cert = client.cert.der().clone();
    let key =
        rustls::sign::CertifiedKey::from_der(vec![cert.clone()], key, config.crypto_provider()).unwrap();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(key));
    let calls = both.call(&tls::Client::with_config(config).alpn(["other", "lines"]), "localhost");

    for (reports, theirs) in [(&calls, &server.cert), (&both.served, &cert)] {
        let agreed = opened(reports);
        assert_eq!(agreed.version, Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(agreed.protocol.as_deref(), Some(&b"lines"[..]));
        assert_eq!(&agreed.certificates[0], theirs);
    }
    assert_eq!((line(&both.served), line(&calls)), ("hello".to_owned(), "hello".to_owned()));
    assert_eq!((closed(&calls), closed(&both.served)), (CloseReason::Local, CloseReason::Eof));
}

#[test]
fn who_cannot_be_trusted_is_told_nothing() {
    let (made, other) = (make(&["localhost"]), make(&["localhost"]));
    let both = serve(&tls::Server::new(&certificates(&made)));
    for (roots, name) in [(other.cert.clone(), "localhost"), (made.cert.clone(), "elsewhere")] {
        let calls = both.call(&tls::Client::new([roots]).unwrap(), name);
        for reports in [&calls, &both.served] {
            match closed(reports) {
                CloseReason::Tls(why) => assert!(!why.is_empty()),
                why => panic!("closed for another reason: {why}"),
            }
        }
    }
}

#[test]
fn who_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let system = actor_net::builder().workers(1).build().unwrap();
    let tls = tls::Client::new([make(&["localhost"]).cert]).unwrap();
    let client = Client::connect(silent.local_addr().unwrap()).deadline(Duration::from_millis(200));
    let why = closed(&call(&system, client.tls(&tls, "localhost").unwrap()));
    assert!(matches!(&why, CloseReason::Tls(why) if why.contains("deadline")), "{why}");
}

#[test]
fn settings_that_are_no_use_are_refused_with_the_reason() {
    assert!(matches!(tls::Client::new([]), Err(Error::NoCertificate)));
    assert!(matches!(tls::Client::from_pem(b"not PEM at all"), Err(Error::NoCertificate)));
    assert!(matches!(tls::Client::new([b"not DER".as_slice().into()]), Err(Error::Root(_))));
    assert!(matches!(Certificates::new([]), Err(Error::NoCertificate)));
    let tls = tls::Client::new([make(&["localhost"]).cert]).unwrap();
    let client = Client::connect(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
    assert_eq!(client.tls(&tls, "no name").unwrap_err(), Error::Name("no name".to_owned()));
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    assert_eq!(tls::Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap().names(), ["a"]);
    assert!(matches!(tls::Identity::from_pem(chain.as_bytes(), b""), Err(Error::Pem(_))));
    assert!(matches!(tls::Identity::from_pem(b"", key.as_bytes()), Err(Error::NoCertificate)));
    let key = other.signing_key.serialize_pem();
    assert!(matches!(tls::Identity::from_pem(chain.as_bytes(), key.as_bytes()), Err(Error::Identity(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// TLS under HTTP under WebSocket, at both ends: no codec knows of it.
    #[test]
    fn a_websocket_is_the_same_over_tls(says in prop::collection::vec(said(), 1..20)) {
        let made = make(&["localhost"]);
        let tls = tls::Server::new(&certificates(&made)).alpn(["http/1.1"]);
        let served = site::serve_at(Listener::bind("127.0.0.1:0").unwrap().tls(&tls));
        let tls = tls::Client::new([made.cert]).unwrap().alpn(["http/1.1"]);
        let client = Client::connect(served.server.local_addr()).tls(&tls, "localhost").unwrap();
        talk(&served, client, says);
    }
}
