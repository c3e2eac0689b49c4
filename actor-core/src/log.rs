//! What the runtime says by `tracing`, written by a thread of its own.
//!
//! A subscriber is anybody's code, and writes as a rule to where it may have to wait: to a pipe that nobody reads, or under
//! a lock that a handler has and does not give back. Then sysmon would watch nobody, a supervisor would restart nobody, and
//! each actor that fails would keep a worker. So none of them writes; they leave what there is to say here. The number of
//! lines that wait is bounded: those that come when they are too many are counted, and their number is said later. After
//! Erlang's logger, whose handlers are processes with overload protection.
//!
//! What is said at the levels `DEBUG` and `TRACE` is not for that: it is written where it happens, so that none of it is
//! lost, and it is between the lines of the handlers around it.
//!
//! Subscribers are the process's, and so are the thread and the lines.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::cell::turn::caught;
use crate::clock;
use crate::scheduler::local;
use crate::sync::{self, Ordering, StaticBool, StaticOnce, StaticU64};

/// So many lines may wait to be written.
const MOST: usize = 4096;
/// So long is waited for a subscriber at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

type Line = Box<dyn FnOnce() + Send>;

struct Log {
    lines: Sender<Line>,
    /// The other end, of which the thread has a clone.
    said: Receiver<Line>,
    lost: StaticU64,
    has_thread: StaticBool,
}

static LOG: StaticOnce<Log> = StaticOnce::new();

fn log() -> &'static Log {
    LOG.get_or_init(|| {
        let (lines, said) = bounded(MOST);
        Log { lines, said, lost: StaticU64::new(0), has_thread: StaticBool::new(false) }
    })
}

/// Has a line written by `tracing` without waiting for the subscriber, if anybody wants to see its level: for those whose
/// turn must not be held up by what may be a pipe that nobody reads, as drivers and ports are.
///
/// `line` is called here, for what the line is about; what it gives, on the thread `actor-log`, where it is to do nothing but
/// write, in the span that is current here. At most 4096 lines wait; how many were too much, a line says later. If the thread cannot
/// be started, the line is written here.
///
/// ```
/// use actor_core::port::say;
/// use tracing::Level;
///
/// let peer = "192.0.2.7";
/// say(Level::WARN, || {
///     let peer = peer.to_owned();
///     move || tracing::warn!(peer, "has broken the protocol")
/// });
/// ```
pub fn say<L: FnOnce() + Send + 'static>(level: Level, line: impl FnOnce() -> L) {
    if level > LevelFilter::current() {
        return;
    }
    let (span, subscriber) = (tracing::Span::current(), tracing::dispatcher::get_default(Clone::clone));
    let line = line();
    log().add(Box::new(move || tracing::dispatcher::with_default(&subscriber, || span.in_scope(line))));
}

/// Starts the thread, if there is a subscriber by now. One that comes later has it started with the first line.
pub(crate) fn begin() {
    if LevelFilter::current() >= Level::INFO {
        log().start();
    }
}

/// Waits until what was said before is written, but no longer than for [`LAST_WORDS`].
pub(crate) fn flush() {
    let Some(log) = LOG.get() else { return };
    let (written, wait) = bounded::<()>(1);
    let until = clock::later(clock::now(), LAST_WORDS);
    // Its end is what tells.
    if log.lines.send_deadline(Box::new(move || drop(written)), until).is_ok() {
        let _ = wait.recv_deadline(until);
    }
}

/// Aborts the process, when what was said before is written or [`LAST_WORDS`] are over.
pub(crate) fn then_abort() -> ! {
    flush();
    std::process::abort()
}

impl Log {
    fn add(&self, line: Line) {
        // A thread has the priority of its maker, and one that runs actors may have been demoted.
        if local::is_current() && !self.has_thread() || !self.start() {
            return write(line);
        }
        if self.lines.try_send(line).is_err() {
            // Relaxed: it is a count.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn has_thread(&self) -> bool {
        // Relaxed: lines go through the channel, and those that come before the thread wait there.
        self.has_thread.load(Ordering::Relaxed)
    }

    /// Starts the thread, unless it runs; false if it cannot be started.
    fn start(&self) -> bool {
        // Relaxed, here and below: see `has_thread`.
        if self.has_thread() || self.has_thread.swap(true, Ordering::Relaxed) {
            return true;
        }
        let said = self.said.clone();
        let started =
            sync::start("actor-log".to_owned(), move || said.iter().for_each(|line| self::log().write(line)));
        if started.is_err() {
            self.has_thread.store(false, Ordering::Relaxed);
        }
        started.is_ok()
    }

    fn write(&self, line: Line) {
        write(line);
        // Relaxed: it is a count.
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "there was more to say than the subscriber could take");
        }
    }
}

/// Writes a line here. A subscriber that panics is not for those who go on from here.
fn write(line: Line) {
    drop(caught(line));
}
