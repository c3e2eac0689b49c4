//! Clients that come back: a connection that is made again when it is lost.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use actor_core::port::say;
use actor_core::prelude::*;
use actor_core::{Actor, Backoff, Monitor, Restart, SpawnError, SupervisorRef, SystemHandle};
use tracing::Level;

use super::Client;
use crate::connection::{Conn, Connection, Held};
use crate::stream::Peer;

/// What is told a connection that may not be there yet.
type Errand<C> = Box<dyn FnOnce(&<C as Actor>::Ref) + Send>;

type Make<C> = dyn Fn(Conn) -> C + Send + Sync;

/// A [`Client`] that connects again when its connection is lost or cannot be made; made by
/// [`Client::reconnect`].
#[derive(Debug)]
#[must_use = "nothing is connected until it is spawned"]
pub struct Reconnect {
    client: Client,
    backoff: Backoff,
    queue: usize,
}

impl Reconnect {
    pub(super) fn new(client: Client, backoff: Backoff) -> Reconnect {
        Reconnect { client, backoff, queue: 0 }
    }

    /// While there is no connection, so many [errands](Kept::run) wait for it. Unless this is said they are
    /// refused with [`Down`].
    pub fn queue_while_down(mut self, most: usize) -> Reconnect {
        self.queue = most;
        self
    }

    /// Spawns a supervisor, which has the name that the client was given, with a keeper and the connection under it. For each connection
    /// `make` gives the state of the actor that owns it, a new one each time: what is to outlive a connection belongs
    /// elsewhere. A connection is lost when its actor has ended, in whatever way.
    ///
    /// # Errors
    ///
    /// If the system takes no more actors or the name is in use.
    pub fn spawn<C: Connection>(
        self,
        system: &SystemHandle,
        make: impl Fn(Conn) -> C + Send + Sync + 'static,
    ) -> Result<Kept<C>, SpawnError> {
        // Not to be restarted: without its keeper, which only this function can make, it would keep nothing.
        let mut supervisor = system.supervisor().restart(Restart::Temporary);
        if let Some(name) = &self.client.name {
            supervisor = supervisor.name(name.clone());
        }
        if let Some(parent) = &self.client.under {
            supervisor = supervisor.under(parent);
        }
        let supervisor = supervisor.spawn()?;
        let state = State { up: None, waiting: VecDeque::new(), life: 0 };
        let shared =
            Arc::new(Shared { peer: self.client.peer.clone(), most: self.queue, state: Mutex::new(state) });
        let client = Client { name: None, under: Some(supervisor.clone()), ..self.client };
        let make: Arc<Make<C>> = Arc::new(make);
        let (for_keeper, backoff) = (shared.clone(), self.backoff);
        let factory = move || Keeper {
            shared: for_keeper.clone(),
            client: client.clone(),
            backoff,
            make: make.clone(),
            current: None,
            up_since: None,
            failures: 0,
        };
        let keeper = system.actor(factory).restart(Restart::Permanent).under(&supervisor).spawn();
        if let Err(error) = keeper {
            supervisor.stop();
            return Err(error);
        }
        Ok(Kept { shared, supervisor })
    }
}

/// A connection that is made again when it is lost. It goes on when this handle is dropped.
pub struct Kept<C: Connection> {
    shared: Arc<Shared<C>>,
    supervisor: SupervisorRef,
}

impl<C: Connection> Kept<C> {
    /// The actor of the connection, if there is one at the moment.
    ///
    /// # Errors
    ///
    /// [`Down`] if there is none. What is told the actor may still be lost with its connection.
    pub fn get(&self) -> Result<C::Ref, Down> {
        self.shared.lock().up.clone().ok_or_else(|| self.down(0))
    }

