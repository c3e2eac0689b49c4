//! Restarts of several children: one_for_all and rest_for_one. They are stopped one after the other in reverse
//! order of their start, then started one after the other in that order.

use std::time::Instant;

use super::{Action, Restart, SlotKey, Slots, State, Then};

/// A restart of all slots from one on.
#[derive(Debug)]
pub(super) struct Group {
    from: SlotKey,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// What is up to here is stopped, the last first.
    Stopping { up_to: SlotKey },
    /// All are down. Those that have failed may be delayed, and the others wait for them.
    Down,
    /// What is from here on is started, the first first.
    Starting { at: SlotKey },
}

impl Slots {
    /// Restarts all from `from` on. That takes the place of a restart which is under way, and of its part: what that
    /// has stopped waits, even before `from` where a child was started by request behind one that is delayed.
    pub(super) fn restart_from(&mut self, from: SlotKey, now: Instant) {
        let last = self.slots.last_key_value().map_or(from, |(key, _)| *key);
        let mut waiting = self.slots.iter().filter(|(_, slot)| slot.state.is_to_start());
        let from = waiting.next().map_or(from, |(key, _)| from.min(*key));
        self.group = Some(Group { from, step: Step::Stopping { up_to: last } });
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
            let from = group.from;
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
                Step::Down if self.is_delayed(from) => return,
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

    fn is_delayed(&self, from: SlotKey) -> bool {
        self.slots.range(from..).any(|(_, slot)| matches!(slot.state, State::Delayed { .. }))
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
