//! Kinds of actors: what all actors of a type that were spawned at one place in the program have in
//! common. Each cell begins with a pointer to its kind.
//!
//! Kinds are made when they are first needed, and stay. There are at most as many as the program's text
//! has types of actors times places that spawn them; nothing at run time adds to that.

mod lately;

use std::any::{TypeId, type_name};
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::ptr::{self, NonNull};
// From the standard library even in models, which end while kinds stay.
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::actor::{Messages, Settings};
use crate::cell::Control;
use crate::cell::task::Header;
use lately::Lately;

/// What runs a turn of a cell whose type is not known.
pub(super) type Run = unsafe fn(NonNull<Header>);
/// What gives out such a cell, counted.
pub(super) type Share = unsafe fn(NonNull<Header>) -> Arc<dyn Control>;

/// What actors of a type, spawned at one place, have in common.
pub(crate) struct Kind {
    /// First, for it is what each turn begins with.
    run: Run,
    share: Share,
    of: TypeId,
    name: &'static str,
    type_name: &'static str,
    site: &'static Location<'static>,
    index: usize,
    /// How many reasons there are, in all systems, to look closer where a turn of this kind belongs: slow actors, and
    /// systems in which the whole kind is slow.
    watched: AtomicI32,
    /// In how many systems the whole kind is slow.
    slow: AtomicI32,
    /// Turns that were short, in all systems: a sample, by its weight.
    short_turns: Lately,
    soft_quantum: Quantum,
    hard_quantum: Quantum,
}

/// The index of what is no kind of actor.
const NO_ACTOR: usize = usize::MAX;

/// A quantum of a kind's own, in nanoseconds; 0 if it has none.
struct Quantum(AtomicU64);

impl Quantum {
    const fn none() -> Self {
        Quantum(AtomicU64::new(0))
    }

    // Relaxed, here and there: it tells nothing but itself, to those who look at turns now and then.
    fn set(&self, quantum: Duration) {
        let nanos = u64::try_from(quantum.as_nanos()).unwrap_or(u64::MAX);
        // A look first: what all that are spawned at the place say is mostly the same.
        if self.0.load(Ordering::Relaxed) != nanos {
            self.0.store(nanos, Ordering::Relaxed);
        }
    }

    fn get(&self) -> Option<Duration> {
        Some(self.0.load(Ordering::Relaxed)).filter(|nanos| *nanos != 0).map(Duration::from_nanos)
    }
}

impl Kind {
    /// The kind of actors `A` that are spawned at `site`.
    #[inline]
    pub(super) fn of<A: Messages>(run: Run, share: Share, site: &'static Location<'static>) -> &'static Kind {
        let place = &|recent: &Recent| recent[place_for(run, site)].get();
        if let Ok(Some((at, kind))) = RECENT.try_with(place)
            && ptr::eq(at, site)
            && kind.of == TypeId::of::<A>()
        {
            return kind;
        }
        Self::look_up::<A>(run, share, site)
    }

    #[cold]
    fn look_up<A: Messages>(run: Run, share: Share, site: &'static Location<'static>) -> &'static Kind {
        let of = TypeId::of::<A>();
        let kind = {
            let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
            let index = kinds.all.len();
            // By what it says: the same place may have several addresses.
            let key = (of, site.file(), site.line(), site.column());
            let new = || {
                &*Box::leak(Box::new(Kind {
                    run,
                    share,
                    of,
                    name: A::NAME,
                    type_name: type_name::<A>(),
                    site,
                    index,
                    watched: AtomicI32::new(0),
                    slow: AtomicI32::new(0),
                    short_turns: Lately::none(),
                    soft_quantum: Quantum::none(),
                    hard_quantum: Quantum::none(),
                }))
            };
            let kind = *kinds.by_key.entry(key).or_insert_with(new);
            if kind.index == index {
                kinds.all.push(kind);
            }
            kind
        };
        let _ = RECENT.try_with(|recent| recent[place_for(run, site)].set(Some((site, kind))));
        kind
    }

    /// What is no kind of actor, but lies in queues as cells do.
    pub(super) const fn no_actor(
        name: &'static str,
        run: Run,
        share: Share,
        site: &'static Location<'static>,
    ) -> Kind {
        Kind {
            run,
            share,
            of: TypeId::of::<()>(),
            name,
            type_name: name,
            site,
            index: NO_ACTOR,
            watched: AtomicI32::new(0),
            slow: AtomicI32::new(0),
            short_turns: Lately::none(),
            soft_quantum: Quantum::none(),
            hard_quantum: Quantum::none(),
        }
    }

    /// Whether it is a kind of actors.
    pub(crate) fn is_of_actors(&self) -> bool {
        self.index != NO_ACTOR
    }

    /// The kind with this index.
    pub(crate) fn with_index(index: usize) -> Option<&'static Kind> {
        KINDS.lock().unwrap_or_else(PoisonError::into_inner).all.get(index).copied()
    }

    /// Whether it is to be asked where a turn of this kind belongs: to a worker, or into the background lane.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        // Relaxed, as below: a hint.
        self.watched.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_slow_somewhere(&self) -> bool {
        self.slow.load(Ordering::Relaxed) != 0
    }

    /// A turn was short that was measured, and counts for so many.
    pub(super) fn turn_was_short(&self, weight: u64) {
        self.short_turns.add(weight);
    }

    /// About how many turns were short in the last ten seconds.
    pub(crate) fn short_turns(&self) -> u64 {
        self.short_turns.get()
    }

    /// So many reasons more to look closer, and so many systems more in which the whole kind is slow.
    pub(crate) fn watch(&self, reasons: i32, slow: i32) {
        self.slow.fetch_add(slow, Ordering::Relaxed);
        self.watched.fetch_add(reasons, Ordering::Relaxed);
    }

    /// Gives the kind quanta of its own, if there are any in the settings of one that is spawned.
    pub(super) fn set_quanta(&self, settings: &Settings) {
        if let Some(quantum) = settings.soft_quantum {
            self.soft_quantum.set(quantum);
        }
        if let Some(quantum) = settings.hard_quantum {
            self.hard_quantum.set(quantum);
        }
    }

    /// The quanta of its own: the soft one, and the hard one.
    pub(crate) fn quanta(&self) -> (Option<Duration>, Option<Duration>) {
        (self.soft_quantum.get(), self.hard_quantum.get())
    }

    /// All kinds there are by now, in the order of their indices.
    pub(crate) fn all() -> Vec<&'static Kind> {
        KINDS.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    #[inline]
    pub(super) fn run(&self) -> Run {
        self.run
    }

    pub(super) fn share(&self) -> Share {
        self.share
    }

    /// A number of its own, from 0 without a gap.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The name of the actor's type, as `#[derive(Actor)]` has it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The full name of the actor's type.
    pub(crate) fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Where the actors are spawned.
    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }
}

