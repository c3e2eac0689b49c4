//! Connections move from one worker to another while they are in use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actor_net::sockets;

use crate::setup::{Client, Served, Setup, eventually};

/// So many that it shows, with the listener's own socket an odd number.
const CLIENTS: usize = 20;
/// How many lines are on their way at a time.
const AHEAD: usize = 8;

/// All connections are with the first worker, and the second has become active again.
fn lopsided(served: &Served) -> Vec<Client> {
    served.system.set_parallelism(1).expect("fewer");
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| served.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("hello"), "hello");
    }
    assert_eq!(sockets(&served.system), [CLIENTS + 1, 0]);
    served.system.set_parallelism(2).expect("more");
    clients
}

/// Ends the talk when it is dropped, also by a test that fails.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says numbered lines, some at a time, and sees that they come back in order.
fn talk(client: &mut Client, over: &AtomicBool) -> usize {
    let mut said = 0;
    while !over.load(Ordering::Relaxed) {
        let lines: Vec<String> = (said..said + AHEAD).map(|n| n.to_string()).collect();
        client.send(lines.join("\n") + "\n");
        for line in lines {
            assert_eq!(client.line(), Some(line));
        }
        said += AHEAD;
    }
    said
}

#[test]
fn they_move_under_traffic_and_nothing_is_lost_or_out_of_order() {
    let served = Setup::default().serve();
    let mut clients = lopsided(&served);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let until = Until(&over);
        let talks: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| talk(client, &over))).collect();
        for round in 0..20 {
            let (parallelism, each) =
                if round % 2 == 0 { (2, [CLIENTS / 2 + 1, CLIENTS / 2]) } else { (1, [CLIENTS + 1, 0]) };
            served.system.set_parallelism(parallelism).expect("a change");
            served.server.rebalance();
            eventually("they have moved", || sockets(&served.system) == each);
        }
        drop(until);
        for talk in talks {
            assert!(talk.join().expect("all that was said") > 0);
        }
    });
    assert_eq!(served.server.connections(), CLIENTS);
    for client in &mut clients {
        assert_eq!(client.ask("still here"), "still here");
    }
}

#[test]
fn who_is_idle_moves_too_and_nobody_moves_without_need() {
    let served = Setup::default().serve();
    let mut clients = lopsided(&served);
    assert_eq!(served.server.rebalance(), CLIENTS / 2);
    eventually("they have moved", || sockets(&served.system) == [CLIENTS / 2 + 1, CLIENTS / 2]);
    assert_eq!(served.server.rebalance(), 0);
    for client in &mut clients {
        assert_eq!(client.ask("still here"), "still here");
    }
}

#[test]
fn a_server_does_it_by_itself_if_asked_to() {
    let every = Duration::from_millis(10);
    let served = Setup::default().serve_as(|listener| listener.rebalance_every(every));
    let mut clients = lopsided(&served);
    eventually("they have moved", || sockets(&served.system) == [CLIENTS / 2 + 1, CLIENTS / 2]);
    for client in &mut clients {
        assert_eq!(client.ask("still here"), "still here");
    }
}
