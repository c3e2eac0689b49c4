//! Sessions: one for each connection, between its socket and the rooms. Over which transport its lines
//! come makes a difference in `frame` and `write`, and nowhere else.
//!
//! # In order, one at a time
//!
//! A frame handler cannot wait, and most lines need an answer from the hall or a room before the
//! next one makes sense: `/join lobby` and then `hello`. So a session queues what it reads and an
//! async handler, [`obey`](Session), works it off. While that waits, the runtime reads nothing from
//! the socket: a room that is busy slows down those who talk in it, by way of TCP, and no line is
//! dropped.
//!
//! # Who waits for whom
//!
//! Sessions ask rooms and the hall; these never wait for a session, nor for one another. So nobody
//! waits in a circle. What a room says to a session that waits stays in the session's mailbox: a
//! session has one line under way at a time, so that is not much, and a room counts what does not
//! fit and says so. The session's own answers go the same way, so that all comes in order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::prelude::*;
use actor_core::{Message, MonitorId, SpawnError};
use actor_net::websocket::{Close, Message as Said, ServerFrame, Upgrade};
use actor_net::{CloseReason, Conn, Connection, HalfClosed, LineError, Peer};
use bytes::Bytes;

use crate::command::{Command, HELP, Name};
use crate::hall::HallRef;
use crate::options::Options;
use crate::page;
use crate::room::RoomRef;
use crate::transport::{Heard, Transport, Wire, WireError};

const WELCOME: &str = "\
* Welcome. Take a name with /nick NAME, then enter a room with /join ROOM.
* /help lists all there is.
";

/// How long the hall and the rooms may take for an answer. Nothing but a bug makes them so slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look for a room that does not end just when it is found, and for a supervisor of rooms
/// that is not just being restarted; and how long to wait for it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What a session says when one tries to speak from nowhere.
const NO_ROOM: &str = "you are in no room; /join ROOM enters one";

/// A connection and who is behind it.
#[derive(Actor)]
pub struct Session {
    conn: Conn,
    transport: Transport,
    peer: Peer,
    hall: HallRef,
    options: Arc<Options>,
    nick: Option<Name>,
    place: Option<Place>,
    /// What was read and not obeyed yet.
    inputs: VecDeque<Input>,
    /// Whether [`obey`](Self::obey) is on its way or in work.
    obeying: bool,
    /// When something was read last.
    heard: Option<Instant>,
    /// Why the session ends, once that is known.
    end: Option<String>,
}

/// Where somebody is.
struct Place {
    name: Name,
    room: RoomRef,
    monitor: MonitorId,
}

enum Input {
    Line(String),
    Refused(LineError),
    /// The peer has closed its side: it has no more to say, but may read what it is told.
    End,
}

#[messages]
impl Session {
    /// Writes what was said in the room, or in private.
    #[message]
    pub fn deliver(&mut self, lines: Bytes) {
        self.write(lines);
    }

    /// How many bytes wait to be sent.
    #[message]
    pub fn queued(&mut self) -> usize {
        self.conn.queued()
    }

    /// Works off what was read.
    #[message]
    async fn obey(&mut self, ctx: &mut Context<Self>) {
        while let Some(input) = self.inputs.pop_front() {
            match input {
                Input::Line(line) => match Command::parse(&line) {
                    Ok(command) => self.carry_out(command, ctx).await,
                    Err(wrong) => self.complain(wrong, ctx),
                },
                Input::Refused(error) => self.complain(error, ctx),
                Input::End => self.quit("hung up", ctx).await,
            }
        }
        self.obeying = false;
    }

    #[message]
    fn login_due(&mut self, ctx: &mut Context<Self>) {
        if self.transport == Transport::Http {
            return self.finish("has not opened a WebSocket", ctx);
        }
        let limit = self.options.login_timeout;
        self.complain(format_args!("you have not taken a name within {limit:?}"), ctx);
        self.finish("no name in time", ctx);
    }

