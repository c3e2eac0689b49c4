//! What decides: the steps that can be taken, the choice of one, and the step.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::invariants::Invariant;
use super::seam;
use super::threads::{Side, Waits, Work};
use super::trace::Noted;
use super::world::World;
use crate::actor::Messages;
use crate::actor_ref::ActorRef;
use crate::auditor::{Audit, Audits};
use crate::cell::task::Task;
use crate::observe::Asking;
use crate::scheduler::stalls::Watch;
use crate::system::SystemHandle;

/// How a simulation goes on, whatever the tape says.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    /// For how long the one who can go on longest may be made to wait by the time that passes.
    pub(super) slack: Duration,
    /// How many steps there may be in one call.
    pub(super) steps: u64,
}

/// How far a step may take the time.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// While somebody can go on.
    pub(super) busy: Duration,
    /// While nobody can; not at all with `None`.
    pub(super) idle: Option<Duration>,
}

impl Until {
    /// Not beyond this.
    pub(super) fn at(time: Duration) -> Until {
        Until { busy: time, idle: Some(time) }
    }
}

pub(super) struct Engine {
    world: Arc<World>,
    settings: Settings,
    system: Option<SystemHandle>,
    /// Who can go on, in the order in which they came to that.
    ready: VecDeque<Ready>,
    beside: Vec<Beside>,
    watch: Watch,
    audit: Audit,
    invariants: Vec<Invariant>,
}

struct Ready {
    /// Since when it can go on.
    since: Duration,
    what: What,
}

enum What {
    Turn(Task),
    Job(Work),
    /// What another crate simulates.
    Outside(Work),
    /// A thread beside goes on.
    Resume(usize),
}

impl What {
    /// Who it is.
    fn name(&self) -> String {
        match self {
            What::Turn(task) => Asking { actor: task.actor(), name: task.kind().name() }.to_string(),
            What::Job(_) => "a job of the blocking pool".to_owned(),
            What::Outside(_) => "what is around the actors".to_owned(),
            What::Resume(_) => "a thread of the blocking pool".to_owned(),
        }
    }
}

struct Beside {
    side: Arc<Side>,
    /// There if it runs something that waits, and is not among those that can go on.
    waits: Option<Waits>,
    is_free: bool,
}

impl Engine {
    pub(super) fn new(world: Arc<World>, settings: Settings) -> Engine {
        Engine {
            world,
            settings,
            system: None,
            ready: VecDeque::new(),
            beside: Vec::new(),
            watch: Watch::default(),
            audit: Audit::default(),
            invariants: Vec::new(),
        }
    }

    pub(super) fn run_system(&mut self, system: SystemHandle, audits: Audits) {
        self.audit = Audit::new(&system, audits, self.world.now());
        self.system = Some(system);
    }

