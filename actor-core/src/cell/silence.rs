//! Actors with a limit for silence: looked at four times within it, in turns of their own.
//!
//! Nothing is written down with a message: that messages are handled is counted anyway, and only an actor with such a limit
//! notes that its port was readable. So a timer for each such actor is all that it costs.

use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Messages, Settings};
use crate::cell::Control;
use crate::cell::control::Asked;
use crate::cell::mailbox::{Came, Fate, Order};
use crate::cell::turn::{Life, Next, Turn};
use crate::port::Ready;
use crate::reason::StopReason;
use crate::remedy::Remedy;
use crate::silence::Silence;
use crate::timer::{Target, Timer};

/// How often it is looked within the limit.
const LOOKS: u32 = 4;

/// What an actor with such a limit has beside.
pub(crate) struct Silent {
    limit: Duration,
    on_silence: Remedy,
    /// How many messages had been handed out when it was looked last.
    handled: u64,
    /// Whether the port was readable since.
    heard: bool,
    /// How many looks in a row have seen nothing new.
    quiet: u32,
    /// For the next look.
    timer: Option<Timer>,
}

impl Silent {
    fn of(settings: &Settings) -> Option<Box<Silent>> {
        let (limit, on_silence) = (settings.silence?, settings.on_silence);
        Some(Box::new(Silent { limit, on_silence, handled: 0, heard: false, quiet: 0, timer: None }))
    }

    /// Notes what a look has seen. True if that makes as many without anything new as the limit has.
    fn look(&mut self, handled: u64, came: &Came) -> bool {
        let heard = std::mem::take(&mut self.heard) || handled != self.handled;
        self.handled = handled;
        match came {
            Came::Nothing if !heard => self.quiet = self.quiet.saturating_add(1),
            // Timers of its own, and the like: nobody is heard by that, but somebody may be behind it.
            Came::Other if !heard => {}
            _ => self.quiet = 0,
        }
        self.quiet == LOOKS && matches!(came, Came::Nothing)
    }
}

impl<A: Messages> Life<A> {
    /// Gives the actor a limit for silence, if the settings say so.
    pub(crate) fn limit_silence(mut self, settings: &Settings) -> Self {
        if let Some(silent) = Silent::of(settings) {
            self.uncommon.get_or_insert_default().silent = Some(silent);
        }
        self
    }

    fn silent(&mut self) -> Option<&mut Silent> {
        self.uncommon.as_mut()?.silent.as_deref_mut()
    }

    /// The incarnation has ended: nobody looks any more.
    pub(super) fn forget_silence(&mut self) {
        if let Some(silent) = self.silent() {
            silent.timer = None;
        }
    }
}

impl<A: Messages> Turn<'_, A> {
    /// The incarnation has started: it may be silent from now on.
    pub(super) fn watch_silence(&mut self) {
        let handled = self.cell.mailbox.handed_out();
        if let Some(silent) = self.life.silent() {
            (silent.handled, silent.heard, silent.quiet) = (handled, false, 0);
            self.look_later();
        }
    }

    /// The port is ready.
    pub(super) fn note_heard(&mut self, ready: Ready) {
        if ready.contains(Ready::READABLE)
            && let Some(silent) = self.life.silent()
        {
            silent.heard = true;
        }
    }

    fn look_later(&mut self) {
        let cell: Arc<dyn Control> = self.cell.clone();
        let target = Target::Silence { cell: Arc::downgrade(&cell), incarnation: self.life.number };
        let system = self.cell.system();
        if let Some(silent) = self.life.silent() {
            silent.timer = Some(Timer::arm(system, silent.limit / LOOKS, target));
        }
    }

    /// Looks whether an incarnation has been silent for too long.
    pub(super) fn look_for_silence(&mut self, incarnation: u64) -> Next {
        if incarnation != u64::from(self.life.number) {
            return Next::More;
        }
        let came = self.receiver.look();
        let handled = self.cell.mailbox.handed_out();
        let Some(silent) = self.life.silent() else { return Next::More };
        let is_over = silent.look(handled, &came);
        let (limit, done) = (silent.limit, silent.on_silence);
        if is_over {
            let kind = self.cell.header.kind();
            let (actor, name, site) = (self.cell.id(), kind.name(), kind.site());
            let system = self.cell.system();
            system.leaks_seen().silent(Silence { actor, name, site, limit, done }, system);
            match done {
                Remedy::Report => {}
                Remedy::Stop => {
                    self.cell.order_stop(Order { why: Asked::Shutdown, fate: Fate::Last });
                    return Next::More;
                }
                Remedy::Restart => return self.failed(StopReason::Silent { limit }),
            }
        }
        self.look_later();
        Next::More
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_so_many_looks_in_a_row_have_seen_nothing_new_and_said_once() {
        let settings = Settings::DEFAULT.silence(Duration::from_secs(1));
        let mut silent = Silent::of(&settings).unwrap();
        let mut look = |handled, came| silent.look(handled, &came);
        assert!((0..3).all(|_| !look(0, Came::Nothing)));
        assert!(!look(1, Came::Nothing), "one was handled");
        assert!((0..3).all(|_| !look(1, Came::Nothing)));
        assert!(!look(1, Came::Message), "one waits");
        assert!((0..3).all(|_| !look(1, Came::Nothing)));
        assert!(!look(1, Came::Other), "that tells nothing");
        assert!(look(1, Came::Nothing));
        assert!(!look(1, Came::Nothing), "it was said");
        silent.heard = true;
        assert!(!silent.look(1, &Came::Nothing));
        assert!((0..3).all(|_| !silent.look(1, &Came::Nothing)));
        assert!(silent.look(1, &Came::Nothing));
    }

    #[test]
    fn there_is_nothing_where_no_limit_is_said() {
        assert!(Silent::of(&Settings::DEFAULT).is_none());
    }
}
