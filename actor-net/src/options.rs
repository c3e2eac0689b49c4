//! What a connection may use.

use std::time::Duration;

use crate::connection::Within;

/// Limits and socket options of a connection; the same for all connections of a listener.
///
/// ```
/// use actor_net::Options;
///
/// let options = Options::new().watermarks(4 << 10, 32 << 10).cap(256 << 10);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) cap: usize,
    pub(crate) nodelay: bool,
    pub(crate) flush: Duration,
    pub(crate) linger: Duration,
    pub(crate) within: Within,
    pub(crate) when_slow: WhenSlow,
}

/// What becomes of a write that finds the queue of a peer that reads too slowly at its
/// [cap](Options::cap), or the [budget](crate::Budget) of all used up.
///
/// What was dropped is always told, to the actor ([`lagged`](crate::Connection::lagged)). Writes are
/// dropped whole, and never one of which the peer has a part already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// The connection is reset, with [`SlowConsumer`](crate::CloseReason::SlowConsumer).
    #[default]
    Disconnect,
    /// The write is dropped: the peer gets what is oldest, without a gap in it, and then what is new again.
    DropNew,
    /// The oldest that wait are dropped until there is room: the peer gets what is newest.
    DropOld,
    /// From the high watermark on a write with a key ([`write_keyed`](crate::Conn::write_keyed)) takes
    /// the place of the one with this key that waits: the peer gets the last of each. One for which there
    /// is neither such a place nor room closes the connection, as with `Disconnect`.
    Coalesce,
    /// From the high watermark on nothing is read from the peer, and no frame handed on, until the queue has fallen to
    /// the low one: who causes writes by what it sends, waits. What others write beyond the cap meanwhile
    /// is dropped, as with `DropNew`.
    Stall,
}

impl Options {
    /// Watermarks at 16 and 64 KiB, a cap of 1 MiB, no Nagle delay, 3 s to flush and 1 s to
    /// linger at the end. A handshake or head may take 10 s, a frame 60 s, and a peer may read nothing
    /// for 60 s while something waits for it.
    #[must_use]
    pub const fn new() -> Options {
        Options {
            low: 16 << 10,
            high: 64 << 10,
            cap: 1 << 20,
            nodelay: true,
            flush: Duration::from_secs(3),
            linger: Duration::from_secs(1),
            within: Within {
                first_byte: Duration::MAX,
                handshake: Duration::from_secs(10),
                frame: Duration::from_secs(60),
                idle: Duration::MAX,
                write: Duration::from_secs(60),
            },
            when_slow: WhenSlow::Disconnect,
        }
    }

    /// How long a peer may take to send its first byte. There is no limit unless this sets one, since
    /// some have nothing to say.
    ///
    /// For this and the limits that follow: [`Duration::MAX`] is none. A peer that exceeds one is told
    /// so in the way of its protocol ([`Codec::farewell`](crate::Codec::farewell)) and the connection
    /// is closed, with [`CloseReason::Expired`](crate::CloseReason::Expired); the log says which limit it
    /// was and whose ([`Server::ends`](crate::Server::ends) counts them). While the actor has
    /// [paused](crate::Conn::pause) the peer is not to blame, and what it sends has no limit.
    #[must_use]
    pub const fn first_byte_within(mut self, limit: Duration) -> Options {
        self.within.first_byte = limit;
        self
    }

    /// How long a handshake may take, from the opening of the connection; or the head of an HTTP
    /// request, from its first byte. 10 s unless this says otherwise.
    #[must_use]
    pub const fn handshake_within(mut self, limit: Duration) -> Options {
        self.within.handshake = limit;
        self
    }

    /// How long a frame may take from its first byte to its last, however often one comes: a line, a
    /// message with all its fragments, the body of a request. 60 s unless this says otherwise.
    #[must_use]
    pub const fn frame_within(mut self, limit: Duration) -> Options {
        self.within.frame = limit;
        self
    }

    /// How long nothing may go over the connection, in either direction. There is no limit unless this
    /// sets one.
    #[must_use]
    pub const fn idle_within(mut self, limit: Duration) -> Options {
        self.within.idle = limit;
        self
    }

    /// How long a peer may read nothing while bytes wait for it; after that it is reset. 60 s unless
    /// this says otherwise. The [cap](Self::cap) bounds what waits, this for how long.
    #[must_use]
    pub const fn write_within(mut self, limit: Duration) -> Options {
        self.within.write = limit;
        self
    }

    /// At `high` queued bytes or more a write answers [`Pressure::High`](crate::Pressure); at `low`
    /// or fewer the actor hears [`writable`](crate::Connection::writable). `low` is lowered to
    /// `high` if it is above it.
    #[must_use]
    pub const fn watermarks(mut self, low: usize, high: usize) -> Options {
        self.low = if low < high { low } else { high };
        self.high = high;
        self
    }

    /// The most bytes that may wait to be sent. What becomes of a write that the socket does not take and
    /// that does not fit, [`when_slow`](Self::when_slow) says.
    ///
    /// Each waiting write counts for its length and the record of it
    /// ([`WRITE_COST`](Self::WRITE_COST)), so the cap bounds memory whatever the size of the writes.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Options {
        self.cap = bytes;
        self
    }

    /// What becomes of writes to a peer that reads too slowly. Unless this says otherwise, the
    /// connection is reset.
    #[must_use]
    pub const fn when_slow(mut self, policy: WhenSlow) -> Options {
        self.when_slow = policy;
        self
    }

    /// What a waiting write counts for beside its own bytes.
    pub const WRITE_COST: usize = size_of::<bytes::Bytes>();

    /// How long the end of a connection takes at most: what its supervisor has to wait for.
    pub(crate) fn longest_end(&self) -> Duration {
        self.flush.saturating_add(self.linger).saturating_add(Duration::from_secs(1))
    }

    /// Whether small writes go out at once (`TCP_NODELAY`). On unless it is switched off: writes
    /// are gathered in a turn already.
    #[must_use]
    pub const fn nodelay(mut self, on: bool) -> Options {
        self.nodelay = on;
        self
    }

    /// How long a connection that ends may take to send what is queued; after that it is reset.
    #[must_use]
    pub const fn flush_within(mut self, limit: Duration) -> Options {
        self.flush = limit;
        self
    }

    /// How long a connection that has sent its last bytes waits for the peer to close as well.
    ///
    /// Closing earlier would lose those bytes if the peer is still sending: what arrives at a
    /// closed socket is answered with a reset, and a reset discards what was not read yet.
    #[must_use]
    pub const fn linger(mut self, limit: Duration) -> Options {
        self.linger = limit;
        self
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}