    /// Runs an errand with the connection's actor: at once, on this thread, if there is a connection. Otherwise it waits, if
    /// it [may](Reconnect::queue_while_down), and runs on a worker before all that comes later; so it must not take long.
    ///
    /// ```no_run
    /// # use actor_core::prelude::*;
    /// # use actor_net::{Conn, Connection, Kept, Lines};
    /// # #[derive(Actor)]
    /// # struct Feed { conn: Conn }
    /// # #[messages]
    /// # impl Feed {
    /// #     #[message]
    /// #     fn say(&mut self, text: String) { self.conn.write(text); }
    /// # }
    /// # impl Connection for Feed {
    /// #     type Codec = Lines;
    /// #     fn codec(&self) -> Lines { Lines::new(1024) }
    /// #     fn frame(&mut self, _: &str, _: &mut Context<Self>) {}
    /// # }
    /// # fn example(feed: Kept<Feed>) -> Result<(), actor_net::Down> {
    /// feed.run(|feed| {
    ///     let _ = feed.say("hello\n".to_owned()).tell();
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Down`] if there is no connection and as many errands wait as may; the errand is dropped.
    pub fn run(&self, errand: impl FnOnce(&C::Ref) + Send + 'static) -> Result<(), Down> {
        let up = {
            let mut state = self.shared.lock();
            if state.up.is_none() {
                let waiting = state.waiting.len();
                if waiting >= self.shared.most || !self.supervisor.is_alive() {
                    return Err(self.down(waiting));
                }
                state.waiting.push_back(Box::new(errand));
                return Ok(());
            }
            state.up.clone()
        };
        if let Some(up) = up {
            errand(&up);
        }
        Ok(())
    }

    /// How many errands wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Ends the connection in good order, and connects no more. What waits is dropped.
    pub fn stop(&self) {
        self.supervisor.stop();
    }

    /// A monitor on the whole of it, keeper and connection: it ends when it was stopped.
    pub fn monitor(&self) -> Monitor {
        self.supervisor.monitor()
    }

    fn down(&self, waiting: usize) -> Down {
        Down { peer: self.shared.peer.clone(), waiting }
    }
}

impl<C: Connection> Clone for Kept<C> {
    fn clone(&self) -> Self {
        Kept { shared: self.shared.clone(), supervisor: self.supervisor.clone() }
    }
}

impl<C: Connection> fmt::Debug for Kept<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("peer", &self.shared.peer).finish_non_exhaustive()
    }
}

/// There is no connection at the moment; it is tried again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Down {
    /// To whom there is none.
    pub peer: Peer,
    /// How many errands wait for it already.
    pub waiting: usize,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Down { peer, waiting } = self;
        write!(f, "the connection to {peer} is down, and {waiting} errands wait for it; try again later, ")?;
        f.write_str("or let more wait with Reconnect::queue_while_down")
    }
}

impl std::error::Error for Down {}

/// What the keeper and those who use the connection have in common.
struct Shared<C: Connection> {
    peer: Peer,
    most: usize,
    state: Mutex<State<C>>,
}

struct State<C: Connection> {
    /// There only while nothing waits: so errands run in their order.
    up: Option<C::Ref>,
    waiting: VecDeque<Errand<C>>,
    /// Tells what concerns the connection of now from what concerns an earlier one.
    life: u64,
}

impl<C: Connection> Shared<C> {
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next errand, or the connection is for all to use.
    fn next(&self, up: &C::Ref) -> Option<Errand<C>> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.up = Some(up.clone());
        }
        next
    }
}

/// Has the connection made, again and again.
#[derive(Actor)]
struct Keeper<C: Connection> {
    shared: Arc<Shared<C>>,
    client: Client,
    backoff: Backoff,
    make: Arc<Make<C>>,
    current: Option<C::Ref>,
    up_since: Option<Instant>,
    failures: u32,
}

#[messages]
impl<C: Connection> Keeper<C> {
    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        self.connect(ctx);
    }

    #[message]
    fn connect(&mut self, ctx: &mut Context<Self>) {
        let life = {
            let mut state = self.shared.lock();
            state.life += 1;
            state.life
        };
        let (make, watch) = (self.make.clone(), Watch { keeper: ctx.me(), life });
        match self.client.clone().start(ctx.system(), move |conn| make(conn), watch) {
            Ok(connection) => self.current = Some(connection),
            // The watch, dropped, tells that it is lost.
            Err(error) => {
                tracing::debug!(peer = %self.shared.peer, %error, "a connection could not be spawned");
            }
        }
    }

    #[message]
    fn up(&mut self, life: u64, ctx: &mut Context<Self>) {
        let Some(current) = self.current.clone().filter(|_| self.shared.lock().life == life) else {
            return;
        };
        self.up_since = Some(ctx.system().now());
        while let Some(errand) = self.shared.next(&current) {
            // A keeper that fails would have two connections afterwards.
            if catch_unwind(AssertUnwindSafe(|| errand(&current))).is_err() {
                say(Level::ERROR, || {
                    let peer = self.shared.peer.clone();
                    move || tracing::error!(%peer, "an errand has panicked")
                });
            }
        }
    }

    #[message]
    fn lost(&mut self, life: u64, ctx: &mut Context<Self>) {
        {
            let mut state = self.shared.lock();
            if state.life != life {
                return;
            }
            state.up = None;
        }
        self.current = None;
        let now = ctx.system().now();
        let ran = self.up_since.take().map(|since| now.saturating_duration_since(since));
        if ran.is_some_and(|ran| self.backoff.is_over(ran)) {
            self.failures = 0;
        }
        let delay = self.backoff.draw(self.failures);
        self.failures = self.failures.saturating_add(1);
        tracing::debug!(peer = %self.shared.peer, ?delay, "not connected; trying again");
        ctx.after(delay, KeeperConnect);
    }

    #[stopped]
    fn close(&mut self) {
        // Dropped without the lock: errands are foreign code.
        let _waiting = {
            let mut state = self.shared.lock();
            state.up = None;
            std::mem::take(&mut state.waiting)
        };
    }
}

/// What a connection has of its keeper: tells it what becomes of it, its end by being dropped. A connection tells
/// two things, so the keeper's mailbox is never full.
struct Watch<C: Connection> {
    keeper: KeeperRef<C>,
    life: u64,
}

impl<C: Connection> Held for Watch<C> {
    fn opened(&mut self) {
        let _ = self.keeper.up(self.life).tell();
    }
}

impl<C: Connection> Drop for Watch<C> {
    fn drop(&mut self) {
        let _ = self.keeper.lost(self.life).tell();
    }
}
