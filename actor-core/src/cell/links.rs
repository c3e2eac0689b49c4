//! Links: two actors of which none outlives a failure of the other's incarnation.
//!
//! Each has the other in its list. An incarnation that ends takes its list and tells all that are in it; who is
//! told looks whether the other is in *its* list, so a link that was taken away is not heard of any more. Then it
//! raises a flag beside that of a kill.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::actor::Messages;
use crate::cell::mailbox::Mailbox;
use crate::cell::{ActorId, Cell, Control};
use crate::reason::StopReason;

#[derive(Default)]
pub(crate) struct Links {
    to: HashMap<ActorId, Weak<dyn Control>>,
    /// The ends of linked actors, which are to end this incarnation. The first does.
    fatal: Vec<(ActorId, StopReason)>,
}

impl<M> Mailbox<M> {
    /// Adds a link; false if the actor has ended.
    pub(super) fn link(&self, other: &Arc<dyn Control>) -> bool {
        let links = &self.rare().links;
        links.lock().to.insert(other.id(), Arc::downgrade(other));
        // The end is marked first, and the list is taken then: one of the two sees the other.
        !self.has_ended() || links.lock().to.remove(&other.id()).is_none()
    }

    pub(super) fn unlink(&self, other: ActorId) -> bool {
        let Some(rare) = self.rare_if_made() else { return false };
        // Bound, so that what is unheard of is dropped without the lock: there may be a user's error in it.
        let (unheard, linked) = {
            let mut links = rare.links.lock();
            let fatal = std::mem::take(&mut links.fatal);
            let (unheard, fatal): (Vec<_>, Vec<_>) =
                fatal.into_iter().partition(|(ended, _)| *ended == other);
            links.fatal = fatal;
            (unheard, links.to.remove(&other).is_some())
        };
        linked || !unheard.is_empty()
    }

    /// Notes the end of a linked actor, if it is that still; true if that ends this one.
    pub(super) fn note_linked_end(&self, other: &dyn Control, reason: &StopReason) -> bool {
        let Some(rare) = self.rare_if_made() else { return false };
        let mut links = rare.links.lock();
        if links.to.remove(&other.id()).is_none()
            || matches!(reason, StopReason::Normal | StopReason::Ignored)
        {
            return false;
        }
        let (actor, cause) = (other.path().to_string(), Arc::new(reason.clone()));
        links.fatal.push((other.id(), StopReason::Linked { actor, cause }));
        true
    }

    /// The end of a linked actor that is to end this one.
    pub(super) fn take_linked_end(&self) -> Option<StopReason> {
        let mut links = self.rare_if_made()?.links.lock();
        (!links.fatal.is_empty()).then(|| links.fatal.remove(0).1)
    }

    /// Ends all links, with the incarnation; gives out who is to be told, if there ever was something rare.
    #[inline]
    fn end_links(&self) -> Option<HashMap<ActorId, Weak<dyn Control>>> {
        // In two steps, so that the others are dropped without the lock.
        let ended = std::mem::take(&mut *self.rare_if_made()?.links.lock());
        Some(ended.to)
    }
}

impl<A: Messages> Cell<A> {
    /// Ends the links of the incarnation that ends, and tells those at the other ends.
    #[inline]
    pub(crate) fn end_links(&self, reason: &StopReason) {
        if let Some(links) = self.mailbox.end_links() {
            self.tell_linked(links, reason);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_linked(&self, links: HashMap<ActorId, Weak<dyn Control>>, reason: &StopReason) {
        for other in links.values().filter_map(Weak::upgrade) {
            other.linked_end(self, reason);
        }
    }
}
