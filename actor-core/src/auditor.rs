//! The auditor: a thread that looks now and then for what nobody would notice otherwise: asks and messages that are
//! overdue, actors that are leaked, and kinds of actors of which there are ever more. There is none unless something is asked of it.
//! In a simulation it is no thread, but what it does are steps.

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
    if system.asks().limit().is_none() && !audits.is_any() {
        return Ok(());
    }
    let (system, ended) = (system.clone(), system.auditor().ended.clone());
    sync::start(format!("{}-auditor", system.scheduler().name()), move || run(&system, audits, &ended))
}

fn run(system: &SystemHandle, audits: Audits, ended: &Token) {
    let mut audit = Audit::new(system, audits, clock::now());
    loop {
        audit.look(system);
        let until = audit.next().map(|next| next.saturating_duration_since(clock::now()));
        if until.is_none_or(|until| !until.is_zero()) && ended.wait(until) || system.has_ended() {
            return;
        }
    }
}

/// When what is looked for.
#[derive(Default)]
pub(crate) struct Audit {
    /// How often it is looked at asks, and when next.
    asks: Option<(Duration, Instant)>,
    scans: Option<Scans>,
    counts: Option<Counts>,
    looks: Option<Looks>,
}

impl Audit {
    pub(crate) fn new(system: &SystemHandle, audits: Audits, now: Instant) -> Audit {
        let limit = system.asks().limit();
        Audit {
            asks: limit.map(|limit| (limit / 4, clock::later(now, limit / 4))),
            scans: audits.leaks.map(|leaks| Scans::new(leaks, now)),
            counts: audits.growth.map(|growth| Counts::new(growth, now)),
            looks: audits.overdue.map(|limit| Looks::new(limit, now)),
        }
    }

    /// Looks for what is due.
    pub(crate) fn look(&mut self, system: &SystemHandle) {
        let now = clock::now();
        if let Some((every, at)) = &mut self.asks
            && *at <= now
        {
            system.asks().look(now, system.events());
            *at = clock::later(now, *every);
        }
        if let Some(scans) = &mut self.scans {
            scans.tend(system, now);
        }
        if let Some(counts) = &mut self.counts {
            counts.tend(system, now);
        }
        if let Some(looks) = &mut self.looks {
            // Others may have had a step before it.
            looks.tend(system, clock::now());
        }
    }

    /// When there is something to look for, if ever.
    pub(crate) fn next(&self) -> Option<Instant> {
        let asks = self.asks.map(|(_, at)| at);
        let others = [
            self.scans.as_ref().map(Scans::next),
            self.counts.as_ref().map(Counts::next),
            self.looks.as_ref().map(Looks::next),
        ];
        others.into_iter().chain([asks]).flatten().min()
    }
}
