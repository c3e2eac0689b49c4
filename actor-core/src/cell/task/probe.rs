//! A task around a task, which measures how late and how long the turn is. To queues it is a task like
//! any other.
#![allow(unsafe_code)]

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use crate::cell::kind::Kind;
use crate::cell::task::{Header, Task};
use crate::cell::{ActorId, Control};
use crate::clock;
use crate::observe::sample::{self, Stamp};
use crate::scheduler::local;

/// Begins as a cell does.
#[repr(C)]
struct Probe {
    header: Header,
    task: Task,
    stamp: Stamp,
}

/// A turn that takes less is no reason to look for another thread.
const SHORT: Duration = Duration::from_millis(1);

static KIND: Kind = Kind::no_actor("(none)", run, share, Location::caller());

impl Task {
    /// The same turn, measured if its turn to be so has come. Called when a turn is scheduled.
    #[inline]
    pub(crate) fn sampled(self) -> Task {
        #[cfg(feature = "sim")]
        if crate::sim::seam::is_here() {
            // There is nothing to measure, and whose turn it is has to be seen.
            return self;
        }
        if sample::turn_due() { self.probed() } else { self }
    }

    #[cold]
    #[inline(never)]
    fn probed(self) -> Task {
        let probe = Box::new(Probe {
            header: Header { kind: &KIND, id: ActorId::NOBODY },
            task: self,
            stamp: sample::turn_stamp(),
        });
        Task(NonNull::from(Box::leak(probe)).cast())
    }
}

/// Only what is listed is shared, and a probe is in queues only.
fn share(_: NonNull<Header>) -> Arc<dyn Control> {
    unreachable!("a probe is no cell")
}

/// # Safety
/// `header` is that of a `Probe` that was made by `probed`, and is not used again.
unsafe fn run(header: NonNull<Header>) {
    // SAFETY: the probe comes from a leaked box, and its task is run once.
    let probe = unsafe { Box::from_raw(header.cast::<Probe>().as_ptr()) };
    let Probe { task, stamp, .. } = *probe;
    let begun = clock::now();
    local::note_subject(&task);
    let kind = task.kind();
    task.run();
    if sample::turn_ended(stamp, begun) < SHORT {
        kind.turn_was_short(stamp.weight.into());
    }
}
