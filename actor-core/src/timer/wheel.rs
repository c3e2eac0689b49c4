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
    timers: Slab<Node<T>>,
}

/// A queue through the nodes.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

struct Node<T> {
    at: Spot,
    next: u32,
    previous: u32,
    value: T,
}

/// A tick, and beside it, where it leaves room, the slot that the node is in. A node has the size
/// of a cache line with it, and would be larger than one without.
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
        let empty = List { first: NONE, last: NONE };
        Wheel { now: 0, occupied: [0; LEVELS], slots: [empty; SLOTS * LEVELS], timers: Slab::new() }
    }

    /// Adds a timer that is due at tick `at`, or at once if that is over.
    pub(super) fn arm(&mut self, at: u64, value: T) -> Key {
        let at = at.clamp(self.now, LAST);
        let slot = self.slot_of(at);
        let node = Node { at: Spot::new(at, slot), next: NONE, previous: NONE, value };
        let key = self.timers.insert(node);
        self.link(key.index(), slot);
        key
    }

    /// Takes a timer out. `None` if it was taken or cancelled before.
    pub(super) fn cancel(&mut self, key: Key) -> Option<T> {
        self.timers.get_mut(key)?;
        self.unlink(key.index());
        Some(self.timers.remove_at(key.index()).value)
    }

    /// Takes what is due at tick `now` into `due`, in the order of the deadlines and, where these
    /// are equal, of arming. True: it has touched `work` timers and must be called again, since
    /// there may be more (in the wrong order then, if some were armed for the same tick meanwhile).
    pub(super) fn advance(&mut self, now: u64, mut work: usize, due: &mut Vec<T>) -> bool {
        let now = now.min(LAST - 1);
        while let Some((tick, slot)) = self.first().filter(|(tick, _)| *tick <= now) {
            self.now = tick;
            while let Some(index) = self.slots[slot].first() {
                if work == 0 {
                    return true;
                }
                work -= 1;
                self.unlink(index);
                if slot < SLOTS {
                    due.push(self.timers.remove_at(index).value);
                } else {
                    self.move_down(index);
                }
            }
        }
        self.now = self.now.max(now);
        false
    }

    /// The tick at which `advance` has something to do next: the first deadline, or before that
    /// the time to move timers to a lower level.
    pub(super) fn next(&self) -> Option<u64> {
        self.first().map(|(tick, _)| tick)
    }

    pub(super) fn len(&self) -> usize {
        self.timers.len()
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

    fn move_down(&mut self, index: u32) {
        let at = self.timers[index].at.tick();
        let slot = self.slot_of(at);
        self.timers[index].at = Spot::new(at, slot);
        self.link(index, slot);
    }

    fn link(&mut self, index: u32, slot: usize) {
        let list = &mut self.slots[slot];
        let last = std::mem::replace(&mut list.last, index);
        if last == NONE {
            list.first = index;
            self.occupied[slot / SLOTS] |= 1 << (slot % SLOTS);
        } else {
            self.timers[last].next = index;
        }
        let node = &mut self.timers[index];
        (node.previous, node.next) = (last, NONE);
    }

    fn unlink(&mut self, index: u32) {
        let Node { at, next, previous, .. } = self.timers[index];
        let slot = at.slot();
        let list = &mut self.slots[slot];
        match previous {
            NONE => list.first = next,
            _ => self.timers[previous].next = next,
        }
        match next {
            NONE => list.last = previous,
            _ => self.timers[next].previous = previous,
        }
        if list.first == NONE {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }
}

impl List {
    fn first(self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }
}

#[cfg(test)]
mod tests;
