//! The actor behind a probe, and what it shares with it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::Received;
use super::story::{Entry, Story};
use crate::actor::{Accepts, Actor, Messages, Settings, Step};
use crate::actor_ref::ActorRef;
use crate::clock;
use crate::context::Context;
use crate::message::{Envelope, Message};
use crate::reply::{self, Reply};
use crate::sync::Mutex;
use crate::wait;

/// What makes a reply.
pub(super) type Answer<M> = Box<dyn FnMut(&M) -> Result<<M as Message>::Reply, <M as Message>::Error> + Send>;

/// What has come, and what is still to be taken of it.
pub(super) struct Log<M: Message> {
    began: Instant,
    pub(super) entries: Vec<Entry>,
    /// What was not taken, with the place of its entry.
    pub(super) queue: VecDeque<(usize, Received<M>)>,
    pub(super) answer: Option<Answer<M>>,
    pub(super) waker: Option<Waker>,
}

impl<M: Message> Log<M> {
    pub(super) fn new(began: Instant) -> Self {
        Log { began, entries: Vec::new(), queue: VecDeque::new(), answer: None, waker: None }
    }

    /// What was expected in vain, and what has come.
    pub(super) fn story(&self, what: fmt::Arguments<'_>) -> String {
        Story { what, began: self.began, entries: &self.entries }.to_string()
    }
}

/// The actor.
pub(super) struct Inbox<M: Message> {
    log: Arc<Mutex<Log<M>>>,
    show: fn(&M) -> String,
}

impl<M: Message + fmt::Debug> Inbox<M> {
    pub(super) fn new(log: Arc<Mutex<Log<M>>>) -> Self {
        Inbox { log, show: |message| format!("{message:?}") }
    }
}

impl<M: Message> Inbox<M> {
    fn received(&mut self, message: M, reply: Reply<M::Reply, M::Error>) {
        let mut entry = Entry::message(clock::now(), reply.is_wanted(), &(self.show)(&message));
        let answer = if reply.is_wanted() { self.log.lock().answer.take() } else { None };
        let waker = match answer {
            Some(mut answer) => {
                // Without the lock, since it is the test's code.
                let result = answer(&message);
                entry.answered();
                let mut log = self.log.lock();
                log.entries.push(entry);
                let newer = log.answer.take();
                log.answer = newer.or(Some(answer));
                drop(log);
                reply.complete(result);
                None
            }
            None => {
                let mut log = self.log.lock();
                let at = log.entries.len();
                log.entries.push(entry);
                log.queue.push_back((at, Received { message, reply }));
                log.waker.take()
            }
        };
        if let Some(waker) = waker {
            wait::wake(waker);
        }
    }
}

/// Gives an answer when all that was sent before has come; `None` if the probe has ended. Not a message of its own, which
/// `M` might be too.
pub(super) fn reach<M: Message>(me: &ActorRef<Inbox<M>>) -> Option<reply::Answer<(), Infallible>> {
    let (reply, answer) = reply::pair();
    me.cell().push(|| InboxMessage::Reached(reply), None, false).ok().map(|()| answer)
}

/// What is in the mailbox of a probe.
pub(super) enum InboxMessage<M: Message> {
    Received(M, Reply<M::Reply, M::Error>),
    Reached(Reply<()>),
}

impl<M: Message> Envelope for InboxMessage<M> {
    fn label(&self) -> &'static &'static str {
        match self {
            InboxMessage::Received(..) => &M::NAME,
            InboxMessage::Reached(_) => &"(reached)",
        }
    }

    fn undelivered(self) {
        match self {
            InboxMessage::Received(_, reply) => reply.undelivered(),
            InboxMessage::Reached(reply) => reply.undelivered(),
        }
    }
}

impl<M: Message> Actor for Inbox<M> {
    type Ref = ActorRef<Self>;
    const NAME: &'static str = "Probe";

    /// Unbounded: a test that expects nothing of a message does not slow its sender down.
    fn settings() -> Settings {
        Settings::DEFAULT.mailbox(Settings::UNBOUNDED)
    }
}

impl<M: Message> Messages for Inbox<M> {
    type Message = InboxMessage<M>;

    fn handle<'a>(&'a mut self, message: InboxMessage<M>, _: &'a mut Context<Self>) -> Step<'a> {
        match message {
            InboxMessage::Received(message, reply) => self.received(message, reply),
            InboxMessage::Reached(reply) => reply.send(()),
        }
        Step::Done(())
    }
}

impl<M: Message> Accepts<M> for Inbox<M> {
    fn wrap(message: M, reply: Reply<M::Reply, M::Error>) -> InboxMessage<M> {
        InboxMessage::Received(message, reply)
    }

    fn unwrap(message: InboxMessage<M>) -> Option<M> {
        match message {
            InboxMessage::Received(message, reply) => {
                reply.refused();
                Some(message)
            }
            InboxMessage::Reached(_) => None,
        }
    }
}
