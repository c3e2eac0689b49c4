//! A supervisor's children as it has them at hand: carries out what [`slots`](super::slots) decides, and answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::Level;

use crate::cell::control::Asked as Cause;
use crate::cell::mailbox::{Fate, Order, Verdict};
use crate::cell::{ActorId, Control};
use crate::clock;
use crate::context::Context;
use crate::error::ChildError;
use crate::log;
use crate::reason::{Failure, StopReason};
use crate::reply::Reply;
use crate::supervisor::backoff::Chance;
use crate::supervisor::builder::Blueprint;
use crate::supervisor::crowd::Crowd;
use crate::supervisor::intensity::Intensity;
use crate::supervisor::requests::{ChildCount, ChildInfo, ChildState, Request};
use crate::supervisor::slots::{Action, Exit, Moment, SlotKey, Slots, State, Why};
use crate::supervisor::stopping::InSlots;
use crate::supervisor::{AutoShutdown, ChildSpec, Supervisor, SupervisorRef};

pub(super) struct Keeper {
    blueprint: Arc<Blueprint>,
    pub(super) slots: Slots,
    kept: HashMap<SlotKey, Kept>,
    ids: HashMap<Arc<str>, SlotKey>,
    actors: HashMap<ActorId, SlotKey>,
    crowd: Crowd,
    asked: Vec<(SlotKey, Asked)>,
    /// When the timer is set to.
    armed: Option<Instant>,
}

/// What is in a slot.
struct Kept {
    spec: ChildSpec,
    /// One that has not ended.
    actor: Option<Arc<dyn Control>>,
    /// Why its last incarnation has ended.
    why: Option<StopReason>,
}

/// Who waits for what becomes of a slot.
enum Asked {
    Start(Reply<ChildState, ChildError>),
    Terminate(Reply<(), ChildError>),
}

pub(super) fn moment() -> Moment {
    Moment { now: clock::now(), chance: Chance(clock::chance(Chance::OF as usize) as u32) }
}

fn fate(last: bool) -> Fate {
    if last { Fate::Last } else { Fate::Returns }
}

impl Keeper {
    pub(super) fn new(blueprint: Arc<Blueprint>) -> Self {
        let intensity = Intensity::new(blueprint.restarts, blueprint.window);
        Keeper {
            slots: Slots::new(blueprint.strategy, blueprint.auto_shutdown, intensity),
            blueprint,
            kept: HashMap::new(),
            ids: HashMap::new(),
            actors: HashMap::new(),
            crowd: Crowd::default(),
            asked: Vec::new(),
            armed: None,
        }
    }

    pub(super) fn blueprint(&self) -> &Arc<Blueprint> {
        &self.blueprint
    }

    // ---- slots -----------------------------------------------------------------------------------

    pub(super) fn add(&mut self, spec: ChildSpec) -> SlotKey {
        let key = self.slots.add(spec.rules);
        self.ids.insert(spec.id.clone(), key);
        self.kept.insert(key, Kept { spec, actor: None, why: None });
        key
    }

    /// The actors in the slots, for those who stop them.
    pub(super) fn in_slots(&self) -> InSlots {
        let mut slots = InSlots::default();
        for key in self.slots.keys() {
            let Some(Kept { spec, actor: Some(actor), .. }) = self.kept.get(&key) else { continue };
            slots.in_order.push(actor.id());
            let starts =
                matches!(self.slots.state(key), Some(State::Starting { .. } | State::Restarting { .. }));
            // A supervisor has children by then, which it is to stop in their order.
            if starts && !spec.is_supervisor() {
                slots.starting.insert(actor.id());
            }
        }
        slots
    }

    /// Makes the actor of a slot. `spawner` is told when it has started.
    pub(super) fn launch(
        &mut self,
        key: SlotKey,
        me: &SupervisorRef,
        spawner: Option<Reply<(), StopReason>>,
    ) -> Result<Arc<dyn Control>, StopReason> {
        let kept = self.kept.get_mut(&key).expect("a slot that is started is kept");
        match kept.spec.launch(me, spawner) {
            Ok(actor) => {
                self.actors.insert(actor.id(), key);
                kept.actor = Some(actor.clone());
                Ok(actor)
            }
            Err(error) => Err(StopReason::StartFailed(Failure::new(error))),
        }
    }

