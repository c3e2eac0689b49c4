//! Deadlines: how long a peer may take for what is its part. Pure: it takes `now`.
//!
//! Lazy: what begins stores when it is due, and the one timer of a connection stays armed
//! as it is. When it fires it is compared with what is stored, and armed again for the rest.

use std::fmt;
use std::time::{Duration, Instant};

/// What a peer was given a time for, in the [options](crate::Options).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// The first byte of all: [`Options::first_byte_within`](crate::Options::first_byte_within).
    FirstByte,
    /// A handshake, or the head of a request: [`Options::handshake_within`](crate::Options::handshake_within).
    Handshake,
    /// The rest of a frame: [`Options::frame_within`](crate::Options::frame_within).
    Frame,
    /// Anything, in either direction: [`Options::idle_within`](crate::Options::idle_within).
    Idle,
    /// To read something of what waits for it: [`Options::write_within`](crate::Options::write_within).
    Write,
    /// To answer whether it is still there: [`Options::heartbeat`](crate::Options::heartbeat).
    Heartbeat,
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Deadline::FirstByte => "sent nothing",
            Deadline::Handshake => "did not end its handshake or the head of its request",
            Deadline::Frame => "did not end its frame",
            Deadline::Idle => "had nothing to say and was told nothing",
            Deadline::Write => "read nothing of what waits for it",
            Deadline::Heartbeat => "did not answer whether it is still there",
        })
    }
}

/// How long each may take. [`Duration::MAX`] is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    pub(crate) first_byte: Duration,
    pub(crate) handshake: Duration,
    pub(crate) frame: Duration,
    pub(crate) idle: Duration,
    pub(crate) write: Duration,
    /// From the question whether it is still there.
    pub(crate) heartbeat: Duration,
}

impl Within {
    fn of(&self, deadline: Deadline) -> Duration {
        match deadline {
            Deadline::FirstByte => self.first_byte,
            Deadline::Handshake => self.handshake,
            Deadline::Frame => self.frame,
            Deadline::Idle => self.idle,
            Deadline::Write => self.write,
            Deadline::Heartbeat => self.heartbeat,
        }
    }

    /// When it is due, if it has a limit.
    fn due(&self, deadline: Deadline, now: Instant) -> Option<Instant> {
        now.checked_add(self.of(deadline))
    }

    pub(super) fn limits(&self, deadline: Deadline) -> bool {
        self.of(deadline) != Duration::MAX
    }
}

/// When what is due. The time is asked for only when something begins.
#[derive(Debug, Default)]
pub(super) struct Due {
    expected: Option<(Deadline, Option<Instant>)>,
    idle: Option<Instant>,
    write: Option<Instant>,
    beat: Option<Box<Beat>>,
}

/// The heartbeat of a connection.
#[derive(Debug)]
struct Beat {
    /// When the next is, or how long there is time for the answer.
    at: Instant,
    asked: bool,
    /// Something has come since the last.
    heard: bool,
}

/// What is to be done when a timer has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    Nothing,
    /// Ask the peer whether it is still there.
    Ask,
    /// This has been due for long enough.
    Expired(Deadline),
}

impl Due {
    /// What is expected of the peer: `FirstByte`, `Handshake` or `Frame`. `anew` says that a frame has come to its end since
    /// this was said last.
    pub(super) fn expect(
        &mut self,
        expected: Option<Deadline>,
        anew: bool,
        within: &Within,
        now: impl FnOnce() -> Instant,
    ) {
        match (expected, self.expected) {
            // Bytes that trickle in do not make it another frame.
            (Some(expected), Some((before, _))) if expected == before && !anew => {}
            (expected, _) => self.expected = expected.map(|what| (what, within.due(what, now()))),
        }
    }

    /// Bytes have gone over the connection; or there is one.
    pub(super) fn moved(&mut self, within: &Within, now: impl FnOnce() -> Instant) {
        if within.limits(Deadline::Idle) {
            self.idle = within.due(Deadline::Idle, now());
        }
    }

    /// Whether bytes wait that the socket has refused, and whether it has taken some since this was said last.
    pub(super) fn writes(&mut self, waits: bool, sent: bool, within: &Within, now: impl FnOnce() -> Instant) {
        match self.write {
            Some(_) if waits && !sent => {}
            _ => self.write = if waits { within.due(Deadline::Write, now()) } else { None },
        }
    }

    /// There is to be a heartbeat, the first of which is at this time.
    pub(super) fn beats(&mut self, first: Instant) {
        self.beat = Some(Box::new(Beat { at: first, asked: false, heard: false }));
    }

    /// Something has come; or the peer is not to blame that nothing has. If it was asked, the beat after this is `next`.
    pub(super) fn heard(&mut self, next: impl FnOnce() -> Instant) {
        match &mut self.beat {
            // Otherwise the next beat would come when the time for this answer is over.
            Some(beat) if beat.asked => **beat = Beat { at: next(), asked: false, heard: false },
            Some(beat) => beat.heard = true,
            None => {}
        }
    }

