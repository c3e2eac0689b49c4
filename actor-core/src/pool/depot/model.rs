//! Models of threads that fetch and bring blocks, with chunks of three blocks and batches of two.
//!
//! What was weakened, and what loom said:
//!
//! * `take` shows a new chunk to others before it has taken its blocks: somebody is given none.
//!
//! Which block a thread holds is noted outside of the checker, so that noting it orders nothing.

use std::collections::HashSet;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::pool::LARGEST;
use crate::sync::model::check;

/// The addresses of the blocks that threads hold.
#[derive(Clone, Default)]
struct Held(std::sync::Arc<std::sync::Mutex<HashSet<usize>>>);

impl Held {
    fn take(&self, depot: &Depot) -> Stack {
        let mut blocks = Stack::EMPTY;
        match depot.take(LARGEST) {
            Taken::Blocks(taken) => blocks = taken,
            Taken::Fresh(mut fresh) => {
                fresh.cut(BATCH, LARGEST, &mut blocks);
                depot.give_fresh(fresh);
            }
        }
        let mut next = blocks.top;
        while !next.is_null() {
            assert!(self.0.lock().unwrap().insert(next.addr()), "a block is in two hands");
            // SAFETY: the block is this thread's.
            next = unsafe { (*next).next };
        }
        assert!(blocks.len > 0);
        blocks
    }

    fn give(&self, depot: &Depot, blocks: Stack) {
        let mut next = blocks.top;
        while !next.is_null() {
            assert!(self.0.lock().unwrap().remove(&next.addr()));
            // SAFETY: as above.
            next = unsafe { (*next).next };
        }
        depot.give(blocks);
    }
}

#[test]
fn a_block_is_in_one_hand_and_no_chunk_is_lost() {
    check(3, || {
        let (depot, held) = (Arc::new(Depot::new()), Held::default());
        let other = {
            let (depot, held) = (depot.clone(), held.clone());
            thread::spawn(move || {
                let first = held.take(&depot);
                let second = held.take(&depot);
                held.give(&depot, first);
                held.give(&depot, second);
            })
        };
        let first = held.take(&depot);
        held.give(&depot, first);
        let second = held.take(&depot);
        held.give(&depot, second);
        other.join().unwrap();
        // Loom fails if a chunk is not freed here, or was freed before.
        depot.clear();
        assert_eq!(depot.chunks(), (0, 0));
    });
}

#[test]
fn blocks_outlive_the_thread_that_fetched_them() {
    check(3, || {
        let (depot, held) = (Arc::new(Depot::new()), Held::default());
        let ending = {
            let (depot, held) = (depot.clone(), held.clone());
            thread::spawn(move || {
                let live = held.take(&depot);
                let own = held.take(&depot);
                held.give(&depot, own);
                live
            })
        };
        let own = held.take(&depot);
        held.give(&depot, own);
        let live = ending.join().unwrap();
        held.give(&depot, live);
        depot.clear();
        assert_eq!(depot.chunks(), (0, 0));
    });
}