    /// Looks whether there was silence since; a line costs no timer.
    #[message]
    fn idle_due(&mut self, limit: Duration, ctx: &mut Context<Self>) {
        let silent = self.heard.map_or(limit, |heard| ctx.system().now().saturating_duration_since(heard));
        let left = limit.saturating_sub(silent);
        if left.is_zero() {
            self.complain(format_args!("you have said nothing for {limit:?}"), ctx);
            self.finish("silent for too long", ctx);
        } else {
            ctx.after_keyed("idle", left, SessionIdleDue { limit });
        }
    }

    /// The room has ended with this session in it: it has failed more often than its supervisor
    /// bears.
    #[down]
    fn room_gone(&mut self, down: Down, ctx: &mut Context<Self>) {
        if let Some(place) = self.place.take_if(|place| place.monitor == down.monitor) {
            self.complain(format_args!("{} is closed: {}; /join it again", place.name, down.reason), ctx);
        }
    }

    /// Says goodbye, in whatever way the session ends.
    #[stopped]
    async fn bye(&mut self, why: &StopReason, ctx: &mut Context<Self>) {
        if self.transport == Transport::Http {
            // Nobody: only the page was fetched.
            return;
        }
        if matches!(why, StopReason::Shutdown) {
            self.tell("the server is shutting down; goodbye", ctx);
        } else {
            if why.is_normal() {
                // What was sent before the connection broke is still said.
                self.obey(ctx).await;
            }
            self.leave("was disconnected", ctx).await;
            // The connection may take a while to end. If the hall is gone, so is the name.
            let _ = self.hall.release(ctx.id()).send().await;
            self.tell("goodbye", ctx);
            if why.is_normal() {
                self.write_close(1000, "goodbye");
            }
        }
        let reason = self.end.take().unwrap_or_else(|| why.to_string());
        let nick = self.nick.as_ref().map(tracing::field::display);
        tracing::info!(peer = %self.peer, nick, reason, "disconnected");
    }
}

impl Connection for Session {
    type Codec = Wire;

    fn codec(&self) -> Wire {
        self.transport.codec(self.options.max_line as usize)
    }

    fn opened(&mut self, ctx: &mut Context<Self>) {
        if self.transport == Transport::Http {
            ctx.after_keyed("login", self.options.login_timeout, SessionLoginDue);
        } else {
            self.welcome(ctx);
        }
    }

    fn frame(&mut self, heard: Heard<'_>, ctx: &mut Context<Self>) {
        match heard {
            Heard::Line(line) => self.hear(line, ctx),
            Heard::Web(ServerFrame::Request(request)) => page::answer(&request, &mut self.conn),
            Heard::Web(ServerFrame::Upgrade(upgrade)) => self.upgrade(upgrade, ctx),
            Heard::Web(ServerFrame::Message(Said::Text(text))) => {
                text.lines().for_each(|line| self.hear(line, ctx));
            }
            Heard::Web(ServerFrame::Message(Said::Binary(_))) => {
                self.write_close(1003, "the chat is of texts");
                self.conn.close();
            }
            // The codec has said what there is to say.
            Heard::Web(ServerFrame::Message(_)) => {}
        }
    }

    fn refused(&mut self, error: &WireError, ctx: &mut Context<Self>) {
        match error {
            // After this one the connection is closed, so it cannot wait for its turn.
            WireError::Line(LineError::TooLong { .. }) => self.write(format!("! {error}; goodbye\n").into()),
            WireError::Line(error) => self.read(Input::Refused(*error), ctx),
            WireError::Web(_) => {}
        }
    }

    fn half_closed(&mut self, ctx: &mut Context<Self>) -> HalfClosed {
        if self.transport == Transport::Http {
            return HalfClosed::Close;
        }
        self.read(Input::End, ctx);
        HalfClosed::StayOpen
    }

    fn closed(&mut self, why: &CloseReason, _ctx: &mut Context<Self>) {
        self.end = Some(why.to_string());
    }
}

impl Session {
    /// A session of whoever is at the other end of `conn`.
    #[must_use]
    pub fn new(conn: Conn, transport: Transport, hall: HallRef, options: Arc<Options>) -> Session {
        Session {
            transport,
            peer: conn.peer_addr(),
            conn,
            hall,
            options,
            nick: None,
            place: None,
            inputs: VecDeque::new(),
            obeying: false,
            heard: None,
            end: None,
        }
    }

