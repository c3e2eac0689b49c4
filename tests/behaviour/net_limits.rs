//! Limits: how many connections there may be, and running out of descriptors.

#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(unix)]
use crate::net_support::Elsewhere;
use crate::net_support::{Client, Setup, eventually};

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
