//! `#[messages(arbitrary)]`: proptest makes up an actor's messages.

use std::collections::BTreeMap;
use std::fmt::Debug;

use actor_core::prelude::*;
use actor_core::proptest::arbitrary::{Arbitrary, any};
use actor_core::proptest::collection::vec;
use actor_core::proptest::strategy::{Strategy, ValueTree};
use actor_core::proptest::test_runner::TestRunner;
use actor_core::proptest::{prop_assert, proptest};
use actor_core::testing::{Probe, actor_test};

use crate::support::system;

/// Of every kind of message.
#[derive(Actor, Default)]
pub struct Shop {
    stock: BTreeMap<u8, u64>,
    waiting: Vec<Reply<u64>>,
}

#[messages(arbitrary)]
impl Shop {
    /// Three times as often as the others.
    #[message(weight = 3)]
    pub fn store(&mut self, #[strategy(0..4)] item: u8, #[strategy(1..=9)] count: u64) {
        *self.stock.entry(item).or_default() += count;
    }

    #[message(derive(PartialEq))]
    fn take(&mut self, #[strategy(0..4)] item: u8, count: u64) -> Result<u64, String> {
        match self.stock.get_mut(&item) {
            Some(stock) if *stock >= count => {
                *stock -= count;
                Ok(*stock)
            }
            _ => Err(format!("there is no {count} of {item}")),
        }
    }

    #[message]
    async fn label(&mut self, #[strategy("[a-z]{1,3}")] text: String, urgent: Option<bool>) -> usize {
        text.len() + usize::from(urgent == Some(true))
    }

    #[message]
    fn wait(&mut self, reply: Reply<u64>) {
        self.waiting.push(reply);
    }

    #[message]
    fn close(&mut self) {
        self.waiting.clear();
    }

    #[message(skip_arbitrary)]
    fn audit(&self, to: Recipient<ShopClose>, with: Box<dyn FnOnce() + Send>) {
        with();
        let _ = to.tell(ShopClose);
    }

    #[cfg(any())]
    #[message]
    fn never(&mut self, ghost: Ghost) {}
}

/// With parameters: one in a field, one in a reply, one in neither.
#[derive(Actor)]
struct Keeper<K, V, const N: usize, X>
where
    K: Ord + Send + 'static,
    V: Clone + Send + 'static,
    X: Clone + Send + 'static,
{
    kept: BTreeMap<K, [V; N]>,
    other: X,
}

#[messages(arbitrary)]
impl<K, V, const N: usize, X> Keeper<K, V, N, X>
where
    K: Ord + Send + 'static,
    V: Clone + Send + 'static,
    X: Clone + Send + 'static,
{
    #[message]
    fn keep(&mut self, key: K, values: [V; N], #[strategy(1..=3)] times: u8) {
        assert!((1..=3).contains(&times));
        self.kept.insert(key, values);
    }

    #[message]
    fn get(&mut self, key: K) -> Option<V> {
        self.kept.get(&key).and_then(|values| values.first().cloned())
    }

    #[message(weight = 5)]
    fn count(&self) -> usize {
        self.kept.len()
    }

    #[message(skip_arbitrary)]
    fn other(&self) -> X {
        self.other.clone()
    }
}

fn made_up<T: Arbitrary>(runner: &mut TestRunner) -> T {
    any::<T>().new_tree(runner).unwrap().current()
}

#[test]
fn every_message_is_made_up_as_often_as_its_weight_says() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..2_000 {
        let kind = match made_up::<ShopAny>(&mut runner) {
            ShopAny::Store(ShopStore { item, count }) => {
                assert!(item < 4 && (1..=9).contains(&count));
                "store"
            }
            ShopAny::Take(ShopTake { item, .. }) => {
                assert!(item < 4);
                "take"
            }
            ShopAny::Label(ShopLabel { text, .. }) => {
                assert!((1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase()));
                "label"
            }
            ShopAny::Wait(ShopWait) => "wait",
            ShopAny::Close(ShopClose) => "close",
        };
        *seen.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    // Of 2000, 3/7 and 1/7.
    assert!((750..=960).contains(&seen["store"]), "{seen:?}");
    assert!((210..=360).contains(&seen["take"]), "{seen:?}");
}

