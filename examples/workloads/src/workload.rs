//! The workloads by name: their sizes, and how each is measured.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use clap::ValueEnum;

use crate::report::{Extra, Report};
use crate::{latency, leaks, messaging, probe, resize, restart, savina, skew, spawning, stuck, timers};

/// What can be run; the words are those of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// Two actors, one message to and fro
    Pingpong,
    /// One actor asks another, again and again
    Ask,
    /// Eight actors tell one
    Fanin,
    /// Eight actors send to one whose mailbox is full
    FaninBounded,
    /// A token in a ring of a thousand actors
    Ring,
    /// 64 tokens in that ring
    Ring64,
    /// An actor makes very many actors, which stay; their memory
    Spawn,
    /// An actor makes very many actors, which end
    Churn,
    /// 120 actors ping random ones
    Big,
    /// Transfers among a thousand accounts, with an ask in each
    Bank,
    /// A hundred creatures meet in a mall
    Chameneos,
    /// Work made on one worker, for ten thousand actors
    Skew,
    /// How late pings are while hogs never yield
    Hog,
    /// How late pings are while hogs yield
    Hogyield,
    /// How late pings are while hundreds of actors block their threads
    Blocked,
    /// How late pings are while the parallelism changes a thousand times
    Resize,
    /// How long a crash takes, from the panic to the new incarnation's first message
    Restart,
    /// How late pings are while others crash
    Restartstorm,
    /// CPU time while many actors have nothing to do
    Idlecpu,
    /// CPU time while as many actors wait for timers that are due in an hour
    Idletimers,
    /// Very many timers, and how late they are
    Timers,
    /// Actors that are leaked among very many that are not, until they have been found and stopped
    Leaked,
    /// One member of a room does not read; for each policy, how late the others hear what is said
    Slowroom,
    /// A server drains while all its connections send requests
    Drain,
    /// Handlers of some of the connections loop without end, with a limit and without; how late the others are answered
    Stuck,
    /// Very many connections to `echo-server`, in a row; their memory
    Connections,
    /// Serves a TCP echo
    #[value(name = "echo-server")]
    EchoServer,
    /// Serves a TCP chat
    #[value(name = "chat-server")]
    ChatServer,
}

/// How many tokens go round in `ring64`.
const TOKENS: u64 = 64;

impl Workload {
    /// The word for it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How much of it there is unless the command line says so.
    pub(crate) fn default_n(self) -> u64 {
        match self {
            Workload::Fanin | Workload::FaninBounded | Workload::Ring64 => 4_000_000,
            Workload::Big => 2_400_000,
            Workload::Bank => 500_000,
            Workload::Connections => 18_000,
            Workload::Ask => 300_000,
            Workload::Skew | Workload::Idlecpu | Workload::Idletimers => 100_000,
            Workload::Restart | Workload::Restartstorm => 100_000,
            Workload::Hog | Workload::Hogyield | Workload::Blocked | Workload::Resize => 1_000,
            Workload::Slowroom => 1_000,
            Workload::Stuck => 2_000,
            Workload::Drain => 5_000,
            _ => 1_000_000,
        }
    }

    /// How many actors share the work where that can be chosen, unless the command line says so.
    pub(crate) fn default_actors(self) -> Option<u64> {
        match self {
            Workload::Fanin | Workload::FaninBounded => Some(messaging::PRODUCERS),
            Workload::Ring | Workload::Ring64 => Some(messaging::RING),
            Workload::Hog | Workload::Hogyield => Some(latency::TWO_FOR_EACH_WORKER),
            Workload::Blocked => Some(latency::BLOCKERS),
            Workload::Restartstorm => Some(restart::CRASHERS),
            Workload::Leaked => Some(leaks::LEAKED),
            Workload::Stuck => Some(stuck::STUCK),
            _ => None,
        }
    }

    /// The nearest possible size that is not more, or the smallest one: the work must divide
    /// evenly among the actors.
    pub(crate) fn fit(self, n: u64, actors: u64) -> u64 {
        let parts = match self {
            Workload::Fanin | Workload::FaninBounded | Workload::Restartstorm => actors,
            Workload::Ring64 => TOKENS,
            Workload::Big => savina::BIG_ACTORS,
            Workload::Skew => skew::ACTORS,
            Workload::Timers => timers::ACTORS,
            Workload::Hog | Workload::Hogyield | Workload::Blocked => latency::BEATS,
            _ => 1,
        };
        (n / parts * parts).max(parts)
    }
}

/// One workload to be measured.
pub(crate) struct Run<'a> {
    /// Runs the actors.
    pub(crate) system: &'a SystemHandle,
    /// What to run.
    pub(crate) workload: Workload,
    /// How much of it; one that [`Workload::fit`] gave.
    pub(crate) n: u64,
    /// How many actors share it, where that can be chosen.
    pub(crate) actors: u64,
    /// How long to watch, where that is not a matter of `n`.
    pub(crate) secs: Duration,
    /// A limit for silence of the actors of rings.
    pub(crate) silence: Option<Duration>,
}

