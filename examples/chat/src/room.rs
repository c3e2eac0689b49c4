//! Rooms: who is in one, and what is said there.
//!
//! A room is an actor under a supervisor that only rooms have. It never waits: it tells each
//! member's session what was said and goes on, so a member who is slow holds up nobody.
//!
//! # What survives a failure
//!
//! If a handler panics the supervisor starts the room again. Its mailbox is the same, so the lines
//! that wait in it are said by the next incarnation; only the line that failed is lost, a dead
//! letter, and its sender is told. What the members must not lose with an incarnation is in a
//! [`State`] that belongs to the room's factory: who they are, the history, and what was said but
//! not yet delivered. Each incarnation is handed the same one. A handler changes it only when
//! nothing can go wrong any more, so a new incarnation never inherits half a change.
//!
//! # Delivery
//!
//! Lines that come in a burst are delivered together: the room gathers while more messages wait in
//! its mailbox, and gives each member one [`Bytes`] that all of them share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actor_core::ActorId;
use actor_core::prelude::*;
use bytes::Bytes;

use crate::command::Name;
use crate::options::Options;
use crate::session::SessionRef;

/// Deliver at the latest when so many bytes have gathered.
const BURST: usize = 8 << 10;

/// How long a member whose session has ended may still say goodbye. The news of the end comes
/// ahead of the mailbox, in which the last words may wait.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One incarnation of a room.
#[derive(Actor)]
#[actor(overflow = "wait")]
pub struct Room {
    name: Name,
    state: Arc<Mutex<State>>,
    options: Arc<Options>,
}

/// What a room's incarnations hand on.
#[derive(Default)]
pub struct State {
    members: BTreeMap<ActorId, Member>,
    /// The last lines.
    history: VecDeque<String>,
    /// What was said and not delivered.
    burst: String,
}

struct Member {
    nick: Name,
    session: SessionRef,
    /// How many lines this member did not get, because its session's mailbox was full.
    missed: usize,
}

#[messages]
impl Room {
    #[started]
    fn open(&mut self, ctx: &mut Context<Self>) {
        if ctx.incarnation() == 1 {
            tracing::info!(room = %self.name, "room created");
        }
        let mut state = self.state();
        state.deliver();
        for member in state.members.values() {
            ctx.monitor(&member.session);
        }
        let empty = state.members.is_empty();
        drop(state);
        self.close_later_if(empty, ctx);
    }

    /// Lets somebody in, tells the others, and tells the newcomer what was said last and who is
    /// here.
    #[message]
    pub fn join(&mut self, nick: Name, session: SessionRef, ctx: &mut Context<Self>) {
        ctx.cancel_keyed("empty");
        ctx.monitor(&session);
        let mut state = self.state();
        state.add(&format!("* {nick} has joined"));
        // What was said up to here comes to the newcomer in the history, and not a second time.
        state.deliver();
        let mut member = Member { nick, session, missed: 0 };
        let history: String = state.history.iter().map(String::as_str).collect();
        let others = list(state.members.values().map(|member| &member.nick));
        let welcome = format!("* you are in {} with {others}\n{history}", self.name);
        member.deliver(&welcome.into());
        state.members.insert(member.session.id(), member);
    }

    /// Lets somebody go who has left, hung up, or the like, which all are told: this is the last
    /// that the one who goes hears from the room.
    #[message]
    pub fn leave(&mut self, who: ActorId, how: String, ctx: &mut Context<Self>) {
        let mut state = self.state();
        if let Some(member) = state.members.get(&who) {
            let line = format!("* {} {how}", member.nick);
            state.add(&line);
            state.deliver();
            state.members.remove(&who);
        }
        let empty = state.members.is_empty();
        drop(state);
        self.close_later_if(empty, ctx);
        self.pass_on(ctx);
    }

    /// Says a line to everyone, whoever says it too.
    #[message]
    pub fn say(&mut self, nick: Name, text: Arc<str>, ctx: &mut Context<Self>) {
        if let Some(fault) = &self.options.fault {
            fault(&text);
        }
        let line = format!("<{nick}> {text}");
        self.state().remember(&line, self.options.history as usize);
        self.state().add(&line);
        self.pass_on(ctx);
    }

    /// Gives a member another name.
    #[message]
    pub fn rename(&mut self, who: ActorId, nick: Name, ctx: &mut Context<Self>) {
        let mut state = self.state();
        if let Some(member) = state.members.get_mut(&who) {
            let line = format!("* {} is now called {nick}", member.nick);
            member.nick = nick;
            state.add(&line);
        }
        drop(state);
        self.pass_on(ctx);
    }

    /// Who is here, in words.
    #[message]
    pub fn who(&mut self, ctx: &mut Context<Self>) -> String {
        self.pass_on(ctx);
        list(self.state().members.values().map(|member| &member.nick))
    }

