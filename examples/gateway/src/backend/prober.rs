//! The actor that finds out whether a backend is back whose breaker is open.

use std::sync::Weak;
use std::time::{Duration, Instant};

use actor_core::prelude::*;

use super::Shared;

/// Sends probes to one backend, while its breaker says so.
#[derive(Actor)]
pub(super) struct Prober {
    pool: Weak<Shared>,
    at: usize,
}

#[messages]
impl Prober {
    /// If the last incarnation has failed, its timer has gone with it.
    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        self.watch(ctx);
    }

    /// The breaker has opened.
    #[message]
    pub(super) fn opened(&mut self, ctx: &mut Context<Self>) {
        self.watch(ctx);
    }

    /// Sends as many probes as it takes.
    #[message]
    async fn probe(&mut self, ctx: &mut Context<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        while pool.may_probe(self.at) {
            let (well, why) = pool.probe(self.at).await;
            pool.probed(self.at, well, why);
        }
        self.watch(ctx);
    }
}

impl Prober {
    pub(super) fn new(pool: Weak<Shared>, at: usize) -> Prober {
        Prober { pool, at }
    }

    /// Has a timer for the next probe, if one is due.
    fn watch(&self, ctx: &mut Context<Self>) {
        let due = self.pool.upgrade().and_then(|pool| pool.lock().breaker(self.at).due());
        if let Some(due) = due {
            let left = due.saturating_duration_since(Instant::now());
            ctx.after_keyed("probe", left.max(Duration::from_millis(1)), ProberProbe);
        }
    }
}
