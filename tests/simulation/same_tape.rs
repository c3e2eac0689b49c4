//! The same tape makes the same run.

use std::time::Duration;

use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape, Trace};
use actor_core::{Backoff, ChildSpec, Strategy};

/// Does a bit of everything to others of its kind.
#[derive(Actor)]
#[actor(mailbox = 4)]
pub struct Busy {
    others: Vec<BusyRef>,
    left: u32,
}

#[messages]
impl Busy {
    #[message]
    fn meet(&mut self, other: BusyRef) {
        self.others.push(other);
    }

    #[message]
    fn tell(&mut self, depth: u32) {
        if depth > 0 {
            for other in &self.others {
                // It may be full.
                let _ = other.tell(depth - 1).tell();
            }
        }
    }

    #[message]
    async fn ask(&mut self, depth: u32) -> u32 {
        let mut sum = 1;
        if depth > 0 {
            for other in &self.others {
                sum += other.ask(depth - 1).within(Duration::from_millis(3)).await.unwrap_or(0);
            }
        }
        sum
    }

    #[message]
    async fn compute(&mut self, ctx: &mut Context<Self>) {
        self.left += ctx.blocking(|| 1).await.unwrap_or(0);
    }

    #[message]
    fn fail(&mut self) {
        std::panic::resume_unwind(Box::new("on purpose"));
    }

    #[started]
    fn begin(&mut self, ctx: &mut Context<Self>) {
        ctx.every(Duration::from_millis(2), || BusyTick {});
    }

    #[message]
    fn tick(&mut self) {
        self.left += 1;
        if let Some(other) = self.others.first() {
            let _ = other.tell(1).tell();
        }
    }
}

fn run(tape: Tape) -> (Trace, Vec<u16>) {
    let sim = Sim::new(tape);
    let spec = |id: &str| {
        let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(50));
        ChildSpec::new(id, || Busy { others: Vec::new(), left: 0 }).name(id).backoff(backoff)
    };
    let tree = sim.supervisor().strategy(Strategy::RestForOne).intensity(100, Duration::from_secs(1));
    let _tree = tree.child(spec("a")).child(spec("b")).child(spec("c")).start().wait().unwrap();
    let busy = ["a", "b", "c"].map(|name| sim.lookup::<Busy>(name).unwrap());
    for one in &busy {
        for other in &busy {
            let _ = one.meet(other.clone()).tell();
        }
    }
    for one in &busy {
        let _ = one.tell(3).tell();
        let _ = one.ask(2).tell();
        let _ = one.compute().tell();
    }
    sim.advance(Duration::from_millis(5)).unwrap();
    let _ = busy[1].fail().tell();
    sim.advance(Duration::from_millis(20)).unwrap();
    (sim.trace(), sim.tape().numbers().to_vec())
}

#[test]
fn a_thousand_tapes_run_twice_make_the_same_trace() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..1_000 {
        let (first, taken) = run(Tape::random(seed, 400));
        let (second, _) = run(Tape::random(seed, 400));
        assert_eq!(first, second, "seed {seed}");
        if seed % 100 == 0 {
            assert_eq!(run(taken.into()).0, first, "the tape as far as it was used, seed {seed}");
        }
        traces.insert(first.hash);
    }
    assert!(traces.len() > 990, "other tapes make other runs: {}", traces.len());
}
