//! Trial deletion, which is pure: actors, the refs in their fields, and how many refs there are to each. Left in the end
//! are those to which all refs are in the fields of those that are left.
//!
//! Built, explained, pruned and grouped actor by actor, and a few of an actor's refs at a time, so that whoever does it can rest
//! in between.

use std::num::NonZeroU32;

use crate::leaks::table::{List, Map};
use crate::leaks::trace::Found;

/// Actors that may be unreachable, by the order in which they were added.
pub(super) struct Graph {
    index: Map<u32>,
    nodes: List<Node>,
    refs: List<Ref>,
    /// What clones of recipients share, by its address.
    shared: Map<Clones>,
    /// Those that were found to be reachable, and whose refs are still to be taken away.
    reached: List<u32>,
    /// The one of them whose refs are taken away in part.
    reached_last: Option<u32>,
    /// How many refs of the actor at hand are done.
    done: u32,
    /// How many are left.
    left: usize,
}

struct Node {
    /// How many refs there are to it.
    handles: u32,
    /// How many of them are in fields of those that are left.
    explained: u32,
    refs: std::ops::Range<u32>,
    /// Where its cell is listed, if it is left.
    cell: Option<NonZeroU32>,
    reachable: bool,
    /// Towards who stands for its group.
    towards: u32,
    /// The next of its group, in a circle.
    next: u32,
}

struct Ref {
    /// The address of a cell, and then the number of its node.
    to: u64,
    /// If it is a recipient: what it shares with its clones.
    shared: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct Clones {
    all: usize,
    /// In fields of those that are left.
    seen: usize,
    broken: bool,
}

const NOBODY: u64 = u64::MAX;

/// How many refs of an actor are gone over in one part; few in tests, so that there are several parts.
const AT_A_TIME: u32 = if cfg!(test) { 3 } else { 64 };

impl Default for Graph {
    fn default() -> Self {
        let (index, shared) = (Map::default(), Map::default());
        Graph {
            index,
            nodes: List::default(),
            refs: List::default(),
            shared,
            reached: List::default(),
            reached_last: None,
            done: 0,
            left: 0,
        }
    }
}

impl Graph {
    /// How many actors there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Adds an actor to whose cell, at this address, there are so many refs.
    pub(super) fn add(&mut self, address: usize, handles: usize) {
        let (number, first) = (self.nodes.len() as u32, self.refs.len() as u32);
        *self.index.entry(address as u64).0 = number;
        let refs = first..first;
        let handles = u32::try_from(handles).unwrap_or(u32::MAX);
        let (explained, cell, reachable) = (0, None, false);
        self.nodes.push(Node { handles, explained, refs, cell, reachable, towards: number, next: number });
    }

    /// Adds a ref that the actor has which was added last.
    pub(super) fn add_ref(&mut self, found: &Found) {
        let shared = found.shared.map(|shared| {
            self.shared.entry(shared.at as u64).0.all = shared.clones;
            shared.at as u64
        });
        self.refs.push(Ref { to: found.to as u64, shared });
        let last = self.nodes.len() - 1;
        self.nodes[last].refs.end = self.refs.len() as u32;
    }

    /// The next refs of an actor, as many as are gone over in one part; and whether there are no more.
    fn next_refs(&mut self, at: usize) -> (std::ops::Range<u32>, bool) {
        let refs = self.nodes[at].refs.clone();
        let from = refs.start + self.done;
        let to = refs.end.min(from + AT_A_TIME);
        let is_last = to == refs.end;
        self.done = if is_last { 0 } else { self.done + AT_A_TIME };
        (from..to, is_last)
    }

    /// Counts refs of an actor for those to whom they lead; true if all of its refs are counted. For each of them, when
    /// all have been added.
    pub(super) fn explain(&mut self, at: usize) -> bool {
        let (refs, is_last) = self.next_refs(at);
        for number in refs {
            let entry = &mut self.refs[number as usize];
            entry.to = self.index.get(entry.to).map_or(NOBODY, u64::from);
            let whole = match entry.shared.and_then(|shared| self.shared.get_mut(shared)) {
                None => true,
                Some(clones) => {
                    clones.seen += 1;
                    clones.seen == clones.all
                }
            };
            if whole && entry.to != NOBODY {
                self.nodes[entry.to as usize].explained += 1;
            }
        }
        is_last
    }

    /// Notes an actor to which there is a ref that is in no field. For each, when all are explained.
    pub(super) fn prune(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.reachable && node.explained < node.handles {
            node.reachable = true;
            self.reached.push(at as u32);
        }
    }

    /// Takes refs of one of those away; false if there is none left.
    pub(super) fn prune_more(&mut self) -> bool {
        let Some(at) = self.reached_last.take().or_else(|| self.reached.pop()) else { return false };
        let (refs, is_last) = self.next_refs(at as usize);
        if !is_last {
            self.reached_last = Some(at);
        }
        for number in refs {
            let Ref { to, shared } = self.refs[number as usize];
            if to == NOBODY {
                continue;
            }
            let counted = match shared.and_then(|shared| self.shared.get_mut(shared)) {
                None => true,
                Some(clones) => clones.seen == clones.all && !std::mem::replace(&mut clones.broken, true),
            };
            if counted {
                self.nodes[to as usize].explained -= 1;
            }
            self.prune(to as usize);
        }
        true
    }