    fn remove(&mut self, key: SlotKey) {
        self.slots.remove(key);
        self.answer();
        if let Some(kept) = self.kept.remove(&key) {
            self.ids.remove(&kept.spec.id);
            if let Some(actor) = kept.actor {
                self.actors.remove(&actor.id());
            }
        }
    }

    // ---- what happens ----------------------------------------------------------------------------

    /// An incarnation is gone. The actor waits for a verdict, or has ended.
    pub(super) fn exited(
        &mut self,
        ctx: &mut Context<Supervisor>,
        child: Arc<dyn Control>,
        reason: StopReason,
        waits: bool,
    ) {
        let Some(key) = self.actors.get(&child.id()).copied() else {
            // One without a slot, or one that was given up.
            if waits {
                self.exited_from_crowd(ctx, child, reason);
            }
            return self.arm(ctx);
        };
        let why = match &reason {
            StopReason::Ignored => Why::Ignored,
            reason if reason.is_normal() => Why::Normal,
            _ => Why::Abnormal,
        };
        if why == Why::Abnormal {
            log::say(Level::WARN, || {
                let (child, reason) = (child.path().to_string(), reason.to_string());
                move || tracing::warn!(child, reason, "a child has ended")
            });
        }
        self.note_exit(key, reason.clone(), waits);
        if waits && child.is_last_straw() && !child.is_last() {
            Crowd::give_up(&child, reason.clone());
            return self.escalate(ctx, child.path().to_string(), reason);
        }
        self.slots.exited(key, Exit { why, waits }, moment());
        self.carry_out(ctx);
    }

    pub(super) fn note_exit(&mut self, key: SlotKey, reason: StopReason, waits: bool) {
        let Some(kept) = self.kept.get_mut(&key) else { return };
        kept.why = Some(reason);
        if !waits && let Some(actor) = kept.actor.take() {
            self.actors.remove(&actor.id());
        }
    }

    fn exited_from_crowd(
        &mut self,
        ctx: &mut Context<Supervisor>,
        child: Arc<dyn Control>,
        reason: StopReason,
    ) {
        if child.is_last() {
            // It was told to end meanwhile, by the supervisor before a restart of its own perhaps.
            return Crowd::give_up(&child, reason);
        }
        let at = moment();
        if !child.is_last_straw() && self.slots.intensity().allows(at.now) {
            log::say(Level::WARN, || {
                let (child, reason) = (child.path().to_string(), reason.to_string());
                move || tracing::warn!(child, reason, "restarting")
            });
            return self.crowd.restart(child, self.blueprint.backoff, at);
        }
        Crowd::give_up(&child, reason.clone());
        self.escalate(ctx, child.path().to_string(), reason);
    }

    pub(super) fn started(&mut self, ctx: &mut Context<Supervisor>, id: ActorId) {
        let now = clock::now();
        match self.actors.get(&id).copied() {
            Some(key) => self.slots.started(key, now),
            None => self.crowd.started(id, self.blueprint.backoff, now),
        }
        self.carry_out(ctx);
    }

    pub(super) fn due(&mut self, ctx: &mut Context<Supervisor>) {
        self.armed = None;
        let at = moment();
        self.slots.due(at);
        self.crowd.due(at.now);
        self.carry_out(ctx);
    }

    fn escalate(&self, ctx: &mut Context<Supervisor>, child: String, reason: StopReason) {
        log::say(Level::ERROR, || {
            let limit = format!("{} in {:?}", self.blueprint.restarts, self.blueprint.window);
            let (child, reason) = (child.clone(), reason.to_string());
            move || tracing::error!(child, reason, limit, "giving up")
        });
        ctx.exit_because(StopReason::Escalated { child, cause: Arc::new(reason) });
    }

    // ---- carrying out ----------------------------------------------------------------------------

    /// Does what was decided; answers those who waited for it.
    pub(super) fn carry_out(&mut self, ctx: &mut Context<Supervisor>) {
        loop {
            let actions = self.slots.take_actions();
            if actions.is_empty() || ctx.is_stopping() {
                break;
            }
            actions.into_iter().for_each(|action| self.act(ctx, action));
        }
        self.answer();
        self.arm(ctx);
    }

