//! A scan: over all actors twice, then over those that may be unreachable.
//!
//! | phase | what it does |
//! |---|---|
//! | `Count` | goes over all actors, and counts for each how many refs to it are in the fields of those that rest |
//! | `Gather` | goes over them again, and takes down those to which there are no more refs than that |
//! | `Explain`, `Prune`, `Group` | trial deletion: see [`graph`](super::graph) |
//! | `Collect` | goes over all actors a third time, if any are left, and lists those |
//! | `Judge` | those that are left, group by group: suspects, or if they were suspects before, and nothing has changed when all of a group are held at once, leaked |
//! | `Forget` | gives the memory back |
//!
//! All but `Judge` sees the actors one after the other, while they change. So it may be wrong about any; what it says is
//! where to look. `Judge` is not: see [`Held::is_held_only_by`].

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::cell::Control;
use crate::cell::held::{Held, address_of};
use crate::leaks::graph::Graph;
use crate::leaks::judge::{Judge, Known};
use crate::leaks::table::{List, Map};
use crate::leaks::trace::Found;
use crate::leaks::walk::{Walk, Walked, Whom};
use crate::remedy::Remedy;
use crate::system::SystemHandle;

/// So many small parts are done between two looks at the clock.
const AT_A_TIME: usize = 64;

pub(super) struct Scan {
    phase: Phase,
    walk: Walk,
    /// How far a phase has come that goes over the nodes of the graph.
    at: usize,
    /// How many refs to a cell are in the fields of actors that rest, by its address.
    refs: Map<u32>,
    /// How many clones of a recipient are, by the address of what they share.
    clones: Map<usize>,
    graph: Graph,
    /// The actors that are left; none for those that were judged. Not all of the graph: a cell that is listed keeps its memory.
    cells: List<Option<Suspect>>,
    /// The refs of the last actor, as far as nothing was done about them.
    found: Vec<Found>,
    judge: Judge,
}

/// An actor that may be unreachable.
pub(super) struct Suspect {
    pub(super) cell: Arc<dyn Control>,
    pub(super) handled: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Count,
    Gather,
    Explain,
    Prune,
    Group,
    Collect,
    Judge,
    Forget,
    Done,
}

/// What comes after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Another one, after a rest.
    Rest,
    /// Another one at once: actors are held.
    Hurry,
    /// Nothing: the scan is over.
    Over,
}

impl Scan {
    /// A scan that confirms what the last one suspected.
    pub(super) fn new(system: &SystemHandle, on_leak: Remedy, suspects: Map<Known>) -> Scan {
        Scan {
            phase: Phase::Count,
            walk: Walk::new(system, Whom::WithoutSlot),
            at: 0,
            refs: Map::default(),
            clones: Map::default(),
            graph: Graph::default(),
            cells: List::default(),
            found: Vec::new(),
            judge: Judge::new(on_leak, suspects),
        }
    }

    /// Goes on until `is_over` says that it is enough for now.
    pub(super) fn step(&mut self, system: &SystemHandle, mut is_over: impl FnMut() -> bool) -> Step {
        loop {
            let mut done = 0;
            while done < AT_A_TIME {
                done += self.weight();
                if self.phase == Phase::Done {
                    return Step::Over;
                }
                if !self.go_on(system) {
                    self.next_phase(system);
                }
            }
            if is_over() {
                return if self.judge.holds_any() { Step::Hurry } else { Step::Rest };
            }
        }
    }

    /// The suspects, when the scan is over.
    pub(super) fn into_suspects(self) -> Map<Known> {
        self.judge.into_suspects()
    }

    /// How many small parts the next one counts for. Where memory is taken or given back the clock is looked at each time:
    /// the pieces of a table grow at about the same time, each of them at once.
    fn weight(&self) -> usize {
        match self.phase {
            Phase::Explain | Phase::Prune | Phase::Group | Phase::Done => 4,
            Phase::Count | Phase::Gather | Phase::Collect | Phase::Judge | Phase::Forget => AT_A_TIME,
        }
    }

    /// A small part of what there is to do in a phase; false if that was all.
    fn go_on(&mut self, system: &SystemHandle) -> bool {
        match self.phase {
            Phase::Count if !self.found.is_empty() => self.count_found(),
            Phase::Count => self.walk_on(Self::count),
            Phase::Gather if !self.found.is_empty() => self.gather_found(),
            Phase::Gather => self.walk_on(Self::gather),
            Phase::Explain => self.each(|this, at| this.graph.explain(at)),
            Phase::Prune => {
                self.graph.prune_more()
                    || self.each(|this, at| {
                        this.graph.prune(at);
                        true
                    })
            }
            Phase::Group => self.each(|this, at| this.graph.group(at)),
            Phase::Collect => self.walk_on(Self::collect),
            Phase::Judge => self.judge(system),
            Phase::Forget => self.forget_some(),
            Phase::Done => true,
        }
    }

