//! The children of a supervisor, in a table for each worker: so workers that spawn under the same
//! supervisor share no lock, and neither a spawn nor an end costs a message.
//!
//! A child is in the table of the worker that spawned it, from before its first turn until it has
//! ended for good. The table does not keep it alive: the actor's life does (`Cell::begin`), and the
//! actor is taken off the list before that ends. This is what the unsafe code here relies on.
#![allow(unsafe_code)]

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::actor::Messages;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::cell::task::Listed;
use crate::cell::{ActorId, Cell, Control};
use crate::error::SpawnError;
use crate::supervisor::stopping::Late;
use crate::supervisor::{Event, STOP_WITHIN, Supervisor, SupervisorRef};
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::system::SystemHandle;
use crate::wait;

/// An empty table that has more places than this gives its memory back.
const KEPT: usize = 1024;

/// All children of one supervisor.
pub(crate) struct Children {
    /// One for each worker, one for threads that are none, and the last for those that have a slot.
    nurseries: Box<[Arc<Nursery>]>,
}

/// The children that were spawned on one worker, or those that have a slot; what every cell knows of where it
/// stands.
pub(crate) struct Nursery {
    system: SystemHandle,
    supervisor: Weak<Cell<Supervisor>>,
    /// The supervisor's path, as the beginning of its children's. `None` for the root's own place,
    /// which nobody supervises.
    path: Option<Box<str>>,
    /// Whether the children have slots, so that the supervisor is told of all that they do.
    slots: bool,
    /// Where there is a limit on those that have none.
    room: Option<Arc<Room>>,
    table: CachePadded<Mutex<Table>>,
}

/// A limit on the number of children without a slot.
pub(crate) struct Room {
    max: usize,
    taken: AtomicUsize,
}

impl Room {
    pub(crate) fn new(max: usize) -> Self {
        Room { max, taken: AtomicUsize::new(0) }
    }

    fn take(&self) -> bool {
        let one_more = |taken| (taken < self.max).then_some(taken + 1);
        // Relaxed, here and below: it is a count and orders nothing.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) all: usize,
    pub(super) in_slots: usize,
    /// Of those without a slot.
    pub(super) supervisors: usize,
}

#[derive(Default)]
struct Table {
    closed: bool,
    places: Vec<Option<Listed>>,
    free: Vec<u32>,
    /// Of the children for which it is not [`STOP_WITHIN`].
    stop_within: HashMap<u32, Duration>,
    /// Which of the children are supervisors.
    supervisors: HashSet<u32>,
    /// Who is to be woken when one ends.
    waiter: Option<Waker>,
}

/// Where a child is listed.
#[derive(Clone, Copy)]
pub(super) struct Place {
    id: ActorId,
    nursery: usize,
    at: u32,
}

/// How far the children have been picked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Picked {
    nursery: usize,
    at: usize,
}

/// Children that were picked.
#[derive(Default)]
pub(crate) struct Picks {
    pub(crate) actors: Vec<Arc<dyn Control>>,
    pub(crate) supervisors: Vec<Arc<dyn Control>>,
}

impl Nursery {
    /// No place in a table.
    pub(crate) const NOWHERE: u32 = u32::MAX;

    /// The root supervisor's own place.
    pub(crate) fn of_root(system: SystemHandle) -> Arc<Nursery> {
        let table = CachePadded::default();
        Arc::new(Nursery { system, supervisor: Weak::new(), path: None, slots: false, room: None, table })
    }

    pub(crate) fn system(&self) -> &SystemHandle {
        &self.system
    }

    /// The beginning of the children's paths; `None` for the root's own place.
    pub(crate) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The supervisor, unless it is gone.
    pub(crate) fn supervisor(&self) -> Option<SupervisorRef> {
        self.supervisor.upgrade().map(SupervisorRef::of)
    }

    /// Tells the supervisor about a child; gives the news back if it has ended.
    pub(crate) fn post(&self, event: Event) -> Result<(), Box<Event>> {
        match self.supervisor() {
            Some(supervisor) => supervisor.post(event),
            None => Err(Box::new(event)),
        }
    }

    /// Whether the children have slots, so that the supervisor is told of all that they do.
    pub(crate) fn has_slots(&self) -> bool {
        self.slots
    }

