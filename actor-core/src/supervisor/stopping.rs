//! How a supervisor stops its children: ask, wait for the deadline, kill, and report who is late.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::cell::control::Asked;
use crate::cell::mailbox::Order;
use crate::clock;
use crate::supervisor::children::{Children, Place};
use crate::system::SystemHandle;
use crate::timer::Deadline;

/// How long a killed child may take: its handler may have to come to its end first.
const AFTER_KILL: Duration = Duration::from_millis(200);

/// An actor that had not ended by its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Where it stood in the tree.
    pub path: String,
    /// Whether the kill that followed ended it. If not, its handler has not returned.
    pub ended_by_kill: bool,
}

/// Takes no more children and stops those there are: one after the other in reverse order of their
/// start, or all at once.
pub(super) async fn stop_children(children: Arc<Children>, at_once: bool, system: SystemHandle) {
    children.close();
    let stopping = Stopping { children: &children, system: &system };
    let mut left = children.list();
    if at_once {
        let deadlines: Vec<_> = left.iter().map(|place| (*place, stopping.begin(*place))).collect();
        for (place, deadline) in deadlines {
            stopping.wait(place, deadline).await;
        }
        return;
    }
    while let Some(place) = left.pop() {
        let deadline = stopping.begin(place);
        stopping.wait(place, deadline).await;
    }
}

struct Stopping<'a> {
    children: &'a Children,
    system: &'a SystemHandle,
}

impl Stopping<'_> {
    /// Asks a child to stop, and says until when it may.
    fn begin(&self, place: Place) -> Option<Instant> {
        let (child, stop_within) = self.children.find(place)?;
        child.stop(Order { why: Asked::Shutdown, last: true });
        Some(clock::later(clock::now(), stop_within))
    }

    /// Waits for its end; `None` for one that had ended before it was asked.
    async fn wait(&self, place: Place, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.ends_by(place, deadline).await {
            return;
        }
        let Some((child, _)) = self.children.find(place) else { return };
        child.clone().kill(Order { why: Asked::Kill, last: true });
        let ended_by_kill = self.ends_by(place, clock::later(clock::now(), AFTER_KILL)).await;
        let late = Late { path: child.path().to_string(), ended_by_kill };
        tracing::warn!(path = late.path, ended_by_kill, "did not stop within its deadline");
        self.system.report_late(late);
        self.children.forget(place);
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
