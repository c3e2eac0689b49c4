//! The auditor: a thread that looks now and then for what nobody would notice otherwise. There is none unless
//! something is asked of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
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
pub(crate) fn start(system: &SystemHandle) -> io::Result<()> {
    let Some(limit) = system.asks().limit() else { return Ok(()) };
    let (system, ended) = (system.clone(), system.auditor().ended.clone());
    sync::start(format!("{}-auditor", system.scheduler().name()), move || run(&system, limit / 4, &ended))
}

fn run(system: &SystemHandle, every: Duration, ended: &Token) {
    while !ended.wait(Some(every)) && !system.has_ended() {
        system.asks().look(clock::now(), system.events());
    }
}
