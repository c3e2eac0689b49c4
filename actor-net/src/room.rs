//! Rooms: connections that are told the same.
//!
//! What is said in a room is put into a log for each *lane*, a part of the members that one actor
//! serves: the caster. It writes to its members' sockets itself, one after the other, so a member's
//! actor has no turn for what it is told, unless its socket refuses some of it. What is said while a
//! caster is at work goes out with one system call a member, when it comes to it.

mod caster;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actor_core::{Restart, SpawnError, SystemHandle};
use bytes::{BufMut, Bytes, BytesMut};

use crate::connection::{Conn, Shared};
use crate::options::Options;
use caster::{Caster, CasterRef};

/// How many members a lane has before another is used: so many are quicker told than another worker.
const FEW: usize = 64;

/// The most bytes that are put together.
const MERGED: usize = 64 << 10;

/// The most bytes that may wait for a caster.
const WAITING: usize = 16 << 20;

/// Connections that are told the same. A clone is the same room; it ends with the last of them.
///
/// What is said is encoded once, by who says it, and shared by all members. It goes to the workers, a
/// message for each of them at most, and from there straight to the sockets. All members hear the same in
/// the same order. A member that reads too slowly holds up nobody: what becomes of its writes is
/// its own listener's [policy](crate::WhenSlow). Members leave by themselves when their connections end.
///
/// ```
/// use actor_core::prelude::*;
/// use actor_net::{Conn, Connection, Lines, Listener, Room};
///
/// #[derive(Actor)]
/// struct Guest { conn: Conn, room: Room }
///
/// #[messages]
/// impl Guest {}
///
/// impl Connection for Guest {
///     type Codec = Lines;
///     fn codec(&self) -> Lines { Lines::new(1024) }
///     fn opened(&mut self, _ctx: &mut Context<Self>) {
///         self.room.join(&self.conn);
///     }
///     fn frame(&mut self, line: &str, _ctx: &mut Context<Self>) {
///         if self.room.cast(format!("{line}\n")).is_err() {
///             self.conn.write("the room is too busy\n");
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let system = actor_net::builder().build()?;
/// let room = Room::new(&system)?;
/// let server = Listener::bind("127.0.0.1:0")?
///     .spawn(&system, move |conn| Guest { conn, room: room.clone() })?;
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    lanes: Box<[Arc<Lane>]>,
    /// Held while something is put into the lanes, so that all members hear the same in the same order.
    order: Mutex<()>,
    members: AtomicUsize,
    next: AtomicU64,
}

/// A part of the members, and what they are to be told.
struct Lane {
    log: Mutex<Log>,
    /// How many members it has, of those that have joined and not left.
    members: AtomicUsize,
}

#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    /// What the casts among them, and those that the caster has taken, count for.
    waiting: usize,
    /// The caster knows that there is something, or is at it.
    called: bool,
    caster: Option<CasterRef>,
}

enum Entry {
    Join(u64, Arc<Shared>),
    Leave(u64),
    Cast(Cast),
}

/// Something that is said.
pub(crate) struct Cast {
    pub(crate) bytes: Bytes,
    pub(crate) key: Option<u64>,
}

impl Cast {
    fn cost(&self) -> usize {
        self.bytes.len() + Options::WRITE_COST
    }
}

/// What has gathered to be told to each member.
pub(crate) struct Batch {
    casts: Vec<Cast>,
    /// All of it in one piece, if there are several small ones: that is one write for each member, and copied
    /// once.
    merged: Option<Bytes>,
}

impl Batch {
    pub(crate) fn casts(&self) -> &[Cast] {
        &self.casts
    }

    pub(crate) fn merged(&self) -> Option<&Bytes> {
        self.merged.as_ref()
    }

    fn new(casts: Vec<Cast>) -> Batch {
        let len = casts.iter().map(|cast| cast.bytes.len()).sum();
        let merged = (casts.len() > 1 && len <= MERGED).then(|| {
            let mut all = BytesMut::with_capacity(len);
            casts.iter().for_each(|cast| all.put_slice(&cast.bytes));
            all.freeze()
        });
        Batch { casts, merged }
    }
}

/// A member's place in a room.
pub(crate) struct Seat {
    room: Weak<Inner>,
    lane: usize,
    key: u64,
}

impl Seat {
    pub(crate) fn leave(&self) {
        let Some(room) = self.room.upgrade() else { return };
        // It may be taken just now: then that is in the log before this.
        let _order = room.lock();
        // Relaxed, as all counts here: they guard nothing.
        room.members.fetch_sub(1, Ordering::Relaxed);
        let lane = &room.lanes[self.lane];
        lane.members.fetch_sub(1, Ordering::Relaxed);
        lane.put(Entry::Leave(self.key));
    }
}