#[actor_test(workers = 1)]
fn what_is_made_up_is_told_as_if_it_were_the_message(system: &System) {
    let shop = system.spawn(Shop::default).unwrap();
    let of_any: Recipient<ShopAny> = shop.recipient();
    of_any.tell(ShopStore { item: 1, count: 5 }.into()).unwrap();
    shop.call(ShopAny::Take(ShopTake { item: 1, count: 2 })).tell().unwrap();
    assert_eq!(shop.take(1, 0).wait().unwrap(), 3);
    shop.call(ShopAny::Close(ShopClose)).wait().unwrap();
    assert_eq!(format!("{:?}", ShopAny::from(ShopClose)), "Close(ShopClose)");
}

#[actor_test(dead_letters = ["store"])]
fn what_is_refused_comes_back(system: &System) {
    let shop = system.spawn(Shop::default).unwrap();
    shop.stop();
    let _down = shop.monitor().wait();
    let store = ShopStore { item: 1, count: 5 };
    let refused = shop.call(ShopAny::Store(store)).tell().unwrap_err();
    assert!(matches!(refused.into_message(), ShopAny::Store(ShopStore { item: 1, count: 5 })));
    assert!(matches!(shop.call(ShopAny::Close(ShopClose)).wait(), Err(AskError::Closed(ShopAny::Close(_)))));
    let probe = Probe::<ShopAny>::new(system);
    probe.recipient().tell(ShopClose.into()).unwrap();
    probe.expect_matching(|message| matches!(message, ShopAny::Close(_)));
}

proptest! {
    /// A program that fails shrinks to the messages that matter.
    #[test]
    fn programs_of_messages_run(program in vec(any::<ShopAny>(), 0..8)) {
        let system = system(1);
        let shop = system.spawn(Shop::default).unwrap();
        let stored: u64 = program.iter().map(|message| match message {
            ShopAny::Store(ShopStore { count, .. }) => *count,
            _ => 0,
        }).sum();
        for message in program {
            shop.call(message).tell().unwrap();
        }
        for item in 0..4 {
            prop_assert!(shop.take(item, 0).wait().unwrap_or(0) <= stored);
        }
    }
}

#[test]
fn what_is_made_up_shrinks() {
    let mut runner = TestRunner::deterministic();
    let of_takes = any::<ShopAny>().prop_filter("takes", |message| matches!(message, ShopAny::Take(_)));
    let mut tree = of_takes.new_tree(&mut runner).unwrap();
    while tree.simplify() {}
    assert!(matches!(tree.current(), ShopAny::Take(ShopTake { item: 0, count: 0 })));
}

#[test]
fn generic_actors_have_messages_that_are_made_up() {
    fn is_made_up<T: Arbitrary + Clone + Debug>() {}
    is_made_up::<KeeperAny<u8, String, 2>>();
    is_made_up::<KeeperKeep<u8, String, 2>>();
    is_made_up::<KeeperGet<u8, String>>();
    let system = system(1);
    let keeper =
        system.spawn(|| Keeper::<u8, bool, 2, &str> { kept: BTreeMap::new(), other: "other" }).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut kept = BTreeMap::new();
    for _ in 0..50 {
        let message: KeeperAny<u8, bool, 2> = made_up(&mut runner);
        if let KeeperAny::Keep(KeeperKeep { key, values, .. }) = &message {
            kept.insert(*key, values[0]);
        }
        keeper.call(message).tell().unwrap();
    }
    assert_eq!(keeper.count().wait().unwrap(), kept.len());
    for (key, value) in kept {
        assert_eq!(keeper.get(key).wait().unwrap(), Some(value));
    }
    assert_eq!(keeper.other().wait().unwrap(), "other");
}
