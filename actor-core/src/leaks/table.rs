//! Tables that grow in small pieces, so that no single step with them takes long.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// So many that each is small: it grows in one go. With a million entries in 256 of them that took 0.5 ms.
const SHARDS: usize = 1024;
/// How long a piece of a list is.
const PIECE: usize = 1 << 10;

/// A map by addresses or numbers.
pub(super) struct Map<V>(Box<[HashMap<u64, V, BuildHasherDefault<Mixed>>]>);

impl<V> Map<V> {
    fn shard(key: u64) -> usize {
        (mixed(key) >> 32) as usize % SHARDS
    }

    pub(super) fn get(&self, key: u64) -> Option<&V> {
        self.0[Self::shard(key)].get(&key)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        self.0[Self::shard(key)].get_mut(&key)
    }

    /// The value that is there, or the one that is put there now.
    pub(super) fn entry(&mut self, key: u64, new: impl FnOnce() -> V) -> &mut V {
        self.0[Self::shard(key)].entry(key).or_insert_with(new)
    }

    /// Whether there was none before.
    pub(super) fn insert(&mut self, key: u64, value: V) -> bool {
        self.0[Self::shard(key)].insert(key, value).is_none()
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.0[Self::shard(key)].remove(&key);
    }

    /// Empties it, piece by piece; false when it is empty.
    pub(super) fn forget_some(&mut self) -> bool {
        match self.0.iter_mut().find(|shard| shard.capacity() > 0) {
            Some(shard) => *shard = HashMap::default(),
            None => return false,
        }
        true
    }

    /// Empties it, when it is small, and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.0.iter_mut().filter(|shard| !shard.is_empty()).for_each(HashMap::clear);
    }
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Map((0..SHARDS).map(|_| HashMap::default()).collect())
    }
}

/// Addresses and numbers need but be spread.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte) ^ self.0));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = mixed(key);
    }
}

fn mixed(key: u64) -> u64 {
    let mixed = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

/// A list in pieces, none of which moves.
pub(super) struct List<T>(Vec<Vec<T>>);

impl<T> List<T> {
    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PIECE + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        if self.0.last().is_none_or(|last| last.len() == PIECE) {
            self.0.push(Vec::with_capacity(PIECE));
        }
        self.0.last_mut().expect("there is one now").push(value);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let value = self.0.last_mut()?.pop();
        if self.0.last().is_some_and(Vec::is_empty) {
            self.0.pop();
        }
        value
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
        &self.0[at / PIECE][at % PIECE]
    }
}

impl<T> std::ops::IndexMut<usize> for List<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / PIECE][at % PIECE]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_what_was_put_there_until_it_is_emptied() {
        let mut map = Map::default();
        for key in 0..10_000_u64 {
            assert!(map.insert(key * 16, key));
        }
        assert!(!map.insert(16, 7));
        *map.entry(16, || 0) += 1;
        assert_eq!((map.get(16), map.get(32), map.get(1)), (Some(&8), Some(&2), None));
        map.clear();
        assert_eq!(map.get(32), None);
        map.insert(5, 5);
        while map.forget_some() {}
        assert_eq!(map.get(5), None);
    }

    #[test]
    fn a_list_grows_and_shrinks_at_its_end() {
        let mut list = List::default();
        (0..3 * PIECE).for_each(|value| list.push(value));
        assert_eq!(
            (list.len(), list[0], list[PIECE], list[3 * PIECE - 1]),
            (3 * PIECE, 0, PIECE, 3 * PIECE - 1)
        );
        for value in (0..3 * PIECE).rev() {
            assert_eq!(list.pop(), Some(value));
        }
        assert_eq!((list.pop(), list.len()), (None, 0));
    }
}
