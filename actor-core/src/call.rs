//! A message on its way: the call site decides between tell, send and ask.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::asks::{self, Asking, Asks, NewAsk};
use crate::cell::Path;
use crate::cell::mailbox::{Refusal, Ticket};
use crate::error::{AskError, SendError, TellError};
use crate::message::Message;
use crate::reply::{self, Answer, Outcome, Reply};
use crate::scheduler::{local, soft};
use crate::system::SystemHandle;
use crate::timer::Deadline;
use crate::wait;

pub trait Sealed {}

/// What a message can be delivered to. Implemented by refs; for nobody else to implement.
#[doc(hidden)]
pub trait Deliver<M: Message>: Sealed + Send + Sync + 'static {
    fn offer(
        &self,
        message: M,
        reply: Reply<M::Reply, M::Error>,
        ticket: Option<Ticket>,
        waits: bool,
    ) -> Result<(), Refusal<M>>;
    fn queue_for_room(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool;
    fn leave_line(&self, ticket: Ticket);
    fn asks_wait(&self) -> bool;
    /// Whether the handler may be given up, so that somebody else than the reply may end an ask.
    fn is_limited(&self) -> bool;
    /// Whether it is this receiver's own turn that runs on this thread.
    fn is_running_here(&self) -> bool;
    fn system_of(&self) -> &SystemHandle;
    fn path_of(&self) -> Path<'_>;
    /// The receiver's cell, by its address.
    fn address_of(&self) -> usize;
}

/// A message on its way to an actor. Nothing has happened yet:
///
/// * [`tell`](Self::tell) never waits and wants no reply;
/// * [`send`](Self::send) waits for room in the mailbox and wants no reply;
/// * `.await`, or [`wait`](Self::wait) on a plain thread, asks: it waits for the reply.
#[must_use = "a message goes nowhere until it is told, sent, awaited or waited for"]
pub struct Call<'a, D: ?Sized, M> {
    to: &'a D,
    message: M,
    within: Option<Duration>,
}

impl<'a, D: Deliver<M> + ?Sized, M: Message> Call<'a, D, M> {
    #[doc(hidden)]
    #[inline]
    pub fn new(to: &'a D, message: M) -> Self {
        Call { to, message, within: None }
    }

    /// Puts the message into the mailbox, without waiting and without a reply.
    ///
    /// # Errors
    /// Gives the message back if the mailbox is full (and its policy does not drop instead), or if
    /// the actor has ended.
    #[inline]
    pub fn tell(self) -> Result<(), TellError<M>> {
        self.to.offer(self.message, Reply::nowhere(), None, false).map_err(|refusal| match refusal {
            Refusal::Full(message) => TellError::Full(message),
            Refusal::Closed(message) => TellError::Closed(message),
            Refusal::Condemned(message) => TellError::Condemned(message),
        })
    }

    /// Puts the message into the mailbox as soon as there is room, whatever the overflow policy,
    /// in the order in which senders began to wait. Await it, or `.wait()` for it on a plain
    /// thread. Dropped before it is ready, the message goes with it and was not sent.
    pub fn send(self) -> Sending<'a, D, M> {
        Sending { to: self.to, message: Some(self.message), ticket: None }
    }

    /// Sets the longest time that an ask takes, waiting for room included.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Asks, and waits for the reply on this thread. On a worker this is refused with
    /// [`AskError::Deadlock`].
    ///
    /// # Errors
    /// See [`AskError`]; an ask always ends.
    pub fn wait(self) -> Result<M::Reply, AskError<M>> {
        if local::is_current() {
            return Err(AskError::Deadlock(self.message));
        }
        let mut ask = self.into_future();
        let deadline = ask.deadline.kept_by_thread();
        wait::block_on(ask, deadline)
    }
}

impl<'a, D: Deliver<M> + ?Sized, M: Message> IntoFuture for Call<'a, D, M> {
    type Output = Result<M::Reply, AskError<M>>;
    type IntoFuture = Ask<'a, D, M>;

    fn into_future(self) -> Ask<'a, D, M> {
        Ask {
            to: self.to,
            message: Some(self.message),
            ticket: None,
            answer: None,
            entry: None,
            deadline: Deadline::after(self.within),
        }
    }
}

impl<D: ?Sized, M: Message> std::fmt::Debug for Call<'_, D, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("message", &M::NAME)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

/// An ask under way: a future of the reply, for any executor.
///
/// Dropped before the message was accepted, nothing was sent; dropped later, the handler runs and
/// its reply goes nowhere.
#[must_use = "a future does nothing until it is awaited"]
pub struct Ask<'a, D: Deliver<M> + ?Sized, M: Message> {
    to: &'a D,
    message: Option<M>,
    ticket: Option<Ticket>,
    answer: Option<Answer<M::Reply, M::Error>>,
    /// Where it is listed, if asks are watched.
    entry: Option<asks::Entry>,
    deadline: Deadline,
}

// Nothing in an ask is pinned: the message is moved out of it.
impl<D: Deliver<M> + ?Sized, M: Message> Unpin for Ask<'_, D, M> {}

