//! Actors that are pinged while others hog the workers: `hog`, `hogyield`.

use std::error::Error;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::probe::{Latencies, Samples};
use crate::report::Extra;
use crate::work::{spin, spins_in, yield_once};

/// Each responder is pinged once in so many beats.
pub(crate) const BEATS: u64 = 100;

/// How long a beat is.
const BEAT: Duration = Duration::from_millis(1);

/// How long a hog spins before it looks at the clock.
const SLICE: Duration = Duration::from_micros(100);

/// Records how long pings were on their way.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Responder {
    samples: Arc<Samples>,
}

#[messages]
impl Responder {
    /// A ping has come.
    #[message]
    fn ping(&mut self, id: usize, sent: Instant) {
        self.samples.record(id, sent);
    }
}

/// Leaves no time to others.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Hog;

#[messages]
impl Hog {
    /// Spins, and does nothing else.
    #[message]
    fn spin(&mut self, slice: u64, until: Instant) {
        while Instant::now() < until {
            spin(slice);
        }
    }

    /// Spins, but lets others have a turn after each slice.
    #[message]
    async fn spin_and_yield(&mut self, slice: u64, until: Instant) {
        while Instant::now() < until {
            spin(slice);
            yield_once().await;
        }
    }
}

/// Pings `n` actors for `secs` while hogs never yield.
pub(crate) fn hog(system: &SystemHandle, n: u64, secs: Duration) -> Result<Extra, Box<dyn Error>> {
    measure(system, n, secs, |hog, slice, until| Ok(hog.spin(slice, until).tell()?))
}

/// Pings `n` actors for `secs` while hogs yield again and again.
pub(crate) fn hogyield(system: &SystemHandle, n: u64, secs: Duration) -> Result<Extra, Box<dyn Error>> {
    measure(system, n, secs, |hog, slice, until| Ok(hog.spin_and_yield(slice, until).tell()?))
}

fn measure(
    system: &SystemHandle,
    n: u64,
    secs: Duration,
    begin: impl Fn(&HogRef, u64, Instant) -> Result<(), Box<dyn Error>>,
) -> Result<Extra, Box<dyn Error>> {
    let count = (secs.as_millis() / BEAT.as_millis()) as usize * (n / BEATS) as usize;
    let pings = Pings::new(system, n as usize, count)?;
    let slice = spins_in(SLICE);
    let until = Instant::now() + secs + Duration::from_secs(1);
    for _ in 0..2 * system.workers() {
        begin(&system.spawn(|| Hog)?, slice, until)?;
    }
    sleep(Duration::from_millis(200));
    Ok(pings.run()?.into_extra())
}

/// The pings of a run, and who is pinged.
struct Pings {
    responders: Vec<ResponderRef>,
    samples: Arc<Samples>,
    count: usize,
}

impl Pings {
    /// Spawns the responders, and pings each once so that all are awake.
    fn new(system: &SystemHandle, responders: usize, count: usize) -> Result<Pings, Box<dyn Error>> {
        let samples = Arc::new(Samples::new(count + responders));
        let responder = |id| {
            let state = samples.clone();
            let responder = system.spawn(move || Responder { samples: state.clone() })?;
            responder.ping(id, Instant::now()).wait()?;
            Ok::<_, Box<dyn Error>>(responder)
        };
        let responders = (count..count + responders).map(responder).collect::<Result<_, _>>()?;
        Ok(Pings { responders, samples, count })
    }

    /// Sends all pings, a hundredth of the responders each beat, on this plain thread.
    fn run(&self) -> Result<Pinged, Box<dyn Error>> {
        let each_beat = self.responders.len() / BEATS as usize;
        let mut sent = Vec::with_capacity(self.count);
        let mut behind = Vec::with_capacity(self.count);
        let mut due = Instant::now();
        for id in 0..self.count {
            if id > 0 && id % each_beat == 0 {
                due += BEAT;
                sleep(due.saturating_duration_since(Instant::now()));
            }
            let now = Instant::now();
            sent.push(now);
            behind.push(now - due);
            self.responders[id % self.responders.len()].ping(id, now).tell()?;
        }
        sleep(Duration::from_millis(100));
        let end = Instant::now();
        let handled: Vec<_> = (0..self.count).map(|id| self.samples.get(id)).collect();
        let answered = handled.iter().flatten().count();
        // A ping that was not handled is at least as late as it is old.
        let late = handled.iter().zip(&sent).map(|(late, sent)| late.unwrap_or(end - *sent)).collect();
        Ok(Pinged { late, behind: behind.into_iter().collect(), answered })
    }
}

/// How it went.
struct Pinged {
    late: Latencies,
    /// How late the pings went out, which is not part of how late they were handled.
    behind: Latencies,
    answered: usize,
}

impl Pinged {
    fn into_extra(self) -> Extra {
        let answered = 100.0 * self.answered as f64 / self.late.len() as f64;
        Extra::default()
            .latencies("", &self.late)
            .number("answered_pct", answered)
            .flag("stalled", self.answered == 0)
            .number("pinger_late_p99_us", self.behind.micros(0.99))
    }
}
