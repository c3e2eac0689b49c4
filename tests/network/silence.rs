//! A connection whose peer is silent for longer than its actor's limit.

use actor_core::prelude::*;
use actor_net::{Conn, Connection, Lines, Listener};

use crate::setup::Client;

#[derive(Actor)]
#[actor(silence = "200ms")]
struct Session {
    conn: Conn,
}

#[messages]
impl Session {}

impl Connection for Session {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn frame(&mut self, line: &str, _: &mut Context<Self>) {
        self.conn.write(format!("{line}\n"));
    }
}

#[test]
fn a_connection_whose_peer_is_silent_is_closed_and_one_that_hears_is_not() {
    let system = actor_net::builder().workers(2).build().unwrap();
    let server = Listener::bind("127.0.0.1:0").unwrap().spawn(&system, |conn| Session { conn }).unwrap();
    let mut silent = Client::connect(server.local_addr());
    let mut talking = Client::connect(server.local_addr());
    assert_eq!(silent.ask("a"), "a");
    let closed = std::thread::spawn(move || silent.line());
    while !closed.is_finished() {
        assert_eq!(talking.ask("b"), "b");
    }
    assert_eq!(closed.join().unwrap(), None, "it was closed");
    assert_eq!(talking.ask("c"), "c");
    assert_eq!(system.snapshot().leaks.silent, 1);
}
