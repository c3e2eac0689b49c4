//! Which cores are near one another, from what Linux tells of its memory nodes in
//! `/sys/devices/system/node`: for each node its cores, and its distances to all nodes. Systems that
//! tell nothing have one node.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The most cores that a list may name; a file with more is not believed.
const MOST: usize = 1 << 16;

/// The memory nodes of a system, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    nodes: BTreeMap<usize, Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    cores: Vec<usize>,
    /// To each node, in the order of their numbers.
    distances: Vec<u32>,
}

impl Topology {
    /// Reads what is below a root: `/`, but for tests.
    pub(crate) fn read(root: &Path) -> Topology {
        let mut nodes = BTreeMap::new();
        for entry in fs::read_dir(root.join("sys/devices/system/node")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("node")?.parse().ok());
            let read = |file| fs::read_to_string(entry.path().join(file)).ok();
            if let (Some(number), Some(cores), Some(distances)) = (number, read("cpulist"), read("distance"))
                && let Some(cores) = core_list(&cores)
            {
                let distances = distances.split_whitespace().map_while(|field| field.parse().ok());
                nodes.insert(number, Node { cores, distances: distances.collect() });
            }
        }
        Topology { nodes }
    }

    /// How far one core's memory is from another core; 0 if that is not known.
    fn distance(&self, from: usize, to: usize) -> u32 {
        let place = |core| self.nodes.values().position(|node| node.cores.contains(&core));
        let (Some(from), Some(to)) = (place(from), place(to)) else { return 0 };
        let node = self.nodes.values().nth(from);
        node.and_then(|node| node.distances.get(to)).copied().unwrap_or(0)
    }

    /// For a worker the others, in groups that are equally far away, the nearest first. `cores` are
    /// those that workers are pinned to; who is not pinned may be anywhere, and is as near as all.
    /// Within a group the order begins behind the worker, so that not all begin with the same.
    pub(crate) fn victims(&self, worker: usize, workers: usize, cores: &[Option<usize>]) -> Vec<Vec<usize>> {
        let core = |worker| cores.get(worker).copied().flatten();
        let mut groups = BTreeMap::<u32, Vec<usize>>::new();
        for victim in (1..workers).map(|step| (worker + step) % workers) {
            let distance = match (core(worker), core(victim)) {
                (Some(here), Some(there)) => self.distance(here, there),
                _ => 0,
            };
            groups.entry(distance).or_default().push(victim);
        }
        groups.into_values().collect()
    }
}

/// Cores as the kernel lists them: `0-3,8,10-11`. Empty for a node without cores.
fn core_list(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?);
        if last >= MOST {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::tests::Tree;

    fn two_nodes(name: &str) -> Topology {
        let tree = Tree::new(
            name,
            &[
                ("sys/devices/system/node/node0/cpulist", "0-1,4\n"),
                ("sys/devices/system/node/node0/distance", "10 21\n"),
                ("sys/devices/system/node/node2/cpulist", "2-3\n"),
                ("sys/devices/system/node/node2/distance", "21 10\n"),
                ("sys/devices/system/node/online", "0,2\n"),
            ],
        );
        Topology::read(&tree.0)
    }

    #[test]
    fn those_of_the_same_node_come_first() {
        let cores: Vec<_> = [0, 1, 2, 3, 4].map(Some).to_vec();
        let topology = two_nodes("two");
        assert_eq!(topology.victims(0, 5, &cores), [vec![1, 4], vec![2, 3]]);
        assert_eq!(topology.victims(3, 5, &cores), [vec![2], vec![4, 0, 1]]);
    }

    #[test]
    fn workers_that_may_be_anywhere_are_all_alike() {
        assert_eq!(two_nodes("free").victims(1, 4, &[]), [[2, 3, 0]]);
        assert_eq!(Topology::default().victims(1, 3, &[Some(0), Some(1), Some(2)]), [[2, 0]]);
        assert!(Topology::read(Path::new("/nowhere/at/all")).victims(0, 1, &[]).is_empty());
    }

    #[test]
    fn lists_of_cores_are_as_the_kernel_writes_them() {
        assert_eq!(core_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(core_list("\n"), Some(vec![]));
        for bad in ["a", "1-", "-1", "0-99999999999", "1;2"] {
            assert_eq!(core_list(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn each_other_worker_is_a_victim_once(
            workers in 1..64_usize,
            worker in any::<prop::sample::Index>(),
            cores in prop::collection::vec(prop::option::of(0..6_usize), 0..64),
        ) {
            let worker = worker.index(workers);
            let mut victims = two_nodes("any").victims(worker, workers, &cores).concat();
            victims.sort_unstable();
            let others: Vec<_> = (0..workers).filter(|other| *other != worker).collect();
            prop_assert_eq!(victims, others);
        }
    }
}
