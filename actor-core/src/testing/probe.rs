//! An actor that a test holds in its hand: what it is sent comes to the test.

mod inbox;
mod story;

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::actor::Messages;
use crate::actor_ref::{ActorRef, Recipient};
use crate::clock;
use crate::message::Message;
use crate::monitor::Down;
use crate::reply::Reply;
use crate::sync::Mutex;
use crate::system::SystemHandle;
use crate::timer::Deadline;
use crate::wait;
use inbox::{Inbox, Log};
use story::Entry;

/// An actor that receives for a test: the test gives its [`recipient`](Self::recipient) to the actors that it tests,
/// and says what is to come.
///
/// A probe is an actor like any other: what one sender sends it comes in the order sent, it can be asked, and monitored
/// by the system's other actors. It takes any number of messages; dropping it ends it.
///
/// What is expected is waited for, and nothing is waited for longer: 5 s unless [`within`](Self::within) says
/// otherwise, or the call does. What does not come is a panic at the line that expected it, with all that has come
/// so far:
///
/// ```text
/// expected PrinterPrint { text: "b" }, but `print` was next
///     +0.1 ms  told  PrinterPrint { text: "a" }; taken at tests/printer.rs:31
///     +0.2 ms  asked PrinterPrint { text: "c" }; next
/// ```
///
/// Not for handlers: the calls hold the thread up.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_core::testing::Probe;
///
/// #[derive(Actor)]
/// struct Printer;
///
/// #[messages]
/// impl Printer {
///     #[message(derive(Debug, PartialEq))]
///     fn print(&mut self, text: String) {
///         println!("{text}");
///     }
/// }
///
/// #[derive(Actor)]
/// struct Greeter {
///     printer: Recipient<PrinterPrint>,
/// }
///
/// #[messages]
/// impl Greeter {
///     #[message]
///     fn greet(&mut self, name: String) {
///         let _ = self.printer.tell(PrinterPrint { text: format!("hello {name}") });
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let system = System::new()?;
/// let probe = Probe::new(&system);
/// let printer = probe.recipient();
/// let greeter = system.spawn(move || Greeter { printer: printer.clone() })?;
/// greeter.greet("you".to_owned()).tell()?;
/// probe.expect(PrinterPrint { text: "hello you".to_owned() });
/// probe.expect_none();
/// # Ok(())
/// # }
/// ```
pub struct Probe<M: Message> {
    me: ActorRef<Inbox<M>>,
    log: Arc<Mutex<Log<M>>>,
    limit: Duration,
}

/// A message that a probe has received. If it was asked, it can be answered; if it is dropped, the asker is told that
/// its reply is lost.
pub struct Received<M: Message> {
    message: M,
    reply: Reply<M::Reply, M::Error>,
}

impl<M: Message + fmt::Debug> Probe<M> {
    /// A new probe.
    ///
    /// # Panics
    /// If the system is ending.
    #[must_use]
    #[track_caller]
    pub fn new(system: &SystemHandle) -> Self {
        let log = Arc::new(Mutex::new(Log::new(clock::now())));
        let inside = log.clone();
        match system.spawn(move || Inbox::new(inside.clone())) {
            Ok(me) => Probe { me, log, limit: Duration::from_secs(5) },
            Err(error) => panic!("there can be no probe: {error}"),
        }
    }

