//! What the auditor does is a step like any other, in the simulation's time.

use std::time::Duration;

use actor_core::observe::Event;
use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape};
use actor_core::{Growth, Leaks, Remedy};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Has refs to others, makes more of them, and loses them.
#[derive(Actor, Default)]
pub struct Node {
    refs: Vec<NodeRef>,
}

#[messages]
impl Node {
    #[message]
    fn make(&mut self, ctx: &mut Context<Self>) {
        self.refs.extend(ctx.spawn(Node::default));
    }

    /// Its own and that of the one that it has made last are in a circle.
    #[message]
    fn circle(&mut self, ctx: &mut Context<Self>) {
        if let Some(last) = self.refs.last() {
            let _ = last.take(ctx.me()).tell();
        }
    }

    #[message]
    fn take(&mut self, other: NodeRef) {
        self.refs.push(other);
    }

    #[message]
    fn lose(&mut self) {
        self.refs.clear();
    }

    /// Passes the last ref that it has on to others, who do the same.
    #[message]
    fn pass(&mut self, others: Vec<NodeRef>, times: u32) {
        let Some((next, last)) = others.first().zip(self.refs.pop()) else { return };
        let _ = next.take(last).tell();
        if times > 0 {
            let others = [&others[1..], &others[..1]].concat();
            let _ = next.pass(others, times - 1).tell();
        }
    }

    #[message]
    fn count(&self) -> usize {
        self.refs.len()
    }

    #[message]
    async fn ask(&self, other: NodeRef) {
        let _ = other.never().await;
    }

    #[message]
    async fn never(&self) {
        std::future::pending().await
    }
}

fn audited(audits: impl Fn(actor_core::Builder) -> actor_core::Builder + 'static) -> Sim {
    Sim::builder().system(audits).tells(true).build([])
}

#[test]
fn a_leak_and_a_circle_are_found_in_the_simulations_time() {
    let sim = audited(|system| system.leaks(Leaks::new(Remedy::Stop).every(30 * SECOND)));
    let events = sim.events().subscribe(100);
    let node = sim.spawn(Node::default).unwrap();
    for _ in 0..2 {
        node.make().tell().unwrap();
    }
    let made = sim.spawn(Node::default).unwrap();
    made.make().tell().unwrap();
    made.circle().tell().unwrap();
    drop(made);
    sim.advance(10 * MINUTE).unwrap();
    // That which nobody has, and the one that is in a circle with it; not those that somebody has.
    let mut leaked: Vec<_> = events
        .try_iter()
        .filter_map(
            |event| if let Event::Leaked(leak) = event { Some((leak.actor, leak.group)) } else { None },
        )
        .collect();
    leaked.sort();
    assert_eq!(leaked.len(), 2, "{leaked:?}");
    assert!(leaked.iter().all(|(_, group)| *group == 2), "{leaked:?}");
    assert_eq!(node.count().wait().unwrap(), 2);
    node.lose().wait().unwrap();
    let before = sim.now();
    sim.advance(2 * MINUTE).unwrap();
    assert_eq!(events.try_iter().filter(|event| matches!(event, Event::Leaked(_))).count(), 2);
    assert!(sim.story().contains("leaked: Node#"), "{}", sim.story());
    assert!(sim.now() - before == 2 * MINUTE && sim.snapshot().actors_alive() == 2);
    sim.check().unwrap();
}

/// A ref goes round while scans do: at each moment somebody has it, or it is in a message.
fn one_that_is_passed_on(sim: &Sim) {
    let nodes = [0, 1, 2].map(|_| sim.spawn(Node::default).unwrap());
    nodes[0].make().tell().unwrap();
    nodes[0].pass(nodes[1..].to_vec(), 20).tell().unwrap();
    // Scans begin while it does: time may pass for as long as the slack says.
    sim.advance(Duration::from_millis(20)).unwrap();
    let counts = nodes.each_ref().map(|node| node.count().wait().unwrap());
    assert_eq!(counts.iter().sum::<usize>(), 1);
    assert_eq!(sim.snapshot().actors_alive(), 5, "nobody was taken for leaked: {counts:?}");
}

#[test]
fn nobody_who_is_reached_is_taken_for_leaked_whatever_the_order() {
    let often = Leaks::new(Remedy::Stop).every(Duration::from_millis(1));
    Sim::builder().system(move |system| system.leaks(often)).cases(200, one_that_is_passed_on);
}

#[test]
fn the_same_tape_makes_the_same_run_with_an_auditor() {
    let trace = |seed| {
        let often = Leaks::new(Remedy::Stop).every(10 * SECOND);
        let system =
            move |system: actor_core::Builder| system.leaks(often).growth(Growth::new()).overdue_asks(MINUTE);
        let sim = Sim::builder().system(system).build(Tape::random(seed, 1_000));
        let node = sim.spawn(Node::default).unwrap();
        for _ in 0..5 {
            node.make().tell().unwrap();
            node.circle().tell().unwrap();
        }
        sim.advance(SECOND).unwrap();
        node.lose().tell().unwrap();
        sim.advance(MINUTE).unwrap();
        sim.trace()
    };
    for seed in 0..100 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}

#[test]
fn asks_messages_and_growth_are_looked_at_in_the_simulations_time() {
    let sim = audited(|system| {
        let growth = Growth::new().window(MINUTE).windows(3).by(6);
        system.overdue_asks(10 * SECOND).overdue_messages(20 * SECOND, Remedy::Report).growth(growth)
    });
    let events = sim.events().subscribe(100);
    let [one, other] = [0, 1].map(|_| sim.spawn(Node::default).unwrap());
    one.ask(other.clone()).tell().unwrap();
    sim.settle(100).unwrap();
    other.lose().tell().unwrap();
    for _ in 0..5 {
        sim.advance(MINUTE).unwrap();
        (0..3).for_each(|_| drop(sim.spawn(Node::default).unwrap()));
    }
    let events: Vec<_> = events.try_iter().collect();
    let (mut asks, mut messages, mut growing) = (0, 0, 0);
    for event in &events {
        match event {
            Event::AskOverdue(ask) => asks += usize::from(ask.message == "never"),
            Event::MessageOverdue(message) => messages += usize::from(message.actor == other.id()),
            Event::Growing(_) => growing += 1,
            _ => {}
        }
    }
    assert_eq!((asks, messages, growing), (1, 1, 1), "{events:?}");
}

#[test]
fn silence_is_in_the_simulations_time() {
    let sim = audited(|system| system);
    let node = sim.actor(Node::default).silence(MINUTE).spawn().unwrap();
    for _ in 0..10 {
        sim.advance(MINUTE / 2).unwrap();
        node.count().wait().unwrap();
    }
    sim.advance(3 * MINUTE).unwrap();
    assert!(!node.is_alive());
    assert!(sim.story().contains("silent: Node#1"), "{}", sim.story());
}
