//! How a supervisor stops its children: ask, wait for the deadline, kill, and report who is late.

use std::collections::HashSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tracing::Level;

use crate::cell::ActorId;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::clock;
use crate::log;
use crate::supervisor::children::{Children, Place};
use crate::supervisor::slots::AFTER_KILL;
use crate::system::SystemHandle;
use crate::timer::Deadline;

/// An actor that had not ended by its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Where it stood in the tree.
    pub path: String,
    /// Whether the kill that followed ended it. If not, its handler has not returned.
    pub ended_by_kill: bool,
    /// What it was at. `None` if that is not known: of one whose handler does not return on a thread that is no
    /// worker's, and of one that was left behind by a supervisor which was killed.
    pub at: Option<Whereabouts>,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was late", self.path)?;
        if let Some(at) = self.at {
            write!(f, ", {at}")?;
        }
        f.write_str(if self.ended_by_kill { ": killed" } else { ": its handler has not returned" })
    }
}

/// What an actor was at when its time to stop was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// The handler of this message.
    Message(&'static str),
    /// Its `#[started]`.
    Started,
    /// Its `#[stopped]`.
    Stopped,
    /// Its `#[down]`.
    Down,
    /// The end of its port: it had more to send.
    Draining,
    /// None of these: it was between two messages, and others came before the stop.
    Queue,
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whereabouts::Message(message) => write!(f, "in {message}"),
            Whereabouts::Started => f.write_str("in #[started]"),
            Whereabouts::Stopped => f.write_str("in #[stopped]"),
            Whereabouts::Down => f.write_str("in #[down]"),
            Whereabouts::Draining => f.write_str("sending what was left"),
            Whereabouts::Queue => f.write_str("with messages before the stop"),
        }
    }
}

/// The actors in the slots of a supervisor.
#[derive(Default)]
pub(super) struct InSlots {
    /// In the order of their start.
    pub(super) in_order: Vec<ActorId>,
    /// Those of them that have not come to the end of their start. They hear of no stop before that, so they are killed.
    pub(super) starting: HashSet<ActorId>,
}

/// Takes no more children and stops those there are: one after the other in reverse order of their start, those
/// without a slot first; or all at once.
pub(super) async fn stop_children(
    children: Arc<Children>,
    slots: InSlots,
    at_once: bool,
    system: SystemHandle,
) {
    children.close();
    let stopping = Stopping { children: &children, starting: &slots.starting, system: &system };
    let mut left = children.list_ordered(&slots.in_order);
    if at_once {
        return stopping.stop(left).await;
    }
    while let Some(place) = left.pop() {
        stopping.stop(vec![place]).await;
    }
}

struct Stopping<'a> {
    children: &'a Children,
    starting: &'a HashSet<ActorId>,
    system: &'a SystemHandle,
}

impl Stopping<'_> {
    /// Stops children all at once. Their deadlines run at the same time, and so does what comes after.
    async fn stop(&self, places: Vec<Place>) {
        let asked: Vec<_> =
            places.into_iter().filter_map(|place| Some((place, self.begin(place)?))).collect();
        let mut late = Vec::new();
        for (place, (deadline, was_asked)) in asked {
            if self.ends_by(place, deadline).await {
                continue;
            }
            let Some((child, _)) = self.children.find(place) else { continue };
            child.clone().kill(Order { why: Asked::Kill, fate: Fate::Last });
            late.push((place, child, was_asked));
        }
        let deadline = clock::later(clock::now(), AFTER_KILL);
        for (place, child, was_asked) in late {
            let ended_by_kill = self.ends_by(place, deadline).await;
            if was_asked || !ended_by_kill {
                let running = || self.system.scheduler().message_of(child.id()).map(Whereabouts::Message);
                let at = if ended_by_kill { child.killed_at() } else { running() };
                let late = Late { path: child.path().to_string(), ended_by_kill, at };
                log::say(Level::WARN, || {
                    let late = late.clone();
                    move || tracing::warn!(%late, "did not stop within its deadline")
                });
                self.system.report_late(late);
            }
            self.children.forget(place);
        }
    }

    /// Asks a child to stop; says until when it may, and whether it was asked: one that is to be killed at once
    /// is not. `None` if it has ended.
    fn begin(&self, place: Place) -> Option<(Instant, bool)> {
        let (child, stop_within) = self.children.find(place)?;
        let now = clock::now();
        if stop_within.is_zero() || self.starting.contains(&child.id()) {
            return Some((now, false));
        }
        child.stop(Order { why: Asked::Shutdown, fate: Fate::Last });
        Some((clock::later(now, stop_within), true))
    }

    async fn ends_by(&self, place: Place, at: Instant) -> bool {
        let mut deadline = Deadline::at(at);
        poll_fn(|cx| match self.children.poll_gone(place, cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => deadline.poll(self.system, cx).map(|()| false),
        })
        .await
    }
}
