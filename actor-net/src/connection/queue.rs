//! The bytes that wait to be sent. Does no input or output of its own: it is flushed into whatever
//! takes a vectored write.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

use crate::options::Options;

/// The most buffers handed to one vectored write. Systems allow 1024; the array lives on the
/// stack, and beyond a hundred or so the cost of the call itself no longer shows.
const SLICES: usize = 128;

/// The most bytes sent in one flush, so that a fast peer does not keep a worker to itself.
const BUDGET: usize = 256 << 10;

/// Bytes in the order they were written.
#[derive(Default)]
pub(crate) struct Queue {
    writes: VecDeque<Bytes>,
    bytes: usize,
    /// The high watermark was reached and the low one not since.
    pressed: bool,
    /// Some were sent since that was asked last.
    sent: bool,
    /// A part of the first is sent, so it cannot be dropped.
    begun: bool,
    /// While some of them have keys.
    keyed: Option<Box<Keyed>>,
}

/// Which writes have keys.
#[derive(Default)]
struct Keyed {
    /// How many writes have left the queue since there are keys: where the first stands.
    gone: u64,
    /// Where the last write of each key stands.
    places: BTreeMap<u64, u64>,
}

/// How far a flush came.
#[derive(Debug)]
pub(crate) enum Flush {
    /// Nothing waits any more.
    Empty,
    /// The other side takes no more for now.
    Blocked,
    /// The budget is spent; it would take more.
    Spent,
    /// Writing failed; nothing more can be sent.
    Failed(io::Error),
}

impl Queue {
    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// What it costs to keep what waits.
    pub(crate) fn cost(&self) -> usize {
        self.bytes + self.writes.len() * Options::WRITE_COST
    }

    /// Whether the high watermark was reached, and the low one not since.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// Whether `write` would bring the queue over its cap.
    pub(crate) fn is_over(&self, write: &Bytes, options: &Options) -> bool {
        self.cost() + write.len() + Options::WRITE_COST > options.cap
    }

    /// Adds to the end. Says whether the queue is at the high watermark or above.
    pub(crate) fn push(&mut self, write: Bytes, options: &Options) -> bool {
        if !write.is_empty() {
            self.bytes += write.len();
            self.writes.push_back(write);
        }
        let high = self.bytes >= options.high;
        self.pressed |= high;
        high
    }

    /// The same, for a write whose place another of its key may take later.
    pub(crate) fn push_keyed(&mut self, key: u64, write: Bytes, options: &Options) -> bool {
        if !write.is_empty() {
            let Keyed { gone, places } = &mut **self.keyed.get_or_insert_default();
            places.insert(key, *gone + self.writes.len() as u64);
            // Keys whose writes have gone are forgotten when there are more of them than others.
            if places.len() > 2 * self.writes.len() + 16 {
                places.retain(|_, at| *at >= *gone);
            }
        }
        self.push(write, options)
    }

    /// Takes out the only write, or what is left of it.
    pub(crate) fn take_only(&mut self) -> Bytes {
        let Some(write) = self.writes.pop_front() else { return Bytes::new() };
        self.bytes -= write.len();
        self.has_gone();
        self.begun = false;
        write
    }

    /// The first of all, or of those that are not begun, has left.
    fn has_gone(&mut self) {
        if let Some(keyed) = &mut self.keyed {
            keyed.gone += 1;
        }
    }

    /// Adds the rest of a write of which some was sent, to an empty queue.
    pub(crate) fn push_begun(&mut self, write: Bytes, options: &Options) {
        debug_assert!(self.is_empty());
        self.begun = !write.is_empty();
        self.push(write, options);
    }

