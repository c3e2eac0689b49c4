//! Monitors: exactly one [`Down`] for each, after the actor has ended and its name is free.
//!
//! The semantics are Erlang's `monitor/2`, but for restarts: a ref survives them, so they cause no
//! `Down`. A monitor on an actor that has ended already answers at once.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::cell::{ActorId, Control};
use crate::group::Leave;
use crate::reason::StopReason;
use crate::scheduler::soft;
use crate::sync::Mutex;
use crate::timer::Deadline;
use crate::wait;

/// Tells monitors apart. Unique within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorId(u64);

impl MonitorId {
    pub(crate) fn new() -> Self {
        use crate::sync::{Ordering, StaticU64};
        static NEXT: StaticU64 = StaticU64::new(1);
        // Relaxed: only uniqueness is asked for.
        MonitorId(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    #[cfg(feature = "sim")]
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// The news that a monitored actor has ended.
#[derive(Clone, Debug)]
pub struct Down {
    /// The monitor that this answers.
    pub monitor: MonitorId,
    /// Who has ended.
    pub actor: ActorId,
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: StopReason,
}

/// Who is told.
pub(crate) enum Watcher {
    Actor {
        cell: Weak<dyn Control>,
        incarnation: u64,
    },
    Slot(Arc<Mutex<Slot>>),
    /// A group that the actor is a member of.
    Group(Arc<dyn Leave>),
}

impl Watcher {
    pub(crate) fn tell(self, down: Down) {
        #[cfg(feature = "sim")]
        crate::sim::seam::told(&down);
        match self {
            Watcher::Actor { cell, incarnation } => {
                if let Some(cell) = cell.upgrade() {
                    cell.down(incarnation, down);
                }
            }
            Watcher::Group(group) => group.ended(down.monitor),
            Watcher::Slot(slot) => {
                let waker = {
                    let mut slot = slot.lock();
                    slot.down = Some(down);
                    slot.waker.take()
                };
                if let Some(waker) = waker {
                    wait::wake(waker);
                }
            }
        }
    }
}

/// The watchers of one actor.
#[derive(Default)]
pub(crate) struct Watchers {
    /// In the order in which they came.
    pub(crate) list: BTreeMap<MonitorId, Watcher>,
    /// Why the actor has ended, if its control word cannot say.
    pub(crate) why: Option<StopReason>,
}

impl Watchers {
    pub(crate) fn take(&mut self, monitor: MonitorId) -> Option<Watcher> {
        self.list.remove(&monitor)
    }
}

impl Down {
    pub(crate) fn of(cell: &dyn Control, monitor: MonitorId, reason: StopReason) -> Down {
        Down { monitor, actor: cell.id(), path: cell.path().to_string(), reason }
    }
}

/// A monitor held by code that is not an actor: a future that is ready when the actor has ended.
///
/// Dropping it ends the monitor and leaves nothing behind. Inside an actor use
/// [`Context::monitor`](crate::Context::monitor), which tells the `#[down]` handler.
#[must_use = "dropping a monitor ends it"]
pub struct Monitor {
    id: MonitorId,
    cell: Arc<dyn Control>,
    slot: Arc<Mutex<Slot>>,
    deadline: Deadline,
}

#[derive(Default)]
pub(crate) struct Slot {
    down: Option<Down>,
    waker: Option<Waker>,
}

impl Monitor {
    pub(crate) fn new(cell: Arc<dyn Control>) -> Self {
        let (id, slot) = (MonitorId::new(), Arc::<Mutex<Slot>>::default());
        cell.watch(id, Watcher::Slot(slot.clone()));
        Monitor { id, cell, slot, deadline: Deadline::default() }
    }

    /// Which monitor this is.
    #[must_use]
    pub fn id(&self) -> MonitorId {
        self.id
    }

    /// Waits on this thread until the actor has ended. Not for handlers: it would hold up the
    /// worker, and with it perhaps the actor it waits for.
    #[must_use]
    pub fn wait(self) -> Down {
        wait::block_on(self, None)
    }

    /// The same future with an end: `None` when `limit` is over and the actor lives.
    pub async fn within(mut self, limit: Duration) -> Option<Down> {
        self.deadline = Deadline::after(Some(limit));
        std::future::poll_fn(|cx| self.poll_down(cx)).await
    }

    /// [`wait`](Self::wait) with an end: `None` when `limit` is over and the actor lives.
    #[must_use]
    pub fn wait_within(mut self, limit: Duration) -> Option<Down> {
        self.deadline = Deadline::after(Some(limit));
        let at = self.deadline.kept_by_thread();
        wait::block_on(std::future::poll_fn(|cx| self.poll_down(cx)), at)
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Option<Down>> {
        let waker = cx.waker().clone();
        // Dropped without the lock, as all that is a user's.
        let _before = {
            let mut slot = self.slot.lock();
            if let Some(down) = &slot.down {
                return Poll::Ready(Some(down.clone()));
            }
            slot.waker.replace(waker)
        };
        self.deadline.poll(self.cell.system(), cx).map(|()| None)
    }
}

impl Future for Monitor {
    type Output = Down;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Down> {
        soft::charged(cx, |cx| match self.poll_down(cx) {
            Poll::Ready(Some(down)) => Poll::Ready(down),
            _ => Poll::Pending,
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.cell.unwatch(self.id);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("actor", &self.cell.path().to_string()).finish()
    }
}
