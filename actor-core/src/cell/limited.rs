//! Actors with a limit: their handlers may take so long, and no longer.
//!
//! A user's code is called with the incarnation taken out of the cell ([`Turn::lend`]), so that the actor can go on
//! without it, should that not return: see [`stalls`](crate::scheduler::stalls). It comes back after each call, unless it
//! was condemned meanwhile; then the turn ends there and touches nothing of the cell, which is another's
//! ([`Turn::condemned`]). The first turn of that other finds [`Phase::Lent`], and takes care of the rest
//! ([`Turn::go_on_without`]): the message in work, the port, and the question to the supervisor.
//!
//! An async handler that is pending has a timer beside, which has it looked at when its limit may be over.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::actor::Messages;
use crate::cell::Cell;
use crate::cell::incarnation::{Incarnation, Make};
use crate::cell::rare::Rare;
use crate::cell::turn::{InWork, Life, Next, Phase, Turn, quietly};
use crate::cell::waker;
use crate::clock;
use crate::dead_letter::DeadLetterReason;
use crate::log;
use crate::message::Envelope;
use crate::observe::Stall;
use crate::reason::{Failure, StopReason};
use crate::reply::guard::Guard;
use crate::scheduler::stalls::Load;
use crate::sync::{Mutex, Ordering};
use crate::system::SystemHandle;
use crate::timer::{Target, Timer};
use crate::wait;

/// Time is counted in looks of sysmon: so much later than the limit an alarm has a pending handler looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What an actor with a limit has beside.
pub(crate) struct Limited<A: Messages> {
    limit: Duration,
    factory: Factory<A>,
    /// When the handler in work began, on sysmon's watch.
    began: Duration,
    /// For who waits for the reply of the handler in work.
    guard: Option<Guard>,
    /// Of a handler that is pending.
    alarm: Option<Alarm>,
    /// Ends the port's source while the port is in a handler's hands.
    breaker: Option<Box<dyn FnOnce() + Send>>,
    /// Of the incarnation that is lent: in which phase it was.
    lent: Phase,
    /// And the message in work.
    in_work: Option<InWork>,
    /// And why it ends, if it is about to.
    why: Option<StopReason>,
}

/// Has a pending handler looked at. As long as there is one, sysmon keeps the time.
struct Alarm {
    at: Instant,
    _timer: Timer,
    system: SystemHandle,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.system.scheduler().limited_ends();
    }
}

/// What makes the states of all incarnations: apart from these, one of which may be out of reach. Not there while it is
/// called.
struct Factory<A>(Arc<Mutex<Option<Make<A>>>>);

impl<A: Messages> Factory<A> {
    fn new(make: Make<A>) -> Self {
        Factory(Arc::new(Mutex::new(Some(make))))
    }

    /// Whether it has returned from its last call.
    fn is_there(&self) -> bool {
        self.0.lock().is_some()
    }

    /// An incarnation that will be made by it.
    fn unborn(&self) -> Incarnation<A> {
        /// Puts the factory back, also if it panics.
        struct Called<'a, A>(&'a Mutex<Option<Make<A>>>, Option<Make<A>>);
        impl<A> Drop for Called<'_, A> {
            fn drop(&mut self) {
                *self.0.lock() = self.1.take();
            }
        }
        let place = self.0.clone();
        Incarnation::unborn(move || {
            let make = place.lock().take();
            let mut called = Called(&place, make);
            let make = called.1.as_mut().expect("the turn has looked whether it is there");
            make()
        })
    }
}

impl<A: Messages> Limited<A> {
    /// How much of the limit is left, as of `now` on sysmon's watch.
    fn left(&self, now: Duration) -> Duration {
        self.limit.saturating_sub(now.saturating_sub(self.began))
    }

    /// No handler is in work any more.
    fn rests(&mut self) {
        self.guard = None;
        self.alarm = None;
    }
}

impl<A: Messages> Life<A> {
    /// Gives the actor a limit. It has no incarnation yet.
    pub(crate) fn limit(&mut self, limit: Duration, make: Make<A>) {
        let factory = Factory::new(make);
        self.incarnation = Some(factory.unborn());
        self.uncommon.get_or_insert_default().limited = Some(Box::new(Limited {
            limit,
            factory,
            began: Duration::ZERO,
            guard: None,
            alarm: None,
            breaker: None,
            lent: Phase::Unborn,
            in_work: None,
            why: None,
        }));
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.uncommon.as_ref().is_some_and(|uncommon| uncommon.limited.is_some())
    }

    fn limited(&mut self) -> Option<&mut Limited<A>> {
        self.uncommon.as_mut()?.limited.as_deref_mut()
    }

    /// In which phase messages are handled.
    pub(crate) fn running(&self) -> Phase {
        if self.is_limited() { Phase::Limited } else { Phase::Running }
    }