    fn upgrade(&mut self, upgrade: Upgrade<'_>, ctx: &mut Context<Self>) {
        if upgrade.request().path() != page::WEBSOCKET {
            return page::answer(upgrade.request(), &mut self.conn);
        }
        self.conn.write(upgrade.accept());
        self.transport = Transport::WebSocket;
        self.welcome(ctx);
    }

    fn welcome(&mut self, ctx: &mut Context<Self>) {
        tracing::info!(peer = %self.peer, transport = ?self.transport, "connected");
        self.write(Bytes::from_static(WELCOME.as_bytes()));
        ctx.after_keyed("login", self.options.login_timeout, SessionLoginDue);
        if let Some(limit) = self.options.idle_timeout {
            ctx.after_keyed("idle", limit, SessionIdleDue { limit });
        }
    }

    fn write(&mut self, lines: Bytes) {
        // If there is no more room, `closed` says so.
        self.conn.write(self.transport.encode(lines));
    }

    /// Says in the way of the WebSocket, if it is one, that this is the end.
    fn write_close(&mut self, code: u16, reason: &str) {
        if self.transport == Transport::WebSocket {
            let close = Said::Close(Some(Close { code, reason }));
            self.conn.write(close.to_bytes().expect("a code that may be sent, and few words"));
        }
    }

    fn hear(&mut self, line: &str, ctx: &mut Context<Self>) {
        self.heard = Some(ctx.system().now());
        self.read(Input::Line(line.to_owned()), ctx);
    }

    fn tell(&mut self, text: impl fmt::Display, ctx: &Context<Self>) {
        self.answer(format!("* {text}\n"), ctx);
    }

    fn complain(&mut self, text: impl fmt::Display, ctx: &Context<Self>) {
        self.answer(format!("! {text}\n"), ctx);
    }

    /// Writes behind what the room has said so far and still waits in the mailbox.
    fn answer(&mut self, lines: impl Into<Bytes>, ctx: &Context<Self>) {
        if let Err(refused) = ctx.me().deliver(lines.into()).tell() {
            self.deliver(refused.into_message().lines);
        }
    }

    /// Queues what was read, and sees to it that it is obeyed, behind what the rooms have told.
    fn read(&mut self, input: Input, ctx: &mut Context<Self>) {
        if self.end.is_some() {
            return;
        }
        self.inputs.push_back(input);
        if !self.obeying {
            self.obeying = true;
            // A timer needs no place in the mailbox.
            if ctx.me().obey().tell().is_err() {
                ctx.after(Duration::ZERO, SessionObey);
            }
        }
    }

    async fn carry_out(&mut self, command: Command, ctx: &mut Context<Self>) {
        match command {
            Command::Nothing => {}
            Command::Say(text) => self.say(text, ctx).await,
            Command::Nick(nick) => self.take_name(nick, ctx).await,
            Command::Join(room) => self.join(room, ctx).await,
            Command::Leave if self.place.is_none() => self.complain(NO_ROOM, ctx),
            Command::Leave => self.leave("has left", ctx).await,
            Command::Who => self.who(ctx).await,
            Command::Msg { to, text } => self.whisper(to, &text, ctx).await,
            Command::Help => self.answer(HELP, ctx),
            Command::Quit => self.quit("quit", ctx).await,
        }
    }

    async fn say(&mut self, text: Arc<str>, ctx: &mut Context<Self>) {
        let (Some(nick), Some(place)) = (&self.nick, &self.place) else {
            return self.complain(NO_ROOM, ctx);
        };
        let said = place.room.say(nick.clone(), text.clone()).within(PATIENCE).await;
        if let Err(error) = said {
            self.complain(format_args!("{}, so this was not said: {text}", no_answer(&error)), ctx);
        }
    }

    async fn take_name(&mut self, nick: Name, ctx: &mut Context<Self>) {
        match self.hall.claim(nick.clone(), ctx.me()).within(PATIENCE).await {
            Ok(()) => {}
            Err(AskError::Failed(taken)) => return self.complain(taken, ctx),
            Err(error) => return self.complain(no_answer(&error), ctx),
        }
        ctx.cancel_keyed("login");
        self.tell(format_args!("you are now called {nick}"), ctx);
        if let Some(place) = &self.place {
            // If the room has ended, its members will hear of that.
            let _ = place.room.rename(ctx.id(), nick.clone()).send().await;
        }
        self.nick = Some(nick);
    }

