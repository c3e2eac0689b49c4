//! Handlers that do not return in the midst of everything: connections are served, timers ring, actors come and go, and
//! the account is right at the end. Three seconds for each number of workers, or `STORM_SECS`, for a machine that has
//! nothing else to do.
//!
//! A tick may be late by the hard quantum and 10 ms. What is taken off before is the time for which the machine itself gave no
//! processor to a thread of nobody's that wanted one ([`Machine`]): a processor that the host of a virtual machine has taken
//! away for 60 ms keeps what runs there from running, whatever we do. While other tests run beside this one, a
//! thread that takes a worker over waits for a processor as long as it takes, and that thread of nobody's does not tell: so
//! then one tick in a hundred may be later.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::{Listener, Server};

use crate::machine::Machine;
use crate::setup::{Client, Setup};
use crate::support::{LIMIT, Log, eventually, quiet_panics};

/// Hogs that are told again and again, so that they come into the background lane.
const KNOWN: u64 = 12;
/// Hogs that are told in turn, and so many for each second of the ten for which a long turn is remembered that those who had
/// one are few among them: so they stay on workers, and one worker after another is taken over.
const STRANGERS: u64 = 6_000;
const REMEMBERED: u64 = 10;
const CLIENTS: usize = 3;
const TICKERS: usize = 20;
const PERIOD: Duration = Duration::from_millis(10);
/// The hard quantum and 10 ms.
const LATE: Duration = Duration::from_millis(20);

/// Two storms at a time would be one for both.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What has happened, as those have counted it to whom it happened.
#[derive(Default)]
struct Account {
    over: AtomicBool,
    told: AtomicU64,
    handled: AtomicU64,
    ticks: AtomicU64,
    answers: AtomicU64,
    /// When ticks were due that were late, and when they came; for answers, when it was asked.
    late_ticks: Log<(Instant, Instant)>,
    late_answers: Log<(Instant, Instant)>,
}

impl Account {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Notes what has happened now, if that is late.
fn note(late: &Log<(Instant, Instant)>, due: Instant) {
    let now = Instant::now();
    if now.saturating_duration_since(due) > LATE / 2 {
        late.push((due, now));
    }
}

/// Holds its thread for as long as it is told to.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Hog {
    account: Arc<Account>,
}

#[messages]
impl Hog {
    #[message]
    fn spin(&mut self, long: Duration) {
        let until = Instant::now() + long;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        add(&self.account.handled);
    }

    #[message]
    fn block(&mut self, long: Duration) {
        thread::sleep(long);
        add(&self.account.handled);
    }
}

/// Has a timer again and again.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Ticker {
    account: Arc<Account>,
}

#[messages]
impl Ticker {
    #[message]
    fn tick(&mut self, due: Instant, ctx: &mut Context<Self>) {
        add(&self.account.ticks);
        note(&self.account.late_ticks, due);
        if !self.account.is_over() {
            ctx.after(PERIOD, TickerTick { due: Instant::now() + PERIOD });
        }
    }
}

/// Makes others, which handle one message and stop.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Parent {
    account: Arc<Account>,
}

#[messages]
impl Parent {
    #[message]
    fn breed(&mut self, ctx: &mut Context<Self>) {
        let account = self.account.clone();
        let child = ctx.spawn(move || Child { account: account.clone() }).unwrap();
        child.live().tell().unwrap();
        add(&self.account.told);
        if !self.account.is_over() {
            ctx.after(Duration::from_millis(1), ParentBreed {});
        }
    }
}

#[derive(Actor)]
struct Child {
    account: Arc<Account>,
}

#[messages]
impl Child {
    #[message]
    fn live(&mut self, ctx: &mut Context<Self>) {
        add(&self.account.handled);
        ctx.stop();
    }
}

/// Tells hogs to hold their threads, at random, until it is over.
fn storm(known: &[HogRef], strangers: &[HogRef], account: &Account, secs: Duration) {
    let mut strangers = strangers.iter().cycle();
    let mut x: u64 = 7;
    let mut below = |n: u64| {
        x = x * 48271 % 0x7fff_ffff;
        x % n
    };
    let end = Instant::now() + secs;
    while Instant::now() < end {
        let is_known = below(2) == 0;
        let hog =
            if is_known { &known[below(KNOWN) as usize] } else { strangers.next().expect("there are some") };
        let long = Duration::from_millis(below(40));
        let told = if below(2) == 0 { hog.spin(long).tell().is_ok() } else { hog.block(long).tell().is_ok() };
        assert!(told, "a hog takes what it is told");
        add(&account.told);
        // The pace of the storm: this is time that is meant.
        thread::sleep(Duration::from_millis(below(12)));
    }
    account.over.store(true, Ordering::Relaxed);
}

