//! What becomes of those that trial deletion leaves: a group at a time, all of which are held at once before anything is
//! said about them.

use crate::cell::control::Asked;
use crate::cell::held::Held;
use crate::cell::mailbox::{Fate, Order};
use crate::leaks::Leak;
use crate::leaks::graph::Graph;
use crate::leaks::scan::{Suspect, some_of};
use crate::leaks::table::{List, Map};
use crate::leaks::trace::Found;
use crate::remedy::Remedy;
use crate::system::SystemHandle;

/// What a scan knows of a suspect, for the next one.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    handled: u64,
    /// Nothing is known if not.
    suspected: bool,
    reported: bool,
}

pub(super) struct Judge {
    on_leak: Remedy,
    /// The suspects of the last scan, by their numbers, and those of this one.
    before: Map<Known>,
    suspects: Map<Known>,
    group: Option<Group>,
    /// Where the refs lie that were found in a group, so that each counts once.
    lies: Map<()>,
    /// How many clones of a recipient were found.
    clones: Map<usize>,
    /// How many refs to a cell were found.
    refs: Map<usize>,
    /// The refs of the last one, as far as nothing was done about them.
    found: Vec<Found>,
}

/// The group that is being judged.
struct Group {
    stage: Stage,
    head: usize,
    /// How far along the circle, or the list of those that are held, a stage has come.
    at: usize,
    held: Vec<Held>,
    size: usize,
    /// Whether all of them were suspects before, with nothing done since.
    known: bool,
    /// Whether all of them were reported before.
    reported: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Notes them as suspects, and looks whether they were before.
    Recall,
    Hold,
    Trace,
    Compare,
    /// They are leaked.
    Act,
    /// They are not, or nobody knows.
    Release,
    /// Nobody is held any more. What was noted is forgotten.
    Forget,
}

impl Judge {
    pub(super) fn new(on_leak: Remedy, before: Map<Known>) -> Judge {
        Judge {
            on_leak,
            before,
            suspects: Map::default(),
            group: None,
            lies: Map::default(),
            clones: Map::default(),
            refs: Map::default(),
            found: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, head: usize) {
        self.group = Some(Group {
            stage: Stage::Recall,
            head,
            at: head,
            held: Vec::new(),
            size: 0,
            known: true,
            reported: true,
        });
    }

    pub(super) fn holds_any(&self) -> bool {
        self.group.as_ref().is_some_and(|group| !group.held.is_empty())
    }

    pub(super) fn into_suspects(self) -> Map<Known> {
        self.suspects
    }

    pub(super) fn forget_some(&mut self) -> bool {
        self.before.forget_some()
    }

    /// A small part of what there is to do about the group; false if there is none.
    pub(super) fn go_on(
        &mut self,
        graph: &Graph,
        cells: &mut List<Option<Suspect>>,
        system: &SystemHandle,
    ) -> bool {
        let Some(mut group) = self.group.take() else { return false };
        let next = match group.stage {
            Stage::Recall => self.recall(&mut group, graph, cells),
            Stage::Hold => hold(&mut group, graph, cells),
            Stage::Trace => self.trace(&mut group),
            Stage::Compare => self.compare(&mut group),
            Stage::Act => self.act(&mut group, system),
            Stage::Release => group.held.pop().map(|_| Stage::Release),
            Stage::Forget if self.forget_group() => Some(Stage::Forget),
            Stage::Forget => return true,
        };
        group.stage = next.unwrap_or(Stage::Forget);
        self.group = Some(group);
        true
    }

    fn forget_group(&mut self) -> bool {
        self.lies.forget_some() || self.clones.forget_some() || self.refs.forget_some()
    }

    fn recall(&mut self, group: &mut Group, graph: &Graph, cells: &List<Option<Suspect>>) -> Option<Stage> {
        let suspect = cells[listed(graph, group.at)?].as_ref()?;
        let (id, handled) = (suspect.cell.id().0, suspect.handled);
        let before = self.before.get(id).filter(|known| known.suspected && known.handled == handled);
        let reported = before.is_some_and(|known| known.reported);
        group.known &= before.is_some();
        group.reported &= reported;
        *self.suspects.entry(id).0 = Known { handled, suspected: true, reported };
        group.size += 1;
        group.at = graph.next_of_group(group.at);
        match group {
            Group { head, at, .. } if head != at => Some(Stage::Recall),
            Group { known: true, reported: false, .. } => Some(Stage::Hold),
            _ => None,
        }
    }

    fn trace(&mut self, group: &mut Group) -> Option<Stage> {
        if !self.found.is_empty() {
            self.count_found();
            return Some(Stage::Trace);
        }
        let Some(held) = group.held.get(group.at) else {
            group.at = 0;
            return Some(Stage::Compare);
        };
        group.at += 1;
        if held.trace(&mut self.found) {
            return Some(Stage::Trace);
        }
        self.found.clear();
        Some(Stage::Release)
    }

    fn count_found(&mut self) {
        for found in some_of(&mut self.found) {
            if !self.lies.entry(found.at as u64).1 {
                continue;
            }
            let whole = match found.shared {
                None => true,
                Some(shared) => {
                    let clones = self.clones.entry(shared.at as u64).0;
                    *clones += 1;
                    *clones == shared.clones
                }
            };
            *self.refs.entry(found.to as u64).0 += usize::from(whole);
        }
    }

    fn compare(&mut self, group: &mut Group) -> Option<Stage> {
        let Some(held) = group.held.get(group.at) else { return Some(Stage::Act) };
        group.at += 1;
        let refs = self.refs.get(held.address() as u64).unwrap_or(0);
        Some(if held.is_held_only_by(refs) { Stage::Compare } else { Stage::Release })
    }

    /// Does to one of the group what is to be done, and lets it go.
    fn act(&mut self, group: &mut Group, system: &SystemHandle) -> Option<Stage> {
        let cell = group.held.last()?.cell().clone();
        let (id, kind) = (cell.id(), cell.kind());
        let leak =
            Leak { actor: id, name: kind.name(), site: kind.site(), group: group.size, done: self.on_leak };
        if let Some(known) = self.suspects.get_mut(id.0) {
            known.reported = self.on_leak == Remedy::Report;
            known.suspected = known.reported;
        }
        match self.on_leak {
            Remedy::Report => {}
            Remedy::Stop => cell.stop(Order { why: Asked::Shutdown, fate: Fate::Last }),
            Remedy::Restart => cell.kill(Order { why: Asked::Kill, fate: Fate::ByType }),
        }
        system.leaks_seen().leaked(leak, system);
        // Bound until here, so that it is let go when all is said.
        let _held = group.held.pop();
        Some(Stage::Act)
    }
}

/// Where the cell of one that is left is.
fn listed(graph: &Graph, at: usize) -> Option<usize> {
    graph.listed(at).map(|at| at.get() as usize - 1)
}

fn hold(group: &mut Group, graph: &Graph, cells: &mut List<Option<Suspect>>) -> Option<Stage> {
    let suspect = listed(graph, group.at).and_then(|at| cells[at].take());
    let Some(suspect) = suspect else { return Some(Stage::Release) };
    match Held::of(suspect.cell) {
        Ok(held) => group.held.push(held),
        Err(_it_does_not_rest) => return Some(Stage::Release),
    }
    group.at = graph.next_of_group(group.at);
    if group.at != group.head {
        return Some(Stage::Hold);
    }
    group.at = 0;
    Some(Stage::Trace)
}
