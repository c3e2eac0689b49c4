//! Husks: the memory of cells whose actors have ended, for actors that are spawned soon after.
//!
//! A cell is in an `Arc`, which takes its memory from the allocator, and cannot be put into a block of the pool. But it can be
//! used again: a cell that nobody has a ref to when its actor ends is emptied, and its `Arc` is kept, by the
//! thread that ran the last turn. So where actors come and go, neither asks the allocator for anything.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::actor::Messages;
use crate::cell::Cell;
use crate::supervisor::Supervisor;

/// So many are kept by each thread: some 9 KB.
const MOST: usize = 64;

/// The memory of a cell. All cells are of one size, since what a user's type is the size of lies elsewhere.
type Husk = Arc<MaybeUninit<Cell<Supervisor>>>;

thread_local!(static HUSKS: RefCell<Vec<Husk>> = const { RefCell::new(Vec::new()) });

/// Whether the memory of a cell of this type can be that of any other.
const fn is_common<A: Messages>() -> bool {
    size_of::<Cell<A>>() == size_of::<Cell<Supervisor>>()
        && align_of::<Cell<A>>() == align_of::<Cell<Supervisor>>()
}

/// Puts the cell that `make` makes into an `Arc`. Made where it is to lie: it would be moved there otherwise.
#[inline(always)]
pub(super) fn fill<A: Messages>(make: impl FnOnce() -> Cell<A>) -> Arc<Cell<A>> {
    let husk = if const { is_common::<A>() } { take() } else { None };
    let Some(husk) = husk else { return fresh(make()) };
    let cell = Arc::into_raw(husk).cast::<Cell<A>>();
    // SAFETY: the memory is for a cell of this size, is not initialised, and nobody else has it: see `keep`.
    unsafe { cell.cast_mut().write(make()) };
    // SAFETY: it comes from `into_raw` of an `Arc` of what has the same size and alignment, and holds a cell now.
    unsafe { Arc::from_raw(cell) }
}

#[cold]
#[inline(never)]
fn fresh<A: Messages>(cell: Cell<A>) -> Arc<Cell<A>> {
    Arc::new(cell)
}

#[inline]
fn take() -> Option<Husk> {
    HUSKS.try_with(|husks| husks.borrow_mut().pop()).ok().flatten()
}

/// Lets go of a cell whose actor has ended; keeps its memory if this was the last ref.
pub(super) fn keep<A: Messages>(mut cell: Arc<Cell<A>>) {
    if !const { is_common::<A>() } || Arc::get_mut(&mut cell).is_none() {
        return;
    }
    let cell = Arc::into_raw(cell);
    // SAFETY: it comes from `into_raw` of an `Arc` of what has the same size and alignment. Nobody else has it: there is no
    // other count of either kind. From here on its memory is freed, and nothing in it dropped.
    let husk: Husk = unsafe { Arc::from_raw(cell.cast()) };
    // SAFETY: the cell is there still, for the last time.
    unsafe { cell.cast_mut().drop_in_place() };
    let _thread_is_ending = HUSKS.try_with(|husks| {
        let mut husks = husks.borrow_mut();
        if husks.len() < MOST {
            husks.push(husk);
        }
    });
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::actor::Settings;
    use crate::cell::Plan;
    use crate::cell::incarnation::Incarnation;
    use crate::cell::turn::Life;
    use crate::prelude::*;
    use crate::supervisor::children::Nursery;

    #[derive(Actor)]
    struct One;

    #[messages]
    impl One {}

    #[derive(Actor)]
    struct Other {
        _state: [u64; 100],
    }

    #[messages]
    impl Other {
        #[message]
        fn take(&mut self, _value: [u64; 20]) {}
    }

    /// A cell whose actor has not begun, and a count of what its factory holds.
    fn cell<A: Messages>(nursery: &Arc<Nursery>, make: fn() -> A) -> (Arc<Cell<A>>, std::sync::Weak<()>) {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let factory = move || {
            let _held = &held;
            make()
        };
        let cell = Cell::new(Plan {
            id: nursery.system().next_id(),
            name: None,
            nursery: nursery.clone(),
            restart: Restart::Temporary,
            settings: Settings::DEFAULT,
            pinned: None,
            site: Location::caller(),
            life: Life::unborn(Incarnation::unborn(factory), None, None, None),
        });
        (cell, weak)
    }

    fn other() -> Other {
        Other { _state: [0; 100] }
    }

    /// A system, a place for children, and no husk on this thread.
    fn begin() -> (System, Arc<Nursery>) {
        HUSKS.take();
        let system = System::builder().workers(1).build().unwrap();
        let nursery = Nursery::of_root(SystemHandle::clone(&system));
        (system, nursery)
    }

    fn kept() -> usize {
        HUSKS.with_borrow(Vec::len)
    }

    #[test]
    fn the_memory_of_one_cell_is_that_of_the_next_of_any_type() {
        let (_system, nursery) = begin();
        let (one, held) = cell(&nursery, || One);
        let at = Arc::as_ptr(&one).addr();
        keep(one);
        assert!(held.upgrade().is_none(), "what was in the cell is dropped at once");
        let (next, held) = cell(&nursery, other);
        assert_eq!(Arc::as_ptr(&next).addr(), at);
        assert_eq!((Arc::strong_count(&next), Arc::weak_count(&next)), (1, 0));
        drop(next);
        assert!(held.upgrade().is_none(), "it is an `Arc` like any other");
        assert_eq!(kept(), 0);
    }

    #[test]
    fn a_cell_that_somebody_has_a_ref_to_stays() {
        let (_system, nursery) = begin();
        let (one, held) = cell(&nursery, || One);
        let (counted, weak) = (one.clone(), Arc::downgrade(&one));
        keep(one);
        assert!(held.upgrade().is_some() && weak.upgrade().is_some());
        keep(counted);
        assert!(held.upgrade().is_none() && weak.upgrade().is_none());
        assert_eq!(kept(), 0, "a ref that does not count has its memory still");
    }

    #[test]
    fn a_thread_keeps_so_many_and_no_more() {
        let (_system, nursery) = begin();
        let cells: Vec<_> = (0..MOST + 10).map(|_| cell(&nursery, || One)).collect();
        for (cell, held) in cells {
            keep(cell);
            assert!(held.upgrade().is_none());
        }
        assert_eq!(kept(), MOST);
    }
}
