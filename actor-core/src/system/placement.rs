//! Where workers run: the settings, and what becomes of them on this machine.

use std::fmt;

use crate::platform::affinity;
use crate::platform::topology::Topology;

/// Which worker stays on which core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Pinning {
    /// None: the system moves them as it likes.
    #[default]
    Free,
    /// Each on a core of the process's affinity mask.
    Mask,
    /// On these, in turn.
    Cores(Vec<usize>),
}

/// Where the workers of a system run; see [`SystemHandle::placement`](crate::SystemHandle::placement).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    cores: Vec<Option<usize>>,
    /// The cores that the process may use, if that is known.
    mask: Option<Vec<usize>>,
    /// Unknown, if no worker is pinned.
    topology: Topology,
    contradictions: Vec<Contradiction>,
}

/// What the settings of a system want that the affinity mask of its process does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// This worker was to be pinned to a core outside of the mask. It is not pinned.
    CoreNotAllowed {
        /// The number of the worker.
        worker: usize,
        /// The core.
        core: usize,
    },
    /// There are more workers than cores in the mask: some wait while others run.
    MoreWorkersThanCores {
        /// The workers.
        workers: usize,
        /// The cores in the mask.
        cores: usize,
    },
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::CoreNotAllowed { worker, core } => write!(
                f,
                "worker {worker} was to run on core {core}, which the process's affinity mask does not \
                 allow; it is not pinned"
            ),
            Contradiction::MoreWorkersThanCores { workers, cores } => write!(
                f,
                "{workers} workers share the {cores} cores of the process's affinity mask; have fewer \
                 workers, or allow more cores"
            ),
        }
    }
}

impl Placement {
    /// The placement of so many workers, and of those that may be added, up to `max`, of a process with
    /// this affinity mask, if that is known.
    pub(super) fn plan(pinning: &Pinning, workers: usize, max: usize, mask: Option<&[usize]>) -> Placement {
        let wanted = match pinning {
            Pinning::Free => &[],
            Pinning::Mask => mask.unwrap_or_default(),
            Pinning::Cores(cores) => &cores[..],
        };
        let mut contradictions = Vec::new();
        if let Some(mask) = mask
            && workers > mask.len()
        {
            contradictions.push(Contradiction::MoreWorkersThanCores { workers, cores: mask.len() });
        }
        let mut place = |worker| {
            let core = *wanted.get(worker % wanted.len().max(1))?;
            if mask.is_none_or(|mask| mask.contains(&core)) {
                return Some(core);
            }
            if worker < workers {
                contradictions.push(Contradiction::CoreNotAllowed { worker, core });
            }
            None
        };
        let cores = (0..max).map(&mut place).collect();
        let mask = mask.map(<[usize]>::to_vec);
        Placement { cores, mask, topology: Topology::default(), contradictions }
    }

    /// With what `topology` tells, if that matters: workers that are not pinned move from core to core.
    pub(super) fn knowing(mut self, topology: impl FnOnce() -> Topology) -> Placement {
        if self.cores.iter().any(Option::is_some) {
            self.topology = topology();
        }
        self
    }

    /// For a worker that is pinned the others, in groups, nearest first, each in the order of their numbers. Empty
    /// if all are equally near, or it is not pinned: then it may be anywhere.
    pub(crate) fn near(&self, worker: usize) -> Vec<Vec<usize>> {
        if self.core(worker).is_none() {
            return Vec::new();
        }
        let mut groups = self.topology.victims(worker, self.cores.len(), &self.cores);
        groups.iter_mut().for_each(|group| group.sort_unstable());
        if groups.len() > 1 { groups } else { Vec::new() }
    }

    pub(super) fn warn(&self) {
        for contradiction in &self.contradictions {
            tracing::warn!("{contradiction}");
        }
    }

