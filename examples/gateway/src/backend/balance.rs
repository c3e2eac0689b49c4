//! Which backend gets the next request: the one with the fewest on their way, of those whose breaker is
//! closed. Pure: a function of what has happened and of the time.

use std::time::Instant;

use crate::breaker::{Breaker, Change, Settings};

/// The backends of a pool, by their numbers in the configuration.
#[derive(Debug)]
pub(super) struct Balance {
    backends: Vec<Backend>,
    /// Which is looked at first, so that those with the same load take turns.
    turn: usize,
}

#[derive(Debug)]
struct Backend {
    breaker: Breaker,
    /// How many requests are on their way.
    busy: usize,
}

impl Balance {
    pub(super) fn new(backends: usize, settings: Settings) -> Balance {
        let backend = |_| Backend { breaker: Breaker::new(settings), busy: 0 };
        Balance { backends: (0..backends).map(backend).collect(), turn: 0 }
    }

    /// The backend for a request that was with those of `tried` before. The request counts there until it is
    /// [`done`](Self::done).
    pub(super) fn pick(&mut self, tried: &[usize]) -> Option<usize> {
        let count = self.backends.len();
        let may = |at: &usize| self.backends[*at].breaker.allows() && !tried.contains(at);
        let candidates = (0..count).map(|step| (self.turn + step) % count).filter(may);
        let picked = candidates.min_by_key(|at| self.backends[*at].busy)?;
        self.turn = (picked + 1) % count;
        self.backends[picked].busy += 1;
        Some(picked)
    }

    /// A request is not on its way to this backend any more.
    pub(super) fn done(&mut self, at: usize) {
        self.backends[at].busy -= 1;
    }

    /// The backend's breaker, to be told of failures and probes.
    pub(super) fn breaker(&mut self, at: usize) -> &mut Breaker {
        &mut self.backends[at].breaker
    }

    /// A request has failed at this backend.
    pub(super) fn failed(&mut self, at: usize, now: Instant) -> Option<Change> {
        self.backends[at].breaker.failed(now)
    }

    /// When the first probe of all is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.backends.iter().filter_map(|backend| backend.breaker.due()).min()
    }

    /// Of each backend: whether it gets requests, what its breaker is, and how many are on their way.
    pub(super) fn standing(&self) -> impl Iterator<Item = (bool, &'static str, usize)> {
        let of = |backend: &Backend| (backend.breaker.allows(), backend.breaker.state(), backend.busy);
        self.backends.iter().map(of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn balance(backends: usize) -> Balance {
        Balance::new(backends, Settings { failures: 1, ..Settings::default() })
    }

    #[test]
    fn those_with_the_same_load_take_turns() {
        let mut balance = balance(3);
        let picked: Vec<_> = (0..6).map(|_| balance.pick(&[])).collect();
        assert_eq!(picked, [Some(0), Some(1), Some(2), Some(0), Some(1), Some(2)]);
        balance.done(1);
        assert_eq!(balance.pick(&[]), Some(1), "it has the fewest");
    }

    #[test]
    fn who_was_tried_and_whose_breaker_is_open_is_left_alone() {
        let mut balance = balance(3);
        assert_eq!(balance.pick(&[0, 1]), Some(2));
        assert!(balance.failed(2, Instant::now()).is_some());
        assert_eq!(balance.pick(&[0]), Some(1));
        assert_eq!(balance.pick(&[0, 1]), None);
        let standing: Vec<_> = balance.standing().collect();
        assert_eq!(standing, [(true, "closed", 0), (true, "closed", 1), (false, "open", 1)]);
        assert!(balance.due().is_some());
    }

    proptest! {
        /// No backend ever has two requests more than another, as long as all are well and requests end in any
        /// order at those that have the most.
        #[test]
        fn the_load_is_even(steps in proptest::collection::vec(any::<bool>(), 1..200)) {
            let mut balance = balance(4);
            for begin in steps {
                let busy: Vec<_> = balance.standing().map(|(_, _, busy)| busy).collect();
                let most = (0..4).max_by_key(|at| busy[*at]).unwrap_or(0);
                if begin || busy[most] == 0 {
                    prop_assert!(balance.pick(&[]).is_some());
                } else {
                    balance.done(most);
                }
                let busy: Vec<_> = balance.standing().map(|(_, _, busy)| busy).collect();
                let (least, most) = (busy.iter().min(), busy.iter().max());
                prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", busy);
            }
        }
    }
}
