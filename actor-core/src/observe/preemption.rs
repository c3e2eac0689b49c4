//! What is seen of handlers that take long: counts, events, and which ones run at the moment.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::asks::WaitingAsk;
use crate::cell::{ActorId, Control};
use crate::leaks::Leak;
use crate::leaks::growth::Growing;
use crate::leaks::overdue::OverdueMessage;
use crate::observe::topic::Topic;
use crate::reason::StopReason;
use crate::silence::Silence;
use crate::sync::{AtomicU64, Ordering};

/// A turn that takes long, or took long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LongTurn {
    /// The actor whose turn it is; no actor's, if a waker was called.
    pub actor: ActorId,
    /// The name of its type, without its path; `"(waker)"`, if somebody was woken who waits for a deadline or an answer in
    /// another executor, and that one's waker does not return.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// The message whose handler runs, if one does.
    pub message: Option<&'static str>,
    /// How long the turn has taken so far, as far as was seen: to a millisecond or two.
    pub took: Duration,
    /// The name of the thread that runs it.
    pub thread: String,
    /// The worker that the thread runs; `None` if another thread has taken that over, or in the background lane.
    pub worker: Option<usize>,
    /// Whether the thread has been given the lowest priority.
    pub demoted: bool,
}

impl fmt::Display for LongTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LongTurn { actor, name, site, message, took, thread, .. } = self;
        if *actor == ActorId::NOBODY {
            f.write_str("a waker of another executor")?;
        } else {
            write!(f, "{name}{actor}, spawned at {}:{}, in ", site.file(), site.line())?;
            f.write_str(message.unwrap_or("(no message)"))?;
        }
        write!(f, " for {took:.1?} on {thread}")?;
        f.write_str(if self.demoted { ", demoted" } else { "" })
    }
}

/// A handler that has exceeded its actor's limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The actor.
    pub actor: ActorId,
    /// The name of its type, without its path.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// The message in work; `None` in `#[started]`, `#[stopped]`, the factory and the like.
    pub message: Option<&'static str>,
    /// How long the handler had run when it was given up.
    pub took: Duration,
    /// The name of the thread that the handler has not given back; `None` if it was pending, and was dropped.
    pub thread: Option<String>,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stall { actor, name, site, message, took, thread } = self;
        write!(f, "{name}{actor}, spawned at {}:{}, in ", site.file(), site.line())?;
        write!(f, "{} for {took:.1?}", message.unwrap_or("(no message)"))?;
        match thread {
            Some(thread) => write!(f, " on {thread}"),
            None => f.write_str(", pending"),
        }
    }
}

/// An incarnation that has ended abnormally.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failed {
    /// The actor.
    pub actor: ActorId,
    /// The name of its type, without its path.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// Which incarnation it was, counted from 1.
    pub incarnation: u64,
    /// Why it has ended.
    pub reason: StopReason,
}

impl Failed {
    pub(crate) fn of(cell: &dyn Control, incarnation: u64, reason: &StopReason) -> Failed {
        let (kind, reason) = (cell.kind(), reason.clone());
        Failed { actor: cell.id(), name: kind.name(), site: kind.site(), incarnation, reason }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { actor, name, site, incarnation, reason } = self;
        write!(f, "{name}{actor}, spawned at {}:{}, ", site.file(), site.line())?;
        write!(f, "in its incarnation {incarnation}: {reason}")
    }
}

