//! Bytes that were read and are not used yet: a partial frame, or frames a turn had no budget for.

/// The unused bytes of one connection. Has no memory of its own while there are none.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Those before it are used. They are moved out of the way only when more come, so that many
    /// small frames do not move the rest each time.
    start: usize,
}

impl Inbox {
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(super) fn append(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(more);
    }

    pub(super) fn consume(&mut self, used: usize) {
        self.start += used;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            *self = Inbox::default();
        }
    }
}