    /// Puts the write in the place of the one with its key that waits, if there is such a one; gives it
    /// back otherwise.
    pub(crate) fn replace(&mut self, key: u64, write: Bytes) -> Result<(), Bytes> {
        let place = |keyed: &Keyed| keyed.places.get(&key)?.checked_sub(keyed.gone);
        let at = self.keyed.as_deref().and_then(place);
        let begun = at == Some(0) && self.begun;
        match at.and_then(|at| self.writes.get_mut(usize::try_from(at).ok()?)) {
            Some(old) if !begun && !write.is_empty() => {
                self.bytes = self.bytes - old.len() + write.len();
                *old = write;
                Ok(())
            }
            _ => Err(write),
        }
    }

    /// Drops the oldest write of which nothing is sent; false if there is none.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let first = usize::from(self.begun);
        let Some(write) = self.writes.remove(first) else { return false };
        self.bytes -= write.len();
        self.has_gone();
        true
    }

    /// Drops the newest write of which nothing is sent; false if there is none.
    pub(crate) fn drop_newest(&mut self) -> bool {
        if self.writes.len() <= usize::from(self.begun) {
            return false;
        }
        let write = self.writes.pop_back();
        self.bytes -= write.map_or(0, |write| write.len());
        true
    }

    /// Whether the queue has fallen to the low watermark since it was at the high one.
    pub(crate) fn has_eased(&self, options: &Options) -> bool {
        self.pressed && self.bytes <= options.low
    }

    /// The same, and says so only once.
    pub(crate) fn eased(&mut self, options: &Options) -> bool {
        let eased = self.has_eased(options);
        self.pressed &= !eased;
        eased
    }

    pub(crate) fn take_sent(&mut self) -> bool {
        std::mem::take(&mut self.sent)
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        *self = Queue::default();
    }

    /// Writes until nothing waits, the other side takes no more or the budget is spent.
    pub(crate) fn flush(&mut self, out: &mut impl Write) -> Flush {
        let mut sent = 0;
        while !self.writes.is_empty() {
            if sent >= BUDGET {
                return Flush::Spent;
            }
            match self.write_once(out) {
                Ok(0) => return Flush::Failed(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.advance(n);
                    sent += n;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flush::Blocked,
                Err(error) => return Flush::Failed(error),
            }
        }
        // Most connections are idle most of the time; an allocation costs less than the call above.
        (self.writes, self.keyed) = (VecDeque::new(), None);
        Flush::Empty
    }

    fn write_once(&self, out: &mut impl Write) -> io::Result<usize> {
        if let [write] = self.writes.as_slices().0
            && self.writes.len() == 1
        {
            return out.write(write);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slice, write) in slices.iter_mut().zip(&self.writes) {
            *slice = IoSlice::new(write);
            used += 1;
        }
        out.write_vectored(&slices[..used])
    }

    fn advance(&mut self, mut n: usize) {
        self.bytes -= n;
        self.sent = true;
        while n > 0 {
            let Some(first) = self.writes.front_mut() else {
                return;
            };
            if n < first.len() {
                first.advance(n);
                self.begun = true;
                return;
            }
            n -= first.len();
            self.begun = false;
            self.has_gone();
            self.writes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes at most so many bytes in each write, and only so many writes.
    struct Peer {
        each: usize,
        calls: usize,
        got: Vec<u8>,
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.calls == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.calls -= 1;
            let n = bytes.len().min(self.each);
            self.got.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.write(&slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn watermarks_are_reported_once_each_way() {
        let options = Options::new().watermarks(2, 4);
        let mut queue = Queue::default();
        assert!(!queue.push(Bytes::from_static(b"abc"), &options));
        assert!(queue.push(Bytes::from_static(b"d"), &options));
        assert!(!queue.eased(&options));
        let mut peer = Peer { each: 1, calls: 2, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Blocked));
        assert!(queue.eased(&options));
        assert!(!queue.eased(&options));
    }

    #[test]
    fn the_cap_counts_the_record_of_each_write() {
        let options = Options::new().cap(3 * (Options::WRITE_COST + 1));
        let mut queue = Queue::default();
        let byte = Bytes::from_static(b"x");
        for _ in 0..3 {
            assert!(!queue.is_over(&byte, &options));
            queue.push(byte.clone(), &options);
        }
        assert!(queue.is_over(&byte, &options));
    }

    #[test]
    fn a_fast_peer_is_served_within_the_budget() {
        let mut queue = Queue::default();
        for _ in 0..3 * BUDGET / 1024 {
            queue.push(Bytes::from(vec![7; 1024]), &Options::new());
        }
        let mut peer = Peer { each: usize::MAX, calls: 1000, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Spent));
        assert!(peer.got.len() < 2 * BUDGET);
    }

    #[test]
    fn an_emptied_queue_keeps_no_room() {
        let mut queue = Queue::default();
        for _ in 0..1000 {
            queue.push(Bytes::from_static(b"x"), &Options::new());
        }
        let mut peer = Peer { each: usize::MAX, calls: 1000, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Empty));
        assert!(queue.writes.capacity() == 0 && queue.bytes() == 0);
    }

    /// What a queue would send.
    fn all(queue: &mut Queue) -> String {
        let mut peer = Peer { each: usize::MAX, calls: 1000, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Empty));
        assert_eq!(queue.cost(), 0);
        String::from_utf8(peer.got).expect("what was put in")
    }

    fn filled() -> Queue {
        let mut queue = Queue::default();
        for write in ["first ", "second ", "third "] {
            queue.push_keyed(write.len() as u64, Bytes::from_static(write.as_bytes()), &Options::new());
        }
        queue
    }

    #[test]
    fn the_oldest_and_the_newest_can_be_dropped_but_not_what_is_begun() {
        let mut queue = filled();
        assert!(queue.drop_oldest());
        assert!(queue.drop_newest());
        assert_eq!(all(&mut queue), "second ");

        let mut queue = filled();
        let mut peer = Peer { each: 2, calls: 1, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Blocked));
        assert!(queue.drop_oldest());
        assert!(queue.drop_newest());
        assert!(!queue.drop_oldest());
        assert!(!queue.drop_newest());
        assert_eq!(all(&mut queue), "rst ");
    }

    #[test]
    fn a_write_takes_the_place_of_the_last_with_its_key() {
        // The first and the third have the same.
        let mut queue = filled();
        assert_eq!(queue.replace(6, Bytes::from_static(b"new ")), Ok(()));
        assert_eq!(queue.replace(1, Bytes::from_static(b"x")), Err(Bytes::from_static(b"x")));
        assert!(queue.drop_oldest());
        assert_eq!(queue.replace(7, Bytes::from_static(b"2nd ")), Ok(()));
        assert_eq!(all(&mut queue), "2nd new ");
        assert!(queue.replace(7, Bytes::from_static(b"gone")).is_err());
    }

    #[test]
    fn a_write_that_is_begun_keeps_its_place() {
        let mut queue = Queue::default();
        queue.push_keyed(1, Bytes::from_static(b"begun "), &Options::new());
        let mut peer = Peer { each: 1, calls: 1, got: Vec::new() };
        assert!(matches!(queue.flush(&mut peer), Flush::Blocked));
        let new = Bytes::from_static(b"new");
        assert_eq!(queue.replace(1, new.clone()), Err(new));
    }

    proptest! {
        #[test]
        fn short_writes_neither_lose_nor_repeat(
            writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..300),
            each in 1usize..50,
        ) {
            let mut queue = Queue::default();
            for write in &writes {
                queue.push(Bytes::copy_from_slice(write), &Options::new());
            }
            let mut peer = Peer { each, calls: 1, got: Vec::new() };
            while let Flush::Blocked = queue.flush(&mut peer) {
                prop_assert_eq!(queue.bytes() + peer.got.len(), writes.concat().len());
                peer.calls = 1;
            }
            prop_assert!(queue.is_empty());
            prop_assert_eq!(peer.got, writes.concat());
        }
    }
}