/// What the system has done about turns that take long, about asks and about leaks, and what came of it; and which
/// incarnations have failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A turn has exceeded the soft quantum: it is asked to end at its next safepoint.
    SoftPreempted(LongTurn),
    /// A turn has exceeded the hard quantum, or work waited behind it: another thread has taken its worker over.
    Replaced(LongTurn),
    /// A turn whose thread was replaced burns processor time: the thread was given the lowest priority.
    Demoted(LongTurn),
    /// A turn whose thread was replaced has ended.
    Returned(LongTurn),
    /// A turn has exceeded the hard quantum, and there are as many threads as there may be: its worker stays with it.
    OutOfThreads {
        /// The turn.
        turn: LongTurn,
        /// The most threads; see [`Builder::max_threads`](crate::Builder::max_threads).
        max: usize,
    },
    /// A thread could not be started to take a worker over, or for the background lane. It is tried again, after 100 ms;
    /// one that has come back is taken at once.
    NoThread {
        /// What the operating system said.
        error: String,
    },
    /// An actor's turns run in the background lane from now on, since too many of them have taken long.
    ToBackground {
        /// The actor; `None` for all actors of the type that were spawned at the place.
        actor: Option<ActorId>,
        /// The name of its type, without its path.
        name: &'static str,
        /// Where it was spawned.
        site: &'static Location<'static>,
    },
    /// They have been short for a while, so workers run them again.
    FromBackground {
        /// As in [`ToBackground`](Event::ToBackground).
        actor: Option<ActorId>,
        /// The name of its type, without its path.
        name: &'static str,
        /// Where it was spawned.
        site: &'static Location<'static>,
    },
    /// A handler has exceeded its actor's limit, or has not returned since its actor was killed: the incarnation has
    /// failed. If the handler has not given its thread back, it is condemned.
    Stalled(Stall),
    /// A condemned handler has returned; its state was dropped, and its thread is free again.
    CondemnedReturned(Stall),
    /// A handler has exceeded its actor's limit, and there are as many condemned ones as there may be.
    TooManyCondemned {
        /// The name of the thread that runs it.
        thread: String,
        /// The limit.
        limit: Duration,
        /// The most condemned; see [`Builder::max_condemned`](crate::Builder::max_condemned).
        max: usize,
    },
    /// An ask could never have been answered, since whom it asks waits for who asks: the ask that was refused, and
    /// then those by which its receiver waits, one for the other.
    Deadlock(Vec<WaitingAsk>),
    /// An ask has waited for longer than [`Builder::overdue_asks`](crate::Builder::overdue_asks) says. Said once.
    AskOverdue(WaitingAsk),
    /// An actor was found that nobody can get at any more; see [`Leaks`](crate::Leaks).
    Leaked(Leak),
    /// A message has waited at the head of a mailbox for longer than
    /// [`Builder::overdue_messages`](crate::Builder::overdue_messages) says. Said once.
    MessageOverdue(OverdueMessage),
    /// There are ever more actors of a kind; see [`Growth`](crate::Growth).
    Growing(Growing),
    /// An actor has heard of nobody for longer than its limit; see [`Spawn::silence`](crate::Spawn::silence).
    Silent(Silence),
    /// An incarnation has ended abnormally: a panic, a failure, a stall, a kill, a failed start, or the end of another
    /// actor that was this one's too. Whether the actor comes back is for its supervisor to say.
    Failed(Failed),
}

/// The events of a system, for those who subscribe. All but [`SoftPreempted`](Event::SoftPreempted) are `tracing`
/// events as well, and of the [failed](Event::Failed) those whose handler or start has.
#[derive(Debug, Default)]
pub struct Events(Topic<Event>);

impl Events {
    /// A channel that gets all events from now on, and holds at most `capacity` of them (at least 1); what finds it
    /// full is not waited for, but counted as [`missed`](Self::missed). Dropping the receiver ends the subscription.
    pub fn subscribe(&self, capacity: usize) -> Receiver<Event> {
        self.0.subscribe(capacity)
    }

    /// How many a subscriber did not get because its channel was full.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.0.missed()
    }

    pub(crate) fn publish(&self, make: impl FnOnce() -> Event) {
        #[cfg(feature = "sim")]
        if crate::sim::seam::tells() {
            let event = make();
            crate::sim::seam::happens(&event);
            return self.0.publish(|| event);
        }
        self.0.publish(make);
    }

    /// Publishes an event, if there is one.
    pub(crate) fn publish_some(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.publish(|| event);
        }
    }
}

/// How often the system has done something about turns that take long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preemptions {
    /// Turns that were asked to end, since they had exceeded the soft quantum.
    pub soft: u64,
    /// Threads whose workers were taken over.
    pub replaced: u64,
    /// Threads that were given the lowest priority.
    pub demoted: u64,
    /// Turns that have ended on threads whose workers had been taken over.
    pub returned: u64,
    /// Turns that kept their worker, since there were as many threads as there may be.
    pub out_of_threads: u64,
    /// Times that a thread could not be started; each is tried again.
    pub no_thread: u64,
    /// Turns that ran in the background lane.
    pub background: u64,
    /// Handlers that have exceeded their actors' limits, or the time that a kill gives them.
    pub stalled: u64,
    /// Those of them that had not given their threads back.
    pub condemned: u64,
    /// Handlers that have exceeded their actors' limits while as many were condemned as may be.
    pub too_many_condemned: u64,
}

/// Defines the counters, as they are counted.
macro_rules! tallies {
    ($($field:ident),*) => {
        /// Counts what [`Preemptions`] says.
        #[derive(Debug, Default)]
        pub(crate) struct Tallies {
            $(pub(crate) $field: Tally,)*
        }

        impl Tallies {
            pub(crate) fn read(&self) -> Preemptions {
                Preemptions { $($field: self.$field.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

tallies!(
    soft,
    replaced,
    demoted,
    returned,
    out_of_threads,
    no_thread,
    background,
    stalled,
    condemned,
    too_many_condemned
);

/// A counter for any thread.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn count(&self) {
        // Relaxed: it orders nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Preemptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Preemptions { soft, replaced, demoted, returned, out_of_threads, no_thread, background, .. } =
            self;
        let Preemptions { stalled, condemned, too_many_condemned, .. } = self;
        write!(f, "soft={soft} replaced={replaced} demoted={demoted} returned={returned} ")?;
        write!(f, "out_of_threads={out_of_threads} no_thread={no_thread} background={background} ")?;
        write!(f, "stalled={stalled} condemned={condemned} too_many_condemned={too_many_condemned}")
    }
}
