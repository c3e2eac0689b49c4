//! What only the holder of the run token sees of an actor: its life, and the phase that it is in.

use std::time::Duration;

use crate::actor::Messages;
use crate::cell::aside::Aside;
use crate::cell::control::Done;
use crate::cell::incarnation::Incarnation;
use crate::cell::limited::Limited;
use crate::cell::silence::Silent;
use crate::port::{MakePort, Port};
use crate::reason::StopReason;
use crate::reply::Reply;

/// What only the worker that runs the actor sees.
pub(crate) struct Life<A: Messages> {
    /// Gone once the actor has ended.
    pub(crate) incarnation: Option<Incarnation<A>>,
    /// What few actors have; gone when it is empty.
    pub(crate) uncommon: Option<Box<Uncommon<A>>>,
    /// The number of the current incarnation, from 1.
    pub(crate) number: u32,
    pub(crate) phase: Phase,
}

pub(crate) struct Uncommon<A: Messages> {
    /// Gone when the port is made, if there can be no other.
    pub(crate) make_port: Option<MakePort<A>>,
    pub(crate) port: Option<Box<dyn Port<A>>>,
    /// Who waits for the first incarnation's start.
    pub(crate) spawner: Option<Reply<(), StopReason>>,
    /// The message whose handler is pending, between two turns.
    pub(super) in_work: Option<InWork>,
    /// The next message, which is to be handled on another kind of thread.
    pub(crate) aside: Option<Aside<A::Message>>,
    /// What an actor with a limit has beside.
    pub(crate) limited: Option<Box<Limited<A>>>,
    /// What one with a limit for silence has.
    pub(crate) silent: Option<Box<Silent>>,
}

impl<A: Messages> Default for Uncommon<A> {
    fn default() -> Self {
        Uncommon {
            make_port: None,
            port: None,
            spawner: None,
            in_work: None,
            aside: None,
            limited: None,
            silent: None,
        }
    }
}

impl<A: Messages> Uncommon<A> {
    /// Whether there is nothing that is still needed when the actor has started.
    pub(super) fn is_empty(&self) -> bool {
        let Uncommon { make_port, port, spawner: _, in_work: _, aside, limited, silent } = self;
        make_port.is_none() && port.is_none() && aside.is_none() && limited.is_none() && silent.is_none()
    }
}

impl Phase {
    /// Whether messages are handled.
    #[inline]
    pub(crate) fn is_running(self) -> bool {
        matches!(self, Phase::Running | Phase::Limited)
    }
}

impl<A: Messages> Life<A> {
    pub(crate) fn unborn(
        incarnation: Incarnation<A>,
        make_port: Option<MakePort<A>>,
        spawner: Option<Reply<(), StopReason>>,
        limit: Option<Duration>,
    ) -> Self {
        let has_uncommon = make_port.is_some() || spawner.is_some();
        let uncommon = has_uncommon.then(|| Box::new(Uncommon { make_port, spawner, ..Uncommon::default() }));
        let mut life = Life { incarnation: None, uncommon, number: 0, phase: Phase::Unborn };
        match limit {
            None => life.incarnation = Some(incarnation),
            Some(limit) => life.limit(limit, incarnation.into_factory()),
        }
        life
    }

    /// Whether there is nothing of the actor but its state and its context, and no handler in work.
    pub(crate) fn is_plain(&self) -> bool {
        let common = self.uncommon.as_deref().is_none_or(|uncommon| {
            let Uncommon { make_port, port, spawner, in_work, aside, limited: _, silent: _ } = uncommon;
            make_port.is_none() && port.is_none() && spawner.is_none() && in_work.is_none() && aside.is_none()
        });
        common && self.incarnation.as_ref().is_some_and(|life| life.is_alive() && !life.is_busy())
    }

    #[inline]
    pub(crate) fn alive(&mut self) -> &mut Incarnation<A> {
        self.incarnation.as_mut().expect("an actor that has not ended has an incarnation")
    }

    /// Why the incarnation is about to end.
    pub(crate) fn why(&self, done: Done) -> StopReason {
        match (done, &self.incarnation) {
            (Done::As(asked), _) => asked.into(),
            (Done::Other, Some(incarnation)) => incarnation.why().cloned().unwrap_or(StopReason::Killed),
            (Done::Other, None) => StopReason::Killed,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct InWork {
    pub(crate) message: &'static &'static str,
    pub(crate) by: Way,
}

/// How a message has come. As large as a word: what is around a smaller one would be copied piece by piece, which
/// takes as long as dozens of instructions when it was written just before in other pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Way {
    /// Through the mailbox, whose counts include it.
    Mailbox,
    /// Made here, for a timer.
    Timer,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// No incarnation yet.
    Unborn,
    /// `#[started]` runs.
    Starting,
    /// Between messages, or in a handler.
    Running,
    /// The same, of an actor with a limit.
    Limited,
    /// A handler of an actor with a limit runs, and has the incarnation. A turn that finds this is the first after the
    /// handler was condemned.
    Lent,
    /// `#[stopped]` runs. The incarnation has the reason if it is none of the simple ones.
    Stopping(Done),
    /// The port finishes.
    Draining(Done),
    /// The incarnation is gone and the supervisor decides what comes next.
    Failed,
    Ended,
}
