//! Backends that fail: who notices, and how they come back.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::gateway_support::{Backend, Gateway, Http, LISTEN, PATIENCE, eventually, pool};

/// A gateway whose only pool has these settings, and gets all requests and lines that it can.
fn gateway(pool: &str) -> Gateway {
    let route = if pool.contains("\"lines\"") { "lines = \"*\"" } else { "path = \"/\"" };
    Gateway::start(&format!("{LISTEN}[log]\nACCESS\n{pool}\n[[route]]\n{route}\npool = \"pool\"\n"))
}

/// One who asks again and again, until told to stop.
struct Load {
    asking: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<Vec<u16>>>,
}

impl Load {
    fn begin(gateway: &Gateway, clients: usize, method: &'static str) -> Load {
        let (asking, answered) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicU64>::default());
        let client = |_| {
            let (address, asking, answered) = (gateway.http_address(), asking.clone(), answered.clone());
            thread::spawn(move || {
                let (mut client, mut failures) = (Http::connect(address), Vec::new());
                while asking.load(Ordering::Relaxed) {
                    client.send(&format!("{method} /x HTTP/1.1\r\nHost: a.example"), "");
                    match client.reply(false).expect("a response").status {
                        200 => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        status => failures.push(status),
                    }
                }
                failures
            })
        };
        let threads = (0..clients).map(client).collect();
        Load { asking, answered, threads }
    }

    /// Waits until so many more are answered.
    #[track_caller]
    fn goes_on(&self) {
        let answered = || self.answered.load(Ordering::Relaxed);
        let before = answered();
        eventually("requests are answered", || answered() >= before + 200);
    }

    /// Ends it, and says with what statuses requests have failed.
    fn end(self) -> Vec<u16> {
        self.asking.store(false, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    }
}

#[test]
fn a_backend_is_killed_and_revived_under_load() {
    const CLIENTS: usize = 8;
    let (mut one, two) = (Backend::http(), Backend::http());
    let gateway = gateway(&pool("pool", "http", &[one.address, two.address]));
    let load = Load::begin(&gateway, CLIENTS, "POST");
    load.goes_on();
    one.kill();
    let address = one.address.to_string();
    gateway.logs(&[" WARN ", "the breaker is open", &address, "probe_in=50ms"]);
    load.goes_on();
    gateway.logs(&["half open: probing", &address]);
    assert_eq!(gateway.becomes(200).status, 200, "the other is there");
    one.revive();
    gateway.logs(&[" INFO ", "the breaker is closed: the backend is back", &address]);
    let pid = one.pid().to_string();
    let mut client = gateway.http();
    eventually("the backend that is back is asked", || client.get("/x").body.lines().next() == Some(&pid));
    load.goes_on();
    let failures = load.end();
    // A client has one request on its way at a time.
    assert!(failures.len() <= CLIENTS, "{failures:?}");
    assert!(failures.iter().all(|status| *status == 502), "{failures:?}");
    let other = two.address.to_string();
    assert!(
        !gateway.log().lines().any(|line| line.contains("breaker") && line.contains(&other)),
        "{}",
        gateway.log()
    );
}

#[test]
fn what_is_in_flight_to_it_fails_and_nothing_else() {
    let mut only = Backend::http();
    let gateway = gateway(&pool("pool", "http", &[only.address]));
    let mut held: Vec<_> = (0..5).map(|_| gateway.http()).collect();
    for client in &held {
        client.send("POST /hold HTTP/1.1\r\nHost: a.example", "body");
    }
    eventually("all are on their way", || gateway.http().get("/readyz").body.contains(", 5 on their way"));
    only.kill();
    for client in &mut held {
        let reply = client.reply(false).expect("a response");
        assert_eq!((reply.status, reply.body.as_str()), (502, "the backend broke off\n"));
    }
    only.revive();
    gateway.becomes(200);
    for client in &mut held {
        assert_eq!(client.get("/x").status, 200, "the client's connection was not to blame");
    }
}

#[test]
fn what_is_safe_is_asked_again_when_a_connection_was_stale() {
    let (mut one, two) = (Backend::http(), Backend::http());
    let gateway = gateway(&pool("pool", "http", &[one.address, two.address]));
    let load = Load::begin(&gateway, 8, "GET");
    load.goes_on();
    one.kill();
    gateway.logs(&["the breaker is open", &one.address.to_string()]);
    load.goes_on();
    // All connections were used before, but for those that were just made.
    let failures = load.end();
    assert!(failures.len() <= 8 && failures.iter().all(|status| *status == 502), "{failures:?}");
    drop(two);
}

#[test]
fn without_any_backend_one_is_told_at_once_and_when_to_come_back() {
    let gateway = gateway(&pool("pool", "http", &[Backend::free(), Backend::free()]));
    let mut client = gateway.http();
    let reply = client.get("/x");
    assert_eq!((reply.status, reply.body.as_str()), (502, "the backend broke off\n"), "both were tried");
    let mut reply = client.get("/x");
    while reply.status == 502 {
        reply = client.get("/x");
    }
    assert_eq!((reply.status, reply.body.as_str()), (503, "no backend is available\n"));
    assert_eq!(reply.header("Retry-After"), Some("1"));
}