    fn next_phase(&mut self, system: &SystemHandle) {
        self.at = 0;
        self.phase = match self.phase {
            Phase::Count => {
                self.walk = Walk::new(system, Whom::WithoutSlot);
                Phase::Gather
            }
            Phase::Gather => Phase::Explain,
            Phase::Explain => Phase::Prune,
            Phase::Prune => Phase::Group,
            Phase::Group if self.graph.left() == 0 => Phase::Forget,
            Phase::Group => {
                self.walk = Walk::new(system, Whom::WithoutSlot);
                Phase::Collect
            }
            Phase::Collect => Phase::Judge,
            Phase::Judge => Phase::Forget,
            Phase::Forget | Phase::Done => Phase::Done,
        };
    }

    /// Does something with the next actor, if the walk has come to one; false if it is over.
    fn walk_on(&mut self, what: impl FnOnce(&mut Self, Arc<dyn Control>)) -> bool {
        match self.walk.go_on() {
            Walked::Actor(cell) => what(self, cell),
            Walked::On => {}
            Walked::End => return false,
        }
        true
    }

    /// Does something with the next node of the graph; it goes on to the one after that when `what` says so.
    fn each(&mut self, what: impl FnOnce(&mut Self, usize) -> bool) -> bool {
        if self.at == self.graph.len() {
            return false;
        }
        self.at += usize::from(what(self, self.at));
        true
    }

    /// Finds the refs in an actor's fields.
    fn count(&mut self, cell: Arc<dyn Control>) {
        let Ok(held) = Held::of(cell) else { return };
        if !held.trace(&mut self.found) {
            self.found.clear();
        }
    }

    /// Counts some of them.
    fn count_found(&mut self) -> bool {
        for found in some_of(&mut self.found) {
            let whole = match found.shared {
                None => true,
                Some(shared) => {
                    let clones = self.clones.entry(shared.at as u64).0;
                    *clones += 1;
                    *clones == shared.clones
                }
            };
            *self.refs.entry(found.to as u64).0 += u32::from(whole);
        }
        true
    }

    /// Takes an actor down, if all refs to it may be in fields.
    fn gather(&mut self, cell: Arc<dyn Control>) {
        let address = address_of(&cell);
        let refs = self.refs.get(address as u64).unwrap_or(0);
        let Some(handles) = Held::refs_to(&cell).filter(|handles| *handles <= refs as usize) else { return };
        let Ok(held) = Held::of(cell) else { return };
        if held.trace(&mut self.found) {
            self.graph.add(address, handles);
        } else {
            self.found.clear();
        }
    }

    /// Takes some of its refs down.
    fn gather_found(&mut self) -> bool {
        some_of(&mut self.found).for_each(|found| self.graph.add_ref(&found));
        true
    }

    /// Lists an actor that is left. Another that lies where one did is taken for it: the judge looks for itself.
    fn collect(&mut self, cell: Arc<dyn Control>) {
        let at = u32::try_from(self.cells.len() + 1).ok().and_then(NonZeroU32::new);
        if at.is_some_and(|at| self.graph.list(address_of(&cell), at)) {
            let handled = cell.handed_out();
            self.cells.push(Some(Suspect { cell, handled }));
        }
    }

    /// Goes on with the group that is being judged, or takes the next one.
    fn judge(&mut self, system: &SystemHandle) -> bool {
        if self.judge.go_on(&self.graph, &mut self.cells, system) {
            return true;
        }
        self.each(|this, head| {
            if this.graph.heads_group(head) {
                this.judge.begin(head);
            }
            true
        })
    }

    fn forget_some(&mut self) -> bool {
        self.cells.pop().is_some()
            || self.graph.forget_some()
            || self.refs.forget_some()
            || self.clones.forget_some()
            || self.judge.forget_some()
    }
}

/// Takes some out of a list, from its end.
pub(super) fn some_of(found: &mut Vec<Found>) -> impl Iterator<Item = Found> + '_ {
    let from = found.len().saturating_sub(AT_A_TIME);
    found.drain(from..)
}
