//! Decisions, by hand and against a world that proptest makes up.

use std::collections::BTreeMap;

use proptest::prelude::{prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Made;

use super::*;
use crate::clock;

const WAIT: Exit = Exit { why: Why::Abnormal, waits: true };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn rules(restart: Restart) -> Rules {
    Rules { restart, significant: false, stop_within: ms(100), start_within: ms(50), backoff: None }
}

/// Slots, the time, and the children as they do what they are told.
struct World {
    slots: Slots,
    now: Instant,
    keys: Vec<SlotKey>,
}

impl World {
    fn new(strategy: Strategy, restarts: u32, children: &[Rules]) -> World {
        Self::shutting_down(strategy, AutoShutdown::Never, restarts, children)
    }

    fn shutting_down(strategy: Strategy, auto: AutoShutdown, restarts: u32, children: &[Rules]) -> World {
        let slots = Slots::new(strategy, auto, Intensity::new(restarts, ms(1000)));
        let mut world = World { slots, now: clock::now(), keys: Vec::new() };
        for rules in children {
            let key = world.slots.add(*rules);
            world.keys.push(key);
            world.slots.start(key, true, world.now);
            world.slots.started(key, world.now);
        }
        world.slots.take_actions();
        world
    }

    fn permanent(strategy: Strategy, children: usize) -> World {
        World::new(strategy, 1000, &vec![rules(Restart::Permanent); children])
    }

    fn at(&self) -> Moment {
        Moment { now: self.now, chance: Chance(0) }
    }

    fn exited(&mut self, child: usize, exit: Exit) -> Vec<String> {
        self.slots.exited(self.keys[child], exit, self.at());
        self.actions()
    }

    fn started(&mut self, child: usize) -> Vec<String> {
        self.slots.started(self.keys[child], self.now);
        self.actions()
    }

    fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.slots.due(self.at());
        self.actions()
    }

    fn terminate(&mut self, child: usize) -> Vec<String> {
        self.slots.terminate(self.keys[child], self.now);
        self.actions()
    }

    fn actions(&mut self) -> Vec<String> {
        let number = |key: SlotKey| self.keys.iter().position(|known| *known == key).unwrap();
        let text = |action| match action {
            Action::Start(key) => format!("start {}", number(key)),
            Action::Stop { slot, last } => {
                format!("stop {}{}", number(slot), if last { " for good" } else { "" })
            }
            Action::Kill { slot, last } => {
                format!("kill {}{}", number(slot), if last { " for good" } else { "" })
            }
            Action::End(key) => format!("end {}", number(key)),
            Action::GiveUp(key) => format!("give up {}", number(key)),
            Action::Remove(key) => format!("remove {}", number(key)),
            Action::Escalate(key) => format!("escalate {}", number(key)),
            Action::Shutdown => "shut down".to_owned(),
        };
        let actions = self.slots.take_actions();
        actions.into_iter().map(text).collect()
    }

    fn state(&self, child: usize) -> Option<State> {
        self.slots.state(self.keys[child])
    }

    fn runs(&self, child: usize) -> bool {
        matches!(self.state(child), Some(State::Running { .. }))
    }
}

const NONE: [&str; 0] = [];
const GONE: Exit = Exit { why: Why::Normal, waits: false };

#[test]
fn one_for_one_restarts_the_one() {
    let mut world = World::permanent(Strategy::OneForOne, 3);
    assert_eq!(world.exited(1, WAIT), ["start 1"]);
    assert!(matches!(world.state(1), Some(State::Restarting { .. })));
    assert_eq!(world.started(1), NONE);
    assert!(world.runs(1));
}

#[test]
fn one_for_all_stops_in_reverse_and_starts_in_order() {
    let mut world = World::permanent(Strategy::OneForAll, 3);
    assert_eq!(world.exited(1, WAIT), ["stop 2"]);
    assert_eq!(world.exited(2, WAIT), ["stop 0"]);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
    assert_eq!(world.started(0), ["start 1"]);
    assert_eq!(world.started(1), ["start 2"]);
    assert_eq!(world.started(2), NONE);
    assert!((0..3).all(|child| world.runs(child)));
}

