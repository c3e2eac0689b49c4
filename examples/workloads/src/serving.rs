//! Servers and their clients in one process: `slowroom`, `drain`.

use std::error::Error;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::http::{self, Request, Response};
use actor_net::{
    Budget, Client, Conn, Connection, Drained, Lines, Listener, Options, Pressure, Room, Server, WhenSlow,
};

use crate::probe::Latencies;
use crate::report::{Extra, Report};

/// How long to wait for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > PATIENCE {
            return Err(format!("not within {PATIENCE:?}: {what}").into());
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

// ---- slowroom ---------------------------------------------------------------------------------------

/// How often something is said, and how much.
const EVERY: Duration = Duration::from_millis(20);
const SAID: usize = 1 << 10;

/// How much may wait for a member. Little, so that it is soon at the cap.
const CAP: usize = 96 << 10;

/// More than this waits for a member whose socket is full; and how long until it is.
const LITTLE: usize = 16 << 10;
const SETTLED: Duration = Duration::from_millis(200);

/// A member of the room; one that says anything has its connection filled.
#[derive(Actor)]
struct Member {
    conn: Conn,
    room: Room,
    filling: bool,
}

#[messages]
impl Member {}

impl Member {
    fn fill(&mut self) {
        while self.filling && self.conn.write(vec![b'.'; SAID]) == Pressure::Low {}
    }
}

impl Connection for Member {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(80)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.room.join(&self.conn);
    }

    fn frame(&mut self, _line: &str, _ctx: &mut Context<Self>) {
        self.filling = true;
        self.fill();
    }

    fn writable(&mut self, _ctx: &mut Context<Self>) {
        self.fill();
    }
}

/// Hears what is said, and when.
#[derive(Actor)]
struct Listening {
    _conn: Conn,
    start: Instant,
    heard: Arc<Mutex<Vec<Duration>>>,
}

#[messages]
impl Listening {}

impl Connection for Listening {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(2 * SAID)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        let sent = line.split(' ').next().and_then(|sent| sent.parse().ok()).map(Duration::from_nanos);
        if let Some(sent) = sent {
            let late = self.start.elapsed().saturating_sub(sent);
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(late);
        }
    }
}

/// What a room's members hear while one does not read, if `policy` says what becomes of it.
struct Heard {
    late: Latencies,
    most: usize,
    server: Server,
}

fn listen_to(
    workers: usize,
    members: u64,
    secs: Duration,
    policy: Option<WhenSlow>,
) -> Result<Heard, Box<dyn Error>> {
    let budget = Budget::default();
    let system = System::builder().workers(workers).driver(actor_net::driver_within(&budget)).build()?;
    let clients = actor_net::builder().workers(1).build()?;
    let room = Room::new(&system)?;
    let options = Options::new().cap(CAP).when_slow(policy.unwrap_or_default());
    let inside = room.clone();
    let make = move |conn| Member { conn, room: inside.clone(), filling: false };
    let server = Listener::bind("127.0.0.1:0")?.options(options).spawn(&system, make)?;
    let (start, heard) = (Instant::now(), Arc::<Mutex<Vec<Duration>>>::default());
    for _ in 1..members {
        let heard = heard.clone();
        let client = move |conn| Listening { _conn: conn, start, heard };
        Client::connect(server.local_addr()).spawn(&clients, client)?;
    }
    let mut slow = TcpStream::connect(server.local_addr())?;
    until("all are there", || room.members() as u64 == members)?;
    if policy.is_some() {
        slow.write_all(b"fill\n")?;
        // It is filled again whenever little waits; how much does in the end is a matter of the kernel.
        until("something waits for one", || budget.used() > LITTLE)?;
        sleep(SETTLED);
    }
    let (mut most, filler) = (0, ".".repeat(SAID));
    let end = Instant::now() + secs;
    while Instant::now() < end {
        room.cast_keyed(1, format!("{} {filler}\n", start.elapsed().as_nanos()))?;
        sleep(EVERY);
        most = most.max(budget.used());
    }
    let late = heard.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    Ok(Heard { late, most, server })
}