    pub(super) fn system(&self) -> &SystemHandle {
        self.system.as_ref().expect("a simulation has its system before the first step")
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// From now on this has to hold after each step.
    ///
    /// # Panics
    /// If it does not now.
    pub(super) fn add_invariant(&mut self, invariant: Invariant) {
        self.gather();
        if let Some(broken) = invariant.broken(self) {
            panic!("{broken}");
        }
        self.invariants.push(invariant);
    }

    /// Nothing has to hold any more. For the caller to drop without the engine.
    pub(super) fn take_invariants(&mut self) -> Vec<Invariant> {
        std::mem::take(&mut self.invariants)
    }

    /// Looks whether all holds that has to.
    ///
    /// # Panics
    /// If something does not.
    fn look_at_invariants(&mut self, step: String) {
        self.gather();
        if let Some(broken) = self.invariants.iter().find_map(|invariant| invariant.broken(self)) {
            let handled = self.world.handled.lock().take();
            let step = handled
                .map_or_else(|| step.clone(), |message| format!("{step}, in which {message} was handled"));
            let steps = self.world.trace.lock().steps;
            self.world.tell(|| format!("after this step {broken}"));
            panic!("after step {steps} at {:?}, a step of {step}: {broken}", self.world.passed());
        }
    }

    /// Lends the state of an actor that no handler has.
    pub(super) fn look<A: Messages, R>(&self, actor: &ActorRef<A>, look: impl FnOnce(&A) -> R) -> Option<R> {
        let turn = self.ready.iter().find_map(|ready| match &ready.what {
            What::Turn(task) if task.is_of(actor.cell()) => Some(task),
            _ => None,
        });
        actor.cell().look(turn, look)
    }

    /// Takes a step. False if there is none.
    pub(super) fn step(&mut self, until: Until) -> bool {
        self.gather();
        let now = self.world.passed();
        let bound = match self.ready.front() {
            Some(first) => Some(first.since.saturating_add(self.settings.slack).min(until.busy)),
            None => until.idle,
        };
        let next = self.next_event().map(|at| at.max(now));
        let event = next.filter(|at| bound.is_some_and(|bound| *at <= bound));
        let choices = self.ready.len() + usize::from(event.is_some());
        if choices == 0 {
            return false;
        }
        let chosen = if choices == 1 { 0 } else { self.world.tape.lock().below(choices) };
        let chosen = self.ready.remove(chosen);
        let step = (!self.invariants.is_empty()).then(|| {
            *self.world.handled.lock() = None;
            chosen.as_ref().map_or_else(|| "time".to_owned(), |ready| ready.what.name())
        });
        match chosen {
            Some(ready) => self.run(ready.what),
            None => self.pass(event.expect("what is chosen can be done")),
        }
        if let Some(step) = step {
            self.look_at_invariants(step);
        }
        true
    }

    /// Takes notice of who has become able to go on.
    pub(super) fn gather(&mut self) {
        let since = self.world.passed();
        while let Some(task) = self.system().scheduler().take_scheduled() {
            self.ready.push_back(Ready { since, what: What::Turn(task) });
        }
        while let Some(job) = self.system().blocking_pool().take_job() {
            let system = self.system().clone();
            let work: Work = Box::new(move || job(&system));
            self.ready.push_back(Ready { since, what: What::Job(work) });
        }
        while let Some(step) = self.world.outside.lock().take_due(since) {
            self.ready.push_back(Ready { since, what: What::Outside(step) });
        }
        let set = std::mem::take(&mut *self.world.set.lock());
        for at in 0..self.beside.len() {
            let waits = self.beside[at].waits;
            let is_set = |waits: Waits| waits.token.is_some_and(|token| set.contains(&token));
            let is_due = |waits: Waits| waits.until.is_some_and(|until| until <= since);
            if waits.is_some_and(|waits| is_set(waits) || is_due(waits)) {
                self.beside[at].waits = None;
                self.ready.push_back(Ready { since, what: What::Resume(at) });
            }
        }
    }

    /// When the time next has something to do.
    fn next_event(&self) -> Option<Duration> {
        let timer = self.system().scheduler().next_timer().into_iter();
        let timers = timer.chain(self.audit.next()).map(|at| self.world.since_begin(at));
        let timed = timers.chain(self.world.outside.lock().next()).min();
        if self.beside.iter().all(|beside| beside.is_free) {
            return timed;
        }
        let waits = self.beside.iter().filter_map(|beside| beside.waits?.until);
        let stall = self.watch.next(self.system().scheduler().stalls());
        waits.chain(timed).chain(stall.map(|left| self.world.passed() + left)).min()
    }

    /// The time passes until then.
    pub(super) fn pass(&mut self, to: Duration) {
        let passed = to.saturating_sub(self.world.passed());
        self.note(Noted::Time, to.as_nanos() as u64);
        if !passed.is_zero() {
            self.world.pass(to);
        }
        let system = self.system.as_ref().expect("it is there");
        self.watch.look(system, passed);
        system.scheduler().fire_timers(self.world.now());
        self.audit.look(system);
    }

    fn run(&mut self, what: What) {
        match what {
            What::Turn(task) => {
                self.note(Noted::Turn, task.actor().0);
                match self.stall_of(&task) {
                    None => seam::as_turn(|| task.run()),
                    Some(time) => {
                        let actor = task.actor();
                        self.run_beside(Box::new(move || seam::as_stalled_turn(actor, time, || task.run())))
                    }
                }
            }
            What::Job(work) => {
                self.note(Noted::Job, 0);
                self.world.tell(|| "a thread of the blocking pool takes a job".to_owned());
                self.run_beside(work);
            }
            What::Outside(step) => {
                self.note(Noted::Outside, 0);
                step();
            }
            What::Resume(at) => {
                self.note(Noted::Resumed, at as u64);
                let waits = self.beside[at].side.resume();
                self.came_back(at, waits);
            }
        }
    }

    /// For how long the turn's handler is to keep its thread.
    fn stall_of(&self, task: &Task) -> Option<Duration> {
        let mut plan = self.world.plan.lock();
        if plan.is_none() { None } else { plan.stall(task.actor().0, || self.world.tape.lock().next()) }
    }

    fn run_beside(&mut self, work: Work) {
        let at = self.free_thread();
        let waits = self.beside[at].side.give(work);
        self.came_back(at, waits);
    }

    fn came_back(&mut self, at: usize, waits: Option<Waits>) {
        self.beside[at].is_free = waits.is_none();
        self.beside[at].waits = waits;
        if waits.is_some() {
            // Its limit begins, if it has one.
            let system = self.system.as_ref().expect("it is there");
            self.watch.look(system, Duration::ZERO);
        }
    }

    /// A thread beside that has nothing to run.
    fn free_thread(&mut self) -> usize {
        let free = self.beside.iter().position(|beside| beside.is_free);
        free.unwrap_or_else(|| {
            let side = Side::start(&self.world);
            self.beside.push(Beside { side, waits: None, is_free: true });
            self.beside.len() - 1
        })
    }

    fn note(&self, what: Noted, about: u64) {
        let mut trace = self.world.trace.lock();
        trace.steps += 1;
        trace.note(what, about);
    }

    /// Whether nobody can go on before time passes.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.gather();
        self.rests()
    }

