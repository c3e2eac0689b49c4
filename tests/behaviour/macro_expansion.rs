//! Actors that are odd, but right: what the macros have to carry through.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::mpsc;
use std::time::Duration;

use actor_core::{Accepts, Actor, ActorRef, Message, Overflow, Recipient, Reply, Settings, System, messages};

fn system() -> System {
    System::new().expect("a system starts")
}

/// An actor with parameters of all kinds, defaults and a where clause.
#[derive(Actor)]
#[actor(mailbox = 8, overflow = "drop_oldest")]
struct Store<K: Send + 'static = u8, V: Send + 'static = String, const N: usize = 4>
where
    K: Hash + Eq,
    V: Clone,
{
    entries: HashMap<K, V>,
}

#[messages]
impl<K: Send + 'static, V: Send + 'static, const N: usize> Store<K, V, N>
where
    K: Hash + Eq,
    V: Clone,
{
    #[message(derive(Clone, Debug, PartialEq))]
    fn put(&mut self, key: K, value: V) -> Option<V> {
        self.entries.insert(key, value)
    }

    #[message]
    fn get(&self, key: K) -> Option<V> {
        self.entries.get(&key).cloned()
    }

    /// Only the reply has to do with `V`.
    #[message]
    fn any(&self) -> Option<V> {
        self.entries.values().next().cloned()
    }

    #[message]
    fn drain(&mut self, most: usize, reply: Reply<Vec<(K, V)>>) {
        let entries = std::mem::take(&mut self.entries);
        reply.send(entries.into_iter().take(most).collect());
    }

    /// No parameter at all.
    #[message]
    fn len(&self) -> usize {
        self.entries.len()
    }

    #[message]
    fn room(&self, block: [u8; N]) -> usize {
        block.len()
    }

    #[cfg(not(test))]
    #[message]
    fn absent(&self, nothing: NoSuchType<K>) {}
}

#[test]
fn generics_carry_through() {
    let system = system();
    let store: StoreRef<u8, String, 4> =
        system.spawn(|| Store::<u8, String, 4> { entries: HashMap::new() }).expect("the store starts");
    assert_eq!(store.put(1, "one".to_owned()).wait().unwrap(), None);
    assert_eq!(store.put(1, "uno".to_owned()).wait().unwrap().as_deref(), Some("one"));
    assert_eq!(store.get(1).wait().unwrap().as_deref(), Some("uno"));
    assert_eq!(store.any().wait().unwrap().as_deref(), Some("uno"));
    assert_eq!(store.len().wait().unwrap(), 1);
    assert_eq!(store.room([0; 4]).wait().unwrap(), 4);
    assert_eq!(store.drain(9).wait().unwrap(), [(1, "uno".to_owned())]);

    let message = StorePut { key: 1_u8, value: 2_u16 };
    assert_eq!(message.clone(), message);
    let _: [StoreLen; 0] = [];
    let _: StoreRoom<4> = StoreRoom { block: [0; 4] };
    let recipient: Recipient<StoreAny<String>> = store.recipient();
    recipient.tell(StoreAny::new()).expect("there is room");
    assert!(store.call(StoreDrain::<u8, String>::new(1)).wait().unwrap().is_empty());
    system.shutdown();
}

#[test]
fn settings_are_those_of_the_attribute() {
    let settings = Settings::DEFAULT.mailbox(8).overflow(Overflow::DropOldest);
    assert_eq!(<Store as Actor>::settings(), settings);
    assert_eq!(<Store as Actor>::NAME, "Store");
    assert_eq!(<Switch as Actor>::settings().mailbox, Settings::UNBOUNDED);
    assert_eq!(<Silent<u8> as Actor>::settings(), Settings::DEFAULT);
}

#[test]
fn a_parameter_may_be_anything_that_its_bounds_allow() {
    /// Neither `Clone` nor `Debug` nor comparable, and neither has to be its ref.
    struct Opaque;

    #[derive(Actor)]
    struct Holder<T: Send + 'static> {
        held: Option<T>,
    }

    #[messages]
    impl<T: Send + 'static> Holder<T> {
        #[message]
        fn swap(&mut self, new: T) -> Option<T> {
            self.held.replace(new)
        }
    }

    let system = system();
    let holder = system.spawn(|| Holder { held: None::<Opaque> }).expect("the holder starts");
    assert!(holder.clone().swap(Opaque).wait().unwrap().is_none());
    assert_ne!(format!("{holder:?}"), "");

    let other = system.spawn(|| Holder { held: None::<Opaque> }).expect("the holder starts");
    assert!(holder == holder.clone() && holder != other);
    let hash = |holder: &HolderRef<Opaque>| {
        let mut hasher = DefaultHasher::new();
        holder.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&holder), hash(&holder.clone()));
    let plain: ActorRef<Holder<Opaque>> = holder.clone().into();
    assert_eq!(HolderRef::from(plain), holder);
    system.shutdown();
}

