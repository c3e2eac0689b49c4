//! The port of a connection: what its actor's turns do with the socket.

mod begin;
mod kept;
mod under_way;
mod watch;

use std::io;
use std::sync::Arc;

use actor_core::Timer;
use actor_core::port::{Again, Drain, Port, Ready};
use actor_core::{Context, StopReason};

use super::draining::Draining;
use super::frames::{Found, Frames};
use super::inbox::Inbox;
use super::reason::{CloseReason, Ending};
use super::scratch::{SIZE, Scratch};
use super::shared::{Came, Progress, Shared};
use super::{Connection, HalfClosed};
use crate::codec::{Codec, Stage};
use watch::Watch;

pub(crate) use begin::{Arrival, accepted, connecting};

/// The most bytes one turn reads.
const BYTES: usize = SIZE;

/// The most frames one turn hands on.
const FRAMES: usize = 16;

/// What somebody else keeps with a connection, to know what becomes of it: it is dropped when that is gone.
pub(crate) trait Held: Send + 'static {
    /// The connection is there, and its actor has heard of it.
    fn opened(&mut self) {}
}

impl Held for () {}

/// The life of a connection as its port sees it. What only its beginning and end need is boxed, since
/// most connections are in between.
enum Phase {
    /// Waits for the peer to accept, and then, if there is TLS, for the end of its handshake.
    Connecting { _deadline: Box<Option<Timer>>, accepted: bool },
    /// Is there; the actor has not heard of it.
    Fresh,
    /// The same, of an actor that was restarted.
    Resumed(Box<Phase>),
    /// Reads.
    Open,
    /// The peer sends no more; frames that came before may still be unread.
    Eof,
    /// The actor has heard that the peer sends no more, and goes on writing.
    HalfClosed,
    /// The actor has heard of the end.
    Told,
    /// The actor has stopped.
    Draining(Box<Draining>),
}

struct ConnectionPort<C: Connection, H> {
    shared: Arc<Shared>,
    codec: Option<C::Codec>,
    inbox: Inbox,
    /// The codec needs more than what is in the inbox.
    hungry: bool,
    /// The socket has not refused to be read since it was last flagged.
    readable: bool,
    /// It is to be read until it refuses: the end of the stream may come after what is there, and is flagged once.
    to_the_end: bool,
    /// The peer has closed; outlives the phase that says so.
    eof: bool,
    /// Something has come from the peer, ever.
    heard: bool,
    /// Something has come since the deadlines were looked at, and a frame has come to its end.
    moved: bool,
    anew: bool,
    watch: Option<Box<Watch>>,
    /// Among those that are told when the server drains.
    key: usize,
    /// It has been told that the server drains.
    draining: bool,
    /// `WAKE` is flagged already. While an async handler is in work no flag is looked at, and
    /// raising it in each of its turns would make the actor run for ever.
    woken: bool,
    /// A whole frame has come.
    established: bool,
    phase: Phase,
    held: Option<H>,
}

impl<C: Connection, H: Held> ConnectionPort<C, H> {
    /// There are very many of these.
    const SMALL: () = assert!(size_of::<Self>() <= 72 + size_of::<C::Codec>() + size_of::<H>());

    fn new(shared: Arc<Shared>, phase: Phase, held: Option<H>) -> Self {
        let () = Self::SMALL;
        let key = shared.common().crowd.enter_connection(&shared);
        ConnectionPort {
            shared,
            codec: None,
            inbox: Inbox::default(),
            hungry: true,
            readable: false,
            to_the_end: true,
            eof: false,
            heard: false,
            moved: false,
            anew: false,
            watch: None,
            key,
            draining: false,
            woken: true,
            established: false,
            phase,
            held,
        }
    }

    fn wake(&mut self) {
        if !self.woken {
            self.woken = true;
            self.shared.wake();
        }
    }

    /// There may be more to read, of which no event has told.
    fn read_to_the_end(&mut self) {
        self.readable |= !self.eof;
        self.to_the_end = true;
    }

    fn absorb(&mut self, ready: Ready) {
        self.woken = false;
        if ready.contains(Ready::READABLE) {
            self.readable = true;
            // Who wakes the port for something else costs a read more.
            self.to_the_end |= ready.contains(Ready::WAKE);
        }
        if ready.contains(Ready::WRITABLE) && self.is_accepted() {
            self.shared.set_writable();
        }
    }

    /// Whether what is queued may still be sent, now that the connection ends for this reason.
    fn may_send(&self, why: &CloseReason) -> bool {
        match why.ending() {
            Ending::Flush => !matches!(self.phase, Phase::Connecting { .. }),
            #[cfg(feature = "tls")]
            Ending::Alert => true,
            Ending::Drop | Ending::Reset => false,
        }
    }