    async fn join(&mut self, name: Name, ctx: &mut Context<Self>) {
        let Some(nick) = self.nick.clone() else {
            return self.complain("take a name first, with /nick NAME", ctx);
        };
        if self.place.as_ref().is_some_and(|place| place.name == name) {
            return self.complain(format_args!("you are in {name} already"), ctx);
        }
        self.leave("has gone to another room", ctx).await;
        for _ in 0..TRIES {
            let room = match self.hall.room(name.clone()).within(PATIENCE).await {
                Ok(room) => room,
                Err(AskError::Failed(SpawnError::Closed)) => {
                    ctx.system().sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return self.complain(no_answer(&error), ctx),
            };
            match room.join(nick.clone(), ctx.me()).within(PATIENCE).await {
                Ok(()) => {
                    let monitor = ctx.monitor(&room);
                    self.place = Some(Place { name, room, monitor });
                    return;
                }
                // It was empty for so long that it closes just now; then there will be a new one.
                Err(AskError::Closed(_) | AskError::Undelivered) => drop(room.monitor().await),
                Err(error) => return self.complain(no_answer(&error), ctx),
            }
        }
        self.complain(format_args!("{name} closes whenever you come; try again"), ctx);
    }

    /// Leaves the room, if there is one. When this has ended, what was said there before is in the
    /// mailbox.
    async fn leave(&mut self, how: &str, ctx: &mut Context<Self>) {
        let Some(place) = self.place.take() else { return };
        ctx.demonitor(place.monitor);
        for _ in 0..TRIES {
            // A room that has ended has no members. One that has failed on this has one too many.
            let left = place.room.leave(ctx.id(), how.to_owned()).within(PATIENCE).await;
            if !matches!(left, Err(AskError::Lost)) {
                return;
            }
        }
    }

    async fn who(&mut self, ctx: &mut Context<Self>) {
        let Some(place) = &self.place else {
            return self.complain(NO_ROOM, ctx);
        };
        match place.room.who().within(PATIENCE).await {
            Ok(members) => {
                let text = format!("in {}: {members}", place.name);
                self.tell(text, ctx);
            }
            Err(error) => self.complain(no_answer(&error), ctx),
        }
    }

    async fn whisper(&mut self, to: Name, text: &str, ctx: &mut Context<Self>) {
        let Some(nick) = &self.nick else {
            return self.complain("take a name first, with /nick NAME", ctx);
        };
        match self.hall.find(to.clone()).within(PATIENCE).await {
            Ok(Some(session)) => {
                let line = format!("({nick} to you) {text}\n");
                match session.deliver(line.into()).tell() {
                    Ok(()) => self.answer(format!("(you to {to}) {text}\n"), ctx),
                    Err(error) => self.complain(format_args!("{to} cannot be told now: {error}"), ctx),
                }
            }
            Ok(None) => self.complain(format_args!("nobody is called {to}"), ctx),
            Err(error) => self.complain(no_answer(&error), ctx),
        }
    }

    async fn quit(&mut self, how: &str, ctx: &mut Context<Self>) {
        self.leave(how, ctx).await;
        self.finish(how, ctx);
    }

    /// Ends the session when what waits in its mailbox is written.
    fn finish(&mut self, why: &str, ctx: &mut Context<Self>) {
        self.end = Some(why.to_owned());
        self.inputs.clear();
        ctx.actor_ref().stop();
    }
}

/// Why a room or the hall gave no answer, in words for the one who waits for it.
fn no_answer<M: Message>(error: &AskError<M>) -> &'static str {
    match error {
        AskError::Lost => "the server failed on this",
        AskError::Closed(_) | AskError::Undelivered => "the room is closed",
        AskError::Full(_) | AskError::TimedOut => "the server is too busy",
        AskError::Deadlock(_) | AskError::Condemned(_) | AskError::Stalled | AskError::Failed(_) => {
            "the server cannot do this now"
        }
    }
}
