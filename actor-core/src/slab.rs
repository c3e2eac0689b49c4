//! A slab: values that are each found by their key at once, and a key finds no other value than its own, however
//! often its place has been used again. A value stays where it is in memory: the slab grows by pages, each as long as
//! all before it together.

use crate::platform::prefetch::Hint;

/// No place.
pub(crate) const NONE: u32 = u32::MAX;

/// How many places the first page has; a power of two.
const FIRST_PAGE: usize = 4;

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
    /// That of no value.
    pub(crate) const NOBODYS: Key = Key { index: NONE, generation: 0 };

    /// The value's place, for as long as it is there.
    pub(crate) fn index(self) -> u32 {
        self.index
    }
}

pub(crate) struct Slab<T> {
    /// The first page has `FIRST_PAGE` places, each of the others twice as many as the one before. They are made
    /// with room for all of them, so that they never move.
    pages: Vec<Vec<Place<T>>>,
    /// How many places there are.
    places: usize,
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
        Slab { pages: Vec::new(), places: 0, free: NONE, len: 0, first: 0 }
    }

    /// Whether it is as good as new.
    pub(crate) fn has_no_memory(&self) -> bool {
        self.pages.is_empty()
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_, _| value)
    }

    /// Adds what `make` gives, which is told the key beforehand, and where it will be.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Key, Hint) -> T) -> Key {
        let index = self.free;
        let Some(place) = (index != NONE).then(|| self.place_mut(index)).flatten() else {
            return self.insert_new(make);
        };
        let key = Key { index, generation: place.generation };
        let value = Content::Value(make(key, Hint::at(place)));
        if let Content::Free { next } = std::mem::replace(&mut place.content, value) {
            self.free = next;
        }
        self.len += 1;
        key
    }

    fn insert_new(&mut self, make: impl FnOnce(Key, Hint) -> T) -> Key {
        let index = u32::try_from(self.places).ok().filter(|index| *index != NONE);
        let index = index.expect("there is no memory for so many values");
        let (page, _) = spot(index);
        if page == self.pages.len() {
            // Exactly, since most slabs have one page.
            self.pages.reserve_exact(1);
            self.pages.push(Vec::with_capacity(FIRST_PAGE << page));
        }
        let page = &mut self.pages[page];
        let key = Key { index, generation: self.first };
        let content = Content::Value(make(key, Hint::at(page.as_ptr().wrapping_add(page.len()))));
        page.push(Place { generation: self.first, content });
        self.places += 1;
        self.len += 1;
        key
    }

    #[inline]
    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        let (page, at) = spot(index);
        self.pages.get_mut(page)?.get_mut(at)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.place_mut(key.index) {
            Some(Place { generation, content: Content::Value(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Where a value is, to have it fetched before it is needed.
    #[inline]
    pub(crate) fn hint(&self, index: u32) -> Option<Hint> {
        let (page, at) = spot(index);
        self.pages.get(page)?.get(at).map(|place| Hint::at(place))
    }

    /// Takes a value out. `None` if it is gone already.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        Some(self.remove_at(key.index))
    }

    /// Takes out the value of a place that is not free.
    pub(crate) fn remove_at(&mut self, index: u32) -> T {
        let free = self.free;
        let place = self.place_mut(index).expect("a place that was made");
        let Content::Value(value) = std::mem::replace(&mut place.content, Content::Free { next: free })
        else {
            unreachable!("this place has no value");
        };
        // A place whose generations are used up is not used again, or an old key would fit.
        if let Some(generation) = place.generation.checked_add(1) {
            place.generation = generation;
            self.free = index;
        }
        self.len -= 1;
        if self.len == 0 && self.places > KEPT {
            self.give_back();
        }
        value
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().filter_map(|place| match &place.content {
            Content::Value(value) => Some(value),
            Content::Free { .. } => None,
        })
    }

    fn give_back(&mut self) {
        let newest = self.pages.iter().flatten().map(|place| place.generation).max();
        if let Some(first) = newest.and_then(|newest| newest.checked_add(1)) {
            *self = Slab { first, ..Slab::new() };
        }
    }
}

/// The page of a place, and where it is there.
#[inline]
fn spot(index: u32) -> (usize, usize) {
    let from_first = index as usize + FIRST_PAGE;
    let page = from_first.ilog2() - FIRST_PAGE.ilog2();
    (page as usize, from_first - (FIRST_PAGE << page))
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
        assert!(slab.has_no_memory());
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
