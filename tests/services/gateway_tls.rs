//! The gateway over TLS, and its certificates when they change.
#![cfg(target_os = "linux")]

use std::io::Read;

use actor_net::tls::rustls::ClientConfig;

use crate::certificates::Files;
use crate::gateway_support::{Backend, Folder, Gateway, command, eventually};
use crate::tls_peer::{Peer, trusting};

/// A gateway with these certificates.
fn secure(files: &[&Files]) -> (Gateway, Backend, Backend) {
    Gateway::with_both(&doors(files))
}

/// What the configuration says of these.
fn doors(files: &[&Files]) -> String {
    let listen = "[listen.tls]\nhttp = \"127.0.0.1:0\"\nlines = \"127.0.0.1:0\"\n".to_owned();
    files.iter().map(|files| files.paths()).fold(listen, |text, [chain, key]| {
        text + &format!("[[listen.tls.certificate]]\nchain = {chain:?}\nkey = {key:?}\n")
    })
}

/// Somebody who speaks HTTP over TLS.
struct Https(Peer);

impl Https {
    fn connect(gateway: &Gateway, config: &ClientConfig, name: &str) -> Https {
        Https(Peer::connect(gateway.address("HTTPS"), config.clone(), name))
    }

    fn ask(&mut self, path: &str) {
        self.0.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }

    /// The body of the next response, which must be good.
    fn answer(&mut self) -> String {
        assert_eq!(self.0.line(), "HTTP/1.1 200 OK\r");
        let mut length = 0;
        loop {
            let line = self.0.line();
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                length = text.trim_end().parse().expect("a number");
            }
            if line == "\r" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.tls.read_exact(&mut body).expect("a body");
        String::from_utf8(body).expect("text")
    }

    fn get(&mut self, path: &str) -> String {
        self.ask(path);
        self.answer()
    }
}

#[test]
fn all_protocols_are_served_over_tls_beside_those_without() {
    let files = Files::new("gateway");
    let trusted = trusting([files.renew()]);
    let (mut gateway, _site, _store) = secure(&[&files]);
    let mut client = Https::connect(&gateway, &trusted, "localhost");
    let body = client.get("/x");
    assert!(body.contains("\nX-Forwarded-Proto: https\n"), "backends are told: {body}");
    let body = gateway.http().get("/x").body;
    assert!(body.contains("\nX-Forwarded-Proto: http\n"), "{body}");
    let mut lines = Peer::connect(gateway.address("lines over TLS"), trusted.clone(), "localhost");
    assert_eq!(lines.ask("get 1"), "answer to get 1");
    assert_eq!(gateway.lines().ask("get 2"), "answer to get 2");

    let mut socket = Https::connect(&gateway, &trusted, "localhost").0;
    socket.send(
        "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Origin: https://localhost\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(socket.line(), "HTTP/1.1 101 Switching Protocols\r");
    while socket.line() != "\r" {}

    gateway.signal("-TERM");
    // Each of them would fail if the end of its stream were not announced, as TLS has it.
    let close = socket.rest();
    assert_eq!((close[0], &close[2..4]), (0x88, &[0x03, 0xE9][..]), "code 1001: {close:?}");
    assert!(client.0.rest().is_empty() && lines.rest().is_empty());
    drop((client, lines, socket));
    assert_eq!(gateway.ends().code(), Some(0), "{}", gateway.log());
}

#[test]
fn each_name_has_its_certificate() {
    let (one, two) = (Files::new("gateway-one"), Files::named("gateway-two", "two.example"));
    let (first, second) = (one.renew(), two.renew());
    let (gateway, _site, _store) = secure(&[&one, &two]);
    assert!(!Https::connect(&gateway, &trusting([first]), "localhost").get("/x").is_empty());
    assert!(!Https::connect(&gateway, &trusting([second]), "two.example").get("/x").is_empty());
}

#[test]
fn certificates_are_read_again_while_requests_are_in_work() {
    const BUSY: usize = 20;
    let files = Files::new("gateway-reload");
    let first = trusting([files.renew()]);
    let (gateway, _site, _store) = secure(&[&files]);
    let connect = || Https::connect(&gateway, &first, "localhost");
    let mut clients: Vec<_> = std::iter::repeat_with(connect).take(BUSY).collect();
    for client in &mut clients {
        client.get("/x");
    }
    let second = trusting([files.renew()]);
    for client in &mut clients {
        client.ask("/slow");
    }
    gateway.signal("-HUP");
    for client in &mut clients {
        assert!(client.answer().contains("GET /slow"), "what is in work is answered");
    }
    gateway.logs(&[" INFO ", "SIGHUP: the files are in use as they are now"]);
    assert!(!Https::connect(&gateway, &second, "localhost").get("/x").is_empty());
    assert!(!clients[0].get("/x").is_empty(), "who was there before goes on");

    files.spoil();
    gateway.signal("-HUP");
    let [chain, key] = files.paths();
    gateway.logs(&[" ERROR ", "SIGHUP: ", &chain, &key, "the old certificates stay in use"]);
    assert!(!Https::connect(&gateway, &second, "localhost").get("/x").is_empty());

    let third = trusting([files.renew()]);
    gateway.signal("-HUP");
    eventually("it is mended", || gateway.log().matches("the files are in use").count() == 2);
    assert!(!Https::connect(&gateway, &third, "localhost").get("/x").is_empty());
}

#[test]
fn without_a_good_certificate_it_does_not_start() {
    let files = Files::new("gateway-bad");
    files.spoil();
    let folder = Folder::new();
    let config = format!(
        "{}[[pool]]\nname = \"site\"\nprotocol = \"http\"\nbackends = [\"127.0.0.1:1\"]\n\
         [[route]]\npath = \"/\"\npool = \"site\"\n",
        doors(&[&files])
    );
    let output = command(&folder.write("gateway.toml", &config)).output().expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let [chain, key] = files.paths();
    for part in [&*chain, &*key, "no certificate: ", "listen.tls.certificate in the configuration"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
}
