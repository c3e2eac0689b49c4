//! How an incarnation ends, and with it perhaps the actor.
//!
//! `stop` or `failed` → `#[stopped]` → the port drains (ordinary ends only) → `finish` drops port
//! and state → either the supervisor is asked ([`Phase::Failed`]) or `end` closes everything:
//! mailbox, name, monitors, in this order.

use tracing::Level;

use crate::actor::Messages;
use crate::cell::control::Done;
use crate::cell::incarnation::Incarnation;
use crate::cell::turn::{Next, Phase, Turn, Way, caught, quietly};
use crate::dead_letter::DeadLetterReason;
use crate::log;
use crate::observe::{self, Failed};
use crate::reason::{Failure, StopReason};
use crate::supervisor::{Event, Restart, Whereabouts};
use crate::sync::Ordering;

impl<A: Messages> Turn<'_, A> {
    /// Begins an end: runs `#[stopped]`.
    pub(crate) fn stop(&mut self, reason: StopReason) -> Next {
        self.life.phase = Phase::Stopping(Done::of(&reason));
        let why = self.cell.is_limited().then(|| reason.clone());
        match self.lend(why.as_ref(), |incarnation| incarnation.begin_stopped(reason)) {
            None => Next::Rest,
            Some(begun) => self.settle(begun),
        }
    }

    /// A handler has failed: its message becomes a dead letter, then the incarnation ends.
    pub(crate) fn failed(&mut self, reason: StopReason) -> Next {
        let message = self.in_work.map_or("(none)", |work| *work.message);
        log::say(Level::ERROR, || {
            let (reason, incarnation) = (reason.to_string(), self.life.number);
            move || tracing::error!(message, reason, incarnation, "failed")
        });
        self.message_failed(DeadLetterReason::HandlerFailed(reason.clone()));
        self.stop(reason)
    }

    /// A kill drops the async handler in work. `#[stopped]` does not run, as `terminate` does not
    /// run in OTP when a process is killed.
    pub(crate) fn killed_in_handler(&mut self, reason: StopReason) -> Next {
        if !self.cancel(&reason) {
            return Next::Rest;
        }
        self.message_failed(DeadLetterReason::HandlerFailed(reason.clone()));
        self.finish(reason)
    }

    /// Notes for its supervisor, if that has it killed for good, what the actor is at.
    #[cold]
    pub(super) fn note_killed(&self) {
        if !self.cell.mailbox.is_last() {
            return;
        }
        let at = match (self.life.phase, self.in_work) {
            (Phase::Starting, _) => Whereabouts::Started,
            (Phase::Stopping(_), _) => Whereabouts::Stopped,
            (Phase::Draining(_), _) => Whereabouts::Draining,
            (_, Some(work)) => Whereabouts::Message(work.message),
            (_, None) if self.is_busy() => Whereabouts::Down,
            _ => Whereabouts::Queue,
        };
        self.cell.mailbox.rare().killed_at.get_or_init(|| at);
    }

    pub(super) fn message_failed(&mut self, why: DeadLetterReason) {
        let Some(work) = self.in_work.take() else {
            return;
        };
        if let DeadLetterReason::HandlerFailed(reason) = &why
            && self.keep_to_redeliver(work.by, reason)
        {
            return;
        }
        if work.by == Way::Mailbox {
            self.receiver.count_failed();
        }
        self.cell.system().dead_letters().announce(&**self.cell, work.message, why);
    }

    /// There is no incarnation, or its `#[started]` has failed, so `#[stopped]` does not run.
    pub(crate) fn start_failed(&mut self, why: Failure) -> Next {
        log::say(Level::ERROR, || {
            let (why, incarnation) = (why.to_string(), self.life.number);
            move || tracing::error!(why, incarnation, "failed to start")
        });
        self.finish(StopReason::StartFailed(why))
    }

    /// `#[stopped]` has run.
    pub(crate) fn stopped(&mut self) -> Next {
        let Phase::Stopping(done) = self.life.phase else {
            return Next::More;
        };
        let reason = self.life.why(done);
        if self.life.has_port() && reason.is_normal() {
            self.life.phase = Phase::Draining(done);
            return self.drain();
        }
        self.finish(reason)
    }

    /// Drops port and state, and asks the supervisor if the actor may come back.
    pub(crate) fn finish(&mut self, reason: StopReason) -> Next {
        self.life.forget_silence();
        if !reason.is_normal() {
            let (cell, incarnation) = (&**self.cell, self.life.number);
            cell.system()
                .events()
                .publish(|| observe::Event::Failed(Failed::of(cell, incarnation.into(), &reason)));
        }
        if let Some(port) = self.life.take_port() {
            quietly(&**self.cell, "dropping the port", || drop(port));
        }
        if self.life.incarnation.as_ref().is_some_and(Incarnation::is_alive) {
            let cell = self.cell;
            let end = |incarnation: &mut Incarnation<A>| {
                quietly(&**cell, "dropping the state", || incarnation.end());
            };
            if self.lend(Some(&reason), end).is_none() {
                return Next::Rest;
            }
        }
        self.cell.orphan_children();
        self.cell.end_links(&reason);
        if self.cell.clears && self.may_come_back(&reason) {
            self.clear_queue(&reason);
        }
        // A last stop may have been in the queue.
        if !self.may_come_back(&reason) {
            return self.end(reason);
        }
        self.life.phase = Phase::Failed;
        let exited = Event::Exited { child: self.cell.clone(), reason: reason.clone() };
        match self.cell.nursery.post(exited) {
            Ok(()) => Next::More,
            Err(_supervisor_has_ended) => self.end(reason),
        }
    }

    /// Makes what is queued dead letters, where that is asked for at restarts.
    fn clear_queue(&mut self, reason: &StopReason) {
        for message in self.receiver.clear() {
            self.cell.dead_letter(message, DeadLetterReason::Cleared(reason.clone()));
        }
    }

    fn may_come_back(&self, reason: &StopReason) -> bool {
        // The first start's failure is the spawner's to handle, as in OTP's start_child. If the spawner waits for it, so is
        // any other end before it is there: a supervisor in its own start takes no news of children, but waits for this.
        let failed = matches!(reason, StopReason::StartFailed(_)) || self.has_spawner();
        let never_ran = failed && self.life.number <= 1;
        let by_type = match (self.cell.restart, reason) {
            (Restart::Temporary, _) | (_, StopReason::Ignored) => false,
            (Restart::Permanent, _) => true,
            (Restart::Transient, _) => !reason.is_normal(),
        };
        let comes_back = by_type || self.cell.mailbox.returns();
        // One that was asked to stop and is killed on the way has stopped.
        let asked_to = matches!(reason, StopReason::Killed) && self.cell.mailbox.is_closed();
        comes_back && !never_ran && !asked_to && !self.cell.mailbox.is_last()
    }

    /// The supervisor is told of the start of what has a slot, and of that of others after a restart.
    pub(crate) fn tell_supervisor_of_start(&self) {
        let nursery = &self.cell.nursery;
        if self.life.number > 1 || nursery.has_slots() {
            // One that has ended need not know.
            let _ = nursery.post(Event::Started(self.cell.id()));
        }
    }

    /// Before those who watch the actor are told: what they ask the supervisor then, it knows.
    fn leave_supervisor(&self, reason: &StopReason) {
        let nursery = &self.cell.nursery;
        // Relaxed: written before the first turn was scheduled.
        nursery.remove(self.cell.place.load(Ordering::Relaxed), self.cell.id());
        if nursery.has_slots() {
            let _ = nursery.post(Event::Ended { child: self.cell.clone(), reason: reason.clone() });
        }
    }

    /// A turn has panicked where nothing of a user's is called.
    pub(crate) fn broken(&mut self, why: Failure) {
        log::say(Level::ERROR, || {
            let why = why.to_string();
            move || tracing::error!(why, "a turn panicked outside of any handler")
        });
        let parts = (self.life.take_port(), self.life.incarnation.take());
        quietly(&**self.cell, "dropping the state", || drop(parts));
        self.cell.orphan_children();
        if !matches!(self.life.phase, Phase::Ended) {
            let ended = caught(|| self.end(StopReason::Panicked(why)));
            self.life.phase = Phase::Ended;
            drop(ended);
        }
    }

    /// The end of the actor, after which nothing of it is left but the refs that others hold.
    pub(crate) fn end(&mut self, reason: StopReason) -> Next {
        self.life.phase = Phase::Ended;
        self.end_aside(&reason);
        for message in self.receiver.end() {
            self.cell.dead_letter(message, DeadLetterReason::Stopped(reason.clone()));
        }
        // Those that were made since the incarnation ended.
        self.cell.end_links(&reason);
        let spawner = self.take_spawner();
        if let Some(uncommon) = self.life.uncommon.take() {
            quietly(&**self.cell, "dropping an unused port", || drop(uncommon));
        }
        let incarnation: Option<Incarnation<A>> = self.life.incarnation.take();
        quietly(&**self.cell, "dropping the factory", || drop(incarnation));
        tracing::debug!(%reason, "ended");
        self.cell.count_end();
        self.cell.leave_thread();
        if let Some(name) = self.cell.name() {
            self.cell.system().names().release(name, self.cell.id());
        }
        self.leave_supervisor(&reason);
        if let Some(spawner) = spawner {
            spawner.complete(Err(reason.clone()));
        }
        let last = self.cell.is_root().then(|| self.cell.system().root_ended(reason.clone()));
        self.cell.tell_watchers(reason);
        if let Some(last) = last {
            last.on_worker(self.cell.system().scheduler());
        }
        Next::Rest
    }
}
