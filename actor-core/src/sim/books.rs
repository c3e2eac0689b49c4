//! The books that a simulation keeps of its messages, monitors and restarts: what is broken of what we promise.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// After so many the books are closed: the first one tells, and those that follow follow from it.
const MOST: usize = 16;

/// What was accepted by mailboxes and not handled yet, and what has been told.
#[derive(Default)]
pub(super) struct Books {
    /// By actor, in the order in which they were accepted.
    queued: HashMap<u64, VecDeque<&'static str>>,
    /// The monitors that were made, and that were answered.
    watched: BTreeSet<u64>,
    down: HashSet<u64>,
    /// By supervisor, when its incarnation has restarted somebody.
    restarts: HashMap<u64, VecDeque<Duration>>,
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
        match queued.iter().position(|queued| *queued == message) {
            Some(at) => {
                queued.remove(at);
                if let (1.., Some(first)) = (at, queued.front()) {
                    let broken =
                        format!("order: actor #{actor} handles {message}, but {first} was accepted before that");
                    self.broken(broken);
                }
            }
            None => self.broken(format!(
                "account: actor #{actor} handles {message}, which nobody in the simulation has sent: a thread of the test's own, \
                 perhaps, whose speed is not on the tape"
            )),
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

    /// A monitor is made.
    pub(super) fn watches(&mut self, monitor: u64) {
        self.watched.insert(monitor);
    }

    /// One is given up.
    pub(super) fn forgets(&mut self, monitor: u64) {
        self.watched.remove(&monitor);
    }

    /// An incarnation of a supervisor begins.
    pub(super) fn counts_restarts(&mut self, supervisor: u64) {
        self.restarts.remove(&supervisor);
    }

    /// It restarts somebody; how many restarts that makes within the window, whose ends belong to it.
    pub(super) fn restarts(&mut self, supervisor: u64, now: Duration, most: u32, window: Duration) -> usize {
        let all = self.restarts.entry(supervisor).or_default();
        all.push_back(now);
        while all.front().is_some_and(|at| now - *at > window) {
            all.pop_front();
        }
        let counted = all.len();
        if counted > most as usize {
            self.broken(format!(
                "intensity: supervisor #{supervisor} restarts for the {counted}th time in {window:?}, and may do so {most} times"
            ));
        }
        counted
    }

    /// A Down is told.
    pub(super) fn told(&mut self, monitor: u64) {
        self.watched.remove(&monitor);
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
        for monitor in std::mem::take(&mut self.watched) {
            self.broken(format!("Down: monitor {monitor} is never answered"));
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
        (6..8).for_each(|monitor| books.watches(monitor));
        books.forgets(6);
        books.told(7);
        let ms = Duration::from_millis;
        [0, 0, 101].into_iter().for_each(|at| _ = books.restarts(3, ms(at), 2, ms(100)));
        books.counts_restarts(3);
        books.restarts(3, ms(101), 1, ms(100));
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
        books.dead(1, "b");
        books.watches(6);
        books.told(7);
        books.told(7);
        let ms = Duration::from_millis;
        [0, 50, 100].into_iter().for_each(|at| _ = books.restarts(3, ms(at), 2, ms(100)));
        let broken = books.close();
        let kinds: Vec<_> =
            broken.iter().map(|broken| broken.split(':').next().unwrap_or_default()).collect();
        assert_eq!(
            kinds,
            ["order", "account", "account", "Down", "intensity", "account", "account", "Down"],
            "{broken:?}"
        );
    }
}
