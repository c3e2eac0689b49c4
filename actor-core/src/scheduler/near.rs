//! The order in which a worker that is pinned to a core steals: from those on cores of its own memory node
//! first, since what they have is nearer, then from those of other nodes.

/// The other workers in groups, nearest first. Without groups, all are equally near.
pub(super) struct Near(Vec<Vec<usize>>);

impl Near {
    /// `groups` has all workers that there can be, each group in the order of their numbers.
    pub(super) fn new(groups: Vec<Vec<usize>>) -> Near {
        debug_assert!(groups.iter().all(|group| group.is_sorted()));
        Near(groups)
    }

    #[inline]
    pub(super) fn is_flat(&self) -> bool {
        self.0.is_empty()
    }

    /// The other workers, of those that there are: group by group, each beginning with a random one. `below`
    /// gives a number below the one that it is given.
    pub(super) fn victims(
        &self,
        workers: usize,
        below: impl Fn(usize) -> usize,
    ) -> impl Iterator<Item = usize> {
        self.0.iter().flat_map(move |group| {
            let started = &group[..group.partition_point(|victim| *victim < workers)];
            let start = below(started.len());
            let (behind, first) = started.split_at(start.min(started.len()));
            first.iter().chain(behind).copied()
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn order(workers: usize, start: usize) -> Vec<usize> {
        let near = Near::new(vec![vec![1, 4, 5], vec![2, 3, 6]]);
        near.victims(workers, |n| if n == 0 { 0 } else { start % n }).collect()
    }

    #[test]
    fn the_near_ones_come_first_beginning_with_any_of_them() {
        assert_eq!(order(7, 0), [1, 4, 5, 2, 3, 6]);
        assert_eq!(order(7, 1), [4, 5, 1, 3, 6, 2]);
        assert_eq!(order(7, 2), [5, 1, 4, 6, 2, 3]);
    }

    #[test]
    fn workers_that_were_never_started_are_left_out() {
        assert_eq!(order(4, 0), [1, 2, 3]);
        assert_eq!(order(4, 1), [1, 3, 2]);
        assert_eq!(order(2, 1), [1]);
        assert!(order(1, 5).is_empty());
    }

    #[test]
    fn without_groups_there_is_no_order() {
        assert!(Near::new(Vec::new()).is_flat());
        assert!(!Near::new(vec![vec![1], vec![2]]).is_flat());
    }
}
