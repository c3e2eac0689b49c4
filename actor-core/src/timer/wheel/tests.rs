//! The wheel against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    /// So many ticks from now; negative is over already.
    Arm(i64),
    /// One of all that were ever armed.
    Cancel(usize),
    /// So many ticks on, taking so many timers at a time.
    Advance(u64, usize),
    /// To where the wheel has something to do next.
    ToNext,
}

/// Distances of all magnitudes, many of them at a boundary of levels.
fn distance() -> impl Strategy<Value = u64> {
    let boundary = (0..LEVELS as u32, 0..3_u64).prop_map(|(level, near)| (1 << (BITS * level)) + near - 1);
    prop_oneof![4 => 0..200_u64, 2 => 0..300_000_u64, 2 => boundary, 1 => 0..LAST, 1 => any::<u64>()]
}

fn op() -> impl Strategy<Value = Op> {
    let arm = prop_oneof![
        9 => distance().prop_map(|far| Op::Arm(far.try_into().unwrap_or(i64::MAX))),
        1 => (-500..0_i64).prop_map(Op::Arm),
    ];
    let work = prop_oneof![Just(usize::MAX), 1..5_usize];
    // Years in one step would leave nothing to look at after it.
    let advance = (prop_oneof![5 => 0..200_u64, 1 => 0..20_000_000_u64], work);
    prop_oneof![
        8 => arm,
        3 => any::<usize>().prop_map(Op::Cancel),
        3 => advance.prop_map(|(by, work)| Op::Advance(by, work)),
        2 => Just(Op::ToNext),
    ]
}

/// The wheel, what it should do, and a start: time does not begin at 0 in all tests.
struct Pair {
    wheel: Wheel<u64>,
    /// Deadline and number of what is armed, in the order in which it is to be taken.
    model: BTreeMap<(u64, u64), Key>,
    all: Vec<((u64, u64), Key)>,
    now: u64,
}

impl Pair {
    fn at(now: u64) -> Self {
        let mut wheel = Wheel::new();
        assert!(!wheel.advance(now, usize::MAX, &mut Vec::new()));
        Pair { wheel, model: BTreeMap::new(), all: Vec::new(), now }
    }

    fn arm(&mut self, at: u64) {
        let number = self.all.len() as u64;
        let (key, place) = (self.wheel.arm(at, number), (at.clamp(self.now, LAST), number));
        self.model.insert(place, key);
        self.all.push((place, key));
    }

    fn cancel(&mut self, which: usize) {
        if self.all.is_empty() {
            return;
        }
        let (place, key) = self.all[which % self.all.len()];
        let expected = self.model.remove(&place).map(|_| place.1);
        assert_eq!(self.wheel.cancel(key), expected);
    }

    /// Exactly what is due comes, in order, however little work is done at a time.
    fn advance(&mut self, to: u64, work: usize) {
        let to = to.min(LAST - 1);
        self.now = self.now.max(to);
        let mut taken = Vec::new();
        while self.wheel.advance(to, work, &mut taken) {}
        let due: Vec<_> = self.model.range(..=(self.now, u64::MAX)).map(|(place, _)| *place).collect();
        assert_eq!(taken, due.iter().map(|(_, number)| *number).collect::<Vec<_>>(), "at {}", self.now);
        for place in due {
            self.model.remove(&place);
        }
    }

    /// The wheel wants to be called no later than the first deadline, and not at once again.
    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        match (self.wheel.next(), self.model.first_key_value()) {
            (None, None) => {}
            (Some(next), Some(((first, _), _))) => {
                assert!(next <= *first, "calls at {next} for a deadline at {first}");
                assert!(next > self.now || *first <= self.now, "spins at {}", self.now);
            }
            (next, first) => panic!("next {next:?}, but the first deadline is {first:?}"),
        }
    }
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..1_000_000_u64, (1 << 40)..(1_u64 << 41)]
}

