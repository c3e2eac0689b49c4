//! Models of the courier: calls against its last look and its leaving, and what its place is worth to who has lost it.
//!
//! What was weakened, and what loom said:
//!
//! * no fence in `calls_itself`, or none in `worker_to_wake`: a deadlock, since the courier waits and nobody calls it;
//! * `calls_itself` by a store: who is called to a processor does not say that it has come;
//! * `call` by a store: a token is left over, for a call that the last look has answered, or none hears it;
//! * `call` that does not look again where the courier has just left: none hears it, and none is wanted. So it was;
//! * `leaves` by a load and a store: the same, of a call that was heard;
//! * `loses` whatever the turn: a thread whose turn has ended is no courier any more, and believes that it is;
//! * `can_be_called` or `forgets` whose thread it is: one that has lost the place takes it from the next.
//!
//! Loom's fences also synchronise, as in the models of `sleep`. The state's accesses are relaxed: what it says is acted on
//! under the lock of `hand` or after the token, and these give the order.

use loom::sync::Arc as Shared;
use loom::thread;

use super::*;
use crate::scheduler::sleep::Sleep;
use crate::sync::AtomicUsize;
use crate::sync::model::check;

/// A courier whose queue is a number, beside workers that all run.
struct Service {
    courier: Courier,
    sleep: Sleep,
    queued: AtomicUsize,
}

impl Service {
    /// With a thread that is the courier.
    fn new() -> (Shared<Self>, Arc<Hand>) {
        let courier = Courier::new(Duration::from_millis(10));
        let hand = Arc::new(Hand::new("test".into(), 0));
        courier.give(&hand);
        let (sleep, queued) = (Sleep::default(), AtomicUsize::new(0));
        (Shared::new(Service { courier, sleep, queued }), hand)
    }

    /// Pushes, with the fence of `wake_one`, and calls. True if sysmon is to find a courier.
    fn push(&self, here: bool) -> bool {
        self.queued.fetch_add(1, Ordering::Relaxed);
        assert!(self.sleep.worker_to_wake().is_none());
        self.courier.call(here)
    }

    fn is_empty(&self) -> bool {
        self.queued.load(Ordering::Relaxed) == 0
    }

    /// A wait of the courier's without a limit.
    fn waits(&self, hand: &Hand) {
        assert!(self.courier.can_be_called(hand));
        if !self.courier.calls_itself(|| self.is_empty()) {
            self.is_called();
        }
    }

    fn is_called(&self) {
        while !self.courier.called.wait(None) {}
        self.courier.becomes(FETCHED, RUNS);
    }

    fn state(&self) -> u32 {
        self.courier.state.load(Ordering::Relaxed)
    }
}

/// Runs `other` on a thread of its own.
fn beside<R: 'static>(
    service: &Shared<Service>,
    other: impl FnOnce(&Service) -> R + 'static,
) -> thread::JoinHandle<R> {
    let service = service.clone();
    thread::spawn(move || other(&service))
}

#[test]
fn a_push_is_seen_by_the_last_look_or_calls() {
    check(3, || {
        let (service, hand) = Service::new();
        let pusher = beside(&service, |service| service.push(false));
        service.waits(&hand);
        assert!(!service.is_empty() && service.state() == RUNS);
        assert!(!pusher.join().unwrap(), "there is one");
    });
}

#[test]
fn of_two_calls_one_is_heard_and_none_is_left_over() {
    check(2, || {
        let (service, hand) = Service::new();
        let here = beside(&service, |service| service.push(true));
        let anywhere = beside(&service, |service| service.push(false));
        service.waits(&hand);
        assert_eq!(service.state(), RUNS);
        assert!(!here.join().unwrap() && !anywhere.join().unwrap());
        assert!(!service.courier.called.is_set(), "each call that was heard was waited for");
    });
}

#[test]
fn a_courier_that_was_called_does_not_leave() {
    for here in [false, true] {
        check(3, move || {
            let (service, hand) = Service::new();
            assert!(service.courier.can_be_called(&hand));
            let caller = beside(&service, move |service| service.push(here));
            let left = service.courier.leaves();
            if !left {
                service.is_called();
                assert_eq!(service.state(), RUNS);
            }
            let wanted = caller.join().unwrap();
            assert_eq!(wanted, left, "either it hears the call, or another one is wanted");
            assert_eq!(service.courier.hand().is_none(), left);
        });
    }
}

#[test]
fn a_turn_ends_or_loses_its_place() {
    check(3, || {
        let (service, hand) = Service::new();
        hand.doing.claim.leave();
        let sysmon = {
            let hand = hand.clone();
            let turn = hand.doing.turn();
            beside(&service, move |service| service.courier.loses(&hand, turn))
        };
        hand.doing.end();
        let stays = service.courier.goes_on(&hand) && service.courier.can_be_called(&hand);
        let lost = sysmon.join().unwrap();
        assert_eq!(lost, !stays);
        assert_eq!(
            (service.state(), service.courier.hand().is_some()),
            if lost { (NONE, false) } else { (WAITS, true) }
        );
    });
}

#[test]
fn who_has_lost_the_place_leaves_the_next_one_alone() {
    check(3, || {
        let (service, hand) = Service::new();
        hand.doing.claim.leave();
        assert!(service.courier.loses(&hand, hand.doing.turn()));
        let sysmon = beside(&service, |service| {
            assert!(service.push(false), "one is wanted");
            let next = Arc::new(Hand::new("test".into(), 1));
            service.courier.give(&next);
            service.waits(&next);
            assert!(is(&service.courier.hand(), &next) && service.state() == RUNS);
        });
        hand.doing.end();
        assert!(!service.courier.goes_on(&hand) && !service.courier.can_be_called(&hand));
        service.courier.forgets(&hand);
        sysmon.join().unwrap();
    });
}
