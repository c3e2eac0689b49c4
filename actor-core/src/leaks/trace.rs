//! The trace: which refs an actor's fields hold, as `#[derive(Actor)]` and `#[derive(Trace)]` have them told.
//!
//! A ref is told by where it lies. One that is told twice is one ref, so a trace that goes over a field twice changes
//! nothing. A ref that is not told of counts as one that somebody else holds.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use crate::actor::Messages;
use crate::actor_ref::{ActorRef, Recipient};
use crate::cell::ActorId;
use crate::message::Message;
use crate::supervisor::SupervisorRef;

/// How many values of an actor are looked at; what lies behind them is taken to be held by somebody else.
const MOST: usize = 4096;

/// A type that can tell which refs are in it, so that actors which only refer to one another are
/// [found](crate::Leaks). Derive it for types of your own that are in the fields of actors:
///
/// ```
/// use actor_core::{ActorRef, Trace};
/// # use actor_core::prelude::*;
/// # #[derive(Actor)]
/// # struct Room;
/// # #[messages]
/// # impl Room {}
/// #[derive(Trace)]
/// struct Seat {
///     room: RoomRef,
///     number: u32,
/// }
/// ```
///
/// The derive traces each field whose type is `Trace`, and passes over the others. For a collection of your own, trace
/// what it *owns*, and nothing that it shares with others (what is in an `Arc`, say): what is told of is taken to be
/// held by this actor alone.
pub trait Trace {
    /// Whether there can be refs in a value of this type. If not, it is passed over.
    const HAS_REFS: bool = true;

    /// Traces the parts of this.
    fn trace(&self, tracer: &mut Tracer<'_>);
}

/// Where a [`Trace`] tells what it has found.
#[derive(Debug)]
pub struct Tracer<'a> {
    found: &'a mut Vec<Found>,
    left: usize,
}

/// A ref that a trace has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where the ref itself lies.
    pub(crate) at: usize,
    /// The cell that it leads to, by its address.
    pub(crate) to: usize,
    /// If it is a recipient, which is shared by its clones.
    pub(crate) shared: Option<Shared>,
}

/// What the clones of a recipient share: that is what holds the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// By its address.
    pub(crate) at: usize,
    /// How many clones there are.
    pub(crate) clones: usize,
}

impl<'a> Tracer<'a> {
    pub(crate) fn new(found: &'a mut Vec<Found>) -> Self {
        Tracer { found, left: MOST }
    }

    /// Whether to go on: for each element of a collection, which may be long.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn found<T>(&mut self, lies: &T, to: usize, shared: Option<Shared>) {
        if self.goes_on() {
            self.found.push(Found { at: std::ptr::from_ref(lies).addr(), to, shared });
        }
    }
}

impl<A: Messages> Trace for ActorRef<A> {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        tracer.found(self, self.address(), None);
    }
}

impl Trace for SupervisorRef {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        let actor: &ActorRef<_> = self;
        actor.trace(tracer);
    }
}

impl<M: Message> Trace for Recipient<M> {
    fn trace(&self, tracer: &mut Tracer<'_>) {
        let (to, shared) = self.addresses();
        tracer.found(self, to, Some(shared));
    }
}

impl<T: Trace + ?Sized> Trace for Box<T> {
    const HAS_REFS: bool = T::HAS_REFS;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        (**self).trace(tracer);
    }
}

/// Traces the elements of a collection.
fn each<'t, T: Trace + 't>(all: impl IntoIterator<Item = &'t T>, tracer: &mut Tracer<'_>) {
    if !T::HAS_REFS {
        return;
    }
    for element in all {
        if !tracer.goes_on() {
            return;
        }
        element.trace(tracer);
    }
}

macro_rules! trace_collections {
    ($($collection:ident<T $(, $more:ident)?>,)*) => {$(
        impl<T: Trace $(, $more)?> Trace for $collection<T $(, $more)?> {
            const HAS_REFS: bool = T::HAS_REFS;

            fn trace(&self, tracer: &mut Tracer<'_>) {
                each(self, tracer);
            }
        }
    )*};
}

trace_collections!(Option<T>, Vec<T>, VecDeque<T>, LinkedList<T>, HashSet<T, S>, BTreeSet<T>, BinaryHeap<T>,);

impl<T: Trace> Trace for [T] {
    const HAS_REFS: bool = T::HAS_REFS;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        each(self, tracer);
    }
}

impl<T: Trace, const N: usize> Trace for [T; N] {
    const HAS_REFS: bool = T::HAS_REFS;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        each(self, tracer);
    }
}

impl<T: Trace, E: Trace> Trace for Result<T, E> {
    const HAS_REFS: bool = T::HAS_REFS || E::HAS_REFS;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        match self {
            Ok(value) => value.trace(tracer),
            Err(error) => error.trace(tracer),
        }
    }
}