#[test]
fn one_for_all_stops_the_restarted_first_if_one_does_not_start() {
    let mut world = World::permanent(Strategy::OneForAll, 3);
    world.exited(2, WAIT);
    world.exited(1, WAIT);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
    assert_eq!(world.started(0), ["start 1"]);
    assert_eq!(world.exited(1, WAIT), ["stop 0"]);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
}

#[test]
fn rest_for_one_goes_on_from_the_one_that_does_not_start() {
    let mut world = World::permanent(Strategy::RestForOne, 4);
    assert_eq!(world.exited(1, WAIT), ["stop 3"]);
    assert_eq!(world.exited(3, WAIT), ["stop 2"]);
    assert_eq!(world.exited(2, WAIT), ["start 1"]);
    assert_eq!(world.started(1), ["start 2"]);
    assert_eq!(world.exited(2, WAIT), ["start 2"]);
    assert_eq!(world.started(2), ["start 3"]);
}

#[test]
fn a_failure_in_the_midst_of_a_restart_begins_another() {
    let mut world = World::permanent(Strategy::RestForOne, 4);
    world.exited(2, WAIT);
    assert_eq!(world.exited(3, WAIT), ["start 2"]);
    // Before the group: it takes the rest with it, what is starting included.
    assert_eq!(world.exited(0, WAIT), ["kill 2"]);
    assert_eq!(world.exited(2, WAIT), ["stop 1"]);
    assert_eq!(world.exited(1, WAIT), ["start 0"]);
}

#[test]
fn the_end_of_one_that_would_be_stopped_does_not_count() {
    let mut world = World::new(Strategy::OneForAll, 1, &[rules(Restart::Permanent); 3]);
    assert_eq!(world.exited(0, WAIT), ["stop 2"]);
    assert_eq!(world.exited(1, WAIT), NONE);
    assert_eq!(world.exited(2, WAIT), ["start 0"]);
}

#[test]
fn a_restart_of_several_drops_the_temporary_and_starts_the_stopped() {
    let kinds = [Restart::Permanent, Restart::Temporary, Restart::Transient].map(rules);
    let mut world = World::new(Strategy::OneForAll, 10, &kinds);
    let normal = Exit { why: Why::Normal, waits: false };
    assert_eq!(world.exited(2, normal), NONE);
    assert_eq!(world.state(2), Some(State::Stopped));
    assert_eq!(world.exited(0, WAIT), ["stop 1 for good"]);
    assert_eq!(world.exited(1, normal), ["remove 1", "start 0"]);
    assert_eq!(world.started(0), ["start 2"]);
}

#[test]
fn terminated_in_the_midst_of_a_restart_it_stays_so() {
    let mut world = World::permanent(Strategy::OneForAll, 3);
    world.exited(0, WAIT);
    assert_eq!(world.terminate(1), ["stop 1 for good"]);
    assert_eq!(world.exited(1, Exit { why: Why::Normal, waits: false }), NONE);
    assert_eq!(world.exited(2, WAIT), ["start 0"]);
    assert_eq!(world.terminate(2), ["end 2"]);
    assert_eq!(world.exited(2, Exit { why: Why::Normal, waits: false }), NONE);
    assert_eq!(world.started(0), NONE);
    assert_eq!((world.state(1), world.state(2)), (Some(State::Stopped), Some(State::Stopped)));
}

#[test]
fn what_takes_too_long_is_killed_and_then_given_up() {
    let mut world = World::permanent(Strategy::OneForOne, 1);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
    assert_eq!(world.pass(ms(50)), ["kill 0"]);
    assert_eq!(world.pass(AFTER_KILL), ["give up 0", "start 0"]);
    world.started(0);
    assert_eq!(world.terminate(0), ["stop 0 for good"]);
    assert_eq!(world.pass(ms(100)), ["kill 0 for good"]);
    assert_eq!(world.pass(AFTER_KILL), ["give up 0"]);
    assert_eq!(world.state(0), Some(State::Stopped));
    assert_eq!(world.slots.next_due(), None);
}

