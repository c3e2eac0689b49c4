//! How a supervisor stops its children: ask, wait for the deadline, kill, and report who is late.

use std::sync::Arc;
use std::time::Duration;

use crate::cell::Control;
use crate::cell::mailbox::Order;
use crate::monitor::Monitor;
use crate::reason::StopReason;
use crate::supervisor::{Child, Supervisor};
use crate::system::SystemHandle;

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

impl Supervisor {
    /// Stops all children: one after the other in reverse order of their start, or at once.
    pub(super) async fn stop_children(&mut self, system: SystemHandle) {
        let at_once = if self.dynamic { self.children.len() } else { 1 };
        // A child leaves the table only when it has been dealt with: if this future is dropped, the
        // table says who is left to be killed.
        while !self.children.is_empty() {
            let batch: Vec<_> = self.children.iter().rev().take(at_once).collect();
            let stopping: Vec<_> = batch.into_iter().map(|(_, child)| Stopping::begin(child)).collect();
            for child in stopping {
                let id = child.cell.id();
                child.wait(&system).await;
                self.children.remove(&id);
            }
        }
    }
}

/// A child that was asked to stop.
struct Stopping {
    cell: Arc<dyn Control>,
    monitor: Monitor,
    deadline: std::time::Instant,
}

impl Stopping {
    fn begin(child: &Child) -> Self {
        let cell = child.cell.clone();
        let monitor = Monitor::new(cell.clone());
        cell.clone().stop(Order { reason: StopReason::Shutdown, last: true });
        let deadline = crate::clock::later(crate::clock::now(), child.stop_within);
        Stopping { cell, monitor, deadline }
    }

    async fn wait(self, system: &SystemHandle) {
        let left = self.deadline.saturating_duration_since(crate::clock::now());
        if self.monitor.within(left).await.is_some() {
            return;
        }
        let monitor = Monitor::new(self.cell.clone());
        self.cell.clone().kill(Order { reason: StopReason::Killed, last: true });
        let ended_by_kill = monitor.within(AFTER_KILL).await.is_some();
        let late = Late { path: self.cell.path().to_string(), ended_by_kill };
        tracing::warn!(path = late.path, ended_by_kill, "did not stop within its deadline");
        system.report_late(late);
    }
}