    /// The same of those that were gathered.
    pub(super) fn rests(&self) -> bool {
        self.ready.is_empty()
    }

    /// Who can go on.
    pub(super) fn runs(&self) -> Vec<String> {
        self.ready.iter().map(|ready| ready.what.name()).collect()
    }

    /// The system has ended: has all that is left come to its end.
    pub(super) fn run_out(&mut self) {
        self.end();
        while self.step(Until { busy: Duration::ZERO, idle: None }) {}
    }

    /// Ends the threads beside. What waits on one of them does so no more, and unwinds.
    fn end(&mut self) {
        // It may hold actors.
        self.audit = Audit::default();
        self.world.end();
        self.ready.retain(|ready| !matches!(ready.what, What::Resume(_)));
        for mut beside in self.beside.drain(..) {
            while !beside.is_free {
                beside.is_free = beside.side.resume().is_none();
            }
            beside.side.end();
        }
    }
}

/// Takes steps until the condition holds, or the time is over: true if it holds. It is asked between two steps.
///
/// # Panics
/// If it does not hold and there is no step, and no end of the time; in a step; or after too many steps.
pub(super) fn run_until(
    engine: &RefCell<Engine>,
    until: Option<Duration>,
    mut holds: impl FnMut() -> bool,
) -> bool {
    let steps = engine.try_borrow().map_or(0, |engine| engine.settings.steps);
    for _ in 0..steps {
        if holds() {
            return true;
        }
        let mut engine = engine.borrow_mut();
        if engine.step(Until::at(until.unwrap_or(Duration::MAX))) {
            continue;
        }
        match until {
            Some(at) => engine.pass(at),
            None => panic!(
                "the simulation waits for what does not come: no actor has anything to do, and no timer is armed"
            ),
        }
        drop(engine);
        return holds();
    }
    assert!(steps > 0, "in a step of a simulation nothing can wait for its other steps");
    panic!(
        "the simulation has not come to what it waits for in {steps} steps: raise `Builder::steps`, or look for what goes round"
    )
}