impl<D: Deliver<M> + ?Sized, M: Message> Ask<'_, D, M> {
    /// Offers the message until it is accepted or refused for good.
    fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AskError<M>>> {
        loop {
            let Some(message) = self.message.take() else {
                return Poll::Ready(Ok(()));
            };
            if self.to.is_running_here() {
                return Poll::Ready(Err(AskError::Deadlock(message)));
            }
            let (reply, answer) = reply::pair_for(cx.waker(), self.to.is_limited());
            match self.to.offer(message, reply, self.ticket, self.to.asks_wait()) {
                Ok(()) => {
                    self.ticket = None;
                    self.answer = Some(answer);
                    return Poll::Ready(Ok(()));
                }
                Err(Refusal::Closed(message)) => return Poll::Ready(Err(AskError::Closed(message))),
                Err(Refusal::Condemned(message)) => return Poll::Ready(Err(AskError::Condemned(message))),
                Err(Refusal::Full(message)) if !self.to.asks_wait() => {
                    return Poll::Ready(Err(AskError::Full(message)));
                }
                Err(Refusal::Full(message)) => self.message = Some(message),
            }
            if !self.to.queue_for_room(&mut self.ticket, cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Reply, AskError<M>>> {
        let Some(answer) = &self.answer else {
            return Poll::Pending;
        };
        answer.poll(cx).map(|outcome| match outcome {
            Outcome::Replied(Ok(value)) => Ok(value),
            Outcome::Replied(Err(error)) => Err(AskError::Failed(error)),
            Outcome::Lost => Err(AskError::Lost),
            Outcome::Undelivered => Err(AskError::Undelivered),
            Outcome::Stalled => Err(AskError::Stalled),
        })
    }

    /// Lists the ask for who polls it, if its system watches asks. Gives the error if it could never be answered.
    #[cold]
    #[inline(never)]
    fn enter(&mut self) -> Option<AskError<M>> {
        let asks = self.to.system_of().asks();
        if self.entry.is_none() && (self.message.is_none() || !asks.is_watched()) {
            return None;
        }
        let by = local::turn_of().map(|(actor, kind)| Asking { actor, name: kind.name() });
        if self.entry.is_some_and(|entry| Asks::is_by(entry, by)) {
            return None;
        }
        self.leave();
        let (to, ends) = (self.to.path_of().asking(), !self.deadline.is_never());
        let ask = NewAsk { by, to, message: M::NAME, ends };
        self.entry = asks.enter(ask, self.to.system_of().scheduler().events());
        if self.entry.is_some() { None } else { self.message.take().map(AskError::Deadlock) }
    }

    /// Takes it off the list.
    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.to.system_of().asks().leave(entry);
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<M::Reply, AskError<M>>> {
        if self.message.is_some() {
            // Once it is accepted, the reply calls this waker: there is no need to look whether it is there already.
            if let Poll::Ready(Err(error)) = self.poll_accepted(cx) {
                return Poll::Ready(Err(error));
            }
        } else if let Poll::Ready(reply) = self.poll_answer(cx) {
            return Poll::Ready(reply);
        }
        self.deadline.poll(self.to.system_of(), cx).map(|()| match self.message.take() {
            Some(message) => Err(AskError::Full(message)),
            None => Err(AskError::TimedOut),
        })
    }
}

impl<D: Deliver<M> + ?Sized, M: Message> Future for Ask<'_, D, M> {
    type Output = Result<M::Reply, AskError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        soft::charged(cx, |cx| {
            if asks::any_watched()
                && let Some(error) = this.enter()
            {
                return Poll::Ready(Err(error));
            }
            let polled = this.poll_ended(cx);
            if asks::any_watched() && polled.is_ready() {
                this.leave();
            }
            polled
        })
    }
}

impl<D: Deliver<M> + ?Sized, M: Message> Drop for Ask<'_, D, M> {
    fn drop(&mut self) {
        if asks::any_watched() {
            self.leave();
        }
        if let Some(ticket) = self.ticket {
            self.to.leave_line(ticket);
        }
    }
}

/// A send under way: a future that is ready when the mailbox has the message.
#[must_use = "a future does nothing until it is awaited"]
pub struct Sending<'a, D: Deliver<M> + ?Sized, M: Message> {
    to: &'a D,
    message: Option<M>,
    ticket: Option<Ticket>,
}

// Nothing in a send is pinned: the message is moved out of it.
impl<D: Deliver<M> + ?Sized, M: Message> Unpin for Sending<'_, D, M> {}

impl<D: Deliver<M> + ?Sized, M: Message> Sending<'_, D, M> {
    /// Waits for room on this thread. On a worker this is refused with [`SendError::Deadlock`].
    ///
    /// # Errors
    /// Gives the message back if the actor has ended, or on a worker.
    pub fn wait(mut self) -> Result<(), SendError<M>> {
        match self.message.take() {
            Some(message) if local::is_current() => Err(SendError::Deadlock(message)),
            message => {
                self.message = message;
                wait::block_on(self, None)
            }
        }
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<M>>> {
        loop {
            let message = self.message.take().expect("a send was polled after it had ended");
            match self.to.offer(message, Reply::nowhere(), self.ticket, true) {
                Ok(()) => {
                    self.ticket = None;
                    return Poll::Ready(Ok(()));
                }
                Err(Refusal::Closed(message)) => return Poll::Ready(Err(SendError::Closed(message))),
                Err(Refusal::Condemned(message)) => return Poll::Ready(Err(SendError::Condemned(message))),
                Err(Refusal::Full(message)) => self.message = Some(message),
            }
            if !self.to.queue_for_room(&mut self.ticket, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl<D: Deliver<M> + ?Sized, M: Message> Future for Sending<'_, D, M> {
    type Output = Result<(), SendError<M>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        soft::charged(cx, |cx| self.get_mut().poll_sent(cx))
    }
}

impl<D: Deliver<M> + ?Sized, M: Message> Drop for Sending<'_, D, M> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.to.leave_line(ticket);
        }
    }
}
