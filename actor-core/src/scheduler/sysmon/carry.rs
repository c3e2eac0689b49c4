//! The courier, as sysmon watches it: it has no worker to be taken over, so a turn that takes long costs it its place.

use std::time::Duration;

use crate::scheduler::sysmon::Watcher;
use crate::scheduler::sysmon::watch::{Advice, Seen};

impl Watcher<'_> {
    /// Looks at the courier; whether a turn runs there.
    pub(super) fn look_at_courier(&mut self, passed: Duration) -> bool {
        let scheduler = self.scheduler;
        let Some(hand) = scheduler.courier.hand().filter(|hand| hand.doing.is_in_turn()) else {
            self.courier = None;
            return false;
        };
        let turn = hand.doing.turn();
        let Some(mut seen) = self.courier.take().filter(|seen| seen.is_of(&hand, turn)) else {
            self.courier = Some(Seen::first(&hand, turn));
            return true;
        };
        seen.passes(passed);
        match seen.advise(scheduler.sysmon.quanta, || hand.usage(), || false) {
            Advice::Leave => {}
            Advice::Ask => {
                scheduler.ask(&hand, seen.describe(&hand, None));
            }
            Advice::Replace if scheduler.courier.loses(&hand, turn) => {
                scheduler.tallies.replaced.count();
                self.is_replaced(hand, seen);
                return true;
            }
            Advice::Replace => {}
        }
        self.courier = Some(seen);
        true
    }
}
