//! What a probe has seen, for people.

use std::fmt;
use std::panic::Location;
use std::time::Instant;

use crate::monitor::Down;

/// Something that a probe has seen.
pub(super) struct Entry {
    at: Instant,
    what: String,
    became: Became,
}

/// What became of it.
enum Became {
    /// It is still to be taken.
    Waits,
    TakenAt(&'static Location<'static>),
    Answered,
    /// There is nothing to take.
    Seen,
}

impl Entry {
    /// A message as it is shown.
    pub(super) fn message(at: Instant, asked: bool, shown: &str) -> Entry {
        let how = if asked { "asked" } else { "told" };
        Entry { at, what: format!("{how:<5} {shown}"), became: Became::Waits }
    }

    pub(super) fn down(at: Instant, down: &Down) -> Entry {
        let what = format!("down  {}: {}", down.path, down.reason);
        Entry { at, what, became: Became::Seen }
    }

    #[track_caller]
    pub(super) fn taken(&mut self) {
        self.became = Became::TakenAt(Location::caller());
    }

    pub(super) fn answered(&mut self) {
        self.became = Became::Answered;
    }
}

/// What was expected in vain, and what the probe has seen.
pub(super) struct Story<'a> {
    pub(super) what: fmt::Arguments<'a>,
    pub(super) began: Instant,
    pub(super) entries: &'a [Entry],
}

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        if self.entries.is_empty() {
            return f.write_str("    nothing has come to the probe");
        }
        let mut is_next = true;
        for Entry { at, what, became } in self.entries {
            let after = at.saturating_duration_since(self.began).as_secs_f64() * 1e3;
            write!(f, "  {after:+10.1} ms  {what}")?;
            match became {
                Became::TakenAt(site) => writeln!(f, "; taken at {}:{}", site.file(), site.line())?,
                Became::Answered => writeln!(f, "; answered")?,
                Became::Waits if std::mem::take(&mut is_next) => writeln!(f, "; next")?,
                Became::Waits | Became::Seen => writeln!(f)?,
            }
        }
        Ok(())
    }
}
