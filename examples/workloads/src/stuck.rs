//! `stuck`: connections whose handlers do not return, among others that want to be served.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::{Client, Conn, Connection, Lines, Listener};

use crate::probe::Latencies;
use crate::report::{Extra, Report};
use crate::serving::{PATIENCE, until};

/// How many get stuck, unless it is said.
pub(crate) const STUCK: u64 = 200;

/// How often each of the others asks.
const PERIOD: Duration = Duration::from_millis(200);

/// What gets a handler stuck.
const LOOP: &str = "loop";

/// Answers a line, or does not return until it is `over`.
fn answer(conn: &mut Conn, line: &str, over: &AtomicBool) {
    // Relaxed: nothing else depends on it.
    while line == LOOP && !over.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
    conn.write(format!("{line}\n"));
}

/// A connection whose handlers have all the time in the world.
#[derive(Actor)]
struct Held {
    conn: Conn,
    over: Arc<AtomicBool>,
}

#[messages]
impl Held {}

impl Connection for Held {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(80)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        answer(&mut self.conn, line, &self.over);
    }
}

/// The same with a limit, after which it is closed.
#[derive(Actor)]
#[actor(stall = "100ms")]
struct Limited(Held);

#[messages]
impl Limited {}

impl Connection for Limited {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        self.0.codec()
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        answer(&mut self.0.conn, line, &self.0.over);
    }
}

/// Asks at times that are fixed beforehand, and takes down how late the answers are.
#[derive(Actor)]
struct Asking {
    conn: Conn,
    start: Instant,
    due: Duration,
    late: Arc<Mutex<Vec<Duration>>>,
}

#[messages]
impl Asking {
    #[message]
    fn ask(&mut self) {
        // A beat of the timer that was skipped is nobody's answer.
        let late = self.start.elapsed().saturating_sub(self.due);
        self.due += PERIOD * (late.as_nanos() / PERIOD.as_nanos()) as u32;
        self.conn.write(format!("{}\n", self.due.as_nanos()));
        self.due += PERIOD;
    }
}

impl Connection for Asking {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(80)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        self.due = self.start.elapsed() + PERIOD;
        ctx.every(PERIOD, || AskingAsk);
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        if let Ok(due) = line.parse().map(Duration::from_nanos) {
            let late = self.start.elapsed().saturating_sub(due);
            self.late.lock().unwrap_or_else(PoisonError::into_inner).push(late);
        }
    }
}

/// A run: how late the others are answered, and what has become of those that are stuck.
struct Seen {
    usual: Latencies,
    late: Latencies,
    settled: Latencies,
    closed: u64,
    back: u64,
}

/// Has `stuck` of `n` connections get stuck; the others are watched for so long before that, after it, and after that again.
fn among<C: Connection>(
    workers: usize,
    (n, stuck): (u64, u64),
    secs: Duration,
    make: impl Fn(Held) -> C + Send + Sync + 'static,
) -> Result<Seen, Box<dyn Error>> {
    let system = actor_net::builder().workers(workers).max_condemned(usize::try_from(stuck)?).build()?;
    let clients = actor_net::builder().workers(1).build()?;
    let over = Arc::<AtomicBool>::default();
    let inside = over.clone();
    let make = move |conn| make(Held { conn, over: inside.clone() });
    let server = Listener::bind("127.0.0.1:0")?.spawn(&system, make)?;
    let (start, late) = (Instant::now(), Arc::<Mutex<Vec<Duration>>>::default());
    let mut peers = Vec::new();
    for at in 1..=n {
        if at <= stuck {
            peers.push(TcpStream::connect(server.local_addr())?);
        } else {
            let late = late.clone();
            let client = move |conn| Asking { conn, start, due: Duration::ZERO, late };
            Client::connect(server.local_addr()).spawn(&clients, client)?;
        }
        if at.is_multiple_of(256) || at == n {
            // No more at a time than the kernel lets wait.
            until("the clients connect", || server.connections() as u64 == at)?;
        }
    }
    let gather = || late.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    // Those that come all at once are no measure.
    sleep(PERIOD);
    let _: Latencies = gather();
    sleep(secs);
    let usual = gather();
    for peer in &mut peers {
        peer.write_all(format!("{LOOP}\n").as_bytes())?;
    }
    sleep(secs);
    let late = gather();
    sleep(secs);
    let settled = gather();
    let closed = peers.iter().filter(|peer| is_closed(peer)).count() as u64;
    // A limit is of use to those who come again.
    let back = if closed == stuck { come_back(server.local_addr(), stuck)? } else { 0 };
    over.store(true, Ordering::Relaxed);
    Ok(Seen { usual, late, settled, closed, back })
}

fn is_closed(mut peer: &TcpStream) -> bool {
    let wait = peer.set_read_timeout(Some(Duration::from_millis(1)));
    let read = wait.and_then(|()| peer.read(&mut [0]));
    match read {
        Ok(n) => n == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// How many of so many are answered when they connect again.
fn come_back(addr: SocketAddr, n: u64) -> Result<u64, Box<dyn Error>> {
    let mut answered = 0;
    for _ in 0..n {
        let mut peer = TcpStream::connect(addr)?;
        peer.set_read_timeout(Some(PATIENCE))?;
        peer.write_all(b"again\n")?;
        let mut line = String::new();
        BufReader::new(peer).read_line(&mut line)?;
        answered += u64::from(line == "again\n");
    }
    Ok(answered)
}

/// Handlers of `stuck` of `n` connections loop without end: first such without a limit, then such with one.
pub(crate) fn stuck(workers: usize, n: u64, stuck: u64, secs: Duration) -> Result<Report, Box<dyn Error>> {
    if stuck >= n {
        return Err(
            format!("with n of {n}, no more than {} can be stuck; --actors says how many", n - 1).into()
        );
    }
    let begin = Instant::now();
    let held = among(workers, (n, stuck), secs, |held| held)?;
    let limited = among(workers, (n, stuck), secs, Limited)?;
    let mut extra = Extra::default().number("usual_p99_us", held.usual.micros(0.99));
    for (name, seen) in [("held_", &held), ("limited_", &limited)] {
        extra = extra
            .latencies(name, &seen.late)
            .number(format!("{name}settled_p99_us"), seen.settled.micros(0.99))
            .number(format!("{name}answers"), seen.late.len() as f64)
            .number(format!("{name}closed"), seen.closed as f64);
    }
    let extra = extra.number("limited_back", limited.back as f64);
    Ok(Report { workload: "stuck".to_owned(), n, took: begin.elapsed(), rate: 0.0, extra })
}
