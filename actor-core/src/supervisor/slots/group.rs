//! Restarts of several children: one_for_all and rest_for_one. They are stopped one after the other in reverse
//! order of their start, then started one after the other in that order.

use std::time::Instant;

use super::{Action, Restart, SlotKey, Slots, State, Then};

/// A restart of all slots from one on.
#[derive(Debug)]
pub(super) struct Group {
    from: SlotKey,
    /// Whose failure it is; the others wait for its delay.
    failed: SlotKey,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// What is up to here is stopped, the last first.
    Stopping { up_to: SlotKey },
    /// All are down. The one that has failed may be delayed.
    Down,
    /// What is from here on is started, the first first.
    Starting { at: SlotKey },
}

impl Slots {
    /// Restarts all from `from` on, because `failed` has. That takes the place of a restart which is under way:
    /// what that has stopped is down, and in this one too, since a child that fails comes before all that wait.
    pub(super) fn restart_from(&mut self, from: SlotKey, failed: SlotKey, now: Instant) {
        let last = self.slots.last_key_value().map_or(from, |(key, _)| *key);
        self.group = Some(Group { from, failed, step: Step::Stopping { up_to: last } });
        self.go_on(now);
    }

    /// Whether the child is among those that are being stopped to be started again.
    pub(super) fn group_stops(&self, key: SlotKey) -> bool {
        self.group
            .as_ref()
            .is_some_and(|group| matches!(group.step, Step::Stopping { .. }) && key >= group.from)
    }

    /// A child that is down, and part of a restart of several.
    pub(super) fn is_to_come_back(&mut self, key: SlotKey) {
        let slot = &self.slots[&key];
        if slot.rules.restart == Restart::Temporary || slot.left_out {
            return self.lay_down(key);
        }
        self.set(key, State::Waiting);
    }

    /// Takes the next steps of the restart that is under way, up to one that takes time.
    pub(super) fn go_on(&mut self, now: Instant) {
        while let Some(group) = &self.group {
            let (from, failed) = (group.from, group.failed);
            let next = match group.step {
                Step::Stopping { up_to } => match self.last_up(from, up_to) {
                    None => Some(Step::Down),
                    Some(key) => {
                        if !matches!(self.slots[&key].state, State::Stopping { .. }) {
                            self.stop_for_restart(key, now);
                        }
                        self.step(Step::Stopping { up_to: key });
                        return;
                    }
                },
                Step::Down if matches!(self.state(failed), Some(State::Delayed { .. })) => return,
                Step::Down => Some(Step::Starting { at: from }),
                Step::Starting { at } => match self.first_down(at) {
                    None => None,
                    Some(key) => {
                        if self.slots[&key].state.is_down() {
                            self.start_again(key, now);
                        }
                        self.step(Step::Starting { at: key });
                        return;
                    }
                },
            };
            match next {
                Some(step) => self.step(step),
                None => self.end_group(),
            }
        }
    }

    fn step(&mut self, step: Step) {
        if let Some(group) = &mut self.group {
            group.step = step;
        }
    }

    fn end_group(&mut self) {
        self.group = None;
        self.slots.values_mut().for_each(|slot| slot.left_out = false);
    }

    fn last_up(&self, from: SlotKey, up_to: SlotKey) -> Option<SlotKey> {
        let mut up = self.slots.range(from..=up_to).rev().filter(|(_, slot)| !slot.state.is_down());
        up.next().map(|(key, _)| *key)
    }

    /// The first that is to be started, or is under way.
    fn first_down(&self, at: SlotKey) -> Option<SlotKey> {
        let mut down = self.slots.range(at..).filter(|(_, slot)| match slot.state {
            State::Restarting { .. } => true,
            _ => slot.state.is_down() && !slot.left_out,
        });
        down.next().map(|(key, _)| *key)
    }

    fn stop_for_restart(&mut self, key: SlotKey, now: Instant) {
        let temporary = self.slots[&key].rules.restart == Restart::Temporary;
        self.stop(key, if temporary { Then::Stop } else { Then::Restart }, now);
        debug_assert!(matches!(self.actions.last(), Some(Action::Stop { .. } | Action::Kill { .. })));
    }
}