    /// A timer has fired. If it was for a beat at which nothing is to be done, the one after it is `next`.
    pub(super) fn rings(&mut self, within: &Within, next: impl FnOnce() -> Instant, now: Instant) -> Ring {
        let before = self.all().find(|(_, at)| *at <= now);
        if let Some((what, _)) = before {
            return Ring::Expired(what);
        }
        let Some(beat) = self.beat.as_mut().filter(|beat| beat.at <= now) else { return Ring::Nothing };
        if std::mem::take(&mut beat.heard) {
            beat.at = next();
            Ring::Nothing
        } else if std::mem::replace(&mut beat.asked, true) {
            Ring::Expired(Deadline::Heartbeat)
        } else {
            beat.at = within.due(Deadline::Heartbeat, now).unwrap_or_else(next);
            Ring::Ask
        }
    }

    /// When the next of them is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let beat = self.beat.as_ref().map(|beat| beat.at);
        self.all().map(|(_, at)| at).chain(beat).min()
    }

    fn all(&self) -> impl Iterator<Item = (Deadline, Instant)> {
        let expected = self.expected.and_then(|(what, at)| Some((what, at?)));
        let idle = self.idle.map(|at| (Deadline::Idle, at));
        let write = self.write.map(|at| (Deadline::Write, at));
        [expected, write, idle].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Within = Within {
        first_byte: Duration::MAX,
        handshake: Duration::MAX,
        frame: Duration::MAX,
        idle: Duration::MAX,
        write: Duration::MAX,
        heartbeat: Duration::MAX,
    };

    /// What has been due for long enough, but for a heartbeat.
    fn expired(due: &mut Due, now: Instant) -> Option<Deadline> {
        match due.rings(&NONE, || unreachable!("there is no heartbeat"), now) {
            Ring::Expired(what) => Some(what),
            Ring::Nothing => None,
            Ring::Ask => unreachable!("there is no heartbeat"),
        }
    }

    const FRAME: Option<Deadline> = Some(Deadline::Frame);

    #[test]
    fn trickling_does_not_extend_a_frame_and_the_next_has_its_own_time() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let within = Within { frame: Duration::from_secs(10), ..NONE };
        let mut due = Due::default();
        due.expect(FRAME, false, &within, || at(0));
        due.expect(FRAME, false, &within, || unreachable!("the time is not asked for"));
        assert_eq!((due.next(), expired(&mut due, at(9))), (Some(at(10)), None));
        due.expect(FRAME, true, &within, || at(9));
        assert_eq!((due.next(), expired(&mut due, at(18))), (Some(at(19)), None));
        assert_eq!(expired(&mut due, at(19)), FRAME);
        due.expect(None, false, &within, || at(20));
        assert_eq!((due.next(), expired(&mut due, at(20))), (None, None));
    }

    #[test]
    fn what_goes_over_the_connection_is_no_silence() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let within = Within { idle: Duration::from_secs(10), ..NONE };
        let mut due = Due::default();
        due.moved(&within, || at(0));
        due.moved(&within, || at(8));
        assert_eq!(expired(&mut due, at(17)), None);
        assert_eq!(expired(&mut due, at(18)), Some(Deadline::Idle));
    }

    #[test]
    fn a_write_is_late_when_nothing_of_it_goes() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let within = Within { write: Duration::from_secs(10), ..NONE };
        let mut due = Due::default();
        due.writes(true, false, &within, || at(0));
        due.writes(true, true, &within, || at(9));
        due.writes(true, false, &within, || unreachable!("the time is not asked for"));
        assert_eq!(expired(&mut due, at(18)), None);
        assert_eq!(expired(&mut due, at(19)), Some(Deadline::Write));
        due.writes(false, false, &within, || at(20));
        assert_eq!((due.next(), expired(&mut due, at(20))), (None, None));
    }

    #[test]
    fn who_says_nothing_is_asked_and_has_its_time_to_answer() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let within = Within { heartbeat: Duration::from_secs(3), ..NONE };
        let mut due = Due::default();
        due.beats(at(10));
        assert_eq!(due.rings(&within, || at(19), at(9)), Ring::Nothing);
        due.heard(|| unreachable!("it was not asked"));
        assert_eq!((due.rings(&within, || at(20), at(10)), due.next()), (Ring::Nothing, Some(at(20))));
        assert_eq!((due.rings(&within, || at(30), at(20)), due.next()), (Ring::Ask, Some(at(23))));
        due.heard(|| at(32));
        assert_eq!((due.rings(&within, || at(33), at(23)), due.next()), (Ring::Nothing, Some(at(32))));
        assert_eq!(due.rings(&within, || at(42), at(32)), Ring::Ask);
        assert_eq!(due.rings(&within, || at(44), at(34)), Ring::Nothing);
        assert_eq!(due.rings(&within, || at(45), at(35)), Ring::Expired(Deadline::Heartbeat));
    }

    #[test]
    fn no_limit_is_never_due() {
        let mut due = Due::default();
        due.expect(FRAME, true, &NONE, Instant::now);
        due.writes(true, true, &NONE, Instant::now);
        due.moved(&NONE, Instant::now);
        assert_eq!(due.next(), None);
    }
}
