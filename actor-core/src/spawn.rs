//! Spawning: an actor's factory and settings, until it lives.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::actor::{Messages, Overflow, Settings};
use crate::actor_ref::ActorRef;
use crate::cell::control::Asked;
use crate::cell::incarnation::Incarnation;
use crate::cell::mailbox::{Fate, Order};
use crate::cell::turn::Life;
use crate::cell::{Cell, Control, Plan};
use crate::error::SpawnError;
use crate::port::MakePort;
use crate::reason::StopReason;
use crate::remedy::Remedy;
use crate::reply::{self, Answer, Outcome, Reply};
use crate::scheduler::{PinnedThread, local, soft, stalls};
use crate::supervisor::children::Room;
use crate::supervisor::{ChildSpec, Restart, STOP_WITHIN, SupervisorRef};
use crate::wait;

/// An actor to be spawned: its factory, and settings that override those of its type.
///
/// [`spawn`](Self::spawn) returns at once; [`start`](Self::start) waits until `#[started]` has run
/// and gives its error.
#[must_use = "nothing is spawned until `spawn` or `start` is called"]
pub struct Spawn<A: Messages> {
    /// `None` if the system is ending.
    parent: Option<SupervisorRef>,
    incarnation: Incarnation<A>,
    name: Option<String>,
    settings: Settings,
    /// Whether it was said what becomes of it when it is silent.
    says_on_silence: bool,
    restart: Restart,
    stop_within: Duration,
    make_port: Option<MakePort<A>>,
    pinned: Option<OwnThread>,
    site: &'static Location<'static>,
    slot: Slot,
    /// If it is a supervisor: a limit on its children.
    room: Option<Arc<Room>>,
    /// By a handler that was condemned.
    condemned: bool,
}

/// Whether the actor is for a slot of its supervisor.
#[derive(Clone, Debug)]
enum Slot {
    None,
    /// Its id is the last part of the path. If it has a name as well, that is the one to look it up by.
    Of(Arc<str>),
}

/// That an actor gets a thread of its own, and the core that it is to stay on.
#[derive(Clone, Copy, Debug)]
struct OwnThread {
    core: Option<usize>,
}

impl<A: Messages> Spawn<A> {
    #[track_caller]
    pub(crate) fn new(parent: Option<SupervisorRef>, factory: impl FnMut() -> A + Send + 'static) -> Self {
        Spawn {
            parent,
            incarnation: Incarnation::unborn(factory),
            name: None,
            settings: A::settings(),
            says_on_silence: false,
            restart: Restart::Transient,
            stop_within: STOP_WITHIN,
            make_port: None,
            pinned: None,
            site: Location::caller(),
            slot: Slot::None,
            room: None,
            condemned: false,
        }
    }

    /// By a handler that was condemned, or was not.
    pub(crate) fn condemned(mut self, condemned: bool) -> Self {
        self.condemned = condemned;
        self
    }

