//! The port's part of a turn: readiness before the messages, what goes out after them, and draining at the end.

use tracing::Level;

use crate::actor::Messages;
use crate::cell::incarnation::Incarnation;
use crate::cell::turn::{Life, Next, Phase, Turn, caught, quietly};
use crate::log;
use crate::port::{Again, Drain, Port};
use crate::reason::StopReason;

impl<A: Messages> Life<A> {
    pub(crate) fn take_port(&mut self) -> Option<Box<dyn Port<A>>> {
        self.uncommon.as_mut()?.port.take()
    }

    pub(super) fn put_port(&mut self, port: Box<dyn Port<A>>) {
        self.uncommon.get_or_insert_default().port = Some(port);
    }

    /// There is to be no other port: what makes one may be large.
    pub(super) fn forget_make_port(&mut self) {
        if let Some(uncommon) = &mut self.uncommon {
            uncommon.make_port = None;
        }
    }

    fn port(&mut self) -> Option<&mut Box<dyn Port<A>>> {
        self.uncommon.as_mut()?.port.as_mut()
    }

    pub(crate) fn has_port(&self) -> bool {
        self.uncommon.as_ref().is_some_and(|uncommon| uncommon.port.is_some())
    }
}

impl<A: Messages> Turn<'_, A> {
    /// False if a handler of the port was condemned.
    #[inline]
    pub(super) fn port_ready(&mut self) -> bool {
        !self.receiver.has_ready() || self.port_is_ready()
    }

    #[inline(never)]
    fn port_is_ready(&mut self) -> bool {
        if !self.life.phase.is_running() || self.is_busy() || self.life.has_aside() {
            return true;
        }
        let ready = self.receiver.take_ready();
        if ready.is_empty() {
            return true;
        }
        self.note_heard(ready);
        let Some(mut port) = self.life.take_port() else { return true };
        let called = move |incarnation: &mut Incarnation<A>| {
            let outcome = caught(|| incarnation.with(|state, ctx| port.ready(ready, state, ctx)));
            (outcome, port)
        };
        let Some((outcome, port)) = self.lend(None, called) else { return false };
        self.life.put_port(port);
        match outcome {
            Ok(again) => {
                if again == Again::Yes {
                    self.again = ready;
                }
                self.handler_done();
            }
            Err(why) => {
                self.failed(StopReason::Panicked(why));
            }
        }
        !self.condemned
    }

    #[inline]
    pub(super) fn port_turn_ended(&mut self) {
        if !self.condemned && self.life.uncommon.is_some() {
            self.uncommon_turn_ended();
        }
    }

    #[inline(never)]
    fn uncommon_turn_ended(&mut self) {
        if matches!(self.life.phase, Phase::Draining(_) | Phase::Failed | Phase::Ended) {
            return;
        }
        if let Some(port) = self.life.port() {
            quietly(&**self.cell, "ending a port's turn", || port.turn_ended());
        }
    }

    pub(crate) fn drain(&mut self) -> Next {
        if let Some(reason) = self.receiver.take_kill() {
            self.note_killed();
            return self.finish(reason);
        }
        let ready = self.receiver.take_ready();
        let Phase::Draining(done) = self.life.phase else {
            return Next::More;
        };
        let reason = self.life.why(done);
        let drained = self.life.port().map(|port| caught(|| port.drain(ready, &reason)));
        match drained {
            Some(Ok(Drain::Wait)) => Next::Rest,
            Some(Err(why)) => {
                log::say(Level::ERROR, || {
                    let why = why.to_string();
                    move || tracing::error!(why, "the port panicked while draining")
                });
                self.finish(reason)
            }
            Some(Ok(Drain::Done)) | None => self.finish(reason),
        }
    }
}
