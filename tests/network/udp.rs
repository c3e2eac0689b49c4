//! UDP: datagrams as calls of an actor.

use std::net::{SocketAddr, UdpSocket as Plain};
use std::sync::mpsc::{Receiver, Sender, channel};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::{Bytes, Datagrams, Sent, Udp, UdpSocket, sockets};

use crate::setup::PATIENCE;

/// Answers each datagram with itself, but for `panic`, and `burst N`, which is answered with N datagrams.
#[derive(Actor)]
struct Echo {
    socket: UdpSocket,
    burst: Sender<Vec<Sent>>,
}

#[messages]
impl Echo {
    #[message]
    fn send(&mut self, to: SocketAddr, bytes: Bytes) -> Sent {
        self.socket.send_to(to, bytes)
    }

    #[message]
    fn dropped(&self) -> u64 {
        self.socket.dropped()
    }
}

impl Datagrams for Echo {
    fn datagram(&mut self, from: SocketAddr, bytes: &[u8], _ctx: &mut Context<Self>) {
        if bytes == b"panic" {
            panic!("on purpose");
        }
        if let Some(n) = bytes.strip_prefix(b"burst ") {
            let sent = (0..n[0] - b'0').map(|n| self.socket.send_to(from, vec![n])).collect();
            let _ = self.burst.send(sent);
            return;
        }
        self.socket.send_to(from, Bytes::copy_from_slice(bytes));
    }
}

fn serve(configure: impl FnOnce(Udp) -> Udp) -> (System, EchoRef, SocketAddr, Receiver<Vec<Sent>>) {
    crate::support::quiet_panics();
    let system = actor_net::builder().workers(2).build().unwrap();
    let udp = configure(Udp::bind("127.0.0.1:0").unwrap());
    let (addr, (burst, sent)) = (udp.local_addr(), channel());
    let echo = udp.spawn(&system, move |socket| Echo { socket, burst: burst.clone() }).unwrap();
    (system, echo, addr, sent)
}

fn client() -> Plain {
    let client = Plain::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn receive(client: &Plain) -> Vec<u8> {
    let mut bytes = [0; 2048];
    let n = client.recv(&mut bytes).expect("a datagram");
    bytes[..n].to_vec()
}

#[test]
fn each_is_answered_with_what_it_has_sent() {
    let (system, echo, addr, _) = serve(|udp| udp);
    let clients = [client(), client()];
    for round in 0..100 {
        for (n, client) in clients.iter().enumerate() {
            client.send_to(format!("{n} {round}").as_bytes(), addr).unwrap();
        }
    }
    for round in 0..100 {
        for (n, client) in clients.iter().enumerate() {
            assert_eq!(receive(client), format!("{n} {round}").as_bytes());
        }
    }
    clients[0].send_to(b"", addr).unwrap();
    assert_eq!(receive(&clients[0]), b"", "an empty one is one");
    assert_eq!(echo.dropped().wait().unwrap(), 0);
    assert_eq!(sockets(&system).iter().sum::<usize>(), 1);
}

#[test]
fn what_is_too_long_is_dropped_and_not_cut() {
    let (_system, echo, addr, _) = serve(|udp| udp.max_datagram(8));
    let client = client();
    client.send_to(b"too  long", addr).unwrap();
    client.send_to(b"not that", addr).unwrap();
    assert_eq!(receive(&client), b"not that");
    assert_eq!(echo.dropped().wait().unwrap(), 1);
}

#[test]
fn so_much_may_wait_to_be_sent() {
    // Each counts for its byte and 64 more.
    let (_system, echo, addr, sent) = serve(|udp| udp.send_queue(3 * 65));
    let client = client();
    client.send_to(b"burst 5", addr).unwrap();
    let expected = [Sent::Queued, Sent::Queued, Sent::Queued, Sent::Dropped, Sent::Dropped];
    assert_eq!(sent.recv_timeout(PATIENCE).unwrap(), expected);
    assert_eq!([receive(&client), receive(&client), receive(&client)], [[0], [1], [2]]);
    assert_eq!(echo.dropped().wait().unwrap(), 2);
    assert_eq!(echo.send(client.local_addr().unwrap(), "after".into()).wait().unwrap(), Sent::Queued);
    assert_eq!(receive(&client), b"after");
}

#[test]
fn a_restarted_actor_has_the_same_socket() {
    let (_system, echo, addr, _) = serve(|udp| udp);
    let client = client();
    client.send_to(b"panic", addr).unwrap();
    client.send_to(b"still there?", addr).unwrap();
    assert_eq!(receive(&client), b"still there?");
    assert!(echo.is_alive());
}

#[test]
fn a_peer_that_is_not_there_does_no_harm() {
    let (_system, echo, addr, _) = serve(|udp| udp);
    let gone = client().local_addr().unwrap();
    for _ in 0..3 {
        assert_eq!(echo.send(gone, "anybody?".into()).wait().unwrap(), Sent::Queued);
    }
    let client = client();
    client.send_to(b"hello", addr).unwrap();
    assert_eq!(receive(&client), b"hello");
}
