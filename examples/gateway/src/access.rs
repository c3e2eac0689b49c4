//! The access log: a line for each request, written by a thread of its own.
//!
//! Who logs never waits: the lines go through a queue of [`QUEUE`], and if the disk is slower than that, lines are
//! lost and counted, and the log says how many. On a `SIGHUP` the file is opened anew, for who renames logs
//! to rotate them.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// How many lines may wait to be written.
pub const QUEUE: usize = 8192;

/// The longest text of a request that is logged; what is more is cut off.
const TEXT: usize = 512;

/// What is known of a request when it comes.
#[derive(Clone, Debug)]
pub struct Entry {
    client: SocketAddr,
    protocol: &'static str,
    text: String,
    begun: Instant,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The status, also where the protocol has none.
    pub status: u16,
    /// The bytes of the body or line.
    pub bytes: usize,
    /// The pool that it went to, if it went to one.
    pub pool: Option<&'a str>,
    /// The backend that has answered, if one has.
    pub backend: Option<SocketAddr>,
}

impl Entry {
    /// A request that comes now.
    #[must_use]
    pub fn new(client: SocketAddr, protocol: &'static str, text: impl Into<String>) -> Entry {
        Entry { client, protocol, text: text.into(), begun: Instant::now() }
    }

    /// The line, without the time at its start.
    fn line(&self, outcome: &Outcome<'_>, took: Duration) -> String {
        let Entry { client, protocol, text, .. } = self;
        let Outcome { status, bytes, pool, backend } = outcome;
        let mut line = format!("{client} {protocol} \"");
        for c in text.chars().take(TEXT) {
            match c {
                '"' | '\\' => line.extend(['\\', c]),
                c if c.is_control() => line.extend(c.escape_default()),
                c => line.push(c),
            }
        }
        let millis = took.as_secs_f64() * 1000.0;
        let pool = pool.unwrap_or("-");
        let backend = backend.map_or_else(|| "-".to_owned(), |backend| backend.to_string());
        let _ = write!(line, "\" {status} {bytes} {millis:.3}ms {pool} {backend}");
        line
    }
}

/// Where lines go. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct Access(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    sender: Sender<Order>,
    lost: Arc<AtomicU64>,
}

enum Order {
    Line(String),
    Reopen,
    /// All that came before is to be written; then this is told.
    Flush(Sender<()>),
}

impl Access {
    /// One that writes nothing.
    #[must_use]
    pub fn none() -> Access {
        Access(None)
    }

    /// Appends to a file, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or there is no thread to be had.
    pub fn to_file(path: &Path) -> io::Result<Access> {
        let path = PathBuf::from(path);
        let open = move || -> io::Result<File> { OpenOptions::new().append(true).create(true).open(&path) };
        let file = open()?;
        Access::to(file, open)
    }

    fn to<W: Write + Send + 'static>(
        first: W,
        reopen: impl FnMut() -> io::Result<W> + Send + 'static,
    ) -> io::Result<Access> {
        let (sender, orders) = bounded(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let writing = Writing { out: first, lost: lost.clone(), failing: false };
        let thread = thread::Builder::new().name("access-log".to_owned());
        thread.spawn(move || writing.run(&orders, reopen))?;
        Ok(Access(Some(Arc::new(Shared { sender, lost }))))
    }

    /// Logs that a request was answered. Never waits.
    pub fn log(&self, entry: &Entry, outcome: &Outcome<'_>) {
        let Some(shared) = &self.0 else { return };
        let mut line = String::with_capacity(160);
        // It can only fail if the clock is before 1970.
        let _ = SystemTime.format_time(&mut Writer::new(&mut line));
        line.push(' ');
        line.push_str(&entry.line(outcome, entry.begun.elapsed()));
        line.push('\n');
        if shared.sender.try_send(Order::Line(line)).is_err() {
            // Relaxed: it is a count.
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        if let Some(shared) = &self.0 {
            // If the queue is full, who has renamed the file sees that it grows, and asks again.
            let _ = shared.sender.try_send(Order::Reopen);
        }
    }

    /// Waits until all that was logged before is written, but not for longer than `limit`. False if it is
    /// not.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let Some(shared) = &self.0 else { return true };
        let (done, flushed) = bounded(1);
        let end = Instant::now() + limit;
        shared.sender.send_deadline(Order::Flush(done), end).is_ok() && flushed.recv_deadline(end).is_ok()
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Line(line) => line,
            Order::Reopen => "reopen",
            Order::Flush(_) => "flush",
        })
    }
}

/// The thread that writes.
struct Writing<W> {
    out: W,
    lost: Arc<AtomicU64>,
    /// The last write has failed, and the log has said so.
    failing: bool,
}

impl<W: Write> Writing<W> {
    fn run(mut self, orders: &Receiver<Order>, mut reopen: impl FnMut() -> io::Result<W>) {
        let mut lines = String::new();
        while let Ok(first) = orders.recv() {
            // What has come meanwhile goes out with it.
            let mut flushed = Vec::new();
            for order in std::iter::once(first).chain(orders.try_iter().take(QUEUE)) {
                match order {
                    Order::Line(line) => lines.push_str(&line),
                    Order::Flush(done) => flushed.push(done),
                    Order::Reopen => {
                        self.write(&mut lines);
                        match reopen() {
                            Ok(out) => self.out = out,
                            Err(error) => tracing::error!(%error, "the access log cannot be opened anew"),
                        }
                    }
                }
            }
            self.write(&mut lines);
            for done in flushed {
                // Who has waited for too long does not listen any more.
                let _ = done.try_send(());
            }
        }
    }

    fn write(&mut self, lines: &mut String) {
        // Relaxed: it is a count, and what is lost now is told with the next lines.
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                lines,
                "# {lost} lines are missing here: they came faster than they could be written"
            );
        }
        if lines.is_empty() {
            return;
        }
        let written = self.out.write_all(lines.as_bytes()).and_then(|()| self.out.flush());
        if let Err(error) = &written
            && !self.failing
        {
            tracing::error!(%error, "the access log cannot be written; its lines are lost until it can");
        }
        self.failing = written.is_err();
        lines.clear();
    }
}

#[cfg(test)]
mod tests;