proptest! {
    #[test]
    fn each_timer_comes_once_in_time_and_in_order(
        start in start(),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut pair = Pair::at(start);
        for op in ops {
            match op {
                Op::Arm(far) => pair.arm(pair.now.saturating_add_signed(far)),
                Op::Cancel(which) => pair.cancel(which),
                Op::Advance(by, work) => pair.advance(pair.now + by, work),
                Op::ToNext => {
                    let next = pair.wheel.next().filter(|next| *next < LAST);
                    pair.advance(next.unwrap_or(pair.now), usize::MAX);
                }
            }
            pair.check();
        }
    }

    #[test]
    fn half_moved_slots_lose_nothing(
        start in start(),
        deadlines in prop::collection::vec(0..10_000_u64, 1..100),
        steps in prop::collection::vec((0..3_000_u64, 1..20_usize, 0..200_u64, any::<usize>()), 1..50),
    ) {
        // Between two calls that do a part of the work only, timers are armed and cancelled.
        let mut pair = Pair::at(start);
        for far in deadlines {
            pair.arm(start + far);
        }
        for (by, work, far, which) in steps {
            let mut taken = Vec::new();
            let to = pair.now + by;
            let more = pair.wheel.advance(to, work, &mut taken);
            for number in taken {
                let (place, _) = pair.all[number as usize];
                prop_assert!(place.0 <= to, "early");
                prop_assert!(pair.model.remove(&place).is_some(), "twice, or although cancelled");
            }
            pair.now = to;
            if !more {
                prop_assert!(pair.model.keys().all(|(at, _)| *at > to), "late");
            }
            pair.arm(pair.now + far);
            pair.cancel(which);
            pair.wheel.next().map_or(Ok(()), |next| {
                let first = pair.model.keys().next().map(|(at, _)| *at);
                prop_assert!(first.is_some_and(|first| next <= first.max(pair.wheel.now)));
                Ok(())
            })?;
        }
    }

    #[test]
    fn a_far_deadline_needs_few_calls(start in start(), far in 0..LAST / 2) {
        let mut wheel = Wheel::new();
        wheel.advance(start, usize::MAX, &mut Vec::new());
        wheel.arm(start + far, ());
        let (mut calls, mut due) = (0, Vec::new());
        while let Some(next) = wheel.next() {
            wheel.advance(next, usize::MAX, &mut due);
            calls += 1;
        }
        prop_assert!(calls <= LEVELS, "{calls}");
        prop_assert_eq!(due.len(), 1);
    }
}

#[test]
fn what_lies_beyond_the_last_tick_is_never_due() {
    let mut wheel = Wheel::new();
    let key = wheel.arm(u64::MAX, "never");
    let mut due = Vec::new();
    assert!(!wheel.advance(u64::MAX, usize::MAX, &mut due));
    assert!(due.is_empty());
    assert_eq!(wheel.next(), Some(LAST));
    assert_eq!(wheel.cancel(key), Some("never"));
    assert_eq!((wheel.next(), wheel.len()), (None, 0));
}

#[test]
fn a_timer_takes_a_cache_line_in_all() {
    assert_eq!(Slab::<crate::timer::Target>::PLACE + size_of::<Node>() + size_of::<u32>(), 64);
}

#[test]
fn cancelled_timers_leave_no_more_gaps_than_there_are_timers() {
    let mut wheel = Wheel::new();
    for number in 0..100_000 {
        // Every thousandth stays.
        let key = wheel.arm(5000, number);
        let last = wheel.arm(5000, number);
        if number % 1000 != 0 {
            assert_eq!(wheel.cancel(key), Some(number));
        }
        assert_eq!(wheel.cancel(last), Some(number));
    }
    let longest = wheel.slots.iter().map(Slot::length).max();
    assert!(longest.is_some_and(|longest| (100..300).contains(&longest)), "{longest:?}");
    let mut due = Vec::new();
    assert!(!wheel.advance(5000, usize::MAX, &mut due));
    assert!(due.into_iter().eq((0..100_000).step_by(1000)));
}
