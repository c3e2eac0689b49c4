//! Who is next is a choice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use actor_core::prelude::*;
use actor_core::sim::{Sim, Tape};

type Seen = Arc<Mutex<Vec<u32>>>;

/// Writes down what it is told, for all to see.
#[derive(Actor)]
pub struct Writer {
    seen: Seen,
}

#[messages]
impl Writer {
    #[message]
    fn write(&mut self, number: u32) {
        self.seen.lock().unwrap().push(number);
    }
}

/// Passes on what it is told.
#[derive(Actor)]
pub struct Relay {
    to: WriterRef,
}

#[messages]
impl Relay {
    #[message]
    fn pass(&mut self, number: u32) {
        self.to.write(number).tell().expect("there is room");
    }
}

/// Two relays are told 10, 11, 12 and 20, 21, 22: in which order that comes to the writer.
fn merged(tape: impl Into<Tape>) -> Vec<u32> {
    let sim = Sim::new(tape);
    let seen = Seen::default();
    let shown = seen.clone();
    let writer = sim.spawn(move || Writer { seen: shown.clone() }).unwrap();
    let relays = [0, 1].map(|_| {
        let to = writer.clone();
        sim.spawn(move || Relay { to: to.clone() }).unwrap()
    });
    for number in 0..3 {
        for (relay, tens) in relays.iter().zip([10, 20]) {
            relay.pass(tens + number).tell().unwrap();
        }
    }
    sim.settle(1_000).unwrap();
    std::mem::take(&mut seen.lock().unwrap())
}

#[test]
fn without_a_tape_who_came_first_is_next() {
    assert_eq!(merged([]), [10, 20, 11, 21, 12, 22]);
}

#[test]
fn all_orders_come_and_none_that_changes_what_one_sender_has_sent() {
    let orders: BTreeSet<_> = (0..2_000).map(|seed| merged(Tape::random(seed, 100))).collect();
    for order in &orders {
        for tens in [10, 20] {
            let of_one: Vec<_> = order.iter().filter(|number| *number / 10 * 10 == tens).collect();
            assert_eq!(of_one, [&tens, &(tens + 1), &(tens + 2)], "{order:?}");
        }
    }
    // Three of six places are one relay's.
    assert_eq!(orders.len(), 20, "{orders:?}");
}

#[test]
fn an_actor_handles_one_message_in_a_step() {
    let sim = Sim::new([]);
    let seen = Seen::default();
    let shown = seen.clone();
    let writer = sim.spawn(move || Writer { seen: shown.clone() }).unwrap();
    for number in 0..3 {
        writer.write(number).tell().unwrap();
    }
    while seen.lock().unwrap().is_empty() {
        assert!(sim.step());
    }
    for written in 1..=3 {
        assert_eq!(seen.lock().unwrap().len(), written);
        sim.step();
    }
    assert!(!sim.step(), "there is no more to do");
}

/// Tells itself again and again.
#[derive(Actor)]
struct Restless;

#[messages]
impl Restless {
    #[message]
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        // Until it is to stop.
        let _ = ctx.me().go_on().tell();
    }
}

#[test]
fn who_never_settles_is_named() {
    let sim = Sim::builder().steps(500).build([]);
    let restless = sim.spawn(|| Restless).unwrap();
    restless.go_on().tell().unwrap();
    let error = sim.settle(100).unwrap_err();
    assert_eq!(error.limit, 100);
    assert!(error.to_string().contains("Restless#1"), "{error}");
    assert!(sim.advance(std::time::Duration::from_secs(1)).is_err());
    restless.stop();
    sim.settle(100).unwrap();
}

#[test]
fn the_story_says_who_sent_what_to_whom() {
    let sim = Sim::builder().tells(true).build([]);
    let writer = sim.spawn(|| Writer { seen: Seen::default() }).unwrap();
    let relay = sim.spawn(move || Relay { to: writer.clone() }).unwrap();
    relay.pass(1).tell().unwrap();
    sim.settle(100).unwrap();
    let story = sim.story();
    for line in
        ["the test sends pass to Relay#2", "Relay#2 sends write to Writer#1", "Writer#1 handles write"]
    {
        assert!(story.contains(line), "{story}");
    }
}
