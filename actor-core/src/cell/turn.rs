//! A turn: what a worker does with a scheduled cell.
//!
//! A turn takes steps until its budget is used up or nothing is left, and every step leaves the
//! actor in a phase in which it can rest. [`run`] then gives the run token back, or keeps it and
//! goes to the end of the queue.
//!
//! * [`budget`]: how long a turn may be;
//! * [`life`]: what a turn finds of the actor, and the phase that it is in;
//! * [`port`]: the part of the actor's port in it.

mod budget;
mod life;
mod port;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tracing::Level;

use crate::actor::Messages;
use crate::cell::home::Home;
use crate::cell::inbox::Handle;
use crate::cell::incarnation::Incarnation;
use crate::cell::mailbox::{Came, Mode, Signal, Verdict, Work};
use crate::cell::receiver::Receiver;
use crate::cell::waker;
use crate::cell::{Cell, Control};
use crate::context::Context;
use crate::log;
use crate::message::Envelope;
use crate::port::{Readiness, Ready};
use crate::reason::{Failure, StopReason};
use crate::reply::Reply;
use crate::scheduler::local;
use crate::slab::Key;
use budget::Budget;

pub(crate) use life::{InWork, Life, Phase, Way};

/// Whether a turn can go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Rest,
}

/// Runs one turn of the actor, on the worker that took it from a queue. Returns the mode in which it
/// has left the actor; if that is not `Ended`, the actor may be running again, elsewhere.
///
/// # Safety
/// The caller holds the actor's run token, and has it no more afterwards.
#[allow(unsafe_code)]
pub(crate) unsafe fn run<A: Messages>(cell: &Arc<Cell<A>>) -> Mode {
    let (mode, again, elsewhere) = {
        let span = tracing::info_span!("actor", path = %cell.path());
        let _in_span = span.enter();
        // SAFETY: only the holder of the token gets at the life, and it is given back below.
        let life = cell.life.with_mut(|life| unsafe { &mut *life });
        // SAFETY: as above.
        let receiver = unsafe { cell.mailbox.receiver() };
        let in_work = life.uncommon.as_mut().and_then(|uncommon| uncommon.in_work.take());
        let mut turn = Turn { cell, life, receiver, in_work, again: Ready::NONE, condemned: false };
        // One net under all handlers of a turn: putting one under each would cost every message.
        while let Err(why) = caught(|| turn.take_steps()) {
            turn.panicked(why);
            if turn.condemned {
                break;
            }
        }
        if turn.condemned {
            return Mode::Condemned;
        }
        turn.keep_in_work();
        let mode = turn.mode();
        (mode, turn.again, mode == Mode::Elsewhere && turn.is_for_another_thread())
    };
    // SAFETY: the token is ours until this returns; the borrows above are gone.
    if unsafe { cell.mailbox.end_turn(mode, again) } {
        if elsewhere {
            cell.schedule_elsewhere();
        } else {
            cell.schedule_again();
        }
    }
    mode
}

/// A turn under way.
pub(crate) struct Turn<'a, A: Messages> {
    pub(crate) cell: &'a Arc<Cell<A>>,
    pub(crate) life: &'a mut Life<A>,
    pub(crate) receiver: Receiver<'a, A::Message>,
    /// The message whose handler runs.
    pub(crate) in_work: Option<InWork>,
    /// What is to be flagged for the next turn.
    again: Ready,
    /// A handler was condemned: the life and the mailbox are another's, and nothing of them is touched.
    pub(crate) condemned: bool,
}

