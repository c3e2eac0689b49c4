//! The hall: who is called what, and where the rooms are.
//!
//! Everybody asks the hall and the hall asks nobody, so no two actors can wait for each other. As
//! with a [`room`], what it knows belongs to its factory and survives its failures.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actor_core::prelude::*;
use actor_core::{ActorId, SupervisorRef};

use crate::command::Name;
use crate::options::Options;
use crate::room::{self, Room, RoomRef};
use crate::session::SessionRef;

/// One incarnation of the hall.
#[derive(Actor)]
#[actor(mailbox = 4096, overflow = "wait")]
pub struct Hall {
    state: Arc<Mutex<State>>,
    /// The supervisor of the rooms.
    rooms: SupervisorRef,
    options: Arc<Options>,
}

/// What the hall's incarnations hand on.
#[derive(Default)]
pub struct State {
    /// In an order of their own, since an incarnation goes over them and is to do the same each time.
    people: BTreeMap<Name, SessionRef>,
    /// The same the other way round.
    nicks: HashMap<ActorId, Name>,
    rooms: BTreeMap<Name, RoomRef>,
}

#[messages]
impl Hall {
    #[started]
    fn open(&mut self, ctx: &mut Context<Self>) {
        let state = self.state();
        for session in state.people.values() {
            ctx.monitor(session);
        }
        for room in state.rooms.values() {
            ctx.monitor(room);
        }
    }

    /// Gives a name to a session, and takes back the one it had.
    #[message]
    pub fn claim(
        &mut self,
        nick: Name,
        session: SessionRef,
        ctx: &mut Context<Self>,
    ) -> Result<(), NickTaken> {
        let mut state = self.state();
        if state.people.get(&nick).is_some_and(|holder| *holder != session) {
            return Err(NickTaken(nick));
        }
        match state.nicks.insert(session.id(), nick.clone()) {
            Some(old) => drop(state.people.remove(&old)),
            // Its name is free again when it has ended, at the latest.
            None => drop(ctx.monitor(&session)),
        }
        state.people.insert(nick, session);
        Ok(())
    }

    /// Who is called this.
    #[message]
    pub fn find(&mut self, nick: Name) -> Option<SessionRef> {
        self.state().people.get(&nick).cloned()
    }

    /// The room of this name, which is created if there is none.
    #[message]
    pub fn room(&mut self, name: Name, ctx: &mut Context<Self>) -> Result<RoomRef, SpawnError> {
        let mut state = self.state();
        if let Some(room) = state.rooms.get(&name).filter(|room| room.is_alive()) {
            return Ok(room.clone());
        }
        let room = self.create(name.clone())?;
        ctx.monitor(&room);
        state.rooms.insert(name, room.clone());
        Ok(room)
    }

    /// Takes back the name of a session that says goodbye.
    #[message]
    pub fn release(&mut self, who: ActorId) {
        self.state().forget(who);
    }

    /// A room, or a session that could not say goodbye.
    #[down]
    fn gone(&mut self, down: Down) {
        let mut state = self.state();
        if !state.forget(down.actor) {
            state.rooms.retain(|_, room| room.id() != down.actor);
        }
    }
}

impl Hall {
    /// An incarnation of the hall that `state` is of, which has its rooms under `rooms`.
    #[must_use]
    pub fn new(state: Arc<Mutex<State>>, rooms: SupervisorRef, options: Arc<Options>) -> Hall {
        Hall { state, rooms, options }
    }

    fn create(&self, name: Name) -> Result<RoomRef, SpawnError> {
        let (path, state) = (name.folded(), Arc::<Mutex<room::State>>::default());
        let options = self.options.clone();
        self.rooms
            .actor(move || Room::new(name.clone(), state.clone(), options.clone()))
            .name(format!("#{path}"))
            .mailbox(self.options.room_mailbox as usize)
            .spawn()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change of the state can panic half-way, so a poisoned one is whole as well.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes somebody's name free. False if `who` had none.
    fn forget(&mut self, who: ActorId) -> bool {
        let Some(nick) = self.nicks.remove(&who) else { return false };
        self.people.remove(&nick);
        true
    }
}

/// Somebody else is called this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NickTaken(pub Name);

impl fmt::Display for NickTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody else is called {}; choose another name", self.0)
    }
}

impl std::error::Error for NickTaken {}
