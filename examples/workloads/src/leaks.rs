//! Actors that nobody can get at any more, among very many that somebody can: `leaked`.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use actor_core::SystemHandle;
use actor_core::prelude::*;

use crate::report::Extra;
use crate::signal::sure;

/// How many actors are leaked unless said.
pub(crate) const LEAKED: u64 = 100_000;

/// The shortest circle, and the longest.
const LENGTHS: (u64, u64) = (2, 50);

/// One of a circle.
#[derive(Actor)]
struct Member {
    next: Option<MemberRef>,
}

#[messages]
impl Member {
    /// Closes the circle, or a part of it.
    #[message]
    fn lead_to(&mut self, next: MemberRef) {
        self.next = Some(next);
    }

    /// Answers.
    #[message]
    fn ping(&mut self) -> bool {
        self.next.is_some()
    }
}

/// Makes `n` actors in circles of all lengths; gives out the first of each circle.
fn circles(system: &SystemHandle, n: u64) -> Result<Vec<MemberRef>, Box<dyn Error>> {
    let (mut firsts, mut left, mut length) = (Vec::new(), n, LENGTHS.0);
    while left > 0 {
        // Two are left for the last one at least.
        let size = if left < length + LENGTHS.0 { left } else { length };
        let circle: Vec<_> =
            (0..size).map(|_| system.spawn(|| Member { next: None })).collect::<Result<_, _>>()?;
        for (at, member) in circle.iter().enumerate() {
            sure(member.lead_to(circle[(at + 1) % circle.len()].clone()).tell());
        }
        firsts.extend(circle.into_iter().next());
        left -= size;
        length = if length == LENGTHS.1 { LENGTHS.0 } else { length + 1 };
    }
    Ok(firsts)
}

/// Leaks `leaked` actors among `n` others, and waits until they have been stopped. The system must look for them.
pub(crate) fn leaked(
    system: &SystemHandle,
    n: u64,
    leaked: u64,
) -> Result<(Duration, Extra), Box<dyn Error>> {
    let live = circles(system, n)?;
    let lost = circles(system, leaked)?;
    for first in live.iter().chain(&lost) {
        first.ping().wait()?;
    }
    let begin = Instant::now();
    let before = system.snapshot().leaks.scans;
    drop(lost);
    let seen = loop {
        let snapshot = system.snapshot();
        if snapshot.actors_alive() <= n + 1 {
            break snapshot.leaks;
        }
        sleep(Duration::from_millis(1));
    };
    let took = begin.elapsed();
    // What is found from now on would be a mistake.
    let done = seen.scans;
    while system.snapshot().leaks.scans < done + 3 {
        sleep(Duration::from_millis(1));
    }
    let mut answered = true;
    for first in &live {
        answered &= first.ping().wait()?;
    }
    let after = system.snapshot();
    let right = answered && after.actors_alive() == n + 1 && after.leaks.found == leaked;
    let extra = Extra::default()
        .number("scans", (seen.scans - before) as f64)
        .number("found", after.leaks.found as f64)
        .number("longest_step_us", micros(after.leaks.longest_step))
        .number("longest_step_real_us", micros(after.leaks.longest_step_real))
        .number("longest_step_charged_us", micros(after.leaks.longest_step_charged))
        .flag("only_those", right);
    Ok((took, extra))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
