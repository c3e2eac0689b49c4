//! A hierarchical timer wheel: deadlines in ticks, armed and cancelled in constant time.
//!
//! Level 0 has a slot for each of the 64 ticks around now, level 1 a slot for each of the 64 groups
//! of 64 ticks around those, and so on. A deadline is kept at the level of the highest of its
//! base-64 digits that differs from now's, in the slot of that digit. So everything at a level is
//! due before anything at the next, and when time enters the slot of a higher level, what is in
//! there moves to lower ones; each timer moves at most once a level.
//!
//! With very many timers most of the time goes into waiting for memory. So what is in a slot is an array, not a
//! list through the timers: what comes next is known ahead, and fetched.
//!
//! The wheel is told the time and reads no clock.

mod slot;

use crate::platform::prefetch::Hint;
use crate::slab::{Key, NONE, Slab};
use slot::Slot;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// Enough for 8900 years of milliseconds.
const LEVELS: usize = 8;
/// How many timers ahead what is next is fetched.
const AHEAD: usize = 12;
/// So much memory for empty slots is kept: so many of them, each for so many timers.
const SPARE: usize = 64;
const SPARE_LENGTH: usize = 512;
/// The last tick that there is. It is never reached, so what is later is kept there.
const LAST: u64 = (1 << (BITS * LEVELS as u32)) - 1;

pub(super) struct Wheel<T> {
    /// What was due before this tick has been taken.
    now: u64,
    /// For each level, which slots are not empty.
    occupied: [u64; LEVELS],
    /// Those of level 0 first. Boxed: together they are too much for a small stack.
    slots: Box<[Slot]>,
    /// Memory for slots, of those that have become empty.
    spare: Vec<Vec<u32>>,
    values: Slab<T>,
    /// Where each value is, by its index. Apart from the values, so that moving a timer to a lower
    /// level touches a quarter of a cache line: with many timers, a miss costs more than the rest.
    nodes: Vec<Node>,
}

/// Packed, so that all that there is of a timer takes no more than a cache line.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct Node {
    spot: Spot,
    /// Where it is in the slot.
    position: u32,
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
    pub(super) fn new() -> Self {
        Wheel {
            now: 0,
            occupied: [0; LEVELS],
            slots: (0..SLOTS * LEVELS).map(|_| Slot::EMPTY).collect(),
            spare: Vec::new(),
            values: Slab::new(),
            nodes: Vec::new(),
        }
    }

    /// Adds a timer that is due at tick `at`, or at once if that is over.
    pub(super) fn arm(&mut self, at: u64, value: T) -> Key {
        let at = at.clamp(self.now, LAST);
        let key = self.values.insert(value);
        let index = key.index();
        if index as usize == self.nodes.len() {
            self.nodes.push(Node { spot: Spot(0), position: NONE });
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
        // What is moved goes elsewhere, so nobody misses it meanwhile.
        let mut content = std::mem::replace(&mut self.slots[slot], Slot::EMPTY);
        while !content.is_empty() {
            if *work == 0 {
                self.slots[slot] = content;
                return false;
            }
            *work -= 1;
            let index = content.take_first();
            let next = content.ahead(AHEAD);
            if slot < SLOTS {
                next.and_then(|next| self.values.hint(next)).inspect(|value| value.fetch(0));
                due.push(self.values.remove_at(index));
            } else {
                next.inspect(|next| Hint::at(self.nodes.as_ptr().wrapping_add(*next as usize)).fetch(0));
                let spot = self.nodes[index as usize].spot;
                self.link(index, spot.tick());
            }
        }
        self.emptied(slot, content);
        true
    }

    /// Notes that nothing is left in a slot, and keeps its memory for another.
    fn emptied(&mut self, slot: usize, content: Slot) {
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        let memory = content.into_memory();
        if memory.capacity() <= SPARE_LENGTH && self.spare.len() < SPARE {
            self.spare.push(memory);
        }
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
        let content = &mut self.slots[slot];
        if content.is_empty() {
            self.occupied[slot / SLOTS] |= 1 << (slot % SLOTS);
            *content = Slot::with_memory(self.spare.pop().unwrap_or_default());
        }
        let position = content.push(index);
        self.nodes[index as usize] = Node { spot: Spot::new(at, slot), position };
    }

    fn unlink(&mut self, index: u32) {
        let Node { spot, position } = self.nodes[index as usize];
        let content = &mut self.slots[spot.slot()];
        content.remove(position);
        if content.is_empty() {
            let content = std::mem::replace(content, Slot::EMPTY);
            self.emptied(spot.slot(), content);
        } else if content.has_many_gaps() {
            let nodes = &mut self.nodes;
            content.close_gaps(|index, position| nodes[index as usize].position = position);
        }
    }

    /// Follows the values, which give their memory back when the last of many is gone.
    fn give_back(&mut self) {
        if self.values.has_no_memory() {
            self.nodes = Vec::new();
            self.spare = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests;
