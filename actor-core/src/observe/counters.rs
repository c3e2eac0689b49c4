//! Counters: each thread counts in memory of its own, and a worker adds what it has counted to its
//! block from time to time: whenever it looks outside, and before it parks.
//!
//! So counting is one instruction, without an address to be looked up, wherever it is done; and the
//! cache line that others read is written every 100 us at most.

use std::cell::Cell;
use std::fmt;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering};

/// Defines what is counted, once for the writer and once for the reader.
macro_rules! counts {
    ($($(#[$doc:meta])* $count:ident, $field:ident;)*) => {
        /// What is counted.
        #[derive(Clone, Copy)]
        pub(crate) enum Count {
            $($count,)*
        }

        const COUNTS: usize = [$(Count::$count),*].len();

        /// What a worker has done so far.
        ///
        /// A busy worker brings these up to date every 100 us or so, between two turns.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counters {
            fn from_array(values: [u64; COUNTS]) -> Self {
                Counters { $($field: values[Count::$count as usize],)* }
            }

            /// The counters with their names, in the order of their declaration; for exporters.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }

            /// What has been added since `before`.
            #[must_use]
            pub fn since(&self, before: &Counters) -> Counters {
                Counters { $($field: self.$field.saturating_sub(before.$field),)* }
            }
        }

        impl std::ops::AddAssign for Counters {
            fn add_assign(&mut self, other: Counters) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    /// Turns of actors: each handles several messages, if there are so many.
    Turns, turns;
    /// Messages taken out of mailboxes, to be handled. Timers and Downs are not among them.
    Messages, messages;
    /// Turns of the actor that was scheduled last, taken past the queue.
    NextHits, next_hits;
    /// How often the worker went to sleep in its driver.
    Parks, parks;
    /// Naps: rests of half a millisecond with which it watches what others do with their queues.
    Naps, naps;
    /// Wake-ups after which it found nothing to run before it went to rest again.
    IdleWakes, idle_wakes;
    /// Sleeping workers that this one has woken, because it had pushed work.
    WakesSent, wakes_sent;
    /// How often it looked into the queues of all the others, for something to steal.
    StealAttempts, steal_attempts;
    /// Tasks that it took from the others' queues.
    Stolen, stolen;
    /// Tasks that went to the global queue because its own was full.
    Overflows, overflows;
    /// Timers that it has fired.
    TimersFired, timers_fired;
    /// How often it asked its driver for events between two turns. A park does that too.
    DriverPolls, driver_polls;
    /// Chunks of 64 KiB that came from the allocator, because the pool had no blocks left for messages,
    /// replies or futures of a certain size.
    PoolMisses, pool_misses;
}

thread_local! {
    /// What this thread has counted and not yet added to a block. No destructor, so that each access
    /// is one instruction.
    static COUNTED: [Cell<u64>; COUNTS] = const { [const { Cell::new(0) }; COUNTS] };
}

/// Counts one on this thread. If it is no worker, nobody will ever know.
#[inline]
pub(crate) fn count(what: Count) {
    add(what, 1);
}

/// Counts several on this thread.
#[inline]
pub(crate) fn add(what: Count, more: u64) {
    COUNTED.with(|counted| {
        let counted = &counted[what as usize];
        counted.set(counted.get().wrapping_add(more));
    });
}

/// The counters of a worker that others see.
pub(super) struct Block(CachePadded<[AtomicU64; COUNTS]>);

impl Block {
    pub(super) fn new() -> Self {
        Block(CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }

    /// Adds what this thread has counted. It is the only one that writes to this block.
    pub(super) fn add_counted(&self) {
        COUNTED.with(|counted| {
            for (total, counted) in self.0.iter().zip(counted) {
                let more = counted.take();
                if more > 0 {
                    // Relaxed: counters order nothing; and nobody else writes, so nothing is lost
                    // between the load and the store.
                    total.store(total.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
                }
            }
        });
    }

    /// The same for a block that several threads write to, by this only.
    pub(super) fn add_counted_anywhere(&self) {
        COUNTED.with(|counted| {
            for (total, counted) in self.0.iter().zip(counted) {
                let more = counted.take();
                if more > 0 {
                    // Relaxed: counters order nothing.
                    total.fetch_add(more, Ordering::Relaxed);
                }
            }
        });
    }

    pub(super) fn read(&self) -> Counters {
        Counters::from_array(std::array::from_fn(|count| self.0[count].load(Ordering::Relaxed)))
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.named().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_counts_is_added_to_its_block_once() {
        std::thread::spawn(|| {
            let block = Block::new();
            count(Count::Turns);
            add(Count::Stolen, 5);
            assert_eq!(block.read(), Counters::default(), "nothing was added yet");
            block.add_counted();
            block.add_counted();
            count(Count::Turns);
            block.add_counted();
            let expected = Counters { turns: 2, stolen: 5, ..Counters::default() };
            assert_eq!(block.read(), expected);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn threads_count_apart() {
        std::thread::spawn(|| {
            let block = Block::new();
            std::thread::spawn(|| count(Count::Parks)).join().unwrap();
            block.add_counted();
            assert_eq!(block.read().parks, 0);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_block_is_alone_in_its_cache_lines() {
        assert!(align_of::<Block>() >= 64);
        assert_eq!(size_of::<Block>() % align_of::<Block>(), 0);
    }

    #[test]
    fn every_counter_has_its_name_and_its_difference() {
        let values: [u64; COUNTS] = std::array::from_fn(|at| at as u64 + 1);
        let counters = Counters::from_array(values);
        assert!(counters.named().map(|(_, value)| value).eq(values));
        let mut twice = counters;
        twice += counters;
        assert_eq!(twice.since(&counters), counters);
        assert_eq!(counters.since(&twice), Counters::default(), "never below zero");
        assert!(counters.to_string().starts_with("turns=1 messages=2 next_hits=3 "));
    }
}
