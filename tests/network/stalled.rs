//! A connection whose handler stalls is closed, and what the handler writes later goes nowhere.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{AskError, System};
use actor_net::{Conn, Connection, Lines, Listener, Pressure, Server};

use crate::setup::{Client, eventually};
use crate::support::{Gate, LIMIT};

/// Does not return from some lines until the gate is open.
#[derive(Actor)]
#[actor(stall = "50ms")]
struct Slow {
    conn: Conn,
    gate: Gate,
    sessions: Sender<SlowRef>,
    written: Sender<Pressure>,
}

#[messages]
impl Slow {
    #[message]
    fn block(&mut self) {
        self.hold();
    }
}

impl Slow {
    fn hold(&mut self) {
        self.conn.write("before\n");
        self.gate.pass();
        let _ = self.written.send(self.conn.write("late\n"));
        self.conn.close();
    }
}

impl Connection for Slow {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        let _ = self.sessions.send(ctx.me());
    }

    fn frame(&mut self, line: &str, _: &mut Context<Self>) {
        match line {
            "block" => self.hold(),
            line => {
                self.conn.write(format!("{line}\n"));
            }
        }
    }
}

struct Served {
    system: System,
    server: Server,
    gate: Gate,
    sessions: Receiver<SlowRef>,
    written: Receiver<Pressure>,
}

fn serve() -> Served {
    let system = actor_net::builder().workers(2).build().expect("a system");
    let (gate, (to_test, sessions), (wrote, written)) = (Gate::default(), channel(), channel());
    let held = gate.clone();
    let make =
        move |conn| Slow { conn, gate: held.clone(), sessions: to_test.clone(), written: wrote.clone() };
    let server = Listener::bind("127.0.0.1:0").expect("a port").spawn(&system, make).expect("a server");
    Served { system, server, gate, sessions, written }
}

impl Served {
    /// The client's connection ends while the handler is held, and nothing comes after.
    fn is_cut(&self, client: &mut Client) {
        let rest = client.rest();
        assert!(rest.is_empty() || rest == "before\n", "{rest:?}");
        assert_eq!(self.system.snapshot().condemned_threads, 1, "its handler has not returned");
        self.gate.open();
        let pressure = self.written.recv_timeout(LIMIT).expect("it comes back");
        assert_eq!(pressure, Pressure::Closed);
        eventually("its thread is free", || self.system.snapshot().condemned_threads == 0);
        eventually("the server has let go of it", || self.server.connections() == 0);
        let mut other = Client::connect(self.server.local_addr());
        assert_eq!(other.ask("hello"), "hello");
    }
}

#[test]
fn in_a_frame() {
    let served = serve();
    let mut client = Client::connect(served.server.local_addr());
    assert_eq!(client.ask("hello"), "hello");
    client.send("block\n");
    served.is_cut(&mut client);
}

#[test]
fn in_a_message() {
    let served = serve();
    let mut client = Client::connect(served.server.local_addr());
    assert_eq!(client.ask("hello"), "hello");
    let session = served.sessions.recv_timeout(Duration::from_secs(20)).expect("a session");
    assert!(matches!(session.block().wait(), Err(AskError::Stalled)));
    served.is_cut(&mut client);
}
