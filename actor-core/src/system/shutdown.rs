//! The ordered end of a system: actors first, in reverse order of their start, then the workers.

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use tracing::Level;

use crate::blocking::Closure;
use crate::cell::Control;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::cell::turn::caught;
use crate::clock;
use crate::log;
use crate::monitor::Monitor;
use crate::observe::LongTurn;
use crate::reason::StopReason;
use crate::scheduler::{Scheduler, local};
use crate::supervisor::Late;
use crate::system::{System, SystemHandle};
use crate::wait;

/// What is left of the time after the deadline, for kills to take effect and workers to end.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// How a shutdown went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Whether the actors have ended; false only when this was asked for on a worker, which cannot
    /// wait for that.
    pub ended: bool,
    /// Why the root supervisor ended.
    pub reason: StopReason,
    /// The actors that had not ended by their deadline when the system ended. One that was late before that, when a part of
    /// the tree was stopped, is in the log and not here.
    pub late: Vec<Late>,
    /// How many workers, threads of pinned actors and threads of the blocking pool did not come back, because a
    /// handler or closure has not returned. Their threads are left alone.
    pub stuck_workers: usize,
    /// The turns on workers' threads that did not come back, with their actors and messages, and how long they had taken
    /// when the workers had ended.
    pub stuck: Vec<LongTurn>,
}

impl Report {
    /// Whether everything was asked to end, and has in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.ended && self.late.is_empty() && self.stuck_workers == 0 && self.reason.is_normal()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ended {
            return f.write_str("the end has begun");
        }
        write!(f, "{}", self.reason)?;
        for late in &self.late {
            write!(f, "; {late}")?;
        }
        if self.stuck_workers > 0 {
            write!(f, "; {} workers are stuck", self.stuck_workers)?;
        }
        for turn in &self.stuck {
            write!(f, "; {turn}")?;
        }
        Ok(())
    }
}

/// What is left to do when a system has ended, and may take as long as users' code likes.
#[must_use]
pub(crate) struct Last {
    /// Of those who wait for deadlines.
    wakers: Vec<Waker>,
    /// For the blocking pool, and not to be called any more.
    closures: Vec<Closure>,
}

impl Last {
    /// Does it here.
    pub(crate) fn run(self) {
        self.wakers.into_iter().for_each(wait::wake);
        for closure in self.closures {
            if let Err(why) = caught(|| drop(closure)) {
                log::say(Level::ERROR, || {
                    let why = why.to_string();
                    move || tracing::error!(why, "panicked while dropping a closure")
                });
            }
        }
    }

    /// Does it in a turn; each waker has one of its own.
    pub(crate) fn on_worker(mut self, scheduler: &Scheduler) {
        self.wakers.drain(..).for_each(|waker| scheduler.wake_apart(waker));
        self.run();
    }
}

impl System {
    /// Ends the system and waits for it: the root supervisor stops its children in reverse order
    /// of their start, each within its own deadline and all within the system's
    /// ([`Builder::stop_within`](crate::Builder::stop_within)); then the workers end. A second call
    /// returns the same at once.
    ///
    /// On a worker there is nobody to wait, so the end only begins.
    pub fn shutdown(&self) -> Report {
        self.order_stop();
        let mut stuck_workers = 0;
        if !local::is_current() {
            self.wait_for_root();
            let until = clock::now() + GRACE;
            stuck_workers = self.scheduler().wait_for_threads(until) + self.blocking_pool().wait(until);
            log::flush();
        }
        let ended = self.0.ended.lock().clone();
        let late = self.0.late.lock().clone();
        let stuck = if stuck_workers > 0 { self.scheduler().stuck_turns() } else { Vec::new() };
        let (ended, reason) = (ended.is_some(), ended.unwrap_or(StopReason::Shutdown));
        Report { ended, reason, late, stuck_workers, stuck }
    }

    fn wait_for_root(&self) {
        if self.has_ended() {
            return;
        }
        let Some(root) = self.root() else {
            // It has ended, or a failed build never made it.
            return self.stop_threads().run();
        };
        let monitor = || Monitor::new(root.cell().clone());
        if monitor().wait_within(self.0.stop_within).is_some() {
            return;
        }
        tracing::warn!(limit = ?self.0.stop_within, "shutdown exceeds its deadline: killing what is left");
        self.kill_root();
        if monitor().wait_within(GRACE).is_none() {
            // Not even the root got a turn: every worker is held up by a handler.
            self.root_ended(StopReason::Killed).run();
        }
    }
}

impl SystemHandle {
    /// Begins the end for this reason, unless somebody has asked for it before.
    pub(crate) fn escalate(&self, reason: StopReason) {
        if !self.is_ending() {
            self.0.escalated.get_or_init(|| reason);
        }
        self.order_stop();
    }

    pub(crate) fn kill_root(&self) {
        if let Some(root) = self.root() {
            root.cell().clone().kill(Order { why: Asked::Kill, fate: Fate::Last });
        }
    }

    /// Ends all threads as soon as they find nothing to run.
    pub(crate) fn stop_threads(&self) -> Last {
        Last { closures: self.blocking_pool().close(self.scheduler()), wakers: self.scheduler().stop() }
    }

    pub(crate) fn order_stop(&self) {
        self.mark_ending();
        if let Some(root) = self.root() {
            root.cell().clone().stop(Order { why: Asked::Shutdown, fate: Fate::Last });
        }
    }
}
