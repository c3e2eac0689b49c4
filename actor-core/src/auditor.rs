//! The auditor: a thread that looks now and then for what nobody would notice otherwise: asks that are overdue, and actors
//! that are leaked. There is none unless something is asked of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::leaks::{Leaks, Scans};
use crate::sync;
use crate::system::SystemHandle;
use crate::wait::Token;

/// Ends the auditor of a system.
#[derive(Default)]
pub(crate) struct Auditor {
    ended: Arc<Token>,
}

impl Auditor {
    /// The system has ended.
    pub(crate) fn end(&self) {
        self.ended.set();
    }
}

/// Starts the thread, if there is something for it to do; it ends with the system.
pub(crate) fn start(system: &SystemHandle, leaks: Option<Leaks>) -> io::Result<()> {
    let limit = system.asks().limit();
    if limit.is_none() && leaks.is_none() {
        return Ok(());
    }
    let (system, ended) = (system.clone(), system.auditor().ended.clone());
    sync::start(format!("{}-auditor", system.scheduler().name()), move || run(&system, limit, leaks, &ended))
}

fn run(system: &SystemHandle, limit: Option<Duration>, leaks: Option<Leaks>, ended: &Token) {
    let now = clock::now();
    let after = |now: Instant| limit.map(|limit| clock::later(now, limit / 4));
    let mut look_at_asks = after(now);
    let mut scans = leaks.map(|leaks| Scans::new(leaks, now));
    loop {
        let now = clock::now();
        if look_at_asks.is_some_and(|at| at <= now) {
            system.asks().look(now, system.events());
            look_at_asks = after(now);
        }
        if let Some(scans) = &mut scans {
            scans.tend(system, now);
        }
        let next = look_at_asks.into_iter().chain(scans.as_ref().map(Scans::next)).min();
        let until = next.map(|next| next.saturating_duration_since(clock::now()));
        if until.is_none_or(|until| !until.is_zero()) && ended.wait(until) || system.has_ended() {
            return;
        }
    }
}