    fn act(&mut self, ctx: &mut Context<Supervisor>, action: Action) {
        match action {
            Action::Start(key) => self.bring_up(ctx, key),
            Action::Stop { slot, last } => {
                self.with(slot, |actor| actor.stop(Order { why: Cause::Shutdown, fate: fate(last) }));
            }
            Action::Kill { slot, last } => {
                self.with(slot, |actor| actor.kill(Order { why: Cause::Kill, fate: fate(last) }));
            }
            Action::End(key) => {
                let why = self.why(key);
                self.with(key, |actor| actor.decide(Verdict::End(why)));
            }
            Action::GiveUp(key) => self.disown(ctx, key),
            Action::Remove(key) => self.remove(key),
            Action::Escalate(key) => {
                let child = self.path_of(key, ctx);
                self.escalate(ctx, child, self.why(key));
            }
            Action::Shutdown => {
                log::say(Level::INFO, || {
                    move || tracing::info!("a significant child has ended: shutting down")
                });
                ctx.exit_because(StopReason::Shutdown);
            }
        }
    }

    fn bring_up(&mut self, ctx: &mut Context<Supervisor>, key: SlotKey) {
        if let Some(actor) = self.kept.get(&key).and_then(|kept| kept.actor.clone()) {
            return actor.decide(Verdict::Restart);
        }
        if let Err(why) = self.launch(key, &ctx.me(), None) {
            self.note_exit(key, why, false);
            self.slots.exited(key, Exit { why: Why::Abnormal, waits: false }, moment());
        }
    }

    /// Goes on without an actor that does not end: its handler has not returned, and cannot be condemned. What it holds
    /// of its slot is free.
    fn disown(&mut self, ctx: &mut Context<Supervisor>, key: SlotKey) {
        let Some(kept) = self.kept.get_mut(&key) else { return };
        let Some(actor) = kept.actor.take() else { return };
        self.actors.remove(&actor.id());
        log::say(Level::ERROR, || {
            let child = actor.path().to_string();
            move || tracing::error!(child, "does not end although it was killed: going on without it")
        });
        if let Some(name) = &kept.spec.name {
            ctx.system().names().release(name, actor.id());
        }
        actor.kill(Order { why: Cause::Kill, fate: Fate::Last });
        kept.why = Some(StopReason::Killed);
    }

    fn with(&self, key: SlotKey, f: impl FnOnce(Arc<dyn Control>)) {
        if let Some(actor) = self.kept.get(&key).and_then(|kept| kept.actor.clone()) {
            f(actor);
        }
    }

    fn why(&self, key: SlotKey) -> StopReason {
        self.kept.get(&key).and_then(|kept| kept.why.clone()).unwrap_or(StopReason::Shutdown)
    }

    fn path_of(&self, key: SlotKey, ctx: &Context<Supervisor>) -> String {
        match self.kept.get(&key) {
            Some(Kept { actor: Some(actor), .. }) => actor.path().to_string(),
            Some(kept) => format!("{}/{}", ctx.path(), kept.spec.id),
            None => ctx.path().to_string(),
        }
    }

    /// Sets the timer to the earliest deadline.
    fn arm(&mut self, ctx: &mut Context<Supervisor>) {
        let next = [self.slots.next_due(), self.crowd.next_due()].into_iter().flatten().min();
        // One that is set too early does no harm, and deadlines that pass in time are many.
        if let Some(at) = next
            && self.armed.is_none_or(|armed| at < armed)
        {
            self.armed = Some(at);
            ctx.after_keyed("due", at.saturating_duration_since(clock::now()), super::Due);
        }
    }

    // ---- requests --------------------------------------------------------------------------------

    pub(super) fn asked(&mut self, ctx: &mut Context<Supervisor>, request: Request) {
        match request {
            Request::Start(spec, reply) => match self.check(&spec) {
                Ok(()) => {
                    let key = self.add(spec);
                    self.start(key, false, reply);
                }
                Err(error) => reply.complete(Err(error)),
            },
            Request::Restart(id, reply) => match self.find_stopped(&id) {
                Ok(key) => self.start(key, true, reply),
                Err(error) => reply.complete(Err(error)),
            },
            Request::Terminate(id, reply) => match self.find(&id) {
                Ok((key, _)) => {
                    self.slots.terminate(key, clock::now());
                    self.asked.push((key, Asked::Terminate(reply)));
                }
                Err(error) => reply.complete(Err(error)),
            },
            Request::Delete(id, reply) => match self.find_stopped(&id) {
                Ok(key) => {
                    self.remove(key);
                    reply.send(());
                }
                Err(error) => reply.complete(Err(error)),
            },
            Request::Count(reply) => reply.send(self.count(ctx)),
            Request::Which(reply) => reply.send(self.which(ctx)),
        }
        self.carry_out(ctx);
    }

