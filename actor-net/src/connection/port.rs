//! The port of a connection: what its actor's turns do with the socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor_core::Timer;
use actor_core::port::{Again, Drain, MakePort, Port, Readiness, Ready};
use actor_core::{Context, StopReason};
use mio::net::TcpStream;

use super::common::Common;
use super::conn::Conn;
use super::deadlines::{Deadline, Due, Seen};
use super::draining::Draining;
use super::frames::{Found, Frames};
use super::inbox::Inbox;
use super::reason::{CloseReason, Ending};
use super::scratch::{SIZE, Scratch};
use super::shared::{Progress, Shared};
use super::{Connection, HalfClosed};
use crate::codec::{Codec, Stage};
use crate::driver::Berth;
use crate::listener::Handshake;

/// The most bytes one turn reads.
const BYTES: usize = SIZE;

/// The most frames one turn hands on.
const FRAMES: usize = 16;

/// The two halves of a connection that was accepted: for its actor's factory and for its cell.
/// It has its berth already, with a driver; `handshake` is dropped when it is established, `held` when it is gone.
pub(crate) fn accepted<C: Connection>(
    stream: TcpStream,
    peer: SocketAddr,
    common: Arc<Common>,
    berth: Berth,
    handshake: Handshake,
    held: impl Send + 'static,
) -> (Conn, MakePort<C>) {
    let shared = Arc::new(Shared::new(peer, Some(stream), common));
    shared.set_handshake(handshake);
    let conn = Conn::new(shared.clone());
    let mut once = Some((shared, berth, held));
    let make = move |readiness: Readiness| {
        let (shared, berth, held) = once.take().expect("a connection's actor is never restarted");
        shared.configure();
        // A new socket has room; if not, the first write finds out.
        shared.set_writable();
        if let Err(error) = shared.register(berth, &readiness) {
            shared.end(CloseReason::Io { kind: error.kind(), text: error.to_string() });
        }
        // The peer may have nothing to say, and `opened` is due all the same.
        readiness.set(Ready::WAKE);
        boxed(ConnectionPort::<C, _>::new(shared, readiness, Phase::Fresh, held))
    };
    (conn, Box::new(make))
}

/// The two halves of a connection to `peer`, which is begun when the actor starts.
pub(crate) fn connecting<C: Connection>(
    peer: SocketAddr,
    common: Arc<Common>,
    deadline: Duration,
) -> (Conn, MakePort<C>) {
    let shared = Arc::new(Shared::new(peer, None, common));
    let conn = Conn::new(shared.clone());
    let mut once = Some(shared);
    let make = move |readiness: Readiness| {
        let shared = once.take().expect("a connection's actor is never restarted");
        let begun = TcpStream::connect(peer).and_then(|stream| {
            shared.set_socket(stream);
            shared.register(Berth::mine()?, &readiness)
        });
        if let Err(error) = begun {
            shared.end(connect_failed(&error));
        }
        readiness.set(Ready::WAKE);
        let phase = Phase::Connecting { _deadline: Box::new(readiness.after(deadline)) };
        boxed(ConnectionPort::<C, ()>::new(shared, readiness, phase, ()))
    };
    (conn, Box::new(make))
}

fn boxed<C: Connection>(port: impl Port<C>) -> Box<dyn Port<C>> {
    Box::new(port)
}

fn connect_failed(error: &io::Error) -> CloseReason {
    CloseReason::ConnectFailed { kind: error.kind(), text: error.to_string() }
}

/// The life of a connection as its port sees it. What only its beginning and end need is boxed, since
/// most connections are in between.
enum Phase {
    /// Waits for the peer to accept.
    Connecting { _deadline: Box<Option<Timer>> },
    /// Is there; the actor has not heard of it.
    Fresh,
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
    readiness: Readiness,
    codec: Option<C::Codec>,
    inbox: Inbox,
    /// The codec needs more than what is in the inbox.
    hungry: bool,
    /// The socket has not refused to be read since it was last flagged.
    readable: bool,
    /// The peer has closed; outlives the phase that says so.
    eof: bool,
    /// Something has come from the peer, ever.
    heard: bool,
    watch: Option<Box<Watch>>,
    /// `WAKE` is flagged already. While an async handler is in work no flag is looked at, and
    /// raising it in each of its turns would make the actor run for ever.
    woken: bool,
    /// A whole frame has come.
    established: bool,
    phase: Phase,
    _held: H,
}

/// The deadlines of a connection that has any just now, and the timer that is armed for the next.
#[derive(Default)]
struct Watch {
    due: Due,
    timer: Option<(Timer, Instant)>,
}

