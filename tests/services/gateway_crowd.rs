//! The end of a gateway with a crowd of clients all of whom ask without a pause.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::http::{self, ClientRequest, ClientResponse};
use actor_net::{BytesMut, Client, Codec, Conn, Connection};

use crate::gateway_support::{Backend, Gateway, LISTEN, eventually, pool};

/// How many clients there are, unless `CROWD` says otherwise.
const CROWD: usize = 300;

/// So many connect at a time: no more than the kernel lets wait.
const WAVE: usize = 100;

/// How long the gateway may take to drain.
const WITHIN: Duration = Duration::from_secs(30);

/// What all clients count. All of it is relaxed, and read when they are waited for.
#[derive(Default)]
struct Counts {
    connected: AtomicUsize,
    asked: AtomicUsize,
    answered: AtomicUsize,
    /// Answers that were not good.
    refused: AtomicUsize,
    /// Clients that were told that an answer is their last.
    told: AtomicUsize,
    gone: AtomicUsize,
}

fn one_more(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn read(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

/// Sends a request, and another when that is answered, until it is told that this was the last.
#[derive(Actor)]
struct Asking {
    conn: Conn,
    http: http::Client,
    path: &'static str,
    counts: Arc<Counts>,
}

#[messages]
impl Asking {
    #[stopped]
    fn gone(&mut self) {
        one_more(&self.counts.gone);
    }
}

impl Asking {
    fn ask(&mut self) {
        let mut out = BytesMut::new();
        // What may not be asked twice: the gateway does not do it again if something breaks.
        let request = ClientRequest::new("POST", "a.example", self.path).body("body");
        self.http.encode(&request, &mut out).expect("it can be sent");
        one_more(&self.counts.asked);
        self.conn.write(out);
    }
}

impl Connection for Asking {
    type Codec = http::Client;

    fn codec(&self) -> http::Client {
        self.http.clone()
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        one_more(&self.counts.connected);
        self.ask();
    }

    fn frame(&mut self, response: ClientResponse, _ctx: &mut Context<Self>) {
        one_more(if response.status() == 200 { &self.counts.answered } else { &self.counts.refused });
        if response.header("connection") == Some("close") {
            one_more(&self.counts.told);
        } else {
            self.ask();
        }
    }
}

fn crowd() -> usize {
    std::env::var("CROWD").map_or(CROWD, |n| n.parse().expect("CROWD is a number"))
}

#[test]
fn a_crowd_loses_no_request_when_the_gateway_is_told_to_end() {
    let (crowd, site) = (crowd(), Backend::http());
    let config = format!(
        "{LISTEN}connections = {crowd}\n[log]\nACCESS\n[drain]\nwithin = \"{}s\"\n{}queue = 100_000\n\
         [[route]]\npath = \"/\"\npool = \"site\"\n",
        WITHIN.as_secs(),
        pool("site", "http", &[site.address]),
    );
    let mut gateway = Gateway::start(&config);
    let clients = actor_net::builder().workers(1).build().expect("a system");
    let counts = Arc::<Counts>::default();
    for n in 1..=crowd {
        let (shared, path) = (counts.clone(), if n.is_multiple_of(2) { "/slow" } else { "/quick" });
        let client = move |conn| Asking { conn, http: http::Client::new(1 << 16), path, counts: shared };
        Client::connect(gateway.http_address()).spawn(&clients, client).expect("a client");
        if n.is_multiple_of(WAVE) || n == crowd {
            eventually("they connect", || read(&counts.connected) == n);
        }
    }
    eventually("all are at work", || read(&counts.answered) > 2 * crowd);
    let begun = Instant::now();
    gateway.signal("-TERM");
    let status = gateway.ends();
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
    eventually("the clients have gone", || read(&counts.gone) == crowd);
    let (asked, answered) = (read(&counts.asked), read(&counts.answered));
    println!("{crowd} clients, {asked} requests, {answered} answered; the end took {took:.1?}");
    assert_eq!((read(&counts.refused), asked - answered), (0, 0), "{}", gateway.log());
    assert_eq!(read(&counts.told), crowd, "each client knows that no more is answered");
    assert!(took < WITHIN, "it took {took:?}");
    gateway.logs(&["ended", "0 cut off"]);
    let logged = gateway.folder.read("access.log").lines().filter(|line| line.contains(" 200 ")).count();
    assert_eq!(logged, answered, "each is in the access log");
}