    /// Gives the actor a name, by which [`lookup`](crate::SystemHandle::lookup) finds it from now until it
    /// has ended; restarts do not free it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Room for this many messages (at least one).
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.settings = self.settings.mailbox(capacity);
        self
    }

    /// What happens to a message that finds the mailbox full.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings = self.settings.overflow(overflow);
        self
    }

    /// How long a turn of the actor may take before it is asked to end (at least a millisecond), instead of the system's
    /// [`Builder::soft_quantum`](crate::Builder::soft_quantum). If that makes it more than the hard quantum, and
    /// nothing is said of that one, the hard quantum is as long.
    ///
    /// A quantum belongs to all actors of the type that are spawned at the same place in the program, as the groups
    /// of a [snapshot](crate::observe::ActorGroup) do: what was said there last counts, for those too that live already.
    /// Turns are looked at once a millisecond, so what it says comes true within a millisecond or two, whatever the
    /// system's quanta are. A pinned actor, and a handler on the blocking pool, hold up nobody, and are not looked at.
    pub fn soft_quantum(mut self, quantum: Duration) -> Self {
        self.settings = self.settings.soft_quantum(quantum);
        self
    }

    /// How long a turn of the actor may take before its worker is taken over (at least a millisecond), instead of the
    /// system's [`Builder::hard_quantum`](crate::Builder::hard_quantum). If that makes it less than the soft quantum,
    /// and nothing is said of that one, the soft quantum is as short. Where both are said, and contradict each other, the
    /// soft one holds. Whose it is: see [`soft_quantum`](Self::soft_quantum).
    pub fn hard_quantum(mut self, quantum: Duration) -> Self {
        self.settings = self.settings.hard_quantum(quantum);
        self
    }

    /// A restart makes the messages that are queued then dead letters; unless said, the next incarnation goes on
    /// with them.
    pub fn clear_on_restart(mut self) -> Self {
        self.settings = self.settings.clear_on_restart();
        self
    }

    /// How long a handler may take, from the beginning of its message to its end, what it waits for included; at least a
    /// millisecond, and kept to a few of them. The same holds for `#[started]`, `#[stopped]`, `#[down]`, the factory, the
    /// methods of a connection, and the drop of the state. Unless said here or by `#[actor(stall = "1s")]` there is no
    /// limit.
    ///
    /// A handler that exceeds it has *stalled*. The incarnation fails with [`StopReason::Stalled`], which is the
    /// supervisor's business as a panic is, and who asked gets [`AskError::Stalled`](crate::AskError::Stalled). An
    /// async handler that waits is dropped. One that does not give its thread back, in an endless loop or a call that
    /// blocks for ever, is *condemned*: the actor goes on without it at once, under its name, with the next message
    /// in its mailbox, and with another state, which the factory makes. The old one stays with the handler, and
    /// is dropped on its thread if that ever returns. `#[stopped]` does not run for it.
    ///
    /// A kill has a handler that keeps its thread condemned as well, after 10 ms, and so has the end of a linked actor; so a
    /// supervisor that stops such an actor never waits for it longer than for others.
    ///
    /// A condemned handler can do nothing any more: it cannot tell, ask, reply, spawn, arm a timer, monitor, link, publish,
    /// stop another actor or the system, or write to its socket, which is closed. What says how it went says `Condemned`; and
    /// [`Context::is_revoked`](crate::Context::is_revoked) tells it to return. Out of reach is what it does by other
    /// means than these: files, locks, memory that it shares with others, and threads of its own, to which it gave its
    /// refs. A lock that it holds stays locked: use what has no locks, or locks with timeouts, between incarnations.
    ///
    /// A limit makes each message a little dearer, by two atomic operations and a few writes. The semantics are of this
    /// project's own: Erlang interrupts what loops, and has nothing for native code that blocks.
    pub fn stall(mut self, limit: Duration) -> Self {
        self.settings = self.settings.stall(limit);
        self
    }

    /// How long the actor may hear of nobody (at least 4 ms); kept to a quarter of it. It hears when it handles a message
    /// of its mailbox, or its port is readable: so a connection hears of its peer, and of those who tell it to write. What
    /// it does by itself does not count: its timers, and what it is asked to write by nobody. Neither does the time in which
    /// a handler runs or waits, for which there is [`stall`](Self::stall). Unless said here or by
    /// `#[actor(silence = "30s")]` there is no limit.
    ///
    /// An actor that exceeds it is *silent*: that is an [event](crate::observe::Event::Silent), and it is stopped for good,
    /// unless [`on_silence`](Self::on_silence) says otherwise. A limit costs four turns in its time, whatever the number
    /// of messages, and nothing with a message.
    ///
    /// The semantics are of this project's own, as a receive with `after` is of Erlang's; there each message starts a
    /// timer anew.
    pub fn silence(mut self, limit: Duration) -> Self {
        self.settings = self.settings.silence(limit);
        self
    }

    /// What becomes of the actor when it has exceeded its limit for silence; [`Remedy::Stop`] unless said. If it has none,
    /// there is nothing to exceed, and the actor is not spawned: [`SpawnError::NoSilence`].
    pub fn on_silence(mut self, remedy: Remedy) -> Self {
        self.settings = self.settings.on_silence(remedy);
        self.says_on_silence = true;
        self
    }

    /// When the supervisor starts the actor again; [`Restart::Transient`] unless said.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How long the supervisor waits for the actor's end before it kills it; 5 s unless said.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.stop_within = limit;
        self
    }

    /// The supervisor; the root unless said.
    pub fn under(mut self, supervisor: &SupervisorRef) -> Self {
        self.parent = Some(supervisor.clone());
        self
    }

    /// Binds an external source of events to the actor: `make` makes a port for each incarnation.
    pub fn port(mut self, make: MakePort<A>) -> Self {
        self.make_port = Some(make);
        self
    }

    /// Gives the actor a thread of its own, for as long as it lives: factory, handlers and `#[stopped]` run
    /// there, those of later incarnations too, and nothing else does. For an actor that computes for long,
    /// calls what blocks, or uses a library that wants to be called from one thread: it holds up nobody. Up
    /// to [`Builder::max_pinned`](crate::Builder::max_pinned) actors can be pinned at a time.
    ///
    /// Else it is an actor like any other. `.wait()` is refused in its handlers too. A message to it or from
    /// it wakes another thread, so it costs some microseconds more than one between two others. Its timers
    /// are kept by workers, and so are its sockets.
    ///
    /// The thread has the actor's name, or that of its type; some systems show the first 15 bytes only. It
    /// ends with the actor or with the system.
    pub fn pinned(mut self) -> Self {
        self.pinned = Some(OwnThread { core: None });
        self
    }

    /// As [`pinned`](Self::pinned), and keeps the thread on the core with this number. On Linux; elsewhere
    /// the thread is on any core. Nothing keeps others off that core: give the workers other ones, with
    /// [`Builder::pin_workers_to`](crate::Builder::pin_workers_to).
    pub fn pinned_to(mut self, core: usize) -> Self {
        self.pinned = Some(OwnThread { core: Some(core) });
        self
    }

    /// Spawns the actor and returns at once. Its factory and `#[started]` run in its first turn; if
    /// they fail, the actor ends with [`StopReason::StartFailed`].
    ///
    /// # Errors
    /// [`SpawnError::NameTaken`], [`SpawnError::BadName`], and [`SpawnError::Closed`] if the
    /// supervisor is ending; [`SpawnError::NoSilence`]. For a pinned actor also [`SpawnError::TooManyPinned`],
    /// [`SpawnError::CoreNotAllowed`], and [`SpawnError::Thread`] if its thread could not be started; and
    /// [`SpawnError::Condemned`] in a handler that was condemned. Then there is no actor and the factory has not run.
    pub fn spawn(self) -> Result<A::Ref, SpawnError> {
        self.launch(None).map(Into::into)
    }

    /// Spawns the actor and waits until `#[started]` has run. Await it, or `.wait()` for it on a
    /// plain thread. Dropped before that, the actor goes on without anybody waiting.
    ///
    /// If the actor is killed before that, or ends with a linked one, that is the answer and the actor is not restarted,
    /// whatever its restart type: a start that comes to nothing is its spawner's business, as in OTP's `start_child`.
    pub fn start(self) -> Start<A> {
        Start { state: StartState::Ready(Box::new(self)) }
    }

    /// For a slot of its supervisor, as its spec says.
    pub(crate) fn in_slot_of(mut self, spec: &ChildSpec) -> Self {
        self.name = spec.name.as_deref().map(str::to_owned);
        self.restart = spec.rules.restart;
        self.stop_within = spec.rules.stop_within;
        self.slot = Slot::Of(spec.id.clone());
        self.site = spec.site;
        self
    }

    /// If it is a supervisor: a limit on its children without a slot.
    pub(crate) fn room(mut self, max: usize) -> Self {
        self.room = (max != usize::MAX).then(|| Arc::new(Room::new(max)));
        self
    }

    pub(crate) fn launch(self, spawner: Option<Reply<(), StopReason>>) -> Result<ActorRef<A>, SpawnError> {
        if stalls::condemned() || self.condemned {
            return Err(SpawnError::Condemned);
        }
        if self.says_on_silence && self.settings.silence.is_none() {
            return Err(SpawnError::NoSilence);
        }
        let name = self.name.map(valid_name).transpose()?;
        let parent = self.parent.ok_or(SpawnError::Closed)?;
        let children = parent.cell().children();
        let (nursery, name, is_claimed) = match self.slot {
            Slot::None => (children.nursery_here().clone(), name, true),
            Slot::Of(id) => {
                let is_claimed = name.is_some();
                (children.nursery_of_slots().clone(), name.or(Some(id)), is_claimed)
            }
        };
        let system = parent.system();
        let thread =
            |own: OwnThread| PinnedThread::start(system, name.as_deref().unwrap_or(A::NAME), own.core);
        // In a simulation one thread runs all of them.
        #[cfg(feature = "sim")]
        let own_thread = self.pinned.filter(|_| !crate::sim::seam::is_here());
        #[cfg(not(feature = "sim"))]
        let own_thread = self.pinned;
        let pinned = own_thread.map(thread).transpose()?;
        let cell = Cell::new(Plan {
            id: system.next_id(),
            name,
            nursery,
            restart: self.restart,
            settings: self.settings,
            pinned,
            site: self.site,
            life: Life::unborn(self.incarnation, self.make_port, spawner, self.settings.stall)
                .limit_silence(&self.settings),
        });
        if let Some(room) = self.room {
            cell.mailbox.rare().room.get_or_init(|| room);
        }
        if let Some(name) = cell.name().filter(|_| is_claimed) {
            system.names().claim(name, ActorRef::new(cell.clone()))?;
        }
        if let Err(refused) = cell.nursery.add(&cell, self.stop_within) {
            // Somebody may have found it by its name already: it ends like any other.
            cell.clone().kill(Order { why: Asked::Shutdown, fate: Fate::Last });
            cell.begin();
            return Err(refused);
        }
        tracing::trace!(path = %ActorRef::new(cell.clone()).path(), "spawned");
        #[cfg(feature = "testing")]
        system.spawned_outside().spawned(|| cell.clone());
        cell.begin();
        Ok(ActorRef::new(cell))
    }
}