    /// Lists a child, which has not begun.
    ///
    /// # Errors
    /// If the supervisor takes no more.
    pub(crate) fn add<A: Messages>(
        &self,
        cell: &Arc<Cell<A>>,
        stop_within: Duration,
    ) -> Result<(), SpawnError> {
        if let Some(room) = &self.room
            && !room.take()
        {
            return Err(SpawnError::TooManyChildren { max: room.max });
        }
        if self.list(cell, stop_within) {
            return Ok(());
        }
        self.room.as_deref().inspect(|room| room.give_back());
        Err(SpawnError::Closed)
    }

    fn list<A: Messages>(&self, cell: &Arc<Cell<A>>, stop_within: Duration) -> bool {
        // SAFETY: the cell stays until its life ends, and is taken off the list before; what is listed is
        // used with the lock only.
        let child = unsafe { Listed::of(cell) };
        let mut table = self.table.lock();
        if table.closed {
            return false;
        }
        let Some(at) = table.add(child) else { return false };
        if stop_within != STOP_WITHIN {
            table.stop_within.insert(at, stop_within);
        }
        if TypeId::of::<A>() == TypeId::of::<Supervisor>() {
            table.supervisors.insert(at);
        }
        // Relaxed: the child's first turn comes later, and reads it in the order that its schedule gives.
        cell.place.store(at, Ordering::Relaxed);
        true
    }

    /// Takes a child that has ended off the list, if it is there.
    pub(crate) fn remove(&self, at: u32, child: ActorId) {
        let waiter = {
            let mut table = self.table.lock();
            if table.remove(at, child) {
                self.room.as_deref().inspect(|room| room.give_back());
            }
            table.waiter.take()
        };
        if let Some(waiter) = waiter {
            wait::wake(waiter);
        }
    }

    /// How long a child may take to stop.
    pub(crate) fn stop_within(&self, at: u32) -> Duration {
        self.table.lock().stop_within.get(&at).copied().unwrap_or(STOP_WITHIN)
    }
}

impl Table {
    fn add(&mut self, child: Listed) -> Option<u32> {
        if let Some(at) = self.free.pop() {
            self.places[at as usize] = Some(child);
            return Some(at);
        }
        let at = u32::try_from(self.places.len()).ok().filter(|at| *at != Nursery::NOWHERE)?;
        self.places.push(Some(child));
        Some(at)
    }

    /// The child, if it is there still.
    fn get(&self, at: u32, child: ActorId) -> Option<Listed> {
        self.places.get(at as usize).copied().flatten().filter(|listed| listed.id() == child)
    }