/// More is said than the members can be told: 16 MiB wait. Has what was not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy(pub Bytes);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the room has {WAITING} bytes to pass on already; say less, or the same later")
    }
}

impl std::error::Error for Busy {}

impl Room {
    /// An empty room.
    ///
    /// # Errors
    ///
    /// If the system takes no more actors.
    pub fn new(system: &SystemHandle) -> Result<Room, SpawnError> {
        let lanes = (0..system.workers()).map(|_| Lane::new(system)).collect::<Result<_, _>>()?;
        let (order, members, next) = Default::default();
        Ok(Room(Arc::new(Inner { lanes, order, members, next })))
    }

    /// Makes a connection a member: it hears what is said from now on. False if it is one already, or
    /// has ended.
    pub fn join(&self, conn: &Conn) -> bool {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let _order = self.0.lock();
        let lane = self.0.emptiest();
        let seat = Seat { room: Arc::downgrade(&self.0), lane, key };
        if !conn.shared().sit(seat, |other| Weak::ptr_eq(&other.room, &Arc::downgrade(&self.0))) {
            return false;
        }
        self.0.members.fetch_add(1, Ordering::Relaxed);
        self.0.lanes[lane].members.fetch_add(1, Ordering::Relaxed);
        self.0.lanes[lane].put(Entry::Join(key, conn.shared().clone()));
        true
    }

    /// Ends a membership: the connection hears nothing that is said from now on. False if it was none.
    pub fn leave(&self, conn: &Conn) -> bool {
        let seat = conn.shared().stand_up(|seat| Weak::ptr_eq(&seat.room, &Arc::downgrade(&self.0)));
        seat.as_ref().inspect(|seat| seat.leave()).is_some()
    }

    /// Tells all members. Never waits; from any thread.
    ///
    /// # Errors
    ///
    /// [`Busy`] if more is said than can be passed on.
    pub fn cast(&self, bytes: impl Into<Bytes>) -> Result<(), Busy> {
        self.0.cast(bytes.into(), None)
    }

    /// The same, with a key as that of [`Conn::write_keyed`].
    ///
    /// # Errors
    ///
    /// As for [`cast`](Self::cast).
    pub fn cast_keyed(&self, key: u64, bytes: impl Into<Bytes>) -> Result<(), Busy> {
        self.0.cast(bytes.into(), Some(key))
    }

    /// How many members there are.
    #[must_use]
    pub fn members(&self) -> usize {
        self.0.members.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("members", &self.members()).finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane for another member.
    fn emptiest(&self) -> usize {
        let used = self.members.load(Ordering::Relaxed) / FEW + 1;
        let lanes = self.lanes.iter().take(used).map(|lane| lane.members.load(Ordering::Relaxed));
        lanes.enumerate().min_by_key(|(_, members)| *members).map_or(0, |(lane, _)| lane)
    }

    fn cast(&self, bytes: Bytes, key: Option<u64>) -> Result<(), Busy> {
        let _order = self.lock();
        let lanes = || self.lanes.iter().filter(|lane| lane.members.load(Ordering::Relaxed) > 0);
        if lanes().any(|lane| lane.lock().waiting > WAITING) {
            return Err(Busy(bytes));
        }
        for lane in lanes() {
            lane.put(Entry::Cast(Cast { bytes: bytes.clone(), key }));
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for lane in &self.lanes {
            let caster = lane.lock().caster.take();
            if let Some(caster) = caster {
                caster.stop();
            }
        }
    }
}

impl Lane {
    fn new(system: &SystemHandle) -> Result<Arc<Lane>, SpawnError> {
        let lane = Arc::new(Lane { log: Mutex::default(), members: AtomicUsize::new(0) });
        let own = lane.clone();
        // Nothing in it fails. If it did, its members would be gone.
        let caster = system.actor(move || Caster::new(own.clone())).restart(Restart::Temporary).spawn()?;
        lane.lock().caster = Some(caster);
        Ok(lane)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Nothing in here panics half-way through a change.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, entry: Entry) {
        let caster = {
            let mut log = self.lock();
            if let Entry::Cast(cast) = &entry {
                log.waiting += cast.cost();
            }
            log.entries.push(entry);
            if std::mem::replace(&mut log.called, true) { None } else { log.caster.clone() }
        };
        if let Some(caster) = caster {
            // It refuses only if it has ended, with the room or the system.
            let _ = caster.go().tell();
        }
    }

    /// What has come. If that is nothing, the caster is called when something comes.
    fn take(&self) -> Vec<Entry> {
        let mut log = self.lock();
        log.called = !log.entries.is_empty();
        std::mem::take(&mut log.entries)
    }

    /// So much is passed on.
    fn passed_on(&self, cost: usize) {
        self.lock().waiting -= cost;
    }
}
