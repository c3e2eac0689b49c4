//! `connections`: very many connections to the echo server, in a process of its own: a process may not have
//! descriptors for both ends.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::report::{Extra, Report};

/// One in so many of the connections are there when memory is first looked at.
const FIRST: u64 = 9;

/// What each connection says once.
const HELLO: &[u8; 16] = b"sixteen bytes...";

/// How long a connection may take, and its answer. One that is lost in the kernel is tried again after a
/// second, which shows in the longest.
const PATIENCE: Duration = Duration::from_secs(10);

/// An echo server in a process of its own, which ends when this is dropped.
struct Server {
    process: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(workers: usize, limit: Duration) -> Result<Server, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["echo-server", "--port", "0", "--workers", &workers.to_string()])
            .args(["--limit", &limit.as_secs().to_string()])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let read = process.stderr.take().map(|said_by| BufReader::new(said_by).read_line(&mut said));
        let addr = read.and_then(|_| said.trim().rsplit(' ').next()?.parse().ok());
        Ok(Server { process, addr: addr.ok_or("the server did not say where it listens")? })
    }

    fn resident_bytes(&self) -> Result<u64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Those who have connected.
#[derive(Default)]
struct Crowd {
    clients: Vec<TcpStream>,
    refused: u64,
    longest: Duration,
}

impl Crowd {
    /// Connects as fast as it goes, until there are so many. Says how long that took.
    fn grow(&mut self, addr: SocketAddr, n: u64) -> Duration {
        let begin = Instant::now();
        let mut last = begin;
        while self.clients.len() as u64 + self.refused < n {
            match TcpStream::connect_timeout(&addr, PATIENCE) {
                Ok(client) => self.clients.push(client),
                Err(_) => self.refused += 1,
            }
            let now = Instant::now();
            self.longest = self.longest.max(now - last);
            last = now;
        }
        last - begin
    }

    /// Has each of those from `first` on say something, and counts who is not answered.
    fn talk(&mut self, first: usize) -> u64 {
        let answered = |client: &mut TcpStream| {
            let mut answer = [0; HELLO.len()];
            client.set_read_timeout(Some(PATIENCE)).is_ok()
                && client.write_all(HELLO).is_ok()
                && client.read_exact(&mut answer).is_ok()
                && answer == *HELLO
        };
        self.clients[first..].iter_mut().map(|client| u64::from(!answered(client))).sum()
    }
}

/// n connections in a row, each of which says something once and is idle then.
pub(crate) fn connections(workers: usize, n: u64, limit: Duration) -> Result<Report, Box<dyn Error>> {
    let server = Server::start(workers, limit)?;
    let (mut crowd, few) = (Crowd::default(), n / FIRST);
    crowd.grow(server.addr, few);
    let mut lost = crowd.talk(0);
    sleep(Duration::from_secs(1));
    let before = server.resident_bytes()?;
    let (begun, longest) = (crowd.clients.len(), std::mem::take(&mut crowd.longest));
    let took = crowd.grow(server.addr, n);
    lost += crowd.talk(begun);
    sleep(Duration::from_secs(1));
    let grown = server.resident_bytes()?.saturating_sub(before);
    let more = n - few;
    let extra = Extra::default()
        .number("bytes_per_connection", (grown as f64 / more as f64).round())
        .number("refused", crowd.refused as f64)
        .number("lost", lost as f64)
        .number("longest_ms", longest.max(crowd.longest).as_secs_f64() * 1e3);
    let rate = more as f64 / took.as_secs_f64();
    Ok(Report { workload: "connections".to_owned(), n, took, rate, extra })
}