impl Watch {
    fn note(&mut self, seen: Seen, shared: &Shared, readiness: &Readiness) -> Option<Deadline> {
        let now = readiness.now();
        let expired = self.due.note(seen, &shared.options().within, now);
        if expired.is_none() {
            self.arm(readiness, now);
        }
        expired
    }

    /// A timer that is early is left alone: when it fires this is called again.
    fn arm(&mut self, readiness: &Readiness, now: Instant) {
        let Some(next) = self.due.next() else { return };
        if self.timer.as_ref().is_none_or(|(_, at)| *at <= now || *at > next) {
            let timer = readiness.after(next.saturating_duration_since(now));
            self.timer = timer.map(|timer| (timer, next));
        }
    }
}

impl<C: Connection, H> ConnectionPort<C, H> {
    fn new(shared: Arc<Shared>, readiness: Readiness, phase: Phase, held: H) -> Self {
        ConnectionPort {
            shared,
            readiness,
            codec: None,
            inbox: Inbox::default(),
            hungry: true,
            readable: false,
            eof: false,
            heard: false,
            watch: None,
            woken: true,
            established: false,
            phase,
            _held: held,
        }
    }

    fn wake(&mut self) {
        if !self.woken {
            self.woken = true;
            self.readiness.set(Ready::WAKE);
        }
    }

    fn absorb(&mut self, ready: Ready) {
        self.woken = false;
        if ready.contains(Ready::READABLE) {
            self.readable = true;
        }
        if ready.contains(Ready::WRITABLE) && !matches!(self.phase, Phase::Connecting { .. }) {
            self.shared.set_writable();
        }
    }

    /// Looks how far a connection under way has come.
    fn connect(&mut self, ready: Ready) {
        if ready.contains(Ready::WRITABLE) || ready.contains(Ready::READABLE) {
            match self.shared.connected() {
                Ok(()) => {
                    self.shared.configure();
                    self.phase = Phase::Fresh;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.shared.end(connect_failed(&error));
                    return;
                }
            }
        }
        if ready.contains(Ready::TIMER) {
            let text = "the peer did not answer within the deadline".to_owned();
            self.shared.end(CloseReason::ConnectFailed { kind: io::ErrorKind::TimedOut, text });
        }
    }

    /// Everything between the start and the end. Nothing of it runs once the connection has ended.
    fn work(&mut self, seen: &mut Seen, actor: &mut C, ctx: &mut Context<C>) -> Again {
        if let Phase::Connecting { .. } = self.phase {
            return Again::No;
        }
        if let Phase::Fresh = self.phase {
            self.phase = Phase::Open;
            self.shared.write_replies(self.codec.insert(actor.codec()));
            actor.opened(ctx);
        }
        self.flush();
        if !ctx.is_stopping() && self.shared.eased() {
            actor.writable(ctx);
        }
        if ctx.is_stopping() {
            return Again::No;
        }
        if self.shared.may_read() {
            return self.read(seen, actor, ctx);
        }
        // An actor that has paused may never read what came before a write failed.
        if let Some(broken) = self.shared.broken() {
            self.shared.end(broken);
        }
        Again::No
    }

