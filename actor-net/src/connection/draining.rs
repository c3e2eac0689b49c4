//! The end of a connection in good order: send what is queued, say that it was all, and stay until
//! the peer has closed as well, so that the last words are not lost to a reset.

use std::io;
use std::time::{Duration, Instant};

use actor_core::Timer;
use actor_core::port::{self, Drain, Ready};

use super::scratch::{SIZE, Scratch};
use super::shared::{Progress, Shared};

/// How much of what a peer still sends is read and thrown away, in all.
const DISCARD: usize = 16 << 20;

/// How many reads of that one turn makes.
const READS: usize = 4;

/// A connection on its way out.
pub(super) struct Draining {
    stage: Stage,
    /// Ends the stage. Dropped with it.
    timer: Option<Timer>,
    /// When that is. A timer that was the connection's before may have left its flag.
    until: Instant,
}

enum Stage {
    /// Sends what is queued.
    Flushing,
    /// Has sent everything; reads until the peer closes or so many bytes have come.
    Lingering { left: usize },
}

impl Draining {
    pub(super) fn begin(shared: &Shared) -> Draining {
        let mut draining = Draining { stage: Stage::Flushing, timer: None, until: port::now() };
        draining.allow(shared.options().flush, shared);
        draining
    }

    /// Goes on as far as possible. `eof` says that the peer has closed already.
    pub(super) fn step(&mut self, ready: Ready, eof: bool, shared: &Shared) -> Drain {
        let is_over = ready.contains(Ready::TIMER) && port::now() >= self.until;
        if is_over || self.timer.is_none() {
            return self.give_up(shared);
        }
        if let Stage::Flushing = self.stage {
            match shared.flush() {
                Progress::Empty => {}
                Progress::Waits => return Drain::Wait,
                Progress::Spent => {
                    shared.wake();
                    return Drain::Wait;
                }
                Progress::Broken => return close(shared),
            }
            if !shared.shutdown_write() || eof || shared.options().linger.is_zero() {
                return close(shared);
            }
            self.stage = Stage::Lingering { left: DISCARD };
            self.allow(shared.options().linger, shared);
        }
        self.discard(shared)
    }

    /// The stage may take so long.
    fn allow(&mut self, limit: Duration, shared: &Shared) {
        let now = port::now();
        self.until = now.checked_add(limit).unwrap_or(now);
        self.timer = shared.readiness().after(limit);
    }

    fn discard(&mut self, shared: &Shared) -> Drain {
        let Stage::Lingering { left } = &mut self.stage else {
            return Drain::Wait;
        };
        let mut scratch = Scratch::take();
        for _ in 0..READS {
            match shared.read_raw(&mut scratch[..SIZE.min(*left)]) {
                // Also when nothing of the allowance is left.
                Ok(0) => return close(shared),
                Ok(n) => *left -= n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drain::Wait,
                Err(_) => return close(shared),
            }
        }
        shared.wake();
        Drain::Wait
    }

    /// The stage took too long.
    fn give_up(&self, shared: &Shared) -> Drain {
        let flushing = matches!(self.stage, Stage::Flushing);
        if flushing {
            let (peer, unsent) = (shared.peer(), shared.queued());
            tracing::debug!(%peer, unsent, "the peer did not read its last bytes in time; reset");
        }
        shared.close_socket(flushing);
        Drain::Done
    }
}

fn close(shared: &Shared) -> Drain {
    shared.close_socket(false);
    Drain::Done
}
