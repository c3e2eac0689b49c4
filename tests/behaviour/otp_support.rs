//! A child that does as a script says, for the tests that are ported from OTP's suites.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use actor_core::prelude::*;
use actor_core::{Child, ChildState, SupervisorRef};

use crate::support::{LIMIT, Log, ON_PURPOSE, eventually};

/// What children do at their start and end; shared by all incarnations.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) log: Log<String>,
    /// How many starts from now on fail.
    pub(crate) failing: Arc<AtomicU32>,
    /// Starts do not come to an end.
    pub(crate) hanging: Arc<AtomicBool>,
    /// Starts say that they are not needed.
    pub(crate) ignoring: Arc<AtomicBool>,
    /// Ends take for ever.
    pub(crate) lingering: Arc<AtomicBool>,
}

impl Script {
    pub(crate) fn fail(&self, starts: u32) {
        self.failing.store(starts, Ordering::SeqCst);
    }

    /// What happened since the last look.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.log.entries()
    }

    pub(crate) fn child(&self, name: &'static str) -> Child<Worker> {
        let script = self.clone();
        Child::new(move || Worker { name, script: script.clone() })
    }
}

#[derive(Actor)]
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    pub(crate) script: Script,
}

#[messages]
impl Worker {
    #[started]
    async fn open(&mut self, ctx: &mut Context<Self>) -> Result<(), String> {
        let script = &self.script;
        if script.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if script.ignoring.load(Ordering::SeqCst) {
            ctx.ignore();
            return Ok(());
        }
        let one_less = |left: u32| left.checked_sub(1);
        if script.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err("told not to start".to_owned());
        }
        script.log.push(format!("{} starts", self.name));
        Ok(())
    }

    #[stopped]
    async fn close(&mut self, why: &StopReason) {
        self.script.log.push(format!("{}: {why}", self.name));
        if self.script.lingering.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    #[message]
    pub(crate) fn ping(&self) {}

    #[message]
    pub(crate) fn crash(&mut self) {
        panic!("{ON_PURPOSE}")
    }

    #[message]
    pub(crate) fn exit(&mut self, reason: StopReason, ctx: &mut Context<Self>) {
        ctx.exit(reason);
    }

    #[message]
    pub(crate) fn incarnation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.incarnation()
    }
}

/// What the supervisor is at with a child; `None` if it has no such slot.
pub(crate) fn state(supervisor: &SupervisorRef, id: &str) -> Option<ChildState> {
    let children = supervisor.which_children().within(LIMIT).wait().unwrap();
    children.into_iter().find(|child| child.id.as_deref() == Some(id)).map(|child| child.state)
}

/// All slots, and what the supervisor is at with each.
pub(crate) fn states(supervisor: &SupervisorRef) -> Vec<(String, ChildState)> {
    let children = supervisor.which_children().within(LIMIT).wait().unwrap();
    children.into_iter().filter_map(|child| Some((child.id?.to_string(), child.state))).collect()
}

/// Specs, active, supervisors, workers, as OTP counts them.
pub(crate) fn counts(supervisor: &SupervisorRef) -> [usize; 4] {
    let count = supervisor.count_children().within(LIMIT).wait().unwrap();
    [count.specs, count.active, count.supervisors, count.workers]
}

pub(crate) fn is_back(worker: &WorkerRef, incarnation: u64) {
    eventually("it is restarted", || worker.incarnation().within(LIMIT).wait().ok() == Some(incarnation));
}
