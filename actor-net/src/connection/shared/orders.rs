//! What others than its actor have a connection do: go where there is no room, or move to another worker.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actor_core::SystemHandle;

use super::{Shared, State, Status};
use crate::connection::evicting::{Candidate, Load};
use crate::driver::Berth;

impl Shared {
    /// A whole frame has come.
    pub(in crate::connection) fn speaks(&self) {
        if self.common.evicting.is_some() {
            let now = self.common.millis();
            self.lock().spoke = now;
        }
    }

    pub(in crate::connection) fn spoke(&self) -> u32 {
        self.lock().spoke
    }

    /// As one that may have to go for this; none if it goes already, or its end would not help.
    pub(in crate::connection) fn candidate(&self, load: Load) -> Option<Candidate> {
        let state = self.lock();
        let queued = state.queue.bytes();
        if state.is_closed() || state.evicted.is_some() || (load == Load::Bytes && state.charged == 0) {
            return None;
        }
        let idle = self.common.millis().wrapping_sub(state.spoke);
        Some(Candidate { peer: self.peer.clone(), idle: Duration::from_millis(idle.into()), queued })
    }

    /// Has it go, in a turn of its own; false if it does already. What waits goes at once, if that is why.
    pub(in crate::connection) fn evict(&self, load: Load) -> bool {
        {
            let mut state = self.lock();
            if state.is_closed() || state.evicted.is_some() {
                return false;
            }
            state.evicted = Some(load);
            if load == Load::Bytes {
                state.queue.clear();
                state.settle(self.options());
            }
        }
        self.wake();
        true
    }

    /// Why it has to go, once.
    pub(in crate::connection) fn evicted(&self) -> Option<Load> {
        self.common.evicting.as_ref()?;
        let state = self.lock();
        state.evicted.filter(|_| !matches!(state.status, Status::Ended(_)))
    }

    /// The driver that it is with.
    pub(in crate::connection) fn whose(&self) -> Option<usize> {
        self.lock().socket.as_ref()?.whose()
    }

    /// False if it was asked already.
    pub(in crate::connection) fn ask_to_move(&self) -> bool {
        let asked = !std::mem::replace(&mut self.lock().moves, true);
        if asked {
            // Relaxed: the port is flagged afterwards, and looks then.
            self.common.has_moved.store(true, Ordering::Relaxed);
            self.wake();
        }
        asked
    }

    pub(in crate::connection) fn was_asked_to_move(&self) -> bool {
        // Relaxed: as above.
        self.common.has_moved.load(Ordering::Relaxed) && std::mem::take(&mut self.lock().moves)
    }

    pub(in crate::connection) fn relocate(&self, berth: Berth, system: &SystemHandle) -> io::Result<bool> {
        let mut state = self.lock();
        match &mut *state {
            State { socket: Some(socket), readiness: Some(readiness), .. } => {
                socket.relocate(berth, readiness.clone(), system)
            }
            _ => Ok(false),
        }
    }
}