fn ask_again_and_again(mut client: Client, account: &Account) {
    let mut number = 0u64;
    while !account.is_over() {
        let begun = Instant::now();
        assert_eq!(client.ask(&number.to_string()), number.to_string());
        note(&account.late_answers, begun);
        add(&account.answers);
        number += 1;
    }
}

/// A listener, tickers, and a parent that makes others; what is asked of them goes on until it is over.
fn populate(system: &System, account: &Arc<Account>) -> Server {
    let (make, _events) = Setup::default().sessions();
    let server = Listener::bind("127.0.0.1:0").expect("a port").spawn(system, make).expect("a server");
    for _ in 0..TICKERS {
        let account = account.clone();
        let ticker = system.spawn(move || Ticker { account: account.clone() }).unwrap();
        ticker.tick(Instant::now()).tell().unwrap();
    }
    let account = account.clone();
    let parent = system.spawn(move || Parent { account: account.clone() }).unwrap();
    parent.breed().tell().unwrap();
    server
}

fn hogs(system: &System, account: &Arc<Account>, many: u64) -> Vec<HogRef> {
    let spawn = |_| {
        let account = account.clone();
        system.spawn(move || Hog { account: account.clone() }).unwrap()
    };
    (0..many).map(spawn).collect()
}

/// How late each of what was late was, without what the machine has to do with it; the latest last.
fn lateness(late: &Log<(Instant, Instant)>, machine: &Machine) -> Vec<Duration> {
    let by = |(due, came): (Instant, Instant)| came.duration_since(due) - machine.paused(due, came);
    let mut late: Vec<_> = late.entries().into_iter().map(by).collect();
    late.sort();
    late
}

fn in_the_midst_of_everything(workers: usize) {
    let _alone = ONE_AT_A_TIME.lock();
    quiet_panics();
    let given = std::env::var("STORM_SECS").ok().and_then(|secs| secs.parse().ok());
    let secs = given.unwrap_or(3);
    let builder = actor_net::builder().workers(workers).intensity(1_000_000, LIMIT);
    let system: System = builder.build().expect("a system");
    let account = Arc::new(Account::default());
    // At another place than the strangers, so that the runtime judges them apart.
    let known = [(); KNOWN as usize].map(|()| {
        let account = account.clone();
        system.spawn(move || Hog { account: account.clone() }).unwrap()
    });
    let strangers = hogs(&system, &account, STRANGERS * secs.min(REMEMBERED));
    let server = populate(&system, &account);

    let machine = Machine::default();
    thread::scope(|scope| {
        machine.watch(scope, || account.is_over());
        for _ in 0..CLIENTS {
            let client = Client::connect(server.local_addr());
            scope.spawn(|| ask_again_and_again(client, &account));
        }
        storm(&known, &strangers, &account, Duration::from_secs(secs));
    });

    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    eventually("all that was told is handled", || count(&account.handled) == count(&account.told));
    assert_eq!(system.dead_letters().count(), 0);
    let (ticks, answers) = (count(&account.ticks), count(&account.answers));
    assert!(ticks > TICKERS as u64 * secs * 10 && answers > secs * 100, "{ticks} ticks, {answers} answers");
    eventually("the threads are as many as before", || {
        let now = system.snapshot();
        now.long_turns.is_empty() && now.background_threads == 0 && now.threads - now.spare_threads == workers
    });
    let now = system.snapshot();
    let (late_ticks, late_answers) = (&account.late_ticks, &account.late_answers);
    let latest = |late: &Log<(Instant, Instant)>| {
        let raw = late.entries().into_iter().map(|(due, came)| came - due).max().unwrap_or_default();
        format!(
            "latest {raw:?}, {:?} of it ours",
            lateness(late, &machine).last().copied().unwrap_or_default()
        )
    };
    println!(
        "{workers} workers, {secs} s: {} handled, {answers} answers ({}), {ticks} ticks ({}), {}",
        count(&account.handled),
        latest(late_answers),
        latest(late_ticks),
        now.preemptions,
    );
    assert!(now.preemptions.replaced > 10 * secs, "no storm: {now}");
    let beyond =
        |late, limit| lateness(late, &machine).into_iter().filter(|late| *late > limit).count() as u64;
    let allowed = if given.is_some() { 0 } else { ticks / 100 };
    assert!(beyond(late_ticks, LATE) <= allowed, "{} ticks are late", beyond(late_ticks, LATE));
    assert!(given.is_none() || beyond(late_answers, 2 * LATE) == 0, "answers are late");
    assert!(system.shutdown().is_clean());
}

#[test]
fn in_the_midst_of_everything_on_two_workers() {
    in_the_midst_of_everything(2);
}

#[test]
fn in_the_midst_of_everything_on_one_worker() {
    in_the_midst_of_everything(1);
}
