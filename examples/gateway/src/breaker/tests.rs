use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings {
    failures: 3,
    window: Duration::from_millis(1000),
    open: Duration::from_millis(100),
    open_at_most: Duration::from_millis(500),
    probes: 2,
};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One that has just opened.
fn open(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(SETTINGS);
    assert_eq!(breaker.failed(now), None);
    assert_eq!(breaker.failed(now), None);
    assert_eq!(breaker.failed(now), Some(Change::Opened(millis(100))));
    breaker
}

#[test]
fn failures_outside_of_the_window_do_not_count() {
    let start = Instant::now();
    let mut breaker = Breaker::new(SETTINGS);
    for n in 0..50 {
        assert_eq!(breaker.failed(start + millis(501 * n)), None, "two are in the window");
    }
    assert!(breaker.allows());
    let now = start + millis(501 * 49 + 1);
    assert_eq!(breaker.failed(now), Some(Change::Opened(millis(100))));
    assert!(!breaker.allows());
}

#[test]
fn what_was_on_its_way_changes_nothing() {
    let now = Instant::now();
    let mut breaker = open(now);
    assert_eq!(breaker.failed(now + millis(50)), None);
    assert_eq!(breaker.due(), Some(now + millis(100)));
    assert_eq!(breaker.probed(true, now + millis(50)), None, "there was no probe");
    assert!(!breaker.allows());
}

#[test]
fn one_probe_at_a_time_and_as_many_as_it_takes() {
    let now = Instant::now();
    let mut breaker = open(now);
    assert!(!breaker.probe(now + millis(99)), "not yet due");
    let now = now + millis(100);
    assert!(breaker.probe(now));
    assert!(!breaker.probe(now) && !breaker.allows(), "one is on its way");
    assert_eq!(breaker.probed(true, now), None);
    assert!(breaker.probe(now), "it takes two");
    assert_eq!(breaker.probed(true, now), Some(Change::Closed));
    assert!(breaker.allows() && !breaker.probe(now));
}

#[test]
fn it_is_open_for_twice_as_long_each_time_up_to_a_limit() {
    let mut now = Instant::now();
    let mut breaker = open(now);
    for expected in [200, 400, 500, 500] {
        now = breaker.due().expect("open");
        assert!(breaker.probe(now));
        assert_eq!(breaker.probed(false, now), Some(Change::Opened(millis(expected))));
    }
    now = breaker.due().expect("open");
    assert!(breaker.probe(now) && breaker.probed(true, now).is_none());
    assert!(breaker.probe(now) && breaker.probed(true, now) == Some(Change::Closed));
    breaker.failed(now);
    breaker.failed(now);
    assert_eq!(breaker.failed(now), Some(Change::Opened(millis(100))), "as if for the first time");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Failed,
    Probe,
    Probed(bool),
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Failed),
        2 => Just(Step::Probe),
        2 => any::<bool>().prop_map(Step::Probed),
    ];
    proptest::collection::vec((0..400_u64, step), 0..200)
}

proptest! {
    /// Whatever happens in whatever order: it is never open without a way out, and what it says has
    /// changed is what has.
    #[test]
    fn it_always_has_a_way_back(steps in steps()) {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(SETTINGS);
        let mut on_its_way = false;
        for (pause, step) in steps {
            now += millis(pause);
            let before = breaker.allows();
            let change = match step {
                Step::Failed => breaker.failed(now),
                Step::Probe => {
                    let due = breaker.probe(now);
                    prop_assert!(!(due && on_its_way), "two probes at a time");
                    on_its_way |= due;
                    None
                }
                Step::Probed(answered) => {
                    let change = breaker.probed(answered, now);
                    prop_assert!(on_its_way || change.is_none(), "there was no probe");
                    on_its_way = false;
                    change
                }
            };
            match change {
                None => prop_assert_eq!(breaker.allows(), before),
                Some(Change::Closed) => prop_assert!(breaker.allows() && !before),
                Some(Change::Opened(time)) => {
                    prop_assert!(time <= SETTINGS.open_at_most);
                    prop_assert_eq!(breaker.due(), Some(now + time));
                }
            }
            if !breaker.allows() && !on_its_way {
                let due = breaker.due().unwrap_or(now).max(now);
                prop_assert!(breaker.clone().probe(due), "no way back: {}", breaker.state());
            }
        }
    }
}
