//! Where there is no room: who is idle, or whom the policy names, goes, and the others do not notice.

use std::io::Write;
use std::time::Duration;

use actor_core::System;
use actor_net::{Budget, Bytes, CloseReason, Evict, Limit, Listener, ListenerEvent, Load, Options, Peer};

use crate::setup::{Client, Event, Served, SessionRef, Setup, eventually};

/// So that one is idle for longer than another: what is measured is in milliseconds.
fn apart() {
    std::thread::sleep(Duration::from_millis(5));
}

fn peer(client: &Client) -> Peer {
    client.stream().local_addr().expect("an address").into()
}

#[test]
fn who_is_idle_for_longest_goes_for_a_newcomer() {
    let served = Setup { max: 2, ..Setup::default() }
        .serve_as(|listener| listener.evict(Evict::idle_longest(Duration::ZERO)));
    let events = served.server.events().subscribe(10);
    let mut first = served.connect();
    assert_eq!(first.ask("hello"), "hello");
    apart();
    let mut second = served.connect();
    assert_eq!(second.ask("hello"), "hello");
    apart();
    assert_eq!(first.ask("still here"), "still here");
    let mut third = served.connect();
    assert_eq!(third.ask("hello"), "hello");
    assert_eq!(second.rest(), "");
    assert_eq!(served.events.closed(), CloseReason::Evicted(Load::Connections));
    assert_eq!(first.ask("still here"), "still here");
    eventually("there are two again", || served.server.connections() == 2);
    assert_eq!((served.server.ends().evicted, served.server.refused()), (1, 0));
    match events.recv().expect("an event") {
        ListenerEvent::Evicted { peer: gone, idle, load: Load::Connections } => {
            assert_eq!(gone, peer(&second));
            assert!(idle >= Duration::from_millis(5), "{idle:?}");
        }
        other => panic!("something else has happened: {other}"),
    }
}

#[test]
fn who_is_in_use_stays_and_the_newcomer_is_refused() {
    let served = Setup { max: 1, ..Setup::default() }
        .serve_as(|listener| listener.evict(Evict::idle_longest(Duration::from_secs(600))));
    let mut inside = served.connect();
    assert_eq!(inside.ask("hello"), "hello");
    for _ in 0..3 {
        served.connect().is_over();
    }
    assert_eq!((served.server.refused_for(Limit::Connections), served.server.ends().evicted), (3, 0));
    assert_eq!(inside.ask("still here"), "still here");
}

#[cfg(target_os = "linux")]
#[test]
fn who_the_policy_names_goes() {
    let guest = [127, 9, 9, 9];
    let named = move |ip: std::net::IpAddr| ip == std::net::IpAddr::from(guest);
    let policy = Evict::by(move |who| who.peer.ip().is_some_and(named).then_some(1));
    let served = Setup { max: 2, ..Setup::default() }.serve_as(|listener| listener.evict(policy));
    let mut idle = served.connect();
    assert_eq!(idle.ask("hello"), "hello");
    apart();
    let mut named = Client::connect_from(guest, served.server.local_addr());
    assert_eq!(named.ask("hello"), "hello");
    let mut third = served.connect();
    assert_eq!(third.ask("hello"), "hello");
    assert_eq!(named.rest(), "");
    // Now there is nobody whom it names.
    served.connect().is_over();
    assert_eq!((idle.ask("still here"), third.ask("still here")), ("still here".into(), "still here".into()));
}

#[test]
fn a_crowd_of_newcomers_is_served_one_for_each_that_goes() {
    let served = Setup { max: 20, ..Setup::default() }
        .serve_as(|listener| listener.evict(Evict::idle_longest(Duration::ZERO)));
    let mut clients: Vec<Client> = Vec::new();
    for n in 0..100_u64 {
        let mut client = served.connect();
        assert_eq!(client.ask("hello"), "hello");
        clients.push(client);
        // At most 16 may be on their way out at a time, and who goes waits a moment for its peer to close.
        eventually("they go", || served.server.connections() < 20 + 16);
        assert!(served.server.ends().evicted <= n);
        apart();
    }
    eventually("there are as many as there may be", || served.server.connections() == 20);
    assert_eq!((served.server.ends().evicted, served.server.refused()), (80, 0));
    // The last that came are those who stay.
    for client in &mut clients[80..] {
        assert_eq!(client.ask("still here"), "still here");
    }
}

/// Has the session write until so many bytes wait for its peer.
fn fill(session: &SessionRef, bytes: usize) {
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    while session.queued().wait().is_ok_and(|queued| queued < bytes) {
        let _ = session.write(piece.clone()).wait();
    }
}

#[test]
fn bytes_that_wait_for_who_is_idle_make_room_for_others() {
    let budget = Budget::new(2 << 20);
    let builder = System::builder().driver(actor_net::driver_within(&budget));
    let system = builder.workers(2).build().expect("a system");
    let (make, events) = Setup::default().sessions();
    let options = Options::new().cap(64 << 20).send_buffer(16 << 10);
    let listener = Listener::bind("127.0.0.1:0").expect("a port").options(options);
    let listener = listener.evict(Evict::idle_longest(Duration::ZERO));
    let server = listener.spawn(&system, make).expect("a server");
    let served = Served { server, events, system };
    let evictions = served.server.events().subscribe(10);

    let (mut idle, of_idle) = served.connect_with_ref();
    assert_eq!(idle.ask("hello"), "hello");
    apart();
    let (mut busy, of_busy) = served.connect_with_ref();
    assert_eq!(busy.ask("hello"), "hello");
    fill(&of_idle, 1 << 20);
    eventually("that is counted", || budget.used() >= 1 << 20);
    // More than is left of the budget, and less than all of it.
    fill(&of_busy, 3 << 19);
    let why = served.events.until(|event| match event {
        Event::Closed(why) => Some(why),
        _ => None,
    });
    assert_eq!(why, CloseReason::Evicted(Load::Bytes));
    idle.is_over();
    assert!(matches!(
        evictions.recv(),
        Ok(ListenerEvent::Evicted { peer: gone, load: Load::Bytes, .. }) if gone == peer(&idle)
    ));
    busy.stream().write_all(b"still here\n").expect("the server reads");
    let mut last = String::new();
    while !last.ends_with("still here") {
        last = busy.line().expect("all that waits, and an answer");
    }
    eventually("nothing waits", || budget.used() == 0);
    assert_eq!((served.server.ends().evicted, served.server.ends().over_budget), (1, 0));
}