#[derive(Default)]
struct Kinds {
    all: Vec<&'static Kind>,
    by_key: HashMap<(TypeId, &'static str, u32, u32), &'static Kind>,
}

/// From the standard library even in models, which end while this stays.
static KINDS: LazyLock<Mutex<Kinds>> = LazyLock::new(Mutex::default);

const PLACES: usize = 64;

/// The kinds that a thread has spawned last, each at a place that follows from type and site.
type Recent = [Cell<Option<(&'static Location<'static>, &'static Kind)>>; PLACES];

thread_local!(static RECENT: Recent = const { [const { Cell::new(None) }; PLACES] });

/// Two kinds that meet at the same place put each other out, which costs time only.
fn place_for(run: Run, site: &'static Location<'static>) -> usize {
    let mixed = ptr::from_ref(site).addr() >> 3 ^ (run as *const ()).addr() >> 4;
    mixed % PLACES
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::prelude::*;

    #[derive(Actor)]
    struct One;

    #[messages]
    impl One {}

    #[derive(Actor)]
    struct Other;

    #[messages]
    impl Other {}

    fn nothing(_: NonNull<Header>) {}

    fn share(_: NonNull<Header>) -> Arc<dyn Control> {
        unreachable!("nothing is shared here")
    }

    #[track_caller]
    fn here<A: Messages>() -> &'static Kind {
        Kind::of::<A>(nothing, share, Location::caller())
    }

    #[test]
    fn a_kind_is_a_type_and_a_place() {
        let at_one_place = || (here::<One>(), here::<Other>());
        let (one, other) = at_one_place();
        let (again, _) = at_one_place();
        assert!(ptr::eq(one, again));
        assert!(!ptr::eq(one, other), "two types");
        assert!(!ptr::eq(one, here::<One>()), "two places");
        assert_eq!((one.name(), other.name()), ("One", "Other"));
        assert!(one.type_name().ends_with("kind::tests::One"));
        assert_eq!(one.site().file(), file!());
    }

    /// Sites that lie where the cache has one place for them, so that they put each other out.
    #[test]
    fn kinds_that_share_a_place_in_the_cache_stay_apart() {
        let site = Location::caller();
        let run = |number: usize| -> Run { if number == 0 { nothing } else { also_nothing } };
        let kinds: Vec<_> = (0..10).map(|turn| Kind::of::<One>(run(turn % 2), share, site)).collect();
        assert!(
            kinds.iter().all(|kind| ptr::eq(*kind, kinds[0])),
            "a kind is no matter of where its code is"
        );
        assert!(!ptr::eq(Kind::of::<Other>(nothing, share, site), kinds[0]));
        assert!(ptr::eq(Kind::of::<One>(nothing, share, site), kinds[0]));
    }

    fn also_nothing(_: NonNull<Header>) {}

    #[test]
    fn all_threads_find_the_same_one() {
        let kind = || std::ptr::from_ref(Kind::of::<One>(nothing, share, SITE)).addr();
        static SITE: &Location<'static> = Location::caller();
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(kind)).collect();
        let kinds: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(kinds.len(), 1);
    }

    #[test]
    fn indices_have_no_gap() {
        here::<One>();
        let all = Kind::all();
        assert!(all.iter().enumerate().all(|(index, kind)| kind.index() == index));
    }
}
