//! A client that sends lines over TCP: each is answered by one line, in their order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::{Conn, Connection, HalfClosed, LineError, Lines, Pressure};

use super::{Gate, LAST_WORDS, address_of};
use crate::access::Entry;

/// A connection with a client.
#[derive(Actor)]
pub struct LineClient {
    conn: Conn,
    peer: SocketAddr,
    gate: Arc<Gate>,
    /// A line is being answered.
    busy: bool,
    /// It does not read what it was answered; nothing more is read from it until it does.
    slow: bool,
    /// It will send no more.
    ended: bool,
    heard: Instant,
}

#[messages]
impl LineClient {
    /// Has a line answered; the next is read when it is.
    #[message]
    async fn serve(&mut self, line: String) {
        let gate = self.gate.clone();
        let entry = Entry::new(self.peer, "lines", first_word(&line));
        let pool = gate.routes.line(&line);
        let answer = gate.answer_line(&entry, pool, &line, self.peer.ip()).await;
        self.busy = false;
        self.heard = Instant::now();
        self.slow = self.conn.write(format!("{answer}\n")) == Pressure::High;
        if self.ended || gate.is_draining() {
            self.conn.close();
        } else if !self.slow {
            self.conn.resume();
        }
    }

    /// The gateway ends: so does this, when nothing is in work.
    #[message]
    pub(super) fn drain(&mut self, ctx: &mut Context<Self>) {
        ctx.after_keyed("drain", LAST_WORDS, LineClientDrained);
    }

    #[message]
    fn drained(&mut self) {
        if !self.busy {
            self.conn.close();
        }
    }

    /// Looks whether there was silence since; a line costs no timer.
    #[message]
    fn idle(&mut self, ctx: &mut Context<Self>) {
        let limit = self.gate.config.limits.idle;
        let left = limit.saturating_sub(self.heard.elapsed());
        if !self.busy && left.is_zero() {
            self.conn.close();
        } else {
            ctx.after_keyed("idle", left.max(Duration::from_millis(100)), LineClientIdle);
        }
    }

    #[stopped]
    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.gate.leave(ctx.id());
    }
}

impl Connection for LineClient {
    type Codec = Lines;

    fn codec(&self) -> Lines {
        Lines::new(self.gate.config.limits.line)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        let (id, me) = (ctx.id(), ctx.me());
        if !self.gate.enter(|present| drop(present.lines.insert(id, me))) {
            return self.conn.close();
        }
        ctx.after_keyed("idle", self.gate.config.limits.idle, LineClientIdle);
    }

    fn frame(&mut self, line: &str, ctx: &mut Context<Self>) {
        self.heard = Instant::now();
        self.conn.pause();
        self.busy = true;
        // Nothing else fills the mailbox.
        if ctx.me().serve(line.to_owned()).tell().is_err() {
            self.conn.abort();
        }
    }

    fn refused(&mut self, error: &LineError, _ctx: &mut Context<Self>) {
        self.conn.write(format!("! 400 {error}\n"));
    }

    fn half_closed(&mut self, _ctx: &mut Context<Self>) -> HalfClosed {
        self.ended = true;
        if self.busy { HalfClosed::StayOpen } else { HalfClosed::Close }
    }

    fn writable(&mut self, _ctx: &mut Context<Self>) {
        if std::mem::take(&mut self.slow) && !self.busy {
            self.conn.resume();
        }
    }
}

impl LineClient {
    /// A client at the other end of `conn`.
    #[must_use]
    pub fn new(conn: Conn, gate: Arc<Gate>) -> LineClient {
        let peer = address_of(&conn);
        LineClient { conn, peer, gate, busy: false, slow: false, ended: false, heard: Instant::now() }
    }
}

/// What the log says of a line: its first word, since what follows may be nobody else's business.
pub(super) fn first_word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}