#[test]
fn starts_that_fail_count() {
    let mut world = World::new(Strategy::OneForOne, 2, &[rules(Restart::Permanent)]);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
    assert_eq!(world.exited(0, WAIT), ["start 0"]);
    assert_eq!(world.exited(0, WAIT), ["end 0", "escalate 0"]);
}

#[test]
fn backoff_shows_and_is_called_off_by_a_termination() {
    let backoff = Some(Backoff::new(ms(10), ms(40)));
    let mut world = World::new(Strategy::OneForOne, 100, &[Rules { backoff, ..rules(Restart::Permanent) }]);
    for delay in [10, 20, 40, 40] {
        assert_eq!(world.exited(0, WAIT), NONE);
        assert!(matches!(world.state(0), Some(State::Delayed { .. })));
        assert_eq!(world.pass(ms(delay - 1)), NONE);
        assert_eq!(world.pass(ms(1)), ["start 0"]);
    }
    world.started(0);
    world.now += ms(40);
    assert_eq!(world.exited(0, WAIT), NONE, "it was healthy");
    assert_eq!(world.pass(ms(10)), ["start 0"]);
    world.exited(0, WAIT);
    assert_eq!(world.terminate(0), ["end 0"]);
    world.exited(0, Exit { why: Why::Normal, waits: false });
    assert_eq!(world.pass(ms(1000)), NONE);
}

#[test]
fn one_that_is_delayed_comes_back_after_a_failure_behind_it() {
    let delayed = Rules { backoff: Some(Backoff::new(ms(10), ms(40))), ..rules(Restart::Permanent) };
    for (strategy, first) in [(Strategy::RestForOne, 0), (Strategy::OneForAll, 1)] {
        let mut kinds = [rules(Restart::Permanent); 2];
        kinds[first] = delayed;
        let other = 1 - first;
        let mut world = World::new(strategy, 100, &kinds);
        world.terminate(other);
        world.exited(other, GONE);
        assert_eq!(world.exited(first, WAIT), NONE);
        assert!(matches!(world.state(first), Some(State::Delayed { .. })));
        // Started by request while the other waits, and failed.
        world.slots.start(world.keys[other], true, world.now);
        assert_eq!(world.actions(), [format!("start {other}")]);
        world.started(other);
        assert_eq!(world.exited(other, WAIT), NONE, "it waits for the one that is delayed");
        assert_eq!(world.pass(ms(40)), ["start 0"]);
        assert_eq!(world.started(0), ["start 1"]);
        world.started(1);
        assert!(world.runs(0) && world.runs(1));
    }
}

#[test]
fn the_others_of_a_restart_wait_for_the_backoff_of_the_one() {
    let kinds = [
        rules(Restart::Permanent),
        Rules { backoff: Some(Backoff::new(ms(10), ms(40))), ..rules(Restart::Permanent) },
    ];
    let mut world = World::new(Strategy::OneForAll, 100, &kinds);
    assert_eq!(world.exited(1, WAIT), ["stop 0"]);
    assert_eq!(world.exited(0, WAIT), NONE);
    assert_eq!(world.pass(ms(10)), ["start 0"]);
    assert_eq!(world.started(0), ["start 1"]);
}

#[test]
fn a_start_that_was_asked_for_is_not_tried_again() {
    let mut world = World::permanent(Strategy::OneForOne, 1);
    for stay in [true, false] {
        let key = world.slots.add(rules(Restart::Permanent));
        world.keys.push(key);
        world.slots.start(key, stay, world.now);
        let child = world.keys.len() - 1;
        assert_eq!(world.actions(), [format!("start {child}")]);
        // The actor may wait, as a permanent one does that was killed: it is told to end first.
        assert_eq!(world.exited(child, WAIT), [format!("end {child}")]);
        let end = world.exited(child, Exit { why: Why::Abnormal, waits: false });
        assert_eq!(end.len(), usize::from(!stay), "{end:?}");
    }
}

