//! How long it is to the next look: the less there is to see, the longer.

use std::time::Duration;

/// The time between two looks while a turn is seen to run on. Under made-up schedules there is none, and it looks when
/// it is woken: one in which it comes before all others would never end.
const TICK: Duration = if cfg!(shuttle) { Duration::MAX } else { Duration::from_millis(1) };
/// The same while all turns end soon: a look takes a processor from a worker, which is some percent of what a machine
/// does whose processors are all busy.
const CALM_TICK: Duration = if cfg!(shuttle) { TICK } else { Duration::from_millis(4) };
/// The same while nothing runs but turns whose workers were taken over.
const SLOW_TICK: Duration = if cfg!(shuttle) { TICK } else { Duration::from_millis(10) };
/// So many looks in a row that see no turn run on come before it looks less often.
const CALM_LOOKS: u32 = 50;
/// So many looks in a row without a turn that runs come before a sleep without a limit.
const QUIET_LOOKS: u32 = 10;

/// What a look has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// No turn runs, but those whose workers were taken over.
    Nothing,
    /// All turns that run have begun since the look before.
    ShortTurns,
    /// A turn runs on, or a handler with a limit does: it is to be seen in time what becomes of it.
    Attention,
}

#[derive(Default)]
pub(super) struct Rhythm {
    /// Looks in a row that have seen nothing.
    quiet: u32,
    /// Looks in a row that have seen short turns only: processors have other things to do.
    calm: u32,
}

impl Rhythm {
    pub(super) fn saw(&mut self, sight: Sight) {
        self.quiet = if sight == Sight::Nothing { self.quiet.saturating_add(1) } else { 0 };
        self.calm = if sight == Sight::ShortTurns { self.calm.saturating_add(1) } else { 0 };
    }

    /// Whether nothing has been seen for so long that it may sleep until a worker wakes up.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet >= QUIET_LOOKS
    }

    /// The time to the next look.
    pub(super) fn until_look(&self) -> Duration {
        match self {
            _ if self.is_quiet() => SLOW_TICK,
            _ if self.calm >= CALM_LOOKS => CALM_TICK,
            _ => TICK,
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    fn after(sights: impl IntoIterator<Item = Sight>) -> Rhythm {
        let mut rhythm = Rhythm::default();
        sights.into_iter().for_each(|sight| rhythm.saw(sight));
        rhythm
    }

    #[test]
    fn it_looks_less_often_while_all_turns_are_short() {
        let calm = vec![Sight::ShortTurns; CALM_LOOKS as usize];
        assert_eq!(after(calm[1..].iter().copied()).until_look(), TICK);
        assert_eq!(after(calm.iter().copied()).until_look(), CALM_TICK);
    }

    #[test]
    fn one_turn_that_runs_on_has_it_look_often_again() {
        let calm = [Sight::ShortTurns; CALM_LOOKS as usize];
        let mut rhythm = after(calm);
        rhythm.saw(Sight::Attention);
        assert_eq!(rhythm.until_look(), TICK);
        rhythm.saw(Sight::ShortTurns);
        assert_eq!(rhythm.until_look(), TICK, "it is not calm at once");
    }

    #[test]
    fn where_nothing_runs_it_is_quiet_until_something_does() {
        let mut rhythm = after([Sight::Nothing; QUIET_LOOKS as usize]);
        assert!(rhythm.is_quiet());
        assert_eq!(rhythm.until_look(), SLOW_TICK);
        rhythm.saw(Sight::ShortTurns);
        assert!(!rhythm.is_quiet());
    }
}
