//! A client that speaks HTTP, and WebSocket once it has asked for that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_net::http::{self, Answer as Way, Request, Response};
use actor_net::websocket::{self, Close, Message, Origins, ServerFrame};
use actor_net::{CloseReason, Conn, Connection, HalfClosed, Pressure};

use super::lines::first_word;
use super::{Gate, LAST_WORDS, address_of, tell_of};
use crate::access::{Entry, Outcome};
use crate::backend::{self, Answer, Answered, Backends, Failure};
use crate::config::{HEALTHZ, READYZ};
use crate::hops;
use crate::routes::{Goal, NoRoute, PoolId};

/// A connection with a client.
#[derive(Actor)]
pub struct HttpClient {
    conn: Conn,
    peer: SocketAddr,
    gate: Arc<Gate>,
    /// What it has come by: `http`, or `https`.
    scheme: &'static str,
    /// Where its messages go, once it is a WebSocket.
    socket: Option<PoolId>,
    /// Something is being answered.
    busy: bool,
    /// It does not read what it was answered; nothing more is read from it until it does.
    slow: bool,
    /// It will send no more.
    ended: bool,
    heard: Instant,
}

#[messages]
impl HttpClient {
    /// Has a request answered; the next is read when it is.
    #[message]
    async fn serve(&mut self, pool: PoolId, request: backend::Request, way: Way, entry: Entry) {
        let gate = self.gate.clone();
        let backends = &gate.pools[pool];
        let answered = backends.ask(request).await;
        self.pass_on(way, answered, backends, &entry);
    }

    /// Has a message answered, as a line.
    #[message]
    async fn serve_message(&mut self, pool: PoolId, text: String) {
        let gate = self.gate.clone();
        let entry = Entry::new(self.peer, "websocket", first_word(&text));
        let answer = gate.answer_line(&entry, Some(pool), &text, self.peer.ip()).await;
        let message = Message::Text(&answer).to_bytes().unwrap_or_default();
        let pressure = self.conn.write(message);
        if gate.is_draining() {
            self.say_goodbye(1001, "the gateway ends");
        }
        self.go_on(pressure);
    }

    /// The gateway ends: so does this, when nothing is in work.
    #[message]
    pub(super) fn drain(&mut self, ctx: &mut Context<Self>) {
        ctx.after_keyed("drain", LAST_WORDS, HttpClientDrained);
    }

    #[message]
    fn drained(&mut self) {
        if !self.busy {
            self.end("the gateway ends");
        }
    }

    /// Looks whether there was silence since; a request costs no timer.
    #[message]
    fn idle(&mut self, ctx: &mut Context<Self>) {
        let limit = self.gate.config.limits.idle;
        let left = limit.saturating_sub(self.heard.elapsed());
        if !self.busy && left.is_zero() {
            self.end("nothing was said for too long");
        } else {
            ctx.after_keyed("idle", left.max(Duration::from_millis(100)), HttpClientIdle);
        }
    }

    #[stopped]
    fn leave(&mut self, why: &StopReason, ctx: &mut Context<Self>) {
        self.gate.leave(ctx.id());
        if matches!(why, StopReason::Shutdown) && self.socket.is_some() {
            self.say_goodbye(1001, "the gateway ends");
        }
    }
}

impl Connection for HttpClient {
    type Codec = websocket::Server;

    fn codec(&self) -> websocket::Server {
        let limits = &self.gate.config.limits;
        websocket::Server::new(http::Server::new(limits.body), limits.line).origins(Origins::Same)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        let (id, me) = (ctx.id(), ctx.me());
        if !self.gate.enter(|present| drop(present.http.insert(id, me))) {
            return self.conn.close();
        }
        if self.conn.tls().is_some() {
            self.scheme = "https";
        }
        ctx.after_keyed("idle", self.gate.config.limits.idle, HttpClientIdle);
    }

