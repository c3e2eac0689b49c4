//! Counts the allocations of each operation in the steady state, in all threads, and fails if there are more
//! than there should be (or fewer: then what is written here and in BENCHMARKS.md is out of date).
//!
//! A binary of its own, and without the test harness: the allocator is the process's, and whatever else runs
//! in it would be counted too. There is one worker, so that what happens does not depend on who is quicker.
mod counted;

use std::time::Duration;

use actor_core::prelude::*;

/// How many of each operation are counted, after a tenth of it to warm up.
const N: u64 = 100_000;
/// Messages or timers under way at a time, where there are many.
const WAVE: u64 = 100;

/// So often it is done; the least counts. What the runtime does so often a second, and what it does about workers that
/// get no processor, is more for each operation where other programs have the processors.
const ROUNDS: usize = 3;

/// What an operation may have beyond its figure. One in 64 messages and one in 64 turns, or fewer, is measured
/// and in a box then (`observe/sample.rs`): an operation of two messages and two turns, such as an ask, has at
/// most 1/16 of that on average, and over so many operations chance adds far less than as much again. A wave
/// ends with an ask, which is less than a hundredth for each of it. Whatever is added for each operation is 1.
const SLACK: f64 = 0.125;

// ---- telling ---------------------------------------------------------------------------------------

/// Tells its neighbour how many hops are left.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Hopper {
    to: Option<HopperRef>,
    done: Option<Reply<()>>,
}

#[messages]
impl Hopper {
    #[message]
    fn meet(&mut self, to: HopperRef) {
        self.to = Some(to);
    }

    /// An even number of hops ends where it began.
    #[message]
    fn begin(&mut self, hops: u64, done: Reply<()>) {
        self.done = Some(done);
        self.hop(hops);
    }

    #[message]
    fn hop(&mut self, left: u64) {
        match &self.to {
            Some(to) if left > 0 => to.hop(left - 1).tell().unwrap(),
            _ => self.done.take().expect("begun here").send(()),
        }
    }
}

fn tell_in_a_ring(system: &System) -> impl Fn(u64) {
    let hopper = || Hopper { to: None, done: None };
    let (one, other) = (system.spawn(hopper).unwrap(), system.spawn(hopper).unwrap());
    one.meet(other.clone()).wait().unwrap();
    other.meet(one.clone()).wait().unwrap();
    move |n| one.begin(n).wait().unwrap()
}

/// Is told, and answers.
#[derive(Actor)]
struct Server;

#[messages]
impl Server {
    #[message]
    fn take(&mut self, _value: u64) {}

    #[message]
    fn successor(&mut self, value: u64) -> u64 {
        value + 1
    }
}

fn tell_from_a_plain_thread(server: ServerRef) -> impl Fn(u64) {
    move |n| {
        for _ in 0..n / WAVE {
            (0..WAVE).for_each(|value| server.take(value).tell().unwrap());
            server.successor(0).wait().unwrap();
        }
    }
}

// ---- asking ----------------------------------------------------------------------------------------

/// Asks.
#[derive(Actor)]
struct Caller {
    server: ServerRef,
}

#[messages]
impl Caller {
    #[message]
    async fn count(&mut self, n: u64) {
        let mut value = 0;
        while value < n {
            value = self.server.successor(value).await.unwrap();
        }
    }
}

fn ask_in_an_actor(system: &System, server: ServerRef) -> impl Fn(u64) {
    let caller = system.spawn(move || Caller { server: server.clone() }).unwrap();
    move |n| caller.count(n).wait().unwrap()
}

fn ask_from_a_plain_thread(server: ServerRef) -> impl Fn(u64) {
    move |n| (0..n).for_each(|value| assert_eq!(server.successor(value).wait().unwrap(), value + 1))
}

// ---- spawning --------------------------------------------------------------------------------------

/// Spawns one actor after the other.
#[derive(Actor)]
struct Spawner {
    done: Option<Reply<()>>,
}

#[messages]
impl Spawner {
    #[message]
    fn begin(&mut self, n: u64, done: Reply<()>, ctx: &mut Context<Self>) {
        self.done = Some(done);
        self.next(n, ctx);
    }