    /// Everything between the start and the end. Nothing of it runs once the connection has ended.
    fn work(&mut self, actor: &mut C, ctx: &mut Context<C>) -> Again {
        if let Phase::Connecting { .. } = self.phase {
            return Again::No;
        }
        if let Phase::Fresh = self.phase {
            self.phase = Phase::Open;
            self.shared.write_replies(self.codec.insert(actor.codec()));
            actor.opened(ctx);
            if let Some(held) = &mut self.held {
                held.opened();
            }
        }
        if let Phase::Resumed(phase) = &mut self.phase {
            self.phase = std::mem::replace(phase, Phase::Open);
            actor.resumed(ctx);
        }
        self.flush();
        self.tell_lagged(actor, ctx);
        if !ctx.is_stopping() && self.shared.eased() {
            actor.writable(ctx);
        }
        if ctx.is_stopping() {
            return Again::No;
        }
        if self.shared.may_read() {
            return self.read(actor, ctx);
        }
        // An actor that has paused may never read what came before a write failed.
        if let Some(broken) = self.shared.broken() {
            self.shared.end(broken);
        }
        Again::No
    }

    /// Reads and decodes until the socket has no more, the budget is spent or the end has come.
    fn read(&mut self, actor: &mut C, ctx: &mut Context<C>) -> Again {
        let Some(codec) = &mut self.codec else {
            return Again::No;
        };
        let (shared, breakable) = (&self.shared, self.shared.is_breakable());
        let mut frames = Frames { shared, codec, actor, ctx, left: FRAMES, ended: false, breakable };
        let mut scratch = None;
        let mut bytes = BYTES;
        let found = loop {
            if !self.hungry {
                let found = frames.decode(self.inbox.take(), self.eof);
                if found != Found::Need {
                    break found;
                }
                self.hungry = true;
            }
            if self.eof || !self.readable {
                break Found::Need;
            }
            if bytes == 0 {
                break Found::Spent;
            }
            let scratch = scratch.get_or_insert_with(Scratch::take);
            match self.shared.read(scratch, bytes) {
                Ok(Came { read: 0, .. }) => {
                    self.phase = Phase::Eof;
                    (self.eof, self.hungry) = (true, false);
                }
                Ok(Came { bytes: n, read, all }) => {
                    self.readable = !all || self.to_the_end;
                    if n > 0 {
                        (self.heard, self.moved) = (true, true);
                    }
                    bytes = bytes.saturating_sub(read);
                    self.hungry = false;
                    if self.inbox.is_empty() {
                        // What came in one piece is decoded where it is; only the rest is copied.
                        let found = frames.decode(self.inbox.take_read(&mut scratch[..n]), false);
                        self.hungry = found == Found::Need;
                        if found != Found::Need {
                            break found;
                        }
                    } else {
                        self.inbox.append(&scratch[..n]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.readable, self.to_the_end) = (false, false);
                }
                Err(error) => {
                    self.shared.end(CloseReason::of(&error));
                    break Found::End;
                }
            }
        };
        if frames.ended {
            self.anew = true;
            self.shared.speaks();
            if !std::mem::replace(&mut self.established, true) {
                self.shared.established();
            }
        }
        match found {
            Found::Need => self.all_read(actor, ctx),
            Found::Spent => return Again::Yes,
            // If it has paused: whether what it answers then is all that was asked.
            Found::End => self.shared.set_more(!self.inbox.is_empty()),
        }
        if breakable {
            // The last frame may have changed the protocol.
            let words = self.codec.as_ref().and_then(|codec| codec.farewell(&CloseReason::ActorFailed));
            self.shared.set_last_words(words);
        }
        Again::No
    }

    /// All that has come is read and handed on.
    fn all_read(&mut self, actor: &mut C, ctx: &mut Context<C>) {
        if let Some(broken) = self.shared.broken() {
            self.shared.end(broken);
            return;
        }
        match self.phase {
            Phase::Eof => {
                self.phase = Phase::HalfClosed;
                self.readable = false;
                if actor.half_closed(ctx) == HalfClosed::Close {
                    self.shared.end(CloseReason::Eof);
                }
            }
            // A socket that is flagged although its stream has ended has met an error.
            Phase::HalfClosed if std::mem::take(&mut self.readable) => {
                if let Some(error) = self.shared.socket_error() {
                    self.shared.end(CloseReason::of(&error));
                }
            }
            _ => {}
        }
    }

    /// If the connection has ended, tells the actor, once, and stops it.
    fn tell_end(&mut self, actor: &mut C, ctx: &mut Context<C>) -> bool {
        let Some(why) = self.shared.ended() else {
            return false;
        };
        if !matches!(self.phase, Phase::Told | Phase::Draining(_)) {
            let sends = self.may_send(&why);
            self.phase = Phase::Told;
            self.inbox = Inbox::default();
            if !sends {
                self.shared.close_socket(why.ending() == Ending::Reset);
            }
            self.tell_lagged(actor, ctx);
            actor.closed(&why, ctx);
            ctx.stop();
        }
        true
    }

    /// Whether nothing of the peer's is in flight: no part of a frame, and no request that the actor has yet to
    /// answer.
    fn is_quiet(&self) -> bool {
        let between = self.codec.as_ref().is_none_or(|codec| codec.stage() == Stage::Between);
        between && self.inbox.is_empty() && !self.readable && !self.shared.is_paused()
    }

    fn tell_lagged(&self, actor: &mut C, ctx: &mut Context<C>) {
        let missed = if ctx.is_stopping() { 0 } else { self.shared.take_lagged() };
        if missed > 0 {
            actor.lagged(missed, ctx);
        }
    }

    fn say_farewell(&mut self, why: &CloseReason) {
        if let Some(codec) = &mut self.codec
            && let Some(words) = codec.farewell(why)
        {
            self.shared.write(words, None);
        }
    }

    fn flush(&mut self) -> Progress {
        let progress = self.shared.flush();
        match progress {
            Progress::Empty | Progress::Waits => {}
            Progress::Spent => self.wake(),
            // What the peer sent before it went is still read.
            Progress::Broken => self.read_to_the_end(),
        }
        progress
    }
}

impl<C: Connection, H: Held> Port<C> for ConnectionPort<C, H> {
    fn ready(&mut self, ready: Ready, actor: &mut C, ctx: &mut Context<C>) -> Again {
        self.absorb(ready);
        if let Phase::Connecting { .. } = self.phase
            && !self.shared.has_ended()
        {
            self.connect(ready);
        }
        if let Some(load) = self.shared.evicted() {
            let why = CloseReason::Evicted(load);
            self.say_farewell(&why);
            self.shared.end(why);
        }
        if self.tell_end(actor, ctx) {
            return Again::No;
        }
        if self.shared.common().is_draining() && !std::mem::replace(&mut self.draining, true) {
            // What has come may not have been flagged yet.
            self.read_to_the_end();
        }
        if self.shared.moves(ctx.system()) {
            self.read_to_the_end();
        }
        let again = self.work(actor, ctx);
        // Who has not been read to the end is not late.
        if again == Again::No
            && let Some(deadline) = self.watch(ready.contains(Ready::TIMER))
        {
            self.expire(deadline);
        }
        if self.draining && again == Again::No && self.is_quiet() {
            self.shared.common().crowd.is_quiet(self.key);
        }
        if self.tell_end(actor, ctx) { Again::No } else { again }
    }

