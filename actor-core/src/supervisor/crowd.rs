//! The children without a slot that are being restarted, or have been lately. Those that never failed are in
//! the tables only ([`children`](super::children)), and cost their supervisor no message.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::cell::mailbox::Verdict;
use crate::cell::{ActorId, Control};
use crate::clock::later;
use crate::reason::StopReason;
use crate::supervisor::ChildState;
use crate::supervisor::backoff::Backoff;
use crate::supervisor::slots::Moment;

#[derive(Default)]
pub(super) struct Crowd {
    members: HashMap<ActorId, Member>,
    due: BTreeSet<(Instant, ActorId)>,
}

struct Member {
    child: Arc<dyn Control>,
    state: State,
    /// Since it was healthy.
    failures: u32,
}

#[derive(Clone, Copy)]
enum State {
    Delayed(Instant),
    Restarting,
    /// It runs; its failures are forgotten then.
    Recovering(Instant),
}

impl State {
    fn deadline(self) -> Option<Instant> {
        match self {
            State::Delayed(at) | State::Recovering(at) => Some(at),
            State::Restarting => None,
        }
    }
}

impl Crowd {
    /// Restarts a child that waits for a verdict, now or later.
    pub(super) fn restart(&mut self, child: Arc<dyn Control>, backoff: Option<Backoff>, at: Moment) {
        let id = child.id();
        let failures = self.members.get(&id).map_or(0, |member| member.failures);
        let delay =
            backoff.map(|backoff| backoff.delay(failures, at.chance)).filter(|delay| !delay.is_zero());
        let state = delay.map_or(State::Restarting, |delay| State::Delayed(later(at.now, delay)));
        if delay.is_none() {
            child.clone().decide(Verdict::Restart);
        }
        self.forget(id);
        self.due.extend(state.deadline().map(|at| (at, id)));
        self.members.insert(id, Member { child, state, failures: failures.saturating_add(1) });
    }

    /// A child is there again.
    pub(super) fn started(&mut self, id: ActorId, backoff: Option<Backoff>, now: Instant) {
        let Some(backoff) = backoff else { return self.forget(id) };
        let Some(member) = self.members.get_mut(&id) else { return };
        if let State::Restarting = member.state {
            let over = backoff.is_over_at(now);
            member.state = State::Recovering(over);
            self.due.insert((over, id));
        }
    }

    pub(super) fn due(&mut self, now: Instant) {
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(member) = self.members.get_mut(&id) else { continue };
            match member.state {
                State::Delayed(_) if !member.child.is_last() => {
                    member.state = State::Restarting;
                    member.child.clone().decide(Verdict::Restart);
                }
                _ => self.forget(id),
            }
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is under way with a child; running if it is not known here.
    pub(super) fn state(&self, id: ActorId) -> ChildState {
        match self.members.get(&id).map(|member| member.state) {
            Some(State::Delayed(_)) => ChildState::Delayed,
            Some(State::Restarting) => ChildState::Restarting,
            Some(State::Recovering(_)) | None => ChildState::Running,
        }
    }

    /// How many are not running.
    pub(super) fn down(&mut self) -> usize {
        // One that was terminated in the midst of a restart says nothing.
        let gone: Vec<_> =
            self.members.iter().filter(|(_, member)| member.child.is_last()).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|id| self.forget(id));
        self.members.values().filter(|member| !matches!(member.state, State::Recovering(_))).count()
    }

    /// The supervisor has given up: the child that it is about ends.
    pub(super) fn give_up(child: &Arc<dyn Control>, reason: StopReason) {
        child.clone().decide(Verdict::End(reason));
    }

    fn forget(&mut self, id: ActorId) {
        if let Some(member) = self.members.remove(&id)
            && let Some(at) = member.state.deadline()
        {
            self.due.remove(&(at, id));
        }
    }
}