/// An enum, with no bound on its mailbox.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
enum Switch {
    On,
    Off,
}

#[messages]
impl Switch {
    #[message]
    fn toggle(&mut self) -> bool {
        *self = match self {
            Switch::On => Switch::Off,
            Switch::Off => Switch::On,
        };
        matches!(self, Switch::On)
    }

    /// `Self` means the actor, in arguments and in replies.
    #[message]
    fn swap(&mut self, other: Self) -> Self {
        std::mem::replace(self, other)
    }

    #[message]
    fn all(&self) -> [Option<Box<Self>>; Self::STATES] {
        [Some(Box::new(Switch::On)), None]
    }

    const STATES: usize = 2;
}

#[test]
fn an_enum_is_an_actor_and_self_is_its_type() {
    let system = system();
    let switch = system.spawn(|| Switch::Off).expect("the switch starts");
    assert!(switch.toggle().wait().unwrap());
    assert!(matches!(switch.swap(Switch::Off).wait().unwrap(), Switch::On));
    assert!(switch.all().wait().unwrap()[0].is_some());
    system.shutdown();
}

/// Raw identifiers, and names that meet those of the generated code.
#[derive(Actor)]
struct r#Loop {
    r#type: u8,
}

#[messages]
impl r#Loop {
    #[message]
    fn r#match(&mut self, r#type: u8, _unused: u8) -> u8 {
        std::mem::replace(&mut self.r#type, r#type)
    }

    #[message]
    fn self_(&self, message: u8, reply: u8, ctx: u8) -> u8 {
        self.r#type + message + reply + ctx
    }

    #[message]
    fn _1(&self, mut value: u8) -> u8 {
        value += 1;
        value
    }

    /// Methods that the ref has already.
    #[message]
    fn clone(&self) -> &'static str {
        "the handler's"
    }

    #[message]
    fn as_ref(&self) {}

    #[message]
    fn stop(&self) {}
}

#[test]
fn names_are_taken_as_they_are_written() {
    let system = system();
    let actor = system.spawn(|| r#Loop { r#type: 1 }).expect("the loop starts");
    assert_eq!(actor.r#match(2, 0).wait().unwrap(), 1);
    assert_eq!(actor.self_(1, 2, 3).wait().unwrap(), 8);
    assert_eq!(actor._1(1).wait().unwrap(), 2);
    assert_eq!(actor.clone().wait().unwrap(), "the handler's");
    actor.as_ref().wait().unwrap();
    actor.stop().wait().unwrap();
    let message = LoopMatch { r#type: 3, _unused: 0 };
    assert_eq!(LoopMatch::NAME, "match");
    assert_eq!(ActorRef::call(&actor, message).wait().unwrap(), 2);
    system.shutdown();
}

mod visible {
    //! A handler is as visible as its method, whatever the actor is.

    use actor_core::{Actor, messages};

    #[derive(Actor)]
    pub(crate) struct Counter(pub(super) u32);

    #[messages]
    impl Counter {
        /// The lint is the handler's own business, and none of what is generated for it.
        #[expect(unreachable_pub)]
        #[message]
        pub fn add(&mut self, by: u32) {
            self.0 += by;
        }

        #[message]
        pub(super) fn get(&self) -> u32 {
            self.0
        }

        #[message]
        fn reset(&mut self, to: Secret) {
            self.0 = to.0;
        }
    }

    #[derive(Clone, Copy)]
    struct Secret(u32);

    pub(super) fn reset(counter: &CounterRef) {
        counter.reset(Secret(7)).wait().unwrap();
    }
}

#[test]
fn visibility_carries_through() {
    let system = system();
    let counter: visible::CounterRef = system.spawn(|| visible::Counter(0)).expect("the counter starts");
    counter.call(visible::CounterAdd { by: 2 }).wait().unwrap();
    counter.add(3).wait().unwrap();
    assert_eq!(counter.get().wait().unwrap(), 5);
    visible::reset(&counter);
    assert_eq!(counter.get().wait().unwrap(), 7);
    system.shutdown();
}

mod apart {
    //! The handlers may be in another module than the type.

    use super::{messages, visible_type};

    #[messages]
    impl visible_type::Apart {
        #[message]
        pub(super) fn one(&self) -> u8 {
            1
        }
    }
}

mod visible_type {
    #[derive(actor_core::Actor)]
    pub(super) struct Apart;
}

#[test]
fn a_block_may_be_in_another_module() {
    let system = system();
    let actor = system.spawn(|| visible_type::Apart).expect("the actor starts");
    assert_eq!(actor.one().wait().unwrap(), 1);
    assert_eq!(actor.call(apart::ApartOne).wait().unwrap(), 1);
    system.shutdown();
}

/// Handlers of a name that exclude each other, and a parameter that only an absent one uses.
#[derive(Actor)]
struct Conditional<T: Send + 'static>(Option<T>);

#[messages]
impl<T: Send + 'static> Conditional<T> {
    #[cfg(test)]
    #[message]
    fn which(&self) -> &'static str {
        "tested"
    }

    #[cfg(not(test))]
    #[message]
    fn which(&self) -> &'static str {
        "not tested"
    }

    #[cfg_attr(test, cfg(any()))]
    #[message]
    fn take(&mut self) -> Option<T> {
        self.0.take()
    }

    #[cfg(not(test))]
    #[started]
    fn never(&mut self) {}
}

