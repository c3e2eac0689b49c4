//! Mailboxes: bounded, with a policy for what finds them full, and everything counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};

use actor_core::prelude::*;
use actor_core::{MailboxStats, Overflow, Spawn};

use crate::support::{Gate, LIMIT, Log, eventually, system};

#[derive(Actor)]
#[actor(mailbox = 4)]
struct Inbox {
    gate: Gate,
    seen: Log<u32>,
}

#[messages]
impl Inbox {
    #[message]
    fn block(&mut self) {
        self.gate.pass();
    }

    #[message]
    fn put(&mut self, n: u32) {
        self.seen.push(n);
    }

    #[message]
    fn get(&self) -> usize {
        self.seen.len()
    }
}

struct Fixture {
    inbox: InboxRef,
    gate: Gate,
    seen: Log<u32>,
    _system: System,
}

/// An inbox whose handler is held up, so that its mailbox fills.
fn held_up(options: impl FnOnce(Spawn<Inbox>) -> Spawn<Inbox>) -> Fixture {
    let system = system(2);
    let (gate, seen) = (Gate::default(), Log::default());
    let (inside, log) = (gate.clone(), seen.clone());
    let spawn = system.actor(move || Inbox { gate: inside.clone(), seen: log.clone() });
    let inbox = options(spawn).spawn().unwrap();
    inbox.block().tell().unwrap();
    gate.somebody_waits();
    Fixture { inbox, gate, seen, _system: system }
}

fn finish(fixture: &Fixture) -> MailboxStats {
    fixture.gate.open();
    fixture.inbox.stop();
    assert!(fixture.inbox.monitor().wait_within(LIMIT).is_some());
    let stats = fixture.inbox.mailbox();
    assert_eq!(stats.accepted, stats.handled + stats.queued + stats.dead, "{stats:?}");
    stats
}

#[test]
fn reject_gives_the_message_back() {
    let fixture = held_up(|spawn| spawn);
    for n in 0..4 {
        fixture.inbox.put(n).tell().unwrap();
    }
    match fixture.inbox.put(99).tell() {
        Err(TellError::Full(message)) => assert_eq!(message.n, 99),
        other => panic!("{other:?}"),
    }
    let stats = finish(&fixture);
    assert_eq!((stats.rejected, stats.dead), (1, 0));
    assert_eq!(fixture.seen.entries(), [0, 1, 2, 3]);
}

#[test]
fn drop_newest_makes_the_new_one_a_dead_letter() {
    let fixture = held_up(|spawn| spawn.overflow(Overflow::DropNewest));
    for n in 0..6 {
        fixture.inbox.put(n).tell().unwrap();
    }
    assert!(matches!(fixture.inbox.get().wait(), Err(AskError::Undelivered)), "an ask hears of its fate");
    let stats = finish(&fixture);
    assert_eq!((stats.rejected, stats.dead), (0, 3));
    assert_eq!(fixture.seen.entries(), [0, 1, 2, 3]);
}

#[test]
fn drop_oldest_makes_room_at_the_head() {
    let fixture = held_up(|spawn| spawn.overflow(Overflow::DropOldest));
    for n in 0..6 {
        fixture.inbox.put(n).tell().unwrap();
    }
    let stats = finish(&fixture);
    assert_eq!((stats.rejected, stats.dead), (0, 2));
    assert_eq!(fixture.seen.entries(), [2, 3, 4, 5]);
}

/// An actor that gives its ref away and then fails to start.
#[derive(Actor)]
#[actor(overflow = "drop_oldest")]
struct Stillborn {
    refs: Log<StillbornRef>,
}

#[messages]
impl Stillborn {
    #[started]
    fn born(&mut self, ctx: &mut Context<Self>) -> Result<(), std::fmt::Error> {
        self.refs.push(ctx.me());
        Err(std::fmt::Error)
    }

    #[message]
    fn get(&self) -> usize {
        self.refs.len()
    }
}

#[test]
fn drop_oldest_refuses_after_the_end_although_nothing_came_before() {
    let system = system(2);
    let refs = Log::default();
    let inside = refs.clone();
    let start = system.actor(move || Stillborn { refs: inside.clone() }).start();
    assert!(start.wait().is_err());
    let stillborn = refs.entries().remove(0);
    assert!(matches!(stillborn.get().tell(), Err(TellError::Closed(_))));
    let ask = stillborn.get().within(LIMIT).wait();
    assert!(matches!(ask, Err(AskError::Closed(_))), "{ask:?}");
}