    fn frame(&mut self, frame: ServerFrame<'_>, ctx: &mut Context<Self>) {
        self.heard = Instant::now();
        match frame {
            ServerFrame::Request(request) => self.request(&request, ctx),
            ServerFrame::Upgrade(upgrade) => match self.goal(upgrade.request()) {
                Ok(Goal::WebSocket(pool)) if !self.gate.is_draining() => {
                    let entry = self.entry(upgrade.request());
                    match self.gate.admit(self.peer.ip()) {
                        Ok(()) => {
                            self.log(&entry, 101, 0, Some(pool));
                            self.socket = Some(pool);
                            self.conn.write(upgrade.accept());
                        }
                        Err(wait) => self.refuse(upgrade.request(), &entry, 429, Some(wait.as_secs() + 1)),
                    }
                }
                // Whoever may upgrade may also not (RFC 9110 section 7.8).
                _ => self.request(upgrade.request(), ctx),
            },
            ServerFrame::Message(Message::Text(text)) => self.message(text, ctx),
            ServerFrame::Message(Message::Binary(_)) => {
                self.say_goodbye(1003, "messages are texts here");
            }
            ServerFrame::Message(_) => {}
        }
    }

    fn refused(&mut self, error: &websocket::Error, _ctx: &mut Context<Self>) {
        if let websocket::Error::Http(error) = error {
            let entry = Entry::new(self.peer, self.scheme, format!("({error})"));
            self.log(&entry, error.status(), 0, None);
        }
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

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        tracing::debug!(peer = %self.peer, %why, "a client has gone");
    }
}

impl HttpClient {
    /// A client at the other end of `conn`.
    #[must_use]
    pub fn new(conn: Conn, gate: Arc<Gate>) -> HttpClient {
        let (peer, heard) = (address_of(&conn), Instant::now());
        let scheme = "http";
        HttpClient { conn, peer, gate, scheme, socket: None, busy: false, slow: false, ended: false, heard }
    }

    fn goal(&self, request: &Request<'_>) -> Result<Goal, NoRoute> {
        self.gate.routes.request(request.host(), request.path())
    }

    fn entry(&self, request: &Request<'_>) -> Entry {
        Entry::new(self.peer, self.scheme, format!("{} {}", request.method(), request.target()))
    }

    fn log(&self, entry: &Entry, status: u16, bytes: usize, pool: Option<PoolId>) {
        let pool = pool.map(|pool| self.gate.pools[pool].name());
        self.gate.access.log(entry, &Outcome { status, bytes, pool, backend: None });
    }

    fn request(&mut self, request: &Request<'_>, ctx: &mut Context<Self>) {
        let entry = self.entry(request);
        match request.path() {
            HEALTHZ => return self.answer(request.answer(), plain(200, "alive\n"), &entry, 200),
            READYZ => {
                let (status, text) = readiness(&self.gate);
                return self.answer(request.answer(), plain(status, text), &entry, status);
            }
            _ => {}
        }
        if let Err(wait) = self.gate.admit(self.peer.ip()) {
            return self.refuse(request, &entry, 429, Some(wait.as_secs() + 1));
        }
        match self.goal(request) {
            Ok(Goal::Answer(pool)) => {
                // Nothing more is read until it is answered.
                self.conn.pause();
                self.busy = true;
                let is_safe = hops::is_safe(request.method());
                let asked =
                    backend::Request::Http(hops::request(request, self.peer.ip(), self.scheme), is_safe);
                // Nothing else fills the mailbox.
                if ctx.me().serve(pool, asked, request.answer(), entry).tell().is_err() {
                    self.conn.abort();
                }
            }
            Ok(Goal::WebSocket(_)) => self.refuse(request, &entry, 426, None),
            Err(NoRoute::Ambiguous) => self.refuse(request, &entry, 400, None),
            Err(NoRoute::Unknown) => self.refuse(request, &entry, 404, None),
        }
    }

