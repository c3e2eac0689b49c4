//! Messages between few actors: `pingpong`, `ask`, `fanin`, `fanin_bounded`, `ring`, `ring64`.

use std::error::Error;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Remedy, SystemHandle};

use crate::collector::CollectorRef;
use crate::collector::{Collector, all_came};
use crate::signal::{Done, finish, sure};

/// How many actors send to one in `fanin`.
pub(crate) const PRODUCERS: u64 = 8;

/// Room in the mailbox of `fanin_bounded`.
const BOUND: usize = 1024;

/// How many actors the ring has.
pub(crate) const RING: u64 = 1000;

// ---- pingpong ------------------------------------------------------------------------------------

/// Counts the round trips.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Pinger {
    n: u64,
    to: Option<PongerRef>,
    done: Done,
}

#[messages]
impl Pinger {
    /// Says who gives the ball back.
    #[message]
    fn meet(&mut self, ponger: PongerRef) {
        self.to = Some(ponger);
    }

    /// The ball comes, after so many round trips.
    #[message]
    fn pong(&mut self, trips: u64) {
        if trips == self.n {
            self.done.fire();
        } else if let Some(to) = &self.to {
            sure(to.ping(trips + 1).tell());
        }
    }
}

/// Gives the ball back.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Ponger {
    to: PingerRef,
}

#[messages]
impl Ponger {
    /// The ball comes.
    #[message]
    fn ping(&mut self, trips: u64) {
        sure(self.to.pong(trips).tell());
    }
}

/// `n` round trips between two actors.
pub(crate) fn pingpong(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let pinger = system.spawn(move || Pinger { n, to: None, done: done.clone() })?;
    let to = pinger.clone();
    let ponger = system.actor(move || Ponger { to: to.clone() }).start().wait()?;
    pinger.meet(ponger).wait()?;
    let begin = Instant::now();
    pinger.pong(0).tell()?;
    Ok(finish.one()?.0 - begin)
}

// ---- ask -----------------------------------------------------------------------------------------

/// Knows what comes after a number.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Server;

#[messages]
impl Server {
    /// What comes after `value`.
    #[message]
    fn successor(&self, value: u64) -> u64 {
        value + 1
    }
}

/// Asks.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Caller {
    server: ServerRef,
    done: Done,
}

#[messages]
impl Caller {
    /// Counts to `n`, with the server's help.
    #[message]
    async fn count(&mut self, n: u64) {
        let mut value = 0;
        while value < n {
            value = sure(self.server.successor(value).await);
        }
        self.done.fire();
    }
}

/// `n` asks, one after the other.
pub(crate) fn ask(system: &SystemHandle, n: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let server = system.actor(|| Server).start().wait()?;
    let caller =
        system.actor(move || Caller { server: server.clone(), done: done.clone() }).start().wait()?;
    let begin = Instant::now();
    caller.count(n).tell()?;
    Ok(finish.one()?.0 - begin)
}

// ---- fanin, fanin_bounded ------------------------------------------------------------------------

/// One of those who send to the same collector.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Producer {
    to: CollectorRef,
}

#[messages]
impl Producer {
    /// Tells `count` numbers, whatever the receiver does.
    #[message]
    fn tell_all(&mut self, count: u64) {
        for value in 0..count {
            sure(self.to.take(value).tell());
        }
    }

    /// Sends `count` numbers, and waits for room for each.
    #[message]
    async fn send_all(&mut self, count: u64) {
        for value in 0..count {
            sure(self.to.take(value).send().await);
        }
    }
}

/// `n` messages from the senders to one, who takes all that comes.
pub(crate) fn fanin(system: &SystemHandle, n: u64, senders: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let collector = system.actor(move || Collector::new(n, done.clone())).start().wait()?;
    let producers = producers(system, &collector, senders)?;
    let begin = Instant::now();
    for producer in &producers {
        producer.tell_all(n / senders).tell()?;
    }
    let (end, sum) = finish.one()?;
    all_came(sum, n / senders, senders)?;
    Ok(end - begin)
}

/// `n` messages from the senders to one, whose mailbox makes them wait.
pub(crate) fn fanin_bounded(system: &SystemHandle, n: u64, senders: u64) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let collector = system.actor(move || Collector::new(n, done.clone())).mailbox(BOUND).start().wait()?;
    let producers = producers(system, &collector, senders)?;
    let begin = Instant::now();
    for producer in &producers {
        producer.send_all(n / senders).tell()?;
    }
    let (end, sum) = finish.one()?;
    all_came(sum, n / senders, senders)?;
    Ok(end - begin)
}

fn producers(system: &SystemHandle, to: &CollectorRef, count: u64) -> Result<Vec<ProducerRef>, SpawnError> {
    let producer = |_| {
        let to = to.clone();
        system.actor(move || Producer { to: to.clone() }).start().wait()
    };
    (0..count).map(producer).collect()
}

// ---- ring, ring64 --------------------------------------------------------------------------------

/// One of the ring.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
struct Node {
    next: Option<NodeRef>,
    done: Done,
}

#[messages]
impl Node {
    /// Says who comes next.
    #[message]
    fn meet(&mut self, next: NodeRef) {
        self.next = Some(next);
    }

    /// A token comes, and is to go on so many times.
    #[message]
    fn token(&mut self, hops: u64) {
        match &self.next {
            Some(next) if hops > 0 => sure(next.token(hops - 1).tell()),
            _ => self.done.fire(),
        }
    }
}

/// `tokens` tokens in a ring, `n` hops together; the actors have a limit for silence, if so it is said.
pub(crate) fn ring(
    system: &SystemHandle,
    n: u64,
    actors: u64,
    tokens: u64,
    silence: Option<Duration>,
) -> Result<Duration, Box<dyn Error>> {
    let (done, finish) = finish();
    let node = |_| {
        let done = done.clone();
        let node = system.actor(move || Node { next: None, done: done.clone() });
        match silence {
            Some(limit) => node.silence(limit).on_silence(Remedy::Report).spawn(),
            None => node.spawn(),
        }
    };
    let nodes: Vec<NodeRef> = (0..actors).map(node).collect::<Result<_, _>>()?;
    for (node, next) in nodes.iter().zip(nodes.iter().cycle().skip(1)) {
        node.meet(next.clone()).wait()?;
    }
    let begin = Instant::now();
    for token in 0..tokens {
        nodes[(token * actors / tokens) as usize].token(n / tokens).tell()?;
    }
    Ok(finish.all(tokens)?.0 - begin)
}
