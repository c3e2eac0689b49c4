//! The copy of a message in work that is delivered again if its handler fails.

use crate::actor::Messages;
use crate::context::Context;
use crate::reason::StopReason;

impl<A: Messages> Context<A> {
    /// Keeps a copy of the message in work, with its way back.
    #[doc(hidden)]
    pub fn keep(&mut self, times: u32, message: A::Message) {
        let extras = self.extras.get_or_insert_default();
        let left = extras.redelivery.take().unwrap_or(times);
        *extras.kept.get_mut() = Some((left, message));
    }

    /// The copy, if the handler has done its work.
    #[doc(hidden)]
    pub fn take_kept(&mut self) -> Option<A::Message> {
        let extras = self.extras.as_mut()?;
        if extras.exit.as_ref().is_some_and(StopReason::is_failure) {
            return None;
        }
        extras.kept.get_mut().take().map(|(_, message)| message)
    }

    /// The copy of a message whose handler has failed, and how many times it may be delivered again.
    pub(crate) fn take_failed(&mut self) -> Option<(u32, A::Message)> {
        self.extras.as_mut()?.kept.get_mut().take()
    }

    pub(crate) fn note_redelivery(&mut self, left: Option<u32>) {
        self.extras.get_or_insert_default().redelivery = left;
    }
}