    fn message(&mut self, text: &str, ctx: &mut Context<Self>) {
        let Some(pool) = self.socket else { return };
        if text.contains(['\n', '\r', '\0']) {
            return self.say_goodbye(1008, "a message is one line");
        }
        self.conn.pause();
        self.busy = true;
        if ctx.me().serve_message(pool, text.to_owned()).tell().is_err() {
            self.conn.abort();
        }
    }

    /// Answers with what a backend has, or with why there is nothing.
    fn pass_on(&mut self, way: Way, answered: Result<Answered, Failure>, backends: &Backends, entry: &Entry) {
        let mut outcome = Outcome { status: 502, bytes: 0, pool: Some(backends.name()), backend: None };
        let response = match answered {
            Ok(Answered { answer: Answer::Http(response), by }) if response.status() < 600 => {
                let (status, bytes) = (response.status(), response.body().len());
                outcome = Outcome { status, bytes, backend: Some(by), ..outcome };
                hops::response(&response)
            }
            Ok(_) => plain(502, "the backend speaks another language\n"),
            Err(failure) => {
                tell_of(&failure, backends.name());
                outcome.status = failure.status();
                let response = plain(failure.status(), format!("{failure}\n"));
                match failure.retry_after() {
                    Some(seconds) => response.header("Retry-After", seconds.to_string()),
                    None => response,
                }
            }
        };
        self.gate.access.log(entry, &outcome);
        self.send(way, response);
    }

    /// Answers with what only the gateway has to do with.
    fn answer(&mut self, way: Way, response: Response, entry: &Entry, status: u16) {
        self.log(entry, status, 0, None);
        self.send(way, response);
    }

    fn refuse(&mut self, request: &Request<'_>, entry: &Entry, status: u16, retry_after: Option<u64>) {
        let mut response = plain(
            status,
            match status {
                400 => "the path has . or .. in it\n",
                404 => "nothing is here\n",
                426 => "here is a WebSocket and nothing else\n",
                _ => "too many requests\n",
            },
        );
        if let Some(seconds) = retry_after {
            response = response.header("Retry-After", seconds.to_string());
        }
        self.answer(request.answer(), response, entry, status);
    }

    fn send(&mut self, way: Way, response: Response) {
        let response = if self.gate.is_draining() { response.close() } else { response };
        let pressure = way.send(response, &mut self.conn);
        self.go_on(pressure);
    }

    /// Something was answered: the next is read, unless the client does not read itself.
    fn go_on(&mut self, pressure: Pressure) {
        self.busy = false;
        self.heard = Instant::now();
        self.slow = pressure == Pressure::High;
        if self.ended {
            self.conn.close();
        } else if !self.slow {
            self.conn.resume();
        }
    }

    fn end(&mut self, why: &str) {
        if self.socket.is_some() {
            self.say_goodbye(1001, why);
        } else {
            self.conn.close();
        }
    }

    /// Closes a WebSocket.
    fn say_goodbye(&mut self, code: u16, reason: &str) {
        if let Ok(close) = Message::Close(Some(Close { code, reason })).to_bytes() {
            self.conn.write(close);
        }
        self.conn.close();
    }
}

fn plain(status: u16, text: impl Into<String>) -> Response {
    Response::new(status).header("Content-Type", "text/plain; charset=utf-8").body(text.into())
}

/// Whether each pool has a backend that gets requests, and how all of them are.
fn readiness(gate: &Gate) -> (u16, String) {
    if gate.is_draining() {
        return (503, "draining\n".to_owned());
    }
    let (mut ready, mut text) = (true, String::new());
    for pool in &gate.pools {
        let standing = pool.standing();
        ready &= standing.iter().any(|backend| backend.available);
        for backend in standing {
            text += &format!(
                "{} {} breaker {}, {} on their way\n",
                pool.name(),
                backend.address,
                backend.breaker,
                backend.busy
            );
        }
    }
    if ready { (200, format!("ready\n{text}")) } else { (503, format!("not ready\n{text}")) }
}
