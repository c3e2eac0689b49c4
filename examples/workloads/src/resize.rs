//! A steady load while the parallelism changes again and again: `resize`.

use std::error::Error;
use std::sync::Arc;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::probe::{self, Latencies, Samples};
use crate::report::Extra;
use crate::work::{spin, spins_in};

/// What the parallelism is set to in each round, a beat each.
const ROUND: [usize; 3] = [1, 8, 2];

/// The same without more workers than there are cores, on most machines: what the changes cost by themselves.
const SMALL_ROUND: [usize; 3] = [1, 2, 2];

/// A ping that takes longer is counted.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a beat is.
const BEAT: Duration = Duration::from_millis(1);

/// How many pings are sent in a beat.
const PINGS: usize = 20;

/// How many pairs of actors there are.
const PAIRS: usize = 500;

/// How long it is quiet before the first ping; after the last one all should be over in this time.
const SETTLED: Duration = Duration::from_millis(200);

/// A ping that is not answered after this is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What each of the two handlers of a ping costs.
const COST: Duration = Duration::from_micros(5);

/// Tells on each ping, so that work comes from workers as well as from outside.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Relay {
    to: ResponderRef,
    spins: u64,
}

#[messages]
impl Relay {
    /// A ping has come from outside.
    #[message]
    fn relay(&mut self, ping: Ping) {
        spin(self.spins);
        // Its mailbox has no bound and it does not stop; what is lost all the same is seen by who counts the pings.
        let _ = self.to.ping(ping).tell();
    }
}

/// Records how long pings were on their way.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Responder {
    spins: u64,
}

#[messages]
impl Responder {
    /// A ping has come from the relay.
    #[message]
    fn ping(&mut self, ping: Ping) {
        ping.samples.record(ping.id, ping.sent);
        spin(self.spins);
    }
}

/// A ping on its way.
#[derive(Debug)]
struct Ping {
    id: usize,
    sent: Instant,
    samples: Arc<Samples>,
}

/// Measures pings with a parallelism of 2, of 8, and while it changes `rounds` times from 1 to 2, and from 1 to 8 to 2.
/// Each ping must be answered.
pub(crate) fn resize(system: &SystemHandle, rounds: u64) -> Result<Extra, Box<dyn Error>> {
    let spins = spins_in(COST);
    let pair = |_| {
        let to = system.spawn(move || Responder { spins })?;
        Ok(system.spawn(move || Relay { to: to.clone(), spins })?)
    };
    let relays = (0..PAIRS).map(pair).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let load = Load { system, relays, beats: rounds as usize * ROUND.len() };
    // The first starts all workers and wakes all actors.
    for parallelism in [8, 2] {
        load.phase("", |_| parallelism)?;
    }
    let extra = load.phase("two_", |_| 2)?;
    let extra = extra.and(load.phase("eight_", |_| 8)?);
    let extra = extra.and(load.phase("small_", |beat| SMALL_ROUND[beat % ROUND.len()])?);
    Ok(extra.and(load.phase("", |beat| ROUND[beat % ROUND.len()])?))
}

struct Load<'a> {
    system: &'a SystemHandle,
    relays: Vec<RelayRef>,
    beats: usize,
}

impl Load<'_> {
    /// Sends the pings of all beats, while another thread sets the parallelism of each.
    fn phase(
        &self,
        prefix: &str,
        parallelism: impl Fn(usize) -> usize + Sync,
    ) -> Result<Extra, Box<dyn Error>> {
        self.system.set_parallelism(parallelism(0))?;
        sleep(SETTLED);
        let before = self.system.snapshot().runnable_delay;
        let cpu_before = probe::cpu_time();
        let begin = Instant::now();
        let pinged = scope(|scope| {
            let change = || {
                (1..self.beats).try_for_each(|beat| {
                    // Between two beats of the pings.
                    sleep_until(begin + BEAT * beat as u32 + BEAT / 2);
                    let parallelism = parallelism(beat);
                    let changes = self.system.parallelism() != parallelism;
                    if changes { self.system.set_parallelism(parallelism) } else { Ok(()) }
                })
            };
            let changes = scope.spawn(change);
            let pinged = self.ping(begin)?;
            changes.join().map_err(|_| "the thread that changes the parallelism has panicked")??;
            Ok::<_, Box<dyn Error>>(pinged)
        })?;
        let cpu = probe::cpu_time() - cpu_before;
        let delays = self.system.snapshot().runnable_delay.since(&before);
        let longest = delays.buckets().last().map_or(Duration::ZERO, |(below, _)| below);
        let Pinged { late, behind } = pinged;
        Ok(Extra::default()
            .latencies(prefix, &late)
            .number(format!("{prefix}pauses"), late.count_over(PAUSE) as f64)
            .number(format!("{prefix}cpu_secs"), cpu.as_secs_f64())
            .number(format!("{prefix}delay_max_us"), longest.as_nanos() as f64 / 1000.0)
            .number(format!("{prefix}pinger_late_max_us"), behind.micros(1.0)))
    }

    /// Sends all pings, on this plain thread, and waits until they are answered.
    fn ping(&self, begin: Instant) -> Result<Pinged, Box<dyn Error>> {
        let count = self.beats * PINGS;
        let samples = Arc::new(Samples::new(count));
        let mut behind = Vec::with_capacity(self.beats);
        for beat in 0..self.beats {
            let due = begin + BEAT * beat as u32;
            sleep_until(due);
            behind.push(due.elapsed());
            for id in beat * PINGS..(beat + 1) * PINGS {
                let ping = Ping { id, sent: Instant::now(), samples: samples.clone() };
                self.relays[id % PAIRS].relay(ping).tell()?;
            }
        }
        let late = answered(&samples, count)?;
        Ok(Pinged { late, behind: behind.into_iter().collect() })
    }
}

/// Waits until all are answered.
fn answered(samples: &Samples, count: usize) -> Result<Latencies, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        sleep(SETTLED);
        let late = samples.recorded();
        if late.len() == count {
            return Ok(late);
        }
        if Instant::now() > until {
            return Err(format!("{} of {count} pings were not answered", count - late.len()));
        }
    }
}

/// How it went.
struct Pinged {
    late: Latencies,
    /// How late the plain thread was in sending, which is not in the latency.
    behind: Latencies,
}

fn sleep_until(at: Instant) {
    sleep(at.saturating_duration_since(Instant::now()));
}
