//! From what is compressed to what was said, as it comes in: RFC 7692, 7.2.2.

use std::cell::Cell;
use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::Error;

/// What the sender has taken off the end of each message.
pub(super) const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The most room that is made at a time.
const ROOM: usize = 64 << 10;

thread_local! {
    /// For whoever on this thread begins a message next. It is some 40 KiB.
    static KEPT: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// The messages of one peer.
pub(super) struct Inflate {
    /// What was said before may be referred to.
    context: bool,
    /// Of the message that is coming in; or of all, if there is a context.
    state: Option<Decompress>,
}

impl Inflate {
    pub(super) fn new(context: bool) -> Inflate {
        Inflate { context, state: None }
    }

    /// Appends to `out` what these bytes of a message are, if that is not more than `most` bytes in all. `ends` says that they are
    /// its last ones.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        ends: bool,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), Error> {
        let mut state = self.state.take().or_else(|| KEPT.take()).unwrap_or_else(|| Decompress::new(false));
        inflate(&mut state, bytes, out, most)?;
        if ends {
            inflate(&mut state, &TAIL, out, most)?;
        }
        if ends && !self.context {
            state.reset(false);
            KEPT.set(Some(state));
        } else {
            self.state = Some(state);
        }
        Ok(())
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate").field("context", &self.context).finish_non_exhaustive()
    }
}

fn inflate(state: &mut Decompress, mut bytes: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), Error> {
    const WRONG: Error = Error::Protocol("a message is not compressed as it says");
    loop {
        // One byte beyond the maximum shows that there is one.
        let room = (most + 1 - out.len()).min(bytes.len().saturating_mul(4).clamp(1024, ROOM));
        let start = out.len();
        out.resize(start + room, 0);
        let before = (state.total_in(), state.total_out());
        let status = state.decompress(bytes, &mut out[start..], FlushDecompress::None);
        let used = (state.total_in() - before.0) as usize;
        let made = (state.total_out() - before.1) as usize;
        out.truncate(start + made);
        bytes = &bytes[used..];
        if out.len() > most {
            return Err(Error::TooLong { limit: most });
        }
        match status {
            // A last block that says so; others may follow it all the same.
            Ok(Status::StreamEnd) => state.reset(false),
            // There may be more that had no room.
            Ok(_) if made == room => {}
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(_) if used > 0 => {}
            _ => return Err(WRONG),
        }
    }
}
