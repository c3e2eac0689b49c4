//! Messages that wait too long at the heads of their mailboxes: whoever is to handle them does not get on.
//!
//! All actors are looked at, one after the other, again and again. What is seen of each is written down anyway: whether
//! something waits in its mailbox, and how much was taken out so far. Where something waits at each look for as long as the
//! limit says, and nothing was taken out meanwhile, it is the same that waits. So an actor that gets on is never taken for
//! one that does not, however long its queue is.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cell::control::Asked;
use crate::cell::mailbox::{Fate, Order};
use crate::cell::{ActorId, Control};
use crate::clock;
use crate::leaks::table::Map;
use crate::leaks::walk::{Walk, Walked, Whom};
use crate::leaks::{STEP, is_over, rest_after};
use crate::remedy::Remedy;
use crate::system::SystemHandle;

/// How often it is looked within the limit.
const LOOKS: u32 = 8;
/// So many actors are looked at between two looks at the clock.
const AT_A_TIME: usize = 64;
/// How much of a processor the looks take, in per cent.
const SHARE: u32 = 2;

/// What is looked for, and what becomes of who is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    limit: Duration,
    remedy: Remedy,
}

impl Limit {
    /// What a step takes must be short beside it.
    const SHORTEST: Duration = Duration::from_millis(10);

    pub(crate) fn new(limit: Duration, remedy: Remedy) -> Self {
        Limit { limit: limit.max(Self::SHORTEST), remedy }
    }
}

/// Something has waited at the head of an actor's mailbox for too long; see
/// [`Builder::overdue_messages`](crate::Builder::overdue_messages).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OverdueMessage {
    /// Whose mailbox it is.
    pub actor: ActorId,
    /// The actor's path.
    pub path: String,
    /// The name of its type, without its path.
    pub name: &'static str,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// How long it was seen to wait; it may have come a little earlier. Times in which the process stood still do not count.
    pub waited: Duration,
    /// What was done.
    pub done: Remedy,
}

impl fmt::Display for OverdueMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OverdueMessage { path, site, waited, .. } = self;
        write!(f, "{path}, spawned at {}:{}, for {waited:.1?}", site.file(), site.line())
    }
}

/// What the last look at an actor has seen.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The number of what waits at the head of the mailbox.
    head: u64,
    /// Since when it has waited, in time that was watched.
    since: Duration,
    /// Whether something was done about it.
    reported: bool,
}

impl Seen {
    /// What another look sees at `now`, where `before` is what the last one has seen, if something waited then.
    fn again(before: Option<Seen>, head: u64, now: Duration) -> Seen {
        match before {
            Some(before) if before.head == head => before,
            // As if it had been seen at the end of the step: it may have come in the midst.
            _ => Seen { head, since: now + 2 * STEP, reported: false },
        }
    }

    /// How long it has waited, if that is too long and nothing was done about it. A look more than the limit has: one of the
    /// times between them may be one in which the process stood still.
    fn overdue(&self, limit: Duration, now: Duration) -> Option<Duration> {
        let waited = now.saturating_sub(self.since);
        (!self.reported && waited >= limit + limit / LOOKS).then_some(waited)
    }
}

/// Time that passes only as long as somebody watches: that by which the watcher was late does not count, since those who are
/// watched may have been held up with it.
struct Watched {
    passed: Duration,
    /// Until when it is counted.
    until: Instant,
}

impl Watched {
    /// Goes on to `now`, where the watcher should have been back at `due`.
    fn go_on(&mut self, now: Instant, due: Instant) {
        self.passed += now.min(due).saturating_duration_since(self.until);
        self.until = now;
    }
}

/// When who is looked at.
pub(crate) struct Looks {
    limit: Limit,
    watched: Watched,
    walk: Option<Walk>,
    /// When this walk began.
    begun: Instant,
    /// Those in whose mailboxes something waited, by their numbers: at the last walk, and at this one.
    before: Map<Seen>,
    seen: Map<Seen>,
    next: Instant,
}

