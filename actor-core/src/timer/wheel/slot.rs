//! What is in one slot of the wheel: the indices of timers, in the order in which they came. One that is cancelled
//! leaves a gap; when there are more gaps than timers they are closed.

use crate::slab::NONE;

/// So many gaps are no matter.
const FEW: usize = 16;

pub(super) struct Slot {
    indices: Vec<u32>,
    /// Those before this were taken.
    first: usize,
    /// How many of the others are gaps. The last is none.
    gaps: usize,
}

impl Slot {
    pub(super) const EMPTY: Slot = Slot { indices: Vec::new(), first: 0, gaps: 0 };

    /// An empty slot.
    pub(super) fn with_memory(memory: Vec<u32>) -> Slot {
        Slot { indices: memory, ..Slot::EMPTY }
    }

    /// The memory of an empty slot.
    pub(super) fn into_memory(mut self) -> Vec<u32> {
        self.indices.clear();
        self.indices
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.indices.len()
    }

    /// With gaps, and with what was taken.
    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.indices.len()
    }

    /// Adds a timer as the last; its position.
    pub(super) fn push(&mut self, index: u32) -> u32 {
        let position = u32::try_from(self.indices.len()).ok().filter(|position| *position != NONE);
        self.indices.push(index);
        position.expect("there is no memory for so many timers")
    }

    pub(super) fn remove(&mut self, position: u32) {
        self.indices[position as usize] = NONE;
        self.gaps += 1;
        while !self.is_empty() && self.indices.last() == Some(&NONE) {
            self.indices.pop();
            self.gaps -= 1;
        }
    }

    /// Takes the first of what is not empty.
    pub(super) fn take_first(&mut self) -> u32 {
        loop {
            let index = self.indices[self.first];
            self.first += 1;
            if index != NONE {
                return index;
            }
            self.gaps -= 1;
        }
    }

    /// The one that is so many places further on.
    pub(super) fn ahead(&self, places: usize) -> Option<u32> {
        self.indices.get(self.first + places).copied().filter(|index| *index != NONE)
    }

    pub(super) fn has_many_gaps(&self) -> bool {
        self.gaps > FEW && self.gaps > self.indices.len() - self.first - self.gaps
    }

    /// Moves the timers together; `moved` is told where each is now.
    pub(super) fn close_gaps(&mut self, mut moved: impl FnMut(u32, u32)) {
        let mut filled = 0;
        for from in self.first..self.indices.len() {
            let index = self.indices[from];
            if index != NONE {
                self.indices[filled] = index;
                moved(index, filled as u32);
                filled += 1;
            }
        }
        self.indices.truncate(filled);
        (self.first, self.gaps) = (0, 0);
    }
}