impl Run<'_> {
    /// Runs it and says how it went.
    pub(crate) fn measure(&self) -> Result<Report, Box<dyn Error>> {
        let (system, n, actors) = (self.system, self.n, self.actors);
        match self.workload {
            Workload::Pingpong => self.warmed(|n| messaging::pingpong(system, n)),
            Workload::Ask => self.warmed(|n| messaging::ask(system, n)),
            Workload::Fanin => self.warmed(|n| messaging::fanin(system, n, actors)),
            Workload::FaninBounded => self.warmed(|n| messaging::fanin_bounded(system, n, actors)),
            Workload::Ring => self.warmed(|n| messaging::ring(system, n, actors, 1, self.silence)),
            Workload::Ring64 => self.warmed(|n| messaging::ring(system, n, actors, TOKENS, self.silence)),
            Workload::Churn => self.warmed(|n| spawning::churn(system, n)),
            Workload::Big => self.warmed(|n| savina::big(system, n)),
            Workload::Bank => self.warmed(|n| savina::bank(system, n)),
            Workload::Chameneos => self.warmed(|n| savina::chameneos(system, n)),
            Workload::Skew => {
                let spins = skew::spins();
                let mut report = self.warmed(|n| skew::skew(system, n, spins))?;
                report.extra = skew::efficiency(n, system.workers(), report.took);
                Ok(report)
            }
            Workload::Spawn => self.spawn(),
            Workload::Idlecpu => self.idle(spawning::spawn),
            Workload::Idletimers => self.idle(timers::in_an_hour),
            Workload::Timers => {
                let (took, extra) = timers::timers(system, n)?;
                Ok(self.report(took, extra))
            }
            Workload::Hog => Ok(self.watched(latency::hog(system, n, actors, self.secs)?)),
            Workload::Hogyield => Ok(self.watched(latency::hogyield(system, n, actors, self.secs)?)),
            Workload::Blocked => Ok(self.watched(latency::blocked(system, n, actors, self.secs)?)),
            Workload::Resize => {
                let begin = Instant::now();
                let extra = resize::resize(system, n)?;
                Ok(Report { rate: 0.0, ..self.report(begin.elapsed(), extra) })
            }
            Workload::Restart => {
                let (took, extra) = restart::restart(system, n)?;
                Ok(self.report(took, extra))
            }
            Workload::Restartstorm => {
                let (took, extra) = restart::restartstorm(system, n, actors, self.secs)?;
                Ok(self.report(took, extra))
            }
            Workload::Leaked => {
                let (took, extra) = leaks::leaked(system, n, actors)?;
                Ok(Report { rate: 0.0, ..self.report(took, extra) })
            }
            Workload::Slowroom | Workload::Drain | Workload::Stuck => Err("it has systems of its own".into()),
            Workload::EchoServer | Workload::ChatServer | Workload::Connections => {
                Err("it runs in no system of this process".into())
            }
        }
    }

    /// Runs a tenth of it to warm up, with actors of its own, and then all of it.
    fn warmed(
        &self,
        run: impl Fn(u64) -> Result<Duration, Box<dyn Error>>,
    ) -> Result<Report, Box<dyn Error>> {
        run(self.workload.fit(self.n / 10, self.actors))?;
        let took = run(self.n)?;
        Ok(self.report(took, Extra::default()))
    }

    fn spawn(&self) -> Result<Report, Box<dyn Error>> {
        sleep(Duration::from_millis(100));
        let before = probe::resident_bytes();
        let took = spawning::spawn(self.system, self.n)?;
        sleep(Duration::from_secs(1));
        let grown = probe::resident_bytes().saturating_sub(before);
        let each = (grown as f64 / self.n as f64).round();
        Ok(self.report(took, Extra::default().number("bytes_per_actor", each)))
    }

    /// What the system takes while what `make` has made has nothing to do.
    fn idle(
        &self,
        make: impl Fn(&SystemHandle, u64) -> Result<Duration, Box<dyn Error>>,
    ) -> Result<Report, Box<dyn Error>> {
        make(self.system, self.n)?;
        sleep(Duration::from_secs(1));
        let before = probe::cpu_time();
        sleep(self.secs);
        let used = probe::cpu_time().saturating_sub(before);
        Ok(self.watched(Extra::default().number("cpu_secs", used.as_secs_f64())))
    }

    fn report(&self, took: Duration, extra: Extra) -> Report {
        let rate = self.n as f64 / took.as_secs_f64();
        Report { workload: self.workload.name(), n: self.n, took, rate, extra }
    }

    /// A report of what has no rate.
    fn watched(&self, extra: Extra) -> Report {
        Report { rate: 0.0, ..self.report(self.secs, extra) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_that_nobody_asked_for_divide_evenly() {
        for workload in Workload::value_variants() {
            let n = workload.default_n();
            assert_eq!(workload.fit(n, workload.default_actors().unwrap_or(1)), n, "{workload:?}");
        }
    }

    #[test]
    fn a_size_is_rounded_down_but_not_to_nothing() {
        assert_eq!(Workload::Fanin.fit(17, 8), 16);
        assert_eq!(Workload::Fanin.fit(3, 8), 8);
        assert_eq!(Workload::Ring.fit(0, 1000), 1);
        assert_eq!(Workload::Ring.fit(17, 1000), 17);
    }
}
