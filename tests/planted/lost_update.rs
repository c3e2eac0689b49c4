//! A lost update: what was read before an `.await` is written after it.

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::{Outcome, settle};

#[derive(Actor, Default)]
struct Store {
    value: u64,
}

#[messages]
impl Store {
    #[message]
    fn get(&self) -> u64 {
        self.value
    }

    #[message]
    fn set(&mut self, value: u64) {
        self.value = value;
    }

    #[message]
    fn add(&mut self, amount: u64) {
        self.value += amount;
    }
}

#[derive(Actor)]
struct Teller<const PLANTED: bool> {
    store: StoreRef,
}

#[messages]
impl<const PLANTED: bool> Teller<PLANTED> {
    #[message]
    async fn pay_in(&mut self, amount: u64) -> Result<(), AskError<StoreGet>> {
        if PLANTED {
            let value = self.store.get().await?;
            let _ = self.store.set(value + amount).tell();
        } else {
            let _ = self.store.add(amount).tell();
        }
        Ok(())
    }
}

/// By which teller, and how much.
pub(crate) fn programs() -> impl Strategy<Value = Vec<(bool, u64)>> {
    prop::collection::vec((any::<bool>(), 1..10_u64), 0..12)
}

/// What was paid in is there.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[(bool, u64)]) -> Outcome {
    let store = sim.spawn(Store::default)?;
    let (one, other) = (store.clone(), store.clone());
    let one = sim.spawn(move || Teller::<PLANTED> { store: one.clone() })?;
    let other = sim.spawn(move || Teller::<PLANTED> { store: other.clone() })?;
    for (which, amount) in program {
        if *which { &one } else { &other }.pay_in(*amount).tell()?;
    }
    settle(sim)?;
    let (is, should) = (store.get().wait()?, program.iter().map(|(_, amount)| amount).sum::<u64>());
    if is == should { Ok(()) } else { Err(format!("{should} was paid in, and {is} is there").into()) }
}
