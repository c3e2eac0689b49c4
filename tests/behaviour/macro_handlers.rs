//! What the macros make of handlers: the types of their replies, and what the others are called for.

use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, io};

use actor_core::{Actor, AskError, Context, Down, Reply, StopReason, messages};

use crate::support::system;

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

/// Replies of every kind, sync and async.
#[derive(Actor)]
struct Replies {
    later: Vec<Reply<u8, Refused>>,
}

#[messages]
impl Replies {
    #[message]
    fn value(&self) -> u8 {
        1
    }

    #[message]
    #[expect(clippy::unused_unit)]
    fn unit(&self) -> () {}

    #[message]
    fn result(&self, ok: bool) -> Result<u8, Refused> {
        if ok { Ok(2) } else { Err(Refused) }
    }

    #[message]
    fn io(&self) -> io::Result<u8> {
        Err(io::Error::other("broken"))
    }

    #[message]
    async fn slow(&mut self, ctx: &mut Context<Self>, value: u8) -> u8 {
        let _ = ctx.id();
        std::future::ready(value).await
    }

    #[message]
    async fn slow_result(&mut self) -> Result<(), Refused> {
        std::future::ready(Err(Refused)).await
    }

    #[message]
    fn later(&mut self, reply: Reply<u8, Refused>) {
        self.later.push(reply);
    }

    #[message]
    async fn now(&mut self, with: u8, _ctx: &mut Context<Self>) -> usize {
        let count = self.later.len();
        for reply in self.later.drain(..) {
            reply.complete(if with == 0 { Err(Refused) } else { Ok(with) });
        }
        count
    }

    #[message]
    async fn deferred(&self, value: u8, reply: Reply<u8>) {
        reply.send(std::future::ready(value).await);
    }

    #[message]
    #[deprecated = "use `value`"]
    fn old(&self) -> u8 {
        self.value()
    }
}

#[test]
fn replies_have_the_handlers_types() {
    let system = system(2);
    let actor = system.spawn(|| Replies { later: Vec::new() }).expect("the actor starts");
    assert_eq!(actor.value().wait().unwrap(), 1);
    actor.unit().wait().unwrap();
    assert_eq!(actor.result(true).wait().unwrap(), 2);
    assert!(matches!(actor.result(false).wait(), Err(AskError::Failed(Refused))));
    let failed = actor.io().wait().unwrap_err().into_failed();
    assert_eq!(failed.map(|error| error.to_string()).as_deref(), Some("broken"));
    assert_eq!(actor.slow(3).wait().unwrap(), 3);
    assert!(matches!(actor.slow_result().wait(), Err(AskError::Failed(Refused))));
    assert_eq!(actor.deferred(4).wait().unwrap(), 4);
    #[expect(deprecated)]
    let old = actor.old().wait().unwrap();
    assert_eq!(old, 1);
    system.shutdown();
}

#[test]
fn a_deferred_reply_comes_when_it_is_given() {
    let system = system(2);
    let actor = system.spawn(|| Replies { later: Vec::new() }).expect("the actor starts");
    let asker = std::thread::spawn({
        let actor = actor.clone();
        move || actor.later().wait()
    });
    while actor.now(5).wait().unwrap() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(asker.join().unwrap().unwrap(), 5);
    system.shutdown();
}

/// Is monitored.
#[derive(Actor)]
struct Watched;

#[messages]
impl Watched {}

/// The life cycle, in an order of arguments of its own.
#[derive(Actor)]
struct Life {
    events: mpsc::Sender<&'static str>,
    watched: WatchedRef,
}

#[messages]
impl Life {
    #[started]
    async fn open(&mut self, ctx: &mut Context<Self>) -> io::Result<()> {
        let _monitor = ctx.monitor(&self.watched);
        self.tell("started");
        std::future::ready(Ok(())).await
    }

    #[down]
    async fn gone(&mut self, ctx: &mut Context<Self>, down: Down) {
        if down.actor == self.watched.id() {
            self.tell("down");
        }
        ctx.stop();
    }

    #[stopped]
    async fn close(&mut self, ctx: &mut Context<Self>, why: &StopReason) {
        let _ = ctx;
        self.tell(if why.is_normal() { "stopped" } else { "failed" });
    }

    fn tell(&self, event: &'static str) {
        self.events.send(event).expect("the test listens");
    }
}

#[test]
fn the_life_cycle_is_called() {
    let system = system(2);
    let (events, heard) = mpsc::channel();
    let watched = system.spawn(|| Watched).expect("it starts");
    let life = {
        let watched = watched.clone();
        system.spawn(move || Life { events: events.clone(), watched: watched.clone() })
    };
    let _life = life.expect("the actor starts");
    watched.stop();
    for event in ["started", "down", "stopped"] {
        assert_eq!(heard.recv_timeout(Duration::from_secs(5)), Ok(event));
    }
    system.shutdown();
}

#[test]
fn a_failed_start_reaches_the_spawner() {
    #[derive(Actor)]
    struct Refusing;

    #[messages]
    impl Refusing {
        #[started]
        fn open(&mut self) -> Result<(), Refused> {
            Err(Refused)
        }
    }

    let system = system(2);
    let error = system.actor(|| Refusing).start().wait().expect_err("the start fails");
    assert!(error.to_string().contains("refused"), "{error}");
    system.shutdown();
}
