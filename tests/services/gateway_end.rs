//! The end: nothing that was accepted is lost, and everybody is told.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::gateway_support::{Gateway, Http, eventually};

#[test]
fn no_accepted_request_is_lost_under_load() {
    const CLIENTS: u64 = 32;
    let (mut gateway, _site, _store) = Gateway::with_both("[log]\nACCESS\n");
    let answered = Arc::<AtomicU64>::default();
    let client = |n: u64| {
        let (address, answered) = (gateway.http_address(), answered.clone());
        thread::spawn(move || {
            let mut client = Http::connect(address);
            let path = if n.is_multiple_of(2) { "/slow" } else { "/quick" };
            loop {
                let reply = client.post(path, "body");
                assert_eq!(reply.status, 200, "{reply:?}");
                answered.fetch_add(1, Ordering::Relaxed);
                if reply.is_last() {
                    assert!(client.reply(false).is_none(), "nothing comes behind the last");
                    return;
                }
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    eventually("all are at work", || answered.load(Ordering::Relaxed) > 20 * CLIENTS);
    gateway.signal("-TERM");
    for client in clients {
        client.join().expect("each request was answered");
    }
    assert_eq!(gateway.ends().code(), Some(0), "{}", gateway.log());
    gateway.logs(&["SIGTERM: draining"]);
    gateway.logs(&["ended", "0 cut off"]);
    let logged = gateway.folder.read("access.log").lines().filter(|line| line.contains(" 200 ")).count();
    assert_eq!(logged as u64, answered.load(Ordering::Relaxed), "each is in the access log");
}

#[test]
fn those_with_nothing_in_work_are_told_goodbye() {
    let (mut gateway, _site, _store) = Gateway::with_both("");
    let mut idle = gateway.http();
    assert_eq!(idle.get("/x").status, 200);
    let mut silent = gateway.http();
    let mut lines = gateway.lines();
    assert_eq!(lines.ask("get"), "answer to get");
    let mut socket = gateway.http().websocket();
    let begun = Instant::now();
    gateway.signal("-TERM");
    let close = socket.rest();
    assert_eq!((close[0], &close[2..4]), (0x88, &[0x03, 0xE9][..]), "code 1001: {close:?}");
    assert!(idle.reply(false).is_none() && silent.reply(false).is_none());
    assert_eq!(lines.line(), None);
    drop((idle, silent, lines, socket));
    assert_eq!(gateway.ends().code(), Some(0), "{}", gateway.log());
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
}

#[test]
fn the_end_is_announced_before_it_comes() {
    let (mut gateway, _site, _store) = Gateway::with_both("[drain]\nannounce = \"2s\"\n");
    let mut kept = gateway.http();
    assert_eq!(kept.get("/readyz").status, 200);
    gateway.signal("-TERM");
    gateway.logs(&["SIGTERM: draining"]);
    eventually("it is not ready any more", || {
        let reply = gateway.http().get("/readyz");
        reply.status == 503 && reply.body == "draining\n" && reply.is_last()
    });
    let reply = gateway.http().get("/x");
    assert_eq!((reply.status, reply.is_last()), (200, true), "newcomers are served, once");
    assert_eq!(kept.get("/x").status, 200);
    drop(kept);
    assert_eq!(gateway.ends().code(), Some(0), "{}", gateway.log());
}

#[test]
fn what_takes_too_long_is_cut_off_and_said_so() {
    let (mut gateway, _site, _store) = Gateway::with_both("[drain]\nwithin = \"300ms\"\n");
    let client = gateway.http();
    client.send("GET /hold HTTP/1.1\r\nHost: a.example", "");
    eventually("it is on its way", || gateway.http().get("/readyz").body.contains(", 1 on their way"));
    gateway.signal("-TERM");
    gateway.logs(&["ended", "1 cut off"]);
    drop(client);
    assert_eq!(gateway.ends().code(), Some(1));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut gateway, _site, _store) = Gateway::with_both("[drain]\nannounce = \"1h\"\n");
    gateway.signal("-TERM");
    gateway.logs(&["SIGTERM: draining"]);
    gateway.signal("-INT");
    assert_eq!(gateway.ends().code(), Some(130));
}
