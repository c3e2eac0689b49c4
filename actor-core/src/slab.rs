//! A slab: values in one array, each found by its key at once, and a key finds no other value than
//! its own, however often its place has been used again.

/// No place.
pub(crate) const NONE: u32 = u32::MAX;

/// An empty slab that has more places than this gives its memory back.
const KEPT: usize = 1024;

/// Finds a value of a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    index: u32,
    /// How often the place was used before.
    generation: u32,
}

impl Key {
    /// The value's place, for as long as it is there.
    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The place that was freed last; each free place leads to the one before.
    free: u32,
    len: usize,
    /// The generation that a new place begins with. Higher than that of any place given back.
    first: u32,
}

struct Place<T> {
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Value(T),
    Free { next: u32 },
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Slab { places: Vec::new(), free: NONE, len: 0, first: 0 }
    }

    /// Whether it is as good as new.
    pub(crate) fn has_no_memory(&self) -> bool {
        self.places.capacity() == 0
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Adds what `make` gives, which is told the key beforehand.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if let Some(place) = self.places.get_mut(self.free as usize) {
            let key = Key { index: self.free, generation: place.generation };
            let value = Content::Value(make(key));
            if let Content::Free { next } = std::mem::replace(&mut place.content, value) {
                self.free = next;
            }
            self.len += 1;
            return key;
        }
        let index = u32::try_from(self.places.len()).ok().filter(|index| *index != NONE);
        let index = index.expect("there is no memory for so many values");
        let key = Key { index, generation: self.first };
        let content = Content::Value(make(key));
        self.places.push(Place { generation: self.first, content });
        self.len += 1;
        key
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.index as usize) {
            Some(Place { generation, content: Content::Value(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Takes a value out. `None` if it is gone already.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        Some(self.remove_at(key.index))
    }

    /// Takes out the value of a place that is not free.
    pub(crate) fn remove_at(&mut self, index: u32) -> T {
        let place = &mut self.places[index as usize];
        let Content::Value(value) = std::mem::replace(&mut place.content, Content::Free { next: self.free })
        else {
            unreachable!("this place has no value");
        };
        // A place whose generations are used up is not used again, or an old key would fit.
        if let Some(generation) = place.generation.checked_add(1) {
            place.generation = generation;
            self.free = index;
        }
        self.len -= 1;
        if self.len == 0 && self.places.len() > KEPT {
            self.give_back();
        }
        value
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| match &place.content {
            Content::Value(value) => Some(value),
            Content::Free { .. } => None,
        })
    }

    fn give_back(&mut self) {
        let newest = self.places.iter().map(|place| place.generation).max();
        if let Some(first) = newest.and_then(|newest| newest.checked_add(1)) {
            *self = Slab { first, ..Slab::new() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl<T> Slab<T> {
        /// The size of a place, in bytes.
        pub(crate) const PLACE: usize = size_of::<Place<T>>();
    }

    proptest! {
        #[test]
        fn a_key_finds_its_own_value_only(inserts in prop::collection::vec(any::<Option<usize>>(), 1..400)) {
            let mut slab = Slab::new();
            let (mut keys, mut model) = (Vec::new(), HashMap::new());
            for (number, remove) in inserts.into_iter().enumerate() {
                match remove {
                    Some(which) if !keys.is_empty() => {
                        let key = keys[which % keys.len()];
                        prop_assert_eq!(slab.remove(key), model.remove(&key));
                    }
                    _ => {
                        let key = slab.insert(number);
                        prop_assert!(model.insert(key, number).is_none(), "{key:?} was given before");
                        keys.push(key);
                    }
                }
                prop_assert_eq!(slab.len(), model.len());
                for key in &keys {
                    prop_assert_eq!(slab.get_mut(*key).copied(), model.get(key).copied());
                }
            }
        }
    }

    #[test]
    fn it_gives_its_memory_back_and_old_keys_still_find_nothing() {
        let mut slab = Slab::new();
        let old: Vec<_> = (0..=KEPT).map(|number| slab.insert(number)).collect();
        for key in &old {
            slab.remove(*key);
        }
        assert_eq!(slab.places.capacity(), 0);
        let new = slab.insert(7);
        assert!(old.iter().all(|key| slab.remove(*key).is_none()));
        assert_eq!(slab.remove(new), Some(7));
    }

    #[test]
    fn a_place_is_not_used_more_often_than_keys_can_tell() {
        let mut slab = Slab { first: u32::MAX - 1, ..Slab::new() };
        let keys = [1, 2, 3].map(|number| {
            let key = slab.insert(number);
            assert_eq!(slab.remove(key), Some(number));
            key
        });
        assert_eq!(keys.map(|key| key.index), [0, 0, 1]);
    }
}