#[test]
fn a_backend_that_does_not_answer_is_given_up() {
    let only = Backend::http();
    let settings = pool("pool", "http", &[only.address]) + "answer_within = \"200ms\"\nprobe = \"/hold\"\n";
    let gateway = gateway(&settings);
    let mut client = gateway.http();
    let begun = Instant::now();
    for _ in 0..2 {
        let reply = client.get("/hold");
        assert_eq!((reply.status, reply.body.as_str()), (504, "the backend did not answer in time\n"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(400));
    gateway.logs(&["the breaker is open", "it did not answer in time"]);
    // Its probes are not answered either.
    gateway.logs(&["the breaker is open", "probe_in=100ms"]);
    gateway.logs(&["the breaker is open", "probe_in=200ms"]);
    assert_eq!(client.get("/x").status, 503);
}

#[test]
fn what_is_no_response_is_not_passed_on() {
    let only = Backend::http();
    let gateway = gateway(&pool("pool", "http", &[only.address]));
    let mut client = gateway.http();
    let reply = client.get("/broken");
    assert_eq!((reply.status, reply.body.as_str()), (502, "the backend broke off\n"));
    gateway.logs(&["a request has failed", "the version is neither HTTP/1.0 nor HTTP/1.1"]);
}

#[test]
fn large_answers_come_whole_and_too_large_ones_not_at_all() {
    let only = Backend::http();
    let settings = pool("pool", "http", &[only.address]);
    let mut client = gateway(&(settings.clone() + "answer = \"1MiB\"\n"));
    let mut asking = client.http();
    for _ in 0..3 {
        assert_eq!(asking.get("/large").body.len(), 1 << 20);
    }
    client = gateway(&(settings + "answer = 1_048_575\n"));
    assert_eq!(client.http().get("/large").status, 502);
    client.logs(&["a request has failed", "the body is longer than 1048575 bytes"]);
}

#[test]
fn no_more_wait_for_a_connection_than_may() {
    let only = Backend::http();
    let settings =
        pool("pool", "http", &[only.address]) + "connections = 1\nqueue = 1\nanswer_within = \"2s\"\n";
    let gateway = gateway(&settings);
    let (mut first, mut second, mut third) = (gateway.http(), gateway.http(), gateway.http());
    first.send("GET /hold HTTP/1.1\r\nHost: a.example", "");
    eventually("it is on its way", || gateway.http().get("/readyz").body.contains(", 1 on their way"));
    second.send("GET /x HTTP/1.1\r\nHost: a.example", "");
    // Which of the two waits is the gateway's to say; not both can.
    let reply = third.get("/y");
    let other = second.reply(false).expect("a response");
    let (busy, waited) = if reply.status == 503 { (reply, other) } else { (other, reply) };
    assert_eq!((busy.status, busy.header("Retry-After")), (503, Some("1")));
    assert_eq!(busy.body, "too many requests wait for a backend\n");
    assert!(matches!(waited.status, 200 | 504), "it has waited as long as the first: {waited:?}");
    assert_eq!(first.reply(false).expect("a response").status, 504);
}

#[test]
fn lines_fail_in_their_own_way_and_the_backend_comes_back() {
    let mut only = Backend::lines();
    let gateway = gateway(&pool("pool", "lines", &[only.address]));
    let mut client = gateway.lines();
    assert_eq!(client.ask("get"), "answer to get");
    client.send("hold\n");
    eventually("it is on its way", || gateway.http().get("/readyz").body.contains(", 1 on their way"));
    only.kill();
    assert_eq!(client.line().as_deref(), Some("! 502 the backend broke off"));
    while client.ask("get") != "! 503 no backend is available" {}
    only.revive();
    let begun = Instant::now();
    while client.ask("get") != "answer to get" {
        assert!(begun.elapsed() < PATIENCE, "it does not come back:\n{}", gateway.log());
    }
}

#[test]
fn the_access_log_says_who_has_answered() {
    let only = Backend::http();
    let gateway = gateway(&pool("pool", "http", &[only.address]));
    let mut client = gateway.http();
    assert_eq!(client.get("/one?two").status, 200);
    assert_eq!(client.get("/healthz").status, 200);
    let read = || std::fs::read_to_string(gateway.folder.path("access.log")).unwrap_or_default();
    eventually("both are written", || read().lines().count() == 2);
    let text = read();
    let [asked, health] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {text}") };
    assert!(
        asked.contains(" http \"GET /one?two\" 200 ")
            && asked.ends_with(&format!("ms pool {}", only.address))
    );
    assert!(health.contains(" http \"GET /healthz\" 200 ") && health.ends_with("ms - -"), "{health}");
    std::fs::rename(gateway.folder.path("access.log"), gateway.folder.path("access.1")).expect("renamed");
    gateway.signal("-HUP");
    eventually("a new file is there", || gateway.folder.path("access.log").exists());
    assert_eq!(client.get("/three").status, 200);
    eventually("the third is written", || read().contains("GET /three"));
    assert_eq!(gateway.folder.read("access.1"), text);
}
