//! What connections tell their pool. Not by messages, which a full mailbox would refuse: by its port.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::port::{Again, Drain, MakePort, Port, Readiness, Ready};
use actor_core::{Context, StopReason};

use super::{Exchange, Pool};
use crate::connection::CloseReason;

/// What has happened to a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// It takes requests.
    Opened,
    /// A request has been dealt with.
    Free {
        /// It was the last of the connection.
        last: bool,
    },
    /// It is gone; the last event of a life.
    Ended(CloseReason),
}

/// What was told and not heard yet: at most two events and one for each request of a connection.
#[derive(Clone, Debug)]
pub(super) struct Inbox(Arc<Mutex<News>>);

#[derive(Debug)]
struct News {
    events: Vec<(usize, u64, Event)>,
    pool: Option<Readiness>,
    /// How many incarnations the pool has had.
    pools: u64,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox(Arc::new(Mutex::new(News { events: Vec::new(), pool: None, pools: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An incarnation of the pool begins: forgets what connections of the last one have told, and gives the number
    /// after which its own lives are counted, so that nothing they still have to tell is taken for news.
    pub(super) fn begin(&self) -> u64 {
        let mut news = self.lock();
        news.events.clear();
        news.pools += 1;
        news.pools << 40
    }

    pub(super) fn take(&self) -> Vec<(usize, u64, Event)> {
        std::mem::take(&mut self.lock().events)
    }

    /// The port of the pool, by which it hears.
    pub(super) fn port<E: Exchange>(&self) -> MakePort<Pool<E>> {
        let inbox = self.clone();
        Box::new(move |readiness| {
            inbox.lock().pool = Some(readiness);
            Box::new(Ear)
        })
    }
}

struct Ear;

impl<E: Exchange> Port<Pool<E>> for Ear {
    fn ready(&mut self, _: Ready, pool: &mut Pool<E>, ctx: &mut Context<Pool<E>>) -> Again {
        pool.hear(ctx);
        Again::No
    }

    fn turn_ended(&mut self) {}

    fn drain(&mut self, _: Ready, _: &StopReason) -> Drain {
        Drain::Done
    }
}

/// A connection's end of it. When it is dropped, however that comes, the connection has ended.
#[derive(Debug)]
pub(super) struct Reporter {
    inbox: Inbox,
    slot: usize,
    life: u64,
    why: CloseReason,
}

impl Reporter {
    pub(super) fn new(inbox: &Inbox, slot: usize, life: u64) -> Reporter {
        Reporter { inbox: inbox.clone(), slot, life, why: CloseReason::ActorFailed }
    }

    pub(super) fn tell(&self, event: Event) {
        let pool = {
            let mut news = self.inbox.lock();
            news.events.push((self.slot, self.life, event));
            news.pool.clone()
        };
        if let Some(pool) = pool {
            pool.set(Ready::WAKE);
        }
    }

    /// Why the connection has ended, when it has.
    pub(super) fn ends(&mut self, why: CloseReason) {
        self.why = why;
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let why = std::mem::replace(&mut self.why, CloseReason::ActorFailed);
        self.tell(Event::Ended(why));
    }
}
