//! The chat over TLS, and its certificates when they change.

use std::path::PathBuf;

use actor_net::tls::rustls::pki_types::CertificateDer;
use chat::{Options, StartError};

use crate::chat_support::{Client, options, start};
use crate::chat_web::Browser;
use crate::tls_peer::{Peer, trusting};

/// A certificate of `localhost` and its key in files, which are deleted with it.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(name: &str) -> Files {
        let dir = std::env::temp_dir().join(format!("actor-chat-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let files = Files(dir);
        files.renew();
        files
    }

    /// The paths of the certificate and of the key.
    pub(crate) fn paths(&self) -> [String; 2] {
        ["cert.pem", "key.pem"].map(|name| self.0.join(name).to_str().expect("a path").to_owned())
    }

    /// Another certificate with another key.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let [cert, key] = self.paths();
        std::fs::write(cert, made.cert.pem()).expect("a file");
        std::fs::write(key, made.signing_key.serialize_pem()).expect("a file");
        made.cert.der().clone()
    }

    /// No certificate.
    pub(crate) fn spoil(&self) {
        std::fs::write(&self.paths()[0], "no certificate").expect("a file");
    }

    fn option(&self) -> Vec<PathBuf> {
        self.paths().map(PathBuf::from).to_vec()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Left behind, they do no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn people_hear_each_other_over_tls() {
    let files = Files::new("talk");
    let trusted = trusting([files.renew()]);
    let server = start(Options { tls: files.option(), web_tls: files.option(), ..options() });
    let mut tcp = Peer::connect(server.local_addr(), trusted.clone(), "localhost");
    tcp.send("/nick tcp\n/join lobby\n");
    while !tcp.line().starts_with("* you are in lobby ") {}
    let addr = server.web_addr();
    let peer = Peer::connect(addr, trusted, "localhost");
    let mut web = Browser::open(peer.tls, addr, &format!("https://{addr}"));
    web.enter("web", "lobby");
    assert_eq!(tcp.line(), "* web has joined");
    web.send("hello");
    assert_eq!(tcp.line(), "<web> hello");
    tcp.send("hello to you\n");
    web.expect("<tcp> hello to you");
    web.send("/quit");
    assert_eq!(web.end(), (Some("* goodbye".to_owned()), Some(1000)));
}

#[test]
fn each_listener_has_tls_of_its_own() {
    let files = Files::new("one");
    let trusted = trusting([files.renew()]);
    let server = start(Options { tls: files.option(), ..options() });
    assert!(crate::chat_web::get(server.web_addr(), "/").starts_with("HTTP/1.1 200 "));
    let mut tcp = Peer::connect(server.local_addr(), trusted, "localhost");
    assert!(tcp.line().starts_with("* Welcome."));
    drop((tcp, server));
    let server = start(Options { web_tls: files.option(), ..options() });
    drop(Client::enter(server.local_addr(), "tcp", "lobby"));
}

#[test]
fn certificates_are_read_again_and_bad_ones_left_alone() {
    let files = Files::new("reload");
    let first = trusting([files.renew()]);
    let server = start(Options { tls: files.option(), ..options() });
    let mut old = Peer::connect(server.local_addr(), first, "localhost");
    old.send("/nick old\n/join lobby\n");
    while !old.line().starts_with("* you are in lobby ") {}

    let second = trusting([files.renew()]);
    server.reload().expect("a good certificate");
    let welcomed = || Peer::connect(server.local_addr(), second.clone(), "localhost").line();
    assert!(welcomed().starts_with("* Welcome."));

    files.spoil();
    let error = server.reload().expect_err("no certificate");
    assert!(matches!(error, StartError::Tls { option: "--tls", .. }), "{error}");
    assert!(welcomed().starts_with("* Welcome."));
    old.send("still here\n");
    assert_eq!(old.line(), "<old> still here");
}