    fn start(&mut self, key: SlotKey, stay: bool, reply: Reply<ChildState, ChildError>) {
        self.slots.start(key, stay, clock::now());
        self.asked.push((key, Asked::Start(reply)));
    }

    fn check(&self, spec: &ChildSpec) -> Result<(), ChildError> {
        if self.blueprint.dynamic {
            return Err(ChildError::Dynamic);
        }
        spec.check(self.blueprint.auto_shutdown != AutoShutdown::Never).map_err(ChildError::Tree)?;
        match self.find(&spec.id) {
            Ok((_, state)) => Err(ChildError::IdTaken { id: spec.id.to_string(), state: state.into() }),
            Err(_) => Ok(()),
        }
    }

    fn find(&self, id: &str) -> Result<(SlotKey, State), ChildError> {
        let found = self.ids.get(id).and_then(|key| Some((*key, self.slots.state(*key)?)));
        found.ok_or_else(|| ChildError::NotFound(id.to_owned()))
    }

    fn find_stopped(&self, id: &str) -> Result<SlotKey, ChildError> {
        match self.find(id)? {
            (key, State::Stopped) => Ok(key),
            (_, state) => Err(ChildError::NotStopped { id: id.to_owned(), state: state.into() }),
        }
    }

    /// Answers those whose slot has come to where they wait for it.
    fn answer(&mut self) {
        let mut waiting = Vec::new();
        for (key, asked) in std::mem::take(&mut self.asked) {
            match (asked, self.slots.state(key)) {
                (Asked::Terminate(reply), None | Some(State::Stopped)) => reply.send(()),
                (Asked::Start(reply), Some(State::Running { .. })) => reply.send(ChildState::Running),
                (Asked::Start(reply), Some(State::Stopped) | None) => match self.why(key) {
                    StopReason::Ignored => reply.send(ChildState::Stopped),
                    why => reply.complete(Err(ChildError::Failed(why))),
                },
                (asked, _) => waiting.push((key, asked)),
            }
        }
        self.asked = waiting;
    }

    fn count(&mut self, ctx: &Context<Supervisor>) -> ChildCount {
        let tables = ctx.cell().children().count();
        let without_slot = tables.all - tables.in_slots;
        let is_running = |key| matches!(self.slots.state(key), Some(State::Running { .. }));
        let running = self.slots.keys().filter(|key| is_running(*key)).count();
        let of_slots = self.kept.values().filter(|kept| kept.spec.is_supervisor()).count();
        let specs = self.kept.len() + without_slot;
        let supervisors = of_slots + tables.supervisors;
        let active = running + without_slot.saturating_sub(self.crowd.down());
        ChildCount { specs, active, supervisors, workers: specs.saturating_sub(supervisors) }
    }

    fn which(&self, ctx: &Context<Supervisor>) -> Vec<ChildInfo> {
        let slots = self.slots.keys().filter_map(|key| {
            let kept = self.kept.get(&key)?;
            Some(ChildInfo {
                id: Some(kept.spec.id.clone()),
                state: self.slots.state(key)?.into(),
                is_supervisor: kept.spec.is_supervisor(),
                cell: kept.actor.clone(),
            })
        });
        let children = ctx.cell().children();
        let others = children.list_without_slot().into_iter().filter_map(|place| {
            let (cell, _) = children.find(place)?;
            let state = if cell.is_last() { ChildState::Stopping } else { self.crowd.state(cell.id()) };
            let is_supervisor = cell.clone().as_any().is::<crate::cell::Cell<Supervisor>>();
            Some(ChildInfo { id: None, state, is_supervisor, cell: Some(cell) })
        });
        slots.chain(others).collect()
    }
}
