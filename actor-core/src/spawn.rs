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
use crate::cell::mailbox::Order;
use crate::cell::turn::Life;
use crate::cell::{Cell, Control, Plan};
use crate::error::SpawnError;
use crate::port::MakePort;
use crate::reason::StopReason;
use crate::reply::{self, Answer, Outcome, Reply};
use crate::scheduler::worker;
use crate::supervisor::{Restart, STOP_WITHIN, SupervisorRef};
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
    restart: Restart,
    stop_within: Duration,
    make_port: Option<MakePort<A>>,
    site: &'static Location<'static>,
}

impl<A: Messages> Spawn<A> {
    #[track_caller]
    pub(crate) fn new(parent: Option<SupervisorRef>, factory: impl FnMut() -> A + Send + 'static) -> Self {
        Spawn {
            parent,
            incarnation: Incarnation::unborn(factory),
            name: None,
            settings: A::settings(),
            restart: Restart::Transient,
            stop_within: STOP_WITHIN,
            make_port: None,
            site: Location::caller(),
        }
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

    /// Spawns the actor and returns at once. Its factory and `#[started]` run in its first turn; if
    /// they fail, the actor ends with [`StopReason::StartFailed`].
    ///
    /// # Errors
    /// [`SpawnError::NameTaken`], [`SpawnError::BadName`], and [`SpawnError::Closed`] if the
    /// supervisor is ending. Then there is no actor and the factory has not run.
    pub fn spawn(self) -> Result<A::Ref, SpawnError> {
        self.launch(None).map(Into::into)
    }

    /// Spawns the actor and waits until `#[started]` has run. Await it, or `.wait()` for it on a
    /// plain thread. Dropped before that, the actor goes on without anybody waiting.
    pub fn start(self) -> Start<A> {
        Start { state: StartState::Ready(Box::new(self)) }
    }

    fn launch(self, spawner: Option<Reply<(), StopReason>>) -> Result<ActorRef<A>, SpawnError> {
        let name = self.name.map(valid_name).transpose()?;
        let parent = self.parent.ok_or(SpawnError::Closed)?;
        let nursery = parent.cell().children().nursery_here().clone();
        let system = parent.system();
        let cell = Cell::new(Plan {
            id: system.next_id(),
            name,
            nursery,
            restart: self.restart,
            settings: self.settings,
            site: self.site,
            life: Life::unborn(self.incarnation, self.make_port, spawner),
        });
        if let Some(name) = cell.name() {
            system.names().claim(name, ActorRef::new(cell.clone()))?;
        }
        if !cell.nursery.add(&cell, self.stop_within) {
            // Somebody may have found it by its name already: it ends like any other.
            cell.clone().kill(Order { why: Asked::Shutdown, last: true });
            cell.begin();
            return Err(SpawnError::Closed);
        }
        tracing::trace!(path = %ActorRef::new(cell.clone()).path(), "spawned");
        cell.begin();
        Ok(ActorRef::new(cell))
    }
}

fn valid_name(name: String) -> Result<Arc<str>, SpawnError> {
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
            .finish_non_exhaustive()
    }
}

/// A spawn that waits for the actor's start; made by [`Spawn::start`].
#[must_use = "nothing is spawned until this is awaited or waited for"]
pub struct Start<A: Messages> {
    state: StartState<A>,
}

enum StartState<A: Messages> {
    Ready(Box<Spawn<A>>),
    Waiting(ActorRef<A>, Answer<(), StopReason>),
    Done,
}

impl<A: Messages> Unpin for Start<A> {}

impl<A: Messages> Start<A> {
    /// Waits for the start on this thread. On a worker this is refused with
    /// [`SpawnError::Deadlock`].
    ///
    /// # Errors
    /// Those of [`Spawn::spawn`], and [`SpawnError::Failed`] with the reason of the actor's end.
    pub fn wait(self) -> Result<A::Ref, SpawnError> {
        if worker::is_current() {
            return Err(SpawnError::Deadlock);
        }
        wait::block_on(self.into_future(), None)
    }
}

impl<A: Messages> Future for Start<A> {
    type Output = Result<A::Ref, SpawnError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.state, StartState::Done) {
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
                        Poll::Ready(Outcome::Lost | Outcome::Undelivered) => {
                            Poll::Ready(Err(SpawnError::Failed(StopReason::Killed)))
                        }
                    };
                }
                StartState::Done => panic!("a start was polled after it had ended"),
            }
        }
    }
}

impl<A: Messages> fmt::Debug for Start<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("actor", &A::NAME).finish_non_exhaustive()
    }
}