    /// The same probe, and what it expects is waited for as long as `limit`, where the call does not say.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Where to send to, for the actors that are tested.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        self.me.recipient()
    }

    /// Answers the asks that come from now on with what `answer` makes of their messages. They are noted as taken, and
    /// are not expected. What is told is not touched.
    ///
    /// `answer` runs in a handler of the probe: nothing else can come while it does, and a panic in it ends the probe.
    pub fn reply_with(&self, answer: impl FnMut(&M) -> Result<M::Reply, M::Error> + Send + 'static) {
        let before = self.log.lock().answer.replace(Box::new(answer));
        drop(before);
    }

    /// The next message, whatever it is.
    ///
    /// # Panics
    /// If none comes in time.
    #[track_caller]
    pub fn next(&self) -> Received<M> {
        self.next_within(self.limit)
    }

    /// The next message, whatever it is, if it comes within `limit`.
    ///
    /// # Panics
    /// If none comes in time.
    #[track_caller]
    pub fn next_within(&self, limit: Duration) -> Received<M> {
        self.take("a message", limit, |_| true)
    }

    /// The next message, which has to be equal to this one.
    ///
    /// # Panics
    /// If none comes in time, or another one does.
    #[track_caller]
    pub fn expect(&self, expected: M) -> Received<M>
    where
        M: PartialEq,
    {
        self.expect_within(self.limit, expected)
    }

    /// The next message, which has to be equal to this one and to come within `limit`.
    ///
    /// # Panics
    /// If none comes in time, or another one does.
    #[track_caller]
    pub fn expect_within(&self, limit: Duration, expected: M) -> Received<M>
    where
        M: PartialEq,
    {
        self.take(&format!("{expected:?}"), limit, |message| *message == expected)
    }

    /// The next message, for which `matches` has to hold.
    ///
    /// # Panics
    /// If none comes in time, or one for which it does not hold.
    #[track_caller]
    pub fn expect_matching(&self, matches: impl FnOnce(&M) -> bool) -> Received<M> {
        self.take("a message that matches", self.limit, matches)
    }

    /// Nothing has come: neither is there a message that was not taken, nor was one sent before this call. An actor that
    /// has not come to send yet may still do so; ask it for something first, or use
    /// [`expect_none_within`](Self::expect_none_within).
    ///
    /// # Panics
    /// If there is a message.
    #[track_caller]
    pub fn expect_none(&self) {
        // What was sent before is before this in the probe's mailbox.
        let reached = inbox::reach(&self.me).is_some_and(|answer| {
            let mut deadline = Deadline::after(Some(self.limit));
            let at = deadline.kept_by_thread();
            let reached = poll_fn(|cx| match answer.poll(cx) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending => deadline.poll(self.me.system(), cx).map(|()| false),
            });
            wait::block_on(reached, at)
        });
        assert!(
            reached,
            "the probe does not come to look at its messages: its system has ended, or is stuck"
        );
        let log = self.log.lock();
        if !log.queue.is_empty() {
            let story = log.story(format_args!("expected no message"));
            drop(log);
            panic!("{story}");
        }
    }

    /// Nothing comes for as long as `limit`, which is waited for.
    ///
    /// # Panics
    /// If there is a message, as soon as there is.
    #[track_caller]
    pub fn expect_none_within(&self, limit: Duration) {
        if self.wait_for_message(limit) {
            let story = self.log.lock().story(format_args!("expected no message for {limit:?}"));
            panic!("{story}");
        }
    }

    /// The actor ends, or has ended already: why.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn expect_down<A: Messages>(&self, actor: &ActorRef<A>) -> Down {
        let Some(down) = actor.monitor().wait_within(self.limit) else {
            let (path, limit) = (actor.path().to_string(), self.limit);
            let story = self.log.lock().story(format_args!("expected {path} to end within {limit:?}"));
            panic!("{story}");
        };
        self.log.lock().entries.push(Entry::down(clock::now(), &down));
        down
    }

    /// Takes the next message out, if it is the one that is expected.
    #[track_caller]
    fn take(&self, what: &str, limit: Duration, is_it: impl FnOnce(&M) -> bool) -> Received<M> {
        let came = self.wait_for_message(limit);
        // Looked at without the lock, since it is the test's code that looks.
        let next = self.log.lock().queue.pop_front().filter(|_| came);
        let Some((at, received)) = next else {
            let story =
                self.log.lock().story(format_args!("expected {what} within {limit:?}, but none came"));
            panic!("{story}");
        };
        if is_it(&received.message) {
            self.log.lock().entries[at].taken();
            return received;
        }
        self.log.lock().queue.push_front((at, received));
        let story = self.log.lock().story(format_args!("expected {what}, but `{}` was next", M::NAME));
        panic!("{story}");
    }

    /// Whether there is a message, after at most `limit`.
    fn wait_for_message(&self, limit: Duration) -> bool {
        let mut deadline = Deadline::after(Some(limit));
        let at = deadline.kept_by_thread();
        let came = poll_fn(|cx| {
            let before = {
                let mut log = self.log.lock();
                if !log.queue.is_empty() {
                    return Poll::Ready(true);
                }
                log.waker.replace(cx.waker().clone())
            };
            drop(before);
            deadline.poll(self.me.system(), cx).map(|()| false)
        });
        wait::block_on(came, at)
    }
}

impl<M: Message> Drop for Probe<M> {
    fn drop(&mut self) {
        self.me.stop();
    }
}

impl<M: Message> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("actor", &self.me.path().to_string()).finish_non_exhaustive()
    }
}

impl<M: Message> Received<M> {
    /// The message.
    #[must_use]
    pub fn into_message(self) -> M {
        self.message
    }

    /// Whether somebody waits for a reply.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.reply.is_wanted()
    }

    /// Answers, if it was asked, and gives the message.
    pub fn reply(self, value: M::Reply) -> M {
        self.reply.send(value);
        self.message
    }

    /// Answers as a handler does that returns an `Err`, if it was asked, and gives the message.
    pub fn fail(self, error: M::Error) -> M {
        self.reply.complete(Err(error));
        self.message
    }
}

impl<M: Message> Deref for Received<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.message
    }
}

impl<M: Message + fmt::Debug> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("message", &self.message).field("asked", &self.is_asked()).finish()
    }
}
