//! Limits: how many connections there may be, and running out of descriptors.

#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(unix)]
use crate::setup::Elsewhere;
use crate::setup::{Client, Event, Setup, eventually};
use actor_net::{Limit, Limits, ListenerEvent, Peer};

#[test]
fn connections_over_the_maximum_are_closed_at_once() {
    let served = Setup { max: 2, ..Setup::default() }.serve();
    let mut first = served.connect();
    let mut second = served.connect();
    assert_eq!(first.ask("hello"), "hello");
    assert_eq!(second.ask("hello"), "hello");
    let mut third = served.connect();
    third.is_over();
    assert_eq!(served.server.refused(), 1);
    assert_eq!(served.server.connections(), 2);
    drop(first);
    eventually("there is a place again", || served.server.connections() == 1);
    assert_eq!(served.connect().ask("hello"), "hello");
    assert_eq!(second.ask("still served"), "still served");
}

/// The address and the limit of a refusal.
fn refusal(event: ListenerEvent) -> (Peer, Limit) {
    match event {
        ListenerEvent::Refused { peer, limit } => (peer, limit),
        other => panic!("something else has happened: {other}"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_and_a_subnet_may_have_so_many_and_others_as_many() {
    let limits = Limits::new().per_address(1).per_subnet(2);
    let served = Setup::default().serve_as(|listener| listener.limits(limits));
    let (at, events) = (served.server.local_addr(), served.server.events().subscribe(10));
    let mut first = Client::connect_from([127, 1, 1, 1], at);
    assert_eq!(first.ask("hello"), "hello");
    let mut again = Client::connect_from([127, 1, 1, 1], at);
    again.is_over();
    assert_eq!(
        refusal(events.recv().unwrap()),
        (again.stream().local_addr().unwrap().into(), Limit::Address)
    );
    let mut second = Client::connect_from([127, 1, 1, 2], at);
    assert_eq!(second.ask("hello"), "hello");
    let mut third = Client::connect_from([127, 1, 1, 3], at);
    third.is_over();
    assert_eq!(refusal(events.recv().unwrap()), (third.stream().local_addr().unwrap().into(), Limit::Subnet));
    assert_eq!(Client::connect_from([127, 1, 2, 1], at).ask("of another subnet"), "of another subnet");
    let refused =
        [Limit::Address, Limit::Subnet, Limit::Connections].map(|limit| served.server.refused_for(limit));
    assert_eq!((refused, served.server.refused()), ([1, 1, 0], 2));
    drop(first);
    eventually("its place is free", || {
        let client = Client::connect_from([127, 1, 1, 1], at);
        let _ = std::io::Write::write_all(&mut client.stream(), b"hello\n");
        let mut byte = [0];
        matches!(std::io::Read::read(&mut client.stream(), &mut byte), Ok(1))
    });
    assert_eq!(second.ask("still served"), "still served");
}

#[test]
fn accepts_are_limited_by_the_second() {
    let served = Setup::default().serve_as(|listener| listener.limits(Limits::new().per_second(1, 2)));
    let mut inside = [served.connect(), served.connect()];
    let mut over = served.connect();
    over.is_over();
    assert_eq!(served.server.refused_for(Limit::Rate), 1);
    assert_eq!(inside.each_mut().map(|client| client.ask("hello")), ["hello", "hello"]);
}

#[test]
fn those_in_their_handshake_are_limited_until_a_frame_comes_or_the_actor_says_so() {
    let served = Setup::default().serve_as(|listener| listener.limits(Limits::new().handshakes(2)));
    let (mut silent, session) = served.connect_with_ref();
    let mut other = served.connect();
    other.send("half a li");
    eventually("both are there", || served.server.accepted() == 2);
    served.connect().is_over();
    assert_eq!(served.server.refused_for(Limit::Handshakes), 1);
    assert_eq!(served.server.handshakes(), 2);
    other.send("ne\n");
    assert_eq!(other.line().as_deref(), Some("half a line"));
    assert_eq!(served.server.handshakes(), 1);
    assert_eq!(served.connect().ask("let in"), "let in");
    session.established().tell().unwrap();
    eventually("the actor has said so", || served.server.handshakes() == 0);
    assert_eq!(silent.ask("hello"), "hello");
    let gone = served.connect();
    eventually("one more is in its handshake", || served.server.handshakes() == 1);
    drop(gone);
    eventually("one that ends in its handshake is in it no more", || served.server.handshakes() == 0);
}

#[test]
fn a_reset_in_the_backlog_concerns_nobody_else() {
    let listener = actor_net::Listener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr();
    let resets: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
    let mut waits = Client::connect(addr);
    for reset in resets {
        socket2::SockRef::from(&reset).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    waits.send("waits\n");
    let system = actor_net::builder().workers(2).build().unwrap();
    let (make, events) = Setup::default().sessions();
    let server = listener.spawn(&system, make).unwrap();
    assert_eq!(waits.line().as_deref(), Some("waits"));
    eventually("the resets are gone", || server.connections() == 1);
    let ends = events.drain().into_iter().filter(|event| matches!(event, Event::Closed(_))).count();
    assert!(ends <= 5, "{ends} connections have ended");
    assert_eq!(waits.ask("still there"), "still there");
}

#[test]
fn a_system_without_sockets_is_refused_with_advice() {
    let system = actor_core::System::builder().workers(1).build().unwrap();
    let (make, _events) = Setup::default().sessions();
    let error = actor_net::Listener::bind("127.0.0.1:0").unwrap().spawn(&system, make).unwrap_err();
    assert!(error.to_string().contains("actor_net::builder()"), "{error}");
}

#[test]
fn an_address_in_use_is_an_error_at_once() {
    let first = actor_net::Listener::bind("127.0.0.1:0").unwrap();
    let error = actor_net::Listener::bind(first.local_addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[cfg(unix)]
#[test]
fn out_of_descriptors_is_survived() {
    let mut server = Elsewhere::with_descriptors(48);
    // More than it has descriptors for: the last ones wait in the kernel.
    let mut clients: Vec<Client> = (0..80).map(|_| Client::connect(server.addr)).collect();
    assert_eq!(clients[0].ask("served"), "served");
    let mut last = clients.pop().unwrap();
    last.send("waits\n");
    #[cfg(target_os = "linux")]
    {
        let (window, most) = (Duration::from_millis(500), Duration::from_millis(50));
        let used = server.cpu_within(window);
        assert!(used < most, "{used:?} of CPU in {window:?} of waiting for descriptors");
    }
    drop(clients);
    assert_eq!(last.line().as_deref(), Some("waits"));
    assert_eq!(Client::connect(server.addr).ask("hello"), "hello");
    server.ends_well();
}

#[cfg(target_os = "linux")]
#[test]
fn a_served_but_idle_system_uses_no_cpu() {
    let mut server = Elsewhere::with_descriptors(256);
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(server.addr)).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    let (window, most) = (Duration::from_secs(5), Duration::from_millis(10));
    let used = server.cpu_within(window);
    assert!(used < most, "{used:?} of CPU in {window:?} of doing nothing");
    server.ends_well();
}
