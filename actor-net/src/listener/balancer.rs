//! The actor that spreads a server's connections over the workers now and then.

use std::sync::Arc;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::{Restart, SpawnError, SupervisorRef, SystemHandle};

use crate::connection::Common;

#[derive(Actor)]
struct Balancer {
    common: Arc<Common>,
    period: Duration,
}

#[messages]
impl Balancer {
    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        ctx.every(self.period, || BalancerRebalance {});
    }

    #[message]
    fn rebalance(&mut self, ctx: &mut Context<Self>) {
        self.common.crowd.rebalance(ctx.system());
    }
}

/// Starts one for a server.
pub(super) fn spawn(
    system: &SystemHandle,
    server: &SupervisorRef,
    common: &Arc<Common>,
    period: Duration,
) -> Result<(), SpawnError> {
    let common = common.clone();
    let balancer = system.actor(move || Balancer { common: common.clone(), period });
    balancer.restart(Restart::Permanent).under(server).spawn().map(drop)
}