#[test]
fn a_start_that_is_not_needed_keeps_the_slot_but_a_temporary_ones() {
    let ignored = Exit { why: Why::Ignored, waits: false };
    for (restart, stays) in [(Restart::Permanent, true), (Restart::Temporary, false)] {
        let mut world = World::new(Strategy::OneForOne, 1, &[]);
        let key = world.slots.add(rules(restart));
        world.keys.push(key);
        world.slots.start(key, false, world.now);
        world.exited(0, ignored);
        assert_eq!(world.state(0), stays.then_some(State::Stopped));
    }
}

fn significant(restart: Restart) -> Rules {
    Rules { significant: true, ..rules(restart) }
}

#[test]
fn significant_children_that_end_by_themselves_shut_down() {
    let ended = Exit { why: Why::Normal, waits: false };
    let kinds = [significant(Restart::Transient), significant(Restart::Temporary), rules(Restart::Temporary)];
    let any = || World::shutting_down(Strategy::OneForOne, AutoShutdown::AnySignificant, 9, &kinds);
    assert_eq!(any().exited(0, ended), ["shut down"]);
    assert_eq!(any().exited(1, ended), ["remove 1", "shut down"]);
    assert_eq!(any().exited(2, ended), ["remove 2"]);
    assert_eq!(any().exited(0, WAIT), ["start 0"]);
    let mut terminated = any();
    terminated.terminate(0);
    assert_eq!(terminated.exited(0, ended), NONE);
    let mut all = World::shutting_down(Strategy::OneForOne, AutoShutdown::AllSignificant, 9, &kinds);
    assert_eq!(all.exited(0, ended), NONE);
    assert_eq!(all.exited(1, ended), ["remove 1", "shut down"]);
}

// ---- a world that is made up -----------------------------------------------------------------------

/// What a child of the world is at, as the world has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Real {
    Absent,
    Starts,
    Runs,
    Waits,
    /// It was asked, and told what comes then.
    Stops {
        last: bool,
    },
}

#[derive(Clone, Debug)]
enum Event {
    /// A child that is under way gets on, or ends as it was asked.
    Proceed(usize),
    Fail(usize),
    Leave(usize),
    Terminate(usize),
    Restart(usize),
    Pass(u64),
}

fn events() -> impl Made<Value = Vec<Event>> {
    let child = 0..5_usize;
    let event = prop_oneof![
        6 => child.clone().prop_map(Event::Proceed),
        2 => child.clone().prop_map(Event::Fail),
        1 => child.clone().prop_map(Event::Leave),
        1 => child.clone().prop_map(Event::Terminate),
        1 => child.prop_map(Event::Restart),
        1 => (0..150_u64).prop_map(Event::Pass),
    ];
    proptest::collection::vec(event, 0..120)
}

/// Does what is decided, and checks that it makes sense to a child in its place.
fn obey(world: &mut World, real: &mut BTreeMap<SlotKey, Real>, over: &mut bool) {
    for action in world.slots.take_actions() {
        match action {
            Action::Start(key) => {
                let child = real.get_mut(&key).unwrap();
                assert!(matches!(child, Real::Absent | Real::Waits), "started while it {child:?}");
                *child = Real::Starts;
            }
            Action::Stop { slot, last } | Action::Kill { slot, last } => {
                let child = real.get_mut(&slot).unwrap();
                if *child != Real::Absent {
                    *child = Real::Stops { last: last || *child == Real::Stops { last: true } };
                }
            }
            Action::End(key) => {
                assert_eq!(real[&key], Real::Waits, "ended while it did not wait");
                real.insert(key, Real::Stops { last: true });
            }
            Action::GiveUp(key) => drop(real.insert(key, Real::Absent)),
            Action::Remove(key) => assert_eq!(real.remove(&key), Some(Real::Absent)),
            Action::Escalate(_) | Action::Shutdown => *over = true,
        }
    }
}

