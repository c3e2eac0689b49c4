//! What the tests of the gateway share: the gateway as a process, backends as processes that can be
//! killed, and a client that speaks HTTP.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::http::{self, Answer, Request, Response};
use actor_net::{Conn, Connection, Lines, Listener};

use crate::binary::{binary, log_of};

/// How long a test waits for something before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A backend: a process of its own, which is killed when the test is over.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    protocol: &'static str,
    child: Child,
    /// Kept open: the test harness over there writes into it at the end.
    _out: BufReader<ChildStdout>,
}

impl Backend {
    pub(crate) fn http() -> Backend {
        Backend::at(Backend::free(), "http")
    }

    pub(crate) fn lines() -> Backend {
        Backend::at(Backend::free(), "lines")
    }

    /// An address at which nobody listens, and that is nobody's own port: each test process has an address
    /// of the loopback network for itself.
    pub(crate) fn free() -> SocketAddr {
        static NEXT: AtomicU16 = AtomicU16::new(20_000);
        let [a, b, c, d] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, 64 | ((a ^ b) & 63), c, d.max(1));
        SocketAddr::new(IpAddr::V4(host), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn at(address: SocketAddr, protocol: &'static str) -> Backend {
        let mut child = Command::new(std::env::current_exe().expect("this test binary"))
            .args(["--exact", "gateway_support::serve_a_backend", "--ignored", "--nocapture"])
            .env("BACKEND", format!("{protocol} {address}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let ready = out.by_ref().lines().map_while(Result::ok).any(|line| line == "serving");
        assert!(ready, "no backend at {address}");
        Backend { address, protocol, child, _out: out }
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Starts it anew, at the same address.
    pub(crate) fn revive(&mut self) {
        *self = Backend::at(self.address, self.protocol);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What runs in a backend's process, until that is killed or its input ends.
#[test]
#[ignore = "run by tests that need a backend"]
fn serve_a_backend() {
    let what = std::env::var("BACKEND").expect("what to serve");
    let (protocol, address) = what.split_once(' ').expect("two words");
    let system = actor_net::builder().workers(1).build().expect("a system");
    let listener = Listener::bind(address).expect("its address");
    let _server = if protocol == "http" {
        listener.spawn(&system, |conn| Site { conn }).expect("a server")
    } else {
        listener.spawn(&system, |conn| Store { conn }).expect("a server")
    };
    println!("\nserving");
    let _ = std::io::read_to_string(std::io::stdin());
}

/// A backend that speaks HTTP: `/hold` is never answered, `/slow` after 50 ms, `/broken` with an error, `/large`
/// with a megabyte in chunks; everything else with what was asked, below its process's number.
#[derive(Actor)]
struct Site {
    conn: Conn,
}

#[messages]
impl Site {
    #[message]
    fn answer(&mut self, answer: Answer, text: String) {
        answer.send(Response::new(200).header("X-Backend", "b").body(text), &mut self.conn);
    }
}

impl Connection for Site {
    type Codec = http::Server;

    fn codec(&self) -> http::Server {
        http::Server::new(1 << 20)
    }

    fn frame(&mut self, request: Request<'_>, ctx: &mut Context<Self>) {
        let mut text = format!("{}\n{} {}\n", std::process::id(), request.method(), request.target());
        for name in ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Mine", "Via"] {
            if let Some(value) = request.header(name) {
                text += &format!("{name}: {value}\n");
            }
        }
        text += std::str::from_utf8(request.body()).expect("text");
        match request.path() {
            "/hold" => {}
            "/slow" => {
                let answer = SiteAnswer { answer: request.answer(), text };
                ctx.after(Duration::from_millis(50), answer);
            }
            "/broken" => {
                self.conn.write("this is not HTTP\r\n\r\n");
                self.conn.close();
            }
            "/large" => {
                self.conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for _ in 0..1024 {
                    self.conn.write(format!("400\r\n{}\r\n", "x".repeat(1024)));
                }
                self.conn.write("0\r\n\r\n");
            }
            _ => self.answer(request.answer(), text),
        }
    }
}

/// A backend that speaks lines, and answers each with itself, but for `hold`.
#[derive(Actor)]
struct Store {
    conn: Conn,
}

#[messages]
impl Store {}

impl Connection for Store {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(1 << 16)
    }

    fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
        if line != "hold" {
            self.conn.write(format!("answer to {line}\n"));
        }
    }
}

/// A directory of a test's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("gateway-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The gateway as a command.
pub(crate) fn command(config: &Path) -> Command {
    let mut command = Command::new(binary("gateway"));
    command.arg(config).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// The gateway as a process. Killed when the test is over.
pub(crate) struct Gateway {
    child: Child,
    greeting: Vec<String>,
    log: Arc<Mutex<String>>,
    pub(crate) folder: Folder,
}

impl Gateway {
    /// With this configuration, which may say `ACCESS` for a log in its folder.
    pub(crate) fn start(config: &str) -> Gateway {
        let folder = Folder::new();
        let access = folder.path("access.log");
        let config = config.replace("ACCESS", &format!("access = {:?}", access.display().to_string()));
        let config = folder.write("gateway.toml", &config);
        let mut child =
            command(&config).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let log = log_of(&mut child);
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let greeting: Vec<_> =
            out.lines().map_while(Result::ok).take_while(|l| !l.starts_with("Ctrl-C")).collect();
        assert!(!greeting.is_empty(), "it does not serve; log:\n{}", log.lock().unwrap());
        Gateway { child, greeting, log, folder }
    }

    /// Where it says that it serves this.
    pub(crate) fn address(&self, what: &str) -> SocketAddr {
        let prefix = format!("gateway serves {what} at ");
        let address = self.greeting.iter().find_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        address.unwrap_or_else(|| panic!("no {what} in {:?}", self.greeting))
    }

    pub(crate) fn http(&self) -> Http {
        Http::connect(self.http_address())
    }

    pub(crate) fn http_address(&self) -> SocketAddr {
        self.address("HTTP")
    }

    pub(crate) fn lines(&self) -> Talk {
        Talk::connect(self.address("lines"))
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until the log has a line with all of these in it.
    #[track_caller]
    pub(crate) fn logs(&self, all: &[&str]) {
        let found = |log: &str| log.lines().any(|line| all.iter().all(|part| line.contains(part)));
        let end = Instant::now() + PATIENCE;
        while !found(&self.log()) {
            assert!(Instant::now() < end, "no {all:?} in the log:\n{}", self.log());
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Waits until `/readyz` answers with this status.
    #[track_caller]
    pub(crate) fn becomes(&self, status: u16) -> Reply {
        let mut last = None;
        eventually("readiness changes", || {
            let reply = self.http().get("/readyz");
            let is_so = reply.status == status;
            last = Some(reply);
            is_so
        });
        last.expect("it was asked")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who speaks lines, and what comes before other protocols.
pub(crate) struct Talk {
    read: BufReader<TcpStream>,
}

impl Talk {
    pub(crate) fn connect(address: SocketAddr) -> Talk {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Talk { read: BufReader::new(stream) }
    }

    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        self.read.get_ref().write_all(bytes.as_ref()).expect("the gateway reads");
    }

    /// Sends no more.
    pub(crate) fn end(&self) {
        self.read.get_ref().shutdown(std::net::Shutdown::Write).expect("a connection");
    }

    /// The next line, without its end; `None` at the end of the stream.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let n = self.read.read_line(&mut line).expect("a line or an end");
        (n > 0).then(|| line.trim_end().to_owned())
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.line().expect("an answer")
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.read.read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.read.read_to_end(&mut rest).expect("the end of the stream");
        rest
    }
}

/// Somebody who speaks HTTP.
pub(crate) struct Http(pub(crate) Talk);

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Whether the connection ends with it.
    pub(crate) fn is_last(&self) -> bool {
        self.header("Connection") == Some("close")
    }
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Http {
        Http(Talk::connect(address))
    }

    /// Has the connection upgraded to a WebSocket.
    pub(crate) fn websocket(mut self) -> Talk {
        self.send(
            "GET /socket HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "",
        );
        assert_eq!(self.reply(true).expect("a response").status, 101);
        self.0
    }

    pub(crate) fn send(&self, head: &str, body: &str) {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.0.send(format!("{head}\r\n{length}\r\n{body}"));
    }

    /// The next response; `None` if there is none any more.
    pub(crate) fn reply(&mut self, to_head: bool) -> Option<Reply> {
        let first = self.0.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let lines = std::iter::from_fn(|| self.0.line().filter(|line| !line.is_empty()));
        let split = |line: String| {
            line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).expect("a header")
        };
        let headers = lines.map(split).collect();
        let mut reply = Reply { status, headers, body: String::new() };
        let length = reply.header("Content-Length").map_or(0, |length| length.parse().expect("a number"));
        if !to_head {
            reply.body = String::from_utf8(self.0.bytes(length)).expect("text");
        }
        Some(reply)
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a.example"), "");
        self.reply(false).expect("a response")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Reply {
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: a.example"), body);
        self.reply(false).expect("a response")
    }
}

/// The part of a configuration that says of a pool what most tests do not care about. Breakers that open
/// at the second failure, and probe soon.
pub(crate) fn pool(name: &str, protocol: &str, backends: &[SocketAddr]) -> String {
    let backends: Vec<_> = backends.iter().map(|backend| format!("\"{backend}\"")).collect();
    format!(
        "[[pool]]\nname = \"{name}\"\nconnect_within = \"60s\"\nprotocol = \"{protocol}\"\nbackends = [{}]\n\
         breaker = {{ failures = 2, window = \"60s\", open = \"50ms\", open_at_most = \"200ms\", probes = 2 }}\n",
        backends.join(", ")
    )
}

impl Gateway {
    /// One with a pool of either kind, `site` and `store`, with a backend each, and with this beside.
    pub(crate) fn with_both(more: &str) -> (Gateway, Backend, Backend) {
        let (site, store) = (Backend::http(), Backend::lines());
        let config = format!(
            "{LISTEN}{more}\n{}{}\n\
             [[route]]\npath = \"/\"\npool = \"site\"\n\
             [[route]]\npath = \"/socket\"\nwebsocket = true\npool = \"store\"\n\
             [[route]]\nlines = \"*\"\npool = \"store\"\n",
            pool("site", "http", &[site.address]),
            pool("store", "lines", &[store.address]),
        );
        (Gateway::start(&config), site, store)
    }
}

/// Where a gateway listens that serves both.
pub(crate) const LISTEN: &str = "[listen]\nhttp = \"127.0.0.1:0\"\nlines = \"127.0.0.1:0\"\n";
