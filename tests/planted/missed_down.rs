//! A missed `Down`: a monitor is given up while the actor is still needed by another.

use std::collections::BTreeMap;

use actor_core::MonitorId;
use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::{Outcome, settle};

const MACHINES: usize = 2;

#[derive(Actor)]
struct Machine;

#[messages]
impl Machine {}

struct Lease {
    monitor: MonitorId,
    uses: u32,
}

#[derive(Actor)]
struct Pool<const PLANTED: bool> {
    machines: Vec<MachineRef>,
    leases: BTreeMap<usize, Lease>,
}

#[messages]
impl<const PLANTED: bool> Pool<PLANTED> {
    #[message]
    fn lease(&mut self, at: usize, ctx: &mut Context<Self>) {
        let machine = &self.machines[at];
        let lease = self.leases.entry(at).or_insert_with(|| Lease { monitor: ctx.monitor(machine), uses: 0 });
        lease.uses += 1;
    }

    #[message]
    fn release(&mut self, at: usize, ctx: &mut Context<Self>) {
        let Some(lease) = self.leases.get_mut(&at) else { return };
        lease.uses -= 1;
        let is_last = lease.uses == 0;
        if PLANTED || is_last {
            ctx.demonitor(lease.monitor);
        }
        if is_last {
            self.leases.remove(&at);
        }
    }

    #[message]
    fn leased(&self) -> Vec<usize> {
        self.leases.keys().copied().collect()
    }

    #[down]
    fn gone(&mut self, down: Down) {
        self.leases.retain(|_, lease| lease.monitor != down.monitor);
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Lease(usize),
    Release(usize),
    Stop(usize),
}

pub(crate) fn programs() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..MACHINES).prop_map(Step::Lease),
        2 => (0..MACHINES).prop_map(Step::Release),
        1 => (0..MACHINES).prop_map(Step::Stop),
    ];
    prop::collection::vec(step, 0..12)
}

/// No machine is leased that has ended.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[Step]) -> Outcome {
    let machines = (0..MACHINES).map(|_| sim.spawn(|| Machine)).collect::<Result<Vec<_>, _>>()?;
    let inside = machines.clone();
    let pool = sim.spawn(move || Pool::<PLANTED> { machines: inside.clone(), leases: BTreeMap::new() })?;
    for step in program {
        match *step {
            Step::Lease(at) => pool.lease(at).tell()?,
            Step::Release(at) => pool.release(at).tell()?,
            Step::Stop(at) => machines[at].stop(),
        }
    }
    settle(sim)?;
    let leased = pool.leased().wait()?;
    match leased.iter().find(|at| !machines[**at].is_alive()) {
        Some(at) => Err(format!("machine {at} is leased, and has ended").into()),
        None => Ok(()),
    }
}
