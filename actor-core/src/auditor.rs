//! The auditor: a thread that looks now and then for what nobody would notice otherwise: asks and messages that are
//! overdue, actors that are leaked, and kinds of actors of which there are ever more. There is none unless something is asked of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::leaks::growth::Counts;
use crate::leaks::overdue::{Limit, Looks};
use crate::leaks::{Growth, Leaks, Scans};
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

/// What it is asked for, beside overdue asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Audits {
    pub(crate) leaks: Option<Leaks>,
    pub(crate) growth: Option<Growth>,
    pub(crate) overdue: Option<Limit>,
}

impl Audits {
    fn is_any(&self) -> bool {
        self.leaks.is_some() || self.growth.is_some() || self.overdue.is_some()
    }
}

/// Starts the thread, if there is something for it to do; it ends with the system.
pub(crate) fn start(system: &SystemHandle, audits: Audits) -> io::Result<()> {
    let limit = system.asks().limit();
    if limit.is_none() && !audits.is_any() {
        return Ok(());
    }
    let (system, ended) = (system.clone(), system.auditor().ended.clone());
    sync::start(format!("{}-auditor", system.scheduler().name()), move || run(&system, limit, audits, &ended))
}

fn run(system: &SystemHandle, limit: Option<Duration>, audits: Audits, ended: &Token) {
    let now = clock::now();
    let after = |now: Instant| limit.map(|limit| clock::later(now, limit / 4));
    let mut look_at_asks = after(now);
    let mut scans = audits.leaks.map(|leaks| Scans::new(leaks, now));
    let mut counts = audits.growth.map(|growth| Counts::new(growth, now));
    let mut looks = audits.overdue.map(|limit| Looks::new(limit, now));
    loop {
        let now = clock::now();
        if look_at_asks.is_some_and(|at| at <= now) {
            system.asks().look(now, system.events());
            look_at_asks = after(now);
        }
        if let Some(scans) = &mut scans {
            scans.tend(system, now);
        }
        if let Some(counts) = &mut counts {
            counts.tend(system, now);
        }
        if let Some(looks) = &mut looks {
            // Others may have had a step before it.
            looks.tend(system, clock::now());
        }
        let audits = [
            scans.as_ref().map(Scans::next),
            counts.as_ref().map(Counts::next),
            looks.as_ref().map(Looks::next),
        ];
        let until = audits
            .into_iter()
            .chain([look_at_asks])
            .flatten()
            .min()
            .map(|next| next.saturating_duration_since(clock::now()));
        if until.is_none_or(|until| !until.is_zero()) && ended.wait(until) || system.has_ended() {
            return;
        }
    }
}