    /// Sees to it that there is an incarnation to be born. Fails if one that was condemned has the factory.
    pub(crate) fn prepare(&mut self) -> Result<(), Failure> {
        let Some(limited) = self.limited() else { return Ok(()) };
        if !limited.factory.is_there() {
            return Err(Failure::new("the factory has not returned from its last call"));
        }
        if self.incarnation.is_none() {
            let unborn = self.limited().map(|limited| limited.factory.unborn());
            self.incarnation = unborn;
        }
        Ok(())
    }

    /// What ends the port's source from outside.
    pub(crate) fn keep_breaker(&mut self, breaker: impl FnOnce() -> Option<Box<dyn FnOnce() + Send>>) {
        if let Some(limited) = self.limited() {
            limited.breaker = breaker();
        }
    }
}

impl<A: Messages> Cell<A> {
    /// It was killed, or is to end with another: what rests has a turn, and a handler with a limit that keeps its thread is
    /// condemned.
    pub(super) fn killed(self: Arc<Self>, rests: bool) {
        self.schedule_if(rests);
        if self.limited && !rests {
            let system = self.system().clone();
            system.scheduler().limited_killed(self);
        }
    }

    /// Whether its handlers have a limit.
    #[inline]
    pub(crate) fn is_limited(&self) -> bool {
        self.limited
    }

    /// Whether a handler of this incarnation was condemned.
    pub(crate) fn has_condemned(&self, incarnation: u32) -> bool {
        // Relaxed: it tells nothing but itself.
        let condemned = |rare: &Rare<_>| rare.condemned.load(Ordering::Relaxed) >= incarnation;
        self.limited && self.mailbox.rare_if_made().is_some_and(condemned)
    }
}

