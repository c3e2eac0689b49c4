//! What a type needs to be an actor: [`Actor`] comes from `#[derive(Actor)]`, [`Messages`] from
//! `#[messages]`, and [`Accepts`] from each `#[message]` in that block.

use std::future::Future;
use std::time::Duration;

use crate::cell::pending::Pending;
use crate::context::Context;
use crate::leaks::Tracer;
use crate::message::{Envelope, Message};
use crate::monitor::Down;
use crate::reason::{Failure, StopReason};
use crate::remedy::Remedy;
use crate::reply::Reply;

/// A type that can be spawned: its ref type and its settings.
///
/// Derive it: `#[derive(Actor)]` also makes the ref newtype, `AccountRef` for an `Account`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    label = "this type does not derive `Actor`",
    note = "add `#[derive(Actor)]` to the type and `#[messages]` to its impl block"
)]
pub trait Actor: Sized + Send + 'static {
    /// The ref newtype, which has one method per message.
    type Ref: Clone + 'static;

    /// The type's name as its author wrote it; the last part of an unnamed actor's path.
    const NAME: &'static str;

    /// The settings given with `#[actor(..)]`; the defaults where nothing was said.
    fn settings() -> Settings {
        Settings::DEFAULT
    }

    /// Whether the settings may have a limit for silence; for `#[derive(Supervisor)]`, which has the compiler look at it.
    #[doc(hidden)]
    const MAY_LIMIT_SILENCE: bool = true;

    /// Tells which refs are in its fields; see [`Trace`](crate::Trace). Unless it is derived, none are told of, and
    /// all are taken to be held by somebody else.
    fn trace(&self, tracer: &mut Tracer<'_>) {
        let _ = tracer;
    }
}

/// The message handlers of an actor.
///
/// Written by `#[messages]` on the actor's impl block; nobody needs to write it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no message handlers",
    label = "the impl block of this actor is not marked with `#[messages]`",
    note = "write `#[messages] impl Name {{ .. }}`, with `#[message]` on each handler (a block without handlers is fine)"
)]
pub trait Messages: Actor<Ref: From<crate::ActorRef<Self>> + Send + Sync> {
    /// One enum for all messages, so that a queued message needs no box of its own.
    type Message: Envelope;

    /// Runs the handler that `message` belongs to.
    fn handle<'a>(&'a mut self, message: Self::Message, ctx: &'a mut Context<Self>) -> Step<'a>;

    /// Runs `#[started]`, before the first message of each incarnation.
    fn started<'a>(&'a mut self, ctx: &'a mut Context<Self>) -> Step<'a, Result<(), Failure>> {
        let _ = ctx;
        Step::Done(Ok(()))
    }

    /// Runs `#[stopped]`, after the last message of each incarnation, a failed one included.
    fn stopped<'a>(&'a mut self, why: &'a StopReason, ctx: &'a mut Context<Self>) -> Step<'a> {
        let _ = (why, ctx);
        Step::Done(())
    }

    /// Runs `#[down]`, when an actor that this one monitors has ended. Without one, this actor fails with
    /// [`StopReason::DeathPact`]: who monitors and does not look is not left in the dark.
    fn down<'a>(&'a mut self, down: Down, ctx: &'a mut Context<Self>) -> Step<'a> {
        ctx.exit(StopReason::DeathPact { actor: down.path });
        Step::Done(())
    }
}

/// Says that an actor has a handler for the message `M`; what a
/// [`Recipient<M>`](crate::Recipient) asks for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for the message `{M}`",
    label = "no `#[message]` of this actor makes a `{M}`",
    note = "each `#[message] fn name` of an actor `Type` makes a message struct `TypeName`"
)]
pub trait Accepts<M: Message>: Messages {
    /// Puts the message and the way back into the actor's enum.
    fn wrap(message: M, reply: Reply<M::Reply, M::Error>) -> Self::Message;

    /// Takes back what [`wrap`](Self::wrap) made, and was refused; `None` for another message.
    fn unwrap(message: Self::Message) -> Option<M>;
}

/// What running a handler gave: done at once, or a future that the actor's worker polls.
pub enum Step<'a, T = ()> {
    /// A sync handler; it has run.
    Done(T),
    /// An async handler; the mailbox waits until it has ended, the worker does not.
    Pending(Pending<'a, T>),
}

/// What `#[messages]` makes of an async handler. Its name and bounds are part of what rustc says about
/// a handler that is not `Send`, hence a function of its own, and its form.
#[doc(hidden)]
#[rustfmt::skip]
pub fn async_handler<'a, F>(
    future: F,
) -> Step<'a, F::Output>
where
    F: Future + Send + 'a,
{
    Step::Pending(Pending::new(future))
}

