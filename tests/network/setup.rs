//! What the tests of sockets share: a session that does what its lines say and reports what
//! happens to it, and a client that waits for what it expects and never sleeps.
#![allow(unreachable_pub)] // Shared by the files of a test binary, which has no outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{StopReason, System};
use actor_net::{
    Bytes, CloseReason, Conn, Connection, HalfClosed, LineError, Lines, Listener, Options, Pressure, Server,
};

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The longest line of the tests' sessions.
pub const MAX_LINE: usize = 1024;

/// What happened to a session.
#[derive(Debug)]
pub enum Event {
    Opened(SessionRef),
    Line(String),
    Refused(LineError),
    HalfClosed,
    Writable,
    Closed(CloseReason),
    Stopped(String),
}

/// Answers each line with itself, but for these: `close`, `abort`, `stop`, `panic`, and `big N`,
/// which is answered with N bytes.
#[derive(Actor)]
pub struct Session {
    conn: Conn,
    events: Sender<Event>,
    after_eof: HalfClosed,
    goodbye: &'static str,
}

#[messages]
impl Session {
    #[message]
    pub fn deliver(&mut self, bytes: Bytes) {
        self.conn.write(bytes);
    }

    #[message]
    pub fn write(&mut self, bytes: Bytes) -> Pressure {
        self.conn.write(bytes)
    }

    #[message]
    pub fn established(&mut self) {
        self.conn.established();
    }

    #[message]
    pub fn queued(&self) -> usize {
        self.conn.queued()
    }

    #[message]
    pub fn close(&mut self) {
        self.conn.close();
    }

    /// Is in work until `open` is set.
    #[message]
    pub async fn hold(&mut self, open: Arc<AtomicBool>, ctx: &mut Context<Self>) {
        self.conn.write("before\n");
        while !open.load(Ordering::Relaxed) {
            ctx.system().sleep(Duration::from_millis(1)).await;
        }
        self.conn.write("after\n");
    }

    #[stopped]
    fn stopped(&mut self, why: &StopReason) {
        self.conn.write(self.goodbye);
        let _ = self.events.send(Event::Stopped(why.to_string()));
    }
}

impl Connection for Session {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(MAX_LINE)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Opened(ctx.me()));
    }

    fn frame(&mut self, line: &str, ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Line(line.to_owned()));
        match line.split_once(' ').unwrap_or((line, "")) {
            ("close", _) => {
                self.conn.write("closing\n");
                self.conn.close();
            }
            ("abort", _) => self.conn.abort(),
            ("stop", _) => ctx.stop(),
            ("panic", _) => panic!("told to"),
            ("big", n) => {
                let n = n.parse().expect("a number");
                self.conn.write(vec![b'x'; n]);
            }
            _ => {
                self.conn.write(format!("{line}\n"));
            }
        }
    }

    fn refused(&mut self, error: &LineError, _ctx: &mut Context<Self>) {
        self.conn.write(format!("error: {error}\n"));
        let _ = self.events.send(Event::Refused(*error));
    }

    fn half_closed(&mut self, _ctx: &mut Context<Self>) -> HalfClosed {
        let _ = self.events.send(Event::HalfClosed);
        self.after_eof
    }

    fn writable(&mut self, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Writable);
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let _ = self.events.send(Event::Closed(why.clone()));
    }
}

/// How the sessions of a server are made.
#[derive(Clone, Copy)]
pub struct Setup {
    pub options: Options,
    pub max: usize,
    pub after_eof: HalfClosed,
    pub goodbye: &'static str,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { options: Options::new(), max: 1000, after_eof: HalfClosed::Close, goodbye: "" }
    }
}

impl Setup {
    /// A factory of sessions, and what they report.
    pub fn sessions(self) -> (impl Fn(Conn) -> Session + Send + Sync + 'static, Events) {
        let (events, receiver) = channel();
        let make = move |conn| Session {
            conn,
            events: events.clone(),
            after_eof: self.after_eof,
            goodbye: self.goodbye,
        };
        (make, Events(receiver))
    }

    /// A system of two workers, and a server in it.
    pub fn serve(self) -> Served {
        self.serve_as(|listener| listener)
    }

    /// The same, of a listener with more settings.
    pub fn serve_as(self, configure: impl FnOnce(Listener) -> Listener) -> Served {
        let system = actor_net::builder().workers(2).build().expect("a system");
        let (make, events) = self.sessions();
        let listener = Listener::bind("127.0.0.1:0").expect("a port");
        let listener = listener.options(self.options).max_connections(self.max);
        let server = configure(listener).spawn(&system, make).expect("a server");
        Served { server, events, system }
    }
}

/// A server under test.
pub struct Served {
    pub server: Server,
    pub events: Events,
    pub system: System,
}

impl Served {
    pub fn connect(&self) -> Client {
        Client::connect(self.server.local_addr())
    }

    /// A client whose session is known, if no other connects at the same time.
    pub fn connect_with_ref(&self) -> (Client, SessionRef) {
        let client = self.connect();
        let session = self.events.until(|event| match event {
            Event::Opened(session) => Some(session),
            _ => None,
        });
        (client, session)
    }
}

