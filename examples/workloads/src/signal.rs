//! How actors tell the main thread that they are done, and how a run ends that goes wrong.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::sync::mpsc::{Receiver, RecvError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// An actor's way to tell the main thread that something is done, at the time of its call.
#[derive(Clone)]
pub(crate) struct Done(Sender<(Instant, u64)>);

/// Where the main thread waits for that.
pub(crate) struct Finish(Receiver<(Instant, u64)>);

/// The two ends of a channel for one run.
pub(crate) fn finish() -> (Done, Finish) {
    let (sender, receiver) = channel();
    (Done(sender), Finish(receiver))
}

impl Done {
    /// It is done now.
    pub(crate) fn fire(&self) {
        self.value(0);
    }

    /// It is done now, with a number that is of interest.
    pub(crate) fn value(&self, value: u64) {
        // Nobody waits any more if the run has failed.
        let _ = self.0.send((Instant::now(), value));
    }
}

impl Finish {
    /// Waits for one signal: when it was given, and its number.
    pub(crate) fn one(&self) -> Result<(Instant, u64), RecvError> {
        self.0.recv()
    }

    /// Waits for `count` signals: when the last one was given, and the sum of their numbers.
    pub(crate) fn all(&self, count: u64) -> Result<(Instant, u64), RecvError> {
        let (mut last, mut sum) = self.one()?;
        for _ in 1..count {
            let (at, value) = self.one()?;
            (last, sum) = (last.max(at), sum + value);
        }
        Ok((last, sum))
    }
}

/// Ends the process after `limit`, whatever it does.
pub(crate) fn end_after(limit: Duration) -> io::Result<()> {
    let watch = move || {
        thread::sleep(limit);
        give_up("the workload did not end within its --limit");
    };
    thread::Builder::new().name("limit".to_owned()).spawn(watch).map(drop)
}

/// Ends the process with an error.
pub(crate) fn give_up(why: impl Display) -> ! {
    eprintln!("workloads: {why}");
    std::process::exit(1)
}

/// What a message led to in a handler. Without it the run would be another one than is described,
/// so an error ends the process.
pub(crate) fn sure<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| give_up(error))
}