/// What `#[actor(..)]` sets for all actors of a type; [`Spawn`](crate::Spawn) overrides it for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most messages that wait in the mailbox; [`Settings::UNBOUNDED`] for no limit.
    pub mailbox: usize,
    /// What happens to a message that finds the mailbox full.
    pub overflow: Overflow,
    /// How long a turn may take before it is asked to end; the system's if not said.
    pub soft_quantum: Option<Duration>,
    /// How long a turn may take before its worker is taken over; the system's if not said.
    pub hard_quantum: Option<Duration>,
    /// Whether a restart makes the messages that are queued dead letters; if not, the next incarnation goes on
    /// with them.
    pub clear_on_restart: bool,
    /// How long a handler may take; `None` for no limit. See [`Spawn::stall`](crate::Spawn::stall).
    pub stall: Option<Duration>,
    /// How long it may hear of nobody; `None` for no limit. See [`Spawn::silence`](crate::Spawn::silence).
    pub silence: Option<Duration>,
    /// What becomes of it then.
    pub on_silence: Remedy,
}

impl Settings {
    /// No limit on the number of waiting messages. Memory is the limit then.
    pub const UNBOUNDED: usize = usize::MAX;

    /// A mailbox of 1024 messages that rejects what finds it full and outlives restarts, the system's quanta, and
    /// no limit for handlers or for silence.
    pub const DEFAULT: Settings = Settings {
        mailbox: 1024,
        overflow: Overflow::Reject,
        soft_quantum: None,
        hard_quantum: None,
        clear_on_restart: false,
        stall: None,
        silence: None,
        on_silence: Remedy::Stop,
    };

    /// What turns are looked at after: no quantum and no limit is less.
    pub(crate) const SHORTEST_QUANTUM: Duration = Duration::from_millis(1);

    /// It is looked four times within the limit, by timers, which are kept to a millisecond.
    pub(crate) const SHORTEST_SILENCE: Duration = Duration::from_millis(4);

    /// The same settings with room for `capacity` messages (at least one).
    #[must_use]
    pub const fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox = if capacity == 0 { 1 } else { capacity };
        self
    }

    /// The same settings, and a restart clears the queue.
    #[must_use]
    pub const fn clear_on_restart(mut self) -> Self {
        self.clear_on_restart = true;
        self
    }

    /// The same settings with a limit for handlers (at least a millisecond); see [`Spawn::stall`](crate::Spawn::stall).
    #[must_use]
    pub const fn stall(mut self, limit: Duration) -> Self {
        self.stall = Some(Self::possible(limit));
        self
    }

    /// The same settings with a limit for silence (at least 4 ms); see [`Spawn::silence`](crate::Spawn::silence).
    #[must_use]
    pub const fn silence(mut self, limit: Duration) -> Self {
        let shortest = Self::SHORTEST_SILENCE;
        self.silence = Some(if limit.as_nanos() < shortest.as_nanos() { shortest } else { limit });
        self
    }

    /// The same settings, and what becomes of an actor that exceeds its limit for silence.
    #[must_use]
    pub const fn on_silence(mut self, remedy: Remedy) -> Self {
        self.on_silence = remedy;
        self
    }

    /// The same settings with another overflow policy.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// The same settings with another soft quantum (at least a millisecond); see
    /// [`Spawn::soft_quantum`](crate::Spawn::soft_quantum).
    #[must_use]
    pub const fn soft_quantum(mut self, quantum: Duration) -> Self {
        self.soft_quantum = Some(Self::possible(quantum));
        self
    }

    /// The same settings with another hard quantum (at least a millisecond); see
    /// [`Spawn::hard_quantum`](crate::Spawn::hard_quantum).
    #[must_use]
    pub const fn hard_quantum(mut self, quantum: Duration) -> Self {
        self.hard_quantum = Some(Self::possible(quantum));
        self
    }

    const fn possible(quantum: Duration) -> Duration {
        if quantum.as_nanos() < Self::SHORTEST_QUANTUM.as_nanos() { Self::SHORTEST_QUANTUM } else { quantum }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What happens to a message that finds the mailbox full. Each case is counted.
///
/// A [`send`](crate::Call::send) waits for room whatever the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The message goes back to the caller: `tell` and ask answer `Full`.
    #[default]
    Reject,
    /// `tell` answers `Full`; an ask waits for room as `send` does.
    Wait,
    /// The new message becomes a dead letter; `tell` answers `Ok`.
    DropNewest,
    /// The message at the head of the queue becomes a dead letter and makes room.
    DropOldest,
}