    /// Whether a thread may be on this core, as far as is known.
    pub(crate) fn allows(&self, core: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask.contains(&core))
    }

    /// Pins this thread to a core, or to none: threads get the mask of those that start them, who may be pinned.
    pub(crate) fn settle(&self, core: Option<usize>) {
        let cores = match (&core, &self.mask) {
            (Some(core), _) => std::slice::from_ref(core),
            (None, Some(mask)) if affinity::allowed().as_ref() != Some(mask) => mask,
            (None, _) => return,
        };
        if let Err(error) = affinity::pin(cores) {
            let thread = std::thread::current();
            tracing::warn!(thread = thread.name(), ?cores, %error, "a thread could not be pinned");
        }
    }

    /// The core that a worker is pinned to; `None` if it is not.
    #[must_use]
    pub fn core(&self, worker: usize) -> Option<usize> {
        self.cores.get(worker).copied().flatten()
    }

    /// What the settings want and the process's affinity mask does not allow. Each was logged as a
    /// warning when the system was started.
    #[must_use]
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests::Tree;

    #[test]
    fn workers_get_the_cores_of_the_mask_or_of_the_list_in_turn() {
        let plan = |pinning, workers| Placement::plan(&pinning, workers, workers, Some(&[2, 3, 5]));
        assert_eq!(plan(Pinning::Mask, 3).cores, [Some(2), Some(3), Some(5)]);
        assert_eq!(plan(Pinning::Cores(vec![5, 2]), 3).cores, [Some(5), Some(2), Some(5)]);
        assert_eq!(plan(Pinning::Free, 3).cores, [None; 3]);
        assert!(plan(Pinning::Mask, 3).contradictions.is_empty());
    }

    #[test]
    fn what_contradicts_the_mask_is_told() {
        let plan = Placement::plan(&Pinning::Cores(vec![0, 1]), 3, 3, Some(&[0]));
        assert_eq!(plan.cores, [Some(0), None, Some(0)]);
        let told = [
            Contradiction::MoreWorkersThanCores { workers: 3, cores: 1 },
            Contradiction::CoreNotAllowed { worker: 1, core: 1 },
        ];
        assert_eq!(plan.contradictions, told);
    }

    #[test]
    fn where_the_mask_is_unknown_nothing_contradicts_it() {
        let plan = Placement::plan(&Pinning::Cores(vec![7]), 2, 2, None);
        assert_eq!((&plan.cores[..], plan.contradictions.len()), (&[Some(7), Some(7)][..], 0));
        assert_eq!(Placement::plan(&Pinning::Mask, 2, 2, None).cores, [None, None]);
    }

    /// Two nodes with two cores each; see `platform::topology` for how they are told.
    #[test]
    fn workers_on_cores_of_the_same_node_are_near() {
        let tree = Tree::new(
            "placement",
            &[
                ("sys/devices/system/node/node0/cpulist", "0-1"),
                ("sys/devices/system/node/node0/distance", "10 21"),
                ("sys/devices/system/node/node1/cpulist", "2-3"),
                ("sys/devices/system/node/node1/distance", "21 10"),
            ],
        );
        let plan = |pinning, workers, mask: &[usize]| {
            Placement::plan(&pinning, workers, 5, Some(mask)).knowing(|| Topology::read(&tree.0))
        };
        let all = plan(Pinning::Mask, 4, &[0, 1, 2, 3]);
        assert_eq!(all.near(0), [vec![1, 4], vec![2, 3]]);
        assert_eq!(all.near(3), [vec![2], vec![0, 1, 4]]);
        assert!(plan(Pinning::Free, 4, &[0, 1, 2, 3]).near(0).is_empty(), "they move");
        assert!(plan(Pinning::Mask, 2, &[2, 3]).near(0).is_empty(), "all are on one node");
        let partly = plan(Pinning::Cores(vec![0, 9]), 4, &[0, 1, 2, 3]);
        assert!(partly.near(1).is_empty(), "it may be anywhere");
    }

    #[test]
    fn the_topology_is_read_only_if_workers_are_pinned() {
        let read = || unreachable!("nobody needs it");
        let plan = Placement::plan(&Pinning::Free, 2, 2, Some(&[0, 1])).knowing(read);
        assert_eq!(plan.topology, Topology::default());
    }
}
