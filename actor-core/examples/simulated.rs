//! How fast a simulation is: messages a second, with tokens going round in a ring of actors. With a tape, who is next is
//! a choice among all of them.
//!
//! `cargo run --release -p actor-core --features sim --example simulated`
use std::time::Instant;

use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape};

const ACTORS: usize = 64;
const TOKENS: u64 = 16;
const HOPS: u64 = 100_000;

/// Passes tokens on until they have gone far enough.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Node {
    next: Option<NodeRef>,
}

#[messages]
impl Node {
    #[message]
    fn meet(&mut self, next: NodeRef) {
        self.next = Some(next);
    }

    #[message]
    fn pass(&mut self, hops: u64) {
        if let (Some(next), Some(left)) = (&self.next, hops.checked_sub(1)) {
            next.pass(left).tell().expect("it lives");
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (what, tape) in
        [("first come, first served", Tape::default()), ("with a tape", Tape::random(1, 2_000_000))]
    {
        let sim = Sim::new(tape);
        let nodes = (0..ACTORS).map(|_| sim.spawn(|| Node { next: None })).collect::<Result<Vec<_>, _>>()?;
        for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
            node.meet(next.clone()).tell()?;
        }
        sim.settle(10_000)?;
        for (node, _) in nodes.iter().cycle().step_by(4).zip(0..TOKENS) {
            node.pass(HOPS).tell()?;
        }
        let (began, before) = (Instant::now(), sim.trace());
        sim.settle(u64::MAX)?;
        let (took, after) = (began.elapsed(), sim.trace());
        let messages = after.handled - before.handled;
        println!("{what}: {messages} messages, {:.2} M/s", messages as f64 / took.as_secs_f64() / 1e6);
    }
    Ok(())
}
