//! Values that are set once, made of the primitives that take the place of the standard library's, which have no
//! such types.

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Its `get` is an acquire load that may read an old value, as the real one's is.
pub(crate) struct OnceLock<T> {
    set: AtomicUsize,
    setting: Mutex<()>,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        OnceLock { set: AtomicUsize::new(0), setting: Mutex::new(()), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.set.load(Ordering::Acquire) == 1 { self.value.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let _setting = self.setting.lock();
        let value = self.value.get_or_init(init);
        // A read-modify-write, as in the standard library's.
        self.set.swap(1, Ordering::AcqRel);
        value
    }
}

/// As [`OnceLock`]: who comes second waits here, where the real one throws its own value away.
pub(crate) struct OnceBox<T>(OnceLock<Box<T>>);

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        OnceBox(OnceLock::new())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get().map(|value| &**value)
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> Box<T>) -> &T {
        self.0.get_or_init(init)
    }
}