/// What the sessions of a server report.
pub struct Events(Receiver<Event>);

impl Events {
    /// Waits for the first event that `pick` picks; those before it are dropped.
    pub fn until<T>(&self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.0.recv_timeout(left);
            let event = event.unwrap_or_else(|_| panic!("only these came: {passed:#?}"));
            passed.push(format!("{event:?}"));
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    /// Waits until a connection has ended, and says why.
    pub fn closed(&self) -> CloseReason {
        self.until(|event| match event {
            Event::Closed(why) => Some(why),
            _ => None,
        })
    }

    /// Waits until a session has stopped, and says why, in words.
    pub fn stopped(&self) -> String {
        self.until(|event| match event {
            Event::Stopped(why) => Some(why),
            _ => None,
        })
    }

    /// What has come so far.
    pub fn drain(&self) -> Vec<Event> {
        self.0.try_iter().collect()
    }
}

/// A blocking client that gives up after a while.
pub struct Client {
    read: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Client {
        Client::over(TcpStream::connect(addr).expect("a connection"))
    }

    /// One from an address of its own, as all of 127.0.0.0/8 are on Linux.
    #[cfg(target_os = "linux")]
    pub fn connect_from(ip: [u8; 4], addr: SocketAddr) -> Client {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((ip, 0)).into()).expect("an address");
        socket.connect(&addr.into()).expect("a connection");
        Client::over(socket.into())
    }

    pub fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { read: BufReader::new(stream) }
    }

    pub fn stream(&self) -> &TcpStream {
        self.read.get_ref()
    }

    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).expect("the server reads");
    }

    /// The next line, without its end; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let n = self.read.read_line(&mut line).expect("a line or an end");
        (n > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Asks and waits for the answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.line().expect("an answer")
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.read.read_to_string(&mut rest).expect("the end of the stream");
        rest
    }

    /// The same, as bytes.
    pub fn rest_bytes(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.read.read_to_end(&mut rest).expect("the end of the stream");
        rest
    }

    /// Exactly so many bytes.
    pub fn read_exact(&mut self, bytes: &mut [u8]) {
        self.read.read_exact(bytes).expect("more bytes");
    }

    /// Waits until the server has ended the connection, in whatever way.
    pub fn is_over(&mut self) {
        let mut sink = [0; 4096];
        loop {
            match self.read.read(&mut sink) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection does not end: {error}"),
            }
        }
    }
}

/// Waits until something is so, looking again and again.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A server in a process of its own, for tests of what a process has: descriptors and CPU time.
#[cfg(unix)]
pub struct Elsewhere {
    pub addr: SocketAddr,
    process: std::process::Child,
    /// What it prints, a line each; read to the end, since the test harness over there writes at the end.
    out: Receiver<String>,
}

/// What runs in that process. Serves until its input ends.
#[cfg(unix)]
#[test]
#[ignore = "run by tests that need a process of their own"]
fn serve_elsewhere() {
    let served = Setup::default().serve();
    // Before anybody can connect.
    let events = served.server.events().subscribe(1000);
    println!("\naddr {}", served.server.local_addr());
    std::thread::spawn(move || events.iter().for_each(|event| println!("event {event}")));
    let _ = std::io::read_to_string(std::io::stdin());
}

#[cfg(unix)]
impl Elsewhere {
    /// A server whose process may have so many descriptors.
    pub fn with_descriptors(n: usize) -> Elsewhere {
        use std::process::{Command, Stdio};

        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -n {n}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().expect("this test binary"))
            .args(["--exact", "setup::serve_elsewhere", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let pipe = BufReader::new(process.stdout.take().expect("a pipe"));
        let (lines, out) = channel();
        std::thread::spawn(move || {
            pipe.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line)));
        });
        let addr = out.iter().find_map(|line: String| line.strip_prefix("addr ")?.parse().ok());
        Elsewhere { addr: addr.expect("the address"), process, out }
    }

    /// Waits for an event of its listener that has this in its text.
    pub fn event(&self, text: &str) -> String {
        loop {
            let line = self.out.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no event with {text:?} has come"));
            if line.starts_with("event ") && line.contains(text) {
                return line;
            }
        }
    }

    /// How much CPU time its threads use while `window` passes.
    #[cfg(target_os = "linux")]
    pub fn cpu_within(&self, window: Duration) -> Duration {
        let before = self.cpu();
        // Not to wait for something: this is the time that is measured.
        std::thread::sleep(window);
        self.cpu() - before
    }

    #[cfg(target_os = "linux")]
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("its threads");
        let nanos = tasks.map(|task| {
            let stat = task.expect("a thread").path().join("schedstat");
            let stat = std::fs::read_to_string(stat).expect("scheduler statistics");
            stat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).expect("a number")
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Asks it to end and sees that it does so without an error.
    pub fn ends_well(&mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().expect("its end").success());
    }
}