#[test]
fn cfg_carries_through() {
    let system = system();
    let actor = system.spawn(|| Conditional(Some(1_u8))).expect("the actor starts");
    assert_eq!(actor.which().wait().unwrap(), "tested");
    system.shutdown();
}

/// No messages at all.
#[derive(Actor)]
struct Silent<T: Send + 'static>(T);

#[messages]
impl<T: Send + 'static> Silent<T> {}

#[test]
fn an_actor_needs_no_messages() {
    let system = system();
    let silent = system.spawn(|| Silent(1_u8)).expect("the actor starts");
    assert!(silent.is_alive());
    system.shutdown();
}

#[test]
fn handlers_stay_plain_methods() {
    let mut store = Store::<u8, u8, 1> { entries: HashMap::new() };
    assert_eq!(store.put(1, 1), None);
    assert_eq!(store.get(1), Some(1));
}

#[test]
fn other_names_do_no_harm() {
    #![allow(dead_code, non_camel_case_types)]

    // What generated code must not fall for.
    struct Result;
    struct Option;
    struct Box;
    struct Some;
    struct str;
    struct bool;
    trait Clone {}
    trait From {}
    mod core {}
    mod std {}
    use actor_core::{Actor as Derive, messages as handlers};

    #[derive(Derive)]
    #[actor(mailbox = 3, overflow = "wait")]
    struct Shadowed;

    #[handlers]
    impl Shadowed {
        #[message]
        async fn three(&mut self) -> u8 {
            3
        }

        #[started]
        fn open(&mut self) {}
    }

    let system = system();
    let actor = system.spawn(|| Shadowed).expect("the actor starts");
    assert_eq!(actor.three().wait().unwrap(), 3);
    system.shutdown();
}

macro_rules! actors {
    ($($name:ident($ty:ty) $handler:ident;)*) => {$(
        #[derive(Actor)]
        struct $name($ty);

        #[messages]
        impl $name {
            #[message]
            fn $handler(&mut self, new: $ty) -> $ty {
                std::mem::replace(&mut self.0, new)
            }
        }
    )*};
}

actors! {
    First(u8) exchange;
    Second(Vec<String>) replace;
}

#[test]
fn actors_may_come_from_a_macro() {
    let system = system();
    let (first, second) = (system.spawn(|| First(1)).unwrap(), system.spawn(|| Second(Vec::new())).unwrap());
    assert_eq!(first.exchange(2).wait().unwrap(), 1);
    assert!(second.replace(vec![String::new()]).wait().unwrap().is_empty());
    system.shutdown();
}

#[test]
fn wrapping_and_unwrapping_are_inverse() {
    fn there_and_back<A: Accepts<M>, M: Message>(message: M, reply: Reply<M::Reply, M::Error>) -> Option<M> {
        A::unwrap(A::wrap(message, reply))
    }
    let system = system();
    let (replies, heard) = mpsc::channel();

    #[derive(Actor)]
    struct Catcher(mpsc::Sender<Reply<u8>>);

    #[messages]
    impl Catcher {
        #[message]
        fn catch(&mut self, reply: Reply<u8>) {
            self.0.send(reply).expect("the test listens");
        }

        #[message]
        fn number(&self, of: u8) -> u8 {
            of
        }
    }

    let catcher = system.spawn(move || Catcher(replies.clone())).expect("the actor starts");
    catcher.catch().tell().expect("there is room");
    let reply = heard.recv_timeout(Duration::from_secs(5)).expect("the reply is caught");
    let number = there_and_back::<Catcher, CatcherNumber>(CatcherNumber { of: 9 }, reply);
    assert_eq!(number.map(|number| number.of), Some(9));
    system.shutdown();
}