/// Lets every child get on until nothing more happens.
fn settle(world: &mut World, real: &mut BTreeMap<SlotKey, Real>, over: &mut bool) {
    for _ in 0..500 {
        let next = real.iter().find(|(_, child)| matches!(child, Real::Starts | Real::Stops { .. }));
        match next.map(|(key, _)| *key) {
            Some(key) => proceed(world, real, key),
            None => match world.slots.next_due() {
                Some(at) => {
                    world.now = at.max(world.now);
                    world.slots.due(world.at());
                }
                None => return,
            },
        }
        obey(world, real, over);
    }
    panic!("it does not come to an end: {real:?}");
}

fn proceed(world: &mut World, real: &mut BTreeMap<SlotKey, Real>, key: SlotKey) {
    match real[&key] {
        Real::Starts => {
            real.insert(key, Real::Runs);
            world.slots.started(key, world.now);
        }
        Real::Stops { last } => {
            real.insert(key, if last { Real::Absent } else { Real::Waits });
            world.slots.exited(key, Exit { why: Why::Normal, waits: !last }, world.at());
        }
        Real::Absent | Real::Runs | Real::Waits => {}
    }
}

fn step(world: &mut World, real: &mut BTreeMap<SlotKey, Real>, event: &Event) {
    let key = |child: usize| real.keys().nth(child % real.len().max(1)).copied();
    match *event {
        Event::Proceed(child) => {
            if let Some(key) = key(child) {
                proceed(world, real, key);
            }
        }
        Event::Fail(child) | Event::Leave(child) => {
            let Some(key) = key(child) else { return };
            let fails = matches!(event, Event::Fail(_));
            let rules = world.slots.rules(key).unwrap();
            let returns = real[&key] == Real::Stops { last: false };
            let waits = returns
                || match rules.restart {
                    Restart::Permanent => true,
                    Restart::Transient => fails,
                    Restart::Temporary => false,
                };
            if !matches!(real[&key], Real::Runs | Real::Starts | Real::Stops { last: false }) {
                return;
            }
            real.insert(key, if waits { Real::Waits } else { Real::Absent });
            let why = if fails { Why::Abnormal } else { Why::Normal };
            world.slots.exited(key, Exit { why, waits }, world.at());
        }
        Event::Terminate(child) => {
            if let Some(key) = key(child) {
                world.slots.terminate(key, world.now);
            }
        }
        Event::Restart(child) => {
            if let Some(key) = key(child).filter(|key| world.slots.state(*key) == Some(State::Stopped)) {
                world.slots.start(key, true, world.now);
            }
        }
        Event::Pass(time) => {
            world.now += ms(time);
            world.slots.due(world.at());
        }
    }
}

proptest! {
    /// Whatever happens: nobody is told what he cannot do, every slot comes to rest, and then those that are to
    /// run do.
    #[test]
    fn every_slot_comes_to_rest(strategy in 0..3_usize, kinds in proptest::collection::vec(0..4_usize, 1..5),
        events in events())
    {
        let strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][strategy];
        let backoff = Some(Backoff::new(ms(10), ms(80)));
        let kinds: Vec<_> = kinds.into_iter().map(|kind| [
            rules(Restart::Permanent),
            Rules { backoff, ..rules(Restart::Permanent) },
            rules(Restart::Transient),
            Rules { stop_within: ms(0), ..rules(Restart::Temporary) },
        ][kind]).collect();
        let mut world = World::new(strategy, u32::MAX, &kinds);
        let mut real: BTreeMap<_, _> = world.keys.iter().map(|key| (*key, Real::Runs)).collect();
        let mut over = false;
        for event in &events {
            step(&mut world, &mut real, event);
            obey(&mut world, &mut real, &mut over);
        }
        settle(&mut world, &mut real, &mut over);
        prop_assert!(!over, "nothing escalates here");
        prop_assert_eq!(real.len(), world.slots.keys().count());
        for (key, child) in &real {
            match world.slots.state(*key) {
                Some(State::Running { .. }) => prop_assert_eq!(*child, Real::Runs),
                Some(State::Stopped) => prop_assert_eq!(*child, Real::Absent),
                other => prop_assert!(false, "{key:?} rests in {other:?}"),
            }
        }
    }
}
