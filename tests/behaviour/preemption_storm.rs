//! Handlers that do not return in the midst of everything: connections are served, timers ring, actors come and go, and
//! the account is right at the end. Three seconds for each number of workers, or `STORM_SECS`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actor_core::System;
use actor_core::prelude::*;
use actor_net::Listener;

use crate::net_support::{Client, Setup};
use crate::support::{LIMIT, eventually, quiet_panics};

const HOGS: usize = 12;
const CLIENTS: usize = 3;
const TICKERS: usize = 20;
const PERIOD: Duration = Duration::from_millis(10);

/// What has happened, as those have counted it to whom it happened.
#[derive(Default)]
struct Account {
    over: AtomicBool,
    told: AtomicU64,
    handled: AtomicU64,
    ticks: AtomicU64,
    answers: AtomicU64,
    /// The latest tick and the slowest answer, in microseconds.
    latest_tick: AtomicU64,
    slowest_answer: AtomicU64,
}

impl Account {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn note(most: &AtomicU64, took: Duration) {
    most.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
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
        note(&self.account.latest_tick, Instant::now().saturating_duration_since(due));
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
fn storm(hogs: &[HogRef], account: &Account, secs: Duration) {
    let mut x: u64 = 7;
    let mut below = |n: u64| {
        x = x * 48271 % 0x7fff_ffff;
        x % n
    };
    let end = Instant::now() + secs;
    while Instant::now() < end {
        let hog = &hogs[below(HOGS as u64) as usize];
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
        note(&account.slowest_answer, begun.elapsed());
        add(&account.answers);
        number += 1;
    }
}

fn in_the_midst_of_everything(workers: usize) {
    quiet_panics();
    let secs = std::env::var("STORM_SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(3);
    let builder = actor_net::builder().workers(workers).intensity(1_000_000, LIMIT);
    let system: System = builder.build().expect("a system");
    let (make, _events) = Setup::default().sessions();
    let server = Listener::bind("127.0.0.1:0").expect("a port").spawn(&system, make).expect("a server");
    let account = Arc::new(Account::default());
    let of = || account.clone();
    let spawn_hog = |_| {
        let account = of();
        system.spawn(move || Hog { account: account.clone() }).unwrap()
    };
    let hogs: Vec<_> = (0..HOGS).map(spawn_hog).collect();
    let state = of();
    let tickers: Vec<_> = (0..TICKERS)
        .map(|_| {
            let account = state.clone();
            system.spawn(move || Ticker { account: account.clone() }).unwrap()
        })
        .collect();
    tickers.iter().for_each(|ticker| ticker.tick(Instant::now()).tell().unwrap());
    let parent = system.spawn(move || Parent { account: state.clone() }).unwrap();
    parent.breed().tell().unwrap();

    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let client = Client::connect(server.local_addr());
            scope.spawn(|| ask_again_and_again(client, &account));
        }
        storm(&hogs, &account, Duration::from_secs(secs));
    });

    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    eventually("all that was told is handled", || count(&account.handled) == count(&account.told));
    assert_eq!(system.dead_letters().count(), 0);
    assert!(count(&account.ticks) > TICKERS as u64 * secs * 10, "{} ticks", count(&account.ticks));
    eventually("the threads are as many as before", || {
        let now = system.snapshot();
        now.long_turns.is_empty() && now.background_threads == 0 && now.threads - now.spare_threads == workers
    });
    let now = system.snapshot();
    println!(
        "{workers} workers, {secs} s: {} handled, {} answers (slowest {} us), {} ticks (latest {} us), {}",
        count(&account.handled),
        count(&account.answers),
        count(&account.slowest_answer),
        count(&account.ticks),
        count(&account.latest_tick),
        now.preemptions,
    );
    assert!(now.preemptions.replaced > 0, "no storm: {now}");
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
