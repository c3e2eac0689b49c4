//! Actors that are pinged while others hog the workers: `hog`, `hogyield`, `blocked`.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::probe::{Latencies, Samples};
use crate::report::Extra;
use crate::work::{spin, spins_in, yield_once};

/// Each responder is pinged once in so many beats.
pub(crate) const BEATS: u64 = 100;

/// How often it is looked how many threads there are.
const THREADS_EVERY: Duration = Duration::from_millis(20);

/// How long a beat is.
const BEAT: Duration = Duration::from_millis(1);

/// As many hogs as there are unless the command line says so: no number, since it depends on the workers.
pub(crate) const TWO_FOR_EACH_WORKER: u64 = 0;

/// How many actors block in `blocked`, and how long with each message.
pub(crate) const BLOCKERS: u64 = 500;
const BLOCKS_FOR: Duration = Duration::from_millis(200);

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

/// Blocks its thread, as who does not know better would.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Blocker {
    blocked: Arc<AtomicU64>,
}

#[messages]
impl Blocker {
    /// Waits in a system call.
    #[message]
    fn block(&mut self) {
        sleep(BLOCKS_FOR);
        self.blocked.fetch_add(1, Ordering::Relaxed);
    }
}

/// Pings `n` actors for `secs` while hogs never yield.
pub(crate) fn hog(system: &SystemHandle, n: u64, hogs: u64, secs: Duration) -> Result<Extra, Box<dyn Error>> {
    measure(system, n, hogs, secs, |hog, slice, until| Ok(hog.spin(slice, until).tell()?))
}

/// Pings `n` actors for `secs` while hogs yield again and again.
pub(crate) fn hogyield(
    system: &SystemHandle,
    n: u64,
    hogs: u64,
    secs: Duration,
) -> Result<Extra, Box<dyn Error>> {
    measure(system, n, hogs, secs, |hog, slice, until| Ok(hog.spin_and_yield(slice, until).tell()?))
}

/// Pings `n` actors for `secs` while others block their threads, from the moment on in which they begin to.
pub(crate) fn blocked(
    system: &SystemHandle,
    n: u64,
    blockers: u64,
    secs: Duration,
) -> Result<Extra, Box<dyn Error>> {
    let pings = Pings::new(system, n, secs)?;
    let blocked = Arc::new(AtomicU64::new(0));
    for _ in 0..blockers {
        let state = blocked.clone();
        let blocker = system.spawn(move || Blocker { blocked: state.clone() })?;
        // More than there is time for.
        for _ in 0..secs.div_duration_f64(BLOCKS_FOR) as u64 + 2 {
            blocker.block().tell()?;
        }
    }
    let extra = with_threads(system, || pings.run())?;
    Ok(extra.number("blocked", blocked.load(Ordering::Relaxed) as f64))
}

/// Runs the pings, and looks meanwhile how many threads there are at most.
fn with_threads(
    system: &SystemHandle,
    run: impl FnOnce() -> Result<Pinged, Box<dyn Error>>,
) -> Result<Extra, Box<dyn Error>> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(system.snapshot().threads);
                sleep(THREADS_EVERY);
            }
            most
        });
        let pinged = run();
        over.store(true, Ordering::Relaxed);
        let most = looker.join().map_err(|_| "the thread that counts threads panicked")?;
        Ok(pinged?.into_extra().number("most_threads", most as f64))
    })
}

fn measure(
    system: &SystemHandle,
    n: u64,
    hogs: u64,
    secs: Duration,
    begin: impl Fn(&HogRef, u64, Instant) -> Result<(), Box<dyn Error>>,
) -> Result<Extra, Box<dyn Error>> {
    let pings = Pings::new(system, n, secs)?;
    let slice = spins_in(SLICE);
    let until = Instant::now() + secs + Duration::from_secs(1);
    let hogs = if hogs == TWO_FOR_EACH_WORKER { 2 * system.workers() as u64 } else { hogs };
    for _ in 0..hogs {
        begin(&system.spawn(|| Hog)?, slice, until)?;
    }
    sleep(Duration::from_millis(200));
    with_threads(system, || pings.run())
}

/// The pings of a run, and who is pinged.
pub(crate) struct Pings {
    responders: Vec<ResponderRef>,
    samples: Arc<Samples>,
    count: usize,
}

impl Pings {
    /// Spawns the responders, and pings each once so that all are awake.
    pub(crate) fn new(system: &SystemHandle, n: u64, secs: Duration) -> Result<Pings, Box<dyn Error>> {
        let responders = n as usize;
        let count = (secs.as_millis() / BEAT.as_millis()) as usize * (n / BEATS) as usize;
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
    pub(crate) fn run(&self) -> Result<Pinged, Box<dyn Error>> {
        self.run_while(|| true)
    }

    /// The same, but sends no more when it is over.
    pub(crate) fn run_while(&self, goes_on: impl Fn() -> bool) -> Result<Pinged, Box<dyn Error>> {
        let each_beat = self.responders.len() / BEATS as usize;
        let mut sent = Vec::with_capacity(self.count);
        let mut behind = Vec::with_capacity(self.count);
        let mut due = Instant::now();
        for id in 0..self.count {
            if id > 0 && id % each_beat == 0 {
                if !goes_on() {
                    break;
                }
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
        let handled: Vec<_> = (0..sent.len()).map(|id| self.samples.get(id)).collect();
        let answered = handled.iter().flatten().count();
        // A ping that was not handled is at least as late as it is old.
        let late = handled.iter().zip(&sent).map(|(late, sent)| late.unwrap_or(end - *sent)).collect();
        Ok(Pinged { late, behind: behind.into_iter().collect(), answered })
    }
}

/// How it went.
pub(crate) struct Pinged {
    late: Latencies,
    /// How late the pings went out, which is not part of how late they were handled.
    behind: Latencies,
    answered: usize,
}

impl Pinged {
    /// How long the pings were on their way.
    pub(crate) fn late(&self) -> &Latencies {
        &self.late
    }

    fn into_extra(self) -> Extra {
        let answered = 100.0 * self.answered as f64 / self.late.len() as f64;
        Extra::default()
            .latencies("", &self.late)
            .number("answered_pct", answered)
            .flag("stalled", self.answered == 0)
            .number("pinger_late_p99_us", self.behind.micros(0.99))
    }
}
