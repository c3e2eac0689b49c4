//! Accepting: where connections go, several sockets at one address, and a process without descriptors.

use actor_net::{Listener, sockets};

#[cfg(unix)]
use crate::setup::Elsewhere;
use crate::setup::{Client, Setup, eventually};

#[test]
fn connections_go_to_the_workers_that_wait_for_the_fewest() {
    let served = Setup::default().serve();
    let mut clients: Vec<Client> = (0..21).map(|_| served.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    // The listener's socket is one of them.
    assert_eq!(sockets(&served.system), [11, 11]);
    drop(clients);
    eventually("they have left", || sockets(&served.system).iter().sum::<usize>() == 1);
}

#[test]
fn a_retired_worker_gets_no_connections_and_keeps_those_it_has() {
    let served = Setup::default().serve();
    let mut early: Vec<Client> = (0..9).map(|_| served.connect()).collect();
    for client in &mut early {
        assert_eq!(client.ask("hello"), "hello");
    }
    assert_eq!(sockets(&served.system), [5, 5]);
    served.system.set_parallelism(1).unwrap();
    let mut late: Vec<Client> = (0..10).map(|_| served.connect()).collect();
    for client in late.iter_mut().chain(&mut early) {
        assert_eq!(client.ask("hello"), "hello");
    }
    assert_eq!(sockets(&served.system), [15, 5]);
}

#[cfg(target_os = "linux")]
#[test]
fn shards_share_an_address_and_the_limits() {
    let system = actor_net::builder().workers(2).build().unwrap();
    let (make, _events) = Setup::default().sessions();
    let listener = Listener::bind_sharded(([127, 0, 0, 1], 0).into(), 2).unwrap().max_connections(60);
    let server = listener.spawn(&system, make).unwrap();
    let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(server.local_addr())).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    // By chance all go to one of them in one of 2^59 runs.
    let each = sockets(&system);
    assert!(each.iter().all(|&n| n > 1) && each.iter().sum::<usize>() == 62, "{each:?}");
    Client::connect(server.local_addr()).is_over();
    assert_eq!(server.refused(), 1);
    server.drain(crate::setup::PATIENCE);
    assert_eq!(sockets(&system), [0, 0]);
}

#[test]
fn a_listener_has_at_least_one_shard() {
    let error = Listener::bind_sharded(([127, 0, 0, 1], 0).into(), 0).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

/// Descriptors, slots and tokens of connections that are gone are used again, by others.
#[cfg(unix)]
#[test]
fn who_waits_for_long_for_a_descriptor_is_refused_and_later_ones_are_served() {
    let mut server = Elsewhere::with_descriptors(48);
    let mut clients: Vec<Client> = (0..80).map(|_| Client::connect(server.addr)).collect();
    let refused = clients.split_off(60);
    assert!(server.event("cannot accept").contains("cannot accept connections: "));
    for mut client in refused {
        client.is_over();
    }
    assert!(server.event("refused").contains("no descriptors left"));
    assert_eq!(clients[0].ask("still served"), "still served");
    drop(clients);
    server.event("accepting connections again");
    for round in 0..3 {
        let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(server.addr)).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            let line = format!("{n} in round {round}");
            assert_eq!(client.ask(&line), line);
        }
    }
    server.ends_well();
}