impl Looks {
    pub(crate) fn new(limit: Limit, now: Instant) -> Self {
        let watched = Watched { passed: Duration::ZERO, until: now };
        let (before, seen) = (Map::default(), Map::default());
        Looks { limit, watched, walk: None, begun: now, before, seen, next: now }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Looks at some actors, if it is time.
    pub(crate) fn tend(&mut self, system: &SystemHandle, now: Instant) {
        if now < self.next {
            return;
        }
        self.watched.go_on(now, self.next);
        if self.walk.is_none() {
            self.begun = now;
        }
        let is_over = system.is_ending() || self.step(system, now);
        let after = clock::now();
        self.watched.go_on(after, now + STEP);
        self.next = clock::later(after, rest_after(after.saturating_duration_since(now), SHARE));
        if is_over {
            self.walk = None;
            self.next = self.next.max(clock::later(self.begun, self.limit.limit / LOOKS));
        }
    }

    /// Goes on for as long as a step has; whether the walk is over.
    fn step(&mut self, system: &SystemHandle, now: Instant) -> bool {
        let mut walk = self.walk.take().unwrap_or_else(|| Walk::new(system, Whom::All));
        loop {
            for _ in 0..AT_A_TIME {
                match walk.go_on() {
                    Walked::Actor(cell) => self.look(&cell, system),
                    Walked::On => break,
                    Walked::End if self.before.forget_some() => break,
                    Walked::End => {
                        std::mem::swap(&mut self.before, &mut self.seen);
                        return true;
                    }
                }
            }
            if is_over(now) {
                self.walk = Some(walk);
                return false;
            }
        }
    }

    fn look(&mut self, cell: &Arc<dyn Control>, system: &SystemHandle) {
        let Some(head) = cell.head_of_queue() else { return };
        let (id, now) = (cell.id(), self.watched.passed);
        let mut seen = Seen::again(self.before.get(id.0), head, now);
        if let Some(waited) = seen.overdue(self.limit.limit, now) {
            seen.reported = true;
            self.act(cell, waited, system);
        }
        *self.seen.entry(id.0).0 = seen;
    }

    fn act(&self, cell: &Arc<dyn Control>, waited: Duration, system: &SystemHandle) {
        let (kind, done) = (cell.kind(), self.limit.remedy);
        let (name, site) = (kind.name(), kind.site());
        let path = cell.path().to_string();
        system
            .leaks_seen()
            .overdue(OverdueMessage { actor: cell.id(), path, name, site, waited, done }, system);
        match done {
            Remedy::Report => {}
            // A stop would wait behind the message.
            Remedy::Stop => cell.clone().kill(Order { why: Asked::Shutdown, fate: Fate::Last }),
            Remedy::Restart => cell.clone().kill(Order { why: Asked::Kill, fate: Fate::ByType }),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(80);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_waits_at_each_look_is_overdue_after_the_limit_and_a_look_more() {
        let first = Seen::again(None, 7, ms(100));
        let mut seen = (1..=8).fold(first, |seen, look| {
            let seen = Seen::again(Some(seen), 7, ms(100 + 10 * look));
            assert_eq!(seen.overdue(LIMIT, ms(100 + 10 * look)), None);
            seen
        });
        seen = Seen::again(Some(seen), 7, ms(195));
        let waited = seen.overdue(LIMIT, ms(195)).unwrap();
        assert!(waited > LIMIT && waited < ms(95), "{waited:?}");
        seen.reported = true;
        assert_eq!(Seen::again(Some(seen), 7, ms(300)).overdue(LIMIT, ms(300)), None, "it was said");
    }

    #[test]
    fn what_waits_is_another_when_something_was_taken_out() {
        let mut seen = Seen::again(None, 7, ms(0));
        seen.reported = true;
        let next = Seen::again(Some(seen), 8, ms(1000));
        assert_eq!(next.overdue(LIMIT, ms(1000)), None);
        assert!(next.overdue(LIMIT, ms(1100)).is_some(), "nothing was said of that one");
        assert_eq!(
            Seen::again(None, 8, ms(1100)).overdue(LIMIT, ms(1100)),
            None,
            "nothing waited in between"
        );
    }

    #[test]
    fn the_time_by_which_the_watcher_was_late_does_not_count() {
        let begin = Instant::now();
        let mut watched = Watched { passed: Duration::ZERO, until: begin };
        watched.go_on(begin + ms(10), begin + ms(10));
        assert_eq!(watched.passed, ms(10));
        watched.go_on(begin + ms(5000), begin + ms(20));
        assert_eq!(watched.passed, ms(20));
        watched.go_on(begin + ms(5010), begin + ms(5030));
        assert_eq!(watched.passed, ms(30));
        watched.go_on(begin + ms(5020), begin + ms(5005));
        assert_eq!(watched.passed, ms(30), "it was due before");
    }
}
