//! Bytes that were read and are not used yet: a partial frame, or frames a turn had no budget for.

use std::cell::Cell;

/// The unused bytes of one connection. Has no memory of its own while there are none.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Those before it are used. They are moved out of the way only when more come, so that many
    /// small frames do not move the rest each time.
    start: usize,
}

impl Inbox {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// What is here, to be decoded.
    pub(super) fn take(&mut self) -> Unused<'_> {
        Unused { inbox: self, read: None, used: Cell::new(0) }
    }

    /// What was just read, to be decoded where it is. There must be nothing before it.
    pub(super) fn take_read<'a>(&'a mut self, read: &'a mut [u8]) -> Unused<'a> {
        debug_assert!(self.is_empty());
        Unused { inbox: self, read: Some(read), used: Cell::new(0) }
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

    fn consume(&mut self, used: usize) {
        self.start += used;
        debug_assert!(self.start <= self.bytes.len());
        if self.is_empty() {
            *self = Inbox::default();
        }
    }
}

/// Bytes that are being decoded. What is not used when this is dropped, by a panic of a handler too, is
/// in the inbox.
pub(super) struct Unused<'a> {
    inbox: &'a mut Inbox,
    read: Option<&'a mut [u8]>,
    used: Cell<usize>,
}

impl Unused<'_> {
    /// All of them, and how many are used.
    pub(super) fn parts(&mut self) -> (&mut [u8], &Cell<usize>) {
        match &mut self.read {
            Some(read) => (read, &self.used),
            None => (self.inbox.bytes(), &self.used),
        }
    }
}

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        match &self.read {
            Some(read) => self.inbox.append(&read[self.used.get()..]),
            None => self.inbox.consume(self.used.get()),
        }
    }
}
