//! The books that a simulation keeps of its messages and monitors: what is broken of what we promise.

use std::collections::{HashMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt;

/// After so many the books are closed: the first one tells, and those that follow follow from it.
const MOST: usize = 16;

/// What was accepted by mailboxes and not handled yet, and what has been told.
#[derive(Default)]
pub(super) struct Books {
    /// By actor, in the order in which they were accepted.
    queued: HashMap<u64, VecDeque<&'static str>>,
    down: HashSet<u64>,
    broken: Vec<String>,
}

impl Books {
    /// A mailbox has accepted a message.
    pub(super) fn accepted(&mut self, actor: u64, message: &'static str) {
        self.queued.entry(actor).or_default().push_back(message);
    }

    /// It has not, after all.
    pub(super) fn refused(&mut self, actor: u64) {
        self.queued.entry(actor).or_default().pop_back();
    }

    /// A message from the mailbox is given to a handler: the first of what was accepted.
    pub(super) fn taken(&mut self, actor: u64, message: &'static str) {
        let queued = self.queued.entry(actor).or_default();
        match queued.pop_front() {
            Some(first) if first == message => {}
            Some(first) => {
                self.broken(format!(
                    "order: actor #{actor} handles {message}, but {first} was accepted before that"
                ));
            }
            None => self.broken(format!("account: actor #{actor} handles {message}, which it was not sent")),
        }
    }

    /// A message that was given to a handler will be given to one again.
    pub(super) fn put_back(&mut self, actor: u64, message: &'static str) {
        self.queued.entry(actor).or_default().push_front(message);
    }

    /// A message that no handler has seen is a dead letter.
    pub(super) fn dead(&mut self, actor: u64, message: &'static str) {
        let queued = self.queued.entry(actor).or_default();
        match queued.iter().position(|queued| *queued == message) {
            Some(at) => drop(queued.remove(at)),
            None => {
                self.broken(format!(
                    "account: {message} for actor #{actor} is a dead letter, and was not queued"
                ));
            }
        }
    }

    /// A Down is told.
    pub(super) fn told(&mut self, monitor: u64) {
        if !self.down.insert(monitor) {
            self.broken(format!("Down: monitor {monitor} is told a second time"));
        }
    }

    pub(super) fn broken(&mut self, what: String) {
        if self.broken.len() < MOST {
            self.broken.push(what);
        }
    }

    /// The system has ended: nothing is queued any more. What was broken in all.
    pub(super) fn close(&mut self) -> Vec<String> {
        let mut left: Vec<_> = std::mem::take(&mut self.queued).into_iter().collect();
        left.sort_unstable_by_key(|(actor, _)| *actor);
        for (actor, queued) in left {
            for message in queued {
                self.broken(format!(
                    "account: {message} was accepted for actor #{actor}, and is neither handled nor a dead letter"
                ));
            }
        }
        std::mem::take(&mut self.broken)
    }
}

/// What is not in order at the end of a simulation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken {
    /// Each in a sentence.
    pub what: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in order:")?;
        self.what.iter().try_for_each(|what| write!(f, "\n  {what}"))
    }
}

impl Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accounted_for_is_in_order() {
        let mut books = Books::default();
        for message in ["a", "b", "c", "d", "e"] {
            books.accepted(1, message);
        }
        books.refused(1);
        books.taken(1, "a");
        books.put_back(1, "a");
        books.dead(1, "c");
        for message in ["a", "b", "d"] {
            books.taken(1, message);
        }
        books.told(7);
        assert!(books.close().is_empty());
    }

    #[test]
    fn what_is_broken_is_said() {
        let mut books = Books::default();
        for message in ["a", "b", "c"] {
            books.accepted(1, message);
        }
        books.taken(1, "b");
        books.taken(2, "a");
        books.dead(1, "a");
        books.told(7);
        books.told(7);
        let broken = books.close();
        let kinds: Vec<_> =
            broken.iter().map(|broken| broken.split(':').next().unwrap_or_default()).collect();
        assert_eq!(kinds, ["order", "account", "account", "Down", "account", "account"], "{broken:?}");
    }
}
