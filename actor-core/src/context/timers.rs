//! The timers of one incarnation: which are armed, and what each says when it is due.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::actor::{Accepts, Messages};
use crate::clock;
use crate::message::Message;
use crate::platform::prefetch::Hint;
use crate::reply::Reply;
use crate::slab::{Key, Slab};
use crate::system::SystemHandle;
use crate::timer::Armed;

/// The key of a timer of which an actor has one at most: a name or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimerKey {
    /// A name.
    Name(&'static str),
    /// A number, of a request for instance.
    Number(u64),
}

impl From<&'static str> for TimerKey {
    fn from(name: &'static str) -> Self {
        TimerKey::Name(name)
    }
}

impl From<u64> for TimerKey {
    fn from(number: u64) -> Self {
        TimerKey::Number(number)
    }
}

/// What a timer says when it is due.
pub(super) enum Due<A: Messages> {
    Once(A::Message),
    Every(Box<Every<A>>),
}

pub(super) struct Every<A: Messages> {
    at: Instant,
    period: Duration,
    make: Box<dyn FnMut() -> A::Message + Send>,
}

impl<A: Messages> Due<A> {
    pub(super) fn once<M: Message>(message: M) -> Self
    where
        A: Accepts<M>,
    {
        Due::Once(A::wrap(message, Reply::nowhere()))
    }

    /// Also says when it is due for the first time.
    pub(super) fn every<M: Message>(
        period: Duration,
        mut make: impl FnMut() -> M + Send + 'static,
    ) -> (Instant, Self)
    where
        A: Accepts<M>,
    {
        let period = period.max(Duration::from_millis(1));
        let at = clock::later(clock::now(), period);
        let make = Box::new(move || A::wrap(make(), Reply::nowhere()));
        (at, Due::Every(Box::new(Every { at, period, make })))
    }
}

impl<A: Messages> Every<A> {
    /// This beat's message, and when the next is due: beats that were missed are skipped.
    fn beat(&mut self) -> (A::Message, Instant) {
        let message = (self.make)();
        let (next, now) = (clock::later(self.at, self.period), clock::now());
        self.at = if next > now { next } else { clock::later(now, self.period) };
        (message, self.at)
    }
}

/// The timers that are armed. Nothing here cancels itself when it is dropped: that takes the
/// system, and a handle to it in each timer would cost more than the timer.
pub(super) struct Timers<A: Messages> {
    entries: Slab<Entry<A>>,
    keys: HashMap<TimerKey, Key>,
}

struct Entry<A: Messages> {
    armed: Armed,
    due: Due<A>,
    /// Boxed, as few timers have one.
    key: Option<Box<TimerKey>>,
}

impl<A: Messages> Timers<A> {
    /// Adds a timer that `arm` arms. It replaces the one that has the key.
    pub(super) fn add(
        &mut self,
        system: &SystemHandle,
        key: Option<TimerKey>,
        due: Due<A>,
        arm: impl FnOnce(Key, Hint) -> Armed,
    ) -> Key {
        let boxed = key.clone().map(Box::new);
        let timer =
            self.entries.insert_with(|timer, hint| Entry { armed: arm(timer, hint), due, key: boxed });
        if let Some(replaced) = key.and_then(|key| self.keys.insert(key, timer)) {
            self.forget(system, replaced);
        }
        timer
    }

    pub(super) fn cancel(&mut self, system: &SystemHandle, timer: Key) -> bool {
        let Some(entry) = self.forget(system, timer) else {
            return false;
        };
        if let Some(key) = entry.key {
            self.keys.remove(&key);
        }
        true
    }

    pub(super) fn cancel_keyed(&mut self, system: &SystemHandle, key: &TimerKey) -> bool {
        self.keys.remove(key).is_some_and(|timer| self.forget(system, timer).is_some())
    }

    fn forget(&mut self, system: &SystemHandle, timer: Key) -> Option<Entry<A>> {
        let entry = self.entries.remove(timer)?;
        entry.armed.cancel(system);
        Some(entry)
    }

    /// For the end of the incarnation, when all of this is dropped.
    pub(super) fn cancel_all(&mut self, system: &SystemHandle) {
        for entry in self.entries.iter() {
            entry.armed.cancel(system);
        }
    }

    /// What a timer that has fired says; `None` if it was cancelled in the meantime. A repeated one
    /// is armed again by `arm`.
    pub(super) fn due(&mut self, timer: Key, arm: impl FnOnce(Instant, Hint) -> Armed) -> Option<A::Message> {
        let entry = self.entries.get_mut(timer)?;
        let hint = Hint::at(entry);
        if let Due::Every(every) = &mut entry.due {
            let (message, next) = every.beat();
            entry.armed = arm(next, hint);
            return Some(message);
        }
        let Entry { due, key, .. } = self.entries.remove(timer)?;
        if let Some(key) = key {
            self.keys.remove(&key);
        }
        match due {
            Due::Once(message) => Some(message),
            Due::Every(_) => None,
        }
    }
}

impl<A: Messages> Default for Timers<A> {
    fn default() -> Self {
        Timers { entries: Slab::new(), keys: HashMap::new() }
    }
}
