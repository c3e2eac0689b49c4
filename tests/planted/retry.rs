//! A retry that is not idempotent: what has timed out is done again, though it may have been done.

use std::collections::BTreeSet;
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

#[derive(Actor, Default)]
struct Bank<const PLANTED: bool> {
    total: u64,
    seen: BTreeSet<usize>,
}

#[messages]
impl<const PLANTED: bool> Bank<PLANTED> {
    #[message]
    async fn pay_in(&mut self, payment: usize, amount: u64, takes: Duration, ctx: &mut Context<Self>) {
        ctx.system().sleep(takes).await;
        if self.seen.insert(payment) || PLANTED {
            self.total += amount;
        }
    }

    #[message]
    fn total(&self) -> u64 {
        self.total
    }
}

#[derive(Actor)]
struct Customer<const PLANTED: bool> {
    bank: BankRef<PLANTED>,
}

#[messages]
impl<const PLANTED: bool> Customer<PLANTED> {
    #[message]
    async fn pay(&mut self, payment: usize, amount: u64, takes: Duration) {
        for takes in [takes, Duration::ZERO] {
            let paid = self.bank.pay_in(payment, amount, takes).within(Duration::from_millis(50)).await;
            if paid.is_ok() {
                break;
            }
        }
    }
}

/// How much, and how many milliseconds the bank takes for it the first time.
pub(crate) fn programs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((1..10_u64, 0..100_u64), 0..8)
}

/// What was paid is there once.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[(u64, u64)]) -> Outcome {
    let bank = sim.spawn(Bank::<PLANTED>::default)?;
    let to = bank.clone();
    let customer = sim.spawn(move || Customer { bank: to.clone() })?;
    for (payment, (amount, takes)) in program.iter().enumerate() {
        customer.pay(payment, *amount, Duration::from_millis(*takes)).tell()?;
    }
    sim.advance(Duration::from_secs(10))?;
    let (is, should) = (bank.total().wait()?, program.iter().map(|(amount, _)| amount).sum::<u64>());
    if is == should { Ok(()) } else { Err(format!("{should} was paid, and {is} is there").into()) }
}
