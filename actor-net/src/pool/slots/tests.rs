use proptest::prelude::*;

use super::*;

/// So many connections that are up.
fn up(n: usize, in_flight: usize, choice: Choice) -> Slots {
    let mut slots = Slots::new(n, in_flight, choice, 0);
    for at in 0..n {
        assert_eq!(slots.begin(), Some(at));
        slots.opened(at);
    }
    assert_eq!(slots.begin(), None);
    slots
}

fn chosen(slots: &mut Slots, times: usize) -> Vec<Option<usize>> {
    (0..times).map(|_| slots.choose()).collect()
}

#[test]
fn the_least_loaded_or_one_after_the_other() {
    let mut least = up(3, 2, Choice::LeastLoaded);
    assert_eq!(chosen(&mut least, 3), [Some(0), Some(1), Some(2)]);
    least.done(1);
    assert_eq!(chosen(&mut least, 5), [Some(1), Some(0), Some(1), Some(2), None]);
    let mut robin = up(3, 2, Choice::RoundRobin);
    assert_eq!(chosen(&mut robin, 2), [Some(0), Some(1)]);
    robin.done(0);
    robin.done(1);
    assert_eq!(chosen(&mut robin, 2), [Some(2), Some(0)]);
}

#[test]
fn one_that_cannot_be_made_makes_the_backend_be_down_until_one_can() {
    let mut slots = Slots::new(2, 1, Choice::LeastLoaded, 0);
    assert_eq!((slots.begin(), slots.coming()), (Some(0), 1));
    let Then::Retry { failures: 0, life } = slots.ended(0, false) else { panic!("it is tried again") };
    assert!(slots.is_down() && slots.out() == 1);
    assert_eq!(slots.begin(), None, "who is down is not tried by all slots at once");
    assert!(!slots.retry(0, life - 1), "an earlier life's");
    assert!(slots.retry(0, life) && slots.is_down());
    assert!(matches!(slots.ended(0, false), Then::Retry { failures: 1, .. }));
    assert!(slots.retry(0, slots.life(0)));
    slots.opened(0);
    assert!(!slots.is_down());
    assert_eq!(slots.choose(), Some(0));
    slots.done(0);
    assert!(matches!(slots.ended(0, false), Then::Retry { failures: 0, .. }), "it was healthy meanwhile");
    assert!(!slots.is_down(), "it was there a moment ago");
    assert_eq!(slots.begin(), Some(1));
}

#[test]
fn one_that_ends_idle_or_when_it_is_to_has_not_failed() {
    let mut slots = up(2, 1, Choice::LeastLoaded);
    assert_eq!(slots.ended(0, true), Then::Nothing);
    assert_eq!(slots.choose(), Some(1));
    slots.retire(1);
    assert_eq!(slots.choose(), None);
    assert_eq!(slots.ended(1, false), Then::Nothing);
    let mut busy = up(1, 1, Choice::LeastLoaded);
    busy.choose();
    assert!(matches!(busy.ended(0, true), Then::Retry { .. }), "a request was under way");
}

proptest! {
    /// Whatever happens, a connection is chosen only while it is up, and never beyond what it takes.
    #[test]
    fn nothing_goes_where_nothing_can(steps in prop::collection::vec((0..6_u8, 0..3_usize), 0..300)) {
        let mut slots = Slots::new(3, 2, Choice::RoundRobin, 0);
        for (step, at) in steps {
            let state = slots.slots[at].state;
            match step {
                0 => drop(slots.begin()),
                1 if state == State::Coming => slots.opened(at),
                2 if slots.slots[at].load > 0 => slots.done(at),
                3 if state != State::Empty && state != State::Out => drop(slots.ended(at, at == 1)),
                4 if state == State::Out => { slots.retry(at, slots.life(at)); }
                _ => {
                    let room = slots.slots.iter().any(|slot| slot.state == State::Up && slot.load < 2);
                    let chosen = slots.choose();
                    prop_assert_eq!(chosen.is_some(), room);
                    if let Some(chosen) = chosen {
                        prop_assert!(slots.slots[chosen].state == State::Up);
                    }
                }
            }
            prop_assert!(slots.slots.iter().all(|slot| slot.load <= 2));
        }
    }
}
