//! Kinds of actors that have quanta of their own, longer or shorter than the system's.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::ActorId;
use actor_core::observe::Event;
use actor_core::prelude::*;

use crate::support::{LIMIT, eventually, patient, system};

const LONG: Duration = Duration::from_millis(50);
const SHORT: Duration = Duration::from_millis(5);

/// Takes its time, and may.
#[derive(Actor)]
#[actor(soft_quantum = "10s", hard_quantum = "1min")]
struct Slow;

#[messages]
impl Slow {
    #[message]
    fn nap(&mut self, long: Duration) {
        thread::sleep(long);
    }
}

/// Has the system's quanta, unless something is said where it is spawned.
#[derive(Actor)]
struct Plain;

#[messages]
impl Plain {
    #[message]
    fn nap(&mut self, long: Duration) {
        thread::sleep(long);
    }

    /// How long it takes until it should yield.
    #[message]
    fn goes_on_for(&mut self, ctx: &mut Context<Self>) -> Duration {
        let begun = Instant::now();
        while !ctx.should_yield() {
            assert!(begun.elapsed() < LIMIT, "it is never asked to end");
        }
        begun.elapsed()
    }
}

/// Is to give way soon.
#[derive(Actor)]
#[actor(hard_quantum = "5ms")]
struct Hasty(Arc<AtomicBool>);

#[messages]
impl Hasty {
    #[message]
    fn spin(&mut self) {
        while !self.0.load(Ordering::Relaxed) {
            spin_loop();
        }
    }
}

/// Sets what handlers wait for, also where a test fails.
struct Release(Arc<AtomicBool>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was done about turns of this actor, by these events.
fn done_about(events: impl Iterator<Item = Event>, actor: ActorId) -> Vec<&'static str> {
    let done = |event| match event {
        Event::SoftPreempted(turn) if turn.actor == actor => Some("asked"),
        Event::Replaced(turn) if turn.actor == actor => Some("replaced"),
        Event::ToBackground { actor: Some(id), .. } if id == actor => Some("to the background"),
        _ => None,
    };
    events.filter_map(done).collect()
}

#[test]
fn an_actor_may_take_longer_than_the_systems_quanta() {
    let system = system(1);
    let events = system.events().subscribe(1000);
    let (slow, plain) = (system.spawn(|| Slow).unwrap(), system.spawn(|| Plain).unwrap());
    for _ in 0..5 {
        slow.nap(LONG).wait().unwrap();
    }
    assert!(done_about(events.try_iter(), slow.id()).is_empty());
    // With the system's, one nap is enough.
    plain.nap(LONG).wait().unwrap();
    let mut done = Vec::new();
    eventually("something is done about the other", || {
        done.extend(done_about(events.try_iter(), plain.id()));
        done == ["asked", "replaced"]
    });
    assert!(system.shutdown().is_clean());
}

#[test]
fn an_actor_may_have_to_give_way_sooner_than_the_system_says() {
    let system = patient(1).build().unwrap();
    let events = system.events().subscribe(1000);
    let plain = system.spawn(|| Plain).unwrap();
    let until = Arc::<AtomicBool>::default();
    let release = Release(until.clone());
    let hasty = system.spawn(move || Hasty(until.clone())).unwrap();
    hasty.spin().tell().unwrap();
    // There is one worker, and a minute to the system's quanta.
    let mut done = Vec::new();
    eventually("its worker is taken over", || {
        done.extend(done_about(events.try_iter(), hasty.id()));
        done == ["asked", "replaced"]
    });
    plain.nap(Duration::ZERO).within(LIMIT).wait().unwrap();
    let long = system.snapshot().long_turns;
    assert!(long.iter().any(|turn| turn.actor == hasty.id()), "{long:?}");
    drop(release);
    assert!(system.shutdown().is_clean());
}

#[test]
fn what_is_said_of_one_quantum_moves_the_other_out_of_its_way() {
    let system = system(1);
    let events = system.events().subscribe(1000);
    // The system's hard quantum is 10 ms.
    let plain = system.actor(|| Plain).soft_quantum(2 * LIMIT).spawn().unwrap();
    plain.nap(LONG).wait().unwrap();
    assert!(done_about(events.try_iter(), plain.id()).is_empty());
    // Where both are said, the soft one holds.
    let plain = system.actor(|| Plain).hard_quantum(SHORT).soft_quantum(2 * LIMIT).spawn().unwrap();
    plain.nap(LONG).wait().unwrap();
    assert!(done_about(events.try_iter(), plain.id()).is_empty());
    assert!(system.shutdown().is_clean());
}

#[test]
fn the_place_of_the_spawn_has_the_quantum_and_what_was_said_last_counts() {
    let system = patient(1).build().unwrap();
    let events = system.events().subscribe(1000);
    let spawn = |quantum| system.actor(|| Slow).hard_quantum(quantum).soft_quantum(quantum).spawn().unwrap();
    let first = spawn(2 * LIMIT);
    first.nap(LONG).wait().unwrap();
    assert!(done_about(events.try_iter(), first.id()).is_empty());
    let second = spawn(SHORT);
    for actor in [&first, &second] {
        actor.nap(LONG).wait().unwrap();
        let mut done = Vec::new();
        eventually("its worker is taken over", || {
            done.extend(done_about(events.try_iter(), actor.id()));
            done.contains(&"replaced")
        });
    }
    // Elsewhere the same type has the quanta of its own.
    let elsewhere = system.spawn(|| Slow).unwrap();
    elsewhere.nap(LONG).wait().unwrap();
    assert!(done_about(events.try_iter(), elsewhere.id()).is_empty());
    assert!(system.shutdown().is_clean());
}

#[test]
fn a_handler_should_yield_when_its_own_quantum_is_over() {
    let system = system(1);
    let long = Duration::from_millis(300);
    let slow = system.actor(|| Plain).soft_quantum(long).spawn().unwrap();
    let plain = system.spawn(|| Plain).unwrap();
    // Both are the time of the clock that ticks a few milliseconds.
    assert!(slow.goes_on_for().wait().unwrap() >= long - Duration::from_millis(20));
    let shortest = (0..20).map(|_| plain.goes_on_for().wait().unwrap()).min();
    assert!(shortest < Some(long / 2), "{shortest:?}");
    assert!(system.shutdown().is_clean());
}