    /// Reads and decodes until the socket has no more, the budget is spent or the end has come.
    fn read(&mut self, seen: &mut Seen, actor: &mut C, ctx: &mut Context<C>) -> Again {
        let Some(mut codec) = self.codec.take() else {
            return Again::No;
        };
        let mut frames =
            Frames { shared: &self.shared, codec: &mut codec, actor, ctx, left: FRAMES, ended: false };
        let mut scratch = None;
        let mut bytes = BYTES;
        let found = loop {
            if !self.hungry {
                let (used, found) = frames.decode(self.inbox.bytes(), self.eof);
                self.inbox.consume(used);
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
            match self.shared.read(&mut scratch[..bytes]) {
                Ok(0) => {
                    self.phase = Phase::Eof;
                    (self.eof, self.hungry) = (true, false);
                }
                Ok(n) => {
                    (self.heard, seen.heard) = (true, true);
                    bytes -= n;
                    self.hungry = false;
                    // What came in one piece is decoded where it is; only the rest is copied.
                    let mut used = 0;
                    if self.inbox.is_empty() {
                        let found;
                        (used, found) = frames.decode(&mut scratch[..n], false);
                        self.hungry = found == Found::Need;
                        if found != Found::Need {
                            self.inbox.append(&scratch[used..n]);
                            break found;
                        }
                    }
                    self.inbox.append(&scratch[used..n]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) => {
                    self.shared.end(CloseReason::of(&error));
                    break Found::End;
                }
            }
        };
        if frames.ended && !std::mem::replace(&mut self.established, true) {
            self.shared.established();
        }
        seen.anew = frames.ended;
        self.codec = Some(codec);
        match found {
            Found::Need => self.all_read(actor, ctx),
            Found::Spent => return Again::Yes,
            Found::End => {}
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
            let connecting = matches!(self.phase, Phase::Connecting { .. });
            self.phase = Phase::Told;
            self.inbox = Inbox::default();
            if why.ending() != Ending::Flush || connecting {
                self.shared.close_socket(why.ending() == Ending::Reset);
            }
            actor.closed(&why, ctx);
            ctx.stop();
        }
        true
    }

    /// What is expected of the peer, as far as it is the peer's part.
    fn expected(&self) -> Option<Deadline> {
        if !matches!(self.phase, Phase::Open) || self.shared.is_paused() {
            return None;
        }
        match self.codec.as_ref()?.stage() {
            Stage::Handshake => Some(Deadline::Handshake),
            Stage::Frame => Some(Deadline::Frame),
            Stage::Between if !self.heard => Some(Deadline::FirstByte),
            Stage::Between => (!self.inbox.is_empty()).then_some(Deadline::Frame),
        }
    }

    /// Stores what is due, and says what has been for too long.
    fn watch(&mut self, mut seen: Seen) -> Option<Deadline> {
        if let Phase::Connecting { .. } = self.phase {
            return None; // It has a deadline of its own.
        }
        let within = &self.shared.options().within;
        seen.expected = self.expected().filter(|what| within.limits(*what));
        (seen.waits, seen.sent) = self.shared.outbound();
        if self.watch.is_none() {
            let writes = seen.waits && within.limits(Deadline::Write);
            if seen.expected.is_none() && !writes && !within.limits(Deadline::Idle) {
                return None;
            }
            self.watch = Some(Box::default());
        }
        self.watch.as_mut()?.note(seen, &self.shared, &self.readiness)
    }

    /// At the end of a turn, when something is left for the socket; the actor cannot be told of the end.
    fn watch_writes(&mut self) {
        if self.shared.options().within.limits(Deadline::Write) && self.watch(Seen::default()).is_some() {
            self.wake();
        }
    }

    /// The peer was too slow.
    fn expire(&mut self, deadline: Deadline) {
        let why = CloseReason::Expired(deadline);
        self.say_farewell(&why);
        self.shared.end(why);
    }

    fn say_farewell(&mut self, why: &CloseReason) {
        if let Some(codec) = &mut self.codec
            && let Some(words) = codec.farewell(why)
        {
            self.shared.write(words);
        }
    }

    fn flush(&mut self) {
        match self.shared.flush() {
            Progress::Empty | Progress::Waits => {}
            Progress::Spent => self.wake(),
            // What the peer sent before it went is still read.
            Progress::Broken => self.readable |= !self.eof,
        }
    }
}

impl<C: Connection, H: Send + 'static> Port<C> for ConnectionPort<C, H> {
    fn ready(&mut self, ready: Ready, actor: &mut C, ctx: &mut Context<C>) -> Again {
        self.absorb(ready);
        if let Phase::Connecting { .. } = self.phase
            && !self.shared.has_ended()
        {
            self.connect(ready);
        }
        if self.tell_end(actor, ctx) {
            return Again::No;
        }
        let mut seen = Seen::default();
        let again = self.work(&mut seen, actor, ctx);
        // Who has not been read to the end is not late.
        if again == Again::No
            && let Some(deadline) = self.watch(seen)
        {
            self.expire(deadline);
        }
        if self.tell_end(actor, ctx) { Again::No } else { again }
    }

    fn turn_ended(&mut self) {
        if let Phase::Connecting { .. } | Phase::Fresh | Phase::Open | Phase::Eof | Phase::HalfClosed =
            self.phase
        {
            self.flush();
            if self.shared.needs_turn() {
                self.wake();
            } else if self.shared.queued() > 0 {
                self.watch_writes();
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
            let ending = self.shared.ended().map_or(Ending::Drop, |why| why.ending());
            if ending != Ending::Flush || !connected {
                self.shared.close_socket(ending == Ending::Reset);
                return Drain::Done;
            }
            self.inbox = Inbox::default();
            // Its timer with it.
            self.watch = None;
            let draining = Draining::begin(&self.shared, &self.readiness);
            self.phase = Phase::Draining(Box::new(draining));
        }
        match &mut self.phase {
            Phase::Draining(draining) => draining.step(ready, self.eof, &self.shared, &self.readiness),
            _ => Drain::Done,
        }
    }

    fn breaker(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let shared = self.shared.clone();
        Some(Box::new(move || shared.fail()))
    }
}

impl<C: Connection, H> Drop for ConnectionPort<C, H> {
    fn drop(&mut self) {
        self.shared.fail();
    }
}
