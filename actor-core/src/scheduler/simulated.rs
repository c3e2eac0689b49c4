//! A scheduler without threads, for [`sim`](crate::sim): there is a worker's place, for its timers, and nobody runs
//! it. So what is scheduled goes to the global queue, from any thread, and waits there until it is chosen.

use std::sync::Arc;
use std::time::Instant;

use crate::cell::task::Task;
use crate::driver::Parker;
use crate::scheduler::Scheduler;
use crate::system::SystemHandle;

impl Scheduler {
    /// Has one worker, which no thread runs.
    pub(crate) fn simulate(&self, system: &SystemHandle) {
        self.place(system, 0, Arc::new(Parker::default()));
        self.publish_started(0);
        self.active.change(1);
    }

    /// The task that has been scheduled longest.
    pub(crate) fn take_scheduled(&self) -> Option<Task> {
        if self.global.is_empty() { None } else { self.global.pop() }
    }

    /// When the timers are to be looked at next.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers(0).next()
    }

    /// Fires what is due.
    pub(crate) fn fire_timers(&self, now: Instant) {
        self.timers(0).fire_due(now);
    }
}
