//! Tables in pieces, which grow and are forgotten a piece at a time, so that no single step with them takes long.

use crate::leaks::piece::Piece;

/// A map by addresses or numbers, of values that are their default until they are changed. What is in it lies in pages; one
/// that becomes full is split in two by another bit of the keys' hashes (extendible hashing: Fagin and others, 1979).
pub(super) struct Map<V> {
    pages: Vec<Page<V>>,
    /// Which page has the keys whose hashes begin with these bits.
    directory: Vec<u32>,
    /// How many bits that is.
    bits: u32,
}

struct Page<V> {
    /// The keys, each plus one, so that 0 is none; where its hash says, or behind that.
    entries: Piece<(u64, V)>,
    used: usize,
    /// How many bits the hashes of its keys have in common.
    bits: u32,
}

/// How many places a page has.
const fn places<V>() -> usize {
    let room = Piece::<(u64, V)>::ROOM;
    if room.is_power_of_two() { room } else { room.next_power_of_two() / 2 }
}

impl<V: Copy + Default> Map<V> {
    fn page_of(&self, hash: u64) -> Option<usize> {
        // In two shifts, since there may be no bits at all.
        let first = (hash >> 1 >> (63 - self.bits)) as usize;
        self.directory.get(first).map(|page| *page as usize)
    }

    pub(super) fn get(&self, key: u64) -> Option<V> {
        let hash = mixed(key);
        let page = &self.pages[self.page_of(hash)?];
        let (found, value) = page.entries[page.find(hash, key)];
        (found != 0).then_some(value)
    }

    /// The value that is there, if there is one.
    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let hash = mixed(key);
        let at = self.page_of(hash)?;
        let page = &mut self.pages[at];
        let place = page.find(hash, key);
        let (found, value) = &mut page.entries[place];
        (*found != 0).then_some(value)
    }

    /// The value, and whether it is new.
    pub(super) fn entry(&mut self, key: u64) -> (&mut V, bool) {
        let hash = mixed(key);
        let page = loop {
            match self.page_of(hash) {
                None => self.begin(),
                Some(page) if self.pages[page].is_full() => self.split(page),
                Some(page) => break page,
            }
        };
        self.pages[page].entry(hash, key)
    }

    fn begin(&mut self) {
        self.pages.push(Page::new(0));
        self.directory = vec![0];
    }

    /// Splits a page by the first bit in which the hashes of its keys differ.
    fn split(&mut self, at: usize) {
        let bits = self.pages[at].bits + 1;
        if bits > self.bits {
            self.directory = self.directory.iter().flat_map(|page| [*page, *page]).collect();
            self.bits = bits;
        }
        let mut halves = [Page::new(bits), Page::new(bits)];
        for (key, value) in self.pages[at].entries.iter().filter(|(key, _)| *key != 0) {
            let hash = mixed(key - 1);
            *halves[(hash >> (64 - bits)) as usize & 1].entry(hash, key - 1).0 = *value;
        }
        let [low, high] = halves;
        self.pages[at] = low;
        let added = self.pages.len() as u32;
        self.pages.push(high);
        let by = self.bits - bits;
        for (first, page) in self.directory.iter_mut().enumerate() {
            if *page as usize == at && first >> by & 1 == 1 {
                *page = added;
            }
        }
    }

    /// Forgets a page; false when it is empty, and no memory is left but for a page.
    pub(super) fn forget_some(&mut self) -> bool {
        if self.pages.len() > 1 {
            // Nothing is found any more.
            self.directory.clear();
            self.pages.pop();
            return true;
        }
        if let Some(page) = self.pages.first_mut().filter(|page| page.used > 0) {
            page.clear();
            (self.directory, self.bits) = (vec![0], 0);
        }
        false
    }
}

impl<V: Copy + Default> Page<V> {
    fn new(bits: u32) -> Self {
        let mut entries = Piece::new();
        (0..places::<V>()).for_each(|_| entries.push((0, V::default())));
        Page { entries, used: 0, bits }
    }

    fn is_full(&self) -> bool {
        self.used >= places::<V>() / 4 * 3
    }

