//! The servers: `echo-server`, `chat-server`.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use actor_core::System;
use actor_core::prelude::*;
use actor_net::{Bytes, Conn, Connection, Lines, Listener, Room};

use crate::raw::Raw;

/// More connections than any client of these servers makes.
const CONNECTIONS: usize = 100_000;

/// The longest line of the chat.
const LINE: usize = 4096;

/// Serves until `limit` is over, or the process is killed.
fn serve<C: Connection>(
    workers: usize,
    port: u16,
    limit: Duration,
    make: impl Fn(Conn) -> C + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let system: System = actor_net::builder().workers(workers).build()?;
    let listener = Listener::bind(("127.0.0.1", port)).map_err(|error| format!("port {port}: {error}"))?;
    let server = listener.max_connections(CONNECTIONS).spawn(&system, make)?;
    eprintln!("listening at {}", server.local_addr());
    sleep(limit);
    // Not in good order: connections may be open, and nobody reads them any more.
    std::process::exit(0)
}

// ---- echo ----------------------------------------------------------------------------------------

/// Sends back what comes.
#[derive(Actor)]
struct Echo {
    conn: Conn,
}

#[messages]
impl Echo {}

impl Connection for Echo {
    type Codec = Raw;

    fn codec(&self) -> Raw {
        Raw
    }

    fn frame(&mut self, bytes: &[u8], _ctx: &mut Context<Self>) {
        self.conn.write(Bytes::copy_from_slice(bytes));
    }
}

/// A server that sends back what comes.
pub(crate) fn echo(workers: usize, port: u16, limit: Duration) -> Result<(), Box<dyn Error>> {
    serve(workers, port, limit, |conn| Echo { conn })
}

// ---- chat ----------------------------------------------------------------------------------------

/// The rooms that anybody has ever asked for.
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

/// A connection, which is a room's member after its first line.
#[derive(Actor)]
struct Member {
    conn: Conn,
    rooms: Rooms,
    room: Option<Room>,
}

#[messages]
impl Member {}

impl Member {
    fn join(&mut self, line: &str, ctx: &mut Context<Self>) -> Result<(), Box<dyn Error>> {
        let name = line.strip_prefix("JOIN ").ok_or("the first line is JOIN and the name of a room")?;
        let room = self.room(name, ctx)?;
        self.conn.write("OK\n");
        room.join(&self.conn);
        self.room = Some(room);
        Ok(())
    }

    /// The room of this name, a new one if need be.
    fn room(&self, name: &str, ctx: &Context<Self>) -> Result<Room, SpawnError> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(name) {
            return Ok(room.clone());
        }
        let room = Room::new(ctx.system())?;
        rooms.insert(name.to_owned(), room.clone());
        Ok(room)
    }
}

impl Connection for Member {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(LINE)
    }

    fn frame(&mut self, line: &str, ctx: &mut Context<Self>) {
        let done = match &self.room {
            Some(room) => room.cast(format!("{line}\n")).map_err(Into::into),
            None => self.join(line, ctx),
        };
        if let Err(error) = done {
            self.conn.write(format!("{error}\n"));
            self.conn.close();
        }
    }
}

/// A server with rooms in which everybody hears what anybody says.
pub(crate) fn chat(workers: usize, port: u16, limit: Duration) -> Result<(), Box<dyn Error>> {
    let rooms = Rooms::default();
    serve(workers, port, limit, move |conn| Member { conn, rooms: rooms.clone(), room: None })
}
