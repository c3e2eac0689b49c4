//! The datagrams that wait to be sent. Does no input or output of its own.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

/// What each counts for beside its bytes: the record of it.
const COST: usize = 64;

/// The most that one flush sends, so that a fast network does not keep a worker to itself.
const BUDGET: usize = 64;

/// Datagrams in the order they were sent in.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<(SocketAddr, Bytes)>,
    cost: usize,
    most: usize,
}

/// How far a flush came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Nothing waits any more.
    Empty,
    /// The kernel takes no more for now.
    Blocked,
    /// The budget is spent.
    Spent,
}

impl Queue {
    pub(super) fn new(most: usize) -> Queue {
        Queue { waiting: VecDeque::new(), cost: 0, most }
    }

    /// Adds to the end, unless it does not fit.
    pub(super) fn push(&mut self, to: SocketAddr, bytes: Bytes) -> bool {
        let cost = bytes.len() + COST;
        let fits = self.cost + cost <= self.most;
        if fits {
            self.cost += cost;
            self.waiting.push_back((to, bytes));
        }
        fits
    }

    /// Hands on what waits, and counts what is refused, which is dropped.
    pub(super) fn flush(
        &mut self,
        dropped: &mut u64,
        mut send: impl FnMut(SocketAddr, &[u8]) -> io::Result<usize>,
    ) -> Flush {
        for _ in 0..BUDGET {
            let Some((to, bytes)) = self.waiting.front() else {
                // An idle socket keeps no room.
                self.waiting = VecDeque::new();
                return Flush::Empty;
            };
            match send(*to, bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flush::Blocked,
                // It concerns this one: its size, its address, or what became of an earlier one.
                Err(error) => {
                    tracing::debug!(%to, %error, "a datagram was not sent");
                    *dropped += 1;
                }
            }
            self.cost -= bytes.len() + COST;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() { Flush::Empty } else { Flush::Spent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_fits_and_sends_in_order() {
        let (mut queue, to) = (Queue::new(3 * (COST + 1)), SocketAddr::from(([127, 0, 0, 1], 9)));
        let pushed = [b"a", b"b", b"c", b"d"].map(|byte| queue.push(to, Bytes::from_static(byte)));
        assert_eq!(pushed, [true, true, true, false]);
        let (mut sent, mut dropped, mut room) = (Vec::new(), 0, 1);
        let mut kernel = |queue: &mut Queue, more: i32| {
            room += more;
            queue.flush(&mut dropped, |_, bytes| {
                if bytes == b"b" {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                if room == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                room -= 1;
                sent.extend_from_slice(bytes);
                Ok(bytes.len())
            })
        };
        assert_eq!(kernel(&mut queue, 0), Flush::Blocked);
        assert!(queue.push(to, Bytes::from_static(b"e")), "there is room again");
        assert_eq!(kernel(&mut queue, 5), Flush::Empty);
        assert_eq!((sent.as_slice(), dropped, queue.cost), (&b"ace"[..], 1, 0));
    }

    #[test]
    fn a_flush_has_a_budget() {
        let (mut queue, to) = (Queue::new(1 << 20), SocketAddr::from(([127, 0, 0, 1], 9)));
        for _ in 0..=BUDGET {
            assert!(queue.push(to, Bytes::new()));
        }
        let mut dropped = 0;
        assert_eq!(queue.flush(&mut dropped, |_, _| Ok(0)), Flush::Spent);
        assert_eq!(queue.flush(&mut dropped, |_, _| Ok(0)), Flush::Empty);
    }
}
