//! A hierarchical timer wheel: deadlines in ticks, armed and cancelled in constant time.
//!
//! Level 0 has a slot for each of the 64 ticks around now, level 1 a slot for each of the 64 groups
//! of 64 ticks around those, and so on. A deadline is kept at the level of the highest of its
//! base-64 digits that differs from now's, in the slot of that digit. So everything at a level is
//! due before anything at the next, and when time enters the slot of a higher level, what is in
//! there moves to lower ones; each timer moves at most once a level.
//!
//! The wheel is told the time and reads no clock.

use crate::slab::{Key, NONE, Slab};

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Enough for 8900 years of milliseconds.
const LEVELS: usize = 8;
/// The last tick that there is. It is never reached, so what is later is kept there.
const LAST: u64 = (1 << (BITS * LEVELS as u32)) - 1;

pub(super) struct Wheel<T> {
    /// What was due before this tick has been taken.
    now: u64,
    /// For each level, which slots are not empty.
    occupied: [u64; LEVELS],
    slots: [List; SLOTS * LEVELS],
    values: Slab<T>,
    /// Where each value is, by its index. Apart from the values, so that moving a timer to a lower
    /// level touches a quarter of a cache line: with many timers, a miss costs more than the rest.
    nodes: Vec<Node>,
}

/// A queue through the nodes.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Node {
    spot: Spot,
    next: u32,
    previous: u32,
}

/// A tick, and beside it, where it leaves room, the slot that the node is in.
#[derive(Clone, Copy)]
struct Spot(u64);

impl Spot {
    fn new(tick: u64, slot: usize) -> Self {
        Spot(tick << 16 | slot as u64)
    }

    fn tick(self) -> u64 {
        self.0 >> 16
    }

    fn slot(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

impl<T> Wheel<T> {
    /// An empty wheel at tick 0.
    pub(super) const fn new() -> Self {
        let slots = [List::EMPTY; SLOTS * LEVELS];
        Wheel { now: 0, occupied: [0; LEVELS], slots, values: Slab::new(), nodes: Vec::new() }
    }

    /// Adds a timer that is due at tick `at`, or at once if that is over.
    pub(super) fn arm(&mut self, at: u64, value: T) -> Key {
        let at = at.clamp(self.now, LAST);
        let key = self.values.insert(value);
        let index = key.index();
        if index as usize == self.nodes.len() {
            self.nodes.push(Node { spot: Spot(0), next: NONE, previous: NONE });
        }
        self.link(index, at);
        key
    }

    /// Takes a timer out. `None` if it was taken or cancelled before.
    pub(super) fn cancel(&mut self, key: Key) -> Option<T> {
        let value = self.values.remove(key)?;
        self.unlink(key.index());
        self.give_back();
        Some(value)
    }

    /// Takes what is due at tick `now` into `due`, in the order of the deadlines and, where these
    /// are equal, of arming. True: it has touched `work` timers and must be called again, since
    /// there may be more (in the wrong order then, if some were armed for the same tick meanwhile).
    pub(super) fn advance(&mut self, now: u64, mut work: usize, due: &mut Vec<T>) -> bool {
        let now = now.min(LAST - 1);
        while let Some((tick, slot)) = self.first().filter(|(tick, _)| *tick <= now) {
            self.now = tick;
            if !self.empty(slot, &mut work, due) {
                return true;
            }
        }
        self.now = self.now.max(now);
        self.give_back();
        false
    }

    /// Takes out what is in a slot, or moves it to lower levels. False if that is more than `work`.
    fn empty(&mut self, slot: usize, work: &mut usize, due: &mut Vec<T>) -> bool {
        let List { first: mut index, last } = std::mem::replace(&mut self.slots[slot], List::EMPTY);
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        // Nobody sees the list meanwhile, so its links need no repair at each step.
        while index != NONE {
            if *work == 0 {
                self.nodes[index as usize].previous = NONE;
                self.slots[slot] = List { first: index, last };
                self.occupied[slot / SLOTS] |= 1 << (slot % SLOTS);
                return false;
            }
            *work -= 1;
            let Node { spot, next, .. } = self.nodes[index as usize];
            if slot < SLOTS {
                due.push(self.values.remove_at(index));
            } else {
                self.link(index, spot.tick());
            }
            index = next;
        }
        true
    }

    /// The tick at which `advance` has something to do next: the first deadline, or before that
    /// the time to move timers to a lower level.
    pub(super) fn next(&self) -> Option<u64> {
        self.first().map(|(tick, _)| tick)
    }

    /// The first tick of the first slot that is not empty, and which slot that is.
    fn first(&self) -> Option<(u64, usize)> {
        let mut found: Option<(u64, usize)> = None;
        for (level, occupied) in self.occupied.iter().enumerate() {
            if *occupied == 0 {
                continue;
            }
            let slot = occupied.trailing_zeros();
            let shift = BITS * level as u32;
            let around = self.now >> (shift + BITS) << (shift + BITS);
            // The slot of a higher level may have been entered already, and be half moved.
            let tick = (around | u64::from(slot) << shift).max(self.now);
            // Of two with the same tick the higher level comes first: it may have timers for that.
            if found.is_none_or(|(first, _)| tick <= first) {
                found = Some((tick, level * SLOTS + slot as usize));
            }
        }
        found
    }

    fn slot_of(&self, at: u64) -> usize {
        let highest_difference = ((at ^ self.now) | 1).ilog2();
        let level = highest_difference / BITS;
        let digit = (at >> (level * BITS)) as usize % SLOTS;
        level as usize * SLOTS + digit
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// How many timers there is memory in use for.
    #[cfg(all(test, not(loom)))]
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }

    /// Puts a timer into the slot for `at`, as the last one there.
    fn link(&mut self, index: u32, at: u64) {
        let slot = self.slot_of(at);
        let list = &mut self.slots[slot];
        let previous = std::mem::replace(&mut list.last, index);
        if previous == NONE {
            list.first = index;
            self.occupied[slot / SLOTS] |= 1 << (slot % SLOTS);
        } else {
            self.nodes[previous as usize].next = index;
        }
        self.nodes[index as usize] = Node { spot: Spot::new(at, slot), next: NONE, previous };
    }

    fn unlink(&mut self, index: u32) {
        let Node { spot, next, previous } = self.nodes[index as usize];
        let slot = spot.slot();
        let list = &mut self.slots[slot];
        match previous {
            NONE => list.first = next,
            _ => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => list.last = previous,
            _ => self.nodes[next as usize].previous = previous,
        }
        if list.first == NONE {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }

    /// Follows the values, which give their memory back when the last of many is gone.
    fn give_back(&mut self) {
        if self.values.has_no_memory() {
            self.nodes = Vec::new();
        }
    }
}

impl List {
    const EMPTY: List = List { first: NONE, last: NONE };
}

#[cfg(test)]
mod tests;
