//! Handlers that return while they are condemned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actor_core::AskError;
use actor_core::prelude::*;

use crate::support::{builder, eventually};

/// Ten thousand handlers that take about as long as their limit.
#[test]
fn a_return_and_a_condemnation_have_one_winner() {
    const ACTORS: u64 = 50;
    const EACH: u64 = 200;

    /// Which incarnation is the actor's, how many states there are, and how many were to be made.
    #[derive(Clone, Default)]
    struct Shared {
        current: Arc<AtomicU64>,
        states: Arc<AtomicUsize>,
        made: Arc<AtomicU64>,
        wrong: Arc<AtomicUsize>,
    }

    #[derive(Actor)]
    #[actor(stall = "2ms")]
    struct Racer {
        shared: Shared,
    }

    #[messages]
    impl Racer {
        #[message(blocking)]
        fn race(&mut self, nanos: u64, ctx: &mut Context<Self>) -> u64 {
            let me = ctx.incarnation();
            self.shared.current.store(me, Ordering::Relaxed);
            thread::sleep(Duration::from_nanos(nanos));
            // Another one is there only if this one knows that it is gone.
            if self.shared.current.load(Ordering::Relaxed) != me && !ctx.is_revoked() {
                self.shared.wrong.fetch_add(1, Ordering::Relaxed);
            }
            me
        }
    }

    impl Drop for Racer {
        fn drop(&mut self) {
            self.shared.states.fetch_sub(1, Ordering::Relaxed);
        }
    }

    let system = builder(2).max_condemned(1000).build().unwrap();
    let race = |seed: u64| {
        let shared = Shared::default();
        let state = shared.clone();
        let racer = system.spawn(move || {
            state.made.fetch_add(1, Ordering::Relaxed);
            state.states.fetch_add(1, Ordering::Relaxed);
            Racer { shared: state.clone() }
        });
        let racer = racer.unwrap();
        let (mut stalled, mut last) = (0, 1);
        for round in 0..EACH {
            // Some are far from the limit; most are near it, on either side.
            let nanos = 1_500_000 + (seed * 7919 + round * 104_729) % 2_500_000;
            match racer.race(nanos).wait() {
                Ok(incarnation) => {
                    assert!(incarnation >= last, "{incarnation} after {last}");
                    last = incarnation;
                }
                Err(AskError::Stalled) => stalled += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(shared.wrong.load(Ordering::Relaxed), 0, "one incarnation at a time");
        (racer, shared, stalled)
    };
    let racers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..ACTORS).map(|seed| scope.spawn(move || race(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    eventually("all have returned", || system.snapshot().condemned_threads == 0);
    let mut restarts = 0;
    for (racer, shared, stalled) in &racers {
        let incarnation = racer.race(0).wait().unwrap();
        assert!(incarnation > *stalled, "{incarnation} after {stalled} stalls");
        // Not the incarnations: while a condemned factory is away, starts fail that condemn nobody.
        let made = shared.made.load(Ordering::Relaxed);
        assert!(incarnation >= made, "{incarnation} after {made} calls of the factory");
        restarts += made - 1;
        eventually("there is one state", || shared.states.load(Ordering::Relaxed) == 1);
        let now = racer.mailbox();
        assert_eq!((now.accepted, now.handled + now.dead), (EACH + 1, EACH + 1), "{now:?}");
    }
    let condemned = system.snapshot().preemptions.condemned;
    // Each condemnation is one restart. The last message of each may have been condemned after it had replied.
    assert!((restarts..=restarts + ACTORS).contains(&condemned), "{condemned} for {restarts} restarts");
    // How many of each depends on how busy the machine is.
    assert!(condemned > 0 && condemned < ACTORS * EACH, "there were both: {condemned}");
    assert!(system.shutdown().is_clean());
}
