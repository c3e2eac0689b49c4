//! What a connection may use.

use std::io;
use std::time::{Duration, Instant};

use actor_core::Backoff;
use socket2::{SockRef, TcpKeepalive};

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
    pub(crate) heartbeat: Option<Heartbeat>,
    /// 0: what the system has.
    send_buffer: usize,
    /// Zero: what the system has.
    user_timeout: Duration,
    keepalive: Option<Keepalive>,
}

/// How a peer that says nothing is asked whether it is still there, in its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    every: Duration,
    /// What to say where the codec has no word for it.
    pub(crate) words: Option<&'static [u8]>,
}

impl Heartbeat {
    /// How long it is until the next: chance has connections that began together beat apart.
    fn draw(&self) -> Duration {
        Backoff::new(self.every, self.every.saturating_mul(2)).draw(0)
    }
}

/// When a peer that says nothing is asked by the kernel whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keepalive {
    idle: Duration,
    interval: Duration,
    probes: u32,
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
                heartbeat: Duration::MAX,
            },
            when_slow: WhenSlow::Disconnect,
            heartbeat: None,
            send_buffer: 0,
            user_timeout: Duration::ZERO,
            keepalive: None,
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

    /// Has a peer asked whether it is still there, in the way of its protocol, when nothing has come from it since the last beat;
    /// if nothing has come then for `within`, the connection ends with [`Deadline::Heartbeat`](crate::Deadline), as with any other
    /// deadline. Beats are `every` and up to half as much apart, by chance, so that a crowd that came at once is not asked at once.
    /// There are none unless this says so. Whatever comes is an answer, and while the actor has [paused](crate::Conn::pause)
    /// none is expected.
    ///
    /// A WebSocket is sent a Ping. For a protocol without a question of the kind [`heartbeat_says`](Self::heartbeat_says) has one;
    /// without it nobody is asked, and nobody closed. Each connection has a timer for this. Keep-alive
    /// ([`keepalive`](Self::keepalive)) asks the peer's kernel instead, which answers for a process that hangs, and not through a proxy.
    #[must_use]
    pub const fn heartbeat(mut self, every: Duration, within: Duration) -> Options {
        let words = match self.heartbeat {
            Some(Heartbeat { words, .. }) => words,
            None => None,
        };
        self.heartbeat = Some(Heartbeat { every, words });
        self.within.heartbeat = within;
        self
    }

    /// What a [heartbeat](Self::heartbeat) says where the [codec](crate::Codec::ping) has no word for it: a whole frame, such as
    /// `b"PING\n"` for lines. Beats are 30 s apart, with as long for an answer, unless `heartbeat` says otherwise.
    #[must_use]
    pub const fn heartbeat_says(mut self, words: &'static [u8]) -> Options {
        let every = match self.heartbeat {
            Some(Heartbeat { every, .. }) => every,
            None => {
                self.within.heartbeat = Duration::from_secs(30);
                Duration::from_secs(30)
            }
        };
        self.heartbeat = Some(Heartbeat { every, words: Some(words) });
        self
    }

    /// A profile for very many connections that say little, such as a chat. A peer that does not read is noticed after tens of
    /// kilobytes and not after what the kernel would take for it by default, and one that is gone after a minute or two: most
    /// are telephones.
    ///
    /// | | `new` | `chat` | `gateway` | `bulk` |
    /// |---|---|---|---|---|
    /// | watermarks, KiB | 16, 64 | 4, 16 | 16, 64 | 256, 1024 |
    /// | cap | 1 MiB | 256 KiB | 4 MiB | 8 MiB |
    /// | send buffer of the kernel (`SO_SNDBUF`) | the system's | 32 KiB | the system's | 1 MiB |
    /// | unacknowledged for longer: gone (`TCP_USER_TIMEOUT`) | the system's | 30 s | 20 s | 60 s |
    /// | keep-alive: asked after, every, times | never | 60 s, 15 s, 4 | 30 s, 10 s, 3 | 120 s, 30 s, 4 |
    /// | small writes go out at once (`TCP_NODELAY`) | yes | yes | yes | no |
    #[must_use]
    pub const fn chat() -> Options {
        Options::new()
            .watermarks(4 << 10, 16 << 10)
            .cap(256 << 10)
            .send_buffer(32 << 10)
            .user_timeout(Duration::from_secs(30))
            .keepalive(Duration::from_secs(60), Duration::from_secs(15), 4)
    }

    /// A profile for requests and responses between services, where a dead peer is to be noticed soon and a response may be
    /// large. What is in it, [`chat`](Self::chat) says.
    #[must_use]
    pub const fn gateway() -> Options {
        Options::new().cap(4 << 20).user_timeout(Duration::from_secs(20)).keepalive(
            Duration::from_secs(30),
            Duration::from_secs(10),
            3,
        )
    }

    /// A profile for few connections with very much to send. What is in it, [`chat`](Self::chat) says.
    #[must_use]
    pub const fn bulk() -> Options {
        Options::new()
            .watermarks(256 << 10, 1 << 20)
            .cap(8 << 20)
            .send_buffer(1 << 20)
            .user_timeout(Duration::from_secs(60))
            .keepalive(Duration::from_secs(120), Duration::from_secs(30), 4)
            .nodelay(false)
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

    /// When the next heartbeat is; a century from now if there are none, or they are so far apart.
    pub(crate) fn next_beat(&self, now: Instant) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        let after = self.heartbeat.map_or(CENTURY, |heartbeat| heartbeat.draw());
        now + after.min(CENTURY)
    }

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

    /// How many bytes the kernel takes for a peer that does not read (`SO_SNDBUF`); Linux takes it for half of what it uses, and
    /// has a maximum. What the kernel has taken counts neither for the watermarks nor for the cap.
    #[must_use]
    pub const fn send_buffer(mut self, bytes: usize) -> Options {
        self.send_buffer = bytes;
        self
    }

    /// How long what was sent may be unacknowledged until the connection is given up (`TCP_USER_TIMEOUT`, Linux); without it that
    /// takes a quarter of an hour. Kept to the millisecond.
    #[must_use]
    pub const fn user_timeout(mut self, limit: Duration) -> Options {
        self.user_timeout = limit;
        self
    }

    /// After how long without a word the kernel asks the peer whether it is still there, how often then, and how many times in
    /// vain until the connection is given up. Kept to the second.
    #[must_use]
    pub const fn keepalive(mut self, idle: Duration, interval: Duration, probes: u32) -> Options {
        self.keepalive = Some(Keepalive { idle, interval, probes });
        self
    }

    /// Sets what concerns a TCP socket itself. Tries all of it, and gives the first error.
    pub(crate) fn apply(&self, socket: SockRef<'_>) -> io::Result<()> {
        let mut result = socket.set_tcp_nodelay(self.nodelay);
        if self.send_buffer > 0 {
            result = result.and(socket.set_send_buffer_size(self.send_buffer));
        }
        #[cfg(target_os = "linux")]
        if !self.user_timeout.is_zero() {
            result = result.and(socket.set_tcp_user_timeout(Some(self.user_timeout)));
        }
        if let Some(keepalive) = &self.keepalive {
            result = result.and(socket.set_tcp_keepalive(&keepalive.settings()));
        }
        result
    }

    /// The same, as far as a simulation has it.
    #[cfg(feature = "sim")]
    pub(crate) fn patience(&self) -> crate::sim::Patience {
        crate::sim::Patience::new(
            (!self.user_timeout.is_zero()).then_some(self.user_timeout),
            self.keepalive.map(|keepalive| keepalive.idle + keepalive.interval * keepalive.probes),
        )
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

impl Keepalive {
    fn settings(&self) -> TcpKeepalive {
        let settings = TcpKeepalive::new().with_time(self.idle).with_interval(self.interval);
        // Some systems have a number of their own.
        #[cfg(unix)]
        let settings = settings.with_retries(self.probes);
        settings
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn profiles_set_what_they_say() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let table = [
            (Options::chat(), Some(32 << 10), secs(30), secs(60), 4, true),
            (Options::gateway(), None, secs(20), secs(30), 3, true),
            (Options::bulk(), Some(1 << 20), secs(60), secs(120), 4, false),
            (Options::new(), None, None, None, 0, true),
        ];
        for (options, buffer, timeout, idle, probes, nodelay) in table {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = SockRef::from(&stream);
            let before = socket.send_buffer_size().unwrap();
            options.apply(SockRef::from(&stream)).unwrap();
            let most = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap();
            let most: usize = most.trim().parse().unwrap();
            // Linux doubles it, for what it needs itself.
            let expected = buffer.map_or(before, |bytes: usize| 2 * bytes.min(most));
            assert_eq!(socket.send_buffer_size().unwrap(), expected, "{options:?}");
            assert_eq!(socket.tcp_user_timeout().unwrap(), timeout, "{options:?}");
            assert_eq!(socket.keepalive().unwrap(), idle.is_some(), "{options:?}");
            if let Some(idle) = idle {
                assert_eq!(socket.tcp_keepalive_time().unwrap(), idle);
                assert_eq!(socket.tcp_keepalive_retries().unwrap(), probes);
            }
            assert_eq!(socket.tcp_nodelay().unwrap(), nodelay, "{options:?}");
        }
    }
}