    fn turn_ended(&mut self) {
        if let Phase::Connecting { .. }
        | Phase::Fresh
        | Phase::Resumed(_)
        | Phase::Open
        | Phase::Eof
        | Phase::HalfClosed = self.phase
        {
            let waits = self.flush() == Progress::Waits;
            if self.shared.needs_turn() {
                self.wake();
            } else {
                self.watch_writes(waits);
            }
        }
    }

    fn drain(&mut self, ready: Ready, why: &StopReason) -> Drain {
        self.absorb(ready);
        if !matches!(self.phase, Phase::Draining(_)) {
            let shutdown = matches!(why, StopReason::Shutdown);
            let connected = !matches!(self.phase, Phase::Connecting { .. });
            if shutdown && connected && !self.shared.has_ended() {
                self.say_farewell(&CloseReason::Shutdown);
            }
            self.shared.end(if shutdown { CloseReason::Shutdown } else { CloseReason::Local });
            let why = self.shared.ended();
            if !why.as_ref().is_some_and(|why| self.may_send(why)) {
                self.shared.close_socket(why.is_some_and(|why| why.ending() == Ending::Reset));
                return Drain::Done;
            }
            self.inbox = Inbox::default();
            // Its timer with it.
            self.watch = None;
            let draining = Draining::begin(&self.shared);
            self.phase = Phase::Draining(Box::new(draining));
        }
        match &mut self.phase {
            Phase::Draining(draining) => draining.step(ready, self.eof, &self.shared),
            _ => Drain::Done,
        }
    }

    fn breaker(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let shared = self.shared.clone();
        shared.set_breakable();
        Some(Box::new(move || shared.fail(None)))
    }
}

impl<C: Connection, H> Drop for ConnectionPort<C, H> {
    fn drop(&mut self) {
        let connected = !matches!(self.phase, Phase::Connecting { .. });
        let codec = self.codec.as_ref().filter(|_| connected);
        self.shared.fail(codec.and_then(|codec| codec.farewell(&CloseReason::ActorFailed)));
        self.shared.common().crowd.leave(self.key);
    }
}
