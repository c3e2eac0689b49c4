//! The chat over TLS, and its certificates when they change.

use chat::{Options, StartError};

use crate::certificates::Files;
use crate::chat_support::{Client, options, start};
use crate::chat_web::Browser;
use crate::tls_peer::{Peer, trusting};

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
fn a_listener_has_a_certificate_for_each_name() {
    let (one, two) = (Files::new("first"), Files::named("second", "two.example"));
    let trusted = trusting([one.renew(), two.renew()]);
    let server = start(Options { tls: [one.option(), two.option()].concat(), ..options() });
    for name in ["localhost", "two.example"] {
        let mut peer = Peer::connect(server.local_addr(), trusted.clone(), name);
        assert!(peer.line().starts_with("* Welcome."));
    }
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