impl<A: Messages> Turn<'_, A> {
    /// Lends the incarnation to a user's code: to begin a handler, or to go on with the one in work. `why`, if the
    /// incarnation is about to end anyway. `None` if it was condemned: the cell is another's, and the turn must end.
    #[inline]
    pub(crate) fn lend<R>(
        &mut self,
        why: Option<&StopReason>,
        f: impl FnOnce(&mut Incarnation<A>) -> R,
    ) -> Option<R> {
        if self.cell.is_limited() { self.lend_on_leash(why, f) } else { Some(f(self.incarnation())) }
    }

    #[cold]
    #[inline(never)]
    fn lend_on_leash<R>(
        &mut self,
        why: Option<&StopReason>,
        f: impl FnOnce(&mut Incarnation<A>) -> R,
    ) -> Option<R> {
        // The cell must be there at the end, whoever has it then.
        let cell = self.cell.clone();
        let phase = self.life.phase;
        let (mut incarnation, left, load) = self.give_out(why);
        let leash = cell.system().scheduler().put_on_leash(left, load);
        // From here on the life and the mailbox are for who has the load.
        let outcome = catch_unwind(AssertUnwindSafe(|| f(&mut incarnation)));
        let load = match leash.take_off() {
            Ok(load) => load,
            Err(condemned) => {
                self.condemned = true;
                quietly(&*cell, "dropping what a condemned handler has left", || drop(outcome));
                quietly(&*cell, "dropping the state of a condemned handler", || drop(incarnation));
                condemned.end();
                return None;
            }
        };
        self.take_back(phase, incarnation, load);
        match outcome {
            Ok(value) => Some(value),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Takes the incarnation out, and leaves in the life what is needed to go on without; says how long it may be away,
    /// and what goes on the leash.
    fn give_out(&mut self, why: Option<&StopReason>) -> (Incarnation<A>, Duration, Load) {
        let now = self.cell.system().scheduler().stalls().watched();
        let (phase, in_work, busy) = (self.life.phase, self.in_work, self.is_busy());
        let message = in_work.map(|work| *work.message);
        let (cell, incarnation) = (self.cell.clone(), self.life.number);
        let limited = self.life.limited().expect("the cell says so");
        if !busy {
            limited.began = now;
        }
        (limited.lent, limited.in_work, limited.why) = (phase, in_work, why.cloned());
        let (guard, left) = (limited.guard.take(), limited.left(now));
        self.life.phase = Phase::Lent;
        let lent = self.life.incarnation.take().expect("an actor that runs has an incarnation");
        (lent, left, Load { cell, incarnation, message, guard })
    }

    /// The handler has returned, in time.
    fn take_back(&mut self, phase: Phase, incarnation: Incarnation<A>, load: Load) {
        self.life.phase = phase;
        let busy = incarnation.is_busy();
        self.life.incarnation = Some(incarnation);
        if let Some(limited) = self.life.limited() {
            limited.guard = load.guard;
            if !busy {
                limited.rests();
            }
        }
    }

    /// Keeps a share in the message's reply, for as long as its handler is in work.
    pub(crate) fn keep_guard(&mut self, message: &A::Message) {
        if let Some(limited) = self.life.limited() {
            limited.guard = message.guard();
        }
    }

    // ---- handlers that are pending -----------------------------------------------------------------

    /// Polls the handler in work, or gives it up.
    #[cold]
    #[inline(never)]
    pub(crate) fn poll_limited(&mut self) -> Next {
        if self.has_stalled() {
            return self.stalled();
        }
        let why = match self.life.phase {
            Phase::Stopping(done) => Some(self.life.why(done)),
            _ => None,
        };
        let waker = waker::of(self.cell);
        let poll = |incarnation: &mut Incarnation<A>| incarnation.poll(&mut Context::from_waker(&waker));
        match self.lend_on_leash(why.as_ref(), poll) {
            None => Next::Rest,
            Some(Poll::Pending) => {
                self.set_alarm();
                Next::Rest
            }
            Some(ended) => self.settle(ended),
        }
    }

    /// A handler is pending, and was polled: sees to it that it is looked at when its limit may be over.
    fn set_alarm(&mut self) {
        let system = self.cell.system();
        let watched = system.scheduler().stalls().watched();
        let Some(limited) = self.life.limited() else { return };
        let now = clock::now();
        if limited.alarm.as_ref().is_some_and(|alarm| alarm.at > now) {
            return;
        }
        let delay = limited.left(watched) + LOOK;
        let timer = Timer::arm(system, delay, Target::Wake(waker::of(self.cell).clone()));
        system.scheduler().limited_begins();
        let at = clock::later(now, delay);
        limited.alarm = Some(Alarm { at, _timer: timer, system: system.clone() });
    }

    /// Whether the pending handler has used up its limit.
    fn has_stalled(&mut self) -> bool {
        let now = self.cell.system().scheduler().stalls().watched();
        self.life.limited().is_some_and(|limited| limited.left(now).is_zero())
    }

    /// Gives the pending handler up.
    #[cold]
    fn stalled(&mut self) -> Next {
        let kind = self.cell.header.kind();
        let Some(limited) = self.life.limited() else { return Next::More };
        let (limit, guard) = (limited.limit, limited.guard.take());
        self.cell.system().scheduler().stalled(Stall {
            actor: self.cell.id(),
            name: kind.name(),
            site: kind.site(),
            message: self.in_work.map(|work| *work.message),
            took: limit,
            thread: None,
        });
        if let Some(waker) = guard.and_then(Guard::stall) {
            wait::wake(waker);
        }
        let phase = self.life.phase;
        let why = match phase {
            Phase::Starting => StopReason::StartFailed(late_start(limit)),
            Phase::Stopping(done) => self.life.why(done),
            _ => StopReason::Stalled { limit },
        };
        if !self.cancel(&why) {
            return Next::Rest;
        }
        match phase {
            Phase::Starting | Phase::Stopping(_) => self.finish(why),
            _ => self.failed(why),
        }
    }

    /// Drops the pending handler of an incarnation that is about to end. False if that was condemned.
    pub(crate) fn cancel(&mut self, why: &StopReason) -> bool {
        let now = self.cell.system().scheduler().stalls().watched();
        if let Some(limited) = self.life.limited() {
            // The drop is what is limited now.
            limited.began = now;
        }
        let cell = self.cell;
        let cancel = |incarnation: &mut Incarnation<A>| {
            quietly(&**cell, "cancelling a handler", || incarnation.cancel());
        };
        self.lend(Some(why), cancel).is_some()
    }

    // ---- after a handler was condemned -------------------------------------------------------------

    /// The first turn after a handler was condemned: the incarnation has failed, and is out of reach.
    #[cold]
    pub(crate) fn go_on_without(&mut self) -> Next {
        let cell = self.cell;
        let Some(limited) = self.life.limited() else { return Next::Rest };
        let (limit, lent, why) = (limited.limit, limited.lent, limited.why.take());
        self.in_work = limited.in_work.take();
        limited.rests();
        if let Some(breaker) = limited.breaker.take() {
            quietly(&**cell, "breaking a port's source", breaker);
        }
        self.life.phase = lent;
        let kill = self.receiver.take_kill();
        if kill.is_some() {
            self.note_killed();
        }
        let reason = match (why, kill) {
            (Some(why), _) => why,
            (None, Some(reason)) => reason,
            (None, None) if lent.is_running() => StopReason::Stalled { limit },
            (None, None) => StopReason::StartFailed(late_start(limit)),
        };
        log::say(Level::ERROR, || {
            let (reason, incarnation) = (reason.to_string(), self.life.number);
            move || tracing::error!(reason, incarnation, "goes on without a condemned handler")
        });
        self.message_failed(DeadLetterReason::HandlerFailed(reason.clone()));
        self.finish(reason)
    }
}

fn late_start(limit: Duration) -> Failure {
    Failure::new(format!("it has not started within {limit:?}"))
}