    /// Puts an actor that is left into one group with those that its refs lead to; true if all of its refs are done. For
    /// each, when all is pruned.
    pub(super) fn group(&mut self, at: usize) -> bool {
        if self.nodes[at].reachable {
            return true;
        }
        let (refs, is_last) = self.next_refs(at);
        self.left += usize::from(is_last);
        for number in refs {
            let to = self.refs[number as usize].to;
            if to == NOBODY || self.nodes[to as usize].reachable {
                continue;
            }
            let (one, other) = (self.head(at as u32), self.head(to as u32));
            if one != other {
                self.nodes[other as usize].towards = one;
                let (a, b) = (self.nodes[one as usize].next, self.nodes[other as usize].next);
                self.nodes[one as usize].next = b;
                self.nodes[other as usize].next = a;
            }
        }
        is_last
    }

    /// Who stands for the group.
    fn head(&mut self, mut at: u32) -> u32 {
        while self.nodes[at as usize].towards != at {
            let towards = self.nodes[at as usize].towards;
            let farther = self.nodes[towards as usize].towards;
            self.nodes[at as usize].towards = farther;
            at = farther;
        }
        at
    }

    /// How many are left, when all are grouped.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Notes where the cell is listed of the actor at this address, if it is left.
    pub(super) fn list(&mut self, address: usize, at: NonZeroU32) -> bool {
        let number = self.index.get(address as u64);
        let left = number.filter(|number| !self.nodes[*number as usize].reachable);
        left.map(|number| self.nodes[number as usize].cell = Some(at)).is_some()
    }

    /// Where the cell of one that is left is listed; nowhere if it was not found any more.
    pub(super) fn listed(&self, at: usize) -> Option<NonZeroU32> {
        self.nodes[at].cell
    }

    /// Whether this one is left, and stands for its group.
    pub(super) fn heads_group(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        !node.reachable && node.towards as usize == at
    }

    /// The next of a group, in a circle.
    pub(super) fn next_of_group(&self, at: usize) -> usize {
        self.nodes[at].next as usize
    }

    /// Forgets a part of all; false if nothing is left.
    pub(super) fn forget_some(&mut self) -> bool {
        self.nodes.forget_some()
            || self.refs.forget_some()
            || self.reached.forget_some()
            || self.index.forget_some()
            || self.shared.forget_some()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::leaks::trace::Shared;

    /// Who is left, by what the graph says, and in which groups.
    fn left(
        actors: usize,
        handles: &[usize],
        found: &[Vec<Found>],
    ) -> (BTreeSet<usize>, BTreeMap<usize, usize>) {
        let mut graph = Graph::default();
        for at in 0..actors {
            graph.add(at, handles[at]);
            found[at].iter().for_each(|found| graph.add_ref(found));
        }
        (0..actors).for_each(|at| while !graph.explain(at) {});
        (0..actors).for_each(|at| {
            graph.prune(at);
            while graph.prune_more() {}
        });
        (0..actors).for_each(|at| while !graph.group(at) {});
        let listed = (0..=actors).filter(|at| graph.list(*at, NonZeroU32::MIN)).count();
        assert_eq!(listed, graph.left());
        let mut group_of = BTreeMap::new();
        for head in (0..actors).filter(|at| graph.heads_group(*at)) {
            let mut at = head;
            while group_of.insert(at, head).is_none() {
                at = graph.next_of_group(at);
            }
        }
        while graph.forget_some() {}
        assert_eq!(graph.len(), 0);
        (group_of.keys().copied().collect(), group_of)
    }

    proptest! {
        /// Against a model that knows where all refs are: who is not reached from a ref that is in no field.
        #[test]
        fn those_are_left_that_nobody_reaches(
            actors in 1..40_usize,
            refs in prop::collection::vec((0..40_usize, 0..40_usize), 0..80),
            outside in prop::collection::vec(0..40_usize, 0..4),
            recipients in prop::collection::vec((0..40_usize, prop::collection::vec(0..41_usize, 1..4)), 0..6),
        ) {
            let mut handles = vec![0; actors];
            let mut found = vec![Vec::new(); actors];
            let mut edges = vec![Vec::new(); actors];
            let mut roots = Vec::new();
            let mut lies = 0;
            for (from, to) in refs.into_iter().filter(|(from, to)| *from < actors && *to < actors) {
                lies += 1;
                handles[to] += 1;
                found[from].push(Found { at: lies, to, shared: None });
                edges[from].push(to);
            }
            for to in outside.into_iter().filter(|to| *to < actors) {
                handles[to] += 1;
                roots.push(to);
            }
            // A recipient is one ref, and all who have a clone of it reach the actor. The last number is outside.
            for (number, (to, holders)) in recipients.into_iter().enumerate().filter(|(_, (to, _))| *to < actors) {
                let holders: Vec<_> = holders.into_iter().map(|holder| holder.min(actors)).collect();
                handles[to] += 1;
                for holder in &holders {
                    lies += 1;
                    if *holder == actors {
                        roots.push(to);
                    } else {
                        let shared = Some(Shared { at: 1000 + number, clones: holders.len() });
                        found[*holder].push(Found { at: lies, to, shared });
                        edges[*holder].push(to);
                    }
                }
            }
            let mut reached = BTreeSet::new();
            while let Some(at) = roots.pop() {
                if reached.insert(at) {
                    roots.extend(&edges[at]);
                }
            }
            let expected: BTreeSet<_> = (0..actors).filter(|at| !reached.contains(at)).collect();
            let (left, group_of) = left(actors, &handles, &found);
            prop_assert_eq!(&left, &expected);
            for from in &left {
                for to in edges[*from].iter().filter(|to| left.contains(to)) {
                    prop_assert_eq!(group_of[from], group_of[to], "a ref leads out of a group");
                }
            }
        }
    }
}