    /// A member's session has ended. As a rule it has said so itself.
    #[down]
    fn gone(&mut self, down: Down, ctx: &mut Context<Self>) {
        if self.state().members.contains_key(&down.actor) {
            ctx.after(LAST_WORDS, RoomSweep { who: down.actor });
        }
    }

    #[message]
    fn sweep(&mut self, who: ActorId, ctx: &mut Context<Self>) {
        if self.state().members.contains_key(&who) {
            self.leave(who, "is gone".to_owned(), ctx);
        }
    }

    /// Nobody came for a while. Whoever is about to is turned away and asks the hall again.
    #[message]
    fn close_if_empty(&mut self, ctx: &mut Context<Self>) {
        if self.state().members.is_empty() {
            ctx.stop();
        }
    }

    /// Runs after a panic, too, so what was said before it is not held up by the restart.
    #[stopped]
    fn close(&mut self, why: &StopReason) {
        self.state().deliver();
        if why.is_normal() {
            tracing::info!(room = %self.name, "room closed");
        }
    }
}

impl Room {
    /// An incarnation of the room that `state` is of.
    #[must_use]
    pub fn new(name: Name, state: Arc<Mutex<State>>, options: Arc<Options>) -> Room {
        Room { name, state, options }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change of the state can panic half-way, so a poisoned one is whole as well.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_later_if(&self, empty: bool, ctx: &mut Context<Self>) {
        if empty {
            ctx.after_keyed("empty", self.options.keep_room, RoomCloseIfEmpty);
        }
    }

    /// Delivers what was said, unless more waits in the mailbox: then a later message does it.
    fn pass_on(&self, ctx: &Context<Self>) {
        let mut state = self.state();
        if state.burst.len() >= BURST || ctx.actor_ref().mailbox().queued == 0 {
            state.deliver();
        }
    }
}

impl State {
    /// Adds a line to what is to be delivered.
    fn add(&mut self, line: &str) {
        self.burst.push_str(line);
        self.burst.push('\n');
    }

    fn remember(&mut self, line: &str, most: usize) {
        self.history.push_back(format!("{line}\n"));
        while self.history.len() > most {
            self.history.pop_front();
        }
    }

    /// Gives each member what has gathered.
    fn deliver(&mut self) {
        if self.burst.is_empty() {
            return;
        }
        let burst = Bytes::from(std::mem::take(&mut self.burst));
        for member in self.members.values_mut() {
            member.deliver(&burst);
        }
    }
}

impl Member {
    fn deliver(&mut self, burst: &Bytes) {
        let lines = match self.missed {
            0 => burst.clone(),
            missed => [self.lagged(missed).as_bytes(), burst].concat().into(),
        };
        match self.session.deliver(lines).tell() {
            Ok(()) => self.missed = 0,
            // It has ended, and its goodbye is on the way.
            Err(TellError::Closed(_) | TellError::Condemned(_)) => {}
            Err(TellError::Full(_)) => {
                if self.missed == 0 {
                    tracing::warn!(nick = %self.nick, "a session cannot keep up with its room and misses lines");
                }
                self.missed += burst.iter().filter(|byte| **byte == b'\n').count();
            }
        }
    }

    fn lagged(&self, missed: usize) -> String {
        format!("! {}, the room was too fast for you: {missed} lines did not reach you\n", self.nick)
    }
}

fn list<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<_> = names.map(Name::to_string).collect();
    if names.is_empty() { "nobody else".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::Server;

    #[test]
    fn lines_that_find_a_mailbox_full_are_counted_and_told() {
        let options = Options { listen: "127.0.0.1:0".to_owned(), ..Options::default() };
        let server = Server::start(options).expect("a free port");
        let mut stream = TcpStream::connect(server.local_addr()).expect("a connection");
        stream.write_all(b"/nick late\n/so\n").expect("the server reads");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        lines.find(|line| line.starts_with("! there is no command")).expect("an answer");

        let nick = Name::new("late").expect("a name");
        let session = server.hall().find(nick.clone()).wait().expect("an answer").expect("a session");
        let mut member = Member { nick, session: session.clone(), missed: 0 };
        let (mut said, mut missed) = (0, 0);
        let mut say = |member: &mut Member| {
            member.deliver(&Bytes::from_static(b"so\nto say\n"));
            said += 2;
        };
        while member.missed == 0 {
            say(&mut member);
        }
        let reader = std::thread::spawn(move || {
            let came = lines.by_ref().take_while(|line| !line.starts_with('!')).count();
            (came, lines.next())
        });
        while member.missed > 0 {
            missed = member.missed;
            say(&mut member);
        }
        let (came, next) = reader.join().expect("no panic");
        assert_eq!(next.as_deref(), Some("so"), "what found room again");
        assert_eq!(came + missed + 2, said);
    }
}