    #[message]
    fn next(&mut self, left: u64, ctx: &mut Context<Self>) {
        if left == 0 {
            return self.done.take().expect("begun here").send(());
        }
        let to = ctx.me();
        let mayfly = ctx.spawn(move || Mayfly { to: to.clone() }).unwrap();
        mayfly.live(left - 1).tell().unwrap();
    }
}

/// Answers and ends.
#[derive(Actor)]
struct Mayfly {
    to: SpawnerRef,
}

#[messages]
impl Mayfly {
    #[message]
    fn live(&mut self, left: u64, ctx: &mut Context<Self>) {
        self.to.next(left).tell().unwrap();
        ctx.stop();
    }
}

fn spawn(system: &System) -> impl Fn(u64) {
    let spawner = system.spawn(|| Spawner { done: None }).unwrap();
    move |n| spawner.begin(n).wait().unwrap()
}

// ---- timers ----------------------------------------------------------------------------------------

/// Arms a timer for each that has fired.
#[derive(Actor)]
struct Clock {
    to_arm: u64,
    left: u64,
    delay: Duration,
    done: Option<Reply<()>>,
}

#[messages]
impl Clock {
    #[message]
    fn begin(&mut self, n: u64, done: Reply<()>, ctx: &mut Context<Self>) {
        (self.to_arm, self.left, self.done) = (n, n, Some(done));
        (0..WAVE).for_each(|_| self.arm(ctx));
    }

    #[message]
    fn fired(&mut self, ctx: &mut Context<Self>) {
        self.left -= 1;
        match self.left {
            0 => self.done.take().expect("begun here").send(()),
            _ => self.arm(ctx),
        }
    }
}

impl Clock {
    fn arm(&mut self, ctx: &mut Context<Self>) {
        if self.to_arm > 0 {
            self.to_arm -= 1;
            ctx.after(self.delay, ClockFired {});
        }
    }
}

fn timer(system: &System, delay: Duration) -> impl Fn(u64) {
    let clock = system.spawn(move || Clock { to_arm: 0, left: 0, delay, done: None }).unwrap();
    move |n| clock.begin(n).wait().unwrap()
}

// ---- counting --------------------------------------------------------------------------------------

/// What one of `n` operations allocates.
fn allocations(n: u64, operations: impl Fn(u64)) -> f64 {
    operations(n / 10);
    let round = || {
        let before = counted::allocations();
        operations(n);
        counted::allocations() - before
    };
    let least = (0..ROUNDS).map(|_| round()).min().expect("there is a round");
    least as f64 / n as f64
}

fn main() {
    // As a release build has it: where asks are watched for deadlocks, each that waits has an entry.
    let system = System::builder().workers(1).deadlocks(false).build().expect("a system");
    let server = system.spawn(|| Server).unwrap();
    let ms = Duration::from_millis(1);
    let table: &[(&str, f64, f64)] = &[
        ("tell, from actor to actor", 0.0, allocations(N, tell_in_a_ring(&system))),
        ("tell, from a plain thread", 0.0, allocations(N, tell_from_a_plain_thread(server.clone()))),
        ("ask, from actor to actor", 0.0, allocations(N, ask_in_an_actor(&system, server.clone()))),
        // The token that the thread waits for.
        ("ask, from a plain thread", 1.0, allocations(N / 4, ask_from_a_plain_thread(server))),
        // The cell is a husk of one before it, and its incarnation in the pool.
        ("spawn, one message, end", 0.0, allocations(N, spawn(&system))),
        ("timer, due at once", 0.0, allocations(N, timer(&system, Duration::ZERO))),
        ("timer, of a millisecond", 0.0, allocations(N / 4, timer(&system, ms))),
    ];
    println!("allocations for each");
    for (what, expected, counted) in table {
        println!("{what:28} {expected} expected, {counted:.4} counted");
    }
    let wrong = table.iter().filter(|(_, expected, counted)| !(0.0..SLACK).contains(&(counted - expected)));
    let wrong: Vec<_> = wrong.map(|(what, ..)| what).collect();
    assert!(wrong.is_empty(), "not as expected: {wrong:?}");
}