#[test]
fn wait_lets_asks_wait_for_room_and_tells_not() {
    let fixture = held_up(|spawn| spawn.overflow(Overflow::Wait).mailbox(1));
    fixture.inbox.put(0).tell().unwrap();
    assert!(matches!(fixture.inbox.put(1).tell(), Err(TellError::Full(_))));
    let asking = fixture.inbox.clone();
    let asker = std::thread::spawn(move || asking.get().wait());
    fixture.gate.open();
    assert_eq!(asker.join().unwrap().unwrap(), 1);
}

#[test]
fn an_ask_that_waits_for_room_in_vain_gets_its_message_back_at_the_deadline() {
    let fixture = held_up(|spawn| spawn.overflow(Overflow::Wait).mailbox(1));
    fixture.inbox.put(0).tell().unwrap();
    let ask = fixture.inbox.get().within(std::time::Duration::from_millis(10)).wait();
    assert!(matches!(ask, Err(AskError::Full(_))), "{ask:?}");
    fixture.gate.open();
}

#[test]
fn send_waits_for_room_in_order() {
    let fixture = held_up(|spawn| spawn.mailbox(1));
    fixture.inbox.put(0).tell().unwrap();
    let waiting = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (inbox, waiting) = (fixture.inbox.clone(), waiting.clone());
            std::thread::spawn(move || {
                for n in 0..50 {
                    waiting.fetch_add(1, Ordering::Relaxed);
                    inbox.put(sender * 1000 + n).send().wait().unwrap();
                }
            })
        })
        .collect();
    eventually("all senders wait", || waiting.load(Ordering::Relaxed) == 8);
    fixture.gate.open();
    for sender in senders {
        sender.join().unwrap();
    }
    let stats = finish(&fixture);
    assert_eq!((stats.dead, stats.rejected), (0, 0));
    let seen = fixture.seen.entries();
    assert_eq!(seen.len(), 1 + 8 * 50);
    for sender in 0..8 {
        let of_sender: Vec<_> = seen[1..].iter().filter(|n| **n / 1000 == sender).map(|n| n % 1000).collect();
        assert!(of_sender.is_sorted() && of_sender.len() == 50, "sender {sender}: {of_sender:?}");
    }
}

#[test]
fn a_send_that_is_dropped_sends_nothing_and_passes_its_place_on() {
    let fixture = held_up(|spawn| spawn.mailbox(1));
    fixture.inbox.put(0).tell().unwrap();
    let mut cx = TaskContext::from_waker(Waker::noop());
    let mut first = Box::pin(fixture.inbox.put(1).send());
    let mut second = Box::pin(fixture.inbox.put(2).send());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    fixture.gate.open();
    // The first in the line is granted the room, but goes away without having used it.
    eventually("there is room", || fixture.inbox.mailbox().queued == 0);
    drop(first);
    eventually("the second is sent", || matches!(second.as_mut().poll(&mut cx), Poll::Ready(Ok(()))));
    finish(&fixture);
    assert_eq!(fixture.seen.entries(), [0, 2]);
}

#[test]
fn a_waiting_send_gets_its_message_back_when_the_actor_ends() {
    let fixture = held_up(|spawn| spawn.mailbox(1));
    fixture.inbox.put(0).tell().unwrap();
    let inbox = fixture.inbox.clone();
    let sender = std::thread::spawn(move || inbox.put(1).send().wait());
    fixture.inbox.stop();
    match sender.join().unwrap() {
        Err(SendError::Closed(message)) => assert_eq!(message.n, 1),
        other => panic!("{other:?}"),
    }
    finish(&fixture);
}

#[test]
fn a_recipient_takes_one_kind_of_message_of_any_actor() {
    let fixture = held_up(|spawn| spawn);
    fixture.gate.open();
    let put: Recipient<InboxPut> = fixture.inbox.recipient();
    let get: Recipient<InboxGet> = fixture.inbox.recipient();
    put.tell(InboxPut { n: 5 }).unwrap();
    put.call(InboxPut { n: 6 }).send().wait().unwrap();
    assert_eq!(get.call(InboxGet).wait().unwrap(), 2);
    assert_eq!(format!("{put:?}"), format!("Recipient({}, put)", fixture.inbox.path()));
}

#[test]
fn settings_of_the_type_hold_unless_the_spawn_says_otherwise() {
    #[derive(Actor)]
    #[actor(mailbox = "unbounded", overflow = "drop_oldest")]
    struct Wide;
    #[messages]
    impl Wide {}
    let settings = <Wide as Actor>::settings();
    assert_eq!(settings.mailbox, actor_core::Settings::UNBOUNDED);
    assert_eq!(settings.overflow, Overflow::DropOldest);
    assert_eq!(<Inbox as Actor>::settings().mailbox, 4);
}
