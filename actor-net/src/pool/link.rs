//! One connection of a pool.

use std::collections::VecDeque;
use std::time::Duration;

use actor_core::Reply;
use actor_core::prelude::*;
use bytes::BytesMut;

use super::news::{Event, Reporter};
use super::{Exchange, PoolError, Received};
use crate::codec::Codec;
use crate::connection::{CloseReason, Conn, Connection};

/// A request, and the way back of its response.
pub(super) struct Job<E: Exchange> {
    pub(super) request: E::Request,
    pub(super) reply: Reply<E::Response, PoolError>,
}

/// A connection that sends requests, and hands on the responses as they come.
#[derive(Actor)]
#[actor(mailbox = "unbounded")] // No more is in it than the pool has under way here.
pub(super) struct Link<E: Exchange> {
    conn: Conn,
    exchange: E,
    reporter: Reporter,
    answer_within: Duration,
    /// Those whose responses are due, in their order.
    due: VecDeque<Reply<E::Response, PoolError>>,
    overdue: bool,
}

impl<E: Exchange> Link<E> {
    pub(super) fn new(conn: Conn, exchange: E, reporter: Reporter, answer_within: Duration) -> Link<E> {
        Link { conn, exchange, reporter, answer_within, due: VecDeque::new(), overdue: false }
    }

    /// Restarts the time that the next response may take, or ends it if none is due.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        if self.due.is_empty() {
            ctx.cancel_keyed("answer");
        } else {
            ctx.after_keyed("answer", self.answer_within, LinkTooLong);
        }
    }
}

#[messages]
impl<E: Exchange> Link<E> {
    #[message]
    pub(super) fn take(&mut self, job: Job<E>, ctx: &mut Context<Self>) {
        let mut out = BytesMut::new();
        match self.exchange.send(job.request, &mut out) {
            Ok(()) => {
                self.conn.write(out);
                self.due.push_back(job.reply);
                if self.due.len() == 1 {
                    self.watch(ctx);
                }
            }
            Err(error) => {
                job.reply.complete(Err(PoolError::Unsendable(error.to_string())));
                self.reporter.tell(Event::Free { last: false });
            }
        }
    }

    /// The backend has taken too long.
    #[message]
    fn too_long(&mut self) {
        self.overdue = true;
        self.conn.abort();
    }
}

impl<E: Exchange> Connection for Link<E> {
    type Codec = E::Codec;

    fn codec(&self) -> E::Codec {
        self.exchange.codec()
    }

    fn opened(&mut self, _ctx: &mut Context<Self>) {
        self.reporter.tell(Event::Opened);
    }

    fn frame(&mut self, frame: <E::Codec as Codec>::Frame<'_>, ctx: &mut Context<Self>) {
        if self.due.is_empty() {
            // Whose response this is nobody can know, nor what else comes.
            tracing::debug!(peer = %self.conn.peer_addr(), "a backend has answered what it was not asked");
            self.conn.abort();
            return;
        }
        let (response, last) = match self.exchange.receive(frame) {
            Received::Response(response) => (response, false),
            Received::Last(response) => (response, true),
            Received::Part => return,
        };
        if let Some(reply) = self.due.pop_front() {
            // The pool first: who is answered may ask again at once.
            self.reporter.tell(Event::Free { last });
            reply.send(response);
        }
        self.watch(ctx);
        if last {
            self.conn.close();
        }
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        let why = if self.overdue { CloseReason::TimedOut } else { why.clone() };
        for reply in self.due.drain(..) {
            reply.complete(Err(PoolError::Lost { why: why.clone() }));
        }
        self.reporter.ends(why);
    }
}
