//! An actor that several workloads end at.

use actor_core::prelude::*;

use crate::signal::Done;

/// Takes so many messages and signals at the last one, with the sum of what they carried.
#[derive(Actor)]
#[actor(mailbox = "unbounded")]
pub(crate) struct Collector {
    left: u64,
    sum: u64,
    done: Done,
}

impl Collector {
    /// One that waits for `count` messages.
    pub(crate) fn new(count: u64, done: Done) -> Collector {
        Collector { left: count, sum: 0, done }
    }
}

#[messages]
impl Collector {
    /// Takes one.
    #[message]
    pub(crate) fn take(&mut self, value: u64) {
        self.sum += value;
        self.left -= 1;
        if self.left == 0 {
            self.done.value(self.sum);
        }
    }
}

/// Whether the collector has seen every number below `n`, `times` times.
pub(crate) fn all_came(sum: u64, n: u64, times: u64) -> Result<(), String> {
    let wanted = n * (n - 1) / 2 * times;
    if sum == wanted {
        Ok(())
    } else {
        Err(format!("messages were lost or doubled: their sum is {sum}, not {wanted}"))
    }
}