/// A room of `members`, one of which does not read, for each policy; and with all of them reading.
pub(crate) fn slow_room(workers: usize, members: u64, secs: Duration) -> Result<Report, Box<dyn Error>> {
    let begin = Instant::now();
    let all = listen_to(workers, members, secs, None)?;
    let usual = all.late.micros(0.99);
    let mut extra = Extra::default().number("all_read_p99_us", usual);
    for (name, policy) in [
        ("disconnect", WhenSlow::Disconnect),
        ("drop_new", WhenSlow::DropNew),
        ("drop_old", WhenSlow::DropOld),
        ("coalesce", WhenSlow::Coalesce),
        ("stall", WhenSlow::Stall),
    ] {
        let heard = listen_to(workers, members, secs, Some(policy))?;
        let p99 = heard.late.micros(0.99);
        extra = extra
            .number(format!("{name}_p99_us"), p99)
            .number(format!("{name}_ratio"), p99 / usual)
            .number(format!("{name}_bytes"), heard.most as f64)
            .number(format!("{name}_disconnected"), heard.server.ends().slow_consumer as f64);
    }
    let (workload, took) = ("slowroom".to_owned(), begin.elapsed());
    Ok(Report { workload, n: members, took, rate: 0.0, extra })
}

// ---- drain ------------------------------------------------------------------------------------------

/// Answers requests, and counts them.
#[derive(Actor)]
struct Site {
    conn: Conn,
    handled: Arc<AtomicU64>,
}

#[messages]
impl Site {}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(0)
    }

    fn frame(&mut self, request: Request<'_>, _ctx: &mut Context<Self>) {
        // Relaxed, as all that is counted here: read when all is over.
        self.handled.fetch_add(1, Ordering::Relaxed);
        request.answer().send(Response::new(200).body("answered\n"), &mut self.conn);
    }
}

/// Sends a request, and another when that is answered.
#[derive(Actor)]
struct Asking {
    conn: Conn,
    answered: Arc<AtomicU64>,
    alive: Arc<AtomicUsize>,
}

#[messages]
impl Asking {
    #[stopped]
    fn gone(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Asking {
    fn ask(&mut self) {
        self.conn.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
}

impl Connection for Asking {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1024)
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.ask();
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        if line == "answered" {
            self.answered.fetch_add(1, Ordering::Relaxed);
            self.ask();
        }
    }
}

/// A server that drains while `connections` send requests as fast as they are answered.
pub(crate) fn drain(workers: usize, connections: u64, secs: Duration) -> Result<Report, Box<dyn Error>> {
    let system = actor_net::builder().workers(workers).build()?;
    let clients = actor_net::builder().workers(1).build()?;
    let (handled, answered) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let alive = Arc::<AtomicUsize>::default();
    let counted = handled.clone();
    let listener = Listener::bind("127.0.0.1:0")?.max_connections(connections as usize);
    let server = listener.spawn(&system, move |conn| Site { conn, handled: counted.clone() })?;
    for n in 1..=connections {
        alive.fetch_add(1, Ordering::Relaxed);
        let (answered, alive) = (answered.clone(), alive.clone());
        let client = move |conn| Asking { conn, answered, alive };
        Client::connect(server.local_addr()).spawn(&clients, client)?;
        if n % 256 == 0 || n == connections {
            // No more at a time than the kernel lets wait.
            until("the clients connect", || server.connections() as u64 == n)?;
        }
    }
    sleep(secs);
    let begin = Instant::now();
    let Drained { open, late } = server.drain(PATIENCE);
    let took = begin.elapsed();
    until("the clients have gone", || alive.load(Ordering::Relaxed) == 0)?;
    let (handled, answered) = (handled.load(Ordering::Relaxed), answered.load(Ordering::Relaxed));
    let extra = Extra::default()
        .number("connections", open as f64)
        .number("late", late as f64)
        .number("requests", handled as f64)
        .number("lost", handled as f64 - answered as f64);
    Ok(Report { workload: "drain".to_owned(), n: connections, took, rate: 0.0, extra })
}