macro_rules! trace_maps {
    ($($map:ident<K, V $(, $more:ident)?>,)*) => {$(
        impl<K: Trace, V: Trace $(, $more)?> Trace for $map<K, V $(, $more)?> {
            const HAS_REFS: bool = K::HAS_REFS || V::HAS_REFS;

            fn trace(&self, tracer: &mut Tracer<'_>) {
                if K::HAS_REFS {
                    each(self.keys(), tracer);
                }
                if V::HAS_REFS {
                    each(self.values(), tracer);
                }
            }
        }
    )*};
}

trace_maps!(HashMap<K, V, S>, BTreeMap<K, V>,);

macro_rules! trace_tuples {
    ($($($part:ident $at:tt)*;)*) => {$(
        impl<$($part: Trace),*> Trace for ($($part,)*) {
            const HAS_REFS: bool = $($part::HAS_REFS)||*;

            fn trace(&self, tracer: &mut Tracer<'_>) {
                $(self.$at.trace(tracer);)*
            }
        }
    )*};
}

trace_tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
}

macro_rules! trace_nothing {
    ($($plain:ty),*) => {$(
        impl Trace for $plain {
            const HAS_REFS: bool = false;

            fn trace(&self, _: &mut Tracer<'_>) {}
        }
    )*};
}

trace_nothing!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
trace_nothing!(str, String, Duration, Instant, SystemTime, ActorId);

impl Trace for &'static str {
    const HAS_REFS: bool = false;

    fn trace(&self, _: &mut Tracer<'_>) {}
}

/// A field of any type, for what the derives write: `(&Field(&self.field)).trace_field(tracer)` finds the first of the two
/// traits if the field's type is `Trace`, and the second, which is one reference farther away, if it is not.
#[doc(hidden)]
#[derive(Debug)]
pub struct Field<'a, T: ?Sized>(pub &'a T);

#[doc(hidden)]
pub trait TraceRefs {
    fn trace_field(&self, tracer: &mut Tracer<'_>);
}

impl<T: Trace + ?Sized> TraceRefs for Field<'_, T> {
    #[inline]
    fn trace_field(&self, tracer: &mut Tracer<'_>) {
        if T::HAS_REFS {
            self.0.trace(tracer);
        }
    }
}

#[doc(hidden)]
pub trait TraceNothing {
    fn trace_field(&self, _: &mut Tracer<'_>) {}
}

impl<T: ?Sized> TraceNothing for &Field<'_, T> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[derive(Actor)]
    struct Node;

    #[messages]
    impl Node {
        #[message]
        fn ping(&self) {}
    }

    #[derive(crate::Trace)]
    enum Nested {
        Named { node: NodeRef, other: std::sync::Arc<NodeRef> },
        Plain(u32),
    }

    /// How many refs a trace of the value finds.
    fn refs<T: Trace>(value: &T) -> usize {
        let mut found = Vec::new();
        value.trace(&mut Tracer::new(&mut found));
        let mut places: Vec<_> = found.iter().map(|found| found.at).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), found.len(), "each lies elsewhere");
        found.len()
    }

    #[test]
    fn refs_are_found_in_what_holds_them() {
        let system = System::new().unwrap();
        let node = || system.spawn(|| Node).unwrap();
        assert_eq!(refs(&node()), 1);
        assert_eq!(refs(&Some(Box::new(node()))), 1);
        assert_eq!(refs(&vec![(1_u8, node()), (2, node())]), 2);
        assert_eq!(
            refs(&HashMap::from([("a".to_owned(), [node(), node()]), ("b".to_owned(), [node(), node()])])),
            4
        );
        assert_eq!(refs(&VecDeque::from([None, Some(node())])), 1);
        assert_eq!(refs(&HashSet::from([node(), node()])), 2);
        assert_eq!(refs(&Err::<u8, _>(node())), 1);
        assert_eq!(refs(&node().recipient::<NodePing>()), 1);
        assert_eq!(refs(&vec![0_u64; 1_000_000]), 0);
        assert_eq!(
            refs(&Nested::Named { node: node(), other: std::sync::Arc::new(node()) }),
            1,
            "not what is shared"
        );
        assert_eq!(refs(&Nested::Plain(3)), 0);
    }

    #[test]
    fn a_trace_has_an_end() {
        let system = System::new().unwrap();
        let node = system.spawn(|| Node).unwrap();
        assert!(refs(&vec![node; 10 * MOST]) <= MOST);
        let nothing: Vec<Option<NodeRef>> = vec![None; 10 * MOST];
        let mut found = Vec::new();
        let mut tracer = Tracer::new(&mut found);
        nothing.trace(&mut tracer);
        assert!(!tracer.goes_on());
    }
}
