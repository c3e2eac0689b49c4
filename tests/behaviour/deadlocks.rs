//! Asks that wait for one another are refused at once, and those that wait for long are reported.

use std::time::Duration;

use actor_core::ActorId;
use actor_core::observe::{Event, WaitingAsk};
use actor_core::prelude::*;

use crate::support::{Gate, LIMIT, builder, eventually};

/// Asks the next one, which may ask on.
#[derive(Actor, Default)]
struct Link {
    next: Option<LinkRef>,
    gate: Gate,
}

#[messages]
impl Link {
    #[message]
    fn lead_to(&mut self, next: LinkRef) {
        self.next = Some(next);
    }

    /// The length of the chain, or who was refused on the way.
    #[message]
    async fn length(&mut self) -> Result<u32, String> {
        let Some(next) = &self.next else { return Ok(1) };
        match next.length().await {
            Ok(length) => Ok(length + 1),
            Err(AskError::Deadlock(_)) => Err("deadlock".to_owned()),
            Err(AskError::Failed(why)) => Err(why),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    /// As `length`, with a limit on the next one's answer.
    #[message]
    async fn length_within(&mut self, limit: Duration) -> Result<u32, String> {
        let Some(next) = &self.next else { return Ok(1) };
        match next.length_within(limit).within(limit).await {
            Ok(length) => Ok(length + 1),
            Err(AskError::TimedOut) => Err("timed out".to_owned()),
            Err(AskError::Failed(why)) => Err(why),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    #[message(blocking)]
    fn length_from_the_pool(&mut self) -> Result<u32, String> {
        let Some(next) = &self.next else { return Ok(1) };
        next.length().wait().map(|length| length + 1).map_err(|error| match error {
            AskError::Deadlock(_) => "deadlock".to_owned(),
            AskError::Failed(why) => why,
            other => format!("{other:?}"),
        })
    }

    #[message]
    fn block(&self) {
        self.gate.pass();
    }
}

/// Actors each of which leads to the next, and the last to the first.
fn circle(system: &System, length: usize) -> Vec<LinkRef> {
    let links: Vec<_> = (0..length).map(|_| system.spawn(Link::default).unwrap()).collect();
    for (at, link) in links.iter().enumerate() {
        link.lead_to(links[(at + 1) % length].clone()).wait().unwrap();
    }
    links
}

fn pairs(path: &[WaitingAsk]) -> Vec<(ActorId, ActorId)> {
    path.iter().map(|ask| (ask.by.expect("an actor's").actor, ask.to.actor)).collect()
}

#[test]
fn a_circle_of_asks_is_refused_with_its_path() {
    for length in [1, 2, 3, 10] {
        let system = builder(2).deadlocks(true).build().unwrap();
        let events = system.events().subscribe(16);
        let links = circle(&system, length);
        let answer = links[0].length().within(LIMIT).wait();
        assert_eq!(answer.unwrap_err().into_failed().as_deref(), Some("deadlock"), "{length} actors");
        let Ok(Event::Deadlock(path)) = events.try_recv() else { panic!("no event") };
        let ids: Vec<_> = links.iter().map(|link| link.id()).collect();
        // The last of the circle asks the first.
        let expected: Vec<_> =
            (0..length).map(|at| (ids[(at + length - 1) % length], ids[at % length])).collect();
        assert_eq!(pairs(&path), expected);
        assert!(path.iter().all(|ask| ask.message == "length" && ask.to.name == "Link"));
        let asks = system.snapshot().asks;
        assert_eq!(asks.deadlocks, 1);
    }
}

#[test]
fn debug_builds_watch_unless_told_otherwise() {
    let system = builder(2).build().unwrap();
    let links = circle(&system, 2);
    let watched = cfg!(debug_assertions);
    if watched {
        assert!(links[0].length().within(LIMIT).wait().unwrap_err().into_failed().is_some());
    }
    let system = builder(2).deadlocks(false).build().unwrap();
    let links = circle(&system, 2);
    let asked = links[0].length().within(Duration::from_millis(50)).wait();
    assert!(matches!(asked, Err(AskError::TimedOut)), "{asked:?}");
    assert_eq!(system.snapshot().asks.deadlocks, 0);
    links.iter().for_each(|link| link.kill());
}

#[test]
fn asks_with_a_limit_end_by_themselves() {
    let system = builder(2).deadlocks(true).build().unwrap();
    let links = circle(&system, 3);
    let answer = links[0].length_within(Duration::from_millis(20)).within(LIMIT).wait();
    assert_eq!(answer.unwrap_err().into_failed().as_deref(), Some("timed out"));
    assert_eq!(system.snapshot().asks.deadlocks, 0);
}

#[test]
fn a_chain_is_no_circle_and_leaves_nothing_behind() {
    let system = builder(2).deadlocks(true).build().unwrap();
    let links = circle(&system, 5);
    // The last one leads nowhere now.
    links[4].kill();
    let end = system.spawn(Link::default).unwrap();
    links[3].lead_to(end).wait().unwrap();
    for _ in 0..100 {
        assert_eq!(links[0].length().within(LIMIT).wait().unwrap(), 5);
    }
    assert_eq!(system.snapshot().asks.deadlocks, 0);
}

#[test]
fn a_blocking_handler_is_in_the_circle_too() {
    let system = builder(2).deadlocks(true).build().unwrap();
    let links = circle(&system, 2);
    let answer = links[0].length_from_the_pool().within(LIMIT).wait();
    assert_eq!(answer.unwrap_err().into_failed().as_deref(), Some("deadlock"));
}

#[test]
fn an_ask_that_was_killed_waits_for_nobody() {
    let system = builder(2).deadlocks(true).build().unwrap();
    let (gate, inside) = (Gate::default(), Gate::default());
    let passes = gate.clone();
    let held = system.spawn(move || Link { next: None, gate: passes.clone() }).unwrap();
    let asker = system.spawn(move || Link { next: None, gate: inside.clone() }).unwrap();
    asker.lead_to(held.clone()).wait().unwrap();
    held.block().tell().unwrap();
    gate.somebody_waits();
    // It asks the one that is held up, and is killed there.
    asker.length().tell().unwrap();
    eventually("the ask is in the mailbox", || held.mailbox().queued == 1);
    asker.kill();
    // The next incarnation leads nowhere.
    assert_eq!(asker.length().within(LIMIT).wait().unwrap(), 1);
    gate.open();
    held.lead_to(asker).wait().unwrap();
    assert_eq!(held.length().within(LIMIT).wait().unwrap(), 2);
    assert_eq!(system.snapshot().asks.deadlocks, 0);
}

#[test]
fn an_overdue_ask_is_reported_and_goes_on() {
    let system = builder(2).overdue_asks(Duration::from_millis(20)).build().unwrap();
    let events = system.events().subscribe(16);
    let gate = Gate::default();
    let inside = gate.clone();
    let link = system.spawn(move || Link { next: None, gate: inside.clone() }).unwrap();
    let (asker, last) = (system.spawn(Link::default).unwrap(), link.clone());
    asker.lead_to(last).wait().unwrap();
    link.block().tell().unwrap();
    gate.somebody_waits();
    let asked = asker.clone();
    let thread = std::thread::spawn(move || asked.length().wait());
    eventually("both asks are reported", || system.snapshot().asks.overdue == 2);
    let overdue = || loop {
        if let Event::AskOverdue(ask) = events.recv_timeout(LIMIT).expect("an event") {
            break ask;
        }
    };
    let mut asks = [overdue(), overdue()];
    asks.sort_by_key(|ask| ask.by.map(|by| by.actor));
    assert_eq!((asks[0].by, asks[0].to.actor), (None, asker.id()));
    assert_eq!((asks[1].by.map(|by| by.actor), asks[1].to.actor), (Some(asker.id()), link.id()));
    assert!(asks.iter().all(|ask| ask.message == "length" && ask.waited >= Duration::from_millis(20)));
    gate.open();
    assert_eq!(thread.join().unwrap().unwrap(), 2);
    assert_eq!(system.snapshot().asks.overdue, 2, "each is reported once");
}