impl<A: Messages> Turn<'_, A> {
    /// Takes steps within the budget.
    #[inline]
    fn take_steps(&mut self) {
        if !self.port_ready() {
            return;
        }
        let mut budget = Budget::new();
        while self.step() == Next::More && budget.allows_another() {}
        local::set_steps(budget.steps());
        self.port_turn_ended();
    }

    /// A handler has panicked, or what is asked of a user's types around it; or a bug of ours did. The
    /// actor neither keeps its token for ever nor takes the worker with it.
    #[cold]
    fn panicked(&mut self, mut why: Failure) {
        // `#[stopped]` may panic in turn. More than that is no user's.
        for _ in 0..2 {
            match caught(|| self.handler_panicked(why)) {
                Ok(_) => return,
                Err(next) => why = next,
            }
        }
        self.broken(why);
    }

    /// Remembers, for the turn in which it ends, whose handler is pending.
    #[inline]
    fn keep_in_work(&mut self) {
        if self.in_work.is_some() && self.is_busy() {
            self.life.uncommon.get_or_insert_default().in_work = self.in_work.take();
        }
    }

    /// One step, from one phase in which the actor can rest to the next.
    #[inline(always)]
    fn step(&mut self) -> Next {
        match self.life.phase {
            Phase::Running if !self.is_busy() => self.work(),
            _ => self.step_otherwise(),
        }
    }

    /// A step of an actor that is not between two messages.
    #[inline(never)]
    fn step_otherwise(&mut self) -> Next {
        match &self.life.phase {
            Phase::Unborn => self.start(),
            Phase::Failed => match self.receiver.take_verdict() {
                None => Next::Rest,
                Some(Verdict::Restart) => self.start(),
                Some(Verdict::End(reason)) => self.end(reason),
            },
            Phase::Draining(_) => self.drain(),
            Phase::Ended => Next::Rest,
            Phase::Lent => self.go_on_without(),
            _ if self.is_busy() => self.poll(),
            Phase::Limited if !self.life.has_aside() => self.work_on_other(),
            _ => self.work(),
        }
    }

    #[inline]
    fn mode(&self) -> Mode {
        // Nearly always.
        if matches!(self.life.phase, Phase::Running) && self.life.uncommon.is_none() && !self.is_busy() {
            return Mode::Open;
        }
        self.other_mode()
    }

    #[inline(never)]
    fn other_mode(&self) -> Mode {
        match &self.life.phase {
            Phase::Failed => Mode::Failed,
            Phase::Draining(_) => Mode::Draining,
            Phase::Ended => Mode::Ended,
            _ if self.is_busy() => Mode::Busy,
            _ if self.life.has_aside() => Mode::Elsewhere,
            _ => Mode::Open,
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.life.incarnation.as_ref().is_some_and(Incarnation::is_busy)
    }

    // ---- starting ----------------------------------------------------------------------------

    fn start(&mut self) -> Next {
        if let Some(reason) = self.receiver.take_kill() {
            return self.finish(reason);
        }
        self.life.number += 1;
        self.receiver.begin_incarnation();
        self.cell.open_to_children();
        if let Err(why) = self.life.prepare() {
            return self.start_failed(why);
        }
        // SAFETY: the actor has begun, or it would have no turn. The context is in the incarnation, which is gone when
        // the actor has ended.
        #[allow(unsafe_code)]
        let home = unsafe { Home::of(self.cell) };
        let ctx = Context::new(home, self.life.number);
        match self.lend(None, |incarnation| caught(|| incarnation.be_born(ctx))) {
            None => return Next::Rest,
            Some(Err(why)) => return self.start_failed(why),
            Some(Ok(())) => {}
        }
        if let Some(make_port) = self.life.uncommon.as_mut().and_then(|uncommon| uncommon.make_port.as_mut())
        {
            let control: Arc<dyn Control> = self.cell.clone();
            let readiness = Readiness { cell: Arc::downgrade(&control) };
            match caught(|| make_port(readiness)) {
                Ok(port) => {
                    self.life.keep_breaker(|| port.breaker());
                    self.life.put_port(port);
                    if self.cell.has_one_life() {
                        self.life.forget_make_port();
                    }
                }
                Err(why) => return self.start_failed(why),
            }
        }
        self.life.phase = Phase::Starting;
        match self.lend(None, Incarnation::begin_started) {
            None => Next::Rest,
            Some(begun) => self.settle(begun),
        }
    }

    fn started(&mut self) -> Next {
        if self.context(|ctx| ctx.is_ignored()) {
            return self.finish(StopReason::Ignored);
        }
        self.life.phase = self.life.running();
        self.tell_supervisor_of_start();
        self.watch_silence();
        tracing::debug!(incarnation = self.life.number, "started");
        if let Some(spawner) = self.take_spawner() {
            spawner.send(());
        }
        self.handler_done()
    }

    /// Whether somebody waits for the start.
    pub(crate) fn has_spawner(&self) -> bool {
        self.life.uncommon.as_ref().is_some_and(|uncommon| uncommon.spawner.is_some())
    }

    /// Who waits for the start, once.
    pub(crate) fn take_spawner(&mut self) -> Option<Reply<(), StopReason>> {
        let uncommon = self.life.uncommon.as_mut()?;
        let spawner = uncommon.spawner.take();
        if uncommon.is_empty() {
            self.life.uncommon = None;
        }
        spawner
    }

    // ---- running -----------------------------------------------------------------------------

    /// Does the next thing that the mailbox holds.
    #[inline(always)]
    fn work(&mut self) -> Next {
        if self.life.has_aside() {
            return self.handle_aside();
        }
        match self.receiver.look() {
            Came::Message if self.next_belongs_elsewhere() => self.work_on_other(),
            Came::Message => self.handle_next(),
            Came::Nothing => Next::Rest,
            Came::Other => self.work_on_other(),
        }
    }

    #[cold]
    #[inline(never)]
    fn work_on_other(&mut self) -> Next {
        match self.receiver.next() {
            Work::Nothing => Next::Rest,
            Work::Message(message) => self.handle_other(message, Way::Mailbox),
            Work::Signal(Signal::Timer { timer, incarnation }) => self.timer_due(timer, incarnation),
            Work::Signal(Signal::Made(make)) => match self.lend(None, |_| caught(make)) {
                None => Next::Rest,
                Some(Ok(message)) => self.handle_other(message, Way::Timer),
                Some(Err(why)) => self.failed(StopReason::Panicked(why)),
            },
            Work::Signal(Signal::Down { incarnation, down }) => {
                let current = incarnation == u64::from(self.life.number);
                let wanted = current && self.context(|ctx| ctx.take_monitor(down.monitor));
                if !wanted {
                    return Next::More;
                }
                let tell =
                    |incarnation: &mut Incarnation<A>| incarnation.begin(|state, ctx| state.down(down, ctx));
                match self.lend(None, tell) {
                    None => Next::Rest,
                    Some(begun) => self.begun(begun),
                }
            }
            Work::Signal(Signal::Silence { incarnation }) => self.look_for_silence(incarnation),
            Work::Stop(asked) => self.stop(asked.into()),
            Work::Kill(reason) => {
                self.note_killed();
                self.finish(reason)
            }
        }
    }

    fn timer_due(&mut self, timer: Key, incarnation: u64) -> Next {
        if incarnation != u64::from(self.life.number) {
            return Next::More;
        }
        // Making the message of a repeated timer is a user's code.
        let made = self.lend(None, |incarnation| caught(|| incarnation.with(|_, ctx| ctx.timer_due(timer))));
        match made {
            None => Next::Rest,
            Some(Ok(None)) => Next::More,
            Some(Ok(Some(message))) => self.handle_other(message, Way::Timer),
            Some(Err(why)) => self.failed(StopReason::Panicked(why)),
        }
    }

    /// Handles the message that comes first, straight from where it lies.
    #[inline(always)]
    fn handle_next(&mut self) -> Next {
        let label = self.receiver.message().map_or(&"", Envelope::label);
        local::note_message(label);
        #[cfg(feature = "sim")]
        crate::sim::seam::enter_in_books(self.cell.id(), label, crate::sim::seam::Fate::Taken);
        self.in_work = Some(InWork { message: label, by: Way::Mailbox });
        let begun = self.receiver.hand_out(self.life.alive());
        self.begun(begun)
    }

    /// Handles a message that has come another way.
    #[cold]
    #[inline(never)]
    pub(crate) fn handle_other(&mut self, message: A::Message, by: Way) -> Next {
        if self.belongs_elsewhere(&message) {
            return self.put_aside(message, by);
        }
        let label = message.label();
        local::note_message(label);
        #[cfg(feature = "sim")]
        if by == Way::Mailbox {
            crate::sim::seam::enter_in_books(self.cell.id(), label, crate::sim::seam::Fate::Taken);
        }
        self.in_work = Some(InWork { message: label, by });
        self.keep_guard(&message);
        match self.lend(None, |incarnation| Handle::handle(incarnation, message)) {
            None => Next::Rest,
            Some(begun) => self.begun(begun),
        }
    }

    /// Goes on from what beginning a handler gave.
    #[inline(always)]
    fn begun(&mut self, outcome: Poll<Result<(), Failure>>) -> Next {
        match outcome {
            Poll::Ready(Ok(())) if matches!(self.life.phase, Phase::Running) => self.handler_done(),
            outcome => self.settle(outcome),
        }
    }

    /// Polls the handler in work, or drops it if the actor was killed.
    fn poll(&mut self) -> Next {
        if let Some(reason) = self.receiver.take_kill() {
            self.note_killed();
            return self.killed_in_handler(reason);
        }
        self.receiver.begin_poll();
        if self.cell.is_limited() {
            return self.poll_limited();
        }
        let waker = waker::of(self.cell);
        match self.incarnation().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Pending => Next::Rest,
            ended => self.settle(ended),
        }
    }

    /// Goes on from what beginning or polling a handler gave.
    pub(crate) fn settle(&mut self, outcome: Poll<Result<(), Failure>>) -> Next {
        match (outcome, self.life.phase) {
            (Poll::Pending, _) => self.poll(),
            (Poll::Ready(Ok(())), Phase::Starting) => self.started(),
            (Poll::Ready(Ok(())), Phase::Stopping(_)) => self.stopped(),
            (Poll::Ready(Ok(())), _) => self.handler_done(),
            (Poll::Ready(Err(why)), _) => self.start_failed(why),
        }
    }

    fn handler_panicked(&mut self, why: Failure) -> Next {
        match self.life.phase {
            Phase::Starting => self.start_failed(why),
            Phase::Stopping(_) => {
                log::say(Level::ERROR, || {
                    let why = why.to_string();
                    move || tracing::error!(why, "#[stopped] panicked")
                });
                self.stopped()
            }
            _ => self.failed(StopReason::Panicked(why)),
        }
    }

    /// A handler has ended; it may have asked for the actor's end.
    #[inline(always)]
    fn handler_done(&mut self) -> Next {
        if self.context(|ctx| ctx.is_stopping()) {
            return self.exit_asked();
        }
        self.in_work = None;
        Next::More
    }

    /// The handler that has ended asked for the actor's end.
    #[cold]
    #[inline(never)]
    fn exit_asked(&mut self) -> Next {
        match self.context(Context::take_exit) {
            Some(reason) if reason.is_failure() => self.failed(reason),
            reason => {
                self.in_work = None;
                reason.map_or(Next::More, |reason| self.stop(reason))
            }
        }
    }

    // ---- the incarnation; a user's code is lent it (`limited`) -----------------------------------

    #[inline]
    pub(crate) fn incarnation(&mut self) -> &mut Incarnation<A> {
        self.life.alive()
    }

    /// Looks at the context, for what is no user's code.
    #[inline]
    pub(crate) fn context<R>(&mut self, f: impl FnOnce(&mut Context<A>) -> R) -> R {
        self.incarnation().with(|_, ctx| f(ctx))
    }
}

/// Runs a user's code and takes what it panics with.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Failure> {
    // Whatever the panic left half done is dropped or given to `#[stopped]`, which is documented.
    catch_unwind(AssertUnwindSafe(f)).map_err(Failure::of_panic)
}

/// Runs a user's code whose panic changes nothing any more, such as the drop of a dead state.
pub(crate) fn quietly(cell: &dyn Control, what: &str, f: impl FnOnce()) {
    if let Err(why) = caught(f) {
        log::say(Level::ERROR, || {
            let (path, why, what) = (cell.path().to_string(), why.to_string(), what.to_owned());
            move || tracing::error!(path, why, "panicked while {what}")
        });
    }
}
