//! A reply sent twice: a request is given to a second worker when the first takes long, and then both answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

#[derive(Actor, Default)]
struct Client {
    answers: BTreeMap<usize, u32>,
}

#[messages]
impl Client {
    #[message]
    fn answer(&mut self, request: usize) {
        *self.answers.entry(request).or_default() += 1;
    }

    #[message]
    fn answers(&self) -> BTreeMap<usize, u32> {
        self.answers.clone()
    }
}

#[derive(Actor)]
struct Worker;

#[messages]
impl Worker {
    #[message]
    fn work(&mut self, request: usize, takes: Duration, to: Recipient<BrokerDone>, ctx: &mut Context<Self>) {
        ctx.after(takes, WorkerReady { request, to });
    }

    #[message]
    fn ready(&mut self, request: usize, to: Recipient<BrokerDone>) {
        let _ = to.tell(BrokerDone { request });
    }
}

#[derive(Actor)]
struct Broker<const PLANTED: bool> {
    workers: [WorkerRef; 2],
    client: ClientRef,
    open: BTreeSet<usize>,
}

#[messages]
impl<const PLANTED: bool> Broker<PLANTED> {
    #[message]
    fn request(&mut self, request: usize, takes: Duration, ctx: &mut Context<Self>) {
        self.open.insert(request);
        let _ = self.workers[0].work(request, takes, ctx.actor_ref().recipient()).tell();
        ctx.after(Duration::from_millis(50), BrokerHurry { request, takes });
    }

    #[message]
    fn hurry(&mut self, request: usize, takes: Duration, ctx: &mut Context<Self>) {
        if self.open.contains(&request) {
            let _ = self.workers[1].work(request, takes, ctx.actor_ref().recipient()).tell();
        }
    }

    #[message]
    fn done(&mut self, request: usize) {
        if self.open.remove(&request) || PLANTED {
            let _ = self.client.answer(request).tell();
        }
    }
}

/// How many milliseconds each request takes.
pub(crate) fn programs() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(1..100_u64, 0..8)
}

/// Each request has one answer.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[u64]) -> Outcome {
    let client = sim.spawn(Client::default)?;
    let (one, other) = (sim.spawn(|| Worker)?, sim.spawn(|| Worker)?);
    let answers = client.clone();
    let broker = sim.spawn(move || Broker::<PLANTED> {
        workers: [one.clone(), other.clone()],
        client: answers.clone(),
        open: BTreeSet::new(),
    })?;
    for (request, takes) in program.iter().enumerate() {
        broker.request(request, Duration::from_millis(*takes)).tell()?;
    }
    sim.advance(Duration::from_secs(1))?;
    let answers = client.answers().wait()?;
    match (0..program.len()).find(|request| answers.get(request) != Some(&1)) {
        Some(request) => {
            Err(format!("request {request} has {:?} answers", answers.get(&request).unwrap_or(&0)).into())
        }
        None => Ok(()),
    }
}