    /// Whether it was there.
    fn remove(&mut self, at: u32, child: ActorId) -> bool {
        if self.get(at, child).is_none() {
            return false;
        }
        self.places[at as usize] = None;
        // Most tables have none of these, and a map that is empty hashes all the same.
        if !self.stop_within.is_empty() {
            self.stop_within.remove(&at);
        }
        if !self.supervisors.is_empty() {
            self.supervisors.remove(&at);
        }
        self.free.push(at);
        if self.free.len() == self.places.len() && self.places.len() > KEPT {
            self.places = Vec::new();
            self.free = Vec::new();
        }
        true
    }

    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl Children {
    /// The tables of a supervisor, open.
    pub(crate) fn of(supervisor: &Arc<Cell<Supervisor>>) -> Arc<Children> {
        let system = supervisor.system();
        let path = if supervisor.is_root() { String::new() } else { supervisor.path().to_string() };
        let room = supervisor.mailbox.rare().room.get();
        let slots = system.workers() + 1;
        let nursery = |number| {
            Arc::new(Nursery {
                system: system.clone(),
                supervisor: Arc::downgrade(supervisor),
                path: Some(path.as_str().into()),
                slots: number == slots,
                room: room.filter(|_| number != slots).cloned(),
                table: CachePadded::default(),
            })
        };
        Arc::new(Children { nurseries: (0..=slots).map(nursery).collect() })
    }

    /// Where what this thread spawns belongs.
    pub(crate) fn nursery_here(&self) -> &Arc<Nursery> {
        let outside = self.nurseries.len() - 2;
        let system = &self.nurseries[outside].system;
        // There may be more workers now than there were tables for. Without a division where there are not.
        let table_of = |worker| if worker < outside { worker } else { worker % outside };
        let here = system.scheduler().current_worker().map_or(outside, table_of);
        &self.nurseries[here]
    }

    /// Where what has a slot belongs.
    pub(crate) fn nursery_of_slots(&self) -> &Arc<Nursery> {
        &self.nurseries[self.nurseries.len() - 1]
    }

    /// How many there are, those included that are being restarted.
    pub(super) fn count(&self) -> Counted {
        let mut counted = Counted::default();
        for nursery in &self.nurseries {
            let table = nursery.table.lock();
            counted.all += table.len();
            if nursery.slots {
                counted.in_slots = table.len();
            } else {
                counted.supervisors += table.supervisors.len();
            }
        }
        counted
    }

    /// Takes children (again).
    pub(crate) fn open(&self) {
        self.nurseries.iter().for_each(|nursery| nursery.table.lock().closed = false);
    }

    /// Takes no more children.
    pub(super) fn close(&self) {
        self.nurseries.iter().for_each(|nursery| nursery.table.lock().closed = true);
    }

    /// The supervisor is gone without having stopped them: takes no more, and kills those there are.
    pub(crate) fn orphan(&self) {
        self.close();
        for place in self.list() {
            let Some((child, _)) = self.find(place) else { continue };
            if child.system().is_ending() {
                // The deadline of the whole has cut this supervisor's work short.
                let path = child.path().to_string();
                child.system().report_late(Late { path, ended_by_kill: true, at: None });
            }
            child.kill(Order { why: Asked::Shutdown, fate: Fate::Last });
        }
    }

    /// All there are: those that have a slot, in this order, then the others in the order of their start.
    pub(super) fn list_ordered(&self, slots: &[ActorId]) -> Vec<Place> {
        let rank: HashMap<_, _> = slots.iter().zip(0..).collect();
        let mut list = self.list();
        let last = self.nurseries.len() - 1;
        list.sort_by_key(|place| (place.nursery != last, rank.get(&place.id).copied().unwrap_or(usize::MAX)));
        list
    }

    /// Those that have no slot.
    pub(super) fn list_without_slot(&self) -> Vec<Place> {
        let last = self.nurseries.len() - 1;
        self.list().into_iter().filter(|place| place.nursery != last).collect()
    }

    /// All there are, in the order of their start.
    fn list(&self) -> Vec<Place> {
        let mut list = Vec::new();
        for (nursery, of) in self.nurseries.iter().enumerate() {
            let table = of.table.lock();
            list.reserve(table.len());
            let listed = table.places.iter().zip(0..);
            list.extend(listed.filter_map(|(child, at)| Some(Place { id: (*child)?.id(), nursery, at })));
        }
        list.sort_unstable_by_key(|place| place.id);
        list
    }

    /// Gives out children, those that are supervisors apart: what is listed in one of the tables at `from` and behind it,
    /// `most` places at a time; of those with a slot only the supervisors, unless `slots` says so. Says where to go on.
    pub(crate) fn pick(&self, from: Picked, most: usize, slots: bool, picked: &mut Picks) -> Option<Picked> {
        let nursery = self.nurseries.get(from.nursery)?;
        let table = nursery.table.lock();
        let end = table.places.len().min(from.at + most);
        for at in from.at..end {
            let Some(child) = table.places[at] else { continue };
            if table.supervisors.contains(&(at as u32)) {
                picked.supervisors.push(child.cell());
            } else if slots || !nursery.slots {
                picked.actors.push(child.cell());
            }
        }
        let next_table = Picked { nursery: from.nursery + 1, at: 0 };
        Some(if end < table.places.len() { Picked { at: end, ..from } } else { next_table })
    }

    /// A child, and how long it may take to stop; `None` if it has ended.
    pub(super) fn find(&self, place: Place) -> Option<(Arc<dyn Control>, Duration)> {
        let table = self.nurseries[place.nursery].table.lock();
        let listed = table.get(place.at, place.id)?;
        let stop_within = table.stop_within.get(&place.at).copied().unwrap_or(STOP_WITHIN);
        Some((listed.cell(), stop_within))
    }

    /// Takes a child off the list although it has not ended: there is nothing more to be done about it.
    pub(super) fn forget(&self, place: Place) {
        self.nurseries[place.nursery].remove(place.at, place.id);
    }

    /// Ready when the child has ended. One task at a time can wait.
    pub(super) fn poll_gone(&self, place: Place, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let _before = {
            let mut table = self.nurseries[place.nursery].table.lock();
            if table.get(place.at, place.id).is_none() {
                return Poll::Ready(());
            }
            table.waiter.replace(waker)
        };
        Poll::Pending
    }
}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children").field("count", &self.count()).finish_non_exhaustive()
    }
}