    /// Where the key is, or would be.
    fn find(&self, hash: u64, key: u64) -> usize {
        let mut at = hash as usize % places::<V>();
        while self.entries[at].0 != 0 && self.entries[at].0 != key + 1 {
            at = (at + 1) % places::<V>();
        }
        at
    }

    fn entry(&mut self, hash: u64, key: u64) -> (&mut V, bool) {
        let at = self.find(hash, key);
        let (found, value) = &mut self.entries[at];
        let is_new = *found == 0;
        *found = key + 1;
        self.used += usize::from(is_new);
        (value, is_new)
    }

    fn clear(&mut self) {
        self.entries.fill((0, V::default()));
        (self.used, self.bits) = (0, 0);
    }
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Map { pages: Vec::new(), directory: Vec::new(), bits: 0 }
    }
}

/// Addresses and numbers need but be spread.
fn mixed(key: u64) -> u64 {
    let mixed = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

/// A list in pieces, none of which moves.
pub(super) struct List<T>(Vec<Piece<T>>);

impl<T> List<T> {
    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * Piece::<T>::ROOM + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        if self.0.last().is_none_or(|last| last.len() == Piece::<T>::ROOM) {
            self.0.push(Piece::new());
        }
        self.0.last_mut().expect("there is one now").push(value);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        // One that has become empty stays until the one before it is touched: else a list that grows and shrinks there
        // would take a piece and give it back each time.
        if self.0.len() > 1 && self.0.last().is_some_and(|last| last.is_empty()) {
            self.0.pop();
        }
        self.0.last_mut()?.pop()
    }

    /// Forgets a piece; false if there was none.
    pub(super) fn forget_some(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T> std::ops::Index<usize> for List<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.0[at / Piece::<T>::ROOM][at % Piece::<T>::ROOM]
    }
}

impl<T> std::ops::IndexMut<usize> for List<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / Piece::<T>::ROOM][at % Piece::<T>::ROOM]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_map_has_what_was_put_there_until_it_is_forgotten() {
        let mut map = Map::default();
        for key in 0..100_000_u64 {
            let (value, is_new) = map.entry(key * 16);
            assert!(is_new);
            *value = key;
        }
        assert!(!map.entry(16).1);
        *map.entry(16).0 += 1;
        *map.get_mut(32).unwrap() += 1;
        assert_eq!((map.get(16), map.get(32), map.get(1)), (Some(2), Some(3), None));
        assert!((3..100_000).all(|key| map.get(key * 16) == Some(key)));
        assert!(map.pages.len() < 150, "{}", map.pages.len());
        for _ in 0..2 {
            while map.forget_some() {}
            assert_eq!((map.get(32), map.pages.len()), (None, 1));
            *map.entry(5).0 = 5;
            assert_eq!(map.get(5), Some(5));
        }
    }

    proptest! {
        #[test]
        fn a_map_counts_as_another_does(keys in prop::collection::vec(0..1000_u64, 0..20_000), spread in 0..60_u32) {
            let (mut map, mut other) = (Map::<u64>::default(), HashMap::new());
            for key in keys.into_iter().map(|key| key << spread >> 1) {
                *map.entry(key).0 += 1;
                *other.entry(key).or_insert(0) += 1;
            }
            for (key, count) in &other {
                prop_assert_eq!(map.get(*key), Some(*count));
            }
        }
    }

    #[test]
    fn a_list_grows_and_shrinks_at_its_end() {
        let piece = Piece::<usize>::ROOM;
        let mut list = List::default();
        (0..3 * piece).for_each(|value| list.push(value));
        assert_eq!(
            (list.len(), list[0], list[piece], list[3 * piece - 1]),
            (3 * piece, 0, piece, 3 * piece - 1)
        );
        for value in (0..3 * piece).rev() {
            assert_eq!(list.pop(), Some(value));
        }
        assert_eq!((list.pop(), list.len()), (None, 0));
        list.push(1);
        while list.forget_some() {}
        assert_eq!((list.len(), list.pop()), (0, None));
    }
}
