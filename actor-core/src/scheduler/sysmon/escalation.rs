//! The end of a system that has run out of threads: in good order as far as its workers get on, and by force when its
//! time is over. Sysmon sees to it, since it is the one thread that no handler can hold up.

use std::sync::Arc;
use std::time::Instant;

use tracing::Level;

use crate::clock;
use crate::log;
use crate::observe::LongTurn;
use crate::reason::StopReason;
use crate::scheduler::sysmon::start_apart;
use crate::system::{GRACE, SystemHandle};

/// What happens when a turn has exceeded the hard quantum, and there are as many threads as there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutOfThreads {
    /// The turn keeps its worker until it ends, or until another one has ended; it is counted and reported.
    #[default]
    Report,
    /// The system ends, as when its root supervisor gives up: [`SystemHandle::wait`](crate::SystemHandle::wait) and the
    /// [`Report`](crate::Report) have [`StopReason::OutOfThreads`](crate::StopReason::OutOfThreads). Actors
    /// are stopped in their order as far as workers get on, for which each worker may have one thread more than
    /// [`Builder::max_threads`](crate::Builder::max_threads). When
    /// [`Builder::stop_within`](crate::Builder::stop_within) is over, what is left is killed, and a second later
    /// given up, whether it has ended or not.
    Escalate,
    /// The process is aborted, for something outside to start it again.
    Abort,
}

pub(super) struct Escalation {
    kill_at: Instant,
    give_up_at: Instant,
    killed: bool,
}

impl Escalation {
    /// Orders the end, because of a turn that no thread can be had for.
    pub(super) fn begin(system: &SystemHandle, turn: LongTurn, max: usize, now: Instant) -> Self {
        // So that the others come to their ends: each worker can be taken over once more.
        system.scheduler().crew.allow_more(system.workers());
        system.escalate(StopReason::OutOfThreads { max, turn: Arc::new(turn) });
        let kill_at = clock::later(now, system.stop_within());
        Escalation { kill_at, give_up_at: clock::later(kill_at, GRACE), killed: false }
    }

    /// Has the end come when it is due, though there may be no worker left for it.
    pub(super) fn tend(&mut self, system: &SystemHandle, now: Instant) {
        if now >= self.kill_at && !std::mem::replace(&mut self.killed, true) {
            log::say(Level::ERROR, || {
                move || {
                    tracing::error!(
                        "the end of a system without threads exceeds its deadline: killing what is left"
                    )
                }
            });
            system.kill_root();
        }
        if now >= self.give_up_at && !system.has_ended() {
            let last = system.root_ended(StopReason::Killed);
            start_apart(system, move || last.run());
        }
    }
}
