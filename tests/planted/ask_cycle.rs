//! An ask cycle: actors that ask on while somebody waits for them.

use actor_core::prelude::*;
use actor_core::sim::Sim;
use proptest::prelude::*;

use crate::hunt::Outcome;

#[derive(Actor, Default)]
struct Node<const PLANTED: bool> {
    next: Option<NodeRef<PLANTED>>,
}

#[messages]
impl<const PLANTED: bool> Node<PLANTED> {
    #[message]
    fn link(&mut self, next: NodeRef<PLANTED>) {
        self.next = Some(next);
    }

    /// How far it has come; asked on and on.
    #[message]
    async fn walk(&mut self, hops: u32) -> Option<u32> {
        match &self.next {
            Some(next) if hops > 0 => Some(1 + next.walk(hops - 1).await.ok().flatten()?),
            _ => Some(0),
        }
    }

    /// The same, with the reply given on.
    #[message]
    fn pass(&mut self, hops: u32, done: u32, mut back: Vec<Reply<u32>>) {
        match &self.next {
            Some(next) if done < hops => drop(next.pass(hops, done + 1, back).tell()),
            _ => back.drain(..).for_each(|reply| reply.send(done)),
        }
    }

    #[message]
    fn begin(&mut self, hops: u32, reply: Reply<u32>) {
        self.pass(hops, 0, vec![reply]);
    }
}

/// From which node, and how far.
pub(crate) fn programs() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((0..3_usize, 0..6_u32), 0..6)
}

/// Each ask is answered with how far it was to go.
pub(crate) fn run<const PLANTED: bool>(sim: &Sim, program: &[(usize, u32)]) -> Outcome {
    let nodes = [(); 3].map(|()| sim.spawn(Node::<PLANTED>::default));
    let nodes: Vec<_> = nodes.into_iter().collect::<Result<_, _>>()?;
    for (at, node) in nodes.iter().enumerate() {
        node.link(nodes[(at + 1) % 3].clone()).wait()?;
    }
    for (from, hops) in program {
        let came =
            if PLANTED { nodes[*from].walk(*hops).wait()? } else { Some(nodes[*from].begin(*hops).wait()?) };
        if came != Some(*hops) {
            return Err(format!("from {from} it should go {hops} far, and came {came:?}").into());
        }
    }
    Ok(())
}