pub(crate) fn valid_name(name: String) -> Result<Arc<str>, SpawnError> {
    let bad = name.is_empty() || name.len() > 255 || name.chars().any(|c| c == '/' || c.is_control());
    if bad { Err(SpawnError::BadName(name)) } else { Ok(name.into()) }
}

impl<A: Messages> fmt::Debug for Spawn<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawn")
            .field("actor", &A::NAME)
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("restart", &self.restart)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

/// A spawn that waits for the actor's start; made by [`Spawn::start`].
#[must_use = "nothing is spawned until this is awaited or waited for"]
pub struct Start<A: Messages> {
    state: StartState<A>,
}

enum StartState<A: Messages> {
    Refused(SpawnError),
    Ready(Box<Spawn<A>>),
    Waiting(ActorRef<A>, Answer<(), StopReason>),
    Done,
}

impl<A: Messages> Unpin for Start<A> {}

impl<A: Messages> Start<A> {
    pub(crate) fn refused(error: SpawnError) -> Self {
        Start { state: StartState::Refused(error) }
    }

    /// Waits for the start on this thread. On a worker this is refused with
    /// [`SpawnError::Deadlock`].
    ///
    /// # Errors
    /// Those of [`Spawn::spawn`], and [`SpawnError::Failed`] with the reason of the actor's end.
    pub fn wait(self) -> Result<A::Ref, SpawnError> {
        if local::is_current() {
            return Err(SpawnError::Deadlock);
        }
        wait::block_on(self.into_future(), None)
    }

    fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<Result<A::Ref, SpawnError>> {
        loop {
            match std::mem::replace(&mut self.state, StartState::Done) {
                StartState::Refused(error) => return Poll::Ready(Err(error)),
                StartState::Ready(spawn) => {
                    let (reply, answer) = reply::pair();
                    match spawn.launch(Some(reply)) {
                        Ok(actor) => self.state = StartState::Waiting(actor, answer),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                StartState::Waiting(actor, answer) => {
                    return match answer.poll(cx) {
                        Poll::Pending => {
                            self.state = StartState::Waiting(actor, answer);
                            Poll::Pending
                        }
                        Poll::Ready(Outcome::Replied(Ok(()))) => Poll::Ready(Ok(actor.into())),
                        Poll::Ready(Outcome::Replied(Err(why))) => Poll::Ready(Err(SpawnError::Failed(why))),
                        Poll::Ready(Outcome::Lost | Outcome::Undelivered | Outcome::Stalled) => {
                            Poll::Ready(Err(SpawnError::Failed(StopReason::Killed)))
                        }
                    };
                }
                StartState::Done => panic!("a start was polled after it had ended"),
            }
        }
    }
}

impl<A: Messages> Future for Start<A> {
    type Output = Result<A::Ref, SpawnError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        soft::charged(cx, |cx| self.get_mut().poll_started(cx))
    }
}

impl<A: Messages> fmt::Debug for Start<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("actor", &A::NAME).finish_non_exhaustive()
    }
}
