//! The servers: `echo-server`, `chat-server`.

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{ActorId, LookupError, System};
use actor_net::{Bytes, Conn, Connection, Lines, Listener};

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

/// Passes lines on to its members.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Room {
    members: Vec<(ActorId, MemberRef)>,
}

#[messages]
impl Room {
    /// Lets a member in, and tells it so.
    #[message]
    fn join(&mut self, member: MemberRef) {
        // One that has gone already has told so, or is about to.
        let _ = member.deliver(Bytes::from_static(b"OK\n")).tell();
        self.members.push((member.id(), member));
    }

    /// Passes a line on to all, the one who says it too.
    #[message]
    fn say(&mut self, line: Bytes) {
        for (_, member) in &self.members {
            // One that has just gone hears nothing.
            let _ = member.deliver(line.clone()).tell();
        }
    }

    /// Lets a member go. The room stays, though nobody may be left in it.
    #[message]
    fn leave(&mut self, member: ActorId) {
        self.members.retain(|(id, _)| *id != member);
    }
}

/// A connection, which is a room's member after its first line.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Member {
    conn: Conn,
    room: Option<RoomRef>,
}

#[messages]
impl Member {
    /// Writes a line of the room.
    #[message]
    fn deliver(&mut self, line: Bytes) {
        self.conn.write(line);
    }

    #[stopped]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        if let Some(room) = self.room.take() {
            let _ = room.leave(ctx.id()).tell();
        }
    }
}

impl Member {
    fn join(&mut self, line: &str, ctx: &mut Context<Self>) -> Result<(), Box<dyn Error>> {
        let name = line.strip_prefix("JOIN ").ok_or("the first line is JOIN and the name of a room")?;
        let room = room(name, ctx)?;
        room.join(ctx.me()).tell()?;
        self.room = Some(room);
        Ok(())
    }
}

/// The room of this name, a new one if need be.
fn room(name: &str, ctx: &Context<Member>) -> Result<RoomRef, Box<dyn Error>> {
    loop {
        match ctx.system().lookup::<Room>(name) {
            Err(LookupError::NotFound(_)) => {}
            found => return Ok(found?),
        }
        match ctx.system().actor(|| Room { members: Vec::new() }).name(name).spawn() {
            // Somebody else was first.
            Err(SpawnError::NameTaken(_)) => {}
            spawned => return Ok(spawned?),
        }
    }
}

impl Connection for Member {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(LINE)
    }

    fn frame(&mut self, line: &str, ctx: &mut Context<Self>) {
        let done = match &self.room {
            Some(room) => room.say(format!("{line}\n").into()).tell().map_err(Into::into),
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
    serve(workers, port, limit, |conn| Member { conn, room: None })
}
